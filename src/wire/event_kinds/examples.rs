//! Examples of every kind of event, for tests.

use serde_json::{Value, json};

/// A kind's name, and its fields: no more than it takes, and all there are.
type Example = (&'static str, Value, Value);

pub fn examples() -> Vec<Example> {
    let mut examples = sendable();
    examples.extend(of_agents());
    examples.extend(between_agents());
    examples.extend(of_sessions());
    examples.extend(of_threads_and_spans());
    examples.extend(of_workflows());
    examples
}

pub fn results() -> Value {
    json!([
        {"type": "text", "text": "42\u{0}"},
        {"type": "image", "source": {"type": "base64", "data": "AA==", "media_type": "image/png"}},
        {"type": "document", "source": {"type": "url", "url": "https://x/"}, "title": null},
        {
            "type": "search_result",
            "source": "https://x/",
            "title": "X",
            "content": [{"type": "text", "text": "x"}],
            "citations": {"enabled": true}
        }
    ])
}

pub fn message() -> Value {
    json!([
        {"type": "text", "text": ""},
        {"type": "image", "source": {"type": "url", "url": "https://x/"}},
        {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
        {"type": "document", "source": {"type": "base64", "data": "", "media_type": "a/b"}},
        {
            "type": "document",
            "source": {"type": "text", "data": "x", "media_type": "text/plain"},
            "context": "c",
            "title": "t"
        },
        {"type": "document", "source": {"type": "file", "file_id": "file_1"}},
        {"type": "redacted"}
    ])
}

fn sendable() -> Vec<Example> {
    let text = json!([{"type": "text", "text": "hi"}]);
    vec![
        ("user.message", json!({"content": []}), json!({"content": message()})),
        ("user.interrupt", json!({}), json!({"session_thread_id": "sthr_1"})),
        (
            "user.tool_confirmation",
            json!({"result": "allow", "tool_use_id": "e1"}),
            json!({"result": "deny", "tool_use_id": "e1", "deny_message": "no"}),
        ),
        (
            "user.custom_tool_result",
            json!({"custom_tool_use_id": "e1"}),
            json!({"custom_tool_use_id": "e1", "content": results(), "is_error": false}),
        ),
        (
            "user.tool_result",
            json!({"tool_use_id": "e1"}),
            json!({"tool_use_id": "e1", "content": results(), "is_error": null}),
        ),
        (
            "user.define_outcome",
            json!({"description": "", "rubric": {"type": "file", "file_id": "file_1"}}),
            json!({
                "description": "d",
                "rubric": {"type": "text", "content": "r".repeat(262_144)},
                "max_iterations": 20
            }),
        ),
        ("system.message", json!({"content": []}), json!({"content": text})),
    ]
}

fn of_agents() -> Vec<Example> {
    let input = json!({"command": ["ls", 1, null]});
    let judged = json!({
        "type": "auto",
        "evaluated_permission": {"type": "ask", "reason_code": "indeterminate"}
    });
    vec![
        (
            "agent.message",
            json!({"content": []}),
            json!({"content": [{"type": "text", "text": "hi"}, {"type": "redacted"}]}),
        ),
        ("agent.thinking", json!({}), json!({})),
        (
            "agent.tool_use",
            json!({"name": "bash", "input": {}}),
            json!({
                "name": "bash",
                "input": input,
                "evaluated_permission": "ask",
                "evaluation": judged,
                "session_thread_id": null
            }),
        ),
        (
            "agent.tool_result",
            json!({"tool_use_id": "e1"}),
            json!({"tool_use_id": "e1", "content": results(), "is_error": true}),
        ),
        (
            "agent.custom_tool_use",
            json!({"name": "ask", "input": {}}),
            json!({"name": "ask", "input": input, "session_thread_id": "sthr_1"}),
        ),
        (
            "agent.mcp_tool_use",
            json!({"name": "ask", "input": {}, "mcp_server_name": "m"}),
            json!({
                "name": "ask",
                "input": input,
                "mcp_server_name": "m",
                "evaluated_permission": null,
                "evaluation": {"type": "always_allow"},
                "session_thread_id": "sthr_1"
            }),
        ),
        (
            "agent.mcp_tool_result",
            json!({"mcp_tool_use_id": "e1"}),
            json!({"mcp_tool_use_id": "e1", "content": null, "is_error": true}),
        ),
    ]
}

fn between_agents() -> Vec<Example> {
    vec![
        (
            "agent.thread_message_received",
            json!({"content": [], "from_session_thread_id": "sthr_1"}),
            json!({
                "content": message(),
                "from_session_thread_id": "sthr_1",
                "from_agent_name": "a"
            }),
        ),
        (
            "agent.thread_message_sent",
            json!({"content": [], "to_session_thread_id": "sthr_1"}),
            json!({
                "content": message(),
                "to_session_thread_id": "sthr_1",
                "to_agent_name": null
            }),
        ),
        ("agent.thread_context_compacted", json!({}), json!({})),
    ]
}

fn of_sessions() -> Vec<Example> {
    let error = json!({
        "type": "unknown_error",
        "message": "m",
        "retry_status": {"type": "retrying"}
    });
    let cost = json!({"amount": "2500", "currency": "USD"});
    let budget = json!({"type": "limit", "max_list_cost": cost});
    let usage = json!({
        "active_seconds": 1.5,
        "cache_creation": {"ephemeral_1h_input_tokens": 1, "ephemeral_5m_input_tokens": 2},
        "cache_read_input_tokens": 3,
        "input_tokens": 4,
        "list_cost": cost,
        "output_tokens": 5,
        "server_tool_use": {"web_fetch_requests": 6, "web_search_requests": null}
    });
    let refusal = json!({"type": "refusal", "category": "cyber", "explanation": null});
    vec![
        ("session.error", json!({"error": error}), json!({"error": error})),
        ("session.status_rescheduled", json!({}), json!({})),
        ("session.status_running", json!({}), json!({})),
        (
            "session.status_idle",
            json!({"stop_reason": {"type": "end_turn"}}),
            json!({"stop_reason": {"type": "refusal"}, "stop_details": refusal}),
        ),
        ("session.status_terminated", json!({}), json!({})),
        ("session.deleted", json!({}), json!({})),
        (
            "session.updated",
            json!({}),
            json!({"agent": null, "budget": budget, "metadata": {"k": "v"}, "title": "t"}),
        ),
        ("session.usage", json!({"usage": {}}), json!({"usage": usage, "budget": null})),
    ]
}

fn of_threads_and_spans() -> Vec<Example> {
    let thread = json!({"agent_name": "a", "session_thread_id": "sthr_1"});
    let waits = json!({"type": "requires_action", "event_ids": ["e1"]});
    let span = json!({"iteration": 0, "outcome_id": "outc_1"});
    let usage = json!({
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "input_tokens": 1,
        "output_tokens": 1
    });
    let ended = json!({"model_request_start_id": "e1", "model_usage": usage});
    let judged = json!({
        "iteration": 1,
        "outcome_id": "outc_1",
        "outcome_evaluation_start_id": "e1",
        "result": "satisfied",
        "explanation": "",
        "usage": with(&usage, &json!({"speed": "fast"}))
    });
    vec![
        (
            "session.thread_created",
            thread.clone(),
            with(&thread, &json!({"workflow_run_id": "wfr_1"})),
        ),
        ("session.thread_status_rescheduled", thread.clone(), thread.clone()),
        ("session.thread_status_running", thread.clone(), thread.clone()),
        (
            "session.thread_status_idle",
            with(&thread, &json!({"stop_reason": waits})),
            with(&thread, &json!({"stop_reason": waits, "stop_details": null})),
        ),
        ("session.thread_status_terminated", thread.clone(), thread),
        ("span.model_request_start", json!({}), json!({})),
        ("span.model_request_end", ended.clone(), with(&ended, &json!({"is_error": null}))),
        ("span.outcome_evaluation_start", span.clone(), span.clone()),
        ("span.outcome_evaluation_ongoing", span.clone(), span),
        ("span.outcome_evaluation_end", judged.clone(), judged),
    ]
}

fn of_workflows() -> Vec<Example> {
    let run = json!({"workflow_run_id": "wfr_1"});
    let phase = with(&run, &json!({"workflow_run_phase_id": "p1"}));
    let phase_ended = with(&phase, &json!({"phase_started_id": "e1"}));
    let error = json!({"type": "timeout_error", "message": "m"});
    let phases = json!([{"id": "p1", "name": "p"}, {"id": "p2", "name": "q", "description": "d"}]);
    vec![
        (
            "workflow_run.created",
            with(&run, &json!({"name": "n", "phases": []})),
            with(&run, &json!({"name": "n", "phases": phases, "description": null})),
        ),
        ("workflow_run.status_running", run.clone(), run.clone()),
        ("workflow_run.status_idle", run.clone(), run.clone()),
        (
            "workflow_run.status_ended",
            with(&run, &json!({"result": {"type": "completed"}})),
            with(&run, &json!({"result": {"type": "error", "error": error}})),
        ),
        ("workflow_run.phase_started", phase.clone(), phase),
        ("workflow_run.phase_ended", phase_ended.clone(), phase_ended),
        ("workflow_run.error", json!({"error": error}), with(&run, &json!({"error": error}))),
    ]
}

/// `fields` and `more`; what is in both is as in `more`.
pub fn with(fields: &Value, more: &Value) -> Value {
    let both = [fields, more].map(|fields| fields.as_object().unwrap().clone());
    both.into_iter().flatten().collect()
}
