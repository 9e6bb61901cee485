//! The inspector: what happened in a store, and how to go back. A client of the API's contract, so
//! that it works on any server of it; what only a memstored has says so elsewhere.
//!
//! One file a group of verbs. `find` turns what people write into what the API knows, `names` turns
//! what the API says into what people know, `carry_out` does what `history::plan` has planned.

mod back;
mod blame;
mod carry_out;
mod diff;
mod export;
mod files;
mod find;
mod import;
mod journal;
mod log;
mod names;
mod partial;
mod patch;
mod read;
mod repository;
mod stat;
mod stores;
mod watch;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::later::Later;
use super::output::{Color, Out};
use super::server::ServerFlags;
use super::why::{Why, confirm};
use super::{Done, Failure, output, seconds};
use crate::client::Client;
use crate::client::store::{FindError, StoreApi};
use crate::clock::{Clock, SystemClock};
use crate::domain::time::Timestamp;
use crate::history::when;

#[derive(Subcommand)]
pub enum Inspect {
    /// List memory stores
    Stores(Later<stores::Stores>),
    /// List memories, as they are or as they were
    Ls(Later<files::Ls>),
    /// Print a memory, as it is or as it was
    Cat(Later<files::Cat>),
    /// Write a memory
    Put(Later<files::Put>),
    /// Move a memory
    Mv(Later<files::Mv>),
    /// Delete memories; their versions stay
    Rm(Later<files::Rm>),
    /// Show who changed what, newest first
    Log(Later<log::Log>),
    /// Show one version and what it changed
    Show(Later<diff::Show>),
    /// Compare versions, moments, or a version and a file
    Diff(Later<diff::Diff>),
    /// Show which version each line of a memory comes from
    Blame(Later<blame::Blame>),
    /// Write back an old version, or the state of a moment
    Restore(Later<back::Restore>),
    /// Put back everything that one session changed
    Undo(Later<back::Undo>),
    /// Erase the content and path of versions for good
    Redact(Later<journal::Redact>),
    /// Show the journal of a store or workspace (memstored only)
    Journal(Later<journal::Journal>),
    /// Show sizes over time, and who wrote how much
    Stat(Later<stat::Stat>),
    /// Write memories to files
    Export(Later<export::Export>),
    /// Write files to memories
    Import(Later<import::Import>),
    /// Follow new versions as they come
    Watch(Later<watch::Watch>),
    /// Show what the server takes you for
    Whoami(Later<stores::Whoami>),
}

pub async fn run(inspect: Inspect) -> Done {
    match inspect {
        Inspect::Stores(Later(verb)) => verb.run().await,
        Inspect::Ls(Later(verb)) => verb.run().await,
        Inspect::Cat(Later(verb)) => verb.run().await,
        Inspect::Put(Later(verb)) => verb.run().await,
        Inspect::Mv(Later(verb)) => verb.run().await,
        Inspect::Rm(Later(verb)) => verb.run().await,
        Inspect::Log(Later(verb)) => verb.run().await,
        Inspect::Show(Later(verb)) => verb.run().await,
        Inspect::Diff(Later(verb)) => verb.run().await,
        Inspect::Blame(Later(verb)) => verb.run().await,
        Inspect::Restore(Later(verb)) => verb.run().await,
        Inspect::Undo(Later(verb)) => verb.run().await,
        Inspect::Redact(Later(verb)) => verb.run().await,
        Inspect::Journal(Later(verb)) => verb.run().await,
        Inspect::Stat(Later(verb)) => verb.run().await,
        Inspect::Export(Later(verb)) => verb.run().await,
        Inspect::Import(Later(verb)) => verb.run().await,
        Inspect::Watch(Later(verb)) => verb.run().await,
        Inspect::Whoami(Later(verb)) => verb.run().await,
    }
}

/// How to print, and where the server is.
#[derive(Args, Debug)]
pub struct Shared {
    /// Print JSON: one array of the API's objects
    #[arg(long)]
    pub json: bool,

    /// When to use colours
    #[arg(long, value_name = "WHEN", value_enum, default_value = "auto")]
    color: Color,

    /// Set to anything, it turns colours off where --color does not say otherwise
    #[arg(long, env = "NO_COLOR", hide = true)]
    no_color: Option<String>,

    #[command(flatten)]
    server: ServerFlags,
}

impl Shared {
    pub fn client(&self) -> Result<Client, Failure> {
        self.server.client(self.server.key()?)
    }

    pub fn out(&self) -> Out {
        let refused = self.no_color.as_ref().is_some_and(|value| !value.is_empty());
        Out::new(match self.color {
            Color::Auto if refused => Color::Never,
            color => color,
        })
    }
}

/// The same, and the store.
#[derive(Args, Debug)]
pub struct InStore {
    /// Store, by its ID, or by a name that only one store has
    #[arg(long, env = "MEMSTORED_STORE", value_name = "NAME_OR_ID")]
    store: String,

    #[command(flatten)]
    pub shared: Shared,
}

impl InStore {
    pub async fn open(&self) -> Result<StoreApi, Failure> {
        Ok(StoreApi::named(&self.shared.client()?, &self.store).await?)
    }

    pub fn json(&self) -> bool {
        self.shared.json
    }
}

impl From<FindError> for Failure {
    fn from(error: FindError) -> Self {
        match error {
            FindError::Unknown(text) => Self::Missing(text),
            FindError::Ambiguous(text) => Self::Usage(text),
            FindError::Client(error) => error.into(),
        }
    }
}

/// Reads a time that a person wrote.
fn time(text: &str) -> Result<Timestamp, String> {
    when::parse(text, SystemClock.now()).ok_or_else(|| when::FORMS.to_owned())
}

fn is_time(text: &str) -> bool {
    time(text).is_ok()
}

/// Prints objects of the API as one array.
fn array<T: Serialize>(items: impl IntoIterator<Item = T>) -> Done {
    output::json(&items.into_iter().collect::<Vec<_>>())
}
