//! Events of a session: what is sent is checked against `event_kinds`; what is answered has every key.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::agent::value;
use super::event_kinds::{self, EventKind, Origin};
use super::schema::Need;
use crate::domain::event::{self, Effect, Evaluation, NewEvent, Sender};
use crate::domain::json::Json;
use crate::domain::session::{DELETED, Status, UPDATED, outcome_id};
use crate::domain::time::Timestamp;
use crate::domain::{Error, Result};

/// Results and confirmations have a thread in answers, which nobody sends.
const THREADED: [&str; 3] =
    ["user.tool_confirmation", "user.tool_result", "user.custom_tool_result"];

/// Events of one request.
const EVENTS: usize = 1000;

/// Calls that are allowed unless they say otherwise.
const PERMITTED: [&str; 2] = ["agent.tool_use", "agent.mcp_tool_use"];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SendEvents {
    events: Vec<Value>,
}

impl SendEvents {
    /// Checks each event, and what all of them are for.
    pub fn checked(&self, sender: Sender) -> Result<Vec<NewEvent>> {
        if self.events.is_empty() {
            return Err(Error::invalid("events must have at least one item"));
        }
        if self.events.len() > EVENTS {
            return Err(Error::Invalid(format!(
                "events must have at most {EVENTS} items; these are {}",
                self.events.len()
            )));
        }
        let events = self.events.iter().enumerate();
        events.map(|(at, event)| checked(event, &format!("events.{at}"), sender)).collect()
    }
}

/// Events that come with a session's creation.
pub fn initial(events: &[Value]) -> Result<Vec<NewEvent>> {
    let events = events.iter().enumerate().map(|(at, event)| {
        let at = format!("initial_events.{at}");
        let event = checked(event, &at, Sender::Client)?;
        match event.kind.as_str() {
            "user.message" | "user.define_outcome" => Ok(event),
            other => Err(Error::Invalid(format!(
                "{at}.type must be \"user.message\" or \"user.define_outcome\"; got {other:?}"
            ))),
        }
    });
    events.collect()
}

fn checked(event: &Value, at: &str, sender: Sender) -> Result<NewEvent> {
    let kind = event_kinds::check_event(event, at, sender == Sender::Harness)?;
    if sender == Sender::Harness {
        check_harness(kind, at)?;
    }
    if event["result"] == "allow" && !event["deny_message"].is_null() {
        return Err(Error::Invalid(format!(
            "{at}.deny_message: only a result of \"deny\" has one"
        )));
    }
    if let Some(ids) = event["stop_reason"]["event_ids"].as_array()
        && ids.is_empty()
    {
        return Err(Error::Invalid(format!(
            "{at}.stop_reason.event_ids must name at least one event"
        )));
    }
    let mut body = event.as_object().cloned().unwrap_or_default();
    body.remove("type");
    let effect = effect(kind.name, &body);
    Ok(NewEvent {
        kind: kind.name.into(),
        body: Json::parsed(Value::from(body).to_string()),
        effect,
    })
}

/// A harness sends what the hosted service would emit, but for what the server itself sees happen.
fn check_harness(kind: &EventKind, at: &str) -> Result<()> {
    if kind.origin == Origin::Client {
        return Err(Error::Invalid(format!(
            "{at}.type: {:?} is sent by clients: send it to /v1/sessions/{{session_id}}/events",
            kind.name
        )));
    }
    if matches!(kind.name, UPDATED | DELETED) {
        return Err(Error::Invalid(format!(
            "{at}.type: {:?} is emitted by the server itself, when it happens",
            kind.name
        )));
    }
    Ok(())
}

/// What an event of a known kind means.
fn effect(kind: &str, body: &Map<String, Value>) -> Effect {
    let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let answer = |key: &str, kinds| Effect::Answer { to: text(key), kinds };
    let status = |status| Effect::Status { status, unanswered: Vec::new() };
    match kind {
        "user.message" => Effect::Message,
        "user.define_outcome" => Effect::Outcome { description: text("description") },
        "user.tool_result" => answer("tool_use_id", &["agent.tool_use"]),
        "user.custom_tool_result" => answer("custom_tool_use_id", &["agent.custom_tool_use"]),
        "user.tool_confirmation" => {
            answer("tool_use_id", &["agent.tool_use", "agent.mcp_tool_use"])
        }
        "system.message" => Effect::System,
        "session.status_running" => status(Status::Running),
        "session.status_rescheduled" => status(Status::Rescheduling),
        "session.status_terminated" => status(Status::Terminated),
        "session.status_idle" => {
            let ids = body.get("stop_reason").and_then(|reason| reason["event_ids"].as_array());
            let ids = ids.into_iter().flatten().filter_map(Value::as_str);
            Effect::Status { status: Status::Idle, unanswered: ids.map(str::to_owned).collect() }
        }
        "session.usage" => Effect::Usage(Json::parsed(json!(body.get("usage")).to_string())),
        "span.outcome_evaluation_start" | "span.outcome_evaluation_ongoing" => {
            Effect::Evaluation(evaluation(body, "evaluating".into()))
        }
        "span.outcome_evaluation_end" => Effect::Evaluation(evaluation(body, text("result"))),
        _ => Effect::None,
    }
}

fn evaluation(body: &Map<String, Value>, result: String) -> Evaluation {
    let text = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
    Evaluation {
        outcome: text("outcome_id").unwrap_or_default(),
        iteration: body.get("iteration").and_then(Value::as_i64).unwrap_or_default(),
        result,
        explanation: text("explanation"),
    }
}

/// An event as it is answered: every key, null where it was not sent. `session.updated` has only what
/// changed.
pub fn answered(event: &event::Event) -> Value {
    let mut whole = match value(&event.body) {
        Value::Object(body) => body,
        _ => Map::new(),
    };
    if event.kind != UPDATED {
        let kind = event_kinds::kind(&event.kind);
        let optional = kind.into_iter().flat_map(|kind| kind.fields);
        let optional = optional.filter(|field| field.need != Need::Required);
        let threaded = THREADED.contains(&event.kind.as_str()).then_some("session_thread_id");
        for name in optional.map(|field| field.name).chain(threaded) {
            whole.entry(name).or_insert(Value::Null);
        }
    }
    if PERMITTED.contains(&event.kind.as_str()) && whole["evaluated_permission"].is_null() {
        whole.insert("evaluated_permission".into(), "allow".into());
    }
    if event.kind == "user.define_outcome" {
        whole.insert("outcome_id".into(), outcome_id(&event.id).into());
    }
    stamped(whole, event.id.as_str(), &event.kind, event.at)
}

fn stamped(mut whole: Map<String, Value>, id: &str, kind: &str, at: Timestamp) -> Value {
    whole.insert("id".into(), id.into());
    whole.insert("type".into(), kind.into());
    whole.insert("processed_at".into(), at.to_string().into());
    whole.into()
}

/// What a stream ends with when its session is deleted: the session's events are gone by then.
pub fn deleted(id: &str, at: Timestamp) -> Value {
    stamped(Map::new(), id, DELETED, at)
}
