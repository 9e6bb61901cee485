//! The schemas of bodies and the server agree. The cases are those about which they once did not;
//! `tests/fuzz` looks for more.

use serde_json::{Value, json};

use crate::support::openapi::{DOCUMENT, standalone};
use crate::support::{Server, Stage};

/// Whether a body fits what `openapi.yaml` says of it.
fn fits(template: &str, body: &Value) -> bool {
    let content = &DOCUMENT["paths"][template]["post"]["requestBody"]["content"];
    let schema = standalone(&content["application/json"]["schema"]);
    jsonschema::is_valid(&schema, body)
}

/// `body` with other `fields`.
fn with(body: &Value, fields: &Value) -> Value {
    let mut body = body.clone();
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}

/// Sends each body, which has to be refused exactly if it does not fit.
async fn agree(server: &Server, template: &str, path: &str, bodies: &[(bool, Value)]) {
    for (good, body) in bodies {
        assert_eq!(fits(template, body), *good, "the schema of {template}: {body}");
        let status = server.post(path, body.clone()).await.status.as_u16();
        assert_eq!(status, if *good { 200 } else { 400 }, "the server, {path}: {body}");
    }
}

fn variants(body: &Value, fields: &[(bool, Value)]) -> Vec<(bool, Value)> {
    fields.iter().map(|(good, fields)| (*good, with(body, fields))).collect()
}

#[tokio::test]
async fn on_agents() {
    let server = Server::start().await;
    let server_at = |name: &str| json!([{"type": "url", "name": name, "url": ""}]);
    let agent = json!({"name": "a", "model": "m"});

    let bodies = variants(
        &agent,
        &[
            (true, json!({"name": "é".repeat(255)})),
            (false, json!({"name": "é".repeat(256)})),
            (false, json!({"name": "a\u{85}"})),
            (true, json!({"description": "é".repeat(10_000)})),
            (false, json!({"description": "é".repeat(10_001)})),
            (true, json!({"system": null, "description": null, "multiagent": null})),
            (false, json!({"system": "s".repeat(100_001)})),
            (false, json!({"tools": null})),
            (false, json!({"skills": null})),
            (false, json!({"mcp_servers": null})),
            (true, json!({"mcp_servers": server_at("é")})),
            (false, json!({"mcp_servers": server_at("")})),
            (false, json!({"mcp_servers": server_at(&"é".repeat(256))})),
            (true, json!({"skills": [{"type": "custom", "skill_id": "s", "version": null}]})),
            (false, json!({"skills": [{"type": "custom", "skill_id": ""}]})),
            (true, json!({"execution_identity": {"type": "aws_role", "role_arn": ""}})),
            (false, json!({"execution_identity": {"type": "aws_role"}})),
            (false, json!({"execution_identity": {"type": "service_account", "more": 1}})),
        ],
    );
    agree(&server, "/v1/agents", "/v1/agents", &bodies).await;
}

#[tokio::test]
async fn on_environments() {
    let server = Server::start().await;
    let cloud = |fields: Value| json!({"config": with(&json!({"type": "cloud"}), &fields)});
    let own = |fields: Value| json!({"config": with(&json!({"type": "self_hosted"}), &fields)});

    let bodies = variants(
        &json!({"name": "e"}),
        &[
            (false, json!({"name": "\u{1}"})),
            (true, own(json!({"networking": null, "packages": null}))),
            (false, own(json!({"networking": {"type": "unrestricted"}}))),
            (true, cloud(json!({"networking": {"type": "limited", "allowed_hosts": null}}))),
            (false, cloud(json!({"networking": {"type": "unrestricted", "allowed_hosts": []}}))),
            (true, cloud(json!({"packages": {"type": null, "apt": null, "pip": ["six"]}}))),
            (false, cloud(json!({"packages": {"type": "other"}}))),
        ],
    );
    agree(&server, "/v1/environments", "/v1/environments", &bodies).await;
}

#[tokio::test]
async fn on_sessions() {
    let server = Server::start().await;
    let stage = Stage::new(&server).await;
    let agent = |fields: Value| {
        let reference = json!({"type": "agent_with_overrides", "id": stage.agent});
        json!({"agent": with(&reference, &fields)})
    };
    let attached = |instructions: String| {
        let store = json!({"type": "memory_store", "memory_store_id": stage.stores[0]});
        json!({"resources": [with(&store, &json!({"instructions": instructions}))]})
    };
    let block = |kind: &str| {
        let source = json!({"type": "text", "data": "", "media_type": "text/plain"});
        let content = json!([{"type": kind, "source": source}]);
        json!({"initial_events": [{"type": "user.message", "content": content}]})
    };
    let budget = |amount: &str| {
        let cost = json!({"amount": amount, "currency": "USD"});
        json!({"budget": {"type": "limit", "max_list_cost": cost}})
    };

    let bodies = variants(
        &stage.wanted(),
        &[
            (true, json!({"title": null})),
            (false, json!({"resources": null})),
            (true, attached("é".repeat(4096))),
            (false, attached("é".repeat(4097))),
            (false, attached("\0".into())),
            (false, json!({"initial_events": null})),
            (false, json!({"budget": null})),
            (false, json!({"vault_ids": null})),
            (true, agent(json!({"version": 1, "system": null, "tools": []}))),
            (false, agent(json!({"version": null}))),
            (false, agent(json!({"model": null}))),
            (false, agent(json!({"tools": null}))),
            (true, block("document")),
            (false, block("image")),
            (true, budget("0")),
            (true, budget(&"9".repeat(30))),
            (false, budget(&"9".repeat(31))),
            (false, budget("01")),
            (false, budget("")),
        ],
    );
    agree(&server, "/v1/sessions", "/v1/sessions", &bodies).await;
}

#[tokio::test]
async fn on_results_of_tools() {
    let server = Server::start().await;
    let stage = Stage::new(&server).await;
    let used = stage.play(&server, json!([{"type": "agent.tool_use", "name": "x", "input": {}}]));
    let result = json!({"type": "user.tool_result", "tool_use_id": used.await["data"][0]["id"]});
    let path = format!("{}/events", stage.path());

    for (good, fields) in [
        (false, json!({"content": null})),
        (true, json!({"content": [], "is_error": null})),
        (true, json!({})),
    ] {
        let body = json!({"events": [with(&result, &fields)]});
        agree(&server, "/v1/sessions/{session_id}/events", &path, &[(good, body)]).await;
    }
}

#[tokio::test]
async fn on_what_a_model_says() {
    let server = Server::start().await;
    let stage = Stage::new(&server).await;
    let event = |kind: &str, fields: Value| with(&json!({"type": kind}), &fields);
    let tool = |fields: Value| with(&event("agent.tool_use", json!({"input": {}})), &fields);
    let evaluated = |evaluation: Value| tool(json!({"name": "x", "evaluation": evaluation}));
    let ended = |result: Value| {
        event("workflow_run.status_ended", json!({"workflow_run_id": "", "result": result}))
    };
    let failed = |fields: Value| {
        let error = json!({"message": "", "retry_status": {"type": "terminal"}});
        event("session.error", json!({"error": with(&error, &fields)}))
    };
    let used = |usage: Value| event("session.usage", json!({"usage": usage}));
    let cost = |amount: &str| used(json!({"list_cost": {"amount": amount, "currency": "USD"}}));
    let spent = |tokens: i64| {
        let usage = json!({
            "input_tokens": tokens,
            "output_tokens": 0,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
        });
        let fields = json!({"model_request_start_id": "", "model_usage": usage});
        event("span.model_request_end", fields)
    };
    let path = format!("/x{}/events", stage.path());

    for (good, event) in [
        (true, tool(json!({"name": "x"}))),
        (false, tool(json!({"name": ""}))),
        (true, evaluated(json!({"type": "always_ask"}))),
        (false, evaluated(json!({"type": "auto"}))),
        (true, evaluated(json!({"type": "auto", "evaluated_permission": {"type": "allow"}}))),
        (false, evaluated(json!({"type": "auto", "evaluated_permission": {"type": "deny"}}))),
        (true, ended(json!({"type": "stopped"}))),
        (false, ended(json!({"type": "error"}))),
        (false, ended(json!({"type": "completed", "error": {}}))),
        (true, failed(json!({"type": "billing_error"}))),
        (false, failed(json!({"type": "billing_error", "vault_id": ""}))),
        (false, failed(json!({"type": "other_error"}))),
        (false, failed(json!({"type": "mcp_connection_failed_error"}))),
        (true, used(json!({"active_seconds": 0, "input_tokens": 0}))),
        (false, used(json!({"active_seconds": -0.5}))),
        (false, used(json!({"input_tokens": -1}))),
        (true, cost("2500")),
        (false, cost("25.00")),
        (true, spent(0)),
        (false, spent(-1)),
    ] {
        let body = json!({"events": [event]});
        agree(&server, "/x/v1/sessions/{session_id}/events", &path, &[(good, body)]).await;
    }
    // What was taken can be told.
    server.get(&stage.path()).await.ok();
}

#[tokio::test]
async fn on_keys() {
    let server = Server::start().await;
    let stage = Stage::new(&server).await;
    let worker = |fields: Value| with(&json!({"environment_id": stage.environment}), &fields);

    let bodies = variants(
        &json!({"name": "k"}),
        &[
            (true, json!({"environment_id": null})),
            (false, json!({"scopes": []})),
            (false, json!({"as_service": "a", "as_user": "b"})),
            (true, worker(json!({}))),
            (true, worker(json!({"scopes": [], "as_user": null}))),
            (false, worker(json!({"scopes": ["read"]}))),
            (false, worker(json!({"as_service": "a"}))),
        ],
    );
    agree(&server, "/x/v1/api_keys", "/x/v1/api_keys", &bodies).await;
}
