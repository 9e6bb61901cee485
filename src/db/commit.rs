//! Committing a batch of commands: planned and written in one transaction, tried again where
//! another was in the way, one by one where the database refuses it for a reason of its own.

use std::time::{Duration, Instant};

use super::connection::Connection;
use super::dialect::Verdict;
use super::script::Script;
use super::shared::Shared;
use super::{batch, verdict};
use crate::domain::plan::{Command, Needs, Outcome, Step, plan};
use crate::domain::version::Version;
use crate::domain::{Error, Result};

/// How often a batch is tried before its clients are told of the conflict.
const TRIES: u32 = 6;
/// After that long the client is about to be told that it took too long.
const TRIES_WITHIN: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(5);

/// Commands in one commit.
const BATCH: usize = 128;
/// Bytes of content in one commit, unless one command alone has more.
const BATCH_BYTES: usize = 16 << 20;

/// What still fits in a batch.
#[derive(Default)]
pub struct Room {
    commands: usize,
    bytes: usize,
}

impl Room {
    /// Whether the command fits, too; the first always does.
    pub fn takes(&mut self, command: &Command) -> bool {
        let fits = self.commands < BATCH && self.bytes < BATCH_BYTES;
        self.commands += 1;
        self.bytes += command.change.content().map_or(0, |content| content.as_str().len());
        fits
    }
}

/// What a committed batch did.
pub struct Committed {
    pub answers: Vec<Result<Outcome>>,
    /// Redacted versions, as they were.
    pub traces: Vec<Version>,
    /// Written pages of a SQLite file, roughly.
    pub pages: usize,
}

/// Why a batch was not committed.
pub enum Failed {
    /// Another transaction was in the way: the same may succeed.
    Conflict,
    /// The connection was lost before the commit was sent.
    Lost(Error),
    /// The database refused it for a reason of its own.
    Refused(Error),
    /// Trying again would not help, or could apply it twice.
    Final(Error),
}

/// A transaction that can be tried more than once.
pub trait Attempt: Send {
    type Done: Send;

    fn attempt(&mut self) -> impl Future<Output = Result<Self::Done, Failed>> + Send;
}

/// Tries again where that is safe and may help.
pub async fn again<A: Attempt>(attempt: &mut A) -> Result<A::Done, Failed> {
    let begun = Instant::now();
    let mut pause = FIRST_PAUSE;
    for tries in 1..TRIES {
        match attempt.attempt().await {
            failed if begun.elapsed() > TRIES_WITHIN => return failed,
            Err(Failed::Conflict) => {
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
            // The pool's other connections may be as dead as this one was; a fresh one tells.
            Err(Failed::Lost(_)) if tries == 1 => {}
            done => return done,
        }
    }
    attempt.attempt().await
}

/// The way a backend commits a batch, once.
pub trait Commits: Send {
    fn commit(
        &mut self,
        commands: &[Command],
    ) -> impl Future<Output = Result<Vec<Result<Outcome>>, Failed>> + Send;
}

struct Batch<'a, C> {
    path: &'a mut C,
    commands: &'a [Command],
}

impl<C: Commits> Attempt for Batch<'_, C> {
    type Done = Vec<Result<Outcome>>;

    async fn attempt(&mut self) -> Result<Self::Done, Failed> {
        self.path.commit(self.commands).await
    }
}

/// Answers every command, whatever it takes.
pub async fn answer(path: &mut impl Commits, commands: &[Command]) -> Vec<Result<Outcome>> {
    metrics::histogram!("memstored_batch_commands").record(precise(commands.len()));
    match again(&mut Batch { path, commands }).await {
        Ok(answers) => answers,
        Err(Failed::Refused(error)) if commands.len() > 1 => {
            tracing::warn!(%error, commands = commands.len(), "a batch is run one by one");
            let mut answers = Vec::with_capacity(commands.len());
            for commands in commands.chunks(1) {
                match again(&mut Batch { path, commands }).await {
                    Ok(answer) => answers.extend(answer),
                    Err(failed) => answers.push(Err(failed.into())),
                }
            }
            answers
        }
        Err(failed) => {
            let error = Error::from(failed);
            commands.iter().map(|_| Err(error.clone())).collect()
        }
    }
}

/// Runs a batch in one transaction of `connection`, and commits.
pub async fn commit(
    shared: &Shared,
    connection: &mut Connection,
    commands: &[Command],
) -> Result<Committed, Failed> {
    shared.check().map_err(Failed::Final)?;
    let begun = Instant::now();
    match transact(connection, commands, shared).await {
        Ok(committed) => {
            metrics::histogram!("memstored_commit_seconds").record(begun.elapsed().as_secs_f64());
            shared.committed();
            Ok(committed)
        }
        Err(error) => {
            connection.roll_back().await;
            Err(failed(shared, connection, error))
        }
    }
}

/// What an error of a transaction that was not committed means for it.
pub fn failed(shared: &Shared, connection: &Connection, error: sqlx::Error) -> Failed {
    if connection.is_uncertain() {
        tracing::error!(%error, "it is not known whether a batch was committed");
        return Failed::Final(Error::Uncertain);
    }
    match verdict::judge(&error) {
        Verdict::Conflict => Failed::Conflict,
        Verdict::Lost => Failed::Lost(shared.failed(error)),
        Verdict::Denied | Verdict::Unexpected => Failed::Refused(shared.failed(error)),
        Verdict::Busy | Verdict::DiskFull | Verdict::CantOpen | Verdict::Fatal => {
            Failed::Final(shared.failed(error))
        }
    }
}

/// Plans and writes commands in one transaction, in as many rounds as they have to wait for each
/// other.
async fn transact(
    connection: &mut Connection,
    commands: &[Command],
    shared: &Shared,
) -> sqlx::Result<Committed> {
    let limits = &shared.limits;
    let mut answers: Vec<Option<Result<Outcome>>> = commands.iter().map(|_| None).collect();
    let mut committed = Committed { answers: Vec::new(), traces: Vec::new(), pages: 0 };
    let mut deleted_stores = false;
    connection.begin().await?;
    loop {
        let open: Vec<_> = (0..commands.len()).filter(|at| answers[*at].is_none()).collect();
        let needs = Needs::of(open.iter().map(|at| &commands[*at]));
        let count_stores = limits.stores_per_workspace.is_some();
        let mut overlay = batch::load(connection, needs, count_stores).await?;
        for at in open {
            if let Step::Done(answer) = plan(&mut overlay, &commands[at], limits) {
                answers[at] = Some(*answer);
            }
        }
        let writes = overlay.finish();
        committed.pages +=
            writes.versions.iter().map(pages_of).sum::<usize>() + writes.stores.len();
        deleted_stores |= writes.stores.iter().any(|(_, deleted_at)| deleted_at.is_some());
        if let Some(change) = connection.change() {
            change.touches(&writes);
        }
        let mut script = Script::new(connection.dialect());
        batch::store(&mut script, &writes);
        committed.traces.extend(writes.erased);
        if answers.iter().any(Option::is_none) {
            connection.write(script).await?;
            continue;
        }
        connection.write_and_commit(script).await?;
        if deleted_stores {
            shared.deleted.notify_one();
        }
        committed.answers = answers.into_iter().flatten().collect();
        return Ok(committed);
    }
}

/// The row's own pages, and those of the trees that point to it.
fn pages_of(version: &Version) -> usize {
    let size = version.digest.map_or(0, |digest| digest.size);
    4 + usize::try_from(size / 4096).unwrap_or(0)
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Conflict => Self::Conflict,
            Failed::Lost(error) | Failed::Refused(error) | Failed::Final(error) => error,
        }
    }
}

fn precise(count: usize) -> f64 {
    u32::try_from(count).unwrap_or(u32::MAX).into()
}
