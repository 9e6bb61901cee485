use serde_json::json;

use crate::support::server::{KEY, NOW, Setup, column, text};
use crate::support::{Database, Server};

const STORES: &str = "/v1/memory_stores";
const KEYS: &str = "/x/v1/api_keys";
const WORKSPACES: &str = "/x/v1/workspaces";

#[tokio::test]
async fn a_key_is_made_and_its_secret_shown_once() {
    let server = Server::start().await;

    let body = json!({"name": "ci", "scopes": ["read"], "expires_at": "2027-01-01T00:00:00Z"});
    let made = server.post(KEYS, body).await;
    insta::assert_snapshot!(made.render(), @r#"
    200 OK
    content-type: application/json
    request-id: req_01M81B5H800000000000000005
    anthropic-organization-id: 00000000-0000-4000-8000-000000000001
    anthropic-workspace-id: wrkspc_01M81B5H800000000000000002
    {
      "actor": {
        "api_key_id": "apikey_KC67JDSP869MREX37S73NS86NE",
        "type": "api_actor"
      },
      "actor_name": null,
      "created_at": "2026-11-22T10:00:00.000002Z",
      "environment_id": null,
      "expires_at": "2027-01-01T00:00:00.000000Z",
      "hint": "mstd_…p9j8",
      "id": "apikey_KC67JDSP869MREX37S73NS86NE",
      "key": "mstd_0000000000000000000000000000000000000000006_2ep9j8",
      "name": "ci",
      "revoked_at": null,
      "scopes": [
        "read"
      ],
      "type": "api_key",
      "workspace_id": "wrkspc_01M81B5H800000000000000002"
    }
    "#);

    let listed = server.get(KEYS).await.ok();
    let made = made.json();
    let (secret, id) = (text(&made, "key"), text(&made, "id"));
    assert!(!listed.to_string().contains(secret));
    assert_eq!(column(&listed, "id")[0], id);
    server.call_as(secret, "GET", STORES, None).await.ok();
}

#[tokio::test]
async fn what_a_key_is_refused_for_is_named() {
    let server = Server::start().await;
    let mut messages = Vec::new();

    for body in [
        json!({}),
        json!({"name": ""}),
        json!({"name": "k", "scopes": []}),
        json!({"name": "k", "scopes": ["root"]}),
        json!({"name": "k", "scopes": ["read", "read"]}),
        json!({"name": "k", "expires_at": "2020-01-01T00:00:00Z"}),
        json!({"name": "k", "expires_at": "tomorrow"}),
        json!({"name": "k", "as_user": "a", "as_service": "b"}),
        json!({"name": "k", "as_user": ""}),
    ] {
        messages.push(server.post(KEYS, body).await.message(400));
    }

    insta::assert_snapshot!(messages.join("\n"), @r#"
    name: Field required
    name: minimum string length is 1
    scopes must name at least one of read, write, redact, admin
    scopes must be of read, write, redact and admin; got "root"
    scopes must name each scope once
    expires_at must be in the future; now is 2026-11-22T10:00:00.000000Z
    expires_at must be an RFC 3339 time such as 2027-01-31T00:00:00Z; got "tomorrow"
    only one of as_service and as_user may be given
    as_user: minimum string length is 1
    "#);
}

#[tokio::test]
async fn a_revoked_key_and_an_expired_one_stop_working() {
    let server = Server::start().await;
    let revoked = server.post(KEYS, json!({"name": "k"})).await.ok();
    let body = json!({"name": "k", "expires_at": "2026-11-22T10:00:05Z"});
    let expiring = server.post(KEYS, body).await.ok();
    let (revoked_key, expiring_key) = (text(&revoked, "key"), text(&expiring, "key"));
    server.call_as(revoked_key, "GET", STORES, None).await.ok();
    server.call_as(expiring_key, "GET", STORES, None).await.ok();

    let revoke = format!("{KEYS}/{}/revoke", text(&revoked, "id"));
    let first = server.call("POST", &revoke, None).await.ok();
    server.clock.set_micros(NOW + 5_000_000);
    let again = server.call("POST", &revoke, None).await.ok();

    assert!(first["revoked_at"].is_string());
    assert_eq!(first, again);
    let message = server.call_as(revoked_key, "GET", STORES, None).await.message(401);
    assert_eq!(message, "this API key has been revoked");
    let message = server.call_as(expiring_key, "GET", STORES, None).await.message(401);
    assert_eq!(message, "this API key has expired");
    let unknown = format!("{KEYS}/apikey_00000000000000000000000000/revoke");
    server.call("POST", &unknown, None).await.refused(404);
}

#[tokio::test]
async fn keys_of_one_name_act_as_one_principal() {
    let server = Server::start().await;
    let make = async |body| server.post(KEYS, body).await.ok();

    let one = make(json!({"name": "k", "as_service": "nightly"})).await;
    let two = make(json!({"name": "k", "as_service": "nightly"})).await;
    let user = make(json!({"name": "k", "as_user": "nightly"})).await;
    let plain = make(json!({"name": "k"})).await;

    assert_eq!(one["actor"], two["actor"]);
    assert_eq!(one["actor_name"], "nightly");
    assert_ne!(one["actor"], user["actor"]);
    assert_eq!(plain["actor"], json!({"type": "api_actor", "api_key_id": plain["id"]}));
    assert!(plain["actor_name"].is_null());
}

#[tokio::test]
async fn a_workspace_is_made_listed_and_deleted_with_its_keys() {
    let server = Server::start().await;
    let made = server.post(WORKSPACES, json!({"name": "research"})).await.ok();
    let workspace = text(&made, "id");
    let key = server.post(KEYS, json!({"name": "k", "workspace_id": workspace})).await.ok();
    let key = text(&key, "key");
    server.call_as(key, "POST", STORES, Some(json!({"name": "theirs"}))).await.ok();
    assert_eq!(server.get(STORES).await.ok()["data"], json!([]));
    let listed = server.get(WORKSPACES).await.ok();
    assert_eq!(column(&listed, "name"), ["research", "default"]);

    let deleted = server.delete(&format!("{WORKSPACES}/{workspace}")).await.ok();

    assert_eq!(deleted, json!({"id": workspace, "type": "workspace_deleted"}));
    server.call_as(key, "GET", STORES, None).await.refused(401);
    server.delete(&format!("{WORKSPACES}/{workspace}")).await.refused(404);
    assert_eq!(column(&server.get(WORKSPACES).await.ok(), "name"), ["default"]);
    let first = text(&server.get(WORKSPACES).await.ok()["data"][0], "id").to_owned();
    server.delete(&format!("{WORKSPACES}/{first}")).await.refused(400);
}

#[tokio::test]
async fn under_dev_each_unknown_key_is_its_own_empty_workspace() {
    let server = Server::with(Setup { dev: true, ..Setup::default() }).await;
    let list = async |key: &str| server.call_as(key, "GET", STORES, None).await;

    let before = list("one").await;
    let workspace = before.header("anthropic-workspace-id").unwrap().to_owned();
    assert_eq!(before.ok()["data"], json!([]));
    let made = server.call_as("one", "POST", STORES, Some(json!({"name": "mine"}))).await.ok();
    let after = list("one").await;

    assert_eq!(after.header("anthropic-workspace-id"), Some(workspace.as_str()));
    assert_eq!(column(&after.ok(), "name"), ["mine"]);
    assert_eq!(list("two").await.ok()["data"], json!([]));
    assert_eq!(server.get(STORES).await.ok()["data"], json!([]), "the configured key is itself");
    let path = format!("{STORES}/{}", text(&made, "id"));
    server.call_as("two", "GET", &path, None).await.refused(404);
    server.call_as("one", "DELETE", &path, None).await.ok();
}

#[tokio::test]
async fn under_dev_a_key_that_only_read_is_not_kept() {
    let server = Server::with(Setup { dev: true, ..Setup::default() }).await;

    server.call_as("reader", "GET", STORES, None).await.ok();
    assert_eq!(server.call_as("reader", "GET", KEYS, None).await.ok()["data"], json!([]));
    assert_eq!(column(&server.get(WORKSPACES).await.ok(), "name"), ["default"]);
    server.call_as("writer", "POST", STORES, Some(json!({"name": "n"}))).await.ok();

    assert_eq!(server.get(WORKSPACES).await.ok()["data"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn keys_of_a_deleted_workspace_are_listed_where_it_is_named() {
    let server = Server::start().await;
    let other = server.post(WORKSPACES, json!({"name": "other"})).await.ok();
    let other = text(&other, "id");
    let body = json!({"name": "theirs", "workspace_id": other});
    let key = server.post(KEYS, body).await.ok();
    server.call("DELETE", &format!("{WORKSPACES}/{other}"), None).await.ok();

    let theirs = server.get(&format!("{KEYS}?workspace_id={other}")).await.ok();

    assert_eq!(column(&theirs, "id"), [text(&key, "id")]);
    assert!(!theirs["data"][0]["revoked_at"].is_null());
    assert_eq!(column(&server.get(KEYS).await.ok(), "name"), ["configured"]);
    for never in ["wrkspc_01M8DX85HNFB12RSYTAV02SCDF", "x"] {
        let message = server.get(&format!("{KEYS}?workspace_id={never}")).await.message(404);
        assert!(message.contains("workspace not found"), "{message}");
    }
}

#[tokio::test]
async fn under_dev_a_key_whose_workspace_was_deleted_is_revoked() {
    let server = Server::with(Setup { dev: true, ..Setup::default() }).await;
    let made = server.call_as("one", "POST", STORES, Some(json!({"name": "n"}))).await;
    let workspace = made.header("anthropic-workspace-id").unwrap().to_owned();

    server.call_as("one", "DELETE", &format!("{WORKSPACES}/{workspace}"), None).await.ok();

    let again = server.call_as("one", "POST", STORES, Some(json!({"name": "n"}))).await;
    assert_eq!(again.message(401), "this API key has been revoked");
}

#[tokio::test]
async fn the_configured_key_can_not_be_revoked_while_it_is_configured() {
    let server = Server::start().await;
    let id = column(&server.get(KEYS).await.ok(), "id").remove(0);

    let message = server.call("POST", &format!("{KEYS}/{id}/revoke"), None).await.message(400);

    assert!(message.contains("--api-key"), "{message}");
    server.get(STORES).await.ok();
}

#[tokio::test]
async fn the_first_workspace_stays_the_first_whatever_the_clock_says() {
    let database = Database::fresh();
    let server = Server::on(&database).await;
    server.store().await;
    server.clock.set_micros(NOW - 86_400_000_000);
    server.post(WORKSPACES, json!({"name": "earlier"})).await.ok();
    server.app.close().await;

    let again = Server::on(&database).await;

    assert_eq!(again.get(STORES).await.ok()["data"].as_array().unwrap().len(), 1);
    assert_eq!(again.get(WORKSPACES).await.ok()["data"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn the_configured_key_has_the_same_id_on_every_start() {
    let (one, two) = (Server::start().await, Server::start().await);
    let mut actors = Vec::new();

    for server in [&one, &two] {
        let store = server.store().await;
        server.memory(&store, "/a", "x").await;
        actors.push(server.versions(&store).await[0]["created_by"].clone());
    }

    assert_eq!(actors[0], actors[1]);
    let listed = one.call_as(KEY, "GET", KEYS, None).await.ok();
    assert_eq!(column(&listed, "id"), [text(&actors[0], "api_key_id")]);
}
