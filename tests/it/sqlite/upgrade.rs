//! An upgrade is killed at any of its writes: the next start finishes it, and nothing is lost.

use std::path::Path;

use tempfile::TempDir;

use crate::support::program::tampered;
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

#[tokio::test]
async fn an_upgrade_that_is_killed_at_any_write_is_finished_by_the_next_start() {
    let mut soak = Soak::of("upgrade", KILLS);
    let (mut rounds, mut cut) = (0, 0);
    while let Some(seed) = soak.next_seed() {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("memstored.db");
        let mut direct = Direct::file(&file);
        direct.run("pragma journal_mode = wal").await;
        old::fill(&mut direct).await;
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
