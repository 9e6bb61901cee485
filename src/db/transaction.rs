//! Changes that are rare enough for a transaction each: workspaces, keys, and the session side.
//! Memories go through the write path, in batches.

use std::sync::Arc;

use super::commit::{self, Attempt, Failed};
use super::connection::Connection;
use super::shared::{Backend, Shared};
use super::{Db, log};
use crate::domain::{Error, Result};

/// After so many a SQLite file's log is folded into it: what the write path counts is not all.
const CHECKPOINT_EVERY: usize = 64;

/// A database error, or a refusal.
pub enum Failure {
    Database(sqlx::Error),
    Refused(Error),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

/// One change. It may be applied several times, each in a transaction of its own, of which at most
/// one is committed.
pub trait Transaction: Send + Sync + 'static {
    type Done: Send + 'static;

    fn apply(
        &self,
        connection: &mut Connection,
    ) -> impl Future<Output = Result<Self::Done, Failure>> + Send;
}

struct Once<'a, T> {
    shared: &'a Shared,
    transaction: &'a T,
}

impl<T: Transaction> Attempt for Once<'_, T> {
    type Done = T::Done;

    async fn attempt(&mut self) -> Result<T::Done, Failed> {
        let mut connection = self.shared.writing().await.map_err(Failed::Final)?;
        self.shared.check().map_err(Failed::Final)?;
        let done = async {
            connection.begin().await?;
            let outcome = self.transaction.apply(&mut connection).await?;
            connection.commit().await?;
            Ok(outcome)
        };
        let done: Result<_, Failure> = done.await;
        if done.is_err() {
            connection.roll_back().await;
        }
        let done = done.map_err(|failure| match failure {
            Failure::Database(error) => commit::failed(self.shared, &connection, error),
            Failure::Refused(error) => Failed::Final(error),
        })?;
        self.shared.committed();
        fold(self.shared, &mut connection).await;
        Ok(done)
    }
}

/// Keeps a SQLite file's log small. What was committed stays so, whatever comes of it.
async fn fold(shared: &Shared, connection: &mut Connection) {
    if matches!(shared.backend, Backend::Sqlite(_))
        && shared.count_transaction().is_multiple_of(CHECKPOINT_EVERY)
        && let Err(error) = log::checkpoint(connection).await
    {
        let error = shared.failed(error);
        tracing::error!(%error, "the log can't be folded into the file");
    }
}

impl Db {
    /// Makes a change; runs to its end even when the caller goes away.
    pub(super) async fn change<T: Transaction>(&self, transaction: T) -> Result<T::Done> {
        let work = |shared: Arc<Shared>| async move {
            let mut once = Once { shared: &shared, transaction: &transaction };
            commit::again(&mut once).await.map_err(Error::from)
        };
        self.shared.apart(work).await
    }
}
