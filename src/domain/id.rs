//! Identifiers: one type per kind, so that a store and a memory can't be swapped.
//!
//! An identifier is a prefix and 26 characters of Crockford's base 32: a ULID where it is drawn, or
//! the first 130 bits of a hash where it has to be the same everywhere (keys, `--dev` workspaces).
//! Clients treat them as opaque (contract 1.10).

use std::fmt;

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Characters after the prefix.
pub const SUFFIX_LEN: usize = 26;

/// Writes the first 130 bits of `hash` in the alphabet of ULIDs.
pub fn suffix_of_hash(hash: &[u8; 32]) -> String {
    (0..SUFFIX_LEN)
        .map(|at| {
            let bit = at * 5;
            let pair = u16::from_be_bytes([hash[bit / 8], hash[bit / 8 + 1]]);
            char::from(ALPHABET[usize::from((pair >> (11 - bit % 8)) & 31)])
        })
        .collect()
}

fn is_suffix(text: &str) -> bool {
    text.len() == SUFFIX_LEN && text.bytes().all(|byte| ALPHABET.contains(&byte))
}

macro_rules! identifiers {
    ($($(#[$doc:meta])* $name:ident $prefix:literal $what:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            pub const PREFIX: &str = $prefix;
            /// What a message calls the thing that this identifies.
            pub const WHAT: &str = $what;

            pub fn new(suffix: &str) -> Self {
                Self(format!("{}{suffix}", $prefix))
            }

            /// Takes a value that this server wrote itself, from its own database.
            pub fn stored(text: String) -> Self {
                Self(text)
            }

            /// Reads one from a request. A malformed one is as unknown as any other (404).
            pub fn parse(text: &str) -> super::Result<Self> {
                match text.strip_prefix($prefix) {
                    Some(suffix) if is_suffix(suffix) => Ok(Self(text.to_owned())),
                    _ => Err(super::Error::not_found($what, text)),
                }
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

identifiers! {
    StoreId "memstore_" "memory store";
    MemoryId "mem_" "memory";
    VersionId "memver_" "memory version";
    WorkspaceId "wrkspc_" "workspace";
    ApiKeyId "apikey_" "API key";
    /// A person (`user_`) or a service account (`svac_`) is told apart in [`super::actor`].
    UserId "user_" "user";
    ServiceAccountId "svac_" "service account";
    SessionId "sesn_" "session";
    /// A session token's ID, never its secret.
    TokenId "sesntok_" "session token";
    EventId "sevt_" "event";
    AgentId "agent_" "agent";
    EnvironmentId "env_" "environment";
    WorkId "work_" "work item";
    RequestId "req_" "request";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_becomes_26_characters_of_the_alphabet() {
        assert_eq!(suffix_of_hash(&[0; 32]), "0".repeat(26));
        assert_eq!(suffix_of_hash(&[0xff; 32]), "Z".repeat(26));

        let mut hash = [0; 32];
        hash[0] = 0b0000_1000;
        hash[1] = 0b0100_0000;
        assert_eq!(&suffix_of_hash(&hash)[..4], "1100");
    }

    #[test]
    fn a_malformed_identifier_is_unknown() {
        let good = format!("mem_{}", "0".repeat(26));
        assert!(MemoryId::parse(&good).is_ok());
        for bad in ["", "mem_", "mem_1", "memstore_00000000000000000000000000", "mem_\0"] {
            assert_eq!(
                MemoryId::parse(bad).unwrap_err().to_string(),
                format!("memory not found: {bad}")
            );
        }
        assert!(MemoryId::parse(&good.replace('0', "I")).is_err());
    }
}
