use serde_json::{Value, json};

use crate::support::Server;
use crate::support::server::text;

async fn library(server: &Server) -> String {
    let store = server.store().await;
    for path in ["/a.md", "/a/x", "/a/b/y", "/a/b/z", "/a-b", "/a0", "/b/c/d", "/.hidden", "/é"] {
        server.memory(&store, path, path).await;
    }
    store
}

/// Walks all pages; answers each page's paths.
async fn walk(server: &Server, path: &str) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut token = String::new();
    loop {
        let page = server.get(&format!("{path}&page={token}")).await.ok();
        let items = page["data"].as_array().unwrap();
        pages.push(items.iter().map(|item| text(item, "path").to_owned()).collect());
        match page["next_page"].as_str() {
            Some(next) => token = next.to_owned(),
            None => return pages,
        }
    }
}

#[tokio::test]
async fn memories_come_in_byte_order_of_their_paths() {
    let server = Server::start().await;
    let store = library(&server).await;
    let all = ["/.hidden", "/a-b", "/a.md", "/a/b/y", "/a/b/z", "/a/x", "/a0", "/b/c/d", "/é"];

    for limit in [1, 2, 4, 100] {
        let pages = walk(&server, &format!("{store}/memories?limit={limit}")).await;
        assert_eq!(pages.concat(), all, "limit {limit}");
        assert!(pages.iter().all(|page| page.len() <= limit && !page.is_empty()));
    }
}

#[tokio::test]
async fn depth_1_rolls_directories_up_into_one_item_each() {
    let server = Server::start().await;
    let store = library(&server).await;
    let rolled = ["/.hidden", "/a-b", "/a.md", "/a/", "/a0", "/b/", "/é"];

    for limit in [1, 2, 3, 7, 100] {
        let pages = walk(&server, &format!("{store}/memories?depth=1&limit={limit}")).await;
        assert_eq!(pages.concat(), rolled, "limit {limit}");
    }
    let below = walk(&server, &format!("{store}/memories?depth=1&path_prefix=/a/&limit=1")).await;
    assert_eq!(below.concat(), ["/a/b/", "/a/x"]);
}

#[tokio::test]
async fn a_prefix_item_has_a_path_and_nothing_else() {
    let server = Server::start().await;
    let store = library(&server).await;

    let page = server.get(&format!("{store}/memories?depth=1&path_prefix=/b/&view=full")).await;

    assert_eq!(page.ok()["data"], json!([{"type": "memory_prefix", "path": "/b/c/"}]));
}

#[tokio::test]
async fn a_prefix_matches_whole_segments() {
    let server = Server::start().await;
    let store = library(&server).await;
    let list = async |prefix: &str| {
        walk(&server, &format!("{store}/memories?path_prefix={prefix}")).await.concat()
    };

    assert_eq!(list("/a/").await, ["/a/b/y", "/a/b/z", "/a/x"]);
    assert_eq!(list("/a/b/").await, ["/a/b/y", "/a/b/z"]);
    assert_eq!(list("/").await.len(), 9);
    assert_eq!(list("").await.len(), 9);
    assert!(list("/nothing/").await.is_empty());
    assert!(list("/a.md/").await.is_empty());
    for bad in ["/x", "x/", "//", "/../", "/e%CC%81/"] {
        server.get(&format!("{store}/memories?path_prefix={bad}")).await.refused(400);
    }
    let message = server.get(&format!("{store}/memories?path_prefix=/a//")).await.message(400);
    assert_eq!(message, "path_prefix must not have an empty segment, as at byte 3: no \"//\"");
}

#[tokio::test]
async fn a_query_that_is_no_text_is_refused() {
    let server = Server::start().await;
    let store = server.store().await;
    server.memory(&store, "/\u{fffd}/a", "x").await;
    let list = |query: &str| format!("{store}/memories?path_prefix=/{query}");

    let replaced = server.get(&list("%EF%BF%BD/")).await.ok();

    assert_eq!(replaced["data"].as_array().unwrap().len(), 1);
    for bad in ["%FF/", "%EF%BF/", "&other=%80"] {
        let message = server.get(&list(bad)).await.message(400);
        assert_eq!(message, "the query must be UTF-8, percent-encoded");
    }
}

#[tokio::test]
async fn the_full_view_carries_content_and_at_most_20_items() {
    let server = Server::start().await;
    let store = server.store().await;
    for number in 0..25 {
        server.memory(&store, &format!("/{number:02}"), &format!("content {number}")).await;
    }
    let get = async |query: &str| server.get(&format!("{store}/memories?{query}")).await.ok();
    let contents = |page: &Value| {
        page["data"].as_array().unwrap().iter().filter(|item| item["content"].is_string()).count()
    };

    for query in ["view=full&limit=100", "view=full&limit=100&depth=1"] {
        let page = get(query).await;
        assert_eq!(contents(&page), 20);
        assert_eq!(page["data"].as_array().unwrap().len(), 20);
        assert!(page["next_page"].is_string());
        assert_eq!(page["data"][7]["content"], "content 7");
    }
    assert_eq!(contents(&get("limit=100").await), 0);
    assert_eq!(get("limit=100").await["data"].as_array().unwrap().len(), 25);
}

#[tokio::test]
async fn what_a_listing_is_refused_for_is_named() {
    let server = Server::start().await;
    let (store, other) = (library(&server).await, library(&server).await);
    let first = server.get(&format!("{other}/memories?limit=1")).await.ok();
    let foreign = format!("page={}", text(&first, "next_page"));
    let stores = server.get("/v1/memory_stores?limit=1").await.ok();
    let of_stores = format!("page={}", text(&stores, "next_page"));

    let mut messages = Vec::new();
    for query in [
        "limit=0",
        "limit=101",
        "limit=-1",
        "limit=many",
        "depth=2",
        "depth=-1",
        "depth=one",
        "path_prefix=/x",
        "view=half",
        "page=page_nonsense",
        &foreign,
        &of_stores,
    ] {
        messages.push(server.get(&format!("{store}/memories?{query}")).await.message(400));
    }

    insta::assert_snapshot!(messages.join("\n"), @r#"
    limit must be between 1 and 100; got 0
    limit must be between 1 and 100; got 101
    limit must be between 1 and 100; got -1
    limit must be a whole number between 1 and 100; got "many"
    depth must be 0 or 1 when provided
    depth must be 0 or 1 when provided
    depth must be 0 or 1 when provided
    path_prefix must be segment-aligned: it must start and end with "/", as "/notes/" does
    view must be "basic" or "full"; got "half"
    page is not a page token of this server: pass next_page on unchanged
    page belongs to another list: take next_page from an answer of this one
    page belongs to a list of stores, not of memories
    "#);
}

#[tokio::test]
async fn unknown_parameters_are_ignored() {
    let server = Server::start().await;
    let store = library(&server).await;

    let query = "beta=true&order_by=created_at&order=desc&color=red&limit=100";
    let page = server.get(&format!("{store}/memories?{query}")).await.ok();

    assert_eq!(page["data"].as_array().unwrap().len(), 9);
    assert_eq!(page["data"][0]["path"], "/.hidden");
}

/// On the one connection of a database in memory above all.
#[tokio::test]
async fn a_listing_that_is_refused_leaves_no_transaction_behind() {
    let server = Server::start().await;
    let unknown = format!("/v1/memory_stores/memstore_{}", "0".repeat(26));

    for _ in 0..3 {
        server.get(&format!("{unknown}/memories?depth=1")).await.refused(404);
    }

    let store = server.store().await;
    server.memory(&store, "/a/b", "x").await;
    server.post("/x/v1/api_keys", json!({"name": "k"})).await.ok();
    let page = server.get(&format!("{store}/memories?depth=1")).await.ok();
    assert_eq!(page["data"][0]["path"], "/a/");
}
