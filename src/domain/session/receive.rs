//! Events that come into a session: which are taken, and what they do to it.

use std::collections::{BTreeMap, BTreeSet};

use super::{DELETED, Outcome, STATUS_IDLE, STATUS_RUNNING, Session, Status, UPDATED};
use crate::domain::environment::Environment;
use crate::domain::event::{Effect, Event, NewEvent, Sender};
use crate::domain::id::EventId;
use crate::domain::json::Json;
use crate::domain::time::Timestamp;
use crate::domain::{Error, Result};

/// Outcomes of one session, and characters of each.
const OUTCOMES: usize = 100;
const DESCRIPTION_CHARS: usize = 10_000;
/// What a `system.message` may follow.
const ACCOMPANIED: [&str; 3] = ["user.message", "user.tool_result", "user.custom_tool_result"];

/// What is known beside the session when events come.
pub struct Surroundings<'a> {
    pub environment: &'a Environment,
    /// Kinds of those events that the new ones refer to.
    pub referred: BTreeMap<String, String>,
    /// Those of them that have been answered.
    pub answered: BTreeSet<String>,
    pub now: Timestamp,
}

/// What events did.
#[derive(Clone, Debug, Default)]
pub struct Received {
    /// Those that came, in their order.
    pub sent: Vec<Event>,
    /// These, and those that the server emitted.
    pub all: Vec<Event>,
    /// Whether a worker has something to do.
    pub calls: bool,
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
        self.check_outcomes(&events)?;
        let mut received = Received::default();
        for (event, (id, spare)) in events.into_iter().zip(ids) {
            // One of these events may have ended the session.
            self.check_open()?;
            let follows = self.apply(&event.effect, &id, around);
            received.calls |= event.effect.begins_a_turn() || matches!(follows, Follows::Turn);
            let sent = self.sent(id, event, around.now);
            received.all.push(sent.clone());
            received.sent.push(sent);
            match follows {
                Follows::Nothing => {}
                Follows::Turn => {
                    self.set_status(Status::Running, around.now);
                    let event = self.event(spare, STATUS_RUNNING, Json::empty(), around.now);
                    received.all.push(event);
                }
                Follows::Wait => {
                    let body = requires_action(&self.unanswered);
                    received.all.push(self.event(spare, STATUS_IDLE, body, around.now));
                }
            }
        }
        Ok(received)
    }

    /// An event that the server emits by itself.
    pub fn event(&mut self, id: EventId, kind: &str, body: Json, now: Timestamp) -> Event {
        let (seq, at) = self.ledger.advance(now);
        Event { id, seq, kind: kind.to_owned(), at, answers: None, body }
    }

    fn sent(&mut self, id: EventId, event: NewEvent, now: Timestamp) -> Event {
        let answers = match event.effect {
            Effect::Answer { to, .. } => Some(to),
            _ => None,
        };
        Event { answers, ..self.event(id, &event.kind, event.body, now) }
    }

    /// Outcomes stand in every answer that shows the session, so they are few and short.
    fn check_outcomes(&self, events: &[NewEvent]) -> Result<()> {
        let mut many = self.outcomes.len();
        for (at, event) in events.iter().enumerate() {
            let Effect::Outcome { description } = &event.effect else { continue };
            many += 1;
            let chars = description.chars().count();
            if chars > DESCRIPTION_CHARS {
                return Err(Error::Invalid(format!(
                    "events.{at}.description must be at most {DESCRIPTION_CHARS} characters; this \
                     one has {chars}"
                )));
            }
            if many > OUTCOMES {
                return Err(Error::Invalid(format!(
                    "events.{at}: a session has at most {OUTCOMES} outcomes"
                )));
            }
        }
        Ok(())
    }

    /// Says what the server has to tell of it.
    fn apply(&mut self, effect: &Effect, id: &EventId, around: &Surroundings<'_>) -> Follows {
        let now = around.now;
        let turn = if self.status == Status::Idle { Follows::Turn } else { Follows::Nothing };
        match effect {
            Effect::None | Effect::System => Follows::Nothing,
            Effect::Message => turn,
            Effect::Outcome { description } => {
                self.outcomes.push(Outcome::new(outcome_id(id), description.clone()));
                turn
            }
            Effect::Answer { to, .. } => {
                let before = self.unanswered.len();
                self.unanswered.retain(|id| id != to);
                match self.unanswered.len() {
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
            Effect::Status { status, unanswered } => {
                self.set_status(*status, now);
                let open = unanswered.iter().filter(|id| !around.answered.contains(*id));
                self.unanswered = open.cloned().collect();
                match self.unanswered.len() {
                    open if open == unanswered.len() => Follows::Nothing,
                    0 => Follows::Turn,
                    _ => Follows::Wait,
                }
            }
        }
    }

    pub(super) fn set_status(&mut self, status: Status, now: Timestamp) {
        self.unanswered.clear();
        if status == self.status {
            return;
        }
        if let Some(since) = self.running_since.take() {
            self.active_micros += (now.micros() - since.micros()).max(0);
        }
        self.running_since = (status == Status::Running).then_some(now);
        self.ended_at = (status == Status::Terminated).then_some(now);
        self.status = status;
        self.updated_at = now.max(self.updated_at);
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
fn requires_action(unanswered: &[String]) -> Json {
    let ids: Vec<_> = unanswered.iter().map(|id| format!("\"{id}\"")).collect();
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
        Effect::Answer { to, .. } => std::slice::from_ref(to),
        Effect::Status { unanswered, .. } => unanswered.as_slice(),
        _ => &[],
    });
    // What is no ID at all is no event of the session either.
    ids.filter(|id| EventId::parse(id).is_ok()).cloned().collect()
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
            Effect::Status { unanswered, .. } => {
                if let Some(id) = unanswered.iter().find(|id| !around.referred.contains_key(*id)) {
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
