//! Events of a session: numbered without gaps, at times that only increase.

use super::id::EventId;
use super::json::Json;
use super::page::TimeRange;
use super::session::Status;
use super::time::Timestamp;

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
