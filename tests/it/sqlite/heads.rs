//! Memories that were read are kept near, and never answered when they are no longer true.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::server::text;
use crate::support::{Database, Program, Server};

/// A server on a file, and a memory that it has read.
async fn kept() -> (Database, Server, String, String) {
    let database = Database::file();
    let server = Server::on(&database).await;
    let store = server.store().await;
    let made = server.memory(&store, "/a", "one").await;
    let memory = format!("{store}/memories/{}", text(&made, "id"));
    for _ in 0..2 {
        server.get(&memory).await.ok();
    }
    (database, server, store, memory)
}

async fn shows(server: &Server, memory: &str, field: &str, value: &str) {
    assert_eq!(server.get(memory).await.ok()[field], value);
}

#[test]
fn a_memory_that_is_read_again_costs_no_trip_to_the_database() {
    let folder = TempDir::new().unwrap();
    let arguments = ["--metrics-listen", "127.0.0.1:0", "--api-key", "k"];
    let mut server = Program::serve(folder.path(), &arguments);
    let (_, store) = server.call("k", "POST", "/v1/memory_stores", Some(&json!({"name": "n"})));
    let memories = format!("/v1/memory_stores/{}/memories", text(&store, "id"));
    let body = json!({"path": "/a", "content": "x"});
    let (_, made) = server.call("k", "POST", &memories, Some(&body));
    let memory = format!("{memories}/{}", text(&made, "id"));

    for _ in 0..3 {
        assert_eq!(server.call("k", "GET", &memory, None).1["content"], "x");
    }

    let figures = server.greeting.split("figures on http://").nth(1).unwrap();
    server.address = figures.split('/').next().unwrap().to_owned();
    let page = server.raw(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    for figure in [
        "memstored_memories_read_total{from=\"database\"} 1",
        "memstored_memories_read_total{from=\"kept\"} 2",
    ] {
        assert!(page.contains(figure), "{figure}: {page}");
    }
}

#[tokio::test]
async fn what_this_server_changes_is_read_at_once() {
    let (_database, server, store, memory) = kept().await;

    server.post(&memory, json!({"content": "two"})).await.ok();
    shows(&server, &memory, "content", "two").await;
    server.post(&memory, json!({"path": "/b"})).await.ok();
    shows(&server, &memory, "path", "/b").await;
    server.delete(&memory).await.ok();
    server.get(&memory).await.refused(404);

    let made = server.memory(&store, "/c", "one").await;
    let memory = format!("{store}/memories/{}", text(&made, "id"));
    shows(&server, &memory, "path", "/c").await;
    server.delete(&store).await.ok();
    server.get(&memory).await.refused(404);
}

#[tokio::test]
async fn what_another_server_on_the_file_changes_is_read_at_once() {
    let (database, server, _, memory) = kept().await;
    let other = Server::on(&database).await;

    for content in ["two", "three", "four"] {
        other.post(&memory, json!({"content": content})).await.ok();
        shows(&server, &memory, "content", content).await;
        shows(&other, &memory, "content", content).await;
    }
    server.post(&memory, json!({"content": "five"})).await.ok();
    shows(&server, &memory, "content", "five").await;
    shows(&other, &memory, "content", "five").await;
}

#[tokio::test]
async fn what_an_operator_changes_by_hand_is_read_at_once() {
    let (database, server, store, memory) = kept().await;
    let mut direct = database.direct().await;

    direct.run("update memories set path = '/by-hand'").await;
    shows(&server, &memory, "path", "/by-hand").await;

    // The server's own change does not bring back what it had kept before.
    server.memory(&store, "/other", "x").await;
    shows(&server, &memory, "path", "/by-hand").await;
}

#[tokio::test]
async fn a_memory_is_kept_for_its_own_store_and_workspace() {
    let (_database, server, _, memory) = kept().await;
    let id = memory.rsplit('/').next().unwrap();
    let other = server.store().await;

    server.get(&format!("{other}/memories/{id}")).await.refused(404);
    let workspace = server.post("/x/v1/workspaces", json!({"name": "other"})).await.ok();
    let body = json!({"name": "made", "workspace_id": text(&workspace, "id")});
    let key = server.post("/x/v1/api_keys", body).await.ok();
    server.call_as(text(&key, "key"), "GET", &memory, None).await.refused(404);
}

/// Whatever is read while others write is no older than what they were told before.
#[tokio::test(flavor = "multi_thread")]
async fn no_read_is_older_than_what_was_acknowledged_before_it() {
    let (_database, server, store, memory) = kept().await;
    let number = |value: &Value| text(value, "content").parse::<usize>().unwrap_or(0);
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let (server, memory) = (server.clone(), memory.clone());
            let acknowledged = Arc::clone(&acknowledged);
            tokio::spawn(async move {
                while acknowledged.load(Ordering::SeqCst) < 300 {
                    let before = acknowledged.load(Ordering::SeqCst);
                    let read = number(&server.get(&memory).await.ok());
                    assert!(read >= before, "{read} was read after {before} was acknowledged");
                    // What is kept is answered without a pause, and the writer needs a turn.
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();

    for number in 1..=300 {
        server.post(&memory, json!({"content": number.to_string()})).await.ok();
        acknowledged.store(number, Ordering::SeqCst);
        if number % 10 == 0 {
            server.memory(&store, &format!("/other/{number}"), "x").await;
        }
    }
    for reader in readers {
        reader.await.unwrap();
    }
}
