//! The shapes that go over the wire, shared by the server and the client.
//!
//! Every key is always sent, nulls included; request bodies are closed. What a request body means is
//! decided here only as far as its shape goes: rules are the domain's.

pub mod actor;
pub mod admin;
pub mod agent;
pub mod environment;
pub mod error;
pub mod event;
pub mod event_kinds;
pub mod journal;
pub mod memory;
pub mod page;
pub mod schema;
pub mod session;
pub mod shape;
pub mod store;
pub mod token;
pub mod version;
pub mod whoami;
pub mod work;

use serde::{Deserialize, Serialize};

/// The answer to a deletion: `{"id":…,"type":"…_deleted"}`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Deleted {
    pub id: String,
    #[serde(rename = "type")]
    pub kind: String,
}

impl Deleted {
    pub fn new(id: &impl ToString, kind: &str) -> Self {
        Self { id: id.to_string(), kind: format!("{kind}_deleted") }
    }
}

/// The answer of `/health`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Health {
    pub ready: bool,
    pub version: String,
    pub durability: String,
    /// Why the server is not ready.
    pub reason: Option<String>,
}
