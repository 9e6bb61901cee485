//! The bytes of a memory and their hash. Nothing is normalised: what comes back is what was sent.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256 as Hasher};

use super::{Error, Result};

/// A SHA-256, written as 64 lowercase hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sha256([u8; 32]);

impl Sha256 {
    pub fn of(bytes: &[u8]) -> Self {
        Self(Hasher::digest(bytes).into())
    }

    /// Takes a hash that this server wrote itself, from its own database.
    pub fn stored(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    pub fn parse(field: &str, text: &str) -> Result<Self> {
        let refuse = || {
            Error::Invalid(format!(
                "{field} must be a SHA-256 as 64 lowercase hexadecimal digits; this one has {} \
                 characters{}",
                text.chars().count(),
                match text.chars().position(|char| !matches!(char, '0'..='9' | 'a'..='f')) {
                    Some(at) => format!(", the {}. is not one of 0-9 and a-f", at + 1),
                    None => String::new(),
                }
            ))
        };
        if text.len() != 64 {
            return Err(refuse());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte =
                nibble(pair[0]).zip(nibble(pair[1])).map(|(h, l)| h << 4 | l).ok_or_else(refuse)?;
        }
        Ok(Self(bytes))
    }

    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        // Every item of every list has one: digit by digit through the formatter took a sixth of a page.
        let mut text = [0; 64];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0) {
            pair.copy_from_slice(&[byte >> 4, byte & 15].map(|digit| DIGITS[usize::from(digit)]));
        }
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The content of a memory with its hash; the text never prints.
#[derive(Clone, PartialEq, Eq)]
pub struct Content {
    text: Arc<str>,
    sha256: Sha256,
}

impl Content {
    /// Takes a text of at most `limit` bytes (contract 3.2).
    pub fn new(text: String, limit: usize) -> Result<Self> {
        if text.len() > limit {
            return Err(Error::Invalid(format!(
                "content must be at most {limit} bytes; this one has {}",
                text.len()
            )));
        }
        let sha256 = Sha256::of(text.as_bytes());
        Ok(Self { text: text.into(), sha256 })
    }

    /// Takes bytes that this server wrote itself, with their hash.
    pub fn stored(bytes: Vec<u8>, sha256: Sha256) -> Option<Self> {
        String::from_utf8(bytes).ok().map(|text| Self { text: text.into(), sha256 })
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn sha256(&self) -> Sha256 {
        self.sha256
    }

    pub fn size(&self) -> i64 {
        i64::try_from(self.text.len()).unwrap_or(i64::MAX)
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Content({} bytes)", self.text.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_in_bytes_and_exact() {
        assert!(Content::new("é".repeat(51_200), 102_400).is_ok());
        assert_eq!(
            Content::new("é".repeat(51_200) + "x", 102_400).unwrap_err().to_string(),
            "content must be at most 102400 bytes; this one has 102401"
        );
    }

    #[test]
    fn the_hash_is_of_the_raw_bytes_in_lowercase() {
        let content = Content::new("hi\n".into(), 10).unwrap();
        let hex = "98ea6e4f216f2fb4b69fff9b3a44842c38686ca685f3f55dc48c5d3fb1107be4";
        assert_eq!(content.sha256().to_string(), hex);
        assert_eq!(Sha256::parse("h", hex).unwrap(), content.sha256());
    }

    #[test]
    fn a_hash_that_is_no_hash_is_refused() {
        let hex = "a".repeat(64);
        for bad in
            ["", "nothex", &hex[1..], &format!("{hex}a"), &hex.to_uppercase(), &"g".repeat(64)]
        {
            let message =
                Sha256::parse("precondition.content_sha256", bad).unwrap_err().to_string();
            assert!(message.starts_with("precondition.content_sha256 must be"), "{message}");
        }
    }

    #[test]
    fn content_does_not_print() {
        let content = Content::new("secret".into(), 10).unwrap();
        assert_eq!(format!("{content:?}"), "Content(6 bytes)");
    }
}
