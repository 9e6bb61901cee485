//! Sessions: one run of an agent with its attached stores, and what events do to it.
//!
//! A session's status is what its last `session.status_*` event says. No model runs here, so most of
//! these come from whoever plays the agent's part; the server emits one itself where it changes the
//! status: when a turn begins, and when the session is archived.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::agent::{Config, Overrides};
use super::attachment::Attachment;
use super::environment::Environment;
use super::event::{Effect, Evaluation, Event, NewEvent, Sender};
use super::id::{AgentId, EnvironmentId, EventId, SessionId, StoreId, WorkspaceId};
use super::json::Json;
use super::page::TimeRange;
use super::store::Ledger;
use super::text::{self, Metadata, MetadataPatch};
use super::time::Timestamp;
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
/// What a `system.message` may follow.
const ACCOMPANIED: [&str; 3] = ["user.message", "user.tool_result", "user.custom_tool_result"];

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
    pub awaiting: Vec<String>,
    /// How long it ran before it last began to.
    pub active_micros: i64,
    pub running_since: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
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

/// What is known beside the session when events come.
pub struct Surroundings<'a> {
    pub environment: &'a Environment,
    /// Kinds of those events that the new ones refer to.
    pub referred: BTreeMap<String, String>,
    pub now: Timestamp,
}

/// What events did.
#[derive(Clone, Debug, Default)]
pub struct Received {
    /// Those that came, in their order.
    pub sent: Vec<Event>,
    /// These, and those that the server emitted.
    pub all: Vec<Event>,
    /// Whether a turn has begun.
    pub woken: bool,
}

impl Session {
    /// Takes events, all or none. `ids` has two for each: its own, and one for what it brings about.
    pub fn receive(
        &mut self,
        events: Vec<NewEvent>,
        sender: Sender,
        around: &Surroundings<'_>,
        ids: Vec<(EventId, EventId)>,
    ) -> Result<Received> {
        self.check_open()?;
        check(&events, sender, around)?;
        let mut received = Received::default();
        for (event, (id, spare)) in events.into_iter().zip(ids) {
            let follows = self.apply(&event.effect, &id, around.now);
            let sent = self.event(id, &event.kind, event.body, around.now);
            received.all.push(sent.clone());
            received.sent.push(sent);
            match follows {
                Follows::Nothing => {}
                Follows::Turn => {
                    self.set_status(Status::Running, around.now);
                    let event = self.event(spare, STATUS_RUNNING, Json::empty(), around.now);
                    received.all.push(event);
                    received.woken = true;
                }
                Follows::Wait => {
                    let body = requires_action(&self.awaiting);
                    received.all.push(self.event(spare, STATUS_IDLE, body, around.now));
                }
            }
        }
        Ok(received)
    }

    /// An event that the server emits by itself.
    pub fn event(&mut self, id: EventId, kind: &str, body: Json, now: Timestamp) -> Event {
        let (seq, at) = self.ledger.advance(now);
        Event { id, seq, kind: kind.to_owned(), at, body }
    }

    /// Says what the server has to tell of it.
    fn apply(&mut self, effect: &Effect, id: &EventId, now: Timestamp) -> Follows {
        let turn = if self.status == Status::Idle { Follows::Turn } else { Follows::Nothing };
        match effect {
            Effect::None | Effect::System => Follows::Nothing,
            Effect::Message => turn,
            Effect::Outcome { description } => {
                self.outcomes.push(Outcome::new(outcome_id(id), description.clone()));
                turn
            }
            Effect::Answer { to, .. } => {
                let before = self.awaiting.len();
                self.awaiting.retain(|id| id != to);
                match self.awaiting.len() {
                    now if now == before => Follows::Nothing,
                    0 => turn,
                    _ => Follows::Wait,
                }
            }
            Effect::Usage(usage) => {
                self.usage = Some(usage.clone());
                Follows::Nothing
            }
            Effect::Evaluation(evaluation) => {
                let mut outcomes = self.outcomes.iter_mut();
                if let Some(outcome) = outcomes.find(|outcome| outcome.id == evaluation.outcome) {
                    outcome.evaluate(evaluation, now);
                }
                Follows::Nothing
            }
            Effect::Status { status, awaiting } => {
                self.set_status(*status, now);
                self.awaiting.clone_from(awaiting);
                Follows::Nothing
            }
        }
    }

    fn set_status(&mut self, status: Status, now: Timestamp) {
        if let Some(since) = self.running_since.take() {
            self.active_micros += (now.micros() - since.micros()).max(0);
        }
        self.running_since = (status == Status::Running).then_some(now);
        self.status = status;
        self.awaiting.clear();
        self.updated_at = now.max(self.updated_at);
    }

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
        if let Some(title) = patch.title {
            session.title = title;
        }
        if let Some(patch) = &patch.metadata {
            session.metadata = text::patched(&self.metadata, patch)?;
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
        let end = if self.status == Status::Terminated { self.updated_at } else { now };
        (end.micros() - self.created_at.micros()).max(0)
    }
}

/// What an event brings about.
enum Follows {
    Nothing,
    Turn,
    /// Other events have to be answered, too.
    Wait,
}

/// The body of an idle status that waits for answers. An event's ID needs no escaping.
fn requires_action(awaiting: &[String]) -> Json {
    let ids: Vec<_> = awaiting.iter().map(|id| format!("\"{id}\"")).collect();
    Json::parsed(format!(
        r#"{{"stop_reason":{{"type":"requires_action","event_ids":[{}]}}}}"#,
        ids.join(",")
    ))
}

/// The ID of the outcome that an event defines.
pub fn outcome_id(event: &EventId) -> String {
    event.as_str().replacen(EventId::PREFIX, "outc_", 1)
}

/// The IDs of earlier events that these refer to.
pub fn referred(events: &[NewEvent]) -> Vec<String> {
    let ids = events.iter().flat_map(|event| match &event.effect {
        Effect::Answer { to, .. } => vec![to.clone()],
        Effect::Status { awaiting, .. } => awaiting.clone(),
        _ => Vec::new(),
    });
    ids.collect()
}

fn check(events: &[NewEvent], sender: Sender, around: &Surroundings<'_>) -> Result<()> {
    for (at, event) in events.iter().enumerate() {
        match &event.effect {
            Effect::Answer { to, kinds } => match around.referred.get(to) {
                Some(kind) if kinds.contains(&kind.as_str()) => {}
                _ => {
                    return Err(Error::Invalid(format!(
                        "events.{at}: {to} is no {} event of this session",
                        kinds.join(" or ")
                    )));
                }
            },
            Effect::Status { awaiting, .. } => {
                if let Some(id) = awaiting.iter().find(|id| !around.referred.contains_key(*id)) {
                    return Err(Error::Invalid(format!(
                        "events.{at}.stop_reason.event_ids: {id} is no event of this session"
                    )));
                }
            }
            Effect::System if sender == Sender::Client => check_system(events, at)?,
            _ => {}
        }
        if event.kind == "user.tool_result" && !around.environment.is_self_hosted() {
            return Err(Error::Invalid(format!(
                "events.{at}: user.tool_result is for sessions in a self-hosted environment"
            )));
        }
        if matches!(event.kind.as_str(), UPDATED | DELETED) {
            return Err(Error::Invalid(format!(
                "events.{at}: {} is emitted by the server itself, when it happens",
                event.kind
            )));
        }
    }
    Ok(())
}

/// A system message accompanies the event before it, and ends its request.
fn check_system(events: &[NewEvent], at: usize) -> Result<()> {
    let before = at.checked_sub(1).map(|at| events[at].kind.as_str());
    let accompanies = before.is_some_and(|kind| ACCOMPANIED.contains(&kind));
    if at + 1 == events.len() && accompanies {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "events.{at}: a system.message is the last event of its request, behind one of {}",
        ACCOMPANIED.join(", ")
    )))
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
