//! A backup is taken while others write, in the ways of docs/operations.md, and restored: it is a
//! beginning of the history, with all that was answered before the backup began.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use proptest::prelude::Rng;
use serde_json::json;
use tempfile::TempDir;

use super::client::{Client, KEY, Lineage, Open, serve};
use super::there::{check_heads, check_history, direct, found, is};
use crate::support::server::text;
use crate::support::{Direct, Program, Soak, database, numbers};

const BACKUPS: u64 = 5;
const WRITERS: u64 = 6;
const FILE: &str = "memstored.db";

/// A copy of a database, until it is restored.
enum Backup {
    File(TempDir),
    /// What makes a schema, whose name this is.
    Dump(String, String),
}

impl Backup {
    fn take(folder: &Path, way: Way) -> Self {
        let Some(url) = database::of_folder(folder) else {
            let copy = TempDir::new().unwrap();
            let from = rusqlite::Connection::open(folder.join(FILE)).unwrap();
            from.busy_timeout(Duration::from_secs(5)).unwrap();
            way(&from, &copy.path().join(FILE)).unwrap();
            return Self::File(copy);
        };
        let (server, schema) = parts(&url);
        let schema_only = format!("\"{schema}\"");
        let dump = Command::new("pg_dump")
            .args(["--no-owner", "--schema", &schema_only, "--dbname", &server])
            .output()
            .unwrap();
        assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
        Self::Dump(String::from_utf8(dump.stdout).unwrap(), schema)
    }

    /// Makes it the database of a program that runs in `folder`.
    fn restore(self, folder: &Path) {
        match self {
            Self::File(copy) => {
                std::fs::copy(copy.path().join(FILE), folder.join(FILE)).unwrap();
            }
            Self::Dump(dump, schema) => {
                let (server, to) = parts(&database::of_folder(folder).unwrap());
                let dump = dump.replace(&schema, &to);
                let dump = dump.replace("CREATE SCHEMA ", "CREATE SCHEMA IF NOT EXISTS ");
                let file = tempfile::NamedTempFile::new().unwrap();
                std::fs::write(&file, dump).unwrap();
                let restored = Command::new("psql")
                    .args(["--quiet", "--set", "ON_ERROR_STOP=1", "--dbname", &server, "--file"])
                    .arg(file.path())
                    .output()
                    .unwrap();
                let said = String::from_utf8_lossy(&restored.stderr);
                assert!(restored.status.success(), "{said}");
            }
        }
    }
}

/// A way to back up a file.
type Way = fn(&rusqlite::Connection, &Path) -> rusqlite::Result<()>;

fn vacuum_into(from: &rusqlite::Connection, to: &Path) -> rusqlite::Result<()> {
    from.execute("vacuum into ?", [to.to_str().unwrap()]).map(drop)
}

/// What `.backup` does: page by page, and from the start where something was written.
fn page_by_page(from: &rusqlite::Connection, to: &Path) -> rusqlite::Result<()> {
    let mut to = rusqlite::Connection::open(to)?;
    let backup = rusqlite::backup::Backup::new(from, &mut to)?;
    backup.run_to_completion(100, Duration::from_millis(1), None)
}

/// The server's URL and the schema's name.
fn parts(url: &str) -> (String, String) {
    let (server, options) = url.rsplit_once("options=").unwrap();
    let (_, schema) = options.rsplit_once("search_path%3D").unwrap();
    (server.trim_end_matches(['?', '&']).to_owned(), schema.to_owned())
}

fn mark(server: &Program, store: &str, path: &str) {
    let body = json!({"path": path, "content": "x"});
    let memories = format!("{store}/memories");
    assert_eq!(server.call(KEY, "POST", &memories, Some(&body)).0, 200);
}

/// The versions in the order of the journal: number, ID, path and hash.
async fn history(direct: &mut Direct) -> Vec<String> {
    let hex = if database::is_postgres() { "encode(v.sha256, 'hex')" } else { "hex(v.sha256)" };
    let sql = format!(
        "select j.seq || ' ' || v.id || ' ' || v.path || ' ' || coalesce({hex}, '') from journal j \
         join versions v on v.id = j.subject where j.kind = 'version_written' order by j.seq"
    );
    direct.texts(&sql).await
}

/// Whether what is there is how far a memory has come.
fn is_beginning(found: &Lineage, told: &Lineage, open: Option<&Open>, memory: &str) -> bool {
    let mut told = told.clone();
    if let Some(Open::Next(of, next)) = open.filter(|_| found.len() > told.len())
        && of == memory
    {
        told.push(next.clone());
    }
    found.len() <= told.len() && found.iter().zip(&told).all(|(found, told)| is(found, told))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_busy_server_is_a_beginning_of_its_history() {
    let mut soak = Soak::of("backup", BACKUPS);
    while let Some(seed) = soak.next_seed() {
        let mut rng = numbers(seed);
        let (folder, restored) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let server = serve(folder.path());
        let (_, store) = server.call(KEY, "POST", "/v1/memory_stores", Some(&json!({"name": "n"})));
        let store = format!("/v1/memory_stores/{}", text(&store, "id"));
        let clients = Client::start_all(&server, &store, WRITERS, seed, false);
        std::thread::sleep(Duration::from_micros((rng.next_u32() % 200_000).into()));
        mark(&server, &store, "/before");
        let way: Way = [vacuum_into, page_by_page][rng.next_u32() as usize % 2];
        let backup = Backup::take(folder.path(), way);
        mark(&server, &store, "/after");
        server.signal("-KILL");
        server.wait();
        let clients: Vec<_> = clients.into_iter().map(|client| client.join().unwrap()).collect();

        backup.restore(restored.path());
        let server = serve(restored.path());
        let there = found(&server, &store);
        check_heads(&server, &store, &there);
        server.stop();
        check_history(restored.path()).await;
        let (whole, beginning) = (
            history(&mut direct(folder.path()).await).await,
            history(&mut direct(restored.path()).await).await,
        );
        assert!(whole.starts_with(&beginning), "it is no beginning: {beginning:#?} of {whole:#?}");
        let marked = |path: &str| beginning.iter().any(|row| row.contains(path));
        assert!(marked(" /before "), "what was answered before the backup is not in it");
        assert!(!marked(" /after "), "what came after the backup is in it");
        for client in &clients {
            for (memory, told) in &client.acknowledged {
                let found = there.get(memory).cloned().unwrap_or_default();
                let whole = is_beginning(&found, told, client.open.as_ref(), memory);
                assert!(whole, "{memory} was told as {told:#?} and is {found:#?}");
            }
            soak.count("acknowledged versions", client.acknowledged.values().map(Vec::len).sum());
        }
        soak.count("versions in backups", beginning.len());
    }
}
