//! Every route × every kind of credential, from the route table: a new route is in the matrix
//! without anyone thinking of it.

use std::collections::BTreeMap;

use memstored::domain::access::{Keys, Scope};
use memstored::http::routes;
use serde_json::json;

use crate::support::server::{Setup, text};
use crate::support::{Server, Stage};

/// A path of the route with identifiers that name nothing.
fn concrete(path: &str) -> String {
    let unknown = |prefix: &str| format!("{prefix}{}", "0".repeat(26));
    path.replace("{memory_store_id}", &unknown("memstore_"))
        .replace("{memory_id}", &unknown("mem_"))
        .replace("{memory_version_id}", &unknown("memver_"))
        .replace("{workspace_id}", &unknown("wrkspc_"))
        .replace("{api_key_id}", &unknown("apikey_"))
        .replace("{agent_id}", &unknown("agent_"))
        .replace("{environment_id}", &unknown("env_"))
        .replace("{work_id}", &unknown("work_"))
        .replace("{session_id}", &unknown("sesn_"))
}

#[tokio::test]
async fn every_route_takes_exactly_the_credentials_with_its_scope() {
    let server = Server::start().await;
    let mut keys = BTreeMap::new();
    for scope in Scope::ALL {
        keys.insert(scope, server.key(&[scope.as_str()]).await);
    }

    for route in routes::table() {
        let path = concrete(route.path);
        let call = async |key: &str| {
            server.call_as(key, route.method.as_str(), &path, None).await.status.as_u16()
        };
        let open = route.allowed.is_none();
        assert_eq!(call("stranger").await == 401, !open, "{} {path}: stranger", route.method);
        for (scope, key) in &keys {
            let status = call(key).await;
            let fits = route.allowed.is_none_or(|allowed| match allowed.keys {
                Keys::None => false,
                Keys::With(wanted) => wanted == *scope,
                Keys::All => true,
            });
            assert_eq!(status != 403, fits, "{} {path}: {scope} got {status}", route.method);
            assert_ne!(status, 401, "{} {path}: {scope}", route.method);
        }
    }
}

#[tokio::test]
async fn every_route_takes_session_tokens_and_environment_keys_only_where_it_says_so() {
    let server = Server::start().await;
    let stage = Stage::new(&server).await;
    let (token, key) = (stage.token(&server).await, stage.environment_key(&server).await);
    let own = |path: &str| {
        let path = path.replace("{environment_id}", &stage.environment);
        concrete(&path.replace("{session_id}", &stage.session))
    };

    for route in routes::table() {
        let path = own(route.path);
        // It goes on until the client leaves.
        if route.path.ends_with("/stream") {
            continue;
        }
        for (credential, fits) in [
            (&token, route.allowed.is_none_or(|allowed| allowed.session_token)),
            (&key, route.allowed.is_none_or(|allowed| allowed.environment_key)),
        ] {
            let answer = server.call_as(credential, route.method.as_str(), &path, None).await;
            let status = answer.status.as_u16();
            assert_eq!(status != 403, fits, "{} {path}: {status}", route.method);
            assert_ne!(status, 401, "{} {path}", route.method);
        }
    }
}

#[tokio::test]
async fn a_wrong_scope_says_which_is_missing_before_the_body_is_looked_at() {
    let server = Server::start().await;
    let key = server.key(&["read", "admin"]).await;

    let answer = server.call_as(&key, "POST", "/v1/memory_stores", Some(json!({}))).await;

    let error = answer.refused(403);
    assert_eq!(error["type"], "permission_error");
    assert_eq!(
        error["message"],
        "this credential lacks the scope \"write\"; it has \"read,admin\""
    );
}

#[tokio::test]
async fn a_key_has_read_and_write_unless_asked_otherwise() {
    let server = Server::start().await;
    let made = server.post("/x/v1/api_keys", json!({"name": "k"})).await.ok();
    let (key, store) = (text(&made, "key"), server.store().await);

    assert_eq!(made["scopes"], json!(["read", "write"]));
    server.call_as(key, "POST", &store, Some(json!({"name": "other"}))).await.ok();
    server.call_as(key, "DELETE", &store, None).await.refused(403);
    server.call_as(key, "GET", "/x/v1/api_keys", None).await.refused(403);
}

#[tokio::test]
async fn under_dev_any_key_has_all_scopes() {
    let server = Server::with(Setup { dev: true, ..Setup::default() }).await;

    for route in routes::table() {
        let path = concrete(route.path);
        let answer = server.call_as("anyone", route.method.as_str(), &path, None).await;
        let keyless = route.allowed.is_some_and(|allowed| allowed.keys == Keys::None);
        let foreign = keyless || route.path == "/x/v1/workspaces" && route.method == "POST";
        assert!(answer.status != 401, "{} {path}", route.method);
        assert!(answer.status != 403 || foreign, "{} {path}", route.method);
    }
}

#[tokio::test]
async fn who_may_only_write_is_not_shown_what_others_wrote() {
    let server = Server::start().await;
    let store = server.store().await;
    let memory = server.memory(&store, "/secret", "of others").await;
    let path = format!("{store}/memories/{}", text(&memory, "id"));
    let writer = server.key(&["write"]).await;
    let update = async |path: &str, body| server.call_as(&writer, "POST", path, Some(body)).await;
    let full = format!("{path}?view=full");

    for body in [json!({"path": "/secret"}), json!({"path": "/moved"})] {
        let refused = update(&full, body).await.refused(403);
        assert!(text(&refused, "message").contains("\"read\""), "{refused}");
    }

    let moved = update(&path, json!({"path": "/moved"})).await.ok();
    assert!(moved["content"].is_null(), "{moved}");
    let own = update(&full, json!({"content": "own"})).await.ok();
    assert_eq!(own["content"], "own");
    let both = server.key(&["read", "write"]).await;
    let shown = server.call_as(&both, "POST", &full, Some(json!({"path": "/moved"}))).await.ok();
    assert_eq!(shown["content"], "own");
}
