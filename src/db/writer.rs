//! The write path on SQLite, a thread of its own: takes what waits, plans it together, commits it
//! together, answers each.
//!
//! One commit, and so one fsync, serves a whole batch. Nothing is answered before its commit; a
//! client that goes away loses its answer and nothing else.

use std::collections::HashSet;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::commit::{self, Commits, Failed, Room};
use super::residue::Traces;
use super::shared::Shared;
use super::{log, rows};
use crate::domain::id::VersionId;
use crate::domain::plan::{Change, Command, Outcome};
use crate::domain::version::Version;
use crate::domain::{Error, Result};

/// Commands that may wait before clients have to.
const QUEUE: usize = 1024;
/// Pages of the log, roughly, after which it is folded into the file.
const CHECKPOINT_PAGES: usize = 1000;
/// Why nothing is acknowledged after a panic.
pub const STOPPED: &str = "the writer has stopped";
/// How soon an erasure that was held up is tried again, first and at last: each try may take long, and
/// nothing is written meanwhile.
const ERASE_AGAIN: Duration = Duration::from_secs(1);
const ERASE_AT_LAST: Duration = Duration::from_secs(30);

enum Job {
    Command(Box<Command>, oneshot::Sender<Result<Outcome>>),
    /// Finish the erasures that the last run left.
    FinishErasures(oneshot::Sender<Result<()>>),
}

/// Where commands are handed in.
pub struct Inbox {
    jobs: mpsc::Sender<Job>,
    closing: CancellationToken,
    ended: CancellationToken,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Inbox {
    pub async fn submit(&self, command: Command) -> Result<Outcome> {
        let (answer, answered) = oneshot::channel();
        let job = Job::Command(Box::new(command), answer);
        self.jobs.send(job).await.map_err(|_| self.refusal())?;
        // A writer that ends in a panic may have committed.
        answered.await.map_err(|_| Error::Uncertain)?
    }

    /// Why nothing is taken any more.
    fn refusal(&self) -> Error {
        if self.closing.is_cancelled() {
            return Error::closing();
        }
        Error::Unavailable { reason: STOPPED.into(), retry: false }
    }

    pub async fn finish_erasures(&self) -> Result<()> {
        let (answer, answered) = oneshot::channel();
        let job = Job::FinishErasures(answer);
        self.jobs.send(job).await.map_err(|_| self.refusal())?;
        answered.await.map_err(|_| self.refusal())?
    }

    /// Whether the writer ended although nobody closed it.
    pub fn is_stopped(&self) -> bool {
        self.jobs.is_closed() && !self.closing.is_cancelled()
    }

    /// Lets the writer end after what it has accepted.
    pub async fn close(&self) {
        self.closing.cancel();
        self.ended.cancelled().await;
        if let Some(thread) = self.thread.lock().await.take()
            && thread.join().is_err()
        {
            tracing::error!("the writer ended in a panic");
        }
    }
}

/// The thread syncs and waits for other processes, which a thread that serves others must not.
pub fn start(shared: Arc<Shared>) -> Result<Inbox> {
    let (sender, jobs) = mpsc::channel(QUEUE);
    let closing = CancellationToken::new();
    let writer = Writer {
        shared,
        jobs,
        closing: closing.clone(),
        pending: Pending::default(),
        erase_at: None,
        pause: ERASE_AGAIN,
        pages: 0,
    };
    let ended = CancellationToken::new();
    let (runtime, end) = (Handle::current(), ended.clone().drop_guard());
    let thread = thread::Builder::new().name("writer".into()).spawn(move || {
        let _end = end;
        runtime.block_on(writer.run());
    });
    let thread = Mutex::new(Some(thread.map_err(Error::internal)?));
    Ok(Inbox { jobs: sender, closing, ended, thread })
}

struct Writer {
    shared: Arc<Shared>,
    jobs: mpsc::Receiver<Job>,
    closing: CancellationToken,
    pending: Pending,
    /// When an erasure that was held up is tried again, however busy the writer is.
    erase_at: Option<Instant>,
    /// And how long after that once more.
    pause: Duration,
    /// Pages written since the last checkpoint, roughly.
    pages: usize,
}

/// What redactions of this process have left to erase. Of others, those of the last run and of another
/// server on the file, the texts are gone from the rows, so it is not known what to look for.
#[derive(Default)]
struct Pending {
    traces: Traces,
    versions: HashSet<VersionId>,
}

impl Writer {
    async fn run(mut self) {
        while let Some(first) = self.next().await {
            let (mut commands, mut answers) = (Vec::new(), Vec::new());
            let (mut next, mut room, mut full) = (Some(first), Room::default(), false);
            while let Some(job) = next {
                match job {
                    Job::Command(command, answer) => {
                        full = !room.takes(&command);
                        commands.push(*command);
                        answers.push(answer);
                    }
                    Job::FinishErasures(answer) => drop(answer.send(self.finish_erasures().await)),
                }
                next = if full { None } else { self.jobs.try_recv().ok() };
            }
            self.serve(commands, answers).await;
        }
    }

    async fn next(&mut self) -> Option<Job> {
        loop {
            tokio::select! {
                biased;
                () = until(self.erase_at) => {
                    if let Err(error) = self.erase().await {
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
        match self.erase().await {
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
        let answers = commit::answer(self, &commands).await;
        let mut redactions = Vec::new();
        for ((command, sender), answer) in commands.iter().zip(senders).zip(answers) {
            match (&command.change, answer) {
                (Change::RedactVersion { .. }, Ok(outcome)) => redactions.push((sender, outcome)),
                (_, answer) => drop(sender.send(answer)),
            }
        }
        if !redactions.is_empty() {
            let erased = self.erase().await;
            for (sender, outcome) in redactions {
                let _ = sender.send(erased.clone().map(|()| outcome));
            }
        }
        self.checkpoint().await;
    }

    /// Erases all that is noted, and tries again later where that fails.
    async fn erase(&mut self) -> Result<()> {
        let erased = self.erase_noted().await;
        if erased.is_ok() {
            (self.erase_at, self.pause) = (None, ERASE_AGAIN);
        } else {
            self.erase_at = Some(Instant::now() + self.pause);
            self.pause = (self.pause * 2).min(ERASE_AT_LAST);
        }
        erased
    }

    async fn erase_noted(&mut self) -> Result<()> {
        self.shared.check()?;
        let mut connection = self.shared.writing().await?;
        let noted = rows::pending_erasures(&mut connection).await;
        let noted = noted.map_err(|error| self.shared.failed(error))?;
        if noted.is_empty() {
            // Another server may have erased what was noted here.
            self.pending = Pending::default();
            return Ok(());
        }
        let own = noted.iter().all(|version| self.pending.versions.contains(version));
        let traces = own.then_some(&self.pending.traces);
        self.shared.erase(&mut connection, traces, &noted).await?;
        self.pending = Pending::default();
        self.pages = 0;
        Ok(())
    }

    async fn checkpoint(&mut self) {
        if self.pages < CHECKPOINT_PAGES || self.shared.check().is_err() {
            return;
        }
        self.pages = 0;
        let done = async {
            let mut connection = self.shared.writing().await?;
            let done = log::checkpoint(&mut connection).await;
            done.map_err(|error| self.shared.failed(error))
        };
        if let Err(error) = done.await {
            tracing::error!(%error, "the log can't be folded into the file");
        }
    }
}

impl Commits for Writer {
    async fn commit(&mut self, commands: &[Command]) -> Result<Vec<Result<Outcome>>, Failed> {
        let mut connection = self.shared.writing().await.map_err(Failed::Final)?;
        let committed = commit::commit(&self.shared, &mut connection, commands).await?;
        self.pages += committed.pages;
        for version in &committed.traces {
            self.pending.add(version);
        }
        Ok(committed.answers)
    }
}

impl Pending {
    fn add(&mut self, version: &Version) {
        self.traces.add(version);
        self.versions.insert(version.id.clone());
    }
}

/// Waits for a moment that may never come.
async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::location::{Location, Purpose};
    use crate::db::shared::Backend;
    use crate::db::sql::Sql;
    use crate::domain::access::Credential;
    use crate::domain::actor::Actor;
    use crate::domain::id::{ApiKeyId, RequestId, StoreId, WorkspaceId};
    use crate::domain::limits::Limits;
    use crate::domain::time::Timestamp;

    fn command() -> Command {
        let key = ApiKeyId::new("1");
        Command {
            workspace: WorkspaceId::new("1"),
            actor: Actor::ApiKey(key.clone()),
            credential: Credential::Key(key),
            request: RequestId::new("1"),
            reason: None,
            at: Timestamp::from_micros(0),
            change: Change::ArchiveStore { store: StoreId::new("1") },
        }
    }

    /// A try takes a second here, as long as the first pause.
    #[tokio::test(flavor = "multi_thread")]
    async fn between_two_tries_to_erase_others_have_their_turn() {
        let folder = tempfile::tempdir().unwrap();
        let location = Location::File(folder.path().join("db"));
        let shared = Shared::open(&location, Purpose::Upkeep, Limits::default()).unwrap();
        let shared = Arc::new(shared);
        for sql in [
            "create table pending_erasures (version_id text primary key)",
            "insert into pending_erasures values ('memver_1')",
        ] {
            shared.writing().await.unwrap().execute(Sql::new(sql)).await.unwrap();
        }
        let Backend::Sqlite(file) = &shared.backend else { panic!("it is a file") };
        let _reader = file.gate.read().await;
        let inbox = start(Arc::clone(&shared)).unwrap();
        inbox.finish_erasures().await.unwrap();

        for _ in 0..3 {
            let begun = Instant::now();
            // There is no such table; it is asked all the same.
            assert!(inbox.submit(command()).await.is_err());
            assert!(begun.elapsed() < Duration::from_millis(1900), "{:?}", begun.elapsed());
            tokio::time::sleep(Duration::from_millis(1100)).await;
        }
    }

    #[tokio::test]
    async fn a_change_whose_writer_is_lost_may_have_been_made() {
        let (sender, mut jobs) = mpsc::channel(1);
        let [closing, ended] = [CancellationToken::new(), CancellationToken::new()];
        let inbox = Inbox { jobs: sender, closing, ended, thread: Mutex::new(None) };
        let command = command();

        let lost = async { drop(jobs.recv().await) };
        let (answer, ()) = tokio::join!(inbox.submit(command.clone()), lost);
        assert!(matches!(answer, Err(Error::Uncertain)), "{answer:?}");

        drop(jobs);
        for ends in [false, true] {
            if ends {
                inbox.closing.cancel();
            }
            let refused = inbox.submit(command.clone()).await;
            let Err(Error::Unavailable { reason, retry }) = refused else {
                panic!("{refused:?}");
            };
            assert_eq!((retry, reason.contains("shutting down")), (ends, ends), "{reason}");
        }
    }
}
