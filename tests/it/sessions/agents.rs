//! Agents and their versions.

use serde_json::{Value, json};

use crate::support::Server;
use crate::support::server::{column, text};

async fn made(server: &Server) -> (String, Value) {
    let body = json!({"name": "researcher", "model": "claude-opus-5-5", "system": "Take notes."});
    let agent = server.post("/v1/agents", body).await.ok();
    (format!("/v1/agents/{}", text(&agent, "id")), agent)
}

#[tokio::test]
async fn an_agent_has_every_key_and_a_model_as_an_object() {
    let server = Server::start().await;

    let (_, agent) = made(&server).await;

    assert_eq!(
        agent["model"],
        json!({"id": "claude-opus-5-5", "effort": null, "inference_geo": null, "speed": "standard"})
    );
    assert_eq!(agent["version"], 1);
    assert_eq!(agent["execution_identity"], json!({"type": "service_account"}));
    for list in ["tools", "mcp_servers", "skills"] {
        assert_eq!(agent[list], json!([]), "{list}");
    }
    for null in ["description", "multiagent", "archived_at"] {
        assert_eq!(agent[null], Value::Null, "{null}");
    }
}

#[tokio::test]
async fn what_is_not_interpreted_is_answered_as_given() {
    let server = Server::start().await;
    let tools = json!([
        {"type": "agent_toolset_20260401", "configs": [{"name": "bash", "enabled": false}]},
        {"type": "custom", "name": "ask", "input_schema": {"type": "object", "x": [1, 2.5, null]}},
        {"type": "custom", "z": {"y": 0.158_382_870_254_805_57, "b": 18_446_744_073_709_551_615_u64}, "a": -1},
    ]);
    let body = json!({
        "name": "a",
        "model": {"id": "m", "effort": "high", "speed": "fast"},
        "tools": tools,
        "mcp_servers": [{"type": "url", "name": "n", "url": "https://example.com"}],
        "skills": [{"type": "custom", "skill_id": "skill_1"}],
    });

    let agent = server.post("/v1/agents", body).await.ok();

    assert_eq!(agent["tools"].to_string(), tools.to_string(), "in its order, to the last digit");
    assert_eq!(agent["model"]["effort"], json!({"type": "high"}));
    assert_eq!(
        agent["skills"],
        json!([{"type": "custom", "skill_id": "skill_1", "version": "latest"}])
    );
}

#[tokio::test]
async fn null_is_no_list_of_a_new_agent() {
    let server = Server::start().await;
    for list in ["tools", "mcp_servers", "skills"] {
        let message = server.post("/v1/agents", json!({"name": "a", "model": "m", list: null}));

        let message = message.await.message(400);

        assert!(message.starts_with(&format!("{list}: invalid type: null")), "{message}");
    }
}

#[tokio::test]
async fn a_server_has_a_name_and_a_skill_an_id() {
    let server = Server::start().await;
    for (list, item, message) in [
        (
            "mcp_servers",
            json!({"type": "url", "name": "", "url": "https://example.com"}),
            "mcp_servers.0.name: minimum string length is 1",
        ),
        (
            "skills",
            json!({"type": "custom", "skill_id": ""}),
            "skills.0.skill_id: minimum string length is 1",
        ),
    ] {
        let body = json!({"name": "a", "model": "m", list: [item]});

        assert_eq!(server.post("/v1/agents", body).await.message(400), message);
    }
}

#[tokio::test]
async fn a_change_is_a_new_version_and_the_old_ones_stay() {
    let server = Server::start().await;
    let (path, first) = made(&server).await;

    let second = server.post(&path, json!({"name": "writer", "version": 1})).await.ok();
    let same = server.post(&path, json!({"name": "writer"})).await.ok();
    let cleared = server.post(&path, json!({"system": null, "metadata": {"k": "v"}})).await.ok();

    assert_eq!((&second["version"], &second["name"]), (&json!(2), &json!("writer")));
    assert_eq!(same, second);
    assert_eq!((&cleared["version"], &cleared["system"]), (&json!(3), &Value::Null));
    let old = server.get(&format!("{path}?version=1")).await.ok();
    assert_eq!((&old["name"], &old["system"]), (&first["name"], &first["system"]));
    let versions = server.get(&format!("{path}/versions?limit=2")).await.ok();
    let versions: Vec<_> = versions["data"].as_array().unwrap().iter().collect();
    assert_eq!((&versions[0]["version"], &versions[1]["version"]), (&json!(3), &json!(2)));
    server.get(&format!("{path}?version=4")).await.refused(404);
    server.get(&format!("{path}?version=0")).await.refused(400);
}

#[tokio::test]
async fn versions_are_walked_to_the_first() {
    let server = Server::start().await;
    let (path, _) = made(&server).await;
    for number in 0..4 {
        server.post(&path, json!({"name": format!("n{number}")})).await.ok();
    }

    let mut seen = Vec::new();
    let mut page = String::new();
    loop {
        let answer = server.get(&format!("{path}/versions?limit=2&page={page}")).await.ok();
        let items = answer["data"].as_array().unwrap().iter();
        seen.extend(items.map(|agent| agent["version"].as_i64().unwrap()));
        match answer["next_page"].as_str() {
            Some(next) => page = next.to_owned(),
            None => break,
        }
    }

    assert_eq!(seen, [5, 4, 3, 2, 1]);
}

#[tokio::test]
async fn a_stale_version_is_a_conflict_that_is_not_sent_again() {
    let server = Server::start().await;
    let (path, _) = made(&server).await;
    server.post(&path, json!({"name": "other"})).await.ok();

    let answer = server.post(&path, json!({"name": "late", "version": 1})).await;

    assert_eq!(answer.header("x-should-retry"), Some("false"));
    assert_eq!(answer.refused(409)["type"], "invalid_request_error");
}

#[tokio::test]
async fn of_two_updates_of_one_version_one_is_made() {
    let server = Server::start().await;
    let (path, _) = made(&server).await;
    let rename = |name: &'static str| {
        let (server, path) = (server.clone(), path.clone());
        async move { server.post(&path, json!({"name": name, "version": 1})).await.status.as_u16() }
    };

    let mut statuses = <[u16; 2]>::from(tokio::join!(rename("one"), rename("two")));

    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
}

#[tokio::test]
async fn an_archived_agent_is_kept_and_neither_changed_nor_used() {
    let server = Server::start().await;
    let (path, agent) = made(&server).await;
    let archive = format!("{path}/archive");

    let archived = server.call("POST", &archive, None).await.ok();
    let again = server.call("POST", &archive, None).await.ok();

    assert_eq!(again, archived);
    assert_ne!(archived["archived_at"], Value::Null);
    server.post(&path, json!({"name": "n"})).await.refused(400);
    assert_eq!(server.get("/v1/agents").await.ok()["data"], json!([]));
    let all = server.get("/v1/agents?include_archived=true").await.ok();
    assert_eq!(column(&all, "id"), [text(&agent, "id")]);
    let environment = server.post("/v1/environments", json!({"name": "e"})).await.ok();
    let wanted = json!({"agent": agent["id"], "environment_id": environment["id"]});
    server.post("/v1/sessions", wanted).await.refused(400);
}

#[tokio::test]
async fn a_refusal_names_the_field() {
    let server = Server::start().await;
    for (body, begins) in [
        (json!({"name": "a"}), "model: Field required"),
        (json!({"name": "", "model": "m"}), "name: "),
        (json!({"name": "a", "model": {"effort": "high"}}), "model.id: Field required"),
        (json!({"name": "a", "model": {"id": "m", "effort": "most"}}), "model.effort: "),
        (json!({"name": "a", "model": "m", "tools": ["bash"]}), "tools.0: "),
        (json!({"name": "a", "model": "m", "tools": [{}]}), "tools.0"),
        (json!({"name": "a", "model": "m", "skills": [{"type": "x"}]}), "skills.0"),
        (json!({"name": "a", "model": "m", "system": "\u{0}"}), "system must not contain U+0000"),
        (json!({"name": "a", "model": "m", "color": 1}), "color: unknown field"),
    ] {
        let message = server.post("/v1/agents", body.clone()).await.message(400);
        assert!(message.starts_with(begins), "{body}: {message}");
    }
}
