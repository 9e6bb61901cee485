//! Entries of the journal, under `/x/v1`.

use serde::{Deserialize, Serialize};

use super::actor::Actor;
use crate::domain::journal::Entry;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct JournalEntry {
    #[serde(rename = "type")]
    pub kind_of: String,
    /// The store or workspace whose sequence this continues.
    pub ledger: String,
    pub seq: i64,
    pub created_at: String,
    pub kind: String,
    pub subject: String,
    /// Null for what was changed at the machine itself.
    pub created_by: Option<Actor>,
    pub credential_id: Option<String>,
    pub request_id: String,
    pub reason: Option<String>,
}

impl From<Entry> for JournalEntry {
    fn from(entry: Entry) -> Self {
        Self {
            kind_of: "journal_entry".into(),
            ledger: entry.ledger,
            seq: entry.seq,
            created_at: entry.at.to_string(),
            kind: entry.kind.as_str().into(),
            subject: entry.subject,
            created_by: entry.by.actor.as_ref().map(Actor::from),
            credential_id: entry.by.credential.map(|credential| credential.as_str().to_owned()),
            request_id: entry.by.request.to_string(),
            reason: entry.by.reason.map(|reason| reason.as_str().to_owned()),
        }
    }
}
