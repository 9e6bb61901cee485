//! The command line: one file a command. stdout is data, stderr is talk.

mod copy;
mod descriptors;
mod doctor;
mod figures;
mod inspect;
mod keys;
mod later;
mod migrate;
mod mount;
mod output;
mod serve;
mod server;
mod shell;
mod target;
mod why;
mod workspaces;

use std::process::ExitCode;
use std::time::Duration;

use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};

use self::later::Later;
use crate::client::ClientError;
use crate::config;
use crate::domain::Error;
use crate::fuse;

/// Self-hosted server for the memory stores of Claude Managed Agents
#[derive(Parser)]
#[command(name = "memstored", version, max_term_width = 100)]
#[command(after_help = "\
Examples:
  memstored serve                       start on 127.0.0.1:8780 with ./memstored.db
  memstored serve --dev --listen 127.0.0.1:0
                                        for tests: each API key is its own empty workspace
  memstored serve --database-url postgres://memstored@db.example/memstored
                                        for teams: any number of instances on one Postgres
  memstored key create --name ci        make an API key
  memstored doctor                      look the database over
  memstored mount --store notes ./notes
                                        work on a store with ordinary programs
  memstored log --store notes           who changed what, and where content was lost
  memstored undo --store notes --session sesn_…
                                        put back what one session changed

Exit codes: 0 done, 1 failed, 2 usage, 3 not found, 4 conflict")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start the server
    Serve(Later<config::Serve>),
    /// Make, list and revoke API keys
    #[command(subcommand)]
    Key(keys::Key),
    /// Make, list and delete workspaces
    #[command(subcommand)]
    Workspace(workspaces::Workspace),
    /// Bring the schema of a database up to date
    Migrate(Later<migrate::Migrate>),
    /// Look a database over
    Doctor(Later<doctor::Doctor>),
    /// Move a whole installation from one database to another
    Copy(Later<copy::Copy>),
    /// Mount the stores of a session, or one store, as folders
    Mount(Later<mount::Mount>),
    #[command(flatten)]
    Inspect(inspect::Inspect),
    /// Print what a shell needs to complete commands
    Completions(Later<shell::Completions>),
    /// Print the manual, or write it as pages for man
    Man(Later<shell::Man>),
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Usage(String),
    #[error(transparent)]
    Refused(#[from] Error),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Mount(#[from] fuse::MountError),
    #[error("{0}")]
    Missing(String),
    #[error("{0}")]
    Conflict(String),
    #[error("{0}")]
    Failed(String),
    /// Nobody reads the output any more, which is no failure.
    #[error("the output was closed")]
    Closed,
}

impl Failure {
    fn code(&self) -> u8 {
        match self {
            Self::Closed => 0,
            Self::Usage(_) => 2,
            Self::Missing(_)
            | Self::Refused(Error::NotFound { .. })
            | Self::Mount(fuse::MountError::Unknown(_)) => 3,
            Self::Conflict(_)
            | Self::Refused(Error::PathTaken { .. } | Error::PreconditionFailed) => 4,
            Self::Client(error) | Self::Mount(fuse::MountError::Client(error)) => of_client(error),
            Self::Refused(_) | Self::Mount(_) | Self::Failed(_) => 1,
        }
    }

    /// What a person reads: an internal error says its source here, where the operator is.
    fn text(&self) -> String {
        match self {
            Self::Refused(Error::Internal(source)) => source.to_string(),
            other => other.to_string(),
        }
    }
}

fn of_client(error: &ClientError) -> u8 {
    match error {
        ClientError::Refused { status, .. } => match status.as_u16() {
            404 => 3,
            409 => 4,
            _ => 1,
        },
        _ => 1,
    }
}

type Done = Result<(), Failure>;

fn cant(what: &str, error: &std::io::Error) -> Failure {
    Failure::Failed(format!("can't {what}: {error}"))
}

/// Runs the program.
pub fn main() -> ExitCode {
    let matches = Cli::command().get_matches();
    let parsed = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return output::fail(&format!("can't start: {error}"), 1),
    };
    match runtime.block_on(run(parsed, &matches)) {
        Ok(()) | Err(Failure::Closed) => ExitCode::SUCCESS,
        Err(failure) => output::fail(&failure.text(), failure.code()),
    }
}

async fn run(cli: Cli, matches: &ArgMatches) -> Done {
    match cli.command {
        Command::Serve(Later(settings)) => serve::run(settings).await,
        Command::Key(command) => keys::run(command, innermost(matches)).await,
        Command::Workspace(command) => workspaces::run(command, innermost(matches)).await,
        Command::Migrate(Later(migrate)) => migrate::run(migrate).await,
        Command::Doctor(Later(doctor)) => doctor::run(doctor).await,
        Command::Copy(Later(copy)) => copy::run(copy).await,
        Command::Mount(Later(mount)) => mount::run(mount).await,
        Command::Inspect(inspect) => inspect::run(inspect).await,
        Command::Completions(Later(completions)) => shell::completions(&completions),
        Command::Man(Later(man)) => shell::man(&man),
    }
}

/// The matches of the command itself, which know where a value came from.
fn innermost(matches: &ArgMatches) -> &ArgMatches {
    match matches.subcommand() {
        Some((_, inner)) => innermost(inner),
        None => matches,
    }
}

/// Reads a length of time.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().map_err(|_| "a number of seconds is wanted, such as 0.5")?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}
