//! An upgrade is killed at any of its writes: the next start finishes it, and nothing is lost.

use std::path::Path;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::support::program::{command, tampered};
use crate::support::{Direct, Program, Soak, old};

const KILLS: u64 = 12;
/// More calls than an upgrade makes, so that some come to their end.
const MOST: u64 = 200;
const SERVE: [&str; 7] =
    ["serve", "--listen", "127.0.0.1:0", "--api-key", "upgrade-key", "--log", "error"];

/// Starts the program, which is killed when it is about to make such a call.
fn start_and_kill(folder: &Path, call: u64) {
    let calls = "pwrite64,fdatasync,fsync,ftruncate";
    let mut killed = tampered(folder, &SERVE, calls, "signal=KILL", call);
    drop(Program::try_spawn(&mut killed));
}

/// A file with the first schema.
async fn old_file() -> (TempDir, Direct) {
    let folder = TempDir::new().unwrap();
    let mut direct = Direct::file(&folder.path().join("memstored.db"));
    direct.run("pragma journal_mode = wal").await;
    old::fill(&mut direct).await;
    (folder, direct)
}

#[tokio::test]
async fn an_upgrade_that_is_killed_at_any_write_is_finished_by_the_next_start() {
    let mut soak = Soak::of("upgrade", KILLS);
    let (mut rounds, mut cut) = (0, 0);
    while let Some(seed) = soak.next_seed() {
        let (folder, direct) = old_file().await;
        let file = folder.path().join("memstored.db");
        drop(direct);

        start_and_kill(folder.path(), 1 + seed.wrapping_mul(17) % MOST);
        let mut direct = Direct::file(&file);
        let before = direct.count("select count(*) from _sqlx_migrations").await;
        soak.count("cut before the commit", usize::from(before == 1));
        (rounds, cut) = (rounds + 1, cut + u64::from(before == 1));
        drop(direct);
        let server = Program::serve(folder.path(), &SERVE[3..]);
        server.stop();

        old::check(&mut Direct::file(&file)).await;
    }
    assert!(rounds < KILLS || (1..rounds).contains(&cut), "{cut} of {rounds} were cut");
}

/// What a program of another age has noted of a migration.
fn noted(version: i64, success: bool) -> String {
    format!(
        "insert into _sqlx_migrations (version, description, success, checksum, execution_time) \
         values ({version}, 'x', {success}, x'00', 0)"
    )
}

#[tokio::test]
async fn a_schema_that_becomes_newer_while_a_server_waits_is_left_as_it_is() {
    let (folder, mut direct) = old_file().await;
    direct.run("begin immediate").await;
    direct.run(&noted(9999, true)).await;

    let path = folder.path().to_owned();
    let waiting = thread::spawn(move || Program::try_spawn(&mut command(&path, &SERVE)));
    thread::sleep(Duration::from_secs(1));
    assert!(!waiting.is_finished(), "it waits for whoever writes");
    direct.run("commit").await;

    let refusal = waiting.join().unwrap().err().unwrap();
    assert!(refusal.contains("schema 9999") && refusal.contains("newer"), "{refusal}");
    assert_eq!(direct.count("select count(*) from _sqlx_migrations").await, 2);
    let tables = "select count(*) from sqlite_master where name = 'sessions'";
    assert_eq!(direct.count(tables).await, 0, "nothing was applied");
}

#[tokio::test]
async fn a_schema_that_was_never_finished_is_refused() {
    let (folder, mut direct) = old_file().await;
    Program::serve(folder.path(), &SERVE[3..]).stop();
    direct.run("update _sqlx_migrations set success = false where version = 2").await;

    let refusal = Program::try_spawn(&mut command(folder.path(), &SERVE)).err().unwrap();

    assert!(refusal.contains("schema 2") && refusal.contains("never finished"), "{refusal}");
}
