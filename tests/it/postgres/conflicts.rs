//! Transactions that Postgres takes back because another was in the way: tried again inside.

use rstest::rstest;
use serde_json::json;

use super::{WAITING_FOR_ME, until};
use crate::support::server::text;
use crate::support::{Database, Direct, Server};

const SERIALIZATION: &str = "40001";
const DEADLOCK: &str = "40P01";
const ALWAYS: u32 = 1_000_000;

/// Lets the first `times` inserts into a table fail with `code`. (A sequence does not roll back, so
/// it counts the attempts.)
async fn refuse_inserts(direct: &mut Direct, table: &str, code: &str, times: u32) {
    direct
        .run(&format!(
            "create sequence attempts; \
             create function be_in_the_way() returns trigger language plpgsql as $$ begin \
             if nextval('attempts') <= {times} then \
             raise exception using message = 'in the way', errcode = '{code}'; end if; \
             return new; end $$; \
             create trigger in_the_way before insert on {table} for each row \
             execute function be_in_the_way()"
        ))
        .await;
}

#[rstest]
#[tokio::test]
async fn a_write_that_was_taken_back_is_tried_again(#[values(SERIALIZATION, DEADLOCK)] code: &str) {
    let database = Database::postgres();
    let server = Server::on(&database).await;
    let store = server.store().await;
    let mut direct = database.direct().await;
    refuse_inserts(&mut direct, "versions", code, 3).await;

    let made = server.memory(&store, "/a", "x").await;

    let versions = server.versions(&store).await;
    assert_eq!(versions.len(), 1);
    assert_eq!(versions[0]["id"], made["memory_version_id"]);
    assert_eq!(direct.count("select last_value from attempts").await, 4);
    direct.check_history().await;
}

#[rstest]
#[tokio::test]
async fn a_write_that_is_always_taken_back_is_a_conflict_and_leaves_nothing(
    #[values(SERIALIZATION, DEADLOCK)] code: &str,
) {
    let database = Database::postgres();
    let server = Server::on(&database).await;
    let store = server.store().await;
    let mut direct = database.direct().await;
    refuse_inserts(&mut direct, "versions", code, ALWAYS).await;

    let body = json!({"path": "/a", "content": "x"});
    let answer = server.post(&format!("{store}/memories"), body).await;

    assert_eq!(answer.header("x-should-retry"), Some("true"));
    assert_eq!(answer.refused(409)["type"], "conflict_error");
    assert_eq!(server.versions(&store).await.len(), 0);
    assert!(server.get(&format!("{store}/memories")).await.ok()["data"] == json!([]));
    direct.check_history().await;
    direct.run("drop trigger in_the_way on versions").await;
    server.memory(&store, "/a", "x").await;
}

#[rstest]
#[case::in_the_way_at_first(2, 200)]
#[case::always_in_the_way(ALWAYS, 409)]
#[tokio::test]
async fn a_change_of_keys_is_tried_again_too(#[case] times: u32, #[case] status: u16) {
    let database = Database::postgres();
    let server = Server::on(&database).await;
    let mut direct = database.direct().await;
    let before = direct.count("select count(*) from journal").await;
    refuse_inserts(&mut direct, "api_keys", SERIALIZATION, times).await;

    let answer = server.post("/x/v1/api_keys", json!({"name": "k"})).await;

    assert_eq!(answer.status.as_u16(), status, "{}", answer.render());
    let made = i64::from(status == 200);
    assert_eq!(direct.count("select count(*) from api_keys where name = 'k'").await, made);
    assert_eq!(direct.count("select count(*) from journal").await, before + made);
    if made == 0 {
        assert_eq!(answer.header("x-should-retry"), Some("true"));
        assert_eq!(answer.refused(409)["type"], "conflict_error");
    }
    direct.check_history().await;
}

/// A revocation locks the key, then the workspace; here someone else does it the other way round.
#[tokio::test]
async fn a_real_deadlock_is_resolved_inside() {
    let database = Database::postgres();
    let server = Server::on(&database).await;
    let made = server.post("/x/v1/api_keys", json!({"name": "k"})).await.ok();
    let id = text(&made, "id").to_owned();
    let mut direct = database.direct().await;
    direct.run("begin").await;
    direct.run("select 1 from workspaces for no key update").await;

    let revoke = format!("/x/v1/api_keys/{id}/revoke");
    let (other, path) = (server.clone(), revoke.clone());
    let revoking = tokio::spawn(async move { other.call("POST", &path, None).await });
    until(&mut direct, WAITING_FOR_ME, 1).await;
    // The server has waited for longer, so it is its transaction that is taken back.
    let _ = direct.attempt(&format!("select 1 from api_keys where id = '{id}' for update")).await;
    direct.run("rollback").await;

    let revoked = revoking.await.unwrap().ok();
    assert!(revoked["revoked_at"].is_string(), "{revoked:#}");
    direct.check_history().await;
}
