//! Creates and reads on Postgres: beside the same transactions run by pgbench, and two instances
//! beside one.

use anyhow::Result;

use crate::cluster::{Cluster, Floor};
use crate::fill::{self, Fill};
use crate::load::{Client, Target};
use crate::report::{self, Compared, Pair};
use crate::server::{self, Running};
use crate::{Bench, MEMORIES, say};

pub const CONNECTIONS: usize = 32;
const DATABASE: &str = "figures";
/// The least part of what pgbench does.
const AIM: f64 = 0.7;

pub async fn measure(bench: &Bench<'_>) -> Result<()> {
    let on = On::new(bench).await?;
    say(&format!("\n{}", report::compared_head("pgbench")))?;
    for kind in [Kind::CreateInOne, Kind::CreateInMany, Kind::Read] {
        say(&on.beside_pgbench(kind).await?)?;
    }
    say(&format!("\n{}", report::compared_head("one instance")))?;
    for kind in [Kind::CreateInMany, Kind::Read] {
        say(&on.two_beside_one(kind).await?)?;
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum Kind {
    CreateInOne,
    CreateInMany,
    Read,
}

impl Kind {
    fn what(self) -> &'static str {
        match self {
            Self::CreateInOne => "create 4 KiB, one store",
            Self::CreateInMany => "create 4 KiB, 32 stores",
            Self::Read => "read 4 KiB",
        }
    }
}

struct On<'a> {
    bench: &'a Bench<'a>,
    cluster: Cluster,
    url: String,
    workspace: String,
    filled: Fill,
}

impl<'a> On<'a> {
    /// Makes the schema, the memories that are read, and the stores that pgbench writes to.
    async fn new(bench: &'a Bench<'_>) -> Result<Self> {
        let cluster = Cluster::start(bench.folder)?;
        let url = cluster.database(DATABASE).await?;
        let server = Running::start(server::memstored(bench.program, &url, "full")).await?;
        let store = server::store(&mut Client::connect(server.address).await?).await?;
        server.stop().await?;
        let workspace = cluster.make_stores(DATABASE, &store, CONNECTIONS).await?;
        let content = server::content();
        let filled = Fill {
            store,
            memories: MEMORIES,
            versions: MEMORIES,
            changed: MEMORIES,
            by_session: 0,
            content,
        };
        fill::postgres(&url, &filled).await?;
        Ok(Self { bench, cluster, url, workspace, filled })
    }

    fn floor(&self, kind: Kind) -> Floor {
        match kind {
            Kind::CreateInOne => Floor::creates(1),
            Kind::CreateInMany => Floor::creates(CONNECTIONS),
            Kind::Read => Floor::reads(&self.filled, &self.workspace),
        }
    }

    async fn start(&self) -> Result<Running> {
        Running::start(server::memstored(self.bench.program, &self.url, "full")).await
    }

    /// What each connection asks of these servers, which take the connections in turn.
    async fn targets(&self, kind: Kind, servers: &[&Running]) -> Result<Vec<Target>> {
        let mut client = Client::connect(servers[0].address).await?;
        let requests = match kind {
            Kind::CreateInOne => vec![server::creates(&server::store(&mut client).await?)?],
            Kind::Read => vec![server::reads(&self.filled.store, &self.filled.ids())?],
            Kind::CreateInMany => {
                let mut requests = Vec::new();
                for _ in 0..CONNECTIONS {
                    requests.push(server::creates(&server::store(&mut client).await?)?);
                }
                requests
            }
        };
        let requests = requests.iter().cycle().take(CONNECTIONS);
        let servers = servers.iter().cycle();
        let target =
            |(request, server): (_, &&Running)| Target { address: server.address, request };
        Ok(requests.cloned().zip(servers).map(target).collect())
    }

    async fn beside_pgbench(&self, kind: Kind) -> Result<Compared> {
        let Self { bench, cluster, .. } = self;
        let server = self.start().await?;
        let targets = self.targets(kind, &[&server]).await?;
        let floor = self.floor(kind);
        let mut pairs = Vec::new();
        for _ in 0..bench.rounds {
            let (sample, cost) = bench.round(&[&server], CONNECTIONS, &targets).await?;
            let floor = cluster.pgbench(DATABASE, &floor, bench.time)?;
            pairs.push(Pair { server: sample, floor, cost, floor_cost: None });
        }
        server.stop().await?;
        Ok(Compared { what: kind.what(), connections: CONNECTIONS, pairs, aim: Some(AIM) })
    }

    async fn two_beside_one(&self, kind: Kind) -> Result<Compared> {
        let bench = self.bench;
        let servers = [self.start().await?, self.start().await?];
        let servers = [&servers[0], &servers[1]];
        let both = self.targets(kind, &servers).await?;
        let one = self.targets(kind, &servers[..1]).await?;
        let mut pairs = Vec::new();
        for _ in 0..bench.rounds {
            let (sample, cost) = bench.round(&servers, CONNECTIONS, &both).await?;
            let (floor, floor_cost) = bench.round(&servers[..1], CONNECTIONS, &one).await?;
            pairs.push(Pair { server: sample, floor, cost, floor_cost: Some(floor_cost) });
        }
        Ok(Compared { what: kind.what(), connections: CONNECTIONS, pairs, aim: None })
    }
}
