//! The kinds of events, a row each: first what clients send, then what the agent's side emits.

use super::agent::AGENT;
use super::parts::{
    AGENT_CONTENT, BUDGET, EVALUATION, MESSAGE_CONTENT, MODEL_USAGE, PERMISSION, RESULT_CONTENT,
    RUBRIC, SESSION_ERROR, SESSION_USAGE, STOP_DETAILS, STOP_REASON, TEXT_CONTENT, WORKFLOW_ERROR,
    WORKFLOW_PHASES, WORKFLOW_RESULT,
};
use super::{EventKind, Origin};
use crate::wire::schema::{COUNT, Field, NAMED, Shape, TEXT, nullable, optional, required};

const fn client(name: &'static str, fields: &'static [Field]) -> EventKind {
    EventKind { name, origin: Origin::Client, fields }
}

const fn harness(name: &'static str, fields: &'static [Field]) -> EventKind {
    EventKind { name, origin: Origin::Harness, fields }
}

/// How often an outcome may be evaluated at most. The API states no least; none makes no sense.
const MAX_ITERATIONS: i64 = 20;

const AGENT_NAME: Field = required("agent_name", TEXT);
const INPUT: Field = required("input", Shape::AnyObject);
const IS_ERROR: Field = nullable("is_error", Shape::Bool);
const ITERATION: Field = required("iteration", COUNT);
const NAME: Field = required("name", NAMED);
/// The thread that an event is about or came from, if not the first.
const OTHER_THREAD: Field = nullable("session_thread_id", TEXT);
const OUTCOME: Field = required("outcome_id", TEXT);
const PHASE: Field = required("workflow_run_phase_id", TEXT);
const RUN: Field = required("workflow_run_id", TEXT);
const THREAD: Field = required("session_thread_id", TEXT);

pub static KINDS: &[EventKind] = &[
    client("user.message", &[required("content", MESSAGE_CONTENT)]),
    client("user.interrupt", &[OTHER_THREAD]),
    client(
        "user.tool_confirmation",
        &[
            required("result", Shape::OneOf(&["allow", "deny"])),
            required("tool_use_id", TEXT),
            nullable("deny_message", TEXT),
        ],
    ),
    client(
        "user.custom_tool_result",
        &[required("custom_tool_use_id", TEXT), optional("content", RESULT_CONTENT), IS_ERROR],
    ),
    client(
        "user.tool_result",
        &[required("tool_use_id", TEXT), optional("content", RESULT_CONTENT), IS_ERROR],
    ),
    client(
        "user.define_outcome",
        &[
            required("description", TEXT),
            required("rubric", RUBRIC),
            nullable("max_iterations", Shape::Integer { min: 1, max: MAX_ITERATIONS }),
        ],
    ),
    client("system.message", &[required("content", TEXT_CONTENT)]),
    harness("agent.message", &[required("content", AGENT_CONTENT)]),
    harness("agent.thinking", &[]),
    harness("agent.tool_use", &[NAME, INPUT, PERMISSION, EVALUATION, OTHER_THREAD]),
    harness(
        "agent.tool_result",
        &[required("tool_use_id", TEXT), nullable("content", RESULT_CONTENT), IS_ERROR],
    ),
    harness("agent.custom_tool_use", &[NAME, INPUT, OTHER_THREAD]),
    harness(
        "agent.mcp_tool_use",
        &[required("mcp_server_name", TEXT), NAME, INPUT, PERMISSION, EVALUATION, OTHER_THREAD],
    ),
    harness(
        "agent.mcp_tool_result",
        &[required("mcp_tool_use_id", TEXT), nullable("content", RESULT_CONTENT), IS_ERROR],
    ),
    harness(
        "agent.thread_message_received",
        &[
            required("content", MESSAGE_CONTENT),
            required("from_session_thread_id", TEXT),
            nullable("from_agent_name", TEXT),
        ],
    ),
    harness(
        "agent.thread_message_sent",
        &[
            required("content", MESSAGE_CONTENT),
            required("to_session_thread_id", TEXT),
            nullable("to_agent_name", TEXT),
        ],
    ),
    harness("agent.thread_context_compacted", &[]),
    harness("session.error", &[required("error", SESSION_ERROR)]),
    harness("session.status_rescheduled", &[]),
    harness("session.status_running", &[]),
    harness("session.status_idle", &[STOP_REASON, STOP_DETAILS]),
    harness("session.status_terminated", &[]),
    harness("session.deleted", &[]),
    harness(
        "session.updated",
        &[
            nullable("agent", AGENT),
            nullable("budget", BUDGET),
            nullable("metadata", Shape::Map(&TEXT)),
            nullable("title", TEXT),
        ],
    ),
    harness("session.usage", &[required("usage", SESSION_USAGE), nullable("budget", BUDGET)]),
    harness("session.thread_created", &[AGENT_NAME, THREAD, nullable("workflow_run_id", TEXT)]),
    harness("session.thread_status_rescheduled", &[AGENT_NAME, THREAD]),
    harness("session.thread_status_running", &[AGENT_NAME, THREAD]),
    harness("session.thread_status_idle", &[AGENT_NAME, THREAD, STOP_REASON, STOP_DETAILS]),
    harness("session.thread_status_terminated", &[AGENT_NAME, THREAD]),
    harness("span.model_request_start", &[]),
    harness(
        "span.model_request_end",
        &[IS_ERROR, required("model_request_start_id", TEXT), required("model_usage", MODEL_USAGE)],
    ),
    harness("span.outcome_evaluation_start", &[ITERATION, OUTCOME]),
    harness("span.outcome_evaluation_ongoing", &[ITERATION, OUTCOME]),
    harness(
        "span.outcome_evaluation_end",
        &[
            required("explanation", TEXT),
            ITERATION,
            required("outcome_evaluation_start_id", TEXT),
            OUTCOME,
            required("result", TEXT),
            required("usage", MODEL_USAGE),
        ],
    ),
    harness(
        "workflow_run.created",
        &[nullable("description", TEXT), NAME, required("phases", WORKFLOW_PHASES), RUN],
    ),
    harness("workflow_run.status_running", &[RUN]),
    harness("workflow_run.status_idle", &[RUN]),
    harness("workflow_run.status_ended", &[required("result", WORKFLOW_RESULT), RUN]),
    harness("workflow_run.phase_started", &[RUN, PHASE]),
    harness("workflow_run.phase_ended", &[required("phase_started_id", TEXT), RUN, PHASE]),
    // Without a run, no run could be made.
    harness(
        "workflow_run.error",
        &[required("error", WORKFLOW_ERROR), nullable("workflow_run_id", TEXT)],
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;
    use crate::wire::event_kinds::examples::{examples, message, results, with};
    use crate::wire::event_kinds::{check_event, kind};
    use crate::wire::schema::Need;

    fn answer(kind: &str, fields: &Value) -> String {
        let event = with(fields, &json!({"type": kind}));
        let checked = check_event(&event, "events.0", true);
        checked.map_or_else(|error| error.to_string(), |kind| kind.name.to_owned())
    }

    fn keys(fields: &Value) -> BTreeSet<&str> {
        fields.as_object().unwrap().keys().map(String::as_str).collect()
    }

    #[test]
    fn every_kind_is_accepted_with_no_more_than_it_takes_and_with_all_there_is() {
        for (name, least, full) in examples() {
            let fields = kind(name).unwrap().fields;
            let required = fields.iter().filter(|field| field.need == Need::Required);

            assert_eq!(keys(&least), required.map(|field| field.name).collect(), "{name}");
            assert_eq!(keys(&full), fields.iter().map(|field| field.name).collect(), "{name}");
            assert_eq!(answer(name, &least), name);
            assert_eq!(answer(name, &full), name);
        }
        let with_example: Vec<_> = examples().into_iter().map(|(name, ..)| name).collect();
        assert_eq!(with_example, KINDS.iter().map(|kind| kind.name).collect::<Vec<_>>());
    }

    #[test]
    fn no_kind_does_without_a_required_field_or_takes_one_that_it_has_not() {
        for (name, least, _) in examples() {
            for field in keys(&least) {
                let mut less = least.clone();
                less.as_object_mut().unwrap().remove(field);

                assert_eq!(answer(name, &less), format!("events.0.{field}: Field required"));
            }
            let refusal = answer(name, &with(&least, &json!({"color": 1})));
            let start = "events.0.color: unknown field `color`, expected ";
            assert!(refusal.starts_with(start), "{refusal}");
        }
    }

    #[test]
    fn the_kinds_are_those_of_the_sdk_each_once_and_what_clients_send_first() {
        // Members of BetaManagedAgentsEventParams, then the others of
        // BetaManagedAgentsStreamSessionEvents but for event_start and event_delta.
        let sent = [
            "system.message",
            "user.custom_tool_result",
            "user.define_outcome",
            "user.interrupt",
            "user.message",
            "user.tool_confirmation",
            "user.tool_result",
        ];
        let emitted = [
            "agent.custom_tool_use",
            "agent.mcp_tool_result",
            "agent.mcp_tool_use",
            "agent.message",
            "agent.thinking",
            "agent.thread_context_compacted",
            "agent.thread_message_received",
            "agent.thread_message_sent",
            "agent.tool_result",
            "agent.tool_use",
            "session.deleted",
            "session.error",
            "session.status_idle",
            "session.status_rescheduled",
            "session.status_running",
            "session.status_terminated",
            "session.thread_created",
            "session.thread_status_idle",
            "session.thread_status_rescheduled",
            "session.thread_status_running",
            "session.thread_status_terminated",
            "session.updated",
            "session.usage",
            "span.model_request_end",
            "span.model_request_start",
            "span.outcome_evaluation_end",
            "span.outcome_evaluation_ongoing",
            "span.outcome_evaluation_start",
            "workflow_run.created",
            "workflow_run.error",
            "workflow_run.phase_ended",
            "workflow_run.phase_started",
            "workflow_run.status_ended",
            "workflow_run.status_idle",
            "workflow_run.status_running",
        ];
        let (clients, others) = KINDS.split_at(sent.len());

        for (kinds, names, origin) in
            [(clients, &sent[..], Origin::Client), (others, &emitted[..], Origin::Harness)]
        {
            let mut found: Vec<_> = kinds.iter().map(|kind| kind.name).collect();
            found.sort_unstable();
            assert_eq!(found, names);
            assert!(kinds.iter().all(|kind| kind.origin == origin));
        }
    }

    #[test]
    fn no_kind_has_a_field_that_the_server_sets() {
        for kind in KINDS {
            let names: BTreeSet<_> = kind.fields.iter().map(|field| field.name).collect();
            assert_eq!(names.len(), kind.fields.len(), "{}", kind.name);
            assert!(names.is_disjoint(&["id", "processed_at", "type"].into()), "{}", kind.name);
        }
    }

    #[rstest]
    #[case("user.message", &["text", "image", "document", "redacted"])]
    #[case("user.custom_tool_result", &["text", "image", "document", "search_result"])]
    #[case("user.tool_result", &["text", "image", "document", "search_result"])]
    #[case("system.message", &["text"])]
    #[case("agent.message", &["text", "redacted"])]
    #[case("agent.tool_result", &["text", "image", "document", "search_result"])]
    #[case("agent.mcp_tool_result", &["text", "image", "document", "search_result"])]
    #[case("agent.thread_message_received", &["text", "image", "document", "redacted"])]
    #[case("agent.thread_message_sent", &["text", "image", "document", "redacted"])]
    fn content_has_the_blocks_of_its_place(#[case] name: &str, #[case] taken: &[&str]) {
        let examples = examples();
        let (_, least, _) = examples.iter().find(|(other, ..)| *other == name).unwrap();
        let blocks = [message(), results()];

        for block in blocks.iter().flat_map(|blocks| blocks.as_array().unwrap()) {
            let kind = block["type"].as_str().unwrap();
            let answer = answer(name, &with(least, &json!({"content": [block]})));

            if taken.contains(&kind) {
                assert_eq!(answer, name);
            } else {
                let (start, end) = ("events.0.content.0.type: must be ", format!("got {kind:?}"));
                assert!(answer.starts_with(start) && answer.ends_with(&end), "{answer}");
            }
        }
    }

    #[rstest]
    #[case("unknown_error", json!({}))]
    #[case("model_overloaded_error", json!({}))]
    #[case("model_rate_limited_error", json!({}))]
    #[case("model_request_failed_error", json!({}))]
    #[case("mcp_connection_failed_error", json!({"mcp_server_name": "m"}))]
    #[case("mcp_authentication_failed_error", json!({"mcp_server_name": "m"}))]
    #[case("billing_error", json!({}))]
    #[case(
        "credential_host_unreachable_error",
        json!({"credential_id": "cred_1", "vault_id": "vlt_1"})
    )]
    #[case("tool_use_limit_reached_error", json!({}))]
    #[case("compaction_limit_reached_error", json!({}))]
    #[case("repository_authentication_error", json!({"repository_url": null}))]
    #[case("repository_forbidden_error", json!({"repository_url": "https://x/"}))]
    #[case("repository_not_found_error", json!({}))]
    #[case("repository_checkout_error", json!({}))]
    #[case("repository_clone_error", json!({}))]
    fn an_error_of_a_session_has_the_fields_of_its_type(#[case] name: &str, #[case] more: Value) {
        for retry in ["retrying", "exhausted", "terminal"] {
            let error = json!({"type": name, "message": "m", "retry_status": {"type": retry}});
            let error = with(&error, &more);

            assert_eq!(answer("session.error", &json!({"error": error})), "session.error");
            for field in keys(&error).into_iter().filter(|field| *field != "repository_url") {
                let mut less = error.clone();
                less.as_object_mut().unwrap().remove(field);
                assert_eq!(
                    answer("session.error", &json!({"error": less})),
                    format!("events.0.error.{field}: Field required")
                );
            }
        }
    }

    #[rstest]
    #[case("session.status_idle", "stop_reason", json!({"type": "end_turn"}))]
    #[case("session.status_idle", "stop_reason", json!({"type": "retries_exhausted"}))]
    #[case("session.status_idle", "stop_reason", json!({"type": "budget_reached"}))]
    #[case("agent.tool_use", "evaluation", json!({"type": "always_ask"}))]
    #[case(
        "agent.tool_use",
        "evaluation",
        json!({"type": "auto", "evaluated_permission": {"type": "allow"}})
    )]
    #[case(
        "agent.tool_use",
        "evaluation",
        json!({"type": "auto", "evaluated_permission": {"type": "deny", "reason_code": "new"}})
    )]
    #[case("workflow_run.status_ended", "result", json!({"type": "stopped"}))]
    #[case("workflow_run.error", "error", json!({"type": "program_error", "message": ""}))]
    #[case("workflow_run.error", "error", json!({"type": "unknown_error", "message": ""}))]
    #[case("workflow_run.error", "error", json!({"type": "thread_limit_error", "message": ""}))]
    #[case(
        "workflow_run.error",
        "error",
        json!({"type": "max_workflow_runs_error", "message": ""})
    )]
    fn every_variant_of_a_part_is_accepted(
        #[case] name: &str,
        #[case] field: &str,
        #[case] part: Value,
    ) {
        let (_, least, _) = examples().into_iter().find(|(other, ..)| *other == name).unwrap();

        assert_eq!(answer(name, &with(&least, &json!({field: part}))), name);
    }
}
