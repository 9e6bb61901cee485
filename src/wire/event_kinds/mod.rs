//! What an event of a session may look like when it is sent: every kind of the hosted API.
//!
//! Previews (`event_start`, `event_delta`) are no events. Rules that need more than the one event
//! are not here: what may follow what, or which event a result belongs to.

mod agent;
#[cfg(test)]
mod examples;
mod kinds;
mod parts;

use serde_json::Value;

pub use self::kinds::KINDS;
pub use self::parts::BUDGET;
use super::schema::{Field, check_variant, not_one_of, tagged};
use crate::domain::{Error, Result};

/// Who makes events of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The one who uses the session.
    Client,
    /// The hosted service there, and what runs the agent here.
    Harness,
}

#[derive(Debug)]
pub struct EventKind {
    /// The event's `type`.
    pub name: &'static str,
    pub origin: Origin,
    /// Without `type`, and without what the server sets: `id`, `processed_at` and, in what clients
    /// send, `outcome_id` and the thread that a result goes to.
    pub fields: &'static [Field],
}

/// What the server sets in every event.
const OURS: [&str; 2] = ["id", "processed_at"];

pub fn kind(name: &str) -> Option<&'static EventKind> {
    KINDS.iter().find(|kind| kind.name == name)
}

/// Checks an event that is sent, by the harness or else by a client, and says of which kind it is.
/// `at` is its path in the request, such as `events.0`.
pub fn check_event(value: &Value, at: &str, harness: bool) -> Result<&'static EventKind> {
    let (event, name) = tagged(value, at)?;
    let kind = match kind(name) {
        Some(kind) if harness || kind.origin == Origin::Client => kind,
        Some(_) => {
            return Err(Error::Invalid(format!(
                "{at}.type: {name:?} is emitted by the agent's side: send it through POST \
                 /x/v1/sessions/{{session_id}}/events"
            )));
        }
        None => {
            let sendable = KINDS.iter().filter(|kind| harness || kind.origin == Origin::Client);
            let names = sendable.map(|kind| kind.name);
            return Err(not_one_of(names, name, &format!("{at}.type")));
        }
    };
    if let Some(name) = OURS.into_iter().find(|name| event.contains_key(*name)) {
        return Err(Error::Invalid(format!("{at}.{name}: is set by the server: leave it out")));
    }
    check_variant(event, kind.fields, at)?;
    Ok(kind)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    const CLIENTS: bool = false;
    const HARNESS: bool = true;

    fn answer(event: &Value, harness: bool) -> String {
        let checked = check_event(event, "events.0", harness);
        checked.map_or_else(|error| error.to_string(), |kind| kind.name.to_owned())
    }

    #[rstest]
    #[case(json!("user.message"), "events.0: invalid type: string, expected an object")]
    #[case(json!({}), "events.0.type: Field required")]
    #[case(json!({"type": null}), "events.0.type: invalid type: null, expected a string")]
    #[case(
        json!({"type": "user.message", "id": "e1", "content": []}),
        "events.0.id: is set by the server: leave it out"
    )]
    #[case(
        json!({"type": "user.interrupt", "processed_at": null}),
        "events.0.processed_at: is set by the server: leave it out"
    )]
    #[case(json!({"type": "user.message"}), "events.0.content: Field required")]
    #[case(
        json!({"type": "user.message", "content": "hi"}),
        "events.0.content: invalid type: string, expected an array"
    )]
    #[case(
        json!({"type": "user.message", "content": [{"type": "redacted"}, {"type": "image"}]}),
        "events.0.content.1.source: Field required"
    )]
    #[case(
        json!({"type": "user.message", "content": [], "color": 1}),
        "events.0.color: unknown field `color`, expected `type` or `content`"
    )]
    #[case(
        json!({"type": "user.message", "content": [{"type": "text", "text": "", "color": 1}]}),
        "events.0.content.0.color: unknown field `color`, expected `type` or `text`"
    )]
    #[case(
        json!({"type": "user.tool_confirmation", "tool_use_id": "e1", "result": "maybe"}),
        "events.0.result: must be \"allow\" or \"deny\"; got \"maybe\""
    )]
    #[case(
        json!({"type": "user.tool_confirmation", "tool_use_id": "e1", "session_thread_id": "s"}),
        "events.0.session_thread_id: unknown field `session_thread_id`, expected one of `type`, \
         `result`, `tool_use_id`, `deny_message`"
    )]
    #[case(
        json!({"type": "user.tool_result", "tool_use_id": "e1", "content": null}),
        "events.0.content: invalid type: null, expected an array"
    )]
    #[case(
        json!({
            "type": "user.message",
            "content": [{
                "type": "document",
                "source": {"type": "text", "data": "", "media_type": "text/html"}
            }]
        }),
        "events.0.content.0.source.media_type: must be \"text/plain\"; got \"text/html\""
    )]
    #[case(
        json!({"type": "user.define_outcome", "description": "d", "outcome_id": "outc_1"}),
        "events.0.outcome_id: unknown field `outcome_id`, expected one of `type`, `description`, \
         `rubric`, `max_iterations`"
    )]
    #[case(
        json!({
            "type": "user.define_outcome",
            "description": "d",
            "rubric": {"type": "text", "content": "r".repeat(262_145)}
        }),
        "events.0.rubric.content: must be at most 262144 characters; this one has 262145"
    )]
    #[case(
        json!({
            "type": "user.define_outcome",
            "description": "d",
            "rubric": {"type": "file", "file_id": "file_1"},
            "max_iterations": 21
        }),
        "events.0.max_iterations: must be a whole number between 1 and 20; got 21"
    )]
    fn what_nobody_may_send_is_refused(#[case] event: Value, #[case] refusal: &str) {
        assert_eq!(answer(&event, CLIENTS), refusal);
        assert_eq!(answer(&event, HARNESS), refusal);
    }

    #[test]
    fn a_client_is_told_what_it_may_send() {
        let refusal = "events.0.type: must be one of \"user.message\", \"user.interrupt\", \
                       \"user.tool_confirmation\", \"user.custom_tool_result\", \
                       \"user.tool_result\", \"user.define_outcome\", \"system.message\"; got \
                       \"user.shout\"";

        assert_eq!(answer(&json!({"type": "user.shout"}), CLIENTS), refusal);
    }

    #[test]
    fn the_harness_is_told_every_kind() {
        let names: Vec<_> = KINDS.iter().map(|kind| format!("{:?}", kind.name)).collect();
        let refusal =
            format!("events.0.type: must be one of {}; got \"event_start\"", names.join(", "));

        assert_eq!(answer(&json!({"type": "event_start"}), HARNESS), refusal);
    }

    #[test]
    fn only_the_harness_sends_what_the_agents_side_emits() {
        for kind in KINDS.iter().filter(|kind| kind.origin == Origin::Harness) {
            let refusal = format!(
                "events.0.type: \"{}\" is emitted by the agent's side: send it through POST \
                 /x/v1/sessions/{{session_id}}/events",
                kind.name
            );

            assert_eq!(answer(&json!({"type": kind.name}), CLIENTS), refusal);
            assert_ne!(answer(&json!({"type": kind.name}), HARNESS), refusal);
        }
        assert_eq!(answer(&json!({"type": "agent.thinking"}), HARNESS), "agent.thinking");
    }

    #[test]
    fn both_send_what_clients_send() {
        let event = json!({"type": "user.message", "content": [{"type": "text", "text": "hi"}]});

        assert_eq!(answer(&event, CLIENTS), "user.message");
        assert_eq!(answer(&event, HARNESS), "user.message");
    }
}
