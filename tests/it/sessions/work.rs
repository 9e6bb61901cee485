//! The work queue, as a worker sees it.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE;
use serde_json::{Value, json};

use crate::support::server::{NOW, text};
use crate::support::{Answer, Server, Stage};

const SECOND: u64 = 1_000_000;

/// An environment with one session waiting, and its key.
struct Queue {
    server: Server,
    stage: Stage,
    key: String,
}

impl Queue {
    async fn new() -> Self {
        let server = Server::start().await;
        let stage = Stage::new(&server).await;
        let key = stage.environment_key(&server).await;
        Self { server, stage, key }
    }

    async fn call(&self, method: &str, rest: &str) -> Answer {
        let path = format!("{}{rest}", self.stage.queue());
        self.server.call_as(&self.key, method, &path, None).await
    }

    async fn poll(&self) -> Value {
        self.call("GET", "/poll").await.ok()
    }

    /// Takes the waiting item: its path behind the queue, and its token.
    async fn take(&self) -> (String, String) {
        let polled = self.poll().await;
        let item = format!("/{}", text(&polled, "id"));
        self.call("POST", &format!("{item}/ack")).await.ok();
        (item, token(&polled))
    }

    async fn beat(&self, item: &str, expected: &str) -> Answer {
        self.call("POST", &format!("{item}/heartbeat?expected_last_heartbeat={expected}")).await
    }

    fn at(&self, seconds: u64) {
        self.server.clock.set_micros(NOW + seconds * SECOND);
    }

    /// How a memory call with the token is answered.
    async fn reads(&self, token: &str) -> u16 {
        let path = format!("/v1/memory_stores/{}/memories", self.stage.stores[0]);
        self.server.call_as(token, "GET", &path, None).await.status.as_u16()
    }
}

/// The session token within a poll's secret.
pub fn token(polled: &Value) -> String {
    let mut secret = text(polled, "secret").to_owned();
    while !secret.len().is_multiple_of(4) {
        secret.push('=');
    }
    let secret: Value = serde_json::from_slice(&BASE64_URL_SAFE.decode(secret).unwrap()).unwrap();
    text(&secret, "sessions_token").to_owned()
}

#[tokio::test]
async fn a_session_is_queued_when_it_is_made_and_taken_once() {
    let queue = Queue::new().await;

    let polled = queue.poll().await;

    assert_eq!(polled["data"], json!({"type": "session", "id": queue.stage.session}));
    assert_eq!((&polled["state"], &polled["metadata"]), (&json!("queued"), &json!({})));
    assert_eq!(queue.poll().await, Value::Null);
    let item = format!("/{}", text(&polled, "id"));
    let taken = queue.call("POST", &format!("{item}/ack")).await.ok();
    assert_eq!((&taken["state"], &taken["secret"]), (&json!("starting"), &Value::Null));
    let again = queue.call("POST", &format!("{item}/ack")).await;
    assert_eq!(again.header("x-should-retry"), Some("false"));
    let refused = again.refused(409);
    assert_eq!(refused["type"], "invalid_request_error");
    assert!(text(&refused, "message").ends_with("it is starting"));
}

#[tokio::test]
async fn sessions_are_taken_in_the_order_in_which_they_were_made() {
    let queue = Queue::new().await;
    queue.at(1);
    let second = queue.stage.another(&queue.server).await;

    let order = [queue.poll().await, queue.poll().await];

    let sessions = order.map(|work| text(&work["data"], "id").to_owned());
    assert_eq!(sessions, [queue.stage.session.as_str(), text(&second, "id")]);
}

#[tokio::test]
async fn a_session_in_the_cloud_is_not_queued() {
    let server = Server::start().await;
    let stage = Stage::new(&server).await;
    let cloud = server.post("/v1/environments", json!({"name": "c"})).await.ok();
    let mut wanted = stage.wanted();
    wanted["environment_id"] = cloud["id"].clone();
    server.post("/v1/sessions", wanted).await.ok();
    let stats = format!("/v1/environments/{}/work/stats", text(&cloud, "id"));

    let message = server.get(&stats).await.message(400);

    assert!(message.contains("self_hosted"), "{message}");
}

#[tokio::test]
async fn an_offer_that_nobody_takes_is_made_again_with_a_new_token() {
    let queue = Queue::new().await;
    let first = queue.poll().await;
    queue.at(4);
    assert_eq!(queue.poll().await, Value::Null);

    queue.at(5);
    let second = queue.poll().await;

    assert_eq!(second["id"], first["id"]);
    assert_ne!(token(&second), token(&first));
    queue.at(6);
    let third = queue.call("GET", "/poll?reclaim_older_than_ms=1000").await.ok();
    assert_eq!(third["id"], first["id"]);
    // Whoever had it may still save what it has, for a minute.
    queue.at(64);
    assert_eq!(queue.reads(&token(&first)).await, 200);
    queue.at(66);
    assert_eq!(queue.reads(&token(&first)).await, 401);
    assert_eq!(queue.reads(&token(&third)).await, 200);
}

#[tokio::test]
async fn a_heartbeat_holds_the_lease_of_whoever_names_the_one_before() {
    let queue = Queue::new().await;
    let (item, _) = queue.take().await;

    let first = queue.beat(&item, "NO_HEARTBEAT").await.ok();
    let last = text(&first, "last_heartbeat");
    let second = queue.beat(&item, last).await.ok();

    assert_eq!((&first["state"], &first["lease_extended"]), (&json!("active"), &json!(true)));
    assert_eq!(first["ttl_seconds"], 300);
    assert_ne!(second["last_heartbeat"], first["last_heartbeat"]);
    for stale in [last, "NO_HEARTBEAT"] {
        let refused = queue.beat(&item, stale).await.refused(412);
        let details = &refused["details"];
        assert_eq!(details["error_code"], "heartbeat_precondition_failed");
        assert_eq!(
            details["current_state"],
            json!({
                "state": "active",
                "ttl_seconds": 300,
                "last_heartbeat": second["last_heartbeat"],
                "lease_extended": false,
                "lease_updated_at": second["last_heartbeat"],
            })
        );
        let message = text(&refused, "message");
        assert!(message.contains(stale) && message.contains(text(&second, "last_heartbeat")));
    }
    let wish = format!("{item}/heartbeat?desired_ttl_seconds=1");
    assert_eq!(queue.call("POST", &wish).await.ok()["ttl_seconds"], 10);
}

#[tokio::test]
async fn a_lost_lease_goes_to_another_worker_and_the_first_one_is_told() {
    let queue = Queue::new().await;
    let (item, lost) = queue.take().await;
    let beat = queue.beat(&item, "NO_HEARTBEAT").await.ok();
    queue.at(299);
    assert_eq!(queue.poll().await, Value::Null);

    queue.at(300);
    let (again, fresh) = queue.take().await;

    assert_eq!(again, item);
    queue.beat(&item, text(&beat, "last_heartbeat")).await.refused(412);
    queue.beat(&item, "NO_HEARTBEAT").await.ok();
    queue.at(359);
    assert_eq!(queue.reads(&lost).await, 200);
    queue.at(361);
    assert_eq!((queue.reads(&lost).await, queue.reads(&fresh).await), (401, 200));
}

#[tokio::test]
async fn a_worker_is_asked_to_stop_and_confirms() {
    let queue = Queue::new().await;
    let (item, token) = queue.take().await;
    queue.beat(&item, "NO_HEARTBEAT").await.ok();
    let stop = format!("{}{item}/stop", queue.stage.queue());

    let asked = queue.server.call("POST", &stop, None).await.ok();
    assert_eq!((&asked["state"], &asked["stopped_at"]), (&json!("stopping"), &Value::Null));
    let told = queue.beat(&item, "whatever").await.ok();
    assert_eq!((&told["state"], &told["lease_extended"]), (&json!("stopping"), &json!(false)));
    let force = Some(json!({"force": true}));
    let stopped = queue.server.call_as(&token, "POST", &stop, force.clone()).await.ok();
    assert_eq!(stopped["state"], "stopped");

    queue.at(59);
    assert_eq!(queue.reads(&token).await, 200);
    assert_eq!(queue.server.call_as(&queue.key, "POST", &stop, force).await.ok(), stopped);
    queue.at(60);
    assert_eq!(queue.reads(&token).await, 401);
}

#[tokio::test]
async fn work_that_nobody_has_taken_stops_at_once() {
    let queue = Queue::new().await;
    let listed = queue.call("GET", "").await.ok();
    let item = format!("/{}", text(&listed["data"][0], "id"));

    let stopped = queue.call("POST", &format!("{item}/stop")).await.ok();

    assert_eq!(stopped["state"], "stopped");
    assert_eq!(queue.poll().await, Value::Null);
    queue.call("POST", &format!("{item}/ack")).await.refused(409);
}

#[tokio::test]
async fn a_dormant_session_is_queued_again_by_a_message_and_a_busy_one_is_not() {
    let queue = Queue::new().await;
    let (item, _) = queue.take().await;
    let message = json!([{"type": "user.message", "content": []}]);
    queue.stage.send(&queue.server, message.clone()).await;
    assert_eq!(queue.poll().await, Value::Null);
    queue.call("POST", &format!("{item}/stop")).await.ok();
    queue.at(400);
    let idle = json!([{"type": "session.status_idle", "stop_reason": {"type": "end_turn"}}]);
    queue.stage.play(&queue.server, idle).await;
    assert_eq!(queue.poll().await, Value::Null);

    queue.stage.send(&queue.server, message).await;

    let again = queue.poll().await;
    assert_eq!(text(&again["data"], "id"), queue.stage.session);
    assert_ne!(format!("/{}", text(&again, "id")), item);
}

#[tokio::test]
async fn a_message_that_comes_while_a_worker_leaves_is_worked_on_once() {
    let queue = Queue::new().await;
    let (item, _) = queue.take().await;
    queue.at(1);
    queue.stage.send(&queue.server, json!([{"type": "user.message", "content": []}])).await;
    let stop = format!("{}{item}/stop", queue.stage.queue());

    queue.server.call("POST", &stop, Some(json!({"force": true}))).await.ok();

    let (next, _) = queue.take().await;
    assert_ne!(next, item);
    let stop = format!("{}{next}/stop", queue.stage.queue());
    queue.server.call("POST", &stop, Some(json!({"force": true}))).await.ok();
    assert_eq!(queue.poll().await, Value::Null);
}

#[tokio::test]
async fn a_first_turn_that_has_lost_its_worker_is_tried_once_more_and_again_by_a_message() {
    let queue = Queue::new().await;
    let message = json!([{"type": "user.message", "content": []}]);
    queue.at(1);
    queue.stage.send(&queue.server, message.clone()).await;
    let lose = async || {
        let (item, _) = queue.take().await;
        queue.beat(&item, "NO_HEARTBEAT").await.ok();
        let stop = format!("{}{item}/stop", queue.stage.queue());
        queue.server.call("POST", &stop, Some(json!({"force": true}))).await.ok();
    };

    lose().await;
    lose().await;
    assert_eq!(queue.poll().await, Value::Null);
    queue.stage.send(&queue.server, message).await;

    assert_eq!(queue.poll().await["data"]["id"], queue.stage.session);
}

#[tokio::test]
async fn a_worker_that_dies_while_it_was_asked_to_stop_leaves_its_session_to_another() {
    let queue = Queue::new().await;
    let (item, _) = queue.take().await;
    queue.beat(&item, "NO_HEARTBEAT").await.ok();
    queue.call("POST", &format!("{item}/stop")).await.ok();
    queue.at(1);
    queue.stage.send(&queue.server, json!([{"type": "user.message", "content": []}])).await;
    assert_eq!(queue.poll().await, Value::Null);

    queue.at(300);
    let next = queue.poll().await;

    assert_eq!(next["data"]["id"], queue.stage.session);
    assert_ne!(format!("/{}", text(&next, "id")), item);
    let old = queue.server.get(&format!("{}{item}", queue.stage.queue())).await.ok();
    assert_eq!(old["state"], "stopped");
}

#[tokio::test]
async fn a_worker_that_has_lost_its_item_neither_holds_nor_stops_it() {
    let queue = Queue::new().await;
    let (item, lost) = queue.take().await;
    queue.beat(&item, "NO_HEARTBEAT").await.ok();
    queue.at(300);
    let (_, fresh) = queue.take().await;
    let path = format!("{}{item}", queue.stage.queue());
    let call = async |token: &str, what: &str| {
        let path = format!("{path}/{what}");
        queue.server.call_as(token, "POST", &path, None).await.status.as_u16()
    };

    assert_eq!(call(&fresh, "heartbeat").await, 200);
    assert_eq!((call(&lost, "heartbeat").await, call(&lost, "stop").await), (412, 409));
    assert_eq!(call(&fresh, "stop").await, 200);
}

/// Two were offered it, and the first of them took it, late: it works with the token that it has.
#[tokio::test]
async fn the_first_heartbeat_decides_between_two_to_whom_an_item_was_offered() {
    let queue = Queue::new().await;
    let early = token(&queue.poll().await);
    queue.at(6);
    let (item, late) = queue.take().await;
    let path = format!("{}{item}/heartbeat", queue.stage.queue());

    queue.server.call_as(&early, "POST", &path, None).await.ok();

    queue.server.call_as(&late, "POST", &path, None).await.refused(412);
    queue.at(100);
    assert_eq!((queue.reads(&early).await, queue.reads(&late).await), (200, 401));
}

#[tokio::test]
async fn an_ended_session_is_not_offered() {
    let queue = Queue::new().await;
    let archived = queue.stage.another(&queue.server).await;
    let terminated = json!([{"type": "session.status_terminated"}]);
    queue.stage.play(&queue.server, terminated).await;
    let path = format!("/v1/sessions/{}", text(&archived, "id"));
    queue.server.call("POST", &format!("{path}/archive"), None).await.ok();

    assert_eq!(queue.poll().await, Value::Null);
    queue.server.delete(&path).await.ok();
    assert_eq!(queue.call("GET", "").await.ok()["data"].as_array().unwrap().len(), 1);
}

/// A worker saves what it has after the session is over; only archiving or deleting it ends that.
#[tokio::test]
async fn a_terminated_session_lets_its_worker_finish() {
    let queue = Queue::new().await;
    let (item, token) = queue.take().await;
    queue.beat(&item, "NO_HEARTBEAT").await.ok();
    queue.stage.play(&queue.server, json!([{"type": "session.status_terminated"}])).await;

    assert_eq!(queue.reads(&token).await, 200);
    let stop = format!("{}{item}/stop", queue.stage.queue());
    queue.server.call_as(&token, "POST", &stop, Some(json!({"force": true}))).await.ok();
    assert_eq!(queue.reads(&token).await, 200);
    queue.server.call("POST", &format!("{}/archive", queue.stage.path()), None).await.ok();

    assert_eq!(queue.reads(&token).await, 401);
}

#[tokio::test]
async fn a_token_reaches_its_own_work_only() {
    let queue = Queue::new().await;
    let (_, token) = queue.take().await;
    queue.at(1);
    queue.stage.another(&queue.server).await;
    let (other, _) = queue.take().await;

    for call in ["heartbeat", "stop"] {
        let path = format!("{}{other}/{call}", queue.stage.queue());
        queue.server.call_as(&token, "POST", &path, None).await.refused(404);
    }
}

#[tokio::test]
async fn a_poll_waits_for_work_as_long_as_asked() {
    let queue = Queue::new().await;
    queue.take().await;
    let begun = Instant::now();
    assert_eq!(queue.call("GET", "/poll?block_ms=200").await.ok(), Value::Null);
    assert!(begun.elapsed() >= Duration::from_millis(200));

    let waiting = queue.call("GET", "/poll?block_ms=999");
    let making = async {
        tokio::task::yield_now().await;
        queue.stage.another(&queue.server).await
    };
    let (found, made) = tokio::join!(waiting, making);

    assert_eq!(found.ok()["data"]["id"], made["id"]);
    for bad in ["block_ms=0", "block_ms=1000", "block_ms=x", "reclaim_older_than_ms=-1"] {
        queue.call("GET", &format!("/poll?{bad}")).await.refused(400);
    }
}

#[tokio::test]
async fn the_queue_says_how_it_stands() {
    let queue = Queue::new().await;
    queue.at(1);
    queue.stage.another(&queue.server).await;
    queue.poll().await;
    let stats = queue.call("GET", "/stats").await.ok();

    assert_eq!((&stats["depth"], &stats["pending"]), (&json!(1), &json!(1)));
    assert!(stats["oldest_queued_at"].is_string());
    assert_eq!(stats["workers_polling"], 0);
    let by_key = format!("{}/stats", queue.stage.queue());
    assert_eq!(queue.server.get(&by_key).await.ok(), stats);
}

#[tokio::test]
async fn metadata_of_work_is_changed_with_an_api_key() {
    let queue = Queue::new().await;
    let (item, _) = queue.take().await;
    let path = format!("{}{item}", queue.stage.queue());

    queue.server.post(&path, json!({"metadata": {"a": "1", "b": "2"}})).await.ok();
    queue.server.post(&path, json!({"metadata": {"a": null}})).await.ok();

    let work = queue.server.get(&path).await.ok();
    assert_eq!((&work["metadata"], &work["secret"]), (&json!({"b": "2"}), &Value::Null));
    queue.server.call_as(&queue.key, "GET", &path, None).await.refused(403);
    queue.server.post(&path, json!({})).await.refused(400);
}
