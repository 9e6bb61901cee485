//! One lane a store: others don't wait, and those that wait share a commit.

use std::sync::mpsc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::{WAITING_FOR_ME, until};
use crate::support::server::{Answer, text};
use crate::support::{Database, Direct, Server};

/// Holds a store's row, as another instance would, until `rollback`.
async fn hold(direct: &mut Direct, store: &str) {
    let id = store.rsplit('/').next().unwrap();
    direct.run("begin").await;
    direct.run(&format!("select 1 from stores where id = '{id}' for no key update")).await;
}

fn create(server: &Server, store: &str, path: &str) -> JoinHandle<Answer> {
    let (server, store) = (server.clone(), store.to_owned());
    let body = json!({"path": path, "content": "x"});
    tokio::spawn(async move { server.post(&format!("{store}/memories"), body).await })
}

/// Sends creates while the store is held, so that all but the first wait in its lane, and answers
/// what became of them. (Each runs up to its place in the lane before this goes on: one thread.)
async fn queued(
    server: &Server,
    direct: &mut Direct,
    store: &str,
    paths: impl Iterator<Item = &str>,
) -> Vec<(u16, Value)> {
    hold(direct, store).await;
    let first = create(server, store, "/first");
    until(direct, WAITING_FOR_ME, 1).await;
    let others: Vec<_> = paths.map(|path| create(server, store, path)).collect();
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    direct.run("rollback").await;

    first.await.unwrap().ok();
    let mut answers = Vec::new();
    for other in others {
        let answer = other.await.unwrap();
        answers.push((answer.status.as_u16(), answer.json()));
    }
    answers
}

async fn commits(direct: &mut Direct) -> i64 {
    direct.count("select count(distinct cast(xmin as text)) from versions").await
}

#[tokio::test]
async fn a_store_for_which_too_many_wait_refuses_more_and_holds_no_other_up() {
    let database = Database::postgres();
    let server = Server::on(&database).await;
    let (held, free) = (server.store().await, server.store().await);
    let mut direct = database.direct().await;
    hold(&mut direct, &held).await;

    let first = create(&server, &held, "/first");
    until(&mut direct, WAITING_FOR_ME, 1).await;
    let waiting: Vec<_> =
        (0..1200).map(|number| create(&server, &held, &format!("/{number}"))).collect();
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    let refused = create(&server, &held, "/one-more").await.unwrap();
    server.memory(&free, "/a", "x").await;
    direct.run("rollback").await;

    assert_eq!(refused.header("x-should-retry"), Some("true"), "{}", refused.render());
    refused.refused(503);
    first.await.unwrap().ok();
    let mut made = 0;
    for answer in waiting {
        made += u32::from(answer.await.unwrap().status == 200);
    }
    assert_eq!(made, 1024);
    direct.check_history().await;
}

#[tokio::test]
async fn while_one_store_is_held_another_is_written() {
    let database = Database::postgres();
    let server = Server::on(&database).await;
    let (held, free) = (server.store().await, server.store().await);
    let mut direct = database.direct().await;
    hold(&mut direct, &held).await;

    let waiting = create(&server, &held, "/a");
    until(&mut direct, WAITING_FOR_ME, 1).await;
    server.memory(&free, "/a", "x").await;
    server.post("/v1/memory_stores", json!({"name": "another"})).await.ok();

    assert!(!waiting.is_finished());
    assert_eq!(direct.count(WAITING_FOR_ME).await, 1);
    direct.run("rollback").await;
    waiting.await.unwrap().ok();
}

#[tokio::test]
async fn those_that_wait_for_one_store_are_committed_together() {
    let database = Database::postgres();
    let server = Server::on(&database).await;
    let store = server.store().await;
    let mut direct = database.direct().await;
    let paths: Vec<_> = (0..40).map(|number| format!("/{number}")).collect();

    let answers = queued(&server, &mut direct, &store, paths.iter().map(String::as_str)).await;

    assert!(answers.iter().all(|(status, _)| *status == 200), "{answers:?}");
    assert_eq!(commits(&mut direct).await, 2, "the first, and then all others");
    direct.check_history().await;
}

#[tokio::test]
async fn a_refused_command_takes_nothing_from_its_batch() {
    let database = Database::postgres();
    let server = Server::on(&database).await;
    let store = server.store().await;
    let mut direct = database.direct().await;

    let answers =
        queued(&server, &mut direct, &store, ["/a", "/first/below", "/a/b", "/b"].into_iter())
            .await;

    let statuses: Vec<_> = answers.iter().map(|(status, _)| *status).collect();
    assert_eq!(statuses, [200, 409, 409, 200]);
    assert_eq!(answers[1].1["error"]["conflicting_path"], "/first");
    assert_eq!(answers[2].1["error"]["conflicting_path"], "/a");
    assert_eq!(commits(&mut direct).await, 2);
    direct.check_history().await;
}

/// As a defect would: the database refuses one command for a reason that the rules don't know.
#[tokio::test]
async fn a_command_that_the_database_refuses_takes_nothing_from_its_batch() {
    let database = Database::postgres();
    let server = Server::on(&database).await;
    let store = server.store().await;
    let mut direct = database.direct().await;
    direct.run("alter table versions add check (path <> '/unlucky')").await;

    let answers = queued(&server, &mut direct, &store, ["/a", "/unlucky", "/b"].into_iter()).await;

    let statuses: Vec<_> = answers.iter().map(|(status, _)| *status).collect();
    assert_eq!(statuses, [200, 500, 200]);
    let (refused, id) = (&answers[1].1["error"], text(&answers[0].1, "id"));
    assert_eq!(refused["message"], "Internal server error");
    server.get(&format!("{store}/memories/{id}")).await.ok();
    assert_eq!(direct.count("select count(*) from versions").await, 3);
    direct.check_history().await;
}

/// When a program ends, what it spawns is dropped at once.
#[test]
fn a_command_that_comes_while_the_program_ends_holds_it_up_no_longer() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (server, store) = runtime.block_on(async {
        let server = Server::on(&Database::postgres()).await;
        let store = server.store().await;
        (server, store)
    });
    let handle = runtime.handle().clone();
    drop(runtime);

    let (answered, answer) = mpsc::channel();
    std::thread::spawn(move || {
        let body = json!({"path": "/late", "content": ""});
        let answer = handle.block_on(server.post(&format!("{store}/memories"), body));
        answered.send(answer).unwrap();
    });

    let answer = answer.recv_timeout(Duration::from_secs(10)).expect("it is answered");
    answer.refused(503);
}
