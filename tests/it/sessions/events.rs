//! Events: what is taken, what it does, and how it is listed.

use serde_json::{Value, json};

use crate::support::server::{column, text};
use crate::support::{Database, Server, Stage};

fn message() -> Value {
    json!({"type": "user.message", "content": [{"type": "text", "text": "hello"}]})
}

fn tool_use(name: &str) -> Value {
    json!({"type": "agent.tool_use", "name": name, "input": {"command": "ls"}})
}

fn idle(reason: &Value) -> Value {
    json!({"type": "session.status_idle", "stop_reason": reason})
}

async fn all(server: &Server, stage: &Stage) -> Value {
    server.get(&format!("{}/events?limit=1000", stage.path())).await.ok()
}

async fn status(server: &Server, stage: &Stage) -> String {
    text(&server.get(&stage.path()).await.ok(), "status").to_owned()
}

#[tokio::test]
async fn a_message_makes_a_session_run_and_status_events_set_the_rest() {
    let server = Server::start().await;
    let stage = Stage::new(&server).await;
    assert_eq!(status(&server, &stage).await, "idle");

    let sent = stage.send(&server, json!([message()])).await;

    assert_eq!(column(&sent, "type"), ["user.message"]);
    assert_eq!(status(&server, &stage).await, "running");
    for (event, then) in [
        (json!({"type": "session.status_rescheduled"}), "rescheduling"),
        (json!({"type": "session.status_running"}), "running"),
        (idle(&json!({"type": "end_turn"})), "idle"),
        (json!({"type": "session.status_terminated"}), "terminated"),
    ] {
        stage.play(&server, json!([event])).await;
        assert_eq!(status(&server, &stage).await, then);
    }
    let path = format!("{}/events", stage.path());
    server.post(&path, json!({"events": [message()]})).await.refused(400);
}

#[tokio::test]
async fn events_have_their_number_their_time_and_every_key() {
    let database = Database::fresh();
    let server = Server::on(&database).await;
    let stage = Stage::new(&server).await;
    stage.send(&server, json!([message(), message()])).await;
    stage.play(&server, json!([tool_use("bash"), idle(&json!({"type": "end_turn"}))])).await;

    let events = all(&server, &stage).await;

    assert_eq!(
        column(&events, "type"),
        [
            "user.message",
            "session.status_running",
            "user.message",
            "agent.tool_use",
            "session.status_idle",
        ]
    );
    let times = column(&events, "processed_at");
    assert!(times.is_sorted_by(|one, two| one < two), "{times:?}");
    assert_eq!(events["data"][3]["evaluated_permission"], "allow");
    assert_eq!(events["data"][4]["stop_details"], Value::Null);
    let mut direct = database.direct().await;
    let numbers = direct.texts("select cast(seq as text) from events order by seq").await;
    assert_eq!(numbers, ["1", "2", "3", "4", "5"]);
    direct.refusal("update events set body = '{}'").await;
}

#[tokio::test]
async fn a_turn_that_waits_for_answers_goes_on_with_the_last() {
    let server = Server::start().await;
    let stage = Stage::new(&server).await;
    stage.send(&server, json!([message()])).await;
    let used = stage.play(&server, json!([tool_use("one"), tool_use("two")])).await;
    let ids = column(&used, "id");
    let waits = idle(&json!({"type": "requires_action", "event_ids": ids}));
    stage.play(&server, json!([waits])).await;
    let answer = |id: &str| json!([{"type": "user.tool_result", "tool_use_id": id}]);

    stage.send(&server, answer(&ids[0])).await;
    assert_eq!(status(&server, &stage).await, "idle");
    stage.send(&server, answer(&ids[1])).await;

    assert_eq!(status(&server, &stage).await, "running");
    let events = all(&server, &stage).await;
    assert_eq!(
        column(&events, "type")[5..],
        ["user.tool_result", "session.status_idle", "user.tool_result", "session.status_running",]
    );
    let rest = &events["data"][6]["stop_reason"];
    assert_eq!(*rest, json!({"type": "requires_action", "event_ids": [ids[1]]}));
}

#[tokio::test]
async fn each_side_sends_its_own_events() {
    let server = Server::start().await;
    let stage = Stage::new(&server).await;
    let (client, harness) =
        (format!("{}/events", stage.path()), format!("/x{}/events", stage.path()));
    let sent = async |path: &str, event: Value| server.post(path, json!({"events": [event]})).await;

    sent(&client, tool_use("bash")).await.refused(400);
    sent(&harness, message()).await.refused(400);
    sent(&harness, json!({"type": "session.deleted"})).await.refused(400);
    sent(&harness, json!({"type": "session.updated", "title": "t"})).await.refused(400);

    assert_eq!(all(&server, &stage).await["data"], json!([]));
}

#[tokio::test]
async fn ids_and_times_come_from_the_server() {
    let server = Server::start().await;
    let stage = Stage::new(&server).await;
    let path = format!("{}/events", stage.path());
    for forged in ["id", "processed_at"] {
        let mut event = message();
        event[forged] = json!("2020-01-01T00:00:00Z");
        let refusal = server.post(&path, json!({"events": [event]})).await.message(400);
        assert!(refusal.starts_with(&format!("events.0.{forged}: ")), "{refusal}");
    }
}

#[tokio::test]
async fn a_bad_event_is_named_and_the_good_ones_beside_it_are_not_kept() {
    let server = Server::start().await;
    let stage = Stage::new(&server).await;
    let path = format!("{}/events", stage.path());
    let unknown = format!("sevt_{}", "0".repeat(26));
    for (event, begins) in [
        (json!({"type": "user.message"}), "events.1.content: Field required"),
        (json!({"type": "user.wave"}), "events.1.type: "),
        (json!({"type": "user.message", "content": "hi"}), "events.1.content: "),
        (json!({"type": "user.tool_result", "tool_use_id": unknown}), "events.1: sevt_0"),
        (json!("hi"), "events.1: "),
        (
            json!({"type": "user.tool_confirmation", "tool_use_id": unknown, "result": "allow",
                   "deny_message": "no"}),
            "events.1.deny_message: ",
        ),
        (json!({"type": "system.message", "content": [{"type": "image"}]}), "events.1.content.0"),
    ] {
        let body = json!({"events": [message(), event]});
        let refusal = server.post(&path, body).await.message(400);
        assert!(refusal.starts_with(begins), "{begins}: {refusal}");
    }
    server.post(&path, json!({"events": []})).await.refused(400);
    assert_eq!(all(&server, &stage).await["data"], json!([]));
    assert_eq!(status(&server, &stage).await, "idle");
}

#[tokio::test]
async fn an_id_that_no_event_can_have_is_refused_on_both_databases() {
    let server = Server::start().await;
    let stage = Stage::new(&server).await;
    for id in ["\u{0}", "", "sevt_\u{0}", "sevt_'; drop table events"] {
        let events = json!([{"type": "user.tool_result", "tool_use_id": id}]);
        let path = format!("{}/events", stage.path());
        server.post(&path, json!({"events": events})).await.refused(400);
        let waits = json!([idle(&json!({"type": "requires_action", "event_ids": [id]}))]);
        server.post(&format!("/x{path}"), json!({"events": waits})).await.refused(400);
    }
}

#[tokio::test]
async fn what_was_answered_before_it_was_asked_for_is_not_waited_for() {
    let server = Server::start().await;
    let stage = Stage::new(&server).await;
    stage.send(&server, json!([message()])).await;
    let used = stage.play(&server, json!([tool_use("quick")])).await;
    let id = text(&used["data"][0], "id");
    stage.send(&server, json!([{"type": "user.tool_result", "tool_use_id": id}])).await;

    let waits = idle(&json!({"type": "requires_action", "event_ids": [id]}));
    stage.play(&server, json!([waits])).await;

    assert_eq!(status(&server, &stage).await, "running");
}

#[tokio::test]
async fn a_page_of_large_events_ends_early_and_none_is_skipped() {
    let server = Server::start().await;
    let stage = Stage::new(&server).await;
    let large = "x".repeat(6 << 20);
    let content = json!([{"type": "text", "text": large}]);
    for _ in 0..4 {
        let event = json!({"type": "user.message", "content": content});
        stage.send(&server, json!([event])).await;
    }

    let mut pages = Vec::new();
    let mut page = String::new();
    loop {
        let path = format!("{}/events?types[]=user.message&page={page}", stage.path());
        let answer = server.get(&path).await.ok();
        pages.push(answer["data"].as_array().unwrap().len());
        match answer["next_page"].as_str() {
            Some(next) => page = next.to_owned(),
            None => break,
        }
    }

    assert_eq!(pages, [2, 2]);
}

#[tokio::test]
async fn what_would_make_answers_endless_is_refused() {
    let server = Server::start().await;
    let stage = Stage::new(&server).await;
    let path = format!("{}/events", stage.path());
    let outcome = |chars: usize| {
        json!({
            "type": "user.define_outcome",
            "description": "x".repeat(chars),
            "rubric": {"type": "text", "content": ""},
        })
    };
    let many = |event: Value, many: usize| json!({"events": vec![event; many]});

    server.post(&path, many(json!({"type": "user.interrupt"}), 1001)).await.refused(400);
    server.post(&path, many(outcome(10_001), 1)).await.refused(400);
    server.post(&path, many(outcome(1), 101)).await.refused(400);
    server.post(&path, many(json!({"type": "user.interrupt"}), 1000)).await.ok();
    let tools = json!([{"type": "custom", "name": "x".repeat(1 << 20)}]);
    let agent = json!({"name": "a", "model": "m", "tools": tools});
    server.post("/v1/agents", agent).await.refused(400);
}

#[tokio::test]
async fn an_outcome_gets_an_id_and_its_evaluations() {
    let server = Server::start().await;
    let stage = Stage::new(&server).await;
    let define = json!({
        "type": "user.define_outcome",
        "description": "a report",
        "rubric": {"type": "text", "content": "short"},
    });

    let sent = stage.send(&server, json!([define])).await;

    let outcome = text(&sent["data"][0], "outcome_id");
    let start =
        json!({"type": "span.outcome_evaluation_start", "outcome_id": outcome, "iteration": 0});
    let started = stage.play(&server, json!([start])).await;
    let end = json!({
        "type": "span.outcome_evaluation_end",
        "outcome_id": outcome,
        "outcome_evaluation_start_id": started["data"][0]["id"],
        "iteration": 0,
        "result": "satisfied",
        "explanation": "it is short",
        "usage": {
            "input_tokens": 1, "output_tokens": 1,
            "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
        },
    });
    stage.play(&server, json!([end])).await;
    let session = server.get(&stage.path()).await.ok();
    let evaluation = &session["outcome_evaluations"][0];
    assert_eq!(
        (&evaluation["outcome_id"], &evaluation["result"]),
        (&json!(outcome), &json!("satisfied"))
    );
    assert_ne!(evaluation["completed_at"], Value::Null);
}

#[tokio::test]
async fn what_is_used_is_what_was_told_last() {
    let server = Server::start().await;
    let stage = Stage::new(&server).await;

    for tokens in [1, 7] {
        let usage = json!({"type": "session.usage", "usage": {"input_tokens": tokens}});
        stage.play(&server, json!([usage])).await;
    }

    let session = server.get(&stage.path()).await.ok();
    assert_eq!(session["usage"]["input_tokens"], 7);
    assert_eq!(session["usage"]["output_tokens"], Value::Null);
}

#[tokio::test]
async fn events_are_listed_in_both_orders_by_type_and_time() {
    let server = Server::start().await;
    let stage = Stage::new(&server).await;
    for _ in 0..3 {
        stage.send(&server, json!([message()])).await;
        stage.play(&server, json!([idle(&json!({"type": "end_turn"}))])).await;
    }
    let events = all(&server, &stage).await;
    let ids = column(&events, "id");
    let listed = async |query: &str| {
        column(&server.get(&format!("{}/events?{query}", stage.path())).await.ok(), "id")
    };

    let mut turned = listed("order=desc").await;
    turned.reverse();
    assert_eq!(turned, ids);
    assert_eq!(listed("types[]=user.message").await, [&*ids[0], &ids[3], &ids[6]]);
    assert_eq!(listed("types[]=user.message&types[]=session.status_idle").await.len(), 6);
    let at = column(&events, "processed_at");
    assert_eq!(listed(&format!("created_at[gt]={}", at[6])).await, ids[7..]);
    assert_eq!(
        listed(&format!("created_at[gte]={}&created_at[lt]={}", at[2], at[4])).await,
        ids[2..4]
    );
    for bad in ["types[]=user.wave", "limit=0", "limit=1001", "order=up", "page=x"] {
        server.get(&format!("{}/events?{bad}", stage.path())).await.refused(400);
    }
    let mut walked = Vec::new();
    let mut page = String::new();
    loop {
        let path = format!("{}/events?limit=2&page={page}", stage.path());
        let answer = server.get(&path).await.ok();
        walked.extend(column(&answer, "id"));
        match answer["next_page"].as_str() {
            Some(next) => page = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(walked, ids);
}

#[tokio::test]
async fn what_could_not_be_told_of_a_session_is_not_taken_from_a_model() {
    let server = Server::start().await;
    let stage = Stage::new(&server).await;
    let path = format!("/x{}/events", stage.path());
    let cost = json!({"amount": "25.00", "currency": "USD"});

    for (event, message) in [
        (tool_use(""), "events.0.name: minimum string length is 1"),
        (
            json!({"type": "session.usage", "usage": {"list_cost": cost}}),
            "events.0.usage.list_cost.amount: must be a whole number of minor units, such as \"2500\"",
        ),
        (
            json!({"type": "session.usage", "usage": {"active_seconds": -0.5}}),
            "events.0.usage.active_seconds: must be a number of at least 0; got -0.5",
        ),
    ] {
        let refused = server.post(&path, json!({"events": [event]})).await.message(400);

        assert_eq!(refused, message);
    }
    server.get(&stage.path()).await.ok();
}
