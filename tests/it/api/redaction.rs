use serde_json::{Value, json};

use crate::support::Server;
use crate::support::server::{NOW, text};

async fn redact(server: &Server, store: &str, version: &Value) -> crate::support::Answer {
    let version = version.as_str().unwrap();
    server.call("POST", &format!("{store}/memory_versions/{version}/redact"), None).await
}

#[tokio::test]
async fn a_redacted_version_keeps_who_and_when_and_loses_what() {
    let server = Server::start().await;
    let store = server.store().await;
    let made = server.memory(&store, "/a", "one").await;
    let memory = format!("{store}/memories/{}", text(&made, "id"));
    server.post(&memory, json!({"content": "two"})).await.ok();
    let before = server.versions(&store).await[1].clone();
    server.clock.set_micros(NOW + 9_000_000);

    let redacted = redact(&server, &store, &made["memory_version_id"]).await.ok();
    let again = redact(&server, &store, &made["memory_version_id"]).await.ok();

    for field in ["path", "content", "content_size_bytes", "content_sha256"] {
        assert!(redacted[field].is_null(), "{field}");
    }
    for field in ["id", "memory_id", "operation", "created_at", "created_by"] {
        assert_eq!(redacted[field], before[field], "{field}");
    }
    assert_eq!(redacted["redacted_at"], "2026-11-22T10:00:09.000000Z");
    assert_eq!(redacted["redacted_by"], before["created_by"]);
    assert_eq!(again, redacted);
    assert_eq!(server.versions(&store).await.len(), 2, "a redaction is no version");
    assert_eq!(server.get(&memory).await.ok()["content"], "two");
}

#[tokio::test]
async fn the_head_of_a_live_memory_is_refused_with_the_way_to_do_it() {
    let server = Server::start().await;
    let store = server.store().await;
    let made = server.memory(&store, "/a", "one").await;

    let head = redact(&server, &store, &made["memory_version_id"]).await;
    insta::assert_snapshot!(head.message(400), @"memory version memver_01M81B5H800000000000000009 is the head of the live memory mem_01M81B5H800000000000000008 and can't be redacted: write a new version of that memory first, or delete it");

    server.delete(&format!("{store}/memories/{}", text(&made, "id"))).await.ok();
    redact(&server, &store, &made["memory_version_id"]).await.ok();
    let tombstone = server.versions(&store).await[0].clone();
    assert_eq!(tombstone["path"], "/a");
    assert!(redact(&server, &store, &tombstone["id"]).await.ok()["path"].is_null());
}

#[tokio::test]
async fn redacting_the_first_version_leaves_a_renamed_memory_whole() {
    let server = Server::start().await;
    let store = server.store().await;
    let made = server.memory(&store, "/a", "one").await;
    let memory = format!("{store}/memories/{}", text(&made, "id"));
    server.post(&memory, json!({"path": "/b"})).await.ok();

    redact(&server, &store, &made["memory_version_id"]).await.ok();

    let read = server.get(&memory).await.ok();
    assert_eq!((&read["path"], &read["content"]), (&json!("/b"), &json!("one")));
    let versions = server.versions(&store).await;
    assert_eq!(versions[0]["content"], "one");
    assert!(versions[1]["content"].is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn in_memory_reads_and_redactions_do_not_wait_for_each_other() {
    let server = Server::start().await;
    let store = server.store().await;
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let (server, path) = (server.clone(), format!("{store}/memories"));
            tokio::spawn(async move {
                for _ in 0..200 {
                    server.get(&path).await.ok();
                }
            })
        })
        .collect();

    for number in 0..10 {
        let made = server.memory(&store, &format!("/{number}"), "x").await;
        server.delete(&format!("{store}/memories/{}", text(&made, "id"))).await.ok();
        redact(&server, &store, &made["memory_version_id"]).await.ok();
    }
    for reader in readers {
        reader.await.unwrap();
    }
}

#[tokio::test]
async fn redacted_versions_still_match_filters() {
    let server = Server::start().await;
    let store = server.store().await;
    let made = server.memory(&store, "/a", "one").await;
    server.delete(&format!("{store}/memories/{}", text(&made, "id"))).await.ok();
    redact(&server, &store, &made["memory_version_id"]).await.ok();

    for filter in [format!("memory_id={}", text(&made, "id")), "operation=created".into()] {
        let page = server.get(&format!("{store}/memory_versions?{filter}")).await.ok();
        let found = page["data"].as_array().unwrap();
        assert!(found.iter().any(|version| version["id"] == made["memory_version_id"]));
    }
}
