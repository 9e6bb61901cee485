//! Redaction on Postgres: gone from every query when the answer arrives; gone from the files after
//! the operator's steps (docs/operations.md). `--nocapture` shows how much is left after each.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use memchr::memmem::Finder;

use super::cluster::Cluster;
use crate::support::server::{Setup, text};
use crate::support::{Database, Direct, Server};

const SHORT: usize = 60;
const LONG: usize = 20;

/// What is known of a version that was redacted.
struct Secret {
    content: String,
    path: String,
}

fn secret(number: usize) -> Secret {
    let piece = format!("secret-{number:03}-of-this-test ");
    let content = if number < SHORT { piece } else { noise(number, &piece) };
    Secret { content, path: format!("/hidden/secret-path-{number:03}") }
}

/// 27 KB that don't compress, so that the piece stands in the file as it is.
fn noise(seed: usize, piece: &str) -> String {
    let mut state = seed as u64 + 1;
    let mut text = piece.to_owned();
    while text.len() < 27_000 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        write!(text, "{:x}", state >> 20).unwrap();
    }
    text
}

/// How many of the needles stand in the files of `folder`.
fn left(folder: &Path, needles: &[String]) -> usize {
    let mut files = Vec::new();
    collect(folder, &mut files);
    let files: Vec<Vec<u8>> = files.into_iter().filter_map(|file| fs::read(file).ok()).collect();
    let found = needles.iter().filter(|needle| {
        let finder = Finder::new(needle.as_bytes());
        files.iter().any(|bytes| finder.find(bytes).is_some())
    });
    found.count()
}

fn collect(folder: &Path, files: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { collect(&path, files) } else { files.push(path) }
    }
}

async fn redacted(server: &Server, direct: &mut Direct) -> (Vec<String>, Vec<String>) {
    let store = server.store().await;
    let (mut contents, mut paths) = (Vec::new(), Vec::new());
    let mut versions = Vec::new();
    for number in 0..SHORT + LONG {
        let secret = secret(number);
        let made = server.memory(&store, &secret.path, &secret.content).await;
        server.memory(&store, &format!("/kept/{number}"), &"kept ".repeat(number)).await;
        contents.push(format!("secret-{number:03}-of-this-test"));
        paths.push(secret.path);
        versions.push(made);
    }
    direct.run("analyze").await;
    for made in versions {
        server.delete(&format!("{store}/memories/{}", text(&made, "id"))).await.ok();
        let version = text(&made, "memory_version_id");
        let redact = format!("{store}/memory_versions/{version}/redact");
        server.call("POST", &redact, None).await.ok();
    }
    for version in server.versions(&store).await {
        if version["operation"] == "deleted" {
            let redact = format!("{store}/memory_versions/{}/redact", text(&version, "id"));
            server.call("POST", &redact, None).await.ok();
        }
    }
    (contents, paths)
}

#[tokio::test]
async fn what_was_redacted_is_in_no_query_and_after_the_operators_steps_in_no_file() {
    let cluster = Cluster::start();
    let database = Database::Postgres(cluster.url.clone());
    let location = Some(database.location());
    let server = Server::with(Setup { location, ..Setup::default() }).await;
    let mut direct = database.direct().await;
    let (contents, paths) = redacted(&server, &mut direct).await;
    let mut steps = Vec::new();
    let mut look = |step: &str| {
        let in_files = |needles| left(&cluster.data().join("base"), needles);
        let in_wal = left(&cluster.data().join("pg_wal"), &contents);
        steps.push(format!(
            "{step}: contents {} + {}, paths {}, WAL {in_wal}",
            in_files(&contents[..SHORT]),
            in_files(&contents[SHORT..]),
            in_files(&paths)
        ));
        in_files(&contents) + in_files(&paths) + in_wal
    };

    let shown = "select count(*) from versions v, memories m where v.content like '%secret%' or \
                 v.path like '%secret%' or m.path like '%secret%'";
    assert_eq!(direct.count(shown).await, 0);
    let samples = "select count(*) from pg_stats where most_common_vals::text like '%secret%' or \
                   histogram_bounds::text like '%secret%'";
    assert_eq!(direct.count(samples).await, 0, "the planner has no samples");
    direct.run("checkpoint").await;
    assert!(look("redaction") > 0, "the files still hold it: else this shows nothing");
    direct.run("vacuum versions").await;
    direct.run("vacuum memories").await;
    direct.run("checkpoint").await;
    look("vacuum of both");
    for table in ["versions", "memories"] {
        direct.run(&format!("vacuum full {table}")).await;
        direct.run("checkpoint").await;
        look(&format!("vacuum full {table}"));
    }
    for _ in 0..3 {
        direct.run("select pg_switch_wal()").await;
        direct.run("checkpoint").await;
    }
    let left = look("three WAL segments");

    println!("{}", steps.join("\n"));
    assert_eq!(left, 0, "{}", steps.join("\n"));
    server.app.close().await;
    direct.check_history().await;
}
