//! One operation, one function: a grant of the scope it needs, then one command or one query.
//!
//! HTTP and whatever door comes next call these, so that neither authorization nor rules can be
//! walked around. A [`Grant`] can only be made from a credential that has its scope.

mod admin;
mod agents;
mod auth;
mod environments;
mod events;
mod journal;
mod memories;
mod recent;
pub mod secret;
mod sessions;
mod stores;
pub mod upkeep;
mod versions;
mod whoami;
mod work;

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

pub use admin::{Authority, KeyRequest};
pub use events::Follower;
pub use journal::JournalOf;
pub use work::PollRequest;

use crate::clock::{self, Clock, Source};
use crate::db::{Db, Durability, Location};
use crate::domain::access::{Grant, Required};
use crate::domain::id::RequestId;
use crate::domain::limits::Limits;
use crate::domain::plan::{Change, Command};
use crate::domain::time::Timestamp;
use crate::domain::{Error, Result, plan};

/// What an installation is told when it starts.
pub struct Settings {
    pub location: Location,
    pub durability: Durability,
    pub limits: Limits,
    /// A key that is valid while configured, with all scopes in the first workspace.
    pub api_key: Option<SecretString>,
    /// Whether any key is accepted, each unknown one as its own workspace.
    pub dev: bool,
}

/// How soon the reaper looks again by itself.
const REAP_AGAIN: Duration = Duration::from_secs(10);

pub struct App {
    db: Arc<Db>,
    clock: Arc<dyn Clock>,
    source: Arc<dyn Source>,
    limits: Limits,
    keys: auth::Keys,
    workers: work::Workers,
    /// Cancelled when the server stops: streams end then.
    ending: CancellationToken,
}

impl App {
    pub async fn open(
        settings: Settings,
        clock: Arc<dyn Clock>,
        source: Arc<dyn Source>,
    ) -> Result<Self> {
        let at = clock.now();
        let fresh = crate::db::Fresh {
            organization: clock::uuid(&*source),
            workspace: crate::domain::id::WorkspaceId::new(&clock::suffix(&*source, at)),
            request: RequestId::new(&clock::suffix(&*source, at)),
            at,
        };
        let db = Db::open(&settings.location, settings.durability, settings.limits, fresh).await?;
        let app = Self {
            db: Arc::new(db),
            clock,
            source,
            limits: settings.limits,
            keys: auth::Keys::new(settings.api_key, settings.dev),
            workers: work::Workers::default(),
            ending: CancellationToken::new(),
        };
        match app.enroll_configured_key().await {
            Ok(()) => Ok(app),
            Err(error) => {
                app.close().await;
                Err(error)
            }
        }
    }

    /// Does what a server does beside answering: finishes erasures that a crash cut short, and
    /// erases what deleted stores leave.
    pub async fn start(&self) -> Result<()> {
        self.db.finish_erasures().await?;
        tokio::spawn(reap(Arc::downgrade(&self.db), Arc::clone(&self.clock)));
        Ok(())
    }

    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    pub fn organization(&self) -> &str {
        &self.db.installation.organization
    }

    pub fn durability(&self) -> Durability {
        self.db.durability
    }

    /// Why the server is not ready; `None` while it is.
    pub async fn not_ready(&self) -> Option<String> {
        if let Some(reason) = self.db.broken() {
            return Some(reason.to_owned());
        }
        self.db.ping().await.err().map(|error| error.to_string())
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub fn new_request(&self) -> RequestId {
        RequestId::new(&self.suffix())
    }

    /// What tells streams that the server stops.
    pub fn ending(&self) -> &CancellationToken {
        &self.ending
    }

    /// Answers what was accepted, then closes the database.
    pub async fn close(&self) {
        self.db.close().await;
    }

    fn suffix(&self) -> String {
        clock::suffix(&*self.source, self.clock.now())
    }

    fn command<S: Required>(&self, grant: &Grant<S>, change: Change) -> Command {
        Command {
            workspace: grant.caller.workspace.clone(),
            actor: grant.caller.actor.clone(),
            credential: grant.caller.credential.clone(),
            request: grant.request.clone(),
            reason: grant.reason.clone(),
            at: self.clock.now(),
            change,
        }
    }

    async fn write<S: Required>(&self, grant: &Grant<S>, change: Change) -> Result<plan::Outcome> {
        self.enroll(grant).await?;
        self.db.write(self.command(grant, change)).await
    }
}

/// The writer answered with the outcome of another kind of command.
fn mismatched() -> Error {
    Error::internal("a command was answered with another kind of outcome")
}

/// Erases what deleted stores leave: at the start, whenever one is deleted here, and now and then,
/// since other processes delete too.
async fn reap(db: std::sync::Weak<Db>, clock: Arc<dyn Clock>) {
    loop {
        let Some(db) = db.upgrade() else { return };
        match db.reap(clock.now()).await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "a deleted store is not erased yet"),
        }
        let _ = tokio::time::timeout(REAP_AGAIN, db.store_deleted()).await;
    }
}
