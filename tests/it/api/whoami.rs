use memstored::domain::limits::Limits;
use serde_json::{Value, json};

use crate::support::server::{KEY, Setup, column, text};
use crate::support::{Server, Stage};

const WHOAMI: &str = "/x/v1/whoami";

async fn asked(server: &Server, key: &str) -> Value {
    server.call_as(key, "GET", WHOAMI, None).await.ok()
}

#[tokio::test]
async fn a_key_is_told_what_it_is_whatever_its_scopes_are() {
    let server = Server::start().await;
    let body = json!({
        "name": "ci", "scopes": ["redact"], "as_service": "nightly",
        "expires_at": "2027-01-01T00:00:00Z",
    });
    let key = server.post("/x/v1/api_keys", body).await.ok();

    let answer = server.call_as(text(&key, "key"), "GET", WHOAMI, None).await;

    assert_eq!(answer.json()["created_by"], key["actor"]);
    insta::assert_snapshot!(answer.render(), @r#"
    200 OK
    content-type: application/json
    request-id: req_01M81B5H800000000000000008
    anthropic-organization-id: 00000000-0000-4000-8000-000000000001
    anthropic-workspace-id: wrkspc_01M81B5H800000000000000002
    {
      "actor_name": "nightly",
      "created_by": {
        "service_account_id": "svac_01M81B5H800000000000000007",
        "type": "service_account_actor"
      },
      "credential_id": "apikey_KC67JDSP869MREX37S73NS86NE",
      "environment_id": null,
      "expires_at": "2027-01-01T00:00:00.000000Z",
      "limits": {
        "max_content_bytes": 102400,
        "max_memories_per_store": 10000
      },
      "name": "ci",
      "organization_id": "00000000-0000-4000-8000-000000000001",
      "scopes": [
        "redact"
      ],
      "session_id": null,
      "stores": [],
      "type": "whoami",
      "workspace_id": "wrkspc_01M81B5H800000000000000002"
    }
    "#);
}

#[tokio::test]
async fn a_session_token_is_told_its_session_and_its_stores() {
    let server = Server::start().await;
    let stage = Stage::new(&server).await;
    let path = format!("/x{}/tokens", stage.path());
    let token = server.post(&path, json!({"expires_in_seconds": 60})).await.ok();

    let said = asked(&server, text(&token, "token")).await;

    assert!(text(&said, "credential_id").starts_with("sesntok_"));
    assert_eq!(said["session_id"], stage.session);
    assert_eq!(said["created_by"], json!({"type": "session_actor", "session_id": stage.session}));
    assert_eq!(said["expires_at"], token["expires_at"]);
    assert_eq!(said["scopes"], json!([]));
    assert!(said["name"].is_null() && said["environment_id"].is_null());
    let [written, read] = &stage.stores;
    let stores = json!([
        {"memory_store_id": written, "access": "read_write"},
        {"memory_store_id": read, "access": "read_only"},
    ]);
    assert_eq!(said["stores"], stores);
    let unending = stage.token(&server).await;
    assert!(asked(&server, &unending).await["expires_at"].is_null());
}

#[tokio::test]
async fn an_environment_key_is_told_its_environment() {
    let server = Server::start().await;
    let stage = Stage::new(&server).await;
    let key = stage.environment_key(&server).await;

    let said = asked(&server, &key).await;

    assert_eq!(said["environment_id"], stage.environment);
    assert_eq!(said["name"], "workers");
    assert_eq!(said["scopes"], json!([]));
    assert_eq!(said["stores"], json!([]));
    assert!(said["session_id"].is_null());
}

#[tokio::test]
async fn any_credential_is_told_what_the_server_takes() {
    let limits = Limits { memories_per_store: 7, content_bytes: 300_000, ..Limits::default() };
    let server = Server::with(Setup { limits, ..Setup::default() }).await;
    let stage = Stage::new(&server).await;

    for key in [
        KEY.to_owned(),
        server.key(&["redact"]).await,
        stage.environment_key(&server).await,
        stage.token(&server).await,
    ] {
        let said = asked(&server, &key).await;
        let limits = json!({"max_content_bytes": 300_000, "max_memories_per_store": 7});
        assert_eq!(said["limits"], limits);
    }
}

#[tokio::test]
async fn who_is_no_credential_is_told_nothing() {
    let server = Server::start().await;
    let key = server.post("/x/v1/api_keys", json!({"name": "k"})).await.ok();
    let revoke = format!("/x/v1/api_keys/{}/revoke", text(&key, "id"));
    server.call("POST", &revoke, None).await.ok();

    server.call_as("stranger", "GET", WHOAMI, None).await.refused(401);
    server.call_as(text(&key, "key"), "GET", WHOAMI, None).await.refused(401);
}

#[tokio::test]
async fn under_dev_asking_leaves_nothing_behind() {
    let server = Server::with(Setup { dev: true, ..Setup::default() }).await;

    let before = asked(&server, "one").await;
    let known = server.get("/x/v1/workspaces").await.ok();
    server.call_as("one", "POST", "/v1/memory_stores", Some(json!({"name": "n"}))).await.ok();
    let after = asked(&server, "one").await;

    assert_eq!(column(&known, "name"), ["default"]);
    assert!(before["name"].is_null());
    assert_eq!(after["name"], "dev");
    for field in ["credential_id", "workspace_id", "created_by", "scopes"] {
        assert_eq!(before[field], after[field], "{field}");
    }
    assert_eq!(asked(&server, KEY).await["name"], "configured");
}
