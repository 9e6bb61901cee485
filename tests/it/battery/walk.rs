//! Listings walked in small pages while others create, delete and rename: what was there, unmoved,
//! throughout comes exactly once, and all comes in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::Rng;
use serde_json::json;

use crate::support::server::{column, text};
use crate::support::{Server, Soak, numbers};

const WALKS: u64 = 25;
const STAYS: usize = 12;

/// Changes around what stays until it is told to stop: names before, between, below and behind it.
async fn churn(server: Server, store: String, seed: u64, stop: Arc<AtomicBool>) {
    let mut rng = numbers(seed);
    let mut made = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let folder = ["/stay", "/stay/05.more", "/", "/z", "/stay/11"][rng.next_u32() as usize % 4];
        let name = rng.next_u32() % 24;
        let path = format!("{}/{name:02}.{}", folder.trim_end_matches('/'), rng.next_u32() % 3);
        match rng.next_u32() % 4 {
            0..2 => {
                let body = json!({"path": path, "content": "y"});
                let answer = server.post(&format!("{store}/memories"), body).await;
                if answer.status == 200 {
                    made.push(text(&answer.json(), "id").to_owned());
                }
            }
            kind if !made.is_empty() => {
                let at = rng.next_u32() as usize % made.len();
                let memory = format!("{store}/memories/{}", made[at]);
                if kind == 2 {
                    server.post(&memory, json!({"path": path})).await;
                } else {
                    server.delete(&memory).await.ok();
                    made.swap_remove(at);
                }
            }
            _ => {}
        }
        tokio::task::yield_now().await;
    }
}

/// The values under `key` of all pages, in the order in which they came.
async fn walk(server: &Server, path: &str, key: &str) -> Vec<String> {
    let mut seen = Vec::new();
    let mut token = String::new();
    loop {
        let page = server.get(&format!("{path}&page={token}")).await.ok();
        seen.extend(column(&page, key));
        match page["next_page"].as_str() {
            Some(next) => {
                assert_ne!(next, token, "a page that leads to itself");
                token = next.to_owned();
            }
            None => return seen,
        }
        tokio::task::yield_now().await;
    }
}

/// Of what was seen, that which stays.
fn of<'a>(stays: &[String], seen: &'a [String]) -> Vec<&'a String> {
    seen.iter().filter(|item| stays.contains(item)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stays_is_neither_skipped_nor_repeated_while_others_write() {
    let server = Server::start().await;
    let mut soak = Soak::of("walk", WALKS);
    while let Some(seed) = soak.next_seed() {
        let store = server.store().await;
        let mut stays = Vec::new();
        let mut versions = Vec::new();
        for number in 0..STAYS {
            // One in two begins with the name of another.
            let more = if number % 2 == 0 { "" } else { "-more" };
            let path = format!("/stay/{:02}{more}", number / 2);
            let made = server.memory(&store, &path, "x").await;
            stays.push(text(&made, "path").to_owned());
            versions.insert(0, text(&made, "memory_version_id").to_owned());
        }
        let stop = Arc::new(AtomicBool::new(false));
        let others: Vec<_> = (0..3)
            .map(|writer| {
                let (server, store, stop) = (server.clone(), store.clone(), Arc::clone(&stop));
                tokio::spawn(churn(server, store, seed.wrapping_mul(3).wrapping_add(writer), stop))
            })
            .collect();

        for list in ["memories?limit=1", "memories?path_prefix=/stay/&limit=2&view=full"] {
            let seen = walk(&server, &format!("{store}/{list}"), "path").await;
            assert_eq!(of(&stays, &seen), stays.iter().collect::<Vec<_>>(), "{list} {seen:?}");
            assert!(seen.is_sorted_by(|one, next| one < next), "{list} {seen:?}");
            soak.count("items", seen.len());
        }
        let rolled = walk(&server, &format!("{store}/memories?depth=1&limit=1"), "path").await;
        assert_eq!(rolled.iter().filter(|path| *path == "/stay/").count(), 1, "{rolled:?}");
        assert!(rolled.is_sorted_by(|one, next| one < next), "{rolled:?}");
        let list = format!("{store}/memory_versions?limit=3");
        let seen = walk(&server, &list, "id").await;
        assert_eq!(of(&versions, &seen), versions.iter().collect::<Vec<_>>(), "{seen:?}");
        soak.count("items", seen.len() + rolled.len());

        stop.store(true, Ordering::Relaxed);
        for other in others {
            other.await.unwrap();
        }
    }
}

/// Stores come and go while they are listed.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_stays_is_listed_once_while_others_come_and_go() {
    let server = Server::start().await;
    let mut stays = Vec::new();
    for _ in 0..STAYS {
        stays.insert(0, server.store().await.rsplit('/').next().unwrap().to_owned());
    }
    let mut soak = Soak::of("walk", WALKS);
    while let Some(seed) = soak.next_seed() {
        let stop = Arc::new(AtomicBool::new(false));
        let (others, stopped) = (server.clone(), Arc::clone(&stop));
        let others = tokio::spawn(async move {
            let mut rng = numbers(seed);
            while !stopped.load(Ordering::Relaxed) {
                let store = others.store().await;
                if !rng.next_u32().is_multiple_of(8) {
                    others.delete(&store).await.ok();
                }
                tokio::task::yield_now().await;
            }
        });

        let limit = 1 + seed % 3;
        let seen = walk(&server, &format!("/v1/memory_stores?limit={limit}"), "id").await;

        assert_eq!(of(&stays, &seen), stays.iter().collect::<Vec<_>>(), "{seen:?}");
        soak.count("stores", seen.len());
        stop.store(true, Ordering::Relaxed);
        others.await.unwrap();
    }
}
