//! Processes that are measured, and the requests that they understand. Whatever was started ends
//! when its value is dropped.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::load::{Client, Request};

pub const MEMORY_ROUTE: &str = "/v1/memory_stores/{store}/memories/{memory}";
pub const KEY: &str = "figures";
const PATIENCE: Duration = Duration::from_secs(20);

/// This program, told to be something else.
pub fn own(role: &str) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(role);
    Ok(command)
}

/// `memstored serve` on a free port.
pub fn memstored(program: &Path, url: &str, durability: &str) -> Command {
    let mut command = Command::new(program);
    command.args(["serve", "--listen", "127.0.0.1:0", "--log", "warn", "--api-key", KEY]);
    command.args(["--max-memories-per-store", "100000000", "--durability", durability]);
    command.args(["--database-url", url]);
    command
}

/// The URL of a SQLite file.
pub fn file(database: &Path) -> String {
    format!("sqlite:{}", database.display())
}

/// A process that serves HTTP.
pub struct Running {
    child: Child,
    pub address: SocketAddr,
}

impl Running {
    /// Starts it, and waits until it says where it listens.
    pub async fn start(mut command: Command) -> Result<Self> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut running = Self { child, address: SocketAddr::from(([0; 4], 0)) };
        let stdout = running.child.stdout.take().context("no stdout")?;
        let greeting = tokio::task::spawn_blocking(move || {
            let mut stdout = BufReader::new(stdout);
            let mut line = String::new();
            stdout.read_line(&mut line).map(|_| (line, stdout.into_inner()))
        });
        let (line, stdout) = tokio::time::timeout(PATIENCE, greeting).await???;
        let (_, address) = line.trim().rsplit_once("http://").context("it does not listen")?;
        running.address = address.parse()?;
        // Stays open: the process may print more.
        running.child.stdout = Some(stdout);
        Ok(running)
    }

    /// Asks it to end, and waits for that, so that its database is whole.
    pub async fn stop(mut self) -> Result<()> {
        let asked = Command::new("kill").arg(self.child.id().to_string()).status()?;
        ensure!(asked.success(), "it can't be asked to end");
        let begun = Instant::now();
        while self.child.try_wait()?.is_none() {
            ensure!(begun.elapsed() < PATIENCE, "it does not end");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// Memory in KiB: `VmRSS` is all that is resident, `RssAnon` what of it is no file's.
    pub fn memory(&self, field: &str) -> Result<u32> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        let text = line.context("no such field")?.trim_end_matches("kB").trim();
        Ok(text.parse()?)
    }

    /// Processor time so far, in ticks of 10 ms.
    pub fn ticks(&self) -> Result<u32> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let (_, fields) = stat.rsplit_once(") ").context("no stat")?;
        let times = fields.split(' ').skip(11).take(2).map(str::parse::<u32>);
        times.sum::<Result<u32, _>>().context("no processor time")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A request of the contract, whole.
pub fn request(method: &str, path: &str, body: Option<&Value>) -> Vec<u8> {
    let body = body.map(Value::to_string).unwrap_or_default();
    format!(
        "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nx-api-key: {KEY}\r\n\
         anthropic-version: 2023-06-01\r\nanthropic-beta: agent-memory-2026-07-22\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// 4 KiB of lines.
pub fn content() -> String {
    format!("{}\n", "a line of a memory, which is as long as most are: 64 bytes here").repeat(64)
}

/// Makes a store; returns its ID.
pub async fn store(client: &mut Client) -> Result<String> {
    let body = json!({ "name": "figures" });
    id(client.exchange(&request("POST", "/v1/memory_stores", Some(&body))).await?)
}

/// The request that makes a memory of 4 KiB.
pub fn create(store: &str, name: &str) -> Vec<u8> {
    let body = json!({ "path": format!("/notes/{name}.md"), "content": content() });
    request("POST", &format!("/v1/memory_stores/{store}/memories"), Some(&body))
}

/// Requests that make one memory after another.
pub fn creates(store: &str) -> Result<Request> {
    const SLOT: &str = "0000000000";
    let count = AtomicUsize::new(0);
    Request::new(create(store, SLOT), SLOT, move |slot| {
        let number = count.fetch_add(1, Ordering::Relaxed);
        slot.copy_from_slice(format!("{number:010}").as_bytes());
    })
}

/// Requests that read one memory after another.
pub fn reads(store: &str, memories: &[String]) -> Result<Request> {
    one_of(read(store, &memories[0]), memories)
}

/// A request for the first of these IDs, then for the next, and so on.
pub fn one_of(request: Vec<u8>, ids: &[String]) -> Result<Request> {
    let (first, ids, turn) = (&ids[0], ids.to_vec(), AtomicUsize::new(0));
    Request::new(request, first, move |slot| {
        let id = &ids[turn.fetch_add(1, Ordering::Relaxed) % ids.len()];
        slot.copy_from_slice(id.as_bytes());
    })
}

fn id(body: &[u8]) -> Result<String> {
    let body: Value = serde_json::from_slice(body)?;
    Ok(body["id"].as_str().context("an answer without an ID")?.to_owned())
}

/// A database that was filled, and closed.
pub struct Filled {
    pub url: String,
    pub store: String,
    pub memories: Vec<String>,
    /// The answer to reading a memory, as a file.
    pub body: PathBuf,
}

impl Filled {
    pub async fn new(program: &Path, database: &Path, memories: usize) -> Result<Self> {
        let url = file(database);
        let server = Running::start(memstored(program, &url, "relaxed")).await?;
        let mut client = Client::connect(server.address).await?;
        let store = store(&mut client).await?;
        let mut ids = Vec::with_capacity(memories);
        for number in 0..memories {
            let create = create(&store, &format!("{number:010}"));
            ids.push(id(client.exchange(&create).await?)?);
        }
        let read = read(&store, &ids[0]);
        let body = database.with_extension("json");
        std::fs::write(&body, client.exchange(&read).await?)?;
        server.stop().await?;
        Ok(Self { url, store, memories: ids, body })
    }
}

/// The request that reads a memory in full.
pub fn read(store: &str, memory: &str) -> Vec<u8> {
    let path = MEMORY_ROUTE.replace("{store}", store).replace("{memory}", memory);
    request("GET", &path, None)
}
