//! Environments.

use serde_json::{Value, json};

use crate::support::server::{column, text};
use crate::support::{Server, Stage};

#[tokio::test]
async fn a_cloud_environment_is_answered_with_its_defaults() {
    let server = Server::start().await;

    let made = server.post("/v1/environments", json!({"name": "e"})).await.ok();

    assert_eq!(
        made["config"],
        json!({
            "type": "cloud",
            "networking": {"type": "unrestricted"},
            "packages": {
                "type": "packages",
                "apt": [], "cargo": [], "gem": [], "go": [], "npm": [], "pip": [],
            },
        })
    );
    assert_eq!((&made["description"], &made["scope"]), (&Value::Null, &json!("organization")));
}

#[tokio::test]
async fn an_update_keeps_what_it_leaves_out() {
    let server = Server::start().await;
    let config = json!({
        "type": "cloud",
        "networking": {"type": "limited", "allowed_hosts": ["example.com"]},
        "packages": {"pip": ["six"]},
    });
    let body = json!({"name": "e", "config": config, "metadata": {"a": "1", "b": "2", "c": "3"}});
    let made = server.post("/v1/environments", body).await.ok();
    let path = format!("/v1/environments/{}", text(&made, "id"));

    let config = json!({"type": "cloud", "packages": {"apt": ["jq"]}});
    let patch = json!({"config": config, "metadata": {"a": null, "b": "", "d": "4"}});
    let changed = server.post(&path, patch).await.ok();

    assert_eq!(changed["config"]["networking"], made["config"]["networking"]);
    assert_eq!(changed["config"]["packages"]["apt"], json!(["jq"]));
    assert_eq!(changed["config"]["packages"]["pip"], json!([]));
    assert_eq!(changed["metadata"], json!({"c": "3", "d": "4"}));
    let same = server.post(&path, json!({"name": "e"})).await.ok();
    assert_eq!(same["updated_at"], changed["updated_at"]);
    server.post(&path, json!({"description": ""})).await.ok();
    assert_eq!(server.get(&path).await.ok()["description"], "");
    server.post(&path, json!({"description": null})).await.ok();
    assert_eq!(server.get(&path).await.ok()["description"], Value::Null);
}

#[tokio::test]
async fn the_kind_of_an_environment_stays() {
    let server = Server::start().await;
    let made = server.post("/v1/environments", json!({"name": "e"})).await.ok();
    let path = format!("/v1/environments/{}", text(&made, "id"));

    let refused = server.post(&path, json!({"config": {"type": "self_hosted"}})).await.refused(400);

    assert_eq!(refused["details"]["error_code"], "invalid_config_type_change");
}

#[tokio::test]
async fn an_archived_environment_takes_neither_changes_nor_sessions() {
    let server = Server::start().await;
    let stage = Stage::new(&server).await;
    let path = format!("/v1/environments/{}", stage.environment);
    let archived = server.call("POST", &format!("{path}/archive"), None).await.ok();
    let again = server.call("POST", &format!("{path}/archive"), None).await.ok();

    assert_eq!(again, archived);
    for (path, body) in [(path.as_str(), json!({"name": "n"})), ("/v1/sessions", stage.wanted())] {
        let refused = server.post(path, body).await.refused(400);
        assert_eq!(refused["details"]["error_code"], "environment_archived", "{path}");
    }
    assert_eq!(column(&server.get("/v1/environments").await.ok(), "id"), [""; 0]);
    let all = server.get("/v1/environments?include_archived=true").await.ok();
    assert_eq!(column(&all, "id"), [stage.environment.as_str()]);
    let events = json!([{"type": "user.message", "content": []}]);
    stage.send(&server, events).await;
}

#[tokio::test]
async fn a_deleted_environment_is_gone_with_its_keys_and_its_sessions_stay() {
    let server = Server::start().await;
    let stage = Stage::new(&server).await;
    let key = stage.environment_key(&server).await;
    let poll = format!("{}/poll", stage.queue());
    server.call_as(&key, "GET", &poll, None).await.ok();
    let path = format!("/v1/environments/{}", stage.environment);

    let receipt = server.delete(&path).await.ok();

    assert_eq!(receipt, json!({"id": stage.environment, "type": "environment_deleted"}));
    server.get(&path).await.refused(404);
    server.delete(&path).await.refused(404);
    server.call_as(&key, "GET", &poll, None).await.refused(401);
    server.post("/v1/sessions", stage.wanted()).await.refused(404);
    let session = server.get(&stage.path()).await.ok();
    assert_eq!(session["environment_id"], stage.environment.as_str());
}

#[tokio::test]
async fn environments_are_listed_in_pages() {
    let server = Server::start().await;
    let mut made = Vec::new();
    for number in 0..5 {
        let body = json!({"name": format!("e{number}")});
        made.push(text(&server.post("/v1/environments", body).await.ok(), "id").to_owned());
    }
    made.reverse();

    let first = server.get("/v1/environments?limit=3").await.ok();
    let next = text(&first, "next_page");
    let second = server.get(&format!("/v1/environments?limit=3&page={next}")).await.ok();

    assert_eq!([column(&first, "id"), column(&second, "id")].concat(), made);
    assert_eq!(second["next_page"], Value::Null);
}
