//! Erasing redacted bytes from a SQLite file. On Postgres that is the operator's step.

use std::time::Duration;

use super::connection::Connection;
use super::residue::Traces;
use super::shared::{Backend, OneFile, Shared};
use super::{log, rows};
use crate::domain::id::VersionId;
use crate::domain::{Error, Result};

/// How long a redaction waits for reads under way before it answers 503.
const READERS_LEAVE_WITHIN: Duration = Duration::from_secs(1);

impl Shared {
    /// Makes sure that no copy of redacted bytes is left: truncates the log, looks for traces in
    /// the file's free space, and rewrites the file where there are any or where it is not known
    /// what to look for. What was noted when it began is done then.
    pub async fn erase(
        &self,
        connection: &mut Connection,
        traces: Option<&Traces>,
        noted: &[VersionId],
    ) -> Result<()> {
        if let Backend::Sqlite(OneFile { file: Some(file), .. }) = &self.backend {
            self.truncate(connection).await?;
            let rewrite = match traces {
                Some(traces) => file.holds(traces)?,
                None => true,
            };
            if rewrite {
                log::rewrite(connection).await.map_err(|error| self.not_erased(error))?;
                self.truncate(connection).await?;
            }
        }
        let cleared = rows::clear_pending_erasures(connection, noted).await;
        cleared.map_err(|error| self.not_erased(error))
    }

    /// Empties the log. Only this needs readers away: after it none can see or bring back old
    /// bytes.
    pub async fn truncate(&self, connection: &mut Connection) -> Result<()> {
        let Backend::Sqlite(file) = &self.backend else { return Ok(()) };
        let hold = tokio::time::timeout(READERS_LEAVE_WITHIN, file.gate.write()).await;
        let _hold = hold.map_err(|_| unerased("a read under way"))?;
        match log::truncate(connection).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(unerased("a read of another process")),
            Err(error) => Err(self.not_erased(error)),
        }
    }

    /// The redaction is committed, so an error of the erasure must not deny it.
    fn not_erased(&self, error: sqlx::Error) -> Error {
        match self.failed(error) {
            Error::Unavailable { reason, retry: true } => unerased(&reason),
            other => other,
        }
    }
}

fn unerased(why: &str) -> Error {
    Error::unavailable(format!(
        "the version is redacted, but its bytes are not yet erased from the disk ({why}): repeat \
         the request"
    ))
}
