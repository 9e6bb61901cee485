//! What a store's history says: who wrote which line, what a moment looked like, what it takes to go
//! back. Pure: it knows the shapes of the wire and neither a server nor a terminal; what must be
//! known is read before and handed in.

pub mod blame;
pub mod change;
pub mod chart;
pub mod diff;
pub mod moment;
pub mod plan;
pub mod steps;
pub mod text;
pub mod when;

use crate::domain::time::Timestamp;
use crate::wire::actor::Actor;
use crate::wire::version::Version;

pub const CREATED: &str = "created";
pub const DELETED: &str = "deleted";

/// The ID of whoever wrote a version; nothing where the server recorded nobody.
pub fn author(version: &Version) -> Option<&str> {
    version.created_by.as_ref().map(Actor::id)
}

/// What versions of several lists are ordered by. Servers may write times with more or fewer digits.
pub fn order(version: &Version) -> (Option<Timestamp>, &str) {
    (Timestamp::parse(&version.created_at), &version.id)
}

#[cfg(test)]
#[allow(clippy::missing_panics_doc, reason = "a test fails by panic")]
pub mod examples {
    //! Versions as a server would give them.

    use super::Version;
    use crate::domain::content::Sha256;
    use crate::wire::actor::Actor;
    use crate::wire::memory::Memory;

    /// A version `number` of a memory, written by a session, in the second `number`.
    pub fn version(
        number: u32,
        memory: &str,
        path: &str,
        by: &str,
        content: Option<&str>,
    ) -> Version {
        Version {
            kind: "memory_version".into(),
            id: format!("memver_{number}"),
            memory_id: memory.into(),
            memory_store_id: "memstore_1".into(),
            operation: if content.is_some() { "modified" } else { "deleted" }.into(),
            path: Some(path.into()),
            content: content.map(str::to_owned),
            content_size_bytes: content.map(|text| i64::try_from(text.len()).unwrap()),
            content_sha256: content.map(|text| Sha256::of(text.as_bytes()).to_string()),
            created_at: format!("2026-11-26T10:00:{number:02}.000000Z"),
            created_by: Some(Actor::SessionActor { session_id: by.into() }),
            redacted_at: None,
            redacted_by: None,
        }
    }

    pub fn created(number: u32, memory: &str, path: &str, by: &str, content: &str) -> Version {
        Version { operation: "created".into(), ..version(number, memory, path, by, Some(content)) }
    }

    pub fn redacted(version: Version) -> Version {
        Version {
            path: None,
            content: None,
            content_size_bytes: None,
            content_sha256: None,
            redacted_at: Some("2026-11-26T11:00:00.000000Z".into()),
            redacted_by: version.created_by.clone(),
            ..version
        }
    }

    /// The memory whose head a version is.
    pub fn memory(head: &Version) -> Memory {
        Memory {
            id: head.memory_id.clone(),
            memory_store_id: head.memory_store_id.clone(),
            path: head.path.clone().unwrap(),
            content: None,
            content_size_bytes: head.content_size_bytes.unwrap(),
            content_sha256: head.content_sha256.clone().unwrap(),
            memory_version_id: head.id.clone(),
            created_at: head.created_at.clone(),
            updated_at: head.created_at.clone(),
        }
    }
}
