//! Operations on the work queue of an environment.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use secrecy::SecretString;

use super::App;
use crate::db::{OnWork, Poll, QueueStats, WorkChange};
use crate::domain::access::{Grant, OnQueue, ToHoldWork, ToRead, ToSeeQueue, ToWork, ToWrite};
use crate::domain::id::{EnvironmentId, SessionId, WorkId, WorkspaceId};
use crate::domain::page::{Page, Paging};
use crate::domain::text::MetadataPatch;
use crate::domain::work::{Heartbeat, Work};
use crate::domain::{Error, Result};

/// How long a worker counts as polling after a poll.
const POLLING: Duration = Duration::from_secs(30);
/// The longest name of a worker that is remembered.
const WORKER_BYTES: usize = 255;
/// Workers that are remembered.
const WORKERS: usize = 10_000;

/// Who polls which queue, as far as this instance sees.
#[derive(Default)]
pub struct Workers(Mutex<HashMap<(EnvironmentId, String), Instant>>);

impl Workers {
    fn saw(&self, environment: &EnvironmentId, worker: &str) {
        if worker.len() > WORKER_BYTES {
            return;
        }
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= WORKERS {
            seen.retain(|_, at| at.elapsed() < POLLING);
        }
        if seen.len() < WORKERS {
            seen.insert((environment.clone(), worker.to_owned()), Instant::now());
        }
    }

    fn polling(&self, environment: &EnvironmentId) -> usize {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().filter(|((of, _), at)| of == environment && at.elapsed() < POLLING).count()
    }
}

/// What a poll asks for.
#[derive(Clone, Debug)]
pub struct PollRequest {
    pub block: Option<Duration>,
    pub reclaim_millis: i64,
    pub worker: Option<String>,
}

impl App {
    /// Waits for work, for as long as asked; with what is found goes a new session token.
    pub async fn poll_work(
        &self,
        grant: &Grant<ToWork>,
        environment: EnvironmentId,
        request: PollRequest,
    ) -> Result<Option<(Work, SecretString)>> {
        let workspace = self.require_queue(grant, &environment).await?;
        if let Some(worker) = &request.worker {
            self.workers.saw(&environment, worker);
        }
        let mut arrivals = self.db.arrivals();
        let until = Instant::now() + request.block.unwrap_or_default();
        loop {
            // The session is the work's, and filled in with it.
            let (token, secret) = self.session_token(SessionId::new(""));
            let poll = Poll {
                workspace: workspace.clone(),
                environment: environment.clone(),
                reclaim_millis: request.reclaim_millis,
                token,
                next: WorkId::new(&self.suffix()),
                by: grant.attribution(),
            };
            if let Some(work) = self.db.poll_work(poll).await? {
                return Ok(Some((work, secret)));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || tokio::time::timeout(left, arrivals.next()).await.is_err() {
                return Ok(None);
            }
        }
    }

    pub async fn acknowledge_work(
        &self,
        grant: &Grant<ToWork>,
        environment: EnvironmentId,
        id: WorkId,
    ) -> Result<Work> {
        let on = self.on_work(grant, environment, id)?;
        Ok(self.db.change_work(on, WorkChange::Acknowledge).await?.0)
    }

    pub async fn heartbeat(
        &self,
        grant: &Grant<ToHoldWork>,
        environment: EnvironmentId,
        id: WorkId,
        expected: Option<String>,
        wish: Option<i64>,
    ) -> Result<Heartbeat> {
        let on = self.on_work(grant, environment, id)?;
        let (_, beat) = self.db.change_work(on, WorkChange::Heartbeat { expected, wish }).await?;
        beat.ok_or_else(|| Error::internal("a heartbeat was not answered with one"))
    }

    pub async fn stop_work(
        &self,
        grant: &Grant<ToHoldWork>,
        environment: EnvironmentId,
        id: WorkId,
        force: bool,
    ) -> Result<Work> {
        let on = self.on_work(grant, environment, id)?;
        let (work, _) = self.db.change_work(on, WorkChange::Stop { force }).await?;
        self.keys.forget_tokens();
        Ok(work)
    }

    pub async fn work(
        &self,
        grant: &Grant<ToRead>,
        environment: EnvironmentId,
        id: WorkId,
    ) -> Result<Work> {
        let (workspace, at) = (grant.workspace().clone(), self.clock.now());
        let next = id.clone();
        self.db.work(&OnWork { workspace, environment, id, held_by: None, next, at }).await
    }

    pub async fn update_work(
        &self,
        grant: &Grant<ToWrite>,
        environment: EnvironmentId,
        id: WorkId,
        metadata: MetadataPatch,
    ) -> Result<Work> {
        let (workspace, at) = (grant.workspace().clone(), self.clock.now());
        let next = id.clone();
        let on = OnWork { workspace, environment, id, held_by: None, next, at };
        Ok(self.db.change_work(on, WorkChange::Update { metadata }).await?.0)
    }

    pub async fn works(
        &self,
        grant: &Grant<ToWork>,
        environment: &EnvironmentId,
        paging: &Paging,
    ) -> Result<Page<Work>> {
        let workspace = self.require_queue(grant, environment).await?;
        self.db.works(&workspace, environment, paging).await
    }

    /// How the queue stands, and how many workers poll this instance for it.
    pub async fn queue_stats(
        &self,
        grant: &Grant<ToSeeQueue>,
        environment: &EnvironmentId,
    ) -> Result<(QueueStats, usize)> {
        let workspace = self.require_queue(grant, environment).await?;
        let stats = self.db.queue_stats(&workspace, environment).await?;
        Ok((stats, self.workers.polling(environment)))
    }

    /// The workspace of an environment that has a queue.
    async fn require_queue<S: OnQueue>(
        &self,
        grant: &Grant<S>,
        id: &EnvironmentId,
    ) -> Result<WorkspaceId> {
        let workspace = grant.environment(id)?;
        self.db.environment(workspace, id).await?.require_queue()?;
        Ok(workspace.clone())
    }

    fn on_work<S: OnQueue>(
        &self,
        grant: &Grant<S>,
        environment: EnvironmentId,
        id: WorkId,
    ) -> Result<OnWork> {
        let workspace = grant.environment(&environment)?.clone();
        let held_by = grant.session_token();
        let next = WorkId::new(&self.suffix());
        Ok(OnWork { workspace, environment, id, held_by, next, at: self.clock.now() })
    }
}
