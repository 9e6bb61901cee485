//! The session side over two instances: what one has committed the other shows.

use axum::body::Body;
use rstest::rstest;
use serde_json::{Value, json};

use super::{WAITING_FOR_ME, two_on, until};
use crate::sessions::stream::Frames;
use crate::support::server::{KEY, request, text};
use crate::support::{Database, Server, Stage};

const WORKERS: usize = 8;
const SESSIONS: usize = 24;

fn message() -> Value {
    json!([{"type": "user.message", "content": []}])
}

#[tokio::test]
async fn a_stream_shows_what_came_through_the_other_instance() {
    let database = Database::postgres();
    let [one, two] = two_on(&database).await;
    let stage = Stage::new(&one).await;
    let mut frames = Frames::open(&two, &stage, None).await;

    let sent = stage.send(&one, message()).await;

    assert_eq!(frames.next().await.unwrap().2, sent["data"][0]);
    assert_eq!(frames.next().await.unwrap().1, "session.status_running");
}

#[tokio::test]
async fn a_deletion_ends_the_streams_of_the_other_instance() {
    let database = Database::postgres();
    let [one, two] = two_on(&database).await;
    let stage = Stage::new(&one).await;
    let mut frames = Frames::open(&two, &stage, None).await;

    one.delete(&stage.path()).await.ok();

    assert_eq!(frames.next().await.unwrap().1, "session.deleted");
    assert!(frames.next().await.is_none());
}

#[tokio::test]
async fn a_poll_finds_what_came_through_the_other_instance() {
    let database = Database::postgres();
    let [one, two] = two_on(&database).await;
    let stage = Stage::new(&one).await;
    let key = stage.environment_key(&one).await;
    let poll = format!("{}/poll?block_ms=999", stage.queue());
    two.call_as(&key, "GET", &poll, None).await.ok();

    let waiting = two.call_as(&key, "GET", &poll, None);
    let (found, made) = tokio::join!(waiting, stage.another(&one));

    assert_eq!(found.ok()["data"]["id"], made["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_item_goes_to_one_worker_whichever_instance_it_asks() {
    let database = Database::postgres();
    let instances = two_on(&database).await;
    let stage = Stage::new(&instances[0]).await;
    let key = stage.environment_key(&instances[0]).await;
    for _ in 1..SESSIONS {
        stage.another(&instances[0]).await;
    }

    let workers: Vec<_> = (0..WORKERS)
        .map(|worker| {
            let server = instances[worker % 2].clone();
            let (key, poll) = (key.clone(), format!("{}/poll", stage.queue()));
            tokio::spawn(async move {
                let mut taken = Vec::new();
                let mut empty = 0;
                while empty < 20 {
                    let polled = server.call_as(&key, "GET", &poll, None).await.ok();
                    match polled["id"].as_str() {
                        Some(id) => taken.push(id.to_owned()),
                        None => empty += 1,
                    }
                }
                taken
            })
        })
        .collect();
    let mut taken = Vec::new();
    for worker in workers {
        taken.extend(worker.await.unwrap());
    }

    taken.sort_unstable();
    let all = taken.len();
    taken.dedup();
    assert_eq!((all, taken.len()), (SESSIONS, SESSIONS));
}

#[tokio::test(flavor = "multi_thread")]
async fn events_through_both_instances_have_one_gapless_order() {
    let database = Database::postgres();
    let instances = two_on(&database).await;
    let stage = Stage::new(&instances[0]).await;
    let path = format!("{}/events", stage.path());
    let body = json!({"events": message()});

    let sending: Vec<_> = (0..40)
        .map(|number| {
            let (server, path, body) = (instances[number % 2].clone(), path.clone(), body.clone());
            tokio::spawn(async move { server.post(&path, body).await.ok() })
        })
        .collect();
    for sent in sending {
        sent.await.unwrap();
    }

    let mut direct = database.direct().await;
    let gapless = "select count(*) from (select seq, at, lag(seq) over w as before, lag(at) over w \
                   as earlier from events window w as (order by seq)) as numbered where seq <> \
                   coalesce(before, 0) + 1 or at <= earlier";
    assert_eq!(direct.count(gapless).await, 0);
    assert_eq!(direct.count("select count(*) from events").await, 41);
}

#[tokio::test]
async fn a_token_ends_in_every_instance_within_a_second() {
    let database = Database::postgres();
    let [one, two] = two_on(&database).await;
    let stage = Stage::new(&one).await;
    let token = stage.token(&one).await;
    let store = format!("/v1/memory_stores/{}", stage.stores[0]);
    two.call_as(&token, "GET", &store, None).await.ok();

    one.call("POST", &format!("{}/archive", stage.path()), None).await.ok();
    two.clock.set_micros(crate::support::server::NOW + 900_000);

    two.call_as(&token, "GET", &store, None).await.refused(401);
}

#[tokio::test]
async fn of_two_updates_of_an_agent_through_both_instances_one_is_made() {
    let database = Database::postgres();
    let [one, two] = two_on(&database).await;
    let stage = Stage::new(&one).await;
    let path = format!("/v1/agents/{}", stage.agent);
    let rename = |name: &str| json!({"name": name, "version": 1});

    let (first, second) = tokio::join!(one.post(&path, rename("a")), two.post(&path, rename("b")));

    let mut statuses = [first.status.as_u16(), second.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    let versions = one.get(&format!("{path}/versions")).await.ok();
    assert_eq!(versions["data"].as_array().unwrap().len(), 2);
    assert_eq!(text(&versions["data"][0], "type"), "agent");
}

/// The list was read before; bodies, and whether the session is there, are what is left to ask.
#[rstest]
#[case::meanwhile("update sessions set deleted_at = 1; delete from events", "select 1", 404)]
#[case::afterwards(
    "select 1",
    "lock table events in access exclusive mode; delete from events",
    200
)]
#[tokio::test]
async fn a_list_of_events_that_are_erased_meanwhile_is_whole_or_of_a_deleted_session(
    #[case] meanwhile: &str,
    #[case] afterwards: &str,
    #[case] status: u16,
) {
    let database = Database::postgres();
    let server = Server::on(&database).await;
    let stage = Stage::new(&server).await;
    stage.send(&server, message()).await;
    let (mut gate, mut eraser) = (database.direct().await, database.direct().await);
    gate.run("begin; lock table sessions in access exclusive mode").await;
    let (asked, path) = (server.clone(), format!("{}/events", stage.path()));
    let reading = tokio::spawn(async move { asked.get(&path).await });
    until(&mut gate, WAITING_FOR_ME, 1).await;

    gate.run(meanwhile).await;
    eraser.run(&format!("begin; {afterwards}")).await;
    gate.run("commit").await;
    eraser.run("commit").await;
    let answer = reading.await.unwrap();

    assert_eq!(answer.status.as_u16(), status, "{}", answer.render());
    if status == 200 {
        assert_eq!(answer.ok()["data"].as_array().unwrap().len(), 2);
    }
}

#[tokio::test]
async fn a_stream_shows_nothing_of_events_that_are_being_erased() {
    let database = Database::postgres();
    let server = Server::on(&database).await;
    let stage = Stage::new(&server).await;
    let mut frames = Frames::open(&server, &stage, None).await;
    stage.send(&server, message()).await;
    let mut eraser = database.direct().await;
    eraser.run("begin; lock table events in access exclusive mode").await;
    let next = tokio::spawn(async move { frames.next().await.unwrap() });
    until(&mut eraser, WAITING_FOR_ME, 1).await;

    eraser
        .run("update sessions set deleted_at = 1; delete from events where seq = 1; commit")
        .await;

    assert_eq!(next.await.unwrap().1, "session.deleted");
}

#[tokio::test]
async fn a_stream_behind_an_event_that_was_just_erased_is_of_a_deleted_session() {
    let database = Database::postgres();
    let server = Server::on(&database).await;
    let stage = Stage::new(&server).await;
    let sent = stage.send(&server, message()).await;
    let mut eraser = database.direct().await;
    eraser.run("begin; lock table events in access exclusive mode").await;
    let path = format!("{}/events/stream", stage.path());
    let open = request(KEY, "GET", &path).header("last-event-id", text(&sent["data"][0], "id"));
    let opening = tokio::spawn(async move { server.send(open.body(Body::empty()).unwrap()).await });
    until(&mut eraser, WAITING_FOR_ME, 1).await;

    eraser.run("update sessions set deleted_at = 1; delete from events; commit").await;

    opening.await.unwrap().refused(404);
}
