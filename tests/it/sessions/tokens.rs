//! Session tokens and environment keys: what each reaches, and when it ends.

use serde_json::{Value, json};

use super::work::token;
use crate::support::server::{KEY, NOW, Setup, text};
use crate::support::{Database, Server, Stage};

const HOUR: u64 = 3_600_000_000;

fn memories(stage: &Stage, number: usize) -> String {
    format!("/v1/memory_stores/{}/memories", stage.stores[number])
}

fn note(path: &str) -> Value {
    json!({"path": path, "content": "x"})
}

#[tokio::test]
async fn what_a_session_writes_says_so() {
    let server = Server::start().await;
    let stage = Stage::new(&server).await;
    let token = stage.token(&server).await;

    let made = server.call_as(&token, "POST", &memories(&stage, 0), Some(note("/a"))).await.ok();
    let path = format!("{}/{}", memories(&stage, 0), text(&made, "id"));
    server.call_as(&token, "POST", &path, Some(json!({"content": "y"}))).await.ok();
    server.call_as(&token, "DELETE", &path, None).await.ok();

    let store = format!("/v1/memory_stores/{}", stage.stores[0]);
    let by = json!({"type": "session_actor", "session_id": stage.session});
    let versions = server.versions(&store).await;
    assert_eq!(versions.len(), 3);
    assert!(versions.iter().all(|version| version["created_by"] == by));
    let own = format!("{store}/memory_versions?session_id={}", stage.session);
    let own = server.call_as(&token, "GET", &own, None).await.ok();
    assert_eq!(own["data"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_read_only_store_is_read_and_not_written_to() {
    let server = Server::start().await;
    let stage = Stage::new(&server).await;
    let token = stage.token(&server).await;
    let store = format!("/v1/memory_stores/{}", stage.stores[1]);
    let made = server.memory(&store, "/rules", "be kind").await;
    let path = format!("{}/{}", memories(&stage, 1), text(&made, "id"));

    let read = server.call_as(&token, "GET", &path, None).await.ok();
    assert_eq!(read["content"], "be kind");
    for (method, path, body) in [
        ("POST", memories(&stage, 1), Some(note("/b"))),
        ("POST", path.clone(), Some(json!({"content": "y"}))),
        ("DELETE", path, None),
    ] {
        let refused = server.call_as(&token, method, &path, body).await.refused(403);
        assert_eq!(refused["type"], "permission_error");
    }
    assert_eq!(server.versions(&store).await.len(), 1);
}

#[tokio::test]
async fn what_is_not_attached_does_not_exist_for_a_session() {
    let server = Server::start().await;
    let stage = Stage::new(&server).await;
    let token = stage.token(&server).await;
    let other = server.store().await;
    let unknown = format!("/v1/memory_stores/memstore_{}", "0".repeat(26));

    for store in [&other, &unknown] {
        for path in [store.clone(), format!("{store}/memories"), format!("{store}/memory_versions")]
        {
            server.call_as(&token, "GET", &path, None).await.refused(404);
        }
        let path = format!("{store}/memories");
        server.call_as(&token, "POST", &path, Some(note("/a"))).await.refused(404);
    }
    let second = stage.another(&server).await;
    let path = format!("/v1/sessions/{}", text(&second, "id"));
    server.call_as(&token, "GET", &path, None).await.refused(404);
    let events = format!("{path}/events");
    server.call_as(&token, "GET", &events, None).await.refused(404);
    let result = json!({"type": "user.tool_result", "tool_use_id": "sevt_1"});
    let body = Some(json!({"events": [result]}));
    server.call_as(&token, "POST", &events, body).await.refused(404);
}

/// What runs in a sandbox holds the token, and must not allow its own calls.
#[tokio::test]
async fn a_session_answers_its_calls_and_says_nothing_for_its_user() {
    let server = Server::start().await;
    let stage = Stage::new(&server).await;
    let token = stage.token(&server).await;
    let call = json!([{"type": "agent.tool_use", "name": "bash", "input": {}}]);
    let used = stage.play(&server, call).await;
    let id = text(&used["data"][0], "id");
    let events = format!("{}/events", stage.path());
    let sent = async |event: Value| {
        let body = Some(json!({"events": [event]}));
        server.call_as(&token, "POST", &events, body).await
    };

    sent(json!({"type": "user.tool_result", "tool_use_id": id})).await.ok();
    for event in [
        json!({"type": "user.message", "content": []}),
        json!({"type": "user.interrupt"}),
        json!({"type": "user.tool_confirmation", "tool_use_id": id, "result": "allow"}),
    ] {
        sent(event).await.refused(403);
    }
}

#[tokio::test]
async fn a_session_does_not_redact() {
    let server = Server::start().await;
    let stage = Stage::new(&server).await;
    let token = stage.token(&server).await;
    let made = server.call_as(&token, "POST", &memories(&stage, 0), Some(note("/a"))).await.ok();
    let path = format!("{}/{}", memories(&stage, 0), text(&made, "id"));
    server.call_as(&token, "DELETE", &path, None).await.ok();
    let store = format!("/v1/memory_stores/{}", stage.stores[0]);
    let version = text(&made, "memory_version_id");

    let redact = format!("{store}/memory_versions/{version}/redact");

    server.call_as(&token, "POST", &redact, None).await.refused(403);
    server.call_as(&token, "DELETE", &store, None).await.refused(403);
    server.call_as(&token, "GET", "/v1/memory_stores", None).await.refused(403);
}

#[tokio::test]
async fn a_token_ends_when_it_was_to_or_with_its_session() {
    let server = Server::start().await;
    let stage = Stage::new(&server).await;
    let path = format!("/x/v1/sessions/{}/tokens", stage.session);
    let short = server.post(&path, json!({"expires_in_seconds": 3600})).await.ok();
    let lasting = stage.token(&server).await;
    let store = format!("/v1/memory_stores/{}", stage.stores[0]);
    let call = async |token: &str| server.call_as(token, "GET", &store, None).await.status.as_u16();
    assert_eq!((call(text(&short, "token")).await, call(&lasting).await), (200, 200));

    server.clock.set_micros(NOW + HOUR + 1_000_000);
    assert_eq!((call(text(&short, "token")).await, call(&lasting).await), (401, 200));
    server.call("POST", &format!("{}/archive", stage.path()), None).await.ok();

    assert_eq!(call(&lasting).await, 401);
    server.call("POST", &path, None).await.refused(400);
    for bad in [0, -1, 86_401] {
        server.post(&path, json!({"expires_in_seconds": bad})).await.refused(400);
    }
}

#[tokio::test]
async fn all_tokens_of_a_session_are_revoked_and_it_goes_on() {
    let database = Database::fresh();
    let server = Server::on(&database).await;
    let stage = Stage::new(&server).await;
    let path = format!("/x/v1/sessions/{}/tokens", stage.session);
    let minted = stage.token(&server).await;
    let key = stage.environment_key(&server).await;
    let polled = server.call_as(&key, "GET", &format!("{}/poll", stage.queue()), None).await.ok();
    let another = stage.another(&server).await;
    let other = format!("/x/v1/sessions/{}/tokens", text(&another, "id"));
    let other = text(&server.call("POST", &other, None).await.ok(), "token").to_owned();
    let store = format!("/v1/memory_stores/{}", stage.stores[0]);
    let call = async |token: &str| server.call_as(token, "GET", &store, None).await.status.as_u16();
    let polled = token(&polled);
    for good in [&minted, &polled, &other] {
        assert_eq!(call(good).await, 200);
    }

    let revoked = server.call("POST", &format!("{path}/revoke"), None).await.ok();

    let expected =
        json!({"type": "session_tokens_revoked", "session_id": stage.session, "revoked": 2});
    assert_eq!(revoked, expected);
    assert_eq!((call(&minted).await, call(&polled).await, call(&other).await), (401, 401, 200));
    let again = server.call("POST", &format!("{path}/revoke"), None).await.ok();
    assert_eq!(again["revoked"], 0);
    assert_eq!(call(&stage.token(&server).await).await, 200, "the session goes on");
    let journal = server.get("/x/v1/journal?kind=tokens_revoked").await.ok();
    let [entry] = journal["data"].as_array().unwrap().as_slice() else { panic!("{journal:#}") };
    assert_eq!(entry["subject"], json!(stage.session), "{entry:#}");
    server.call("POST", "/x/v1/sessions/sesn_1/tokens/revoke", None).await.refused(404);
    server.call_as(&other, "POST", &format!("{path}/revoke"), None).await.refused(403);
}

#[tokio::test]
async fn the_secret_of_a_token_is_kept_nowhere() {
    let database = Database::fresh();
    let server = Server::on(&database).await;
    let stage = Stage::new(&server).await;
    let token = stage.token(&server).await;
    server.call_as(&token, "GET", &stage.path(), None).await.ok();
    let key = stage.environment_key(&server).await;
    let polled = server.call_as(&key, "GET", &format!("{}/poll", stage.queue()), None).await.ok();
    assert!(polled["secret"].is_string());

    let mut direct = database.direct().await;
    let kept = direct.count("select count(*) from session_tokens").await;

    assert_eq!(kept, 2);
    let hashed = "select count(*) from session_tokens where length(token_sha256) = 32";
    assert_eq!(direct.count(hashed).await, 2);
    let columns = "select id || coalesce(work_id, '') || session_id from session_tokens";
    for row in direct.texts(columns).await {
        assert!(!row.contains(&token) && !row.contains(&token[token.len() - 12..]), "{row}");
    }
}

/// One that has ended, or never was, would be a workspace of its own as a key.
#[tokio::test]
async fn under_dev_a_token_is_never_taken_for_a_key() {
    let server = Server::with(Setup { dev: true, ..Setup::default() }).await;
    let stage = Stage::new(&server).await;
    let token = stage.token(&server).await;
    server.delete(&stage.path()).await.ok();

    server.call_as(&token, "GET", "/v1/memory_stores", None).await.refused(401);
    let cut = &token[..token.len() - 1];
    let message = server.call_as(cut, "GET", "/v1/memory_stores", None).await.message(401);
    assert!(message.contains("check sum"), "{message}");
}

#[tokio::test]
async fn an_environment_key_is_for_its_queue_alone() {
    let server = Server::start().await;
    let stage = Stage::new(&server).await;
    let key = stage.environment_key(&server).await;
    let store = format!("/v1/memory_stores/{}", stage.stores[0]);
    for path in [
        store.clone(),
        format!("{store}/memories"),
        format!("{store}/memory_versions"),
        stage.path(),
        "/v1/sessions".into(),
        "/x/v1/api_keys".into(),
    ] {
        let refused = server.call_as(&key, "GET", &path, None).await.refused(403);
        assert_eq!(refused["type"], "permission_error", "{path}");
    }

    let other = json!({"name": "other", "config": {"type": "self_hosted"}});
    let other = server.post("/v1/environments", other).await.ok();
    let poll = format!("/v1/environments/{}/work/poll", text(&other, "id"));
    server.call_as(&key, "GET", &poll, None).await.refused(403);
    server.call_as(KEY, "GET", &poll, None).await.refused(403);
}

#[tokio::test]
async fn an_environment_key_is_made_for_a_queue_without_scopes() {
    let server = Server::start().await;
    let stage = Stage::new(&server).await;
    let cloud = server.post("/v1/environments", json!({"name": "c"})).await.ok();
    let make = async |body: Value| server.post("/x/v1/api_keys", body).await;

    let made = make(json!({"name": "k", "environment_id": stage.environment})).await.ok();

    assert_eq!((&made["scopes"], &made["environment_id"]), (&json!([]), &json!(stage.environment)));
    make(json!({"name": "k", "environment_id": cloud["id"]})).await.refused(400);
    make(json!({"name": "k", "environment_id": format!("env_{}", "0".repeat(26))}))
        .await
        .refused(404);
    make(json!({"name": "k", "environment_id": stage.environment, "scopes": ["read"]}))
        .await
        .refused(400);
    make(json!({"name": "k", "environment_id": stage.environment, "as_user": "ann"}))
        .await
        .refused(400);
    let revoke = format!("/x/v1/api_keys/{}/revoke", text(&made, "id"));
    server.call("POST", &revoke, None).await.ok();
    let poll = format!("{}/poll", stage.queue());
    server.call_as(text(&made, "key"), "GET", &poll, None).await.refused(401);
}

#[tokio::test]
async fn a_token_that_a_poll_makes_is_in_the_journal_as_its_worker_s() {
    let server = Server::start().await;
    let stage = Stage::new(&server).await;
    let key = json!({"name": "workers", "environment_id": stage.environment});
    let key = server.post("/x/v1/api_keys", key).await.ok();
    let path = format!("{}/poll", stage.queue());
    let poll = async || server.call_as(text(&key, "key"), "GET", &path, None).await.ok();

    let offered = poll().await;
    assert_eq!(poll().await, Value::Null);

    let token = token(&offered);
    server.call_as(&token, "POST", &memories(&stage, 0), Some(note("/a"))).await.ok();
    let made = server.get("/x/v1/journal?kind=token_created").await.ok();
    let written = format!("/x/v1/journal?kind=version_written&store_id={}", stage.stores[0]);
    let written = server.get(&written).await.ok();
    let [made] = &made["data"].as_array().unwrap()[..] else { panic!("{made:#}") };
    assert_eq!(made["credential_id"], key["id"]);
    assert_eq!(made["subject"], written["data"][0]["credential_id"]);
}
