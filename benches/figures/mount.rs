//! What the mount adds: a search over many memories beside one over the same files on the local disk,
//! and a save, from close to the durable answer, beside the plain API call.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::load::Client;
use crate::report::{self, Paired};
use crate::server::{self, KEY, Running};
use crate::{Bench, say};

/// Memories of 4 KiB that are searched, and how many are in one folder.
const MEMORIES: usize = 2000;
const FOLDER: usize = 50;
/// Searches and saves of one turn.
const SEARCHES: usize = 5;
const SAVES: usize = 50;
/// Turns for each round of the other figures.
const TURNS: usize = 3;
const SEARCH_AIM: f64 = 3.0;
const SAVE_AIM: f64 = 1.5;

pub async fn measure(bench: &Bench<'_>) -> Result<()> {
    let url = server::file(&bench.folder.join("mount.db"));
    let server = Running::start(server::memstored(bench.program, &url, "full")).await?;
    let mut client = Client::connect(server.address).await?;
    let store = server::store(&mut client).await?;
    let local = bench.folder.join("local");
    for number in 0..MEMORIES {
        let name = format!("{:02}/{number:04}", number / FOLDER);
        client.exchange(&server::create(&store, &name)).await?;
        let path = local.join(format!("notes/{name}.md"));
        fs::create_dir_all(path.parent().context("a folder")?)?;
        fs::write(path, server::content())?;
    }
    let mount = Mounted::start(bench, &server, &store)?;
    say(&format!("\n{}", report::paired_head("beside the mount", "in it")))?;
    say(&searches(bench, &mount.at, &local)?)?;
    say(&saves(bench, &mount.at, &mut client, &store).await?)?;
    mount.stop()?;
    server.stop().await
}

/// `memstored mount` of a store.
struct Mounted {
    child: Child,
    at: PathBuf,
}

impl Mounted {
    fn start(bench: &Bench<'_>, server: &Running, store: &str) -> Result<Self> {
        let at = bench.folder.join("mounted");
        fs::create_dir(&at)?;
        let mut command = Command::new(bench.program);
        command.args(["mount", "--store", store, "--log", "warn", "--api-key", KEY]);
        command.args(["--guard", "warn", "--url", &format!("http://{}", server.address)]);
        command.arg("--state-dir").arg(bench.folder.join("state")).arg(&at);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no stdout")?).read_line(&mut line)?;
        ensure!(line.starts_with("mounted"), "it does not mount");
        Ok(Self { child, at })
    }

    fn stop(mut self) -> Result<()> {
        ensure!(Command::new("kill").arg(self.child.id().to_string()).status()?.success());
        ensure!(self.child.wait()?.success(), "the mount did not end well");
        Ok(())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        }
        let _ = self.child.wait();
    }
}

/// A search that matches nothing, so that it reads everything. The first of each is not counted: what
/// is measured is warm.
fn searches(bench: &Bench<'_>, mounted: &Path, local: &Path) -> Result<Paired> {
    let mut pairs = Vec::new();
    for folder in [local, mounted] {
        search(folder)?;
    }
    for _ in 0..bench.rounds * TURNS {
        let mut turn = [Vec::new(), Vec::new()];
        for _ in 0..SEARCHES {
            for (times, folder) in turn.iter_mut().zip([local, mounted]) {
                times.push(search(folder)?);
            }
        }
        pairs.push(turn.map(median));
    }
    let what = format!("`rg` over {MEMORIES} memories; local disk");
    Ok(Paired { what, pairs, aim: SEARCH_AIM })
}

fn search(folder: &Path) -> Result<Duration> {
    let mut search = Command::new("rg");
    let search = search.arg("nothing has this").current_dir(folder).stdin(Stdio::null());
    let begun = Instant::now();
    let output = search.output().context("the program rg, of the package ripgrep")?;
    let time = begun.elapsed();
    ensure!(output.status.code() == Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(time)
}

/// Saves of one memory, and updates of another by the API.
async fn saves(
    bench: &Bench<'_>,
    mounted: &Path,
    client: &mut Client,
    store: &str,
) -> Result<Paired> {
    let file = mounted.join("notes/00/0000.md");
    fs::read(&file)?;
    let other = client.exchange(&server::create(store, "other")).await?;
    let other: serde_json::Value = serde_json::from_slice(other)?;
    let id = other["id"].as_str().context("no id")?.to_owned();
    let mut hash = other["content_sha256"].as_str().context("no hash")?.to_owned();
    let path = format!("/v1/memory_stores/{store}/memories/{id}");
    let mut number = 0_u64;
    let mut pairs = Vec::new();
    for _ in 0..bench.rounds * TURNS {
        let mut turn = [Vec::new(), Vec::new()];
        for _ in 0..SAVES {
            number += 1;
            let content = format!("{number:010}{}", &server::content()[10..]);
            turn[1].push(save(&file, &content)?);

            let precondition = json!({"type": "content_sha256", "content_sha256": hash});
            let body = json!({"content": content, "precondition": precondition});
            let update = server::request("POST", &path, Some(&body));
            let begun = Instant::now();
            let answer = client.exchange(&update).await?;
            turn[0].push(begun.elapsed());
            let answer: serde_json::Value = serde_json::from_slice(answer)?;
            answer["content_sha256"].as_str().context("no hash")?.clone_into(&mut hash);
        }
        pairs.push(turn.map(median));
    }
    let what = "save of 4 KiB; API call".to_owned();
    Ok(Paired { what, pairs, aim: SAVE_AIM })
}

/// The time that the close takes.
fn save(file: &Path, content: &str) -> Result<Duration> {
    let mut file = OpenOptions::new().write(true).truncate(true).open(file)?;
    file.write_all(content.as_bytes())?;
    let begun = Instant::now();
    drop(file);
    Ok(begun.elapsed())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
