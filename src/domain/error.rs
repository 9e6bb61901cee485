//! Everything that can go wrong, in the project's own words and free of HTTP.
//!
//! A variant carries the text that a person reads. Each door (HTTP, command line) has one table
//! that translates the variants; [`Error::Internal`] keeps its source for the log and shows nothing.

use std::sync::Arc;

use super::id::{MemoryId, StoreId};
use super::path::MemoryPath;
use super::work::{LeaseLost, NO_HEARTBEAT};

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// What was asked for does not exist, or not for this caller.
    #[error("{what} not found: {id}")]
    NotFound { what: &'static str, id: String },
    /// A value breaks a rule; the message names the field and what would be accepted.
    #[error("{0}")]
    Invalid(String),
    /// The request body's form (encoding, character set, pace) is refused.
    #[error("{message}")]
    BadBody { code: &'static str, message: String },
    /// The same, with a code by which clients tell it apart.
    #[error("{message}")]
    Coded { code: &'static str, message: String },
    /// The path is occupied, or lies above or below an occupied one (contract 3.4).
    #[error(
        "path \"{wanted}\" conflicts with the memory {memory} at \"{path}\": update that memory, or \
         choose a path that is neither equal to, above nor below it"
    )]
    PathTaken { wanted: MemoryPath, path: MemoryPath, memory: MemoryId },
    /// The content is not what the caller believed; what it is instead is not disclosed.
    #[error(
        "precondition failed: the memory's content has another SHA-256 than the one given; \
         retrieve it again before changing it"
    )]
    PreconditionFailed,
    #[error("cannot modify archived resource: memory store {0}")]
    StoreArchived(StoreId),
    #[error("cannot modify archived resource: {what} {id}")]
    Archived { what: &'static str, id: String },
    /// What the caller believes of a resource is not so any more.
    #[error("{0}")]
    OutOfDate(String),
    /// Another heartbeat than the one named was the last: another worker may hold the lease.
    #[error("{}", lease_words(.0))]
    LeaseLost(Box<LeaseLost>),
    #[error("{0}")]
    Unauthenticated(String),
    #[error("{0}")]
    Forbidden(String),
    #[error("rate limit reached: at most {per_minute} requests a minute for one API key")]
    RateLimited { per_minute: u32, retry_after_seconds: u64 },
    #[error("request body must be at most {limit} bytes")]
    TooLarge { limit: usize },
    /// Another change was in the way each time this one was tried.
    #[error("another change was in the way, several times: try again")]
    Conflict,
    #[error("{0}")]
    NoRoute(String),
    #[error("{0}")]
    WrongMethod(String),
    /// The request took too long; `change`: it asks for one, which may be made all the same.
    #[error("the request was not finished within {seconds} seconds{}", unfinished_words(*.change))]
    Timeout { seconds: u64, change: bool },
    /// The server can't do this now. `retry` says whether the same request may help.
    #[error("{reason}")]
    Unavailable { reason: String, retry: bool },
    /// The database, or what writes in this server, was lost, maybe after the commit.
    #[error(
        "it is not known whether the change was committed: it is made either wholly or not at \
         all, so look before you repeat it"
    )]
    Uncertain,
    #[error("Internal server error")]
    Internal(#[source] Arc<dyn std::error::Error + Send + Sync>),
}

impl Error {
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid(message.into())
    }

    pub fn internal(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(source.into().into())
    }

    /// The server can't do this now; the same request may succeed later.
    pub fn unavailable(reason: impl Into<String>) -> Self {
        Self::Unavailable { reason: reason.into(), retry: true }
    }

    /// The same of a server that is about to end: it, or another, may answer later.
    pub fn closing() -> Self {
        Self::unavailable("the server is shutting down")
    }

    /// What a credential is told that was good when the request came in.
    pub fn revoked() -> Self {
        Self::Unauthenticated("this API key has been revoked".into())
    }

    pub fn not_found(what: &'static str, id: &(impl ToString + ?Sized)) -> Self {
        Self::NotFound { what, id: id.to_string() }
    }
}

const fn unfinished_words(change: bool) -> &'static str {
    if change { ", and may still be: look before you repeat it" } else { "" }
}

fn lease_words(lost: &LeaseLost) -> String {
    let beat = lost.last_heartbeat.map(|at| at.to_string());
    let held = beat.as_deref().unwrap_or(NO_HEARTBEAT);
    if lost.named == held {
        return "this work item was offered to another worker since, who may hold it".to_owned();
    }
    let shown = beat.map_or_else(|| "not made yet".to_owned(), |at| format!("{at:?}"));
    format!(
        "expected_last_heartbeat: {:?} was sent, but the last heartbeat is {shown}: another worker \
         may hold this work item",
        lost.named
    )
}
