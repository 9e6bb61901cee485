//! Two tenants: to one of them, what belongs to the other is what does not exist.

use memstored::domain::access::{Allowed, Keys};
use memstored::http::routes;
use serde_json::{Value, json};

use crate::support::server::text;
use crate::support::{Database, Server};

/// A workspace with a key of all scopes, and things of every kind in it.
struct Tenant {
    key: String,
    ids: [(&'static str, String); 9],
}

async fn tenant(server: &Server, name: &str) -> Tenant {
    let workspace = server.post("/x/v1/workspaces", json!({"name": name})).await.ok();
    let scopes = ["read", "write", "redact", "admin"];
    let body = json!({"name": "k", "scopes": scopes, "workspace_id": workspace["id"]});
    let made = server.post("/x/v1/api_keys", body).await.ok();
    let key = text(&made, "key").to_owned();
    let post =
        async |path: &str, body: Value| server.call_as(&key, "POST", path, Some(body)).await.ok();
    let store = post("/v1/memory_stores", json!({"name": "n"})).await;
    let memories = format!("/v1/memory_stores/{}/memories", text(&store, "id"));
    let memory = post(&memories, json!({"path": "/a", "content": "x"})).await;
    let agent = post("/v1/agents", json!({"name": "a", "model": "m"})).await;
    let config = json!({"type": "self_hosted"});
    let environment = post("/v1/environments", json!({"name": "e", "config": config})).await;
    let wanted = json!({"agent": agent["id"], "environment_id": environment["id"]});
    let session = post("/v1/sessions", wanted).await;
    let id = |value: &Value, field: &str| text(value, field).to_owned();
    let queue = format!("/v1/environments/{}/work", id(&environment, "id"));
    let body = json!({"name": "k", "environment_id": environment["id"]});
    let polls = post("/x/v1/api_keys", body).await;
    let work = server.call_as(text(&polls, "key"), "GET", &queue, None).await.ok();
    let ids = [
        ("{memory_store_id}", id(&store, "id")),
        ("{memory_id}", id(&memory, "id")),
        ("{memory_version_id}", id(&memory, "memory_version_id")),
        ("{workspace_id}", id(&workspace, "id")),
        ("{api_key_id}", id(&made, "id")),
        ("{agent_id}", id(&agent, "id")),
        ("{environment_id}", id(&environment, "id")),
        ("{work_id}", id(&work["data"][0], "id")),
        ("{session_id}", id(&session, "id")),
    ];
    Tenant { key, ids }
}

fn fill(path: &str, ids: &[(&'static str, String)]) -> String {
    ids.iter().fold(path.to_owned(), |path, (name, id)| path.replace(name, id))
}

/// The answer's error without what names the request and the thing asked for.
fn comparable(error: &Value, path: &str) -> String {
    path.split('/')
        .filter(|part| part.contains('_'))
        .fold(error.to_string(), |text, id| text.replace(id, "ID"))
}

/// A body that a route takes, where it takes one.
fn body(path: &str) -> Option<Value> {
    let endings = [
        ("/memories", json!({"path": "/b", "content": "x"})),
        ("{memory_id}", json!({"content": "y"})),
        ("{memory_store_id}", json!({"name": "n"})),
        ("{agent_id}", json!({"name": "n"})),
        ("{environment_id}", json!({"name": "n"})),
        ("{work_id}", json!({"metadata": {}})),
        ("{session_id}", json!({"title": "t"})),
        ("/resources", json!({"type": "file"})),
        ("/tokens", json!({})),
        ("/stop", json!({})),
    ];
    let events = |kind: &str| Some(json!({"events": [{"type": kind}]}));
    match path {
        "/v1/sessions/{session_id}/events" => events("user.interrupt"),
        "/x/v1/sessions/{session_id}/events" => events("agent.thinking"),
        _ => endings.into_iter().find(|(end, _)| path.ends_with(end)).map(|(_, body)| body),
    }
}

#[tokio::test]
async fn what_is_foreign_answers_exactly_as_what_is_unknown() {
    let server = Server::start().await;
    let (one, two) = (tenant(&server, "one").await, tenant(&server, "two").await);
    let unknown = two.ids.clone().map(|(name, id)| {
        let (prefix, _) = id.split_once('_').unwrap();
        (name, format!("{prefix}_{}", "0".repeat(26)))
    });
    let mut compared = 0;

    let with_keys =
        |allowed: Option<Allowed>| allowed.is_some_and(|allowed| allowed.keys != Keys::None);
    let named = routes::table().into_iter().filter(|route| route.path.contains('{'));
    for route in named.filter(|route| with_keys(route.allowed)) {
        let body = (route.method == "POST").then(|| body(route.path)).flatten();
        let mut errors = Vec::new();
        for ids in [&two.ids, &unknown] {
            let path = fill(route.path, ids);
            let answer = server.call_as(&one.key, route.method.as_str(), &path, body.clone()).await;
            errors.push(comparable(&answer.refused(404), &path));
        }
        assert_eq!(errors[0], errors[1], "{} {}", route.method, route.path);
        compared += 1;
    }
    assert!(compared >= 34, "{compared}");
}

#[tokio::test]
async fn what_is_foreign_in_an_own_store_is_unknown_too() {
    let server = Server::start().await;
    let (one, two) = (tenant(&server, "one").await, tenant(&server, "two").await);
    let mut mixed = two.ids.clone();
    mixed[0] = one.ids[0].clone();

    for route in routes::table() {
        let nested =
            route.path.contains("{memory_id}") || route.path.contains("{memory_version_id}");
        if nested {
            let path = fill(route.path, &mixed);
            let body = Some(json!({"content": "y"}));
            server.call_as(&one.key, route.method.as_str(), &path, body).await.refused(404);
        }
    }
}

/// The deletion is another process's, so the key is still remembered here.
#[tokio::test]
async fn a_workspace_that_is_being_deleted_takes_no_new_store() {
    let database = Database::fresh();
    let server = Server::on(&database).await;
    let one = tenant(&server, "one").await;
    let other = Server::on(&database).await;
    server.call_as(&one.key, "GET", "/v1/memory_stores", None).await.ok();

    other.delete(&format!("/x/v1/workspaces/{}", one.ids[3].1)).await.ok();

    let body = Some(json!({"name": "late"}));
    server.call_as(&one.key, "POST", "/v1/memory_stores", body).await.refused(401);
}

#[tokio::test]
async fn lists_hold_only_the_own() {
    let server = Server::start().await;
    let (one, two) = (tenant(&server, "one").await, tenant(&server, "two").await);

    for (path, many) in [
        ("/v1/memory_stores", 1),
        ("/v1/agents", 1),
        ("/v1/environments", 1),
        ("/v1/sessions", 1),
        ("/x/v1/workspaces", 1),
        ("/x/v1/api_keys", 2),
    ] {
        let page = server.call_as(&one.key, "GET", path, None).await.ok();
        let ids = page["data"].as_array().unwrap();
        assert_eq!(ids.len(), many, "{path}");
        assert!(many > 1 || one.ids.iter().any(|(_, id)| ids[0]["id"] == **id), "{path}");
    }
    let of_two = format!("/x/v1/api_keys?workspace_id={}", two.ids[3].1);
    server.call_as(&one.key, "GET", &of_two, None).await.refused(404);
}

#[tokio::test]
async fn a_foreign_journal_answers_exactly_as_an_unknown_one() {
    let server = Server::start().await;
    let (one, two) = (tenant(&server, "one").await, tenant(&server, "two").await);
    let deleted = server
        .call_as(&two.key, "POST", "/v1/memory_stores", Some(json!({"name": "deleted"})))
        .await
        .ok();
    let deleted = text(&deleted, "id").to_owned();
    let path = format!("/v1/memory_stores/{deleted}");
    server.call_as(&two.key, "DELETE", &path, None).await.ok();
    let journal = async |key: &str, of: &str, id: &str| {
        server.call_as(key, "GET", &format!("/x/v1/journal?{of}={id}"), None).await
    };

    for (of, id) in
        [("store_id", &two.ids[0].1), ("store_id", &deleted), ("workspace_id", &two.ids[3].1)]
    {
        let (prefix, _) = id.split_once('_').unwrap();
        let unknown = format!("{prefix}_{}", "0".repeat(26));
        let error = async |id: &str| {
            let answer = journal(&one.key, of, id).await.refused(404);
            answer.to_string().replace(id, "ID")
        };
        assert_eq!(error(id).await, error(&unknown).await, "{of}={id}");
        let as_own = journal(&two.key, of, id).await.ok();
        let as_first = server.get(&format!("/x/v1/journal?{of}={id}")).await.ok();
        assert_eq!(as_own, as_first);
        assert!(!as_own["data"].as_array().unwrap().is_empty());
        server.get(&format!("/x/v1/journal?{of}={unknown}")).await.refused(404);
    }
    let own = server.call_as(&one.key, "GET", "/x/v1/journal?limit=100", None).await.ok();
    let ledgers: Vec<_> = own["data"].as_array().unwrap().iter().map(|e| &e["ledger"]).collect();
    assert!(ledgers.len() > 4 && ledgers.iter().all(|ledger| **ledger == *one.ids[3].1));
}

#[tokio::test]
async fn an_administrator_reaches_beyond_the_own_workspace_only_from_the_first_one() {
    let server = Server::start().await;
    let (one, two) = (tenant(&server, "one").await, tenant(&server, "two").await);
    let as_one =
        async |path: &str, body: Value| server.call_as(&one.key, "POST", path, Some(body)).await;

    as_one("/x/v1/workspaces", json!({"name": "three"})).await.refused(403);
    as_one("/x/v1/api_keys", json!({"name": "k", "workspace_id": two.ids[3].1})).await.refused(404);
    as_one("/x/v1/api_keys", json!({"name": "k"})).await.ok();
    let revoke = format!("/x/v1/api_keys/{}/revoke", two.ids[4].1);
    server.call("POST", &revoke, None).await.ok();
}
