use serde_json::json;

use crate::support::Server;
use crate::support::server::{NOW, Setup, column, text};

const STORES: &str = "/v1/memory_stores";

#[tokio::test]
async fn a_store_is_created_with_every_field() {
    let server = Server::start().await;

    let answer = server
        .post(STORES, json!({"name": "notes", "description": "about", "metadata": {"k": "v"}}))
        .await;

    insta::assert_snapshot!(answer.render(), @r#"
    200 OK
    content-type: application/json
    request-id: req_01M81B5H800000000000000005
    anthropic-organization-id: 00000000-0000-4000-8000-000000000001
    anthropic-workspace-id: wrkspc_01M81B5H800000000000000002
    {
      "archived_at": null,
      "created_at": "2026-11-22T10:00:00.000000Z",
      "description": "about",
      "id": "memstore_01M81B5H800000000000000006",
      "metadata": {
        "k": "v"
      },
      "name": "notes",
      "type": "memory_store",
      "updated_at": "2026-11-22T10:00:00.000000Z"
    }
    "#);
}

#[tokio::test]
async fn a_store_without_description_and_metadata_has_them_empty() {
    let server = Server::start().await;

    let store = server.post(STORES, json!({"name": "notes"})).await.ok();

    assert_eq!(store["description"], "");
    assert_eq!(store["metadata"], json!({}));
    assert!(store["archived_at"].is_null());
}

#[tokio::test]
async fn what_a_store_is_refused_for_is_named() {
    let server = Server::start().await;
    let refusals = [
        json!({}),
        json!({"name": ""}),
        json!({"name": null}),
        json!({"name": "x".repeat(256)}),
        json!({"name": "a\tb"}),
        json!({"name": "n", "description": "two\nlines"}),
        json!({"name": "n", "description": "x".repeat(1025)}),
        json!({"name": "n", "description": null}),
        json!({"name": "n", "metadata": {"k": "v".repeat(513)}}),
        json!({"name": "n", "metadata": {"k": null}}),
        json!({"name": "n", "color": "red"}),
    ];

    let mut messages = Vec::new();
    for body in refusals {
        messages.push(server.post(STORES, body).await.message(400));
    }

    insta::assert_snapshot!(messages.join("\n"), @"
    name: Field required
    name: minimum string length is 1
    name: invalid type: null, expected a string
    name must be at most 255 characters; this one has 256
    name must not contain U+0009 (a tab) at character 2: a name has no control characters
    description must not contain U+000A (a line feed) at character 4: a description is one line without control characters
    description must be at most 1024 characters; this one has 1025
    description: invalid type: null, expected a string
    metadata.k must be at most 512 characters; this one has 513
    metadata.k: invalid type: null, expected a string
    color: unknown field `color`, expected one of `name`, `description`, `metadata`
    ");
}

#[tokio::test]
async fn stores_are_listed_newest_first_and_archived_ones_on_request() {
    let server = Server::start().await;
    for (second, name) in ["one", "two", "three"].into_iter().enumerate() {
        server.clock.set_micros(NOW + second as u64 * 1_000_000);
        server.post(STORES, json!({"name": name})).await.ok();
    }
    let listed = server.get(STORES).await.ok();
    let two = text(&listed["data"][1], "id").to_owned();
    server.call("POST", &format!("{STORES}/{two}/archive"), None).await.ok();

    let active = server.get(STORES).await.ok();
    let all = server.get(&format!("{STORES}?include_archived=true")).await.ok();
    let first = server.get(&format!("{STORES}?include_archived=true&limit=2")).await.ok();
    let next = text(&first, "next_page");
    let second = server.get(&format!("{STORES}?include_archived=true&page={next}")).await.ok();
    let bounds = "created_at[gte]=2026-11-22T10:00:01Z&created_at[lte]=2026-11-22T11:00:01%2B01:00";
    let bounded = server.get(&format!("{STORES}?include_archived=true&{bounds}")).await.ok();

    assert_eq!(column(&active, "name"), ["three", "one"]);
    assert_eq!(column(&all, "name"), ["three", "two", "one"]);
    assert_eq!(column(&first, "name"), ["three", "two"]);
    assert_eq!(column(&second, "name"), ["one"]);
    assert!(second["next_page"].is_null());
    assert_eq!(column(&bounded, "name"), ["two"]);
}

#[tokio::test]
async fn a_range_that_is_empty_or_no_time_is_told_apart() {
    let server = Server::start().await;
    server.store().await;
    let get = async |query: &str| server.get(&format!("{STORES}?{query}")).await;

    let from_after_to = "created_at[gte]=2027-01-01T00:00:00Z&created_at[lte]=2026-01-01T00:00:00Z";
    assert_eq!(get(from_after_to).await.ok()["data"], json!([]));
    get("created_at[gte]=2026-11-22").await.refused(400);
    get("created_at[lte]=yesterday").await.refused(400);
    get("include_archived=yes").await.refused(400);
}

#[tokio::test]
async fn a_page_outside_the_range_is_refused() {
    let server = Server::start().await;
    server.store().await;
    server.store().await;
    let first = server.get(&format!("{STORES}?limit=1")).await.ok();
    let page = text(&first, "next_page");

    let range = "created_at[gte]=2027-01-01T00:00:00Z";
    server.get(&format!("{STORES}?page={page}&{range}")).await.refused(400);
    server.get(&format!("{STORES}?page={page}&limit=7")).await.ok();
}

#[tokio::test]
async fn an_update_patches_and_moves_updated_at_only_for_a_change() {
    let server = Server::start().await;
    let body = json!({"name": "notes", "description": "d", "metadata": {"a": "1", "b": "2"}});
    let before = server.post(STORES, body).await.ok();
    let store = format!("{STORES}/{}", text(&before, "id"));
    server.clock.set_micros(NOW + 5_000_000);

    let same = server.post(&store, json!({"name": "notes", "metadata": {"c": null}})).await.ok();
    let patch = json!({"description": null, "metadata": {"a": null, "b": "3", "c": "4"}});
    let after = server.post(&store, patch).await.ok();

    assert_eq!(same, before);
    assert_eq!(after["name"], "notes");
    assert_eq!(after["description"], "");
    assert_eq!(after["metadata"], json!({"b": "3", "c": "4"}));
    assert_eq!(after["updated_at"], "2026-11-22T10:00:05.000000Z");
    assert_eq!(server.get(&store).await.ok(), after);
}

#[tokio::test]
async fn an_update_with_nothing_or_null_in_it_is_refused() {
    let server = Server::start().await;
    let store = server.store().await;
    let many: serde_json::Map<_, _> = (0..17).map(|n| (format!("k{n}"), json!("v"))).collect();

    let mut messages = Vec::new();
    for body in [
        json!({}),
        json!({"name": null}),
        json!({"name": ""}),
        json!({"metadata": null}),
        json!({"metadata": many}),
        json!({"description": "a\u{0}b"}),
    ] {
        messages.push(server.post(&store, body).await.message(400));
    }

    insta::assert_snapshot!(messages.join("\n"), @"
    at least one of name, description, or metadata must be provided
    name cannot be empty
    name cannot be empty
    metadata cannot be null: to remove a key, set that key to null
    metadata must have at most 16 pairs; these would be 17
    description must not contain U+0000 (NUL) at character 2: a description is one line without control characters
    ");
}

#[tokio::test]
async fn archiving_is_one_way_and_repeatable() {
    let server = Server::start().await;
    let store = server.store().await;
    server.clock.set_micros(NOW + 1_000_000);

    let archived = server.call("POST", &format!("{store}/archive"), None).await.ok();
    server.clock.set_micros(NOW + 2_000_000);
    let again = server.post(&format!("{store}/archive"), json!({})).await.ok();

    assert_eq!(archived["archived_at"], "2026-11-22T10:00:01.000000Z");
    assert_eq!(archived["updated_at"], archived["archived_at"]);
    assert_eq!(again, archived);
}

#[tokio::test]
async fn an_archived_store_keeps_what_it_has_and_takes_nothing_new() {
    let server = Server::start().await;
    let store = server.store().await;
    let kept = server.memory(&store, "/kept", "a").await;
    let gone = server.memory(&store, "/gone", "b").await;
    let kept_path = format!("{store}/memories/{}", text(&kept, "id"));
    server.post(&kept_path, json!({"content": "c"})).await.ok();
    server.call("POST", &format!("{store}/archive"), None).await.ok();
    let refusal =
        format!("cannot modify archived resource: memory store {}", &store[STORES.len() + 1..]);

    let create = json!({"path": "/new", "content": ""});
    assert_eq!(server.post(&format!("{store}/memories"), create).await.message(400), refusal);
    assert_eq!(server.post(&kept_path, json!({"content": "c"})).await.message(400), refusal);
    assert_eq!(server.post(&store, json!({"name": "other"})).await.message(400), refusal);
    server.get(&kept_path).await.ok();
    server.get(&format!("{store}/memories")).await.ok();
    server.delete(&format!("{store}/memories/{}", text(&gone, "id"))).await.ok();
    let first = text(&kept, "memory_version_id");
    let redact = format!("{store}/memory_versions/{first}/redact");
    server.call("POST", &redact, None).await.ok();
    server.delete(&store).await.ok();
}

#[tokio::test]
async fn a_deleted_store_is_gone_with_everything_in_it() {
    let server = Server::start().await;
    let store = server.store().await;
    let memory = server.memory(&store, "/a", "x").await;

    let deleted = server.delete(&store).await.ok();

    assert_eq!(deleted["type"], "memory_store_deleted");
    assert!(store.ends_with(text(&deleted, "id")));
    let id = text(&memory, "id");
    for path in ["", "/memories", "/memory_versions", &format!("/memories/{id}")] {
        let error = server.get(&format!("{store}{path}")).await.refused(404);
        assert_eq!(error["type"], "not_found_error");
    }
    server.delete(&store).await.refused(404);
    assert_eq!(server.get(STORES).await.ok()["data"], json!([]));
}

#[tokio::test]
async fn the_cap_on_stores_is_off_until_it_is_set() {
    let mut setup = Setup::default();
    setup.limits.stores_per_workspace = Some(2);
    let server = Server::with(setup).await;
    let first = server.store().await;
    server.store().await;

    let message = server.post(STORES, json!({"name": "n"})).await.message(400);
    server.delete(&first).await.ok();

    assert_eq!(message, "this workspace has reached its limit of 2 memory stores");
    server.store().await;
}
