//! The work queue (contract 5.4).

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::shape::Pairs;
use crate::domain::text::{self, MetadataPatch};
use crate::domain::time::Timestamp;
use crate::domain::{Result, work};

#[derive(Clone, Serialize, Deserialize)]
pub struct Work {
    #[serde(rename = "type")]
    pub kind: String,
    pub id: String,
    pub environment_id: String,
    pub data: Data,
    pub state: String,
    pub metadata: BTreeMap<String, String>,
    /// Only in the answer of a poll.
    pub secret: Option<String>,
    pub created_at: String,
    pub acknowledged_at: Option<String>,
    pub started_at: Option<String>,
    pub latest_heartbeat_at: Option<String>,
    pub stop_requested_at: Option<String>,
    pub stopped_at: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Data {
    #[serde(rename = "type")]
    pub kind: String,
    pub id: String,
}

impl From<work::Work> for Work {
    fn from(work: work::Work) -> Self {
        let text = |at: Option<Timestamp>| at.map(|at| at.to_string());
        Self {
            kind: "work".into(),
            id: work.id.to_string(),
            environment_id: work.environment.to_string(),
            data: Data { kind: "session".into(), id: work.session.to_string() },
            state: work.state.as_str().into(),
            metadata: work.metadata,
            secret: None,
            created_at: work.created_at.to_string(),
            acknowledged_at: text(work.acknowledged_at),
            started_at: text(work.started_at),
            latest_heartbeat_at: text(work.latest_heartbeat_at),
            stop_requested_at: text(work.stop_requested_at),
            stopped_at: text(work.stopped_at),
        }
    }
}

impl Work {
    /// With the session token that goes with an offer.
    #[must_use]
    pub fn with_token(self, token: &str) -> Self {
        let secret = json!({ "sessions_token": token }).to_string();
        Self { secret: Some(BASE64_URL_SAFE_NO_PAD.encode(secret)), ..self }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StopWork {
    pub force: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateWork {
    metadata: Pairs<Option<String>>,
}

impl UpdateWork {
    pub fn checked(self) -> Result<MetadataPatch> {
        text::coded(text::metadata_patch(self.metadata.0))
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Heartbeat {
    #[serde(rename = "type")]
    pub kind: String,
    /// Empty where there was none.
    pub last_heartbeat: String,
    pub lease_extended: bool,
    pub state: String,
    pub ttl_seconds: i64,
}

impl From<work::Heartbeat> for Heartbeat {
    fn from(beat: work::Heartbeat) -> Self {
        Self {
            kind: "work_heartbeat".into(),
            last_heartbeat: beat.last.map(|at| at.to_string()).unwrap_or_default(),
            lease_extended: beat.extended,
            state: beat.state.as_str().into(),
            ttl_seconds: beat.ttl_seconds,
        }
    }
}

/// The lease as it is held, for whoever has lost it.
pub fn lease(lost: &work::LeaseLost) -> Value {
    let beat = lost.last_heartbeat.map(|at| at.to_string());
    json!({
        "last_heartbeat": beat,
        "lease_extended": false,
        "lease_updated_at": beat,
        "state": lost.state.as_str(),
        "ttl_seconds": lost.ttl_seconds,
    })
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct QueueStats {
    #[serde(rename = "type")]
    pub kind: String,
    pub depth: i64,
    pub pending: i64,
    pub oldest_queued_at: Option<String>,
    pub workers_polling: usize,
}
