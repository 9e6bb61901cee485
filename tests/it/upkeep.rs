//! `memstored migrate` and `memstored doctor`, on either database.

use std::process::Output;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::program::run;
use crate::support::server::{NOW, text};
use crate::support::{Database, Server};

fn memstored(database: &Database, arguments: &[&str]) -> (i32, String, String) {
    let folder = TempDir::new().unwrap();
    let url = database.url();
    let Output { status, stdout, stderr } =
        run(folder.path(), &[arguments, &["--database-url", &url]].concat());
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// The grade and the text of one of the looks.
fn look(database: &Database, what: &str) -> (String, String) {
    let (_, findings, errors) = memstored(database, &["doctor", "--json"]);
    let findings: Value = serde_json::from_str(&findings).expect(&errors);
    let found = findings.as_array().unwrap().iter().find(|found| found["what"] == what);
    let found = found.unwrap_or_else(|| panic!("no {what} in {findings:#}"));
    (text(found, "grade").to_owned(), text(found, "text").to_owned())
}

/// As if an older program had made it: there is a schema, and nothing in it.
fn migrated() -> Database {
    let database = Database::fresh();
    let (code, said, _) = memstored(&database, &["migrate"]);
    assert_eq!((code, said.as_str()), (0, "applied 1 init\n"));
    database
}

#[test]
fn migrate_applies_what_is_missing_and_says_what() {
    let database = migrated();

    let again = memstored(&database, &["migrate"]);
    let checked = memstored(&database, &["migrate", "--check", "--json"]);

    assert_eq!(again, (0, "schema 1, up to date\n".into(), String::new()));
    assert_eq!(checked.0, 0);
    let shown: Value = serde_json::from_str(&checked.1).unwrap();
    assert_eq!(shown, json!({"schema": 1, "latest": 1, "missing": []}));
}

#[tokio::test]
async fn migrate_check_changes_nothing() {
    let database = Database::fresh();
    if let Database::File(folder) = &database {
        std::fs::write(folder.path().join("db"), "").unwrap();
    }

    let (code, said, errors) = memstored(&database, &["migrate", "--check"]);

    assert_eq!((code, said.as_str()), (1, "missing 1 init\n"));
    assert!(errors.contains("not up to date"), "{errors}");
    let mut direct = database.direct().await;
    direct.attempt("select count(*) from stores").await.unwrap_err();
}

#[test]
fn commands_that_only_read_make_no_database() {
    let database = Database::fresh();

    for arguments in [&["key", "list"][..], &["workspace", "list"], &["doctor"]] {
        let (code, said, errors) = memstored(&database, arguments);
        assert_eq!(code, 1, "{said}");
        assert!([said, errors].concat().contains("memstored"), "{arguments:?}");
    }

    let (code, said, errors) = memstored(&database, &["migrate", "--check"]);
    assert_eq!(code, 1);
    assert!(said.contains("missing") || errors.contains("no database"), "{said}{errors}");
}

#[tokio::test]
async fn the_doctor_finds_a_used_database_well_while_its_server_runs() {
    let database = Database::fresh();
    let server = Server::on(&database).await;
    server.clock.set_micros(NOW - 1_000_000_000_000);
    let store = server.store().await;
    server.memory(&store, "/a", "x").await;
    if let Database::File(folder) = &database {
        assert_eq!(look(&database, "integrity").0, "ok");
        assert_eq!(look(&database, "redactions").0, "ok");
        assert!(folder.path().join("db").exists());
    }

    let (code, said, errors) = memstored(&database, &["doctor"]);

    assert_eq!((code, errors.as_str()), (0, ""), "{said}");
    for what in ["database", "schema", "clock", "history", "writes"] {
        assert!(said.contains(&format!("ok    {what:<12} ")), "{said}");
    }
    assert!(said.contains("1 versions, no gap"), "{said}");
    let mut direct = database.direct().await;
    assert_eq!(direct.count("select count(*) from pending_erasures").await, 0);
}

#[tokio::test]
async fn the_doctor_names_what_is_wrong() {
    let database = Database::fresh();
    let server = Server::on(&database).await;
    server.clock.set_micros(NOW + 900_000_000_000_000);
    let store = server.store().await;
    server.memory(&store, "/a", "x").await;
    server.memory(&store, "/b", "y").await;
    server.app.close().await;
    let mut direct = database.direct().await;

    let (grade, said) = look(&database, "clock");
    assert_eq!(grade, "warn");
    assert!(said.contains("ahead of this machine's clock"), "{said}");

    let disarm = if let Database::File(_) = database { "" } else { " on journal" };
    direct.run(&format!("drop trigger journal_is_kept{disarm}")).await;
    direct.run("delete from journal where kind = 'version_written' and seq = 2").await;
    let (grade, said) = look(&database, "history");
    assert_eq!(
        (grade.as_str(), said.as_str()),
        ("fail", "1 journals with gaps, 0 memories without a version")
    );
    let (code, _, errors) = memstored(&database, &["doctor"]);
    assert_eq!(code, 1);
    assert!(errors.contains("1 of"), "{errors}");

    direct.run("drop table pending_erasures").await;
    assert_eq!(look(&database, "writes").0, "fail");
}

#[tokio::test]
async fn the_doctor_refuses_a_schema_that_is_newer_or_missing() {
    let database = migrated();
    let mut direct = database.direct().await;
    direct
        .run(
            "insert into _sqlx_migrations (version, description, success, checksum, \
             execution_time) select 9999, 'later', success, checksum, 0 from _sqlx_migrations",
        )
        .await;

    let (grade, said) = look(&database, "schema");

    assert_eq!(grade, "fail");
    assert!(said.contains("schema 9999") && said.contains("newer"), "{said}");
    assert_eq!(memstored(&database, &["migrate"]).0, 1);
    let unreachable = Database::Postgres("postgres://ann:secret@127.0.0.1:1/none".into());
    let (code, said, errors) = memstored(&unreachable, &["doctor"]);
    assert_eq!(code, 1);
    assert!(said.starts_with("fail  database") && said.contains("ann@127.0.0.1:1"), "{said}");
    assert!(![said, errors].concat().contains("secret"));
}
