//! The journal: an append-only entry for every change, gapless per store and per workspace.

use std::fmt;
use std::str::FromStr;

use super::access::Credential;
use super::actor::Actor;
use super::id::{RequestId, StoreId, WorkspaceId};
use super::page::TimeRange;
use super::time::Timestamp;
use super::{Error, Result};

pub const REASON_CHARS: usize = 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    StoreCreated,
    StoreUpdated,
    StoreArchived,
    StoreDeleted,
    VersionWritten,
    VersionRedacted,
    WorkspaceCreated,
    WorkspaceDeleted,
    KeyCreated,
    KeyRevoked,
    AgentCreated,
    AgentUpdated,
    AgentArchived,
    EnvironmentCreated,
    EnvironmentUpdated,
    EnvironmentArchived,
    EnvironmentDeleted,
    SessionCreated,
    SessionUpdated,
    SessionArchived,
    SessionDeleted,
    TokenCreated,
    TokensRevoked,
}

impl Kind {
    pub const ALL: [Self; 23] = [
        Self::StoreCreated,
        Self::StoreUpdated,
        Self::StoreArchived,
        Self::StoreDeleted,
        Self::VersionWritten,
        Self::VersionRedacted,
        Self::WorkspaceCreated,
        Self::WorkspaceDeleted,
        Self::KeyCreated,
        Self::KeyRevoked,
        Self::AgentCreated,
        Self::AgentUpdated,
        Self::AgentArchived,
        Self::EnvironmentCreated,
        Self::EnvironmentUpdated,
        Self::EnvironmentArchived,
        Self::EnvironmentDeleted,
        Self::SessionCreated,
        Self::SessionUpdated,
        Self::SessionArchived,
        Self::SessionDeleted,
        Self::TokenCreated,
        Self::TokensRevoked,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::StoreCreated => "store_created",
            Self::StoreUpdated => "store_updated",
            Self::StoreArchived => "store_archived",
            Self::StoreDeleted => "store_deleted",
            Self::VersionWritten => "version_written",
            Self::VersionRedacted => "version_redacted",
            Self::WorkspaceCreated => "workspace_created",
            Self::WorkspaceDeleted => "workspace_deleted",
            Self::KeyCreated => "key_created",
            Self::KeyRevoked => "key_revoked",
            Self::AgentCreated => "agent_created",
            Self::AgentUpdated => "agent_updated",
            Self::AgentArchived => "agent_archived",
            Self::EnvironmentCreated => "environment_created",
            Self::EnvironmentUpdated => "environment_updated",
            Self::EnvironmentArchived => "environment_archived",
            Self::EnvironmentDeleted => "environment_deleted",
            Self::SessionCreated => "session_created",
            Self::SessionUpdated => "session_updated",
            Self::SessionArchived => "session_archived",
            Self::SessionDeleted => "session_deleted",
            Self::TokenCreated => "token_created",
            Self::TokensRevoked => "tokens_revoked",
        }
    }
}

impl FromStr for Kind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| {
            let all = Self::ALL.map(Self::as_str).join(", ");
            Error::Invalid(format!("kind must be one of {all}; got {text:?}"))
        })
    }
}

/// Why something was changed, in the words of whoever asked for it: 1 to 1,024 characters, not only
/// white space, without control characters. They may be about persons, so they are not shown where
/// a value is only debugged.
#[derive(Clone, PartialEq, Eq)]
pub struct Reason(String);

impl Reason {
    /// Reads what came in the header, or wherever `source` says.
    pub fn parse(source: &str, bytes: &[u8]) -> Result<Self> {
        let refuse = |why: &str| {
            Err(Error::Invalid(format!(
                "{source} must be 1 to {REASON_CHARS} characters of UTF-8, not only white space, \
                 without control characters; this one {why}"
            )))
        };
        let Ok(text) = std::str::from_utf8(bytes) else { return refuse("is not UTF-8") };
        let chars = text.chars().count();
        if chars > REASON_CHARS {
            return refuse(&format!("has {chars} characters"));
        }
        if text.chars().any(char::is_control) {
            return refuse("has a control character");
        }
        if text.chars().all(char::is_whitespace) {
            return refuse("says nothing");
        }
        Ok(Self(text.to_owned()))
    }

    /// Takes a value that this server wrote itself, from its own database.
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reason")
    }
}

/// Who changes something, by which request, and why. At the machine itself there is neither an actor
/// nor a credential.
#[derive(Clone, Debug)]
pub struct Attribution {
    pub actor: Option<Actor>,
    pub credential: Option<Credential>,
    pub request: RequestId,
    pub reason: Option<Reason>,
}

#[derive(Clone, Debug)]
pub struct Entry {
    /// The store or workspace whose sequence this continues.
    pub ledger: String,
    pub seq: i64,
    pub at: Timestamp,
    pub kind: Kind,
    /// The version, store, workspace, key, agent, environment, session or token that changed.
    pub subject: String,
    pub by: Attribution,
}

/// Whose journal is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ledger {
    Store(StoreId),
    Workspace(WorkspaceId),
}

impl Ledger {
    pub fn as_str(&self) -> &str {
        match self {
            Self::Store(id) => id.as_str(),
            Self::Workspace(id) => id.as_str(),
        }
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which entries are wanted; what is `None` holds for all.
#[derive(Clone, Debug, Default)]
pub struct EntryFilter {
    pub kind: Option<Kind>,
    pub subject: Option<String>,
    pub at: TimeRange,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(bytes: &[u8]) -> String {
        Reason::parse("memstored-reason", bytes).unwrap_err().to_string()
    }

    #[test]
    fn a_reason_is_1_to_1024_characters_of_text() {
        let longest = "ü".repeat(REASON_CHARS);
        for good in ["x", " as asked by ticket 12 ", "wegen Löschantrag \u{2028} — 理由", &longest]
        {
            assert_eq!(Reason::parse("h", good.as_bytes()).unwrap().as_str(), good);
        }
        assert_eq!(
            refusal(&[b'a', 0xff]),
            "memstored-reason must be 1 to 1024 characters of UTF-8, not only white space, without \
             control characters; this one is not UTF-8"
        );
        for (bad, why) in [
            ("", "says nothing"),
            (" \u{a0}\u{2003}", "says nothing"),
            ("a\tb", "has a control character"),
            ("a\u{85}b", "has a control character"),
            (&format!("{longest}x"), "has 1025 characters"),
        ] {
            assert!(refusal(bad.as_bytes()).ends_with(why), "{bad:?}");
        }
    }

    #[test]
    fn a_reason_is_not_shown_by_a_debugged_value() {
        let reason = Reason::parse("h", b"because of Ada").unwrap();
        assert_eq!(format!("{reason:?}"), "Reason");
    }

    #[test]
    fn a_kind_is_read_back_and_an_unknown_one_lists_them_all() {
        for kind in Kind::ALL {
            assert_eq!(kind.as_str().parse::<Kind>().unwrap(), kind);
        }
        let message = "store_erased".parse::<Kind>().unwrap_err().to_string();
        assert!(Kind::ALL.iter().all(|kind| message.contains(kind.as_str())), "{message}");
    }
}
