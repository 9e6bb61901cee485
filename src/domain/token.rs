//! Session tokens: what a worker, or another harness, acts as its session with.

use std::sync::Arc;

use super::attachment::Access;
use super::id::{SessionId, StoreId, TokenId, WorkspaceId};
use super::key::KeyHash;
use super::time::Timestamp;
use super::{Error, Result};

/// How long an administrator's token may be valid, where it is to end before its session: a day.
pub const LONGEST_SECONDS: i64 = 86_400;

/// A token of a session that is neither archived nor deleted.
#[derive(Clone, Debug)]
pub struct SessionToken {
    pub id: TokenId,
    pub session: SessionId,
    pub workspace: WorkspaceId,
    /// With its session where there is none.
    pub expires_at: Option<Timestamp>,
    pub stores: Arc<[(StoreId, Access)]>,
}

/// A token that is being made; its secret is shown once and kept nowhere.
#[derive(Clone, Debug)]
pub struct NewToken {
    pub id: TokenId,
    pub hash: KeyHash,
    pub session: SessionId,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
}

/// Checks for how long a token is asked for.
pub fn seconds(wanted: i64) -> Result<u64> {
    u64::try_from(wanted).ok().filter(|_| (1..=LONGEST_SECONDS).contains(&wanted)).ok_or_else(
        || {
            Error::Invalid(format!(
                "expires_in_seconds must be between 1 and {LONGEST_SECONDS}; got {wanted}"
            ))
        },
    )
}
