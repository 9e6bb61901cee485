//! What is there after something has happened: read through the API of a server that has started anew,
//! and straight from its database.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::client::{KEY, Lineage, Version};
use crate::support::server::text;
use crate::support::{Database, Direct, Program, database};

/// All items of a list.
pub fn all(server: &Program, list: &str) -> Vec<Value> {
    let mut items = Vec::new();
    let mut token = String::new();
    loop {
        let (status, page) = server.call(KEY, "GET", &format!("{list}&page={token}"), None);
        assert_eq!(status, 200, "{page:#}");
        items.extend(page["data"].as_array().unwrap().iter().cloned());
        match page["next_page"].as_str() {
            Some(next) => token = next.to_owned(),
            None => return items,
        }
    }
}

/// What is there of each memory, oldest version first.
pub fn found(server: &Program, store: &str) -> BTreeMap<String, Lineage> {
    let mut found = BTreeMap::<String, Lineage>::new();
    for version in all(server, &format!("{store}/memory_versions?view=full")).iter().rev() {
        let field = |name: &str| version[name].as_str().map(str::to_owned);
        found.entry(text(version, "memory_id").to_owned()).or_default().push(Version {
            path: field("path").unwrap_or_default(),
            content: field("content"),
            id: field("id"),
            redacted: version["redacted_at"].is_string(),
        });
    }
    found
}

/// Whether what is there of a version is what was told of it.
pub fn is(found: &Version, told: &Version) -> bool {
    let whole = found.path == told.path && found.content == told.content;
    let known = told.id.is_none() || found.id == told.id;
    known && found.redacted == told.redacted && (told.redacted || whole)
}

/// The present is what the history ends with.
pub fn check_heads(server: &Program, store: &str, there: &BTreeMap<String, Lineage>) {
    let mut heads = BTreeMap::new();
    for memory in all(server, &format!("{store}/memories?view=full")) {
        let pair = (text(&memory, "path").to_owned(), text(&memory, "content").to_owned());
        heads.insert(text(&memory, "id").to_owned(), pair);
    }
    let last = there.iter().filter_map(|(memory, lineage)| {
        let head = lineage.last().unwrap();
        Some((memory.clone(), (head.path.clone(), head.content.clone()?)))
    });
    assert_eq!(heads, last.collect());
}

/// Every memory has its head, every version its entry, and sequence and time grow together.
pub async fn check_history(folder: &Path) {
    direct(folder).await.check_history().await;
}

/// The database of a program that runs in `folder`.
pub async fn direct(folder: &Path) -> Direct {
    match database::of_folder(folder) {
        Some(url) => Database::Postgres(url).direct().await,
        None => Direct::file(&folder.join("memstored.db")),
    }
}
