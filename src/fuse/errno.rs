//! Why the mount refuses, and the one table that says which errno a program sees for it.
//!
//! A variant carries what the log says of it; a program gets the number alone.

use reqwest::StatusCode;
use rustix::io::Errno;

use crate::client::{ClientError, cause};
use crate::domain;

pub type Result<T, E = FuseError> = std::result::Result<T, E>;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FuseError {
    #[error("there is no such file")]
    NotFound,
    #[error("something is there already")]
    Exists,
    #[error("the folder is not empty")]
    NotEmpty,
    #[error("it is a folder")]
    IsFolder,
    #[error("it is no folder")]
    NotFolder,
    #[error("the file is not open")]
    NotOpen,
    #[error("two files can't be exchanged in one step")]
    NoExchange,
    #[error("a store holds no links and no special files")]
    NoLinks,
    #[error("a path has at most 1024 bytes")]
    NameTooLong,
    /// The domain's own words.
    #[error("{0}")]
    BadName(String),
    #[error("a memory has at most {limit} bytes")]
    TooLarge { limit: usize },
    #[error("a memory is text in UTF-8, and this is not")]
    NotText,
    /// The precondition failed, or the memory was deleted.
    #[error("it was changed elsewhere since it was read")]
    LostRace,
    /// The same for an operation by name. The kernel repeats those on ESTALE, by itself and on what
    /// is there by then.
    #[error("it was changed elsewhere since it was last looked at")]
    Overtaken,
    /// Another memory lies at, above or below the path.
    #[error("the path was taken elsewhere: {0}")]
    PathTaken(String),
    #[error("the store is archived")]
    Archived,
    #[error("{0}")]
    Full(String),
    /// The server's own words against what was sent.
    #[error("the server refused: {0}")]
    Refused(String),
    #[error("the server does not let this credential do it: {0}")]
    Denied(String),
    #[error("the content that it would replace was never read here (--guard deny)")]
    Blind,
    #[error("git would take it for a part of a repository, and run what that says")]
    Repository,
    #[error("the server is busy: {0}")]
    Busy(String),
    #[error("the server can't be reached: {0}")]
    Away(String),
    #[error("the server's answer does not have the hash that it says")]
    Damaged,
    /// The state directory.
    #[error("can't keep the text in the state directory: {0}")]
    Spool(String),
}

impl FuseError {
    pub fn errno(&self) -> Errno {
        match self {
            Self::NotFound => Errno::NOENT,
            Self::Exists | Self::PathTaken(_) => Errno::EXIST,
            Self::NotEmpty => Errno::NOTEMPTY,
            Self::IsFolder => Errno::ISDIR,
            Self::NotFolder => Errno::NOTDIR,
            Self::NotOpen => Errno::BADF,
            Self::NoExchange | Self::BadName(_) | Self::Refused(_) => Errno::INVAL,
            Self::NoLinks | Self::Blind | Self::Repository => Errno::PERM,
            Self::NameTooLong => Errno::NAMETOOLONG,
            Self::TooLarge { .. } => Errno::FBIG,
            Self::NotText => Errno::ILSEQ,
            Self::LostRace => Errno::STALE,
            Self::Overtaken => Errno::BUSY,
            Self::Archived => Errno::ROFS,
            Self::Full(_) => Errno::NOSPC,
            Self::Denied(_) => Errno::ACCESS,
            Self::Busy(_) => Errno::AGAIN,
            Self::Away(_) | Self::Damaged | Self::Spool(_) => Errno::IO,
        }
    }

    /// For an operation by name.
    #[must_use]
    pub fn by_name(self) -> Self {
        if self == Self::LostRace { Self::Overtaken } else { self }
    }

    /// Says whether the same save may succeed later, so that it is tried again.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Busy(_) | Self::Away(_) | Self::Denied(_) | Self::Damaged)
    }
}

impl From<ClientError> for FuseError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Refused { status, kind, message, .. } => refused(status, &kind, message),
            ClientError::Unreachable(error) => Self::Away(cause(&error)),
            ClientError::Unreadable(_) | ClientError::Garbled(_) | ClientError::Setup(_) => {
                Self::Away(error.to_string())
            }
        }
    }
}

fn refused(status: StatusCode, kind: &str, message: String) -> FuseError {
    match (status.as_u16(), kind) {
        (401 | 403, _) => FuseError::Denied(message),
        (404, _) => FuseError::NotFound,
        (409, "memory_path_conflict_error") => FuseError::PathTaken(message),
        (409, "memory_precondition_failed_error") | (412, _) => FuseError::LostRace,
        (429, _) => FuseError::Busy(message),
        (408 | 409 | 500.., _) => FuseError::Away(message),
        _ => FuseError::Refused(message),
    }
}

impl From<domain::Error> for FuseError {
    /// Only the rules of paths are asked here.
    fn from(error: domain::Error) -> Self {
        Self::BadName(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::unauthenticated(401, "authentication_error", Errno::ACCESS)]
    #[case::forbidden(403, "permission_error", Errno::ACCESS)]
    #[case::missing(404, "not_found_error", Errno::NOENT)]
    #[case::path(409, "memory_path_conflict_error", Errno::EXIST)]
    #[case::precondition(409, "memory_precondition_failed_error", Errno::STALE)]
    #[case::precondition_elsewhere(412, "", Errno::STALE)]
    #[case::conflict(409, "conflict_error", Errno::IO)]
    #[case::invalid(400, "invalid_request_error", Errno::INVAL)]
    #[case::rate(429, "rate_limit_error", Errno::AGAIN)]
    #[case::timeout(408, "timeout_error", Errno::IO)]
    #[case::broken(500, "api_error", Errno::IO)]
    #[case::unavailable(503, "", Errno::IO)]
    fn a_refusal_of_the_server_has_one_errno(
        #[case] status: u16,
        #[case] kind: &str,
        #[case] errno: Errno,
    ) {
        let status = StatusCode::from_u16(status).unwrap();

        assert_eq!(refused(status, kind, "why".into()).errno(), errno);
    }

    #[test]
    fn what_the_mount_refuses_itself_has_one_errno() {
        let text = String::new;
        let table = [
            (FuseError::NotFound, "ENOENT", Errno::NOENT),
            (FuseError::Exists, "EEXIST", Errno::EXIST),
            (FuseError::NotEmpty, "ENOTEMPTY", Errno::NOTEMPTY),
            (FuseError::IsFolder, "EISDIR", Errno::ISDIR),
            (FuseError::NotFolder, "ENOTDIR", Errno::NOTDIR),
            (FuseError::NotOpen, "EBADF", Errno::BADF),
            (FuseError::NoExchange, "EINVAL", Errno::INVAL),
            (FuseError::NoLinks, "EPERM", Errno::PERM),
            (FuseError::NameTooLong, "ENAMETOOLONG", Errno::NAMETOOLONG),
            (FuseError::BadName(text()), "EINVAL", Errno::INVAL),
            (FuseError::TooLarge { limit: 1 }, "EFBIG", Errno::FBIG),
            (FuseError::NotText, "EILSEQ", Errno::ILSEQ),
            (FuseError::LostRace.by_name(), "EBUSY", Errno::BUSY),
            (FuseError::Archived, "EROFS", Errno::ROFS),
            (FuseError::Full(text()), "ENOSPC", Errno::NOSPC),
            (FuseError::Blind, "EPERM", Errno::PERM),
            (FuseError::Repository, "EPERM", Errno::PERM),
            (FuseError::Damaged, "EIO", Errno::IO),
            (FuseError::Spool(text()), "EIO", Errno::IO),
        ];

        for (error, name, errno) in table {
            assert_eq!(error.errno(), errno, "{error:?} is {name}");
        }
    }
}
