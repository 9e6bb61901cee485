use serde_json::{Value, json};

use crate::support::Server;
use crate::support::server::{NOW, Setup, text};

#[tokio::test]
async fn a_memory_is_created_without_showing_its_content() {
    let server = Server::start().await;
    let store = server.store().await;

    let body = json!({"path": "/notes/todo.md", "content": "hi\n"});
    let answer = server.post(&format!("{store}/memories"), body).await;

    insta::assert_snapshot!(answer.render(), @r#"
    200 OK
    content-type: application/json
    request-id: req_01M81B5H800000000000000007
    anthropic-organization-id: 00000000-0000-4000-8000-000000000001
    anthropic-workspace-id: wrkspc_01M81B5H800000000000000002
    {
      "content": null,
      "content_sha256": "98ea6e4f216f2fb4b69fff9b3a44842c38686ca685f3f55dc48c5d3fb1107be4",
      "content_size_bytes": 3,
      "created_at": "2026-11-22T10:00:00.000001Z",
      "id": "mem_01M81B5H800000000000000008",
      "memory_store_id": "memstore_01M81B5H800000000000000006",
      "memory_version_id": "memver_01M81B5H800000000000000009",
      "path": "/notes/todo.md",
      "type": "memory",
      "updated_at": "2026-11-22T10:00:00.000001Z"
    }
    "#);
}

#[tokio::test]
async fn each_operation_has_its_default_view() {
    let server = Server::start().await;
    let store = server.store().await;
    let memories = format!("{store}/memories");
    let create = |path: &str| json!({"path": path, "content": "x"});
    let content = |answer: &Value| answer["content"].clone();

    let basic = server.post(&memories, create("/a")).await.ok();
    let full = server.post(&format!("{memories}?view=full"), create("/b")).await.ok();
    let memory = format!("{memories}/{}", text(&basic, "id"));

    assert_eq!(content(&basic), Value::Null);
    assert_eq!(content(&full), "x");
    assert_eq!(content(&server.get(&memory).await.ok()), "x");
    assert_eq!(content(&server.get(&format!("{memory}?view=basic")).await.ok()), Value::Null);
    let rename = json!({"path": "/c"});
    assert_eq!(content(&server.post(&format!("{memory}?view=full"), rename).await.ok()), "x");
    assert_eq!(content(&server.post(&memory, json!({"content": "y"})).await.ok()), Value::Null);
    server.get(&format!("{memory}?view=complete")).await.refused(400);
}

#[tokio::test]
async fn what_a_memory_is_refused_for_is_named() {
    let server = Server::start().await;
    let store = server.store().await;
    let long = "é".repeat(51_200) + "x";

    let mut messages = Vec::new();
    for body in [
        json!({"path": "/a"}),
        json!({"path": "/a", "content": null}),
        json!({"content": "x"}),
        json!({"path": "a", "content": "x"}),
        json!({"path": "/a/../b", "content": "x"}),
        json!({"path": format!("/{}", "é".repeat(512)), "content": "x"}),
        json!({"path": "/a", "content": long}),
        json!({"path": "/a", "content": "x", "precondition": {}}),
    ] {
        messages.push(server.post(&format!("{store}/memories"), body).await.message(400));
    }

    insta::assert_snapshot!(messages.join("\n"), @r#"
    content: Field required
    content: invalid type: null, expected a string
    path: Field required
    path must start with "/", as "/notes/todo.md" does
    path must not have the segment "..", as at byte 3
    path must be at most 1024 bytes of UTF-8; this one has 1025
    content must be at most 102400 bytes; this one has 102401
    precondition: unknown field `precondition`, expected `path` or `content`
    "#);
}

#[tokio::test]
async fn content_comes_back_byte_for_byte() {
    let server = Server::start().await;
    let store = server.store().await;
    let contents = [
        String::new(),
        "\u{feff}bom\r\nand crlf\n\n".into(),
        "nfd e\u{301} and \u{0}".into(),
        "🦀\u{200d}\u{2028}".into(),
        "\u{1}".repeat(102_400),
    ];

    for (number, content) in contents.iter().enumerate() {
        let made = server.memory(&store, &format!("/{number}"), content).await;
        let got = server.get(&format!("{store}/memories/{}", text(&made, "id"))).await.ok();

        assert_eq!(got["content"], *content);
        assert_eq!(got["content_size_bytes"], content.len());
    }
}

#[tokio::test]
async fn an_occupied_path_is_a_conflict_that_names_its_blocker() {
    let server = Server::start().await;
    let store = server.store().await;
    let memories = format!("{store}/memories");
    let blocker = server.memory(&store, "/notes/todo.md", "x").await;
    let other = server.memory(&store, "/other", "x").await;
    let other = format!("{memories}/{}", text(&other, "id"));

    for path in ["/notes/todo.md", "/notes", "/notes/todo.md/deep/down"] {
        let create = server.post(&memories, json!({"path": path, "content": "x"})).await;
        let rename = server.post(&other, json!({"path": path})).await;
        for answer in [create, rename] {
            assert_eq!(answer.header("x-should-retry"), Some("false"));
            let error = answer.refused(409);
            assert_eq!(error["type"], "memory_path_conflict_error");
            assert_eq!(error["conflicting_path"], "/notes/todo.md");
            assert_eq!(error["conflicting_memory_id"], blocker["id"]);
        }
    }
    for path in ["/notes/todo.md2", "/notes-archive/x", "/Notes", "/notes0"] {
        server.memory(&store, path, "x").await;
    }
}

#[tokio::test]
async fn of_several_blockers_the_first_descendant_is_named() {
    let server = Server::start().await;
    let store = server.store().await;
    for path in ["/a/c", "/a/b/z", "/a/b-"] {
        server.memory(&store, path, "x").await;
    }

    let body = json!({"path": "/a", "content": ""});
    let create = server.post(&format!("{store}/memories"), body).await;

    assert_eq!(create.refused(409)["conflicting_path"], "/a/b-");
}

#[tokio::test]
async fn an_update_is_one_new_version() {
    let server = Server::start().await;
    let store = server.store().await;
    let made = server.memory(&store, "/a", "one").await;
    let memory = format!("{store}/memories/{}", text(&made, "id"));
    server.clock.set_micros(NOW + 1_000_000);

    let both = json!({"content": "two", "path": "/b"});
    let updated = server.post(&memory, both).await.ok();

    assert_eq!(updated["id"], made["id"]);
    assert_eq!(updated["path"], "/b");
    assert_eq!(updated["created_at"], made["created_at"]);
    assert_eq!(updated["updated_at"], "2026-11-22T10:00:01.000000Z");
    assert_ne!(updated["memory_version_id"], made["memory_version_id"]);
    let versions = server.versions(&store).await;
    let seen: Vec<_> = versions
        .iter()
        .map(|version| (&version["operation"], &version["path"], &version["content"]))
        .collect();
    assert_eq!(
        seen,
        [
            (&json!("modified"), &json!("/b"), &json!("two")),
            (&json!("created"), &json!("/a"), &json!("one"))
        ]
    );
}

#[tokio::test]
async fn an_update_to_what_is_already_there_changes_nothing_whatever_the_precondition() {
    let server = Server::start().await;
    let store = server.store().await;
    let made = server.memory(&store, "/a", "one").await;
    let memory = format!("{store}/memories/{}", text(&made, "id"));
    server.clock.set_micros(NOW + 1_000_000);
    let stale = json!({"type": "content_sha256", "content_sha256": "0".repeat(64)});

    for body in [
        json!({"content": "one"}),
        json!({"path": "/a"}),
        json!({"content": "one", "path": "/a", "precondition": stale}),
        json!({"content": null, "path": "/a"}),
    ] {
        assert_eq!(server.post(&memory, body).await.ok(), made);
    }

    assert_eq!(server.versions(&store).await.len(), 1);
}

#[tokio::test]
async fn a_precondition_guards_content_and_rename() {
    let server = Server::start().await;
    let store = server.store().await;
    let made = server.memory(&store, "/a", "one").await;
    let memory = format!("{store}/memories/{}", text(&made, "id"));
    let holds = json!({"type": "content_sha256", "content_sha256": made["content_sha256"]});
    let stale = json!({"type": "content_sha256", "content_sha256": "0".repeat(64)});

    for change in [json!({"content": "two"}), json!({"path": "/b"})] {
        let mut body = change.clone();
        body["precondition"] = stale.clone();
        let answer = server.post(&memory, body).await;
        assert_eq!(answer.header("x-should-retry"), Some("false"));
        let error = answer.refused(409);
        assert_eq!(error["type"], "memory_precondition_failed_error");
        assert_eq!(error.as_object().unwrap().len(), 2, "no current state is disclosed: {error}");
    }
    let body = json!({"content": "two", "path": "/b", "precondition": holds});
    assert_eq!(server.post(&memory, body).await.ok()["path"], "/b");
}

#[tokio::test]
async fn an_update_with_nothing_in_it_or_a_bad_precondition_is_refused() {
    let server = Server::start().await;
    let store = server.store().await;
    let made = server.memory(&store, "/a", "one").await;
    let memory = format!("{store}/memories/{}", text(&made, "id"));
    let hash = |hash: Value| json!({"type": "content_sha256", "content_sha256": hash});

    let mut messages = Vec::new();
    for body in [
        json!({}),
        json!({"content": null, "path": null}),
        json!({"precondition": hash(made["content_sha256"].clone())}),
        json!({"content": "x", "precondition": {"type": "content_sha256"}}),
        json!({"content": "x", "precondition": hash(Value::Null)}),
        json!({"content": "x", "precondition": {"content_sha256": "0".repeat(64)}}),
        json!({"content": "x", "precondition": hash(json!("A".repeat(64)))}),
        json!({"content": "x", "precondition": hash(json!("abc"))}),
    ] {
        messages.push(server.post(&memory, body).await.message(400));
    }

    insta::assert_snapshot!(messages.join("\n"), @"
    at least one of content or path must be provided
    at least one of content or path must be provided
    at least one of content or path must be provided
    precondition.content_sha256: Field required
    precondition: invalid type: null, expected a string
    precondition.type: Field required
    precondition.content_sha256 must be a SHA-256 as 64 lowercase hexadecimal digits; this one has 64 characters, the 1. is not one of 0-9 and a-f
    precondition.content_sha256 must be a SHA-256 as 64 lowercase hexadecimal digits; this one has 3 characters
    ");
}

#[tokio::test]
async fn a_rename_below_or_above_itself_is_free() {
    let server = Server::start().await;
    let store = server.store().await;
    let made = server.memory(&store, "/a", "one").await;
    let memory = format!("{store}/memories/{}", text(&made, "id"));

    for path in ["/a/b/c", "/a/b", "/a"] {
        assert_eq!(server.post(&memory, json!({"path": path})).await.ok()["path"], path);
    }
}

#[tokio::test]
async fn a_delete_leaves_its_history_and_frees_the_path() {
    let server = Server::start().await;
    let store = server.store().await;
    let made = server.memory(&store, "/a", "one").await;
    let memory = format!("{store}/memories/{}", text(&made, "id"));

    let deleted = server.delete(&memory).await.ok();
    let again = server.memory(&store, "/a", "two").await;

    assert_eq!(deleted, json!({"id": made["id"], "type": "memory_deleted"}));
    assert_ne!(again["id"], made["id"]);
    server.get(&memory).await.refused(404);
    server.delete(&memory).await.refused(404);
    let versions = server.versions(&store).await;
    let operations: Vec<_> = versions.iter().map(|version| text(version, "operation")).collect();
    assert_eq!(operations, ["created", "deleted", "created"]);
    let tombstone = &versions[1];
    assert_eq!(tombstone["path"], "/a");
    for field in ["content", "content_size_bytes", "content_sha256", "redacted_at"] {
        assert!(tombstone[field].is_null(), "{field}");
    }
}

#[tokio::test]
async fn a_delete_with_another_hash_deletes_nothing() {
    let server = Server::start().await;
    let store = server.store().await;
    let made = server.memory(&store, "/a", "one").await;
    let memory = format!("{store}/memories/{}", text(&made, "id"));
    let delete =
        async |hash: &str| server.delete(&format!("{memory}?expected_content_sha256={hash}")).await;

    let stale = delete(&"0".repeat(64)).await;
    assert_eq!(stale.header("x-should-retry"), Some("false"));
    assert_eq!(stale.refused(409)["type"], "memory_precondition_failed_error");
    for bad in ["", "nothex", &"A".repeat(64)] {
        delete(bad).await.refused(400);
    }
    server.get(&memory).await.ok();
    delete(text(&made, "content_sha256")).await.ok();
}

#[tokio::test]
async fn the_cap_on_memories_counts_live_ones() {
    let mut setup = Setup::default();
    setup.limits.memories_per_store = 2;
    let server = Server::with(setup).await;
    let store = server.store().await;
    let first = server.memory(&store, "/a", "x").await;
    let first = format!("{store}/memories/{}", text(&first, "id"));
    server.memory(&store, "/b", "x").await;
    let create = json!({"path": "/c", "content": "x"});

    let error = server.post(&format!("{store}/memories"), create.clone()).await.refused(400);
    server.post(&first, json!({"path": "/d"})).await.ok();
    server.delete(&first).await.ok();
    server.post(&format!("{store}/memories"), create).await.ok();

    assert_eq!(error["type"], "invalid_request_error");
    assert!(text(&error, "message").contains("limit of 2 memories"));
}

#[tokio::test]
async fn a_memory_of_another_store_is_not_found() {
    let server = Server::start().await;
    let (one, two) = (server.store().await, server.store().await);
    let made = server.memory(&one, "/a", "x").await;
    let foreign = format!("{two}/memories/{}", text(&made, "id"));

    server.get(&foreign).await.refused(404);
    server.post(&foreign, json!({"content": "y"})).await.refused(404);
    server.delete(&foreign).await.refused(404);
    let version = format!("{two}/memory_versions/{}", text(&made, "memory_version_id"));
    server.get(&version).await.refused(404);
    server.call("POST", &format!("{version}/redact"), None).await.refused(404);
}

#[tokio::test]
async fn times_of_one_store_increase_while_the_clock_stands_still() {
    let server = Server::start().await;
    let store = server.store().await;
    for number in 0..5 {
        if number == 3 {
            server.clock.set_micros(NOW - 60_000_000);
        }
        server.memory(&store, &format!("/{number}"), "x").await;
    }

    let versions = server.versions(&store).await;
    let times: Vec<_> = versions.iter().rev().map(|version| text(version, "created_at")).collect();

    assert!(times.is_sorted_by(|one, two| one < two), "{times:?}");
    let paths: Vec<_> = versions.iter().rev().map(|version| text(version, "path")).collect();
    assert_eq!(paths, ["/0", "/1", "/2", "/3", "/4"]);
}

#[tokio::test]
async fn of_32_creates_of_overlapping_paths_one_wins() {
    let server = Server::start().await;
    let store = server.store().await;
    let paths = ["/race", "/race/a", "/race/a/b", "/race/a/b/c"];

    let racers: Vec<_> = (0..32)
        .map(|number| {
            let (server, store) = (server.clone(), store.clone());
            tokio::spawn(async move {
                let body = json!({"path": paths[number % 4], "content": number.to_string()});
                server.post(&format!("{store}/memories"), body).await.status.as_u16()
            })
        })
        .collect();
    let mut statuses = Vec::new();
    for racer in racers {
        statuses.push(racer.await.unwrap());
    }

    statuses.sort_unstable();
    assert_eq!(statuses[0], 200);
    assert!(statuses[1..].iter().all(|status| *status == 409), "{statuses:?}");
    assert_eq!(server.versions(&store).await.len(), 1);
}
