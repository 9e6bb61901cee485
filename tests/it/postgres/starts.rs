//! Several programs on one database: they start at once, and revoke each other's keys.

use std::collections::BTreeSet;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::schema::migrated;
use super::{WAITING_FOR_ME, until};
use crate::support::server::{column, text};
use crate::support::{Database, Program, program};

type Starting = JoinHandle<(TempDir, Program)>;

fn start(url: &str, count: usize, arguments: &[&str]) -> Vec<Starting> {
    (0..count)
        .map(|_| {
            let folder = TempDir::new().unwrap();
            let serve =
                ["serve", "--listen", "127.0.0.1:0", "--database-url", url, "--log", "error"];
            let mut command = program::command(folder.path(), &[&serve, arguments].concat());
            std::thread::spawn(move || (folder, Program::spawn(&mut command)))
        })
        .collect()
}

fn started(starting: Vec<Starting>) -> Vec<(TempDir, Program)> {
    starting.into_iter().map(|start| start.join().unwrap()).collect()
}

#[tokio::test]
async fn programs_that_start_at_once_on_an_empty_schema_found_one_installation() {
    let database = Database::postgres();

    let programs = started(start(&database.url(), 4, &[]));

    let keys: Vec<_> = programs.iter().filter_map(|(_, program)| program.key()).collect();
    assert_eq!(keys.len(), 1, "one first key");
    let homes: BTreeSet<_> = programs
        .iter()
        .map(|(_, program)| {
            let (status, page) = program.call(&keys[0], "GET", "/x/v1/workspaces", None);
            assert_eq!(status, 200, "{page}");
            column(&page, "id")
        })
        .collect();
    assert_eq!(homes.len(), 1, "all have the same first workspace");
    let mut direct = database.direct().await;
    for (table, rows) in
        [("installation", 1), ("workspaces", 1), ("api_keys", 1), ("_sqlx_migrations", 2)]
    {
        assert_eq!(direct.count(&format!("select count(*) from {table}")).await, rows, "{table}");
    }
    direct.check_history().await;
}

/// All have seen that nobody has founded it before one of them does.
#[tokio::test]
async fn programs_that_wait_for_each_other_found_one_installation() {
    let database = Database::postgres();
    let mut direct = migrated(&database).await;
    direct.run("delete from installation").await;
    direct.run("begin; lock table installation in access exclusive mode").await;

    let starting = start(&database.url(), 4, &[]);
    until(&mut direct, WAITING_FOR_ME, 4).await;
    direct.run("rollback").await;
    let programs = started(starting);

    let keys: Vec<_> = programs.iter().filter_map(|(_, program)| program.key()).collect();
    assert_eq!(keys.len(), 1, "one first key");
    assert_eq!(direct.count("select count(*) from installation").await, 1);
    let founded = "select count(*) from workspaces where name = 'default' and id <> 'wrkspc_1'";
    assert_eq!(direct.count(founded).await, 1);
    direct.check_history().await;
}

/// How long an instance goes on answering a key.
fn answered_for(program: &Program, key: &str) -> Duration {
    let begun = Instant::now();
    while program.call(key, "GET", "/v1/memory_stores", None).0 != 401 {
        assert!(begun.elapsed() < Duration::from_secs(5), "it is still answered");
    }
    begun.elapsed()
}

#[test]
fn what_one_instance_has_revoked_another_refuses_within_a_second() {
    let database = Database::postgres();
    let programs = started(start(&database.url(), 2, &["--api-key", "the-key"]));
    let [(_, one), (_, two)] = &programs[..] else { unreachable!() };
    let post = |path: &str, body: &Value| {
        let (status, made) = one.call("the-key", "POST", path, Some(body));
        assert_eq!(status, 200, "{made}");
        made
    };
    let workspace = post("/x/v1/workspaces", &json!({"name": "w"}));
    let key = |workspace: &Value| {
        let made = post("/x/v1/api_keys", &json!({"name": "k", "workspace_id": workspace["id"]}));
        assert_eq!(two.call(text(&made, "key"), "GET", "/v1/memory_stores", None).0, 200);
        made
    };
    let (revoked, orphan) = (key(&workspace), key(&workspace));

    post(&format!("/x/v1/api_keys/{}/revoke", text(&revoked, "id")), &Value::Null);
    let until_revoked = answered_for(two, text(&revoked, "key"));
    assert_eq!(two.call(text(&orphan, "key"), "GET", "/v1/memory_stores", None).0, 200);
    one.call("the-key", "DELETE", &format!("/x/v1/workspaces/{}", text(&workspace, "id")), None);
    let until_orphaned = answered_for(two, text(&orphan, "key"));

    assert!(until_revoked < Duration::from_secs(1), "{until_revoked:?}");
    assert!(until_orphaned < Duration::from_secs(1), "{until_orphaned:?}");
}
