//! What one request costs in a store with a thousand versions, and in one with a million.

use anyhow::Result;

use crate::cluster::Cluster;
use crate::fill::{self, Fill};
use crate::load::{self, Client, Request, Target};
use crate::report::{self, Paired};
use crate::server::{self, Running};
use crate::{Bench, say};

/// The versions of either store. In both the changed memories have more than a page of them.
const VERSIONS: [usize; 2] = [1000, 1_000_000];
const MEMORIES: usize = 800;
const CHANGED: usize = 10;
/// Bytes of one version's content.
const CONTENT: usize = 256;
/// Requests of one turn; turns are short, so that a disturbance falls on few pairs.
const REQUESTS: usize = 50;
/// Turns for each round of the other figures.
const TURNS: usize = 3;
const AIM: f64 = 1.5;

pub async fn measure(bench: &Bench<'_>) -> Result<()> {
    let cluster = Cluster::start(bench.folder)?;
    say(&format!("\n{}", head()))?;
    for on in ["SQLite", "Postgres"] {
        let [small, big] = VERSIONS.map(|versions| store(bench, on, &cluster, versions));
        let stores = [small.await?, big.await?];
        for kind in Kind::ALL {
            say(&grown(bench, on, kind, &stores).await?)?;
        }
    }
    Ok(())
}

fn head() -> String {
    let [small, big] = VERSIONS;
    report::paired_head(&format!("at {small} versions"), &format!("at {big}"))
}

/// A server on a store that was filled.
struct Store {
    server: Running,
    filled: Fill,
}

async fn store(bench: &Bench<'_>, on: &str, cluster: &Cluster, versions: usize) -> Result<Store> {
    let file = bench.folder.join(format!("growth-{versions}.db"));
    let url = match on {
        "SQLite" => server::file(&file),
        _ => cluster.database(&format!("growth_{versions}")).await?,
    };
    let start = || Running::start(server::memstored(bench.program, &url, "full"));
    let server = start().await?;
    let store = server::store(&mut Client::connect(server.address).await?).await?;
    server.stop().await?;
    let content = server::content()[..CONTENT].to_owned();
    let filled =
        Fill { store, memories: MEMORIES, versions, changed: CHANGED, by_session: 0, content };
    match on {
        "SQLite" => fill::sqlite(&file, &filled)?,
        _ => fill::postgres(&url, &filled).await?,
    }
    Ok(Store { server: start().await?, filled })
}

#[derive(Clone, Copy)]
enum Kind {
    Retrieve,
    Memories,
    MemoriesWithContent,
    Depth,
    Versions,
    VersionsOfMemory,
    Create,
}

impl Kind {
    /// Creates come last: they are what makes the small store grow.
    const ALL: [Self; 7] = [
        Self::Retrieve,
        Self::Memories,
        Self::MemoriesWithContent,
        Self::Depth,
        Self::Versions,
        Self::VersionsOfMemory,
        Self::Create,
    ];

    fn what(self) -> &'static str {
        match self {
            Self::Retrieve => "retrieve",
            Self::Memories => "page of 100 memories",
            Self::MemoriesWithContent => "page of 20 memories with content",
            Self::Depth => "depth=1",
            Self::Versions => "page of 20 versions",
            Self::VersionsOfMemory => "page of 20 versions of one memory",
            Self::Create => "create 4 KiB",
        }
    }

    fn request(self, filled: &Fill) -> Result<Request> {
        let (store, ids) = (&filled.store, filled.ids());
        let get =
            |path: &str| server::request("GET", &format!("/v1/memory_stores/{store}{path}"), None);
        match self {
            Self::Retrieve => server::reads(store, &ids),
            Self::Memories => Ok(Request::fixed(get("/memories?view=basic&limit=100"))),
            Self::MemoriesWithContent => Ok(Request::fixed(get("/memories?view=full&limit=20"))),
            Self::Depth => Ok(Request::fixed(get("/memories?depth=1&limit=100"))),
            Self::Versions => Ok(Request::fixed(get("/memory_versions?limit=20"))),
            Self::VersionsOfMemory => {
                let first = get(&format!("/memory_versions?limit=20&memory_id={}", ids[0]));
                server::one_of(first, &ids[..CHANGED])
            }
            Self::Create => server::creates(store),
        }
    }
}

async fn grown(bench: &Bench<'_>, on: &str, kind: Kind, stores: &[Store; 2]) -> Result<Paired> {
    let target = |Store { server, filled }: &Store| {
        anyhow::Ok(Target { address: server.address, request: kind.request(filled)? })
    };
    let [small, big] = [target(&stores[0])?, target(&stores[1])?];
    for target in [&small, &big] {
        load::one_by_one(target, REQUESTS).await?;
    }
    let mut pairs = Vec::new();
    for _ in 0..bench.rounds * TURNS {
        let small = load::one_by_one(&small, REQUESTS).await?;
        let big = load::one_by_one(&big, REQUESTS).await?;
        pairs.push([small.p50, big.p50]);
    }
    Ok(Paired { what: format!("{}, {on}", kind.what()), pairs, aim: AIM })
}
