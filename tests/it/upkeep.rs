//! `memstored migrate` and `memstored doctor`, on either database.

use std::process::Output;

use rstest::rstest;
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
    assert_eq!((code, said.as_str()), (0, "applied 1 init\napplied 2 sessions\n"));
    database
}

#[test]
fn migrate_applies_what_is_missing_and_says_what() {
    let database = migrated();

    let again = memstored(&database, &["migrate"]);
    let checked = memstored(&database, &["migrate", "--check", "--json"]);

    assert_eq!(again, (0, "schema 2, up to date\n".into(), String::new()));
    assert_eq!(checked.0, 0);
    let shown: Value = serde_json::from_str(&checked.1).unwrap();
    assert_eq!(shown, json!({"schema": 2, "latest": 2, "missing": []}));
}

#[tokio::test]
async fn migrate_check_changes_nothing() {
    let database = Database::fresh();
    if let Database::File(folder) = &database {
        std::fs::write(folder.path().join("db"), "").unwrap();
    }

    let (code, said, errors) = memstored(&database, &["migrate", "--check"]);

    assert_eq!((code, said.as_str()), (1, "missing 1 init\nmissing 2 sessions\n"));
    assert!(errors.contains("not up to date"), "{errors}");
    let mut direct = database.direct().await;
    direct.attempt("select count(*) from stores").await.unwrap_err();
}

#[tokio::test]
async fn commands_that_only_read_make_no_database() {
    let database = Database::fresh();
    let to = Database::file();
    let (url, target) = (database.url(), to.url());

    for arguments in [&["key", "list"][..], &["workspace", "list"], &["doctor"]] {
        let (code, said, errors) = memstored(&database, arguments);
        assert_eq!(code, 1, "{said}");
        if let (Database::Postgres(_), ["doctor"]) = (&database, arguments) {
            assert!(said.contains("fail  schema       none: start a server"), "{said}");
            assert_eq!(errors, "memstored: 1 of 5 looks failed\n");
        } else {
            let reason = format!("there is no database of memstored at {}", database.location());
            assert_eq!((said, errors), (String::new(), format!("memstored: {reason}\n")));
        }
    }
    let folder = TempDir::new().unwrap();
    let copied = run(folder.path(), &["copy", "--from", &url, "--to", &target]);
    assert_eq!(copied.status.code(), Some(1));
    let (code, said, _) = memstored(&database, &["migrate", "--check"]);
    assert_eq!(code, 1);

    assert!(to.files().is_empty());
    match &database {
        Database::File(_) => {
            assert_eq!(said, "");
            assert!(database.files().is_empty());
        }
        Database::Postgres(_) => {
            assert_eq!(said, "missing 1 init\nmissing 2 sessions\n");
            let made = "select count(*) from pg_class where relnamespace = \
                        current_schema()::regnamespace";
            assert_eq!(database.direct().await.count(made).await, 0);
        }
    }
}

/// A file in one of the states that a reader may find it in, all but the first two with an
/// installation.
async fn file(state: &str) -> Database {
    let database = Database::file();
    let Database::File(folder) = &database else { unreachable!() };
    let path = folder.path().join("db");
    if state == "empty" {
        std::fs::write(&path, "").unwrap();
        return database;
    }
    if state == "foreign" {
        std::fs::write(&path, "").unwrap();
        database.direct().await.run("create table other (x text)").await;
        return database;
    }
    let origin = Database::file();
    let server = Server::on(&origin).await;
    let store = server.store().await;
    server.memory(&store, "/a", "x").await;
    if state == "copied by SQLite" {
        let into = format!("vacuum into '{}'", path.display());
        origin.direct().await.run(&into).await;
        return database;
    }
    let Database::File(from) = &origin else { unreachable!() };
    if state == "of a stopped server" {
        server.app.close().await;
    }
    for name in origin.files().keys() {
        if state == "of a killed server" || name == "db" {
            std::fs::copy(from.path().join(name), folder.path().join(name)).unwrap();
        }
    }
    let log = folder.path().join("db-wal").metadata().map_or(0, |file| file.len());
    assert_eq!(log > 0, state == "of a killed server");
    database
}

#[rstest]
#[case::empty("empty")]
#[case::foreign("foreign")]
#[case::copied("copied by SQLite")]
#[case::stopped("of a stopped server")]
#[case::killed("of a killed server")]
#[tokio::test]
async fn who_only_reads_a_file_leaves_all_as_it_was(#[case] state: &str) {
    let database = file(state).await;
    let holds = !["empty", "foreign"].contains(&state);
    let before = database.files();

    let (code, said, _) = memstored(&database, &["doctor"]);
    assert_eq!(code, i32::from(!holds), "{said}");
    assert_eq!(said.contains("ok    writes"), holds, "{said}");
    assert!(database.files() == before, "doctor: {:?}", database.files().keys());

    assert_eq!(memstored(&database, &["migrate", "--check"]).0, i32::from(!holds));
    assert!(database.files() == before, "migrate: {:?}", database.files().keys());

    let (folder, to) = (TempDir::new().unwrap(), Database::file());
    let copied = run(folder.path(), &["copy", "--from", &database.url(), "--to", &to.url()]).status;
    assert_eq!(copied.success(), holds);
    assert!(database.files() == before, "copy: {:?}", database.files().keys());
    if holds {
        assert_eq!(to.direct().await.count("select count(*) from versions").await, 1);
    }
}

#[rstest]
#[case::copied("copied by SQLite")]
#[case::stopped("of a stopped server")]
#[tokio::test]
async fn a_file_that_may_not_be_written_is_looked_over_and_copied(#[case] state: &str) {
    let database = file(state).await;
    let Database::File(folder) = &database else { unreachable!() };
    let mode = |mode| std::os::unix::fs::PermissionsExt::from_mode(mode);
    std::fs::set_permissions(folder.path().join("db"), mode(0o400)).unwrap();
    std::fs::set_permissions(folder.path(), mode(0o500)).unwrap();
    let before = database.files();

    assert_eq!(look(&database, "history").0, "ok");
    assert_eq!(look(&database, "integrity").0, "ok");
    let (elsewhere, to) = (TempDir::new().unwrap(), Database::file());
    let arguments = ["copy", "--from", &database.url(), "--to", &to.url()];

    assert!(run(elsewhere.path(), &arguments).status.success());
    assert!(database.files() == before, "{:?}", database.files().keys());
    std::fs::set_permissions(folder.path(), mode(0o700)).unwrap();
}

#[tokio::test]
async fn the_doctor_looks_at_the_log_beside_a_file_too() {
    let database = Database::file();
    let Database::File(folder) = &database else { unreachable!() };
    let server = Server::on(&database).await;
    let store = server.store().await;
    for number in 0..15 {
        server.memory(&store, &format!("/{number}"), &"x".repeat(100_000)).await;
    }
    let length = |name| std::fs::metadata(folder.path().join(name)).unwrap().len();
    let (file, log) = (length("db"), length("db-wal"));
    assert!(file < 1 << 20 && log > 1 << 20, "{file} {log}");

    let (_, size) = look(&database, "disk");
    for name in ["db-wal", "db-shm"] {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o640);
        std::fs::set_permissions(folder.path().join(name), mode).unwrap();
    }
    let (grade, mode) = look(&database, "mode");

    assert!(size.starts_with(&format!("{} MiB of data", (file + log) >> 20)), "{size}");
    assert_eq!((&*grade, &*mode), ("warn", "others may read db-wal, db-shm: set the mode to 0600"));
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
        (
            "fail",
            "1 journals with gaps or without their end, 1 versions and entries that don't match, \
             0 memories that are not as their version says"
        )
    );
    let (code, _, errors) = memstored(&database, &["doctor"]);
    assert_eq!(code, 1);
    assert!(errors.contains("2 of"), "{errors}");

    direct.run("drop table pending_erasures").await;
    assert_eq!(look(&database, "writes").0, "fail");
}

/// Whatever is lost last leaves no gap.
#[rstest]
#[case::of_a_store("version_written", "1 journals", "1 versions")]
#[case::of_a_workspace("key_created", "1 journals", "0 versions")]
#[tokio::test]
async fn the_doctor_misses_the_last_entry_of_a_journal(
    #[case] kind: &str,
    #[case] journals: &str,
    #[case] versions: &str,
) {
    let database = Database::fresh();
    let server = Server::on(&database).await;
    let store = server.store().await;
    let workspace = server.post("/x/v1/workspaces", json!({"name": "two"})).await.ok();
    server.delete(&format!("/x/v1/workspaces/{}", text(&workspace, "id"))).await.ok();
    server.memory(&store, "/a", "x").await;
    let deleted = server.store().await;
    server.memory(&deleted, "/a", "x").await;
    server.delete(&deleted).await.ok();
    server.key(&["read"]).await;
    server.app.close().await;
    let mut direct = database.direct().await;
    direct.check_history().await;
    assert_eq!(look(&database, "history").0, "ok");

    let disarm = if let Database::File(_) = database { "" } else { " on journal" };
    direct.run(&format!("drop trigger journal_is_kept{disarm}")).await;
    let last = format!(
        "delete from journal where kind = '{kind}' and ledger not in (select id from stores where \
         deleted_at is not null) and seq = (select max(l.seq) from journal l where l.ledger = \
         journal.ledger)"
    );
    direct.run(&last).await;
    let (grade, said) = look(&database, "history");

    assert_eq!(grade, "fail");
    assert!(said.contains(journals) && said.contains(versions), "{said}");
}

#[tokio::test]
async fn the_doctor_misses_versions_and_entries_of_each_other() {
    let database = Database::fresh();
    let server = Server::on(&database).await;
    let store = server.store().await;
    server.memory(&store, "/a", "x").await;
    server.memory(&store, "/b", "x").await;
    server.app.close().await;
    let mut direct = database.direct().await;

    let disarm = if let Database::File(_) = database { "" } else { " on versions" };
    direct.run(&format!("drop trigger versions_are_kept{disarm}")).await;
    direct.run("delete from versions where path = '/a'").await;
    let (grade, said) = look(&database, "history");

    assert_eq!(grade, "fail");
    assert_eq!(
        said,
        "0 journals with gaps or without their end, 1 versions and entries that don't match, 1 \
         memories that are not as their version says"
    );
}

#[tokio::test]
async fn the_doctor_refuses_a_schema_that_is_newer_or_missing() {
    let database = migrated();
    let mut direct = database.direct().await;
    direct
        .run(
            "insert into _sqlx_migrations (version, description, success, checksum, \
             execution_time) select 9999, 'later', success, checksum, 0 from _sqlx_migrations \
             where version = 1",
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
