use serde_json::{Value, json};

use crate::support::Server;
use crate::support::server::{NOW, column, text};

#[tokio::test]
async fn a_version_has_every_field() {
    let server = Server::start().await;
    let store = server.store().await;
    let made = server.memory(&store, "/a", "one").await;

    let version = text(&made, "memory_version_id");
    let answer = server.get(&format!("{store}/memory_versions/{version}")).await;

    insta::assert_snapshot!(answer.render(), @r#"
    200 OK
    content-type: application/json
    request-id: req_01M81B5H80000000000000000A
    anthropic-organization-id: 00000000-0000-4000-8000-000000000001
    anthropic-workspace-id: wrkspc_01M81B5H800000000000000002
    {
      "content": "one",
      "content_sha256": "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed",
      "content_size_bytes": 3,
      "created_at": "2026-11-22T10:00:00.000001Z",
      "created_by": {
        "api_key_id": "apikey_AGWVCVZABP1Q8NTQRNVMZZFD38",
        "type": "api_actor"
      },
      "id": "memver_01M81B5H800000000000000009",
      "memory_id": "mem_01M81B5H800000000000000008",
      "memory_store_id": "memstore_01M81B5H800000000000000006",
      "operation": "created",
      "path": "/a",
      "redacted_at": null,
      "redacted_by": null,
      "type": "memory_version"
    }
    "#);
}

#[tokio::test]
async fn a_list_is_basic_and_a_retrieve_is_full_unless_asked_otherwise() {
    let server = Server::start().await;
    let store = server.store().await;
    let made = server.memory(&store, "/a", "one").await;
    let one = format!("{store}/memory_versions/{}", text(&made, "memory_version_id"));
    let list = format!("{store}/memory_versions");

    assert_eq!(server.get(&one).await.ok()["content"], "one");
    assert!(server.get(&format!("{one}?view=basic")).await.ok()["content"].is_null());
    assert!(server.get(&list).await.ok()["data"][0]["content"].is_null());
    let full = server.get(&format!("{list}?view=full")).await.ok();
    assert_eq!(full["data"][0]["content"], "one");
}

#[tokio::test]
async fn filters_hold_together() {
    let server = Server::start().await;
    let store = server.store().await;
    let one = server.memory(&store, "/one", "1").await;
    server.clock.set_micros(NOW + 1_000_000);
    let two = server.memory(&store, "/two", "2").await;
    server.clock.set_micros(NOW + 2_000_000);
    server.delete(&format!("{store}/memories/{}", text(&one, "id"))).await.ok();
    let list = async |query: String| {
        let page = server.get(&format!("{store}/memory_versions?{query}")).await.ok();
        let items = page["data"].as_array().unwrap().clone();
        let name = |item: &Value| format!("{} {}", text(item, "operation"), text(item, "path"));
        items.iter().map(name).collect::<Vec<_>>()
    };
    let (one, two) = (text(&one, "id"), text(&two, "id"));
    let versions = server.versions(&store).await;
    let key = text(&versions[0]["created_by"], "api_key_id");

    assert_eq!(list(String::new()).await, ["deleted /one", "created /two", "created /one"]);
    assert_eq!(list(format!("memory_id={one}")).await, ["deleted /one", "created /one"]);
    assert_eq!(list(format!("memory_id={two}&operation=created")).await, ["created /two"]);
    assert_eq!(list("operation=deleted".into()).await, ["deleted /one"]);
    assert_eq!(list(format!("api_key_id={key}&memory_id={two}")).await, ["created /two"]);
    assert_eq!(list("created_at[gte]=2026-11-22T10:00:02Z".into()).await, ["deleted /one"]);
    assert_eq!(list("created_at[lte]=2026-11-22T10:00:00.5Z".into()).await, ["created /one"]);
    for nobody in [
        "memory_id=mem_00000000000000000000000000".into(),
        "session_id=sesn_1".into(),
        "service_account_id=svac_1".into(),
        format!("session_id={key}"),
        format!("api_key_id={key}&session_id=sesn_1"),
    ] {
        assert!(list(nobody.clone()).await.is_empty(), "{nobody}");
    }
    server.get(&format!("{store}/memory_versions?operation=renamed")).await.refused(400);
}

#[tokio::test]
async fn versions_are_paged_newest_first() {
    let server = Server::start().await;
    let store = server.store().await;
    for number in 0..7 {
        server.memory(&store, &format!("/{number}"), "x").await;
    }

    let first = server.get(&format!("{store}/memory_versions?limit=3")).await.ok();
    let page = text(&first, "next_page");
    let second = server.get(&format!("{store}/memory_versions?limit=100&page={page}")).await.ok();

    assert_eq!(column(&first, "path"), ["/6", "/5", "/4"]);
    assert_eq!(column(&second, "path"), ["/3", "/2", "/1", "/0"]);
    assert!(second["next_page"].is_null());
    let range = "created_at[lte]=2026-11-22T10:00:00Z";
    server.get(&format!("{store}/memory_versions?page={page}&{range}")).await.refused(400);
}

#[tokio::test]
async fn a_change_is_attributed_to_whom_its_key_acts_as() {
    let server = Server::start().await;
    let store = server.store().await;
    let keys =
        [json!({"name": "k", "as_service": "nightly"}), json!({"name": "k", "as_user": "ada"})];
    for (number, body) in keys.into_iter().enumerate() {
        let key = server.post("/x/v1/api_keys", body).await.ok();
        let body = json!({"path": format!("/{number}"), "content": ""});
        let path = format!("{store}/memories");
        server.call_as(text(&key, "key"), "POST", &path, Some(body)).await.ok();
    }

    let versions = server.versions(&store).await;

    assert_eq!(versions[0]["created_by"]["type"], "user_actor");
    assert_eq!(versions[1]["created_by"]["type"], "service_account_actor");
    let account = text(&versions[1]["created_by"], "service_account_id");
    let filtered = format!("{store}/memory_versions?service_account_id={account}");
    assert_eq!(column(&server.get(&filtered).await.ok(), "path"), ["/0"]);
}

#[tokio::test]
async fn nothing_that_a_caller_sends_sets_the_actor_or_the_time() {
    let server = Server::start().await;
    let store = server.store().await;
    let forged = json!({"type": "user_actor", "user_id": "user_1"});

    for field in ["created_by", "created_at", "id", "content_sha256", "memory_version_id"] {
        let body = json!({"path": "/a", "content": "x", field: forged});
        let message = server.post(&format!("{store}/memories"), body).await.message(400);
        assert!(message.contains(field), "{message}");
    }
    let path = format!("{store}/memories?created_by=user_1&actor=user_1");
    let request = crate::support::server::request("test-key", "POST", &path)
        .header("x-actor", "user_1")
        .header("anthropic-user-id", "user_1")
        .body(json!({"path": "/a", "content": "x"}).to_string().into())
        .unwrap();
    server.send(request).await.ok();

    assert_eq!(server.versions(&store).await[0]["created_by"]["type"], "api_actor");
}
