//! The one writer: takes what waits, plans it together, commits it together, answers each.
//!
//! One commit, and so one fsync, serves a whole batch. Nothing is answered before its commit; a
//! client that goes away loses its answer and nothing else.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::SqliteConnection;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::residue::Traces;
use super::{Shared, batch, dialect, rows};
use crate::domain::plan::{Change, Command, Needs, Outcome, Step, plan};
use crate::domain::version::Version;
use crate::domain::{Error, Result};

/// Commands in one commit.
const BATCH: usize = 128;
/// Commands that may wait before clients have to.
const QUEUE: usize = 1024;
/// Pages of the log, roughly, after which it is folded into the file.
const CHECKPOINT_PAGES: usize = 1000;
/// How soon an erasure that a reader held up is tried again.
const ERASE_AGAIN: Duration = Duration::from_secs(1);

enum Job {
    Command(Box<Command>, oneshot::Sender<Result<Outcome>>),
    /// Finish the erasures that the last run left.
    FinishErasures(oneshot::Sender<Result<()>>),
}

/// Where commands are handed in.
pub struct Inbox {
    jobs: mpsc::Sender<Job>,
    closing: CancellationToken,
}

impl Inbox {
    pub async fn submit(&self, command: Command) -> Result<Outcome> {
        let stopped =
            || Error::Unavailable { reason: "the server is shutting down".into(), retry: true };
        let (answer, answered) = oneshot::channel();
        self.jobs.send(Job::Command(Box::new(command), answer)).await.map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }

    pub async fn finish_erasures(&self) -> Result<()> {
        let (answer, answered) = oneshot::channel();
        let stopped = || Error::internal("the writer has stopped");
        self.jobs.send(Job::FinishErasures(answer)).await.map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }

    /// Whether the writer ended although nobody closed it.
    pub fn is_stopped(&self) -> bool {
        self.jobs.is_closed() && !self.closing.is_cancelled()
    }

    /// Lets the writer end after what it has accepted.
    pub fn close(&self) {
        self.closing.cancel();
    }
}

pub fn start(shared: Arc<Shared>) -> (Inbox, JoinHandle<()>) {
    let (sender, jobs) = mpsc::channel(QUEUE);
    let closing = CancellationToken::new();
    let writer = Writer {
        shared,
        jobs,
        closing: closing.clone(),
        pending: Pending::Nothing,
        erase_at: None,
        pages: 0,
    };
    (Inbox { jobs: sender, closing }, tokio::spawn(writer.run()))
}

struct Writer {
    shared: Arc<Shared>,
    jobs: mpsc::Receiver<Job>,
    closing: CancellationToken,
    pending: Pending,
    /// When an erasure that was held up is tried again, however busy the writer is.
    erase_at: Option<Instant>,
    /// Pages written since the last checkpoint, roughly.
    pages: usize,
}

/// What redactions have left to erase.
enum Pending {
    Nothing,
    Known(Traces),
    /// What the last run left: its texts are gone from the rows, so it is not known what to look for.
    Unknown,
}

/// What a committed batch did.
struct Committed {
    answers: Vec<Result<Outcome>>,
    traces: Vec<Version>,
    deleted_stores: bool,
    pages: usize,
}

impl Writer {
    async fn run(mut self) {
        while let Some(first) = self.next().await {
            let (mut commands, mut answers) = (Vec::new(), Vec::new());
            let mut next = Some(first);
            while let Some(job) = next {
                match job {
                    Job::Command(command, answer) => {
                        commands.push(*command);
                        answers.push(answer);
                    }
                    Job::FinishErasures(answer) => drop(answer.send(self.finish_erasures().await)),
                }
                next = if commands.len() < BATCH { self.jobs.try_recv().ok() } else { None };
            }
            self.serve(commands, answers).await;
        }
    }

    async fn next(&mut self) -> Option<Job> {
        loop {
            tokio::select! {
                biased;
                () = until(self.erase_at) => {
                    let writer = Arc::clone(&self.shared.writer);
                    if let Err(error) = self.erase(&mut *writer.lock().await).await {
                        tracing::warn!(%error, "an erasure is still pending");
                    }
                }
                job = self.jobs.recv() => return job,
                () = self.closing.cancelled(), if !self.jobs.is_closed() => self.jobs.close(),
            }
        }
    }

    /// What another process holds up is tried again later.
    async fn finish_erasures(&mut self) -> Result<()> {
        let writer = Arc::clone(&self.shared.writer);
        let mut connection = writer.lock().await;
        let pending = rows::pending_erasures(&mut connection).await;
        if pending.map_err(|error| self.shared.failed(error))? {
            self.pending = Pending::Unknown;
        }
        match self.erase(&mut connection).await {
            Err(Error::Unavailable { retry: true, .. }) => Ok(()),
            done => done,
        }
    }

    async fn serve(
        &mut self,
        commands: Vec<Command>,
        senders: Vec<oneshot::Sender<Result<Outcome>>>,
    ) {
        if commands.is_empty() {
            return;
        }
        let writer = Arc::clone(&self.shared.writer);
        let mut connection = writer.lock().await;
        metrics::histogram!("memstored_batch_commands").record(precise(commands.len()));
        let answers = self.answer(&mut connection, &commands).await;

        let mut redactions = Vec::new();
        for ((command, sender), answer) in commands.iter().zip(senders).zip(answers) {
            match (&command.change, answer) {
                (Change::RedactVersion { .. }, Ok(outcome)) => redactions.push((sender, outcome)),
                (_, answer) => drop(sender.send(answer)),
            }
        }
        if !redactions.is_empty() {
            let mut erased = self.erase(&mut connection).await;
            for (sender, outcome) in redactions {
                let answer = repeated(&mut erased).map(|()| outcome);
                let _ = sender.send(answer);
            }
        }
        self.checkpoint(&mut connection).await;
    }

    /// Runs a batch; where the database refuses it for a reason of its own, one by one.
    async fn answer(
        &mut self,
        connection: &mut SqliteConnection,
        commands: &[Command],
    ) -> Vec<Result<Outcome>> {
        match self.attempt(connection, commands).await {
            Ok(answers) => answers,
            Err(Failed::Database(error))
                if commands.len() > 1 && dialect::is_worth_splitting(&error) =>
            {
                tracing::warn!(%error, commands = commands.len(), "a batch is run one by one");
                let mut answers = Vec::with_capacity(commands.len());
                for command in commands {
                    let one = std::slice::from_ref(command);
                    match self.attempt(connection, one).await {
                        Ok(answer) => answers.extend(answer),
                        Err(failed) => answers.push(Err(self.refusal(failed))),
                    }
                }
                answers
            }
            Err(failed) => {
                let mut refused = Err(self.refusal(failed));
                commands
                    .iter()
                    .map(|_| repeated(&mut refused))
                    .map(|error: Result<()>| {
                        error.and_then(|()| Err(Error::internal("a failed batch has no answer")))
                    })
                    .collect()
            }
        }
    }

    fn refusal(&self, failed: Failed) -> Error {
        match failed {
            Failed::Refused(error) => error,
            Failed::Database(error) => self.shared.failed(error),
        }
    }

    async fn attempt(
        &mut self,
        connection: &mut SqliteConnection,
        commands: &[Command],
    ) -> Result<Vec<Result<Outcome>>, Failed> {
        self.shared.check().map_err(Failed::Refused)?;
        let begun = Instant::now();
        let committed = match transact(connection, commands, &self.shared).await {
            Ok(committed) => committed,
            Err(error) => {
                dialect::roll_back(connection).await;
                return Err(Failed::Database(error));
            }
        };
        metrics::histogram!("memstored_commit_seconds").record(begun.elapsed().as_secs_f64());
        self.pages += committed.pages;
        if committed.deleted_stores {
            self.shared.deleted.notify_one();
        }
        for version in &committed.traces {
            self.pending.add(version);
        }
        Ok(committed.answers)
    }

    async fn erase(&mut self, connection: &mut SqliteConnection) -> Result<()> {
        let traces = match &self.pending {
            Pending::Nothing => return Ok(()),
            Pending::Known(traces) => Some(traces),
            Pending::Unknown => None,
        };
        self.erase_at = Some(Instant::now() + ERASE_AGAIN);
        self.shared.check()?;
        self.shared.erase(connection, traces).await?;
        self.erase_at = None;
        self.pending = Pending::Nothing;
        self.pages = 0;
        Ok(())
    }

    async fn checkpoint(&mut self, connection: &mut SqliteConnection) {
        if self.pages >= CHECKPOINT_PAGES && self.shared.check().is_ok() {
            self.pages = 0;
            if let Err(error) = dialect::checkpoint(connection).await {
                let error = self.shared.failed(error);
                tracing::error!(%error, "the log can't be folded into the file");
            }
        }
    }
}

impl Pending {
    fn add(&mut self, version: &Version) {
        match self {
            Self::Nothing => {
                let mut traces = Traces::default();
                traces.add(version);
                *self = Self::Known(traces);
            }
            Self::Known(traces) => traces.add(version),
            Self::Unknown => {}
        }
    }
}

enum Failed {
    Database(sqlx::Error),
    Refused(Error),
}

/// Plans and writes commands in one transaction, in as many rounds as they have to wait for each
/// other, and commits.
async fn transact(
    connection: &mut SqliteConnection,
    commands: &[Command],
    shared: &Shared,
) -> sqlx::Result<Committed> {
    let limits = &shared.limits;
    let mut answers: Vec<Option<Result<Outcome>>> = commands.iter().map(|_| None).collect();
    let mut traces = Vec::new();
    let mut deleted_stores = false;
    let mut pages = 0;
    let mut first = true;
    loop {
        let open: Vec<_> = (0..commands.len()).filter(|at| answers[*at].is_none()).collect();
        let needs = Needs::of(open.iter().map(|at| &commands[*at]));
        let count_stores = limits.stores_per_workspace.is_some();
        let mut overlay = batch::load(connection, needs, count_stores, first).await?;
        first = false;
        for at in open {
            if let Step::Done(answer) = plan(&mut overlay, &commands[at], limits) {
                answers[at] = Some(*answer);
            }
        }
        let writes = overlay.finish();
        pages += writes.versions.iter().map(pages_of).sum::<usize>() + writes.stores.len();
        deleted_stores |= writes.stores.iter().any(|(_, deleted_at)| deleted_at.is_some());
        let last = answers.iter().all(Option::is_some);
        match (writes.is_empty(), last) {
            (false, last) => batch::store(connection, &writes, last).await?,
            (true, true) => dialect::commit(connection).await?,
            (true, false) => {}
        }
        traces.extend(writes.erased);
        if last {
            break;
        }
    }
    Ok(Committed {
        answers: answers.into_iter().flatten().collect(),
        traces,
        deleted_stores,
        pages,
    })
}

/// Waits for a moment that may never come.
async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// The row's own pages, and those of the trees that point to it.
fn pages_of(version: &Version) -> usize {
    let size = version.digest.map_or(0, |digest| digest.size);
    4 + usize::try_from(size / 4096).unwrap_or(0)
}

/// Gives one result to several. An error is given in its own words.
fn repeated(result: &mut Result<()>) -> Result<()> {
    match result {
        Ok(()) => Ok(()),
        Err(Error::Unavailable { reason, retry }) => {
            Err(Error::Unavailable { reason: reason.clone(), retry: *retry })
        }
        Err(_) => std::mem::replace(
            result,
            Err(Error::internal("the error is reported with the first request of its batch")),
        ),
    }
}

fn precise(count: usize) -> f64 {
    u32::try_from(count).unwrap_or(u32::MAX).into()
}
