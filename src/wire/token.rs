//! Session tokens, under `/x/v1`.

use serde::{Deserialize, Serialize};

use crate::domain::id::SessionId;
use crate::domain::token::NewToken;

/// The body of a request for a session token.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateToken {
    pub expires_in_seconds: Option<i64>,
}

/// A session token, with its secret.
#[derive(Serialize, Deserialize)]
pub struct SessionToken {
    #[serde(rename = "type")]
    pub kind: String,
    pub session_id: String,
    pub token: String,
    pub created_at: String,
    pub expires_at: Option<String>,
}

impl SessionToken {
    pub fn new(token: &NewToken, secret: &str) -> Self {
        Self {
            kind: "session_token".into(),
            session_id: token.session.to_string(),
            token: secret.to_owned(),
            created_at: token.created_at.to_string(),
            expires_at: token.expires_at.map(|at| at.to_string()),
        }
    }
}

/// How many tokens of a session were ended.
#[derive(Serialize, Deserialize)]
pub struct RevokedTokens {
    #[serde(rename = "type")]
    pub kind: String,
    pub session_id: String,
    pub revoked: u64,
}

impl RevokedTokens {
    pub fn new(session: &SessionId, revoked: u64) -> Self {
        Self { kind: "session_tokens_revoked".into(), session_id: session.to_string(), revoked }
    }
}
