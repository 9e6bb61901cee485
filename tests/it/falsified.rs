//! Histories that somebody with the database itself has changed, as far as that shows.

use rstest::rstest;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::program::run;
use crate::support::server::text;
use crate::support::{Database, Direct, Server};

/// The grade and the text of one of the looks.
fn look(database: &Database, what: &str) -> (String, String) {
    let folder = TempDir::new().unwrap();
    let output = run(folder.path(), &["doctor", "--json", "--database-url", &database.url()]);
    let findings: Value = serde_json::from_slice(&output.stdout).unwrap();
    let found = findings.as_array().unwrap().iter().find(|found| found["what"] == what);
    let found = found.unwrap_or_else(|| panic!("no {what} in {findings:#}"));
    (text(found, "grade").to_owned(), text(found, "text").to_owned())
}

/// One with two memories, and the ID of the version of the first.
async fn filled() -> (Database, Direct, String) {
    let database = Database::fresh();
    let server = Server::on(&database).await;
    let store = server.store().await;
    let made = server.memory(&store, "/a", "x").await;
    server.memory(&store, "/b", "y").await;
    server.app.close().await;
    let direct = database.direct().await;
    (database, direct, text(&made, "memory_version_id").to_owned())
}

async fn drop_trigger(database: &Database, direct: &mut Direct, name: &str, table: &str) {
    let on = if let Database::File(_) = database { String::new() } else { format!(" on {table}") };
    direct.run(&format!("drop trigger {name}{on}")).await;
}

#[rstest]
#[case::content("content = sha256")]
#[case::size("size = size + 1")]
#[case::hash("sha256 = content")]
#[tokio::test]
async fn a_version_that_was_changed_is_found_and_not_copied(#[case] change: &str) {
    let (database, mut direct, version) = filled().await;
    let whole =
        ("ok".to_owned(), "2 versions looked at, all fit their sizes and hashes".to_owned());
    assert_eq!(look(&database, "contents"), whole);
    drop_trigger(&database, &mut direct, "versions_are_immutable", "versions").await;

    direct.run(&format!("update versions set {change} where path = '/a'")).await;

    let (grade, said) = look(&database, "contents");
    assert_eq!(grade, "fail");
    assert!(said.starts_with("1 of 2 versions") && said.ends_with(&version), "{said}");
    let (folder, to) = (TempDir::new().unwrap(), Database::file());
    let output = run(folder.path(), &["copy", "--from", &database.url(), "--to", &to.url()]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&version) && said.contains("nothing was copied"), "{said}");
    assert_eq!(to.direct().await.count("select count(*) from versions").await, 0);
}

#[rstest]
#[case::path("path = '/c'")]
#[case::size("size = size + 1")]
#[case::hash("sha256 = (select sha256 from versions where path = '/b')")]
#[tokio::test]
async fn a_memory_that_is_not_as_its_version_says_is_found(#[case] change: &str) {
    let (database, mut direct, _) = filled().await;
    assert_eq!(look(&database, "history").0, "ok");

    direct.run(&format!("update memories set {change} where path = '/a'")).await;

    let (grade, said) = look(&database, "history");
    assert_eq!(grade, "fail");
    assert!(said.ends_with("1 memories that are not as their version says"), "{said}");
}

#[tokio::test]
async fn a_trigger_an_index_or_a_table_that_is_gone_is_named() {
    let (database, mut direct, _) = filled().await;
    let whole = "tables, indexes and triggers are those of the schema".to_owned();
    assert_eq!(look(&database, "objects"), ("ok".to_owned(), whole));

    drop_trigger(&database, &mut direct, "journal_is_kept", "journal").await;
    direct.run("drop index versions_by_actor").await;
    direct.run("drop table pending_erasures").await;

    let (grade, said) = look(&database, "objects");
    assert_eq!(grade, "fail");
    for gone in ["trigger journal_is_kept", "index versions_by_actor", "table pending_erasures"] {
        assert!(said.contains(gone), "{gone}: {said}");
    }
}

#[tokio::test]
async fn a_trigger_that_lets_all_through_is_named() {
    let (database, mut direct, _) = filled().await;
    if let Database::File(_) = database {
        direct.run("drop trigger journal_is_kept").await;
        direct
            .run("create trigger journal_is_kept before delete on journal begin select 1; end")
            .await;
        let (grade, said) = look(&database, "objects");
        assert_eq!(grade, "fail");
        assert_eq!(
            said,
            "1 not as the schema has them: trigger journal_is_kept is another one or disabled"
        );
        return;
    }
    direct.run("alter table journal disable trigger journal_is_kept").await;
    assert!(look(&database, "objects").1.contains("trigger journal_is_kept on journal"));
    direct.run("alter table journal enable trigger journal_is_kept").await;
    assert_eq!(look(&database, "objects").0, "ok");
    direct
        .run(
            "create or replace function refuse() returns trigger language plpgsql as $$ begin \
             return new; end $$",
        )
        .await;
    assert!(look(&database, "objects").1.contains("function refuse"));
}

#[tokio::test]
async fn a_trigger_that_was_added_is_named() {
    let (database, mut direct, _) = filled().await;

    direct
        .run(match &database {
            Database::File(_) => "create trigger more before insert on journal begin select 1; end",
            Database::Postgres(_) => {
                "create trigger more before insert on journal for each row execute function \
                 refuse('no')"
            }
        })
        .await;

    let (grade, said) = look(&database, "objects");
    assert_eq!(grade, "fail");
    assert!(said.contains("trigger more") && said.contains("none of ours"), "{said}");
}

/// A column more, one of another kind; a condition that holds back nothing that it should.
#[rstest]
#[case::added("alter table memories add column more text", "table memories")]
#[case::optional("alter table journal alter column request drop not null", "table journal")]
#[case::kind("alter table events alter column seq type int", "table events")]
#[case::collation(
    "alter table memories alter column path type text collate \"POSIX\"",
    "table memories"
)]
#[case::default("alter table work alter column token_id set default 'x'", "table work")]
#[case::condition(
    "drop trigger stores_stay_deleted on stores; create trigger stores_stay_deleted before update \
     on stores for each row when (old.deleted_at is not null and new.deleted_at > old.deleted_at) \
     execute function refuse('a deleted store stays deleted')",
    "trigger stores_stay_deleted on stores"
)]
#[case::moment(
    "drop trigger journal_is_kept on journal; create trigger journal_is_kept after delete on \
     journal for each row execute function refuse('the journal is append-only')",
    "trigger journal_is_kept on journal"
)]
#[tokio::test]
async fn a_table_or_a_trigger_of_postgres_that_is_another_one_is_named(
    #[case] change: &str,
    #[case] named: &str,
) {
    let database = Database::postgres();
    Server::on(&database).await.app.close().await;
    assert_eq!(look(&database, "objects").0, "ok");

    database.direct().await.run(change).await;

    let (grade, said) = look(&database, "objects");
    assert_eq!(grade, "fail");
    let said = said.trim_start_matches("1 not as the schema has them: ");
    assert_eq!(said, format!("{named} is another one or disabled"));
}
