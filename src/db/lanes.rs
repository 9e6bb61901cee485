//! The write path on Postgres: one lane for each store that is being changed, and one for each
//! workspace that gets a store.
//!
//! A lane commits what waits for it in batches, under the lock of its row, so that writers of one
//! store share a commit and other stores, or other instances' stores, don't wait. It is there only
//! while there is something to do.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::commit::{self, Commits, Failed, Room};
use super::shared::Shared;
use crate::domain::id::{StoreId, WorkspaceId};
use crate::domain::plan::{Change, Command, Outcome};
use crate::domain::{Error, Result};

/// Commands that may wait in one lane; more are refused for now.
const QUEUE: usize = 1024;
/// A batch that takes longer is given up with its connection, which frees the row.
const COMMITS_WITHIN: Duration = Duration::from_secs(25);

/// The row whose lock a batch holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Lane {
    Store(StoreId),
    Workspace(WorkspaceId),
}

struct Job {
    command: Command,
    answer: oneshot::Sender<Result<Outcome>>,
}

/// What waits, for each lane that is at work.
type Waiting = Arc<Mutex<HashMap<Lane, Vec<Job>>>>;

/// Where commands are handed in.
pub struct Lanes {
    shared: Arc<Shared>,
    waiting: Waiting,
    committing: Arc<Semaphore>,
    closing: CancellationToken,
    tasks: TaskTracker,
}

impl Lanes {
    /// Lanes that wait for a lock leave a quarter of the connections to those who read.
    pub fn new(shared: Arc<Shared>, connections: usize) -> Self {
        Self {
            committing: Arc::new(Semaphore::new((connections - connections / 4).max(1))),
            shared,
            waiting: Waiting::default(),
            closing: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }
    }

    pub async fn submit(&self, command: Command) -> Result<Outcome> {
        if self.closing.is_cancelled() {
            return Err(Error::closing());
        }
        let (answer, answered) = oneshot::channel();
        let lane = lane(&command);
        let job = Job { command, answer };
        let starts = match lock(&self.waiting).entry(lane.clone()) {
            Entry::Occupied(waiting) if waiting.get().len() >= QUEUE => {
                return Err(Error::unavailable("too many changes wait for this store: try again"));
            }
            Entry::Occupied(mut waiting) => {
                waiting.get_mut().push(job);
                false
            }
            Entry::Vacant(vacant) => {
                vacant.insert(vec![job]);
                true
            }
        };
        // Without the lock: while the program ends, a task is dropped as soon as it is spawned.
        if starts {
            let (waiting, shared) = (Arc::clone(&self.waiting), Arc::clone(&self.shared));
            let committing = Arc::clone(&self.committing);
            let worker = Worker { lane, waiting, committing, shared, ended: false };
            self.tasks.spawn(worker.run());
        }
        // A lane that ends midway, with the program or in a panic, may have committed.
        answered.await.map_err(|_| Error::Uncertain)?
    }

    /// Commits what waits.
    pub async fn close(&self) {
        self.closing.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

fn lane(command: &Command) -> Lane {
    match &command.change {
        Change::CreateStore { .. } => Lane::Workspace(command.workspace.clone()),
        Change::UpdateStore { store, .. }
        | Change::ArchiveStore { store }
        | Change::DeleteStore { store }
        | Change::CreateMemory { store, .. }
        | Change::UpdateMemory { store, .. }
        | Change::DeleteMemory { store, .. }
        | Change::RedactVersion { store, .. } => Lane::Store(store.clone()),
    }
}

fn lock(waiting: &Waiting) -> MutexGuard<'_, HashMap<Lane, Vec<Job>>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One lane at work. When it ends, for whatever reason, the next command starts another.
struct Worker {
    lane: Lane,
    waiting: Waiting,
    committing: Arc<Semaphore>,
    shared: Arc<Shared>,
    ended: bool,
}

impl Drop for Worker {
    fn drop(&mut self) {
        if !self.ended {
            let _left = lock(&self.waiting).remove(&self.lane);
        }
    }
}

impl Worker {
    async fn run(mut self) {
        while let Some(jobs) = self.next() {
            let (commands, answers): (Vec<_>, Vec<_>) =
                jobs.into_iter().map(|job| (job.command, job.answer)).unzip();
            let outcomes = commit::answer(&mut self, &commands).await;
            for (answer, outcome) in answers.into_iter().zip(outcomes) {
                let _ = answer.send(outcome);
            }
        }
    }

    /// Takes what waits; without anything the lane ends, before another command can join it.
    fn next(&mut self) -> Option<Vec<Job>> {
        let mut lanes = lock(&self.waiting);
        let waiting = lanes.get_mut(&self.lane)?;
        if waiting.is_empty() {
            lanes.remove(&self.lane);
            self.ended = true;
            return None;
        }
        let mut room = Room::default();
        let fit = waiting.iter().take_while(|job| room.takes(&job.command)).count();
        let rest = waiting.split_off(fit);
        Some(std::mem::replace(waiting, rest))
    }
}

impl Commits for Worker {
    async fn commit(&mut self, commands: &[Command]) -> Result<Vec<Result<Outcome>>, Failed> {
        let _turn = self.committing.acquire().await;
        let mut connection = self.shared.writing().await.map_err(Failed::Final)?;
        let committed = commit::commit(&self.shared, &mut connection, commands);
        match tokio::time::timeout(COMMITS_WITHIN, committed).await {
            Ok(committed) => Ok(committed?.answers),
            Err(_) if connection.is_uncertain() => Err(Failed::Final(Error::Uncertain)),
            Err(_) => Err(Failed::Final(Error::unavailable("the database is busy: try again"))),
        }
    }
}
