//! Secrets: `mstd_` for an API key or `mses_` for a session token, 43 characters of base 62 from 256
//! random bits, `_`, and their CRC-32, by which a cut or mistyped one is told from an unknown one.

use secrecy::{ExposeSecret, SecretString};

use crate::domain::key::KeyHash;

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const KEY_PREFIX: &str = "mstd_";
const TOKEN_PREFIX: &str = "mses_";
const SECRET_CHARS: usize = 43;
const CHECK_CHARS: usize = 6;

/// Makes an API key of 256 random bits.
pub fn mint_key(random: &[u8; 32]) -> SecretString {
    mint(KEY_PREFIX, random)
}

/// Makes a session token of 256 random bits.
pub fn mint_token(random: &[u8; 32]) -> SecretString {
    mint(TOKEN_PREFIX, random)
}

/// Whether this looks like a session token, and so is none of the API keys.
pub fn is_token(secret: &str) -> bool {
    secret.starts_with(TOKEN_PREFIX)
}

fn mint(prefix: &str, random: &[u8; 32]) -> SecretString {
    let secret = base62(random);
    let check = base62_number(u64::from(crc32fast::hash(secret.as_bytes())), CHECK_CHARS);
    format!("{prefix}{secret}_{check}").into()
}

/// Compares two hashes in constant time.
pub fn same_hash(one: &KeyHash, other: &KeyHash) -> bool {
    subtle::ConstantTimeEq::ct_eq(one.as_bytes().as_slice(), other.as_bytes()).into()
}

/// What is shown of a key: its prefix and its last four characters.
pub fn hint(secret: &SecretString) -> String {
    let text = secret.expose_secret();
    match text.char_indices().rev().nth(3) {
        Some((at, _)) if text.starts_with(KEY_PREFIX) => format!("{KEY_PREFIX}…{}", &text[at..]),
        _ => "…".into(),
    }
}

/// Says that a secret of our form was cut or mistyped, which its check sum shows.
pub fn is_damaged(secret: &str) -> bool {
    let prefixes = [KEY_PREFIX, TOKEN_PREFIX];
    let Some(rest) = prefixes.iter().find_map(|prefix| secret.strip_prefix(prefix)) else {
        return false;
    };
    let Some((body, check)) = rest.rsplit_once('_') else { return true };
    body.len() != SECRET_CHARS
        || check != base62_number(u64::from(crc32fast::hash(body.as_bytes())), CHECK_CHARS)
}

fn base62(number: &[u8; 32]) -> String {
    let mut number = *number;
    let mut digits = [0; SECRET_CHARS];
    for digit in digits.iter_mut().rev() {
        let mut remainder = 0u32;
        for byte in &mut number {
            let value = remainder << 8 | u32::from(*byte);
            *byte = u8::try_from(value / 62).unwrap_or(u8::MAX);
            remainder = value % 62;
        }
        *digit = BASE62[remainder as usize];
    }
    digits.iter().copied().map(char::from).collect()
}

fn base62_number(mut number: u64, width: usize) -> String {
    let mut digits = vec![b'0'; width];
    for digit in digits.iter_mut().rev() {
        *digit = BASE62[usize::try_from(number % 62).unwrap_or(0)];
        number /= 62;
    }
    digits.into_iter().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_its_prefix_43_characters_and_a_check_sum() {
        let key = mint_key(&[7; 32]);
        let text = key.expose_secret();

        assert_eq!(text.len(), 5 + 43 + 1 + 6);
        assert!(!is_damaged(text));
        assert!(is_damaged(&text[..text.len() - 1]));
        assert!(is_damaged(&text.replace('_', "-").replacen('-', "_", 1)));
        assert!(!is_damaged("sk-ant-anything"));
        assert_eq!(hint(&key), format!("mstd_…{}", &text[text.len() - 4..]));
    }

    #[test]
    fn base_62_keeps_all_256_bits_apart() {
        assert_eq!(base62(&[0; 32]), "0".repeat(43));
        assert_ne!(base62(&[255; 32]), base62(&[254; 32]));
        let mut one = [0; 32];
        one[31] = 61;
        assert_eq!(base62(&one), format!("{}z", "0".repeat(42)));
    }

    #[test]
    fn a_short_or_foreign_key_is_not_shown_at_all() {
        assert_eq!(hint(&"abc".to_owned().into()), "…");
        assert_eq!(hint(&"a-long-foreign-key".to_owned().into()), "…");
    }
}
