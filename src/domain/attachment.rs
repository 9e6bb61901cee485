//! Stores attached to a session: what the session keeps of each, and where it is mounted (contract
//! 5.1 to 5.3).

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use super::id::StoreId;
use super::store::Store;
use super::{Error, Result};

/// Stores that one session may have.
pub const MAX: usize = 8;
pub const INSTRUCTIONS_CHARS: usize = 4096;
/// The folder below which stores are mounted.
const ROOT: &str = "/mnt/memory/";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    #[default]
    ReadWrite,
    ReadOnly,
}

impl Access {
    pub const ALL: [Self; 2] = [Self::ReadWrite, Self::ReadOnly];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReadWrite => "read_write",
            Self::ReadOnly => "read_only",
        }
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Access {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|access| access.as_str() == text).ok_or_else(|| {
            Error::Invalid(format!("access must be \"read_write\" or \"read_only\"; got {text:?}"))
        })
    }
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub store: StoreId,
    pub access: Access,
    pub instructions: Option<String>,
}

/// An attached store: name and description as they were then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    pub store: StoreId,
    pub access: Access,
    pub instructions: Option<String>,
    pub name: String,
    pub description: String,
    pub mount_path: String,
}

/// Checks what can be checked without the stores.
pub fn check(wanted: &[Wanted]) -> Result<()> {
    if wanted.len() > MAX {
        return Err(Error::Invalid(format!(
            "resources cannot contain more than {MAX} memory_store entries"
        )));
    }
    for (at, one) in wanted.iter().enumerate() {
        if wanted[..at].iter().any(|earlier| earlier.store == one.store) {
            return Err(Error::Invalid(format!(
                "resources.{at}.memory_store_id: the memory store {} is attached more than once",
                one.store
            )));
        }
        let chars = one.instructions.as_ref().map_or(0, |text| text.chars().count());
        if chars > INSTRUCTIONS_CHARS {
            return Err(Error::Invalid(format!(
                "resources.{at}.instructions must be at most {INSTRUCTIONS_CHARS} characters; \
                 these are {chars}"
            )));
        }
        if one.instructions.as_ref().is_some_and(|text| text.contains('\0')) {
            return Err(Error::Invalid(format!(
                "resources.{at}.instructions must not contain U+0000"
            )));
        }
    }
    Ok(())
}

/// Attaches stores, in the order of the request. An archived one is refused.
pub fn attach(wanted: Vec<(Wanted, Store)>) -> Result<Vec<Attachment>> {
    let mut taken = BTreeSet::new();
    let attached = wanted.into_iter().map(|(wanted, store)| {
        if store.archived_at.is_some() {
            return Err(Error::Invalid(format!(
                "memory store {} is archived: it can't be attached to a session",
                store.id
            )));
        }
        Ok(Attachment {
            mount_path: format!("{ROOT}{}", free(&slug(&store), &mut taken)),
            store: store.id,
            access: wanted.access,
            instructions: wanted.instructions,
            name: store.name,
            description: store.description,
        })
    });
    attached.collect()
}

/// The folder's name: the store's, in lower case, with `-` for each run of other characters than
/// ASCII letters and digits. Where nothing is left, its ID's.
fn slug(store: &Store) -> String {
    let of_name = slug_of(&store.name);
    if of_name.is_empty() { slug_of(store.id.as_str()) } else { of_name }
}

fn slug_of(text: &str) -> String {
    let words = text.split(|char: char| !char.is_ascii_alphanumeric());
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    words.join("-").to_ascii_lowercase()
}

/// `slug`, or the first of `slug-2`, `slug-3`, … that is not taken.
fn free(slug: &str, taken: &mut BTreeSet<String>) -> String {
    let mut number = 1;
    loop {
        let name = if number == 1 { slug.to_owned() } else { format!("{slug}-{number}") };
        if taken.insert(name.clone()) {
            return name;
        }
        number += 1;
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::id::WorkspaceId;
    use super::super::store::Ledger;
    use super::super::text::Metadata;
    use super::super::time::Timestamp;
    use super::*;

    fn store(number: usize, name: &str) -> Store {
        Store {
            id: StoreId::new(&number.to_string()),
            workspace: WorkspaceId::new("1"),
            name: name.into(),
            description: String::new(),
            metadata: Metadata::new(),
            created_at: Timestamp::from_micros(1),
            updated_at: Timestamp::from_micros(1),
            archived_at: None,
            memories: 0,
            ledger: Ledger::EMPTY,
        }
    }

    fn wanted(number: usize) -> Wanted {
        let store = StoreId::new(&number.to_string());
        Wanted { store, access: Access::ReadWrite, instructions: None }
    }

    fn paths(names: &[&str]) -> Vec<String> {
        let stores = names.iter().enumerate().map(|(at, name)| (wanted(at), store(at, name)));
        attach(stores.collect()).unwrap().into_iter().map(|one| one.mount_path).collect()
    }

    #[rstest]
    #[case("Demo Memory", "/mnt/memory/demo-memory")]
    #[case("user_preferences", "/mnt/memory/user-preferences")]
    #[case("Ünïcode", "/mnt/memory/n-code")]
    #[case("(Notes)", "/mnt/memory/notes")]
    #[case("a  --  b", "/mnt/memory/a-b")]
    #[case("..", "/mnt/memory/memstore-0")]
    #[case("日本", "/mnt/memory/memstore-0")]
    fn a_store_is_mounted_under_its_name(#[case] name: &str, #[case] path: &str) {
        assert_eq!(paths(&[name]), [path]);
    }

    #[test]
    fn mount_paths_are_unique_within_a_session() {
        assert_eq!(
            paths(&["Notes", "notes", "notes 2", "NOTES"]),
            [
                "/mnt/memory/notes",
                "/mnt/memory/notes-2",
                "/mnt/memory/notes-2-2",
                "/mnt/memory/notes-3"
            ]
        );
    }

    #[test]
    fn at_most_eight_each_once() {
        assert!(check(&(0..8).map(wanted).collect::<Vec<_>>()).is_ok());
        assert_eq!(
            check(&(0..9).map(wanted).collect::<Vec<_>>()).unwrap_err().to_string(),
            "resources cannot contain more than 8 memory_store entries"
        );
        let twice = check(&[wanted(1), wanted(2), wanted(1)]).unwrap_err().to_string();
        assert!(twice.starts_with("resources.2.memory_store_id"), "{twice}");
    }

    #[test]
    fn instructions_have_at_most_4096_characters() {
        let with = |chars: usize| Wanted { instructions: Some("ü".repeat(chars)), ..wanted(1) };
        assert!(check(&[with(4096)]).is_ok());
        assert!(check(&[with(4097)]).is_err());
    }

    #[test]
    fn an_archived_store_is_not_attached() {
        let archived = Store { archived_at: Some(Timestamp::from_micros(2)), ..store(1, "a") };
        assert!(attach(vec![(wanted(1), archived)]).is_err());
    }
}
