//! What the inspector asks of a server, and how long it takes beside a bare walk over the same lists.

use std::fmt::{self, Display};
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::fill::{self, Fill, SESSION};
use crate::load::Client;
use crate::report;
use crate::server::{self, KEY, Running};
use crate::{Bench, say};

const MEMORIES: usize = 2000;
const VERSIONS: usize = 50;
/// Versions that the session to undo wrote, each the newest of its memory.
const UNDONE: usize = 200;
const CONTENT: usize = 1024;
/// Times of a verb beside those of its calls.
const AIM: Duration = Duration::from_millis(50);

pub async fn measure(bench: &Bench<'_>) -> Result<()> {
    let file = bench.folder.join("inspector.db");
    let url = server::file(&file);
    let server = Running::start(server::memstored(bench.program, &url, "full")).await?;
    let store = server::store(&mut Client::connect(server.address).await?).await?;
    server.stop().await?;
    let filled = Fill {
        store,
        memories: MEMORIES,
        versions: MEMORIES * VERSIONS,
        changed: MEMORIES,
        by_session: UNDONE,
        content: server::content()[..CONTENT].to_owned(),
    };
    fill::sqlite(&file, &filled)?;
    let figures = free_port()?;
    let mut command = server::memstored(bench.program, &url, "full");
    command.arg("--metrics-listen").arg(figures.to_string());
    let server = Running::start(command).await?;
    let measured = Measured { bench, server, figures, filled };
    say(&format!("\n{HEAD}"))?;
    for verb in Verb::ALL {
        say(&measured.verb(verb).await?)?;
    }
    measured.server.stop().await
}

/// A port that was free just now.
fn free_port() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

struct Measured<'a> {
    bench: &'a Bench<'a>,
    server: Running,
    figures: SocketAddr,
    filled: Fill,
}

#[derive(Clone, Copy)]
enum Verb {
    Log,
    LogPath,
    Blame,
    LsAt,
    Undo,
}

impl Verb {
    const ALL: [Self; 5] = [Self::Log, Self::LogPath, Self::Blame, Self::LsAt, Self::Undo];
}

impl Measured<'_> {
    fn arguments(verb: Verb) -> Vec<String> {
        let path = format!("/filled/{:010}.md", 7);
        let arguments: &[&str] = match verb {
            Verb::Log => &["log", "--ids"],
            Verb::LogPath => &["log", "--ids", &path],
            Verb::Blame => &["blame", "--ids", &path],
            Verb::LsAt => &["ls", "-R", "--at", "0s"],
            Verb::Undo => &["undo", "--dry-run", "--session", SESSION],
        };
        arguments.iter().map(|argument| (*argument).to_owned()).collect()
    }

    /// The lists that hold the answer.
    fn lists(&self, verb: Verb) -> Vec<String> {
        let ids = self.filled.ids();
        let found = || {
            let folder = "memories?path_prefix=/filled/&depth=1&view=basic&limit=100";
            // A memory is found in its folder's pages; the first has this one.
            let deleted = "memory_versions?operation=deleted&view=basic&limit=100";
            [format!("1 {folder}"), deleted.to_owned()]
        };
        let of = |id: &str, view: &str| format!("memory_versions?memory_id={id}&{view}");
        match verb {
            Verb::Log => vec!["memory_versions?view=basic&limit=100".to_owned()],
            Verb::LsAt => {
                let until = "created_at[lte]=2100-01-01T00:00:00Z&view=basic&limit=100";
                vec![format!("memory_versions?{until}")]
            }
            Verb::LogPath => {
                let created = "memory_versions?operation=created&view=basic&limit=100";
                let own = of(&ids[7], "view=basic&limit=100");
                [&found()[..], &[created.to_owned(), own]].concat()
            }
            Verb::Blame => [&found()[..], &[of(&ids[7], "view=full&limit=20")]].concat(),
            Verb::Undo => {
                let own = format!("memory_versions?session_id={SESSION}&view=basic&limit=100");
                let changed = &ids[MEMORIES - UNDONE..];
                let histories = changed.iter().map(|id| of(id, "view=basic&limit=100"));
                std::iter::once(own).chain(histories).collect()
            }
        }
    }

    async fn verb(&self, verb: Verb) -> Result<Row> {
        let arguments = Self::arguments(verb);
        let lists = self.lists(verb);
        let mut rounds = Vec::new();
        let (mut calls, mut pages) = (0, 0);
        for _ in 0..self.bench.rounds {
            let before = self.calls().await?;
            let time = self.run(&arguments)?;
            calls = self.calls().await? - before;
            let begun = Instant::now();
            pages = self.walk(&lists).await?;
            rounds.push([time, begun.elapsed()]);
        }
        let what = arguments.join(" ").replace(SESSION, "sesn_…");
        Ok(Row { what, calls, pages, rounds })
    }

    fn run(&self, arguments: &[String]) -> Result<Duration> {
        let mut verb = Command::new(self.bench.program);
        verb.args(arguments).args(["--store", &self.filled.store, "--api-key", KEY]);
        verb.arg("--url").arg(format!("http://{}", self.server.address));
        let begun = Instant::now();
        let output = verb.stdin(Stdio::null()).output()?;
        let time = begun.elapsed();
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(time)
    }

    /// Requests that the server has answered.
    async fn calls(&self) -> Result<u64> {
        let mut client = Client::connect(self.figures).await?;
        let page = client.exchange(&server::request("GET", "/metrics", None)).await?;
        let page = std::str::from_utf8(page)?;
        let counts = page.lines().filter(|line| line.starts_with("memstored_requests_total{"));
        let counts = counts.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
        Ok(counts.sum())
    }

    /// Walks lists as barely as it goes: nothing is read but the token of the next page.
    async fn walk(&self, lists: &[String]) -> Result<u64> {
        let mut client = Client::connect(self.server.address).await?;
        let mut pages = 0;
        for list in lists {
            let (only_first, list) = match list.strip_prefix("1 ") {
                Some(list) => (true, list),
                None => (false, &**list),
            };
            let base = format!("/v1/memory_stores/{}/{list}", self.filled.store);
            let mut path = base.clone();
            loop {
                let answer = client.exchange(&server::request("GET", &path, None)).await?;
                pages += 1;
                let tail = std::str::from_utf8(&answer[answer.len().saturating_sub(200)..])?;
                let (_, token) = tail.rsplit_once("\"next_page\":").context("no next_page")?;
                let token = token.trim_end_matches('}').trim_matches('"');
                if token == "null" || only_first {
                    break;
                }
                path = format!("{base}&page={token}");
            }
        }
        Ok(pages)
    }
}

const HEAD: &str = "\
| 2,000 memories × 50 versions | calls | pages of the lists | ms | ms of a bare walk | beside it, ms (min to max) | aim | |
|---|---|---|---|---|---|---|---|";

struct Row {
    what: String,
    calls: u64,
    pages: u64,
    /// The verb, and the walk right after it.
    rounds: Vec<[Duration; 2]>,
}

impl Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, calls, pages, rounds } = self;
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let of = |value: fn(&[f64; 2]) -> f64| {
            report::spread(rounds.iter().map(|round| value(&round.map(ms))))
        };
        let (least, beside, most) = of(|[time, walk]| time - walk);
        let ok = calls <= pages && beside <= ms(AIM);
        write!(
            f,
            "| `{what}` | {calls} | {pages} | {:.0} | {:.0} | **{beside:.0}** ({least:.0} to {most:.0}) | \
             ≤ {:.0}, calls ≤ pages | {} |",
            of(|[time, _]| *time).1,
            of(|[_, walk]| *walk).1,
            ms(AIM),
            if ok { "ok" } else { "missed" }
        )
    }
}
