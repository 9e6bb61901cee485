//! Lists over 32 connections, and reads and creates beside them.

use anyhow::Result;

use crate::fill::{self, Fill};
use crate::load::{Client, Request, Target};
use crate::report::{self, Rate};
use crate::server::{self, Running};
use crate::{Bench, say};

const CONNECTIONS: usize = 32;
const MEMORIES: usize = 10_000;
/// Nearly all of them are of a few memories.
const VERSIONS: usize = 1_000_000;
const CHANGED: usize = 10;
const CONTENT: usize = 256;

pub async fn measure(bench: &Bench<'_>) -> Result<()> {
    let file = bench.folder.join("lists.db");
    let url = server::file(&file);
    let start = || Running::start(server::memstored(bench.program, &url, "full"));
    let server = start().await?;
    let store = server::store(&mut Client::connect(server.address).await?).await?;
    server.stop().await?;
    let content = server::content()[..CONTENT].to_owned();
    let filled = Fill {
        store,
        memories: MEMORIES,
        versions: VERSIONS,
        changed: CHANGED,
        by_session: 0,
        content,
    };
    fill::sqlite(&file, &filled)?;
    let server = start().await?;
    say(&format!("\n{}", report::RATE_HEAD))?;
    for (what, request) in requests(&filled)? {
        let target = [Target { address: server.address, request }];
        let mut rounds = Vec::new();
        for _ in 0..bench.rounds {
            rounds.push(bench.round(&[&server], CONNECTIONS, &target).await?);
        }
        say(&Rate { what, rounds })?;
    }
    server.stop().await
}

/// Creates come last: they change what is listed.
fn requests(filled: &Fill) -> Result<[(&'static str, Request); 7]> {
    let (store, ids) = (&filled.store, filled.ids());
    let get =
        |path: &str| server::request("GET", &format!("/v1/memory_stores/{store}{path}"), None);
    let of_memory = get(&format!("/memory_versions?limit=20&memory_id={}", ids[0]));
    Ok([
        ("page of 100 memories", Request::fixed(get("/memories?limit=100"))),
        ("page of 20 memories with content", Request::fixed(get("/memories?limit=20&view=full"))),
        (
            "depth=1 over 10,000 memories: a folder's 100",
            Request::fixed(get("/memories?depth=1&path_prefix=/filled/&limit=100")),
        ),
        ("depth=1 over 10,000 memories: the folder", Request::fixed(get("/memories?depth=1"))),
        (
            "page of 20 versions of one memory among 1,000,000",
            server::one_of(of_memory, &ids[..CHANGED])?,
        ),
        ("read", server::reads(store, &ids)?),
        ("durable create of 4 KiB", server::creates(store)?),
    ])
}
