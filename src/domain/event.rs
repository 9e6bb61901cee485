//! Events of a session: numbered without gaps, at times that only increase.

use super::id::EventId;
use super::json::Json;
use super::page::TimeRange;
use super::session::Status;
use super::time::Timestamp;
use super::{Error, Result};

/// Which side of a conversation an event comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// Users, and workers with the results of tools.
    Client,
    /// Whoever plays the agent's part, since no model runs here.
    Harness,
}

/// An event on its way into a session.
#[derive(Clone, Debug)]
pub struct NewEvent {
    pub kind: String,
    /// All but `id`, `type` and `processed_at`: one object.
    pub body: Json,
    pub effect: Effect,
}

/// What an event means for the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    None,
    /// Begins a turn.
    Message,
    /// Begins a turn, and is answered with an outcome's ID.
    Outcome {
        description: String,
    },
    /// Answers an event of one of these kinds.
    Answer {
        to: String,
        kinds: &'static [&'static str],
    },
    Status {
        status: Status,
        /// The events that have to be answered before the session goes on.
        unanswered: Vec<String>,
    },
    /// Text for the turn of the event before it.
    System,
    /// What the session has used so far.
    Usage(Json),
    /// How far the work towards an outcome is.
    Evaluation(Evaluation),
}

/// What a worker sends. That its session confirms its own calls is not for it to say.
const OF_WORKERS: [&str; 2] = ["user.tool_result", "user.custom_tool_result"];

/// Refuses what a worker may not send.
pub fn check_worker(events: &[NewEvent]) -> Result<()> {
    match events.iter().find(|event| !OF_WORKERS.contains(&event.kind.as_str())) {
        Some(event) => Err(Error::Forbidden(format!(
            "a session token sends {} only; {} is for whoever has an API key",
            OF_WORKERS.join(" and "),
            event.kind
        ))),
        None => Ok(()),
    }
}

impl Effect {
    /// Whether the agent has something to do, whatever the session is doing.
    pub fn begins_a_turn(&self) -> bool {
        matches!(self, Self::Message | Self::Outcome { .. })
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evaluation {
    pub outcome: String,
    pub iteration: i64,
    pub result: String,
    pub explanation: Option<String>,
}

/// An event as it is kept and shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub id: EventId,
    pub seq: i64,
    pub kind: String,
    pub at: Timestamp,
    /// The event that this one answers.
    pub answers: Option<String>,
    pub body: Json,
}

/// Which of a session's events are listed.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// All where there is none.
    pub kinds: Vec<String>,
    pub at: TimeRange,
    pub newest_first: bool,
}
