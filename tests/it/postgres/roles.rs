//! The documented steps where the owner of the tables and the servers' role are two, by the real
//! programs.

use std::process::Command;

use tempfile::TempDir;

use super::cluster::Cluster;
use crate::support::{Database, Server, database, program};

/// What a program says on stderr, and whether it was content.
fn ended(command: &mut Command) -> (bool, String) {
    let output = command.output().unwrap();
    (output.status.success(), String::from_utf8(output.stderr).unwrap())
}

#[tokio::test]
async fn an_installation_is_copied_dumped_and_restored_by_two_roles() {
    let cluster = Cluster::start();
    let (_, query) = cluster.url.split_once('?').unwrap();
    let url = |user: &str, name: &str| format!("postgres://{user}@localhost/{name}?{query}");
    let (folder, from) = (TempDir::new().unwrap(), Database::file());
    let server = Server::on(&from).await;
    let store = server.store().await;
    server.memory(&store, "/a", "x").await;
    server.app.close().await;
    let memstored = |arguments: &[&str]| ended(&mut program::command(folder.path(), arguments));
    let create = "owner memstored_owner encoding 'UTF8' template template0";
    database::run(
        &cluster.url,
        &[
            "create role memstored_owner login",
            "create role memstored login",
            &format!("create database memstored {create}"),
            &format!("create database memstored_restored {create}"),
        ],
    );

    let owned = url("memstored_owner", "memstored");
    assert_eq!(memstored(&["migrate", "--database-url", &owned]), (true, String::new()));
    let (from, to) = (from.url(), url("memstored", "memstored"));
    let copy = ["copy", "--from", &from, "--to", &to];
    let (copied, said) = memstored(&copy);
    assert!(!copied && said.contains("to grant this role its rights"), "{said}");
    database::run(
        &owned,
        &[
            "grant usage on schema public to memstored",
            "grant select, insert, update, delete on all tables in schema public to memstored",
            "alter default privileges for role memstored_owner in schema public grant select, \
             insert, update, delete on tables to memstored",
        ],
    );
    let (copied, said) = memstored(&copy);
    assert!(copied, "{said}");

    let dump = folder.path().join("dump");
    let dumped = ended(
        Command::new("pg_dump").args(["--format=custom", "--dbname", &to, "--file"]).arg(&dump),
    );
    assert_eq!(dumped, (true, String::new()));
    let restored = ended(
        Command::new("pg_restore")
            .args(["--no-owner", "--role=memstored_owner", "--exit-on-error"])
            .args(["--single-transaction", "--dbname", &url("postgres", "memstored_restored")])
            .arg(&dump),
    );
    assert_eq!(restored, (true, String::new()));

    let restored = url("memstored", "memstored_restored");
    let (whole, said) = memstored(&["doctor", "--database-url", &restored]);
    assert!(whole, "{said}");
}
