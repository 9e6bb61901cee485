//! Moving an installation between databases: every answer of both servers is the same afterwards.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use memstored::app::upkeep;
use memstored::clock::SystemSource;
use memstored::db::{Copied, Kind, Progress, TABLES};
use memstored::domain::Error;
use rstest::rstest;
use serde_json::{Value, json};
use sha2::Digest;
use tempfile::TempDir;

use crate::support::program::{command, run};
use crate::support::server::{KEY, Setup, request, text};
use crate::support::{Database, Direct, Program, Server};

/// Everything that there can be: renames, deletions, redactions, an archived and a deleted store,
/// other workspaces, keys of all kinds, bytes that text columns don't take.
async fn fill(server: &Server) {
    let store = server.store().await;
    for number in 0..130 {
        server.memory(&store, &format!("/many/{number:03}"), &format!("{number}\u{0}é\r\n")).await;
    }
    let made = server.memory(&store, "/a/ü", "secret").await;
    let memory = format!("{store}/memories/{}", text(&made, "id"));
    server.post(&memory, json!({"content": "second", "path": "/b"})).await.ok();
    server.post(&memory, json!({"content": ""})).await.ok();
    let redact = format!("{store}/memory_versions/{}/redact", text(&made, "memory_version_id"));
    server.call("POST", &redact, None).await.ok();
    let gone = server.memory(&store, "/gone", "x").await;
    server.delete(&format!("{store}/memories/{}", text(&gone, "id"))).await.ok();
    let patch = json!({"description": "d'\"", "metadata": {"k": "v\n"}});
    server.post(&store, patch).await.ok();
    let archived = server.store().await;
    server.call("POST", &format!("{archived}/archive"), None).await.ok();
    let deleted = server.store().await;
    server.memory(&deleted, "/x", "y").await;
    server.delete(&deleted).await.ok();

    let workspace = server.post("/x/v1/workspaces", json!({"name": "two"})).await.ok();
    let body = json!({
        "name": "k", "workspace_id": text(&workspace, "id"), "as_user": "ada",
        "scopes": ["read", "write"], "expires_at": "2030-01-01T00:00:00Z",
    });
    let key = server.post("/x/v1/api_keys", body).await.ok();
    let of_two = Some(json!({"name": "of two"}));
    server.call_as(text(&key, "key"), "POST", "/v1/memory_stores", of_two).await.ok();
    let key = server.post("/x/v1/api_keys", json!({"name": "r"})).await.ok();
    let revoke = format!("/x/v1/api_keys/{}/revoke", text(&key, "id"));
    let because = request(KEY, "POST", &revoke).header("memstored-reason", "geleakt: ü".as_bytes());
    server.send(because.body(Body::empty()).unwrap()).await.ok();
}

/// Every page of every list, and every single thing, by path.
async fn answers(server: &Server) -> BTreeMap<String, Value> {
    let mut answers = BTreeMap::new();
    for list in ["/x/v1/workspaces", "/x/v1/api_keys", "/x/v1/journal"] {
        walk(server, list, &mut answers).await;
    }
    for store in walk(server, "/v1/memory_stores?include_archived=true", &mut answers).await {
        walk(server, &format!("/x/v1/journal?store_id={store}"), &mut answers).await;
        let store = format!("/v1/memory_stores/{store}");
        answers.insert(store.clone(), server.get(&store).await.ok());
        for (list, view) in
            [("memories", "?view=full"), ("memories", "?depth=1"), ("memory_versions", "")]
        {
            for id in walk(server, &format!("{store}/{list}{view}"), &mut answers).await {
                let path = format!("{store}/{list}/{id}");
                answers.insert(path.clone(), server.get(&path).await.ok());
            }
        }
    }
    answers
}

/// Reads a list to its end; answers the IDs in it.
async fn walk(server: &Server, list: &str, answers: &mut BTreeMap<String, Value>) -> Vec<String> {
    let separator = if list.contains('?') { '&' } else { '?' };
    let mut ids = Vec::new();
    let mut page = String::new();
    loop {
        let path = format!("{list}{separator}limit=7&page={page}");
        let answer = server.get(&path).await.ok();
        let items = answer["data"].as_array().unwrap();
        ids.extend(items.iter().filter_map(|item| item["id"].as_str()).map(str::to_owned));
        let next = answer["next_page"].as_str().map(str::to_owned);
        answers.insert(path, answer);
        match next {
            Some(next) => page = next,
            None => return ids,
        }
    }
}

fn copy(from: &Database, to: &Database) -> (bool, String) {
    let folder = TempDir::new().unwrap();
    let output = run(folder.path(), &["copy", "--from", &from.url(), "--to", &to.url()]);
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

#[rstest]
#[case::to_postgres(Database::file(), Database::postgres())]
#[case::to_sqlite(Database::postgres(), Database::file())]
#[case::between_files(Database::file(), Database::file())]
#[case::within_postgres(Database::postgres(), Database::postgres())]
#[tokio::test]
async fn a_copy_gives_the_same_answers(#[case] from: Database, #[case] to: Database) {
    let source = Server::on(&from).await;
    fill(&source).await;
    let before = answers(&source).await;
    let organization =
        source.get("/health").await.header("anthropic-organization-id").map(str::to_owned);
    source.app.close().await;

    let (copied, said) = copy(&from, &to);
    assert!(copied, "{said}");
    assert!(said.contains("and compared"), "{said}");

    let target = Server::on(&to).await;
    let after = answers(&target).await;
    assert!(before.len() > 150);
    for (path, answer) in &before {
        assert_eq!(after.get(path), Some(answer), "{path}");
    }
    assert_eq!(after.len(), before.len());
    let health = target.get("/health").await;
    assert_eq!(health.header("anthropic-organization-id"), organization.as_deref());
    to.direct().await.check_history().await;
    target.app.close().await;
    let folder = TempDir::new().unwrap();
    let arguments = ["--api-key", KEY, "--database-url", &to.url()];
    let on = Program::serve(folder.path(), &arguments);
    assert_eq!(on.call(KEY, "POST", "/v1/memory_stores", Some(&json!({"name": "n"}))).0, 200);
}

#[tokio::test]
async fn a_target_that_holds_anything_is_refused_and_left_alone() {
    let (from, to) = (Database::file(), Database::postgres());
    Server::on(&from).await.app.close().await;
    let target = Server::on(&to).await;
    let store = target.store().await;

    let (copied, said) = copy(&from, &to);

    assert!(!copied);
    assert!(said.contains("is not empty"), "{said}");
    target.get(&store).await.ok();
}

#[tokio::test]
async fn a_source_that_is_missing_or_empty_is_refused_and_not_made() {
    let to = Database::postgres();
    let (missing, empty) = (Database::file(), Database::postgres());

    for (from, reason) in [(missing, "no database"), (empty, "no installation")] {
        let (copied, said) = copy(&from, &to);
        assert!(!copied);
        assert!(said.contains(reason), "{said}");
        if let Database::File(folder) = &from {
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        }
    }
}

/// An installation with one version.
async fn small(database: &Database) -> Server {
    let server = Server::on(database).await;
    let store = server.store().await;
    server.memory(&store, "/a", "x").await;
    server
}

/// Copies in this process; `meanwhile` is called after each step.
async fn copy_while(
    from: &Database,
    to: &Database,
    mut meanwhile: impl FnMut(Progress) + Send,
) -> Result<Vec<Copied>, Error> {
    upkeep::copy(&from.location(), &to.location(), &mut meanwhile).await
}

/// Runs something of this runtime to its end where nothing can be awaited.
fn wait_for<T>(future: impl Future<Output = T>) -> T {
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(future))
}

/// The schema, and not a row in it.
async fn assert_empty(database: &Database) {
    let mut direct = database.direct().await;
    for table in TABLES {
        assert_eq!(direct.count(&format!("select count(*) from {}", table.name)).await, 0);
    }
}

#[rstest]
#[case::from_a_file(Database::file(), Database::postgres(), true)]
#[case::from_a_file_that_nobody_had_open(Database::file(), Database::file(), false)]
#[case::from_postgres(Database::postgres(), Database::file(), true)]
#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_changes_meanwhile_is_not_copied(
    #[case] from: Database,
    #[case] to: Database,
    #[case] served: bool,
) {
    let mut server = Some(small(&from).await);
    if !served {
        server.take().unwrap().app.close().await;
    }
    let mut steps = 0;

    let copied = copy_while(&from, &to, |_| {
        steps += 1;
        if steps == 3 {
            wait_for(async {
                if server.is_none() {
                    let (location, source) = (Some(from.location()), Arc::new(SystemSource));
                    let setup = Setup { location, source, ..Setup::default() };
                    server = Some(Server::with(setup).await);
                }
                server.as_ref().unwrap().key(&["read"]).await;
            });
        }
    });

    let refusal = copied.await.unwrap_err().to_string();
    assert!(refusal.contains("was changed while it was copied"), "{refusal}");
    assert!(steps > 3);
    assert_empty(&to).await;
}

#[rstest]
#[case::on_sqlite(
    Database::file(),
    &["create trigger odd after insert on workspaces begin \
       update workspaces set name = 'odd' where id = new.id; end"]
)]
#[case::on_postgres(
    Database::postgres(),
    &["create function odd() returns trigger language plpgsql as \
       'begin new.name := ''odd''; return new; end'",
      "create trigger odd before insert on workspaces for each row execute function odd()"]
)]
#[tokio::test]
async fn a_target_that_reads_differently_is_left_empty(
    #[case] to: Database,
    #[case] change: &[&str],
) {
    let from = Database::file();
    small(&from).await.app.close().await;
    upkeep::migrate(&to.location()).await.unwrap();
    let mut direct = to.direct().await;
    for sql in change {
        direct.run(sql).await;
    }

    let (copied, said) = copy(&from, &to);

    assert!(!copied);
    assert!(said.contains("table workspaces reads differently in the target"), "{said}");
    assert_empty(&to).await;
}

#[rstest]
#[case::on_sqlite(Database::file())]
#[case::on_postgres(Database::postgres())]
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_starts_on_the_target_meanwhile_founds_nothing(#[case] to: Database) {
    let from = Database::file();
    let source = small(&from).await;
    let organization = source.app.organization().to_owned();
    source.app.close().await;
    let mut watch = if let Database::Postgres(_) = to { Some(to.direct().await) } else { None };
    let mut started = None;
    let location = to.location();

    let copied = copy_while(&from, &to, |_| {
        if started.is_some() {
            return;
        }
        let setup = Setup { location: Some(location.clone()), ..Setup::default() };
        started = Some(tokio::task::spawn_blocking(|| wait_for(Server::with(setup))));
        if let Some(direct) = &mut watch {
            let waits = "select count(*) from pg_locks where not granted and relation = \
                         'installation'::regclass";
            wait_for(async { while direct.count(waits).await == 0 {} });
        }
    });
    copied.await.unwrap();

    let target = started.unwrap().await.unwrap();
    assert_eq!(target.app.organization(), organization);
    let mut direct = to.direct().await;
    assert_eq!(direct.count("select count(*) from installation").await, 1);
    assert_eq!(direct.count("select count(*) from workspaces").await, 1);
    direct.check_history().await;
}

/// In hexadecimal.
fn hash_of_zeros(bytes: usize) -> String {
    let hash = sha2::Sha256::digest(vec![0; bytes]);
    hash.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

/// Pages go by bytes: 12 contents of 3 MB never go together.
#[rstest]
#[case::to_sqlite(Database::file())]
#[case::to_postgres(Database::postgres())]
#[tokio::test]
async fn large_contents_go_a_few_at_a_time(#[case] to: Database) {
    let from = Database::file();
    let server = small(&from).await;
    server.app.close().await;
    let mut direct = from.direct().await;
    let hash = hash_of_zeros(3_000_000);
    for number in 0..12 {
        let sql = format!(
            "insert into versions select 'memver_{number:02}', store_id, memory_id, operation, \
             path, zeroblob(3000000), 3000000, x'{hash}', created_at, created_by, null, null from \
             versions where size = 1"
        );
        direct.run(&sql).await;
    }
    let (mut before, mut most, mut pages) = (0, 0, 0);

    let copied = copy_while(&from, &to, |progress| {
        if progress.table == "versions" {
            most = most.max(progress.done - before);
            pages += 1;
        }
        before = progress.done;
    });
    copied.await.unwrap();

    assert_eq!((most, pages), (3, 12), "two at a time, and a small one with the last");
    let sizes = "select cast(sum(length(content)) as bigint) from versions";
    assert_eq!(to.direct().await.count(sizes).await, 36_000_001);
}

#[rstest]
#[case::to_postgres(Database::postgres(), 0)]
#[case::to_sqlite(Database::file(), 1)]
#[tokio::test]
async fn what_waits_to_be_erased_goes_where_it_will_be(#[case] to: Database, #[case] rows: i64) {
    let from = Database::file();
    small(&from).await.app.close().await;
    from.direct().await.run("insert into pending_erasures values ('memver_x')").await;

    let (copied, said) = copy(&from, &to);

    assert!(copied, "{said}");
    assert_eq!(said.contains("pending_erasures"), rows > 0, "{said}");
    assert_eq!(to.direct().await.count("select count(*) from pending_erasures").await, rows);
}

#[rstest]
#[case::a_file(Database::file())]
#[case::postgres(Database::postgres())]
#[tokio::test]
async fn a_database_is_not_copied_to_itself(#[case] database: Database) {
    let server = small(&database).await;
    server.app.close().await;

    let (copied, said) = copy(&database, &database);

    assert!(!copied);
    assert!(said.contains("can't be copied to itself"), "{said}");
}

#[rstest]
#[case::a_file(Database::file())]
#[case::postgres(Database::postgres())]
#[tokio::test]
async fn a_source_with_a_schema_and_nothing_in_it_is_refused(#[case] from: Database) {
    upkeep::migrate(&from.location()).await.unwrap();
    let to = Database::file();

    let (copied, said) = copy(&from, &to);

    assert!(!copied);
    assert!(said.contains("there is no installation of memstored at"), "{said}");
    assert!(to.files().is_empty());
}

/// Killed while it writes the last tables; a file has been written to by then.
#[tokio::test]
async fn a_copy_to_a_file_that_was_killed_leaves_it_empty() {
    let (from, to) = (Database::file(), Database::file());
    small(&from).await.app.close().await;
    let mut source = from.direct().await;
    let hash = hash_of_zeros(9_000_000);
    let large = &format!(
        "update versions set content = zeroblob(9000000), size = 9000000, sha256 = x'{hash}'"
    );
    source.run("drop trigger versions_are_immutable").await;
    source.run(large).await;
    upkeep::migrate(&to.location()).await.unwrap();
    let mut target = to.direct().await;
    target
        .run(
            "create view endless as with recursive n (x) as (select 1 union all select x + 1 from \
             n) select count(*) as x from n",
        )
        .await;
    target
        .run("create trigger stall before insert on journal begin select x from endless; end")
        .await;
    drop(target);
    let folder = TempDir::new().unwrap();
    let arguments = ["copy", "--from", &from.url(), "--to", &to.url()];

    let mut copying = command(folder.path(), &arguments).spawn().unwrap();
    let Database::File(files) = &to else { unreachable!() };
    let log = files.path().join("db-wal");
    while log.metadata().map_or(0, |log| log.len()) < 4 << 20 {
        assert!(copying.try_wait().unwrap().is_none());
        tokio::task::yield_now().await;
    }
    copying.kill().unwrap();
    copying.wait().unwrap();

    assert_empty(&to).await;
    to.direct().await.run("drop trigger stall").await;
    let (copied, said) = copy(&from, &to);
    assert!(copied, "{said}");
}

#[tokio::test]
async fn a_copy_to_postgres_that_was_killed_leaves_it_empty() {
    let (from, to) = (Database::file(), Database::postgres());
    small(&from).await.app.close().await;
    upkeep::migrate(&to.location()).await.unwrap();
    let (mut holding, mut watching) = (to.direct().await, to.direct().await);
    holding.run("begin").await;
    holding.run("lock table journal in share mode").await;
    let folder = TempDir::new().unwrap();
    let arguments = ["copy", "--from", &from.url(), "--to", &to.url()];

    let mut copying = command(folder.path(), &arguments).spawn().unwrap();
    let waits = "select count(*) from pg_locks where not granted and relation = \
                 'journal'::regclass";
    while watching.count(waits).await == 0 {
        assert!(copying.try_wait().unwrap().is_none());
    }
    copying.kill().unwrap();
    copying.wait().unwrap();
    holding.run("commit").await;
    // It holds its tables until it notices that nobody listens any more.
    watching.run("begin; lock table installation in access exclusive mode; commit").await;

    assert_empty(&to).await;
    let (copied, said) = copy(&from, &to);
    assert!(copied, "{said}");
}

/// Table, column, type and place in the key of each column.
const SQLITE: &str = "select t.name || ' ' || c.name || ' ' || lower(c.type) || ' ' || c.pk from \
                      sqlite_master t join pragma_table_info(t.name) c where t.type = 'table' \
                      and t.name not like 'sqlite_%' and t.name <> '_sqlx_migrations'";
const POSTGRES: &str = "select c.table_name || ' ' || c.column_name || ' ' || \
                        replace(replace(c.data_type, 'bigint', 'integer'), 'bytea', 'blob') || \
                        ' ' || coalesce(k.ordinal_position, 0) from information_schema.columns c \
                        left join information_schema.table_constraints p on p.table_schema = \
                        c.table_schema and p.table_name = c.table_name and p.constraint_type = \
                        'PRIMARY KEY' left join information_schema.key_column_usage k on \
                        k.constraint_schema = p.constraint_schema and k.constraint_name = \
                        p.constraint_name and k.column_name = c.column_name where c.table_schema \
                        = current_schema() and c.table_name <> '_sqlx_migrations'";

/// A table or column that `copy` does not know would be lost.
#[tokio::test]
async fn every_table_and_column_is_known() {
    let mut known = Vec::new();
    for table in TABLES {
        for (number, (column, kind)) in table.columns.iter().enumerate() {
            let kind = match kind {
                Kind::Text => "text",
                Kind::Integer => "integer",
                Kind::Bytes => "blob",
            };
            let key = if number < table.key { number + 1 } else { 0 };
            known.push(format!("{} {column} {kind} {key}", table.name));
        }
    }
    known.sort();
    for (database, sql) in [(Database::file(), SQLITE), (Database::postgres(), POSTGRES)] {
        let server = Server::on(&database).await;
        let mut direct: Direct = database.direct().await;
        let mut found = direct.texts(sql).await;
        found.sort();
        assert_eq!(found, known);
        server.app.close().await;
    }
}
