//! Sessions: one run of an agent with its attached stores, and what events do to it.
//!
//! A session's status is what its last `session.status_*` event says. No model runs here, so most of
//! these come from whoever plays the agent's part; the server emits one itself where it changes the
//! status: when a turn begins, and when the session is archived.

mod receive;

use std::str::FromStr;

pub use receive::{Received, Surroundings, outcome_id, referred};

use super::agent::{Config, Overrides};
use super::attachment::Attachment;
use super::event::{Evaluation, Event, NewEvent};
use super::id::{AgentId, EnvironmentId, EventId, SessionId, StoreId, WorkspaceId};
use super::json::Json;
use super::page::TimeRange;
use super::store::Ledger;
use super::text::{self, Metadata, MetadataPatch};
use super::time::Timestamp;
use super::work::Work;
use super::{Error, Result};

pub const STATUS_IDLE: &str = "session.status_idle";
pub const STATUS_RUNNING: &str = "session.status_running";
pub const STATUS_TERMINATED: &str = "session.status_terminated";
pub const UPDATED: &str = "session.updated";
pub const DELETED: &str = "session.deleted";
/// Events that come with a session's creation.
pub const INITIAL_EVENTS: usize = 50;
/// Results of an evaluation behind which none comes.
const FINAL_RESULTS: [&str; 4] = ["satisfied", "max_iterations_reached", "failed", "interrupted"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Rescheduling,
    Running,
    Idle,
    Terminated,
}

impl Status {
    pub const ALL: [Self; 4] = [Self::Rescheduling, Self::Running, Self::Idle, Self::Terminated];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rescheduling => "rescheduling",
            Self::Running => "running",
            Self::Idle => "idle",
            Self::Terminated => "terminated",
        }
    }
}

impl FromStr for Status {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or_else(|| {
            let all = Self::ALL.map(Self::as_str).join(", ");
            Error::Invalid(format!("statuses must be of {all}; got {text:?}"))
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub id: SessionId,
    pub workspace: WorkspaceId,
    pub environment: EnvironmentId,
    pub agent: AgentId,
    pub agent_version: i64,
    /// The agent as it was, with what this session replaces.
    pub config: Config,
    pub title: Option<String>,
    pub metadata: Metadata,
    pub budget: Option<Json>,
    pub stores: Vec<Attachment>,
    pub outcomes: Vec<Outcome>,
    /// As it was last told; nothing is used here.
    pub usage: Option<Json>,
    pub status: Status,
    /// Events that have to be answered before an idle session goes on.
    pub unanswered: Vec<String>,
    /// How long it ran before it last began to.
    pub active_micros: i64,
    pub running_since: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// When it was terminated.
    pub ended_at: Option<Timestamp>,
    pub archived_at: Option<Timestamp>,
    /// Of its events.
    pub ledger: Ledger,
}

/// What the agent was told to produce. Nothing here evaluates it: that is told by events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub id: String,
    pub description: String,
    pub iteration: i64,
    pub result: String,
    pub explanation: Option<String>,
    pub completed_at: Option<Timestamp>,
}

impl Outcome {
    fn new(id: String, description: String) -> Self {
        let result = "pending".to_owned();
        Self { id, description, iteration: 0, result, explanation: None, completed_at: None }
    }

    fn evaluate(&mut self, evaluation: &Evaluation, now: Timestamp) {
        self.iteration = evaluation.iteration;
        self.result.clone_from(&evaluation.result);
        if evaluation.explanation.is_some() {
            self.explanation.clone_from(&evaluation.explanation);
        }
        self.completed_at = FINAL_RESULTS.contains(&self.result.as_str()).then_some(now);
    }
}

/// What is asked for when a session is made.
#[derive(Clone, Debug)]
pub struct NewSession {
    pub agent: AgentId,
    /// The newest where none is given.
    pub agent_version: Option<i64>,
    pub overrides: Overrides,
    pub environment: EnvironmentId,
    pub title: Option<String>,
    pub metadata: Metadata,
    pub budget: Option<Json>,
    pub stores: Vec<super::attachment::Wanted>,
    pub events: Vec<NewEvent>,
}

/// `None` leaves a field as it is.
#[derive(Clone, Debug)]
pub struct SessionPatch {
    pub tools: Option<Json>,
    pub mcp_servers: Option<Json>,
    pub title: Option<Option<String>>,
    pub metadata: Option<MetadataPatch>,
    pub budget: Option<Option<Json>>,
}

/// What an update changed.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each says of one part whether it changed")]
pub struct Changes {
    pub session: Session,
    pub agent: bool,
    pub title: bool,
    pub metadata: bool,
    pub budget: bool,
}

impl Changes {
    pub fn any(&self) -> bool {
        self.agent || self.title || self.metadata || self.budget
    }
}

#[derive(Clone, Debug)]
pub struct SessionFilter {
    pub agent: Option<String>,
    pub agent_version: Option<i64>,
    pub store: Option<StoreId>,
    pub statuses: Vec<Status>,
    pub created: TimeRange,
    pub include_archived: bool,
    pub oldest_first: bool,
}

impl Session {
    fn check_open(&self) -> Result<()> {
        if self.archived_at.is_some() {
            return Err(Error::Archived { what: SessionId::WHAT, id: self.id.to_string() });
        }
        if self.status == Status::Terminated {
            return Err(Error::Invalid(format!(
                "session {} is terminated: it takes no more events",
                self.id
            )));
        }
        Ok(())
    }

    /// The session after an update, but for `updated_at`.
    pub fn updated(&self, patch: SessionPatch) -> Result<Changes> {
        if self.archived_at.is_some() {
            return Err(Error::Archived { what: SessionId::WHAT, id: self.id.to_string() });
        }
        let of_agent = patch.tools.is_some() || patch.mcp_servers.is_some();
        if of_agent && self.status == Status::Running {
            return Err(Error::Invalid(format!(
                "agent: session {} is running: its agent can be changed while it is idle",
                self.id
            )));
        }
        if self.budget.is_none() && patch.budget.as_ref().is_some_and(Option::is_some) {
            return Err(Error::invalid(
                "budget: a session that was made without a budget can't be given one",
            ));
        }
        let mut session = self.clone();
        session.config = self.config.with(Overrides {
            tools: patch.tools,
            mcp_servers: patch.mcp_servers,
            ..Overrides::default()
        });
        session.config.check_size()?;
        if let Some(title) = patch.title {
            session.title = title;
        }
        if let Some(patch) = &patch.metadata {
            session.metadata = text::coded(text::patched(&self.metadata, patch))?;
        }
        if let Some(budget) = patch.budget {
            session.budget = budget;
        }
        Ok(Changes {
            agent: session.config != self.config,
            title: session.title != self.title,
            metadata: session.metadata != self.metadata,
            budget: session.budget != self.budget,
            session,
        })
    }

    /// Ends the session for good, with the event that says so; `None` where it is archived already.
    pub fn archive(&mut self, id: EventId, now: Timestamp) -> Result<Option<Vec<Event>>> {
        if self.archived_at.is_some() {
            return Ok(None);
        }
        self.check_at_rest("archived")?;
        self.archived_at = Some(now);
        self.updated_at = now;
        if self.status == Status::Terminated {
            return Ok(Some(Vec::new()));
        }
        self.set_status(Status::Terminated, now);
        Ok(Some(vec![self.event(id, STATUS_TERMINATED, Json::empty(), now)]))
    }

    /// A running session is neither archived nor deleted (contract 8a).
    pub fn check_at_rest(&self, what: &str) -> Result<()> {
        if self.status == Status::Running {
            return Err(Error::Invalid(format!(
                "session {} is running: it can be {what} once it is idle or terminated",
                self.id
            )));
        }
        Ok(())
    }

    /// When the item has to be made that follows `work`, which a worker has just stopped: where a turn
    /// is left without one. An item that follows is younger than the turn, so a turn that has lost
    /// its worker is tried once more, and not for ever.
    pub fn left_by(&self, work: &Work, now: Timestamp) -> Option<Timestamp> {
        let since = self.running_since.filter(|_| self.status == Status::Running)?;
        let tried = work.acknowledged_at.is_some() && work.created_at <= since;
        tried.then(|| now.max(since.next()))
    }

    /// Whether nothing more will happen in it.
    pub fn is_over(&self) -> bool {
        self.status == Status::Terminated || self.archived_at.is_some()
    }

    /// How long the session has been running, in all.
    pub fn active_micros(&self, now: Timestamp) -> i64 {
        let running = self.running_since.map_or(0, |since| now.micros() - since.micros());
        self.active_micros + running.max(0)
    }

    /// How long ago the session was made; frozen when it ends.
    pub fn duration_micros(&self, now: Timestamp) -> i64 {
        (self.ended_at.unwrap_or(now).micros() - self.created_at.micros()).max(0)
    }
}

#[cfg(test)]
mod tests;
