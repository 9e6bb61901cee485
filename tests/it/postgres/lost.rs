//! The database goes away, and comes back.

use std::time::{Duration, Instant};

use memstored::db::Durability;
use serde_json::{Value, json};

use super::cluster::Cluster;
use super::{WAITING_FOR_ME, until};
use crate::support::server::{Answer, Setup, text};
use crate::support::{Database, Direct, Server};

async fn server_on(url: &str, connections: usize) -> Server {
    let location = url.parse::<memstored::db::Location>().unwrap().with_connections(connections);
    let durability = Durability::Full;
    Server::with(Setup { location: Some(location), durability, ..Setup::default() }).await
}

fn create(path: &str) -> Value {
    json!({"path": path, "content": "x"})
}

fn refused_for_now(answer: Answer) {
    assert_eq!(answer.header("x-should-retry"), Some("true"), "{}", answer.render());
    assert_eq!(answer.refused(503)["type"], "api_error");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_postgres_all_is_503_and_two_seconds_after_its_return_all_is_well() {
    let cluster = Cluster::start();
    let server = server_on(&cluster.url, 16).await;
    let store = server.store().await;
    let memories = format!("{store}/memories");
    server.memory(&store, "/before", "x").await;

    for _ in 0..2 {
        cluster.crash();
        refused_for_now(server.post(&memories, create("/meanwhile")).await);
        refused_for_now(server.get(&memories).await);
        refused_for_now(server.post("/x/v1/api_keys", json!({"name": "k"})).await);
        let health = server.get("/health").await;
        assert_eq!((health.status.as_u16(), &health.json()["ready"]), (503, &json!(false)));

        cluster.start_again();
        let back = Instant::now();
        while server.get("/health").await.status != 200 {
            tokio::task::yield_now().await;
        }
        let id = text(&server.memory(&store, "/after", "x").await, "id").to_owned();
        server.delete(&format!("{memories}/{id}")).await.ok();
        assert!(back.elapsed() < Duration::from_secs(2), "{:?}", back.elapsed());
    }

    let page = server.get(&memories).await.ok();
    assert_eq!(page["data"].as_array().unwrap().len(), 1, "{page:#}");
    Database::Postgres(cluster.url.clone()).direct().await.check_history().await;
}

/// Writes to each store on a connection of its own.
async fn write_at_once(server: &Server, direct: &mut Direct, stores: &[String; 3], path: &str) {
    direct.run("begin; select 1 from stores for no key update").await;
    let writes = stores.clone().map(|store| {
        let (server, path) = (server.clone(), path.to_owned());
        tokio::spawn(async move { server.memory(&store, &path, "x").await })
    });
    until(direct, WAITING_FOR_ME, 3).await;
    direct.run("rollback").await;
    for write in writes {
        write.await.unwrap();
    }
}

async fn terminate_all(direct: &mut Direct) {
    let terminated = "select count(pg_terminate_backend(pid, 5000)) from pg_stat_activity \
                      where application_name = 'memstored'";
    assert_eq!(direct.count(terminated).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_all_idle_connections_have_died_the_next_write_succeeds() {
    let cluster = Cluster::start();
    let server = server_on(&cluster.url, 16).await;
    let mut direct = Database::Postgres(cluster.url.clone()).direct().await;
    let stores = [server.store().await, server.store().await, server.store().await];

    write_at_once(&server, &mut direct, &stores, "/one").await;
    terminate_all(&mut direct).await;
    server.memory(&stores[0], "/two", "x").await;
    write_at_once(&server, &mut direct, &stores, "/three").await;
    terminate_all(&mut direct).await;
    let first = server.get(&stores[0]).await;
    let second = server.get(&stores[0]).await;

    if first.status != 200 {
        refused_for_now(first);
    }
    second.ok();
    server.memory(&stores[0], "/four", "x").await;
    direct.check_history().await;
}

#[tokio::test]
async fn who_finds_no_connection_free_waits_for_one() {
    let database = Database::postgres();
    let server = server_on(&database.url(), 1).await;
    let store = server.store().await;
    let mut direct = database.direct().await;
    direct.run("begin; select 1 from stores for no key update").await;
    let (writer, reader) = (server.clone(), server.clone());
    let (written, read) = (format!("{store}/memories"), store.clone());

    let write = tokio::spawn(async move { writer.post(&written, create("/a")).await });
    until(&mut direct, WAITING_FOR_ME, 1).await;
    let read = tokio::spawn(async move { reader.get(&read).await });
    assert_eq!(direct.count(WAITING_FOR_ME).await, 1);
    assert!(!read.is_finished());
    direct.run("rollback").await;

    write.await.unwrap().ok();
    read.await.unwrap().ok();
}

/// Takes the ten seconds that a lock is waited for.
#[tokio::test]
async fn a_store_that_is_held_for_long_is_503_and_nothing_is_lost() {
    let database = Database::postgres();
    let server = server_on(&database.url(), 1).await;
    let store = server.store().await;
    let memories = format!("{store}/memories");
    let mut direct = database.direct().await;
    direct.run("begin; select 1 from stores for no key update").await;

    let (held, waited) =
        tokio::join!(server.post(&memories, create("/held")), server.get(&memories));

    refused_for_now(held);
    if waited.status != 200 {
        refused_for_now(waited);
    }
    server.get(&memories).await.ok();
    direct.run("rollback").await;
    server.memory(&store, "/held", "x").await;
    direct.check_history().await;
}
