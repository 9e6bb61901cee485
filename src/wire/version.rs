//! Versions (contract 2.1, 2.4).

use serde::{Deserialize, Serialize};

use super::actor::Actor;
use crate::domain::memory::View;
use crate::domain::version;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Version {
    #[serde(rename = "type")]
    pub kind: String,
    pub id: String,
    pub memory_id: String,
    pub memory_store_id: String,
    pub operation: String,
    /// Null when redacted.
    pub path: Option<String>,
    /// Null in the basic view, when deleted, and when redacted.
    pub content: Option<String>,
    /// Null when deleted or redacted, as the hash is.
    pub content_size_bytes: Option<i64>,
    pub content_sha256: Option<String>,
    pub created_at: String,
    pub created_by: Option<Actor>,
    pub redacted_at: Option<String>,
    pub redacted_by: Option<Actor>,
}

impl Version {
    pub fn new(version: version::Version, view: View) -> Self {
        let content = version.content.filter(|_| view == View::Full);
        Self {
            kind: "memory_version".into(),
            id: version.id.to_string(),
            memory_id: version.memory.to_string(),
            memory_store_id: version.store.to_string(),
            operation: version.operation.as_str().into(),
            path: version.path.map(|path| path.to_string()),
            content: content.map(|content| content.as_str().to_owned()),
            content_size_bytes: version.digest.map(|digest| digest.size),
            content_sha256: version.digest.map(|digest| digest.sha256.to_string()),
            created_at: version.created_at.to_string(),
            created_by: Some(Actor::from(&version.created_by)),
            redacted_at: version.redaction.as_ref().map(|redaction| redaction.at.to_string()),
            redacted_by: version.redaction.as_ref().map(|redaction| Actor::from(&redaction.by)),
        }
    }
}
