//! What `memstored doctor` finds in a Postgres that others use.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::Value;
use tempfile::TempDir;

use super::cluster::Cluster;
use super::one_of_many;
use crate::support::server::{Setup, text};
use crate::support::{Database, Server, database, program};

/// The grade and the text of one of the looks.
fn look(url: &str, what: &str) -> (String, String) {
    let folder = TempDir::new().unwrap();
    let output = program::run(folder.path(), &["doctor", "--json", "--database-url", url]);
    let findings: Value = serde_json::from_slice(&output.stdout).unwrap();
    let found = findings.as_array().unwrap().iter().find(|found| found["what"] == what);
    let found = found.unwrap_or_else(|| panic!("no {what} in {findings:#}"));
    (text(found, "grade").to_owned(), text(found, "text").to_owned())
}

#[tokio::test]
async fn a_look_that_waits_for_a_lock_is_skipped() {
    let database = Database::postgres();
    Server::on(&database).await.store().await;
    let mut holding = database.direct().await;
    holding.run("begin").await;
    holding.run("lock table journal in access exclusive mode").await;

    let (grade, said) = look(&database.url(), "history");

    assert_eq!(grade, "warn");
    assert_eq!(said, "skipped: canceling statement due to lock timeout");
    holding.run("rollback").await;
    assert_eq!(look(&database.url(), "history").0, "ok");
    holding.run("begin").await;
    holding.run("lock table _sqlx_migrations in access exclusive mode").await;
    let (grade, said) = look(&database.url(), "schema");
    assert_eq!(grade, "warn");
    assert!(said.starts_with("skipped, with all looks at data: "), "{said}");
}

#[tokio::test]
async fn a_finding_is_printed_before_the_next_look() {
    let database = Database::postgres();
    Server::on(&database).await.store().await;
    let mut holding = database.direct().await;
    holding.run("begin").await;
    holding.run("lock table journal in access exclusive mode").await;
    let folder = TempDir::new().unwrap();
    let mut command =
        program::command(folder.path(), &["doctor", "--database-url", &database.url()]);

    let mut doctor = command.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(doctor.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut found = Vec::new();
    for line in lines {
        if line.contains("clock") {
            holding.run("rollback").await;
        }
        found.push(line);
    }

    assert!(doctor.wait().unwrap().success());
    assert!(found.iter().any(|line| line.starts_with("ok    history")), "{found:#?}");
}

#[tokio::test]
async fn connections_are_those_that_are_left_to_this_role() {
    let cluster = Cluster::start();
    let owned = Database::Postgres(cluster.url.clone());
    let server = one_of_many(&owned, Setup::default()).await;
    server.app.close().await;
    let rights = "grant select, insert, update, delete on all tables in schema public to";
    for role in ["many", "few connection limit 3"] {
        let name = role.split(' ').next().unwrap();
        let made = format!("create role {name} login{}", &role[name.len()..]);
        database::run(&cluster.url, &[&made, &format!("{rights} {name}")]);
    }
    let url = |role: &str| cluster.url.replace("postgres@", &format!("{role}@"));
    let free = |role: &str| {
        let (grade, said) = look(&url(role), "connections");
        (grade, said.strip_suffix(" free").unwrap().parse::<i64>().unwrap())
    };
    let mut others = Vec::new();
    for _ in 0..20 {
        others.push(owned.direct().await);
    }

    // Of 300: those of others, its own, and three that are kept for superusers.
    let (grade, left) = free("many");
    assert!(grade == "ok" && (250..=276).contains(&left), "{grade} {left}");
    assert_eq!(free("few"), ("warn".into(), 2));
    others[0].run("alter database postgres connection limit 23").await;
    let (grade, left) = free("many");
    assert!(grade == "warn" && left <= 2, "{grade} {left}");
}
