//! Reads and creates on SQLite: beside a bare handler, and beside SQLite with nothing around it.

use std::time::Duration;

use anyhow::Result;

use crate::floors::Floor;
use crate::load::{self, Client, Load, Target};
use crate::report::{self, Compared, Pair, Paired};
use crate::server::{self, Filled, Running};
use crate::{Bench, MEMORIES, floors, say};

const CONNECTIONS: [usize; 2] = [1, 32];
const WRITERS: usize = 32;
/// How many connections read, and how long a writer rests between two creates.
const BESIDE: [(usize, Duration); 4] = [
    (1, Duration::ZERO),
    (32, Duration::ZERO),
    (1, Duration::from_millis(10)),
    (1, Duration::from_millis(30)),
];

pub async fn measure(bench: &Bench<'_>) -> Result<()> {
    let database = bench.folder.join("read.db");
    let filled = Filled::new(bench.program, &database, MEMORIES).await?;
    say(&format!("\n{}", report::compared_head("floor")))?;
    for connections in CONNECTIONS {
        say(&reads(bench, &filled, connections).await?)?;
    }
    for connections in CONNECTIONS {
        say(&creates(bench, connections, Floor::OneInsert).await?)?;
    }
    say(&format!("\n{}", report::compared_head("its own rows, straight into SQLite")))?;
    for connections in CONNECTIONS {
        say(&creates(bench, connections, Floor::OwnRows).await?)?;
    }
    say(&format!("\n{}", report::paired_head("alone", "beside 32 writers")))?;
    for (connections, pause) in BESIDE {
        say(&beside(bench, &filled, connections, pause).await?)?;
    }
    Ok(())
}

/// The slowest reads, alone and while others write, of so many connections.
async fn beside(
    bench: &Bench<'_>,
    filled: &Filled,
    connections: usize,
    pause: Duration,
) -> Result<Paired> {
    let server = Running::start(server::memstored(bench.program, &filled.url, "full")).await?;
    let store = server::store(&mut Client::connect(server.address).await?).await?;
    let at = |request| [Target { address: server.address, request }];
    let (reads, creates) =
        (at(server::reads(&filled.store, &filled.memories)?), at(server::creates(&store)?));
    let mut pairs = Vec::new();
    let mut written = Vec::new();
    for _ in 0..bench.rounds {
        let alone = load::run(bench.load(connections), &reads).await?;
        let load = Load { pause, ..bench.load(WRITERS) };
        let writers = load::elsewhere(load, creates.to_vec());
        let beside = load::run(bench.load(connections), &reads).await?;
        written.push(writers.await?.rate);
        pairs.push([alone.p99, beside.p99]);
    }
    server.stop().await?;
    let (_, written, _) = report::spread(written.into_iter());
    let what = format!("p99 of a read, {connections} reading, {written:.0} creates/s");
    Ok(Paired { what, pairs, aim: 3.0 })
}

async fn reads(bench: &Bench<'_>, filled: &Filled, connections: usize) -> Result<Compared> {
    let server = server::memstored(bench.program, &filled.url, "full");
    let server = Running::start(server).await?;
    let mut floor = server::own("floor-http")?;
    floor.arg(&filled.body);
    let floor = Running::start(floor).await?;
    let request = server::reads(&filled.store, &filled.memories)?;
    let [target, floor_target] = [&server, &floor]
        .map(|running| [Target { address: running.address, request: request.clone() }]);
    let mut pairs = Vec::new();
    for _ in 0..bench.rounds {
        let (sample, cost) = bench.round(&[&server], connections, &target).await?;
        let (floor, floor_cost) = bench.round(&[&floor], connections, &floor_target).await?;
        pairs.push(Pair { server: sample, floor, cost, floor_cost: Some(floor_cost) });
    }
    server.stop().await?;
    Ok(Compared { what: "read 4 KiB", connections, pairs, aim: (connections > 1).then_some(0.5) })
}

async fn creates(bench: &Bench<'_>, connections: usize, floor: Floor) -> Result<Compared> {
    let named = |what: &str| bench.folder.join(format!("{what}-{floor:?}-{connections}.db"));
    let url = server::file(&named("created"));
    let server = Running::start(server::memstored(bench.program, &url, "full")).await?;
    let store = server::store(&mut Client::connect(server.address).await?).await?;
    let target = [Target { address: server.address, request: server::creates(&store)? }];
    let beside = named("floor");
    let mut pairs = Vec::new();
    for _ in 0..bench.rounds {
        let (sample, cost) = bench.round(&[&server], connections, &target).await?;
        let floor = floors::sqlite_elsewhere(floor, &beside, bench.time)?;
        pairs.push(Pair { server: sample, floor, cost, floor_cost: None });
    }
    server.stop().await?;
    let aim = match (floor, connections) {
        (Floor::OneInsert, 1) => Some(0.6),
        (Floor::OneInsert, _) => Some(3.0),
        (Floor::OwnRows, _) => None,
    };
    Ok(Compared { what: "create 4 KiB", connections, pairs, aim })
}
