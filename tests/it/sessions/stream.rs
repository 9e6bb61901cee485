//! Events as they come, and what a client that was cut off has missed.

use std::io::{BufRead, BufReader, Read, Write};
use std::time::{Duration, Instant};

use axum::body::{Body, BodyDataStream};
use futures_util::StreamExt;
use memstored::http::Timeouts;
use rstest::rstest;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::support::server::{KEY, Setup, request, text};
use crate::support::{Program, Server, Stage, program};

/// An open stream of one session's events.
pub struct Frames {
    body: BodyDataStream,
    read: String,
}

impl Frames {
    pub async fn open(server: &Server, stage: &Stage, after: Option<&str>) -> Self {
        Self::open_as(KEY, server, stage, after).await
    }

    pub async fn open_as(key: &str, server: &Server, stage: &Stage, after: Option<&str>) -> Self {
        let path = format!("{}/events/stream", stage.path());
        let mut request = request(key, "GET", &path);
        if let Some(after) = after {
            request = request.header("last-event-id", after);
        }
        let request = request.body(Body::empty()).unwrap();
        let answer = server.router.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        assert_eq!(answer.headers()["x-accel-buffering"], "no");
        assert!(answer.headers().contains_key("request-id"));
        Self { body: answer.into_body().into_data_stream(), read: String::new() }
    }

    /// The next frame as id, name and data; `None` where the stream is over.
    pub async fn next(&mut self) -> Option<(String, String, Value)> {
        loop {
            if let Some((frame, rest)) = self.read.split_once("\n\n") {
                let field = |name: &str| {
                    let line = frame.lines().find_map(|line| line.strip_prefix(name));
                    line.unwrap_or_default().trim_start().to_owned()
                };
                let data = serde_json::from_str(&field("data:")).unwrap();
                let found = (field("id:"), field("event:"), data);
                self.read = rest.to_owned();
                return Some(found);
            }
            let more = tokio::time::timeout(Duration::from_secs(20), self.body.next());
            let more = more.await.expect("a frame within 20 s")?.unwrap();
            self.read.push_str(std::str::from_utf8(&more).unwrap());
        }
    }

    pub async fn names(&mut self, many: usize) -> Vec<String> {
        let mut names = Vec::new();
        while names.len() < many {
            names.push(self.next().await.unwrap().1);
        }
        names
    }
}

fn message() -> Value {
    json!([{"type": "user.message", "content": [{"type": "text", "text": "two\nlines"}]}])
}

#[tokio::test]
async fn a_stream_shows_what_comes_after_it_was_opened() {
    let server = Server::start().await;
    let stage = Stage::new(&server).await;
    stage.send(&server, message()).await;
    let mut frames = Frames::open(&server, &stage, None).await;

    let sent = stage.send(&server, message()).await;

    let (id, name, event) = frames.next().await.unwrap();
    assert_eq!((id.as_str(), name.as_str()), (text(&sent["data"][0], "id"), "user.message"));
    assert_eq!(event, sent["data"][0]);
    let listed = server.get(&format!("{}/events?order=desc&limit=1", stage.path())).await.ok();
    assert_eq!(event, listed["data"][0]);
}

#[tokio::test]
async fn whoever_opens_a_stream_and_then_lists_misses_nothing() {
    let server = Server::start().await;
    let stage = Stage::new(&server).await;
    let sending = async {
        for _ in 0..40 {
            stage.send(&server, message()).await;
        }
    };
    let reading = async {
        tokio::task::yield_now().await;
        let mut frames = Frames::open(&server, &stage, None).await;
        let listed = server.get(&format!("{}/events?limit=1000", stage.path())).await.ok();
        (frames.next().await.unwrap(), listed, frames)
    };

    let ((), (first, listed, mut frames)) = tokio::join!(sending, reading);

    let mut seen: Vec<String> =
        listed["data"].as_array().unwrap().iter().map(|event| text(event, "id").into()).collect();
    let all = server.get(&format!("{}/events?limit=1000", stage.path())).await.ok();
    let all: Vec<String> =
        all["data"].as_array().unwrap().iter().map(|event| text(event, "id").into()).collect();
    let mut id = first.0;
    loop {
        if !seen.contains(&id) {
            seen.push(id.clone());
        }
        if id == *all.last().unwrap() {
            break;
        }
        id = frames.next().await.unwrap().0;
    }
    assert_eq!(seen, all);
}

#[tokio::test]
async fn a_stream_resumes_behind_the_event_that_it_names() {
    let server = Server::start().await;
    let stage = Stage::new(&server).await;
    let first = stage.send(&server, message()).await;
    stage.send(&server, message()).await;

    let mut frames = Frames::open(&server, &stage, Some(text(&first["data"][0], "id"))).await;

    assert_eq!(frames.names(2).await, ["session.status_running", "user.message"]);
    let path = format!("{}/events/stream", stage.path());
    for unknown in [format!("sevt_{}", "0".repeat(26)), "nonsense".into()] {
        let request = request(KEY, "GET", &path).header("last-event-id", &unknown);
        let answer = server.send(request.body(Body::empty()).unwrap()).await;
        assert!(answer.message(400).starts_with("Last-Event-ID: "));
    }
}

#[tokio::test]
async fn a_deleted_session_ends_its_streams() {
    let server = Server::start().await;
    let stage = Stage::new(&server).await;
    let (mut one, mut other) =
        (Frames::open(&server, &stage, None).await, Frames::open(&server, &stage, None).await);

    server.delete(&stage.path()).await.ok();

    let (id, name, event) = one.next().await.unwrap();
    assert_eq!((name.as_str(), &event["type"]), ("session.deleted", &json!("session.deleted")));
    assert_eq!(other.next().await.unwrap().0, id);
    assert!(one.next().await.is_none() && other.next().await.is_none());
}

#[tokio::test]
async fn a_stream_ends_with_its_credential() {
    let server = Server::start().await;
    let stage = Stage::new(&server).await;
    let made = server.post("/x/v1/api_keys", json!({"name": "k"})).await.ok();
    let token = stage.token(&server).await;
    let mut by_key = Frames::open_as(text(&made, "key"), &server, &stage, None).await;
    let mut by_token = Frames::open_as(&token, &server, &stage, None).await;

    let revoke = format!("/x/v1/api_keys/{}/revoke", text(&made, "id"));
    server.call("POST", &revoke, None).await.ok();
    assert!(by_key.next().await.is_none());
    server.call("POST", &format!("{}/archive", stage.path()), None).await.ok();

    assert_eq!(by_token.next().await.unwrap().1, "session.status_terminated");
    assert!(by_token.next().await.is_none());
}

#[tokio::test]
async fn a_quiet_stream_is_kept_alive() {
    let timeouts = Timeouts { ping: Duration::from_millis(100), ..Timeouts::default() };
    let server = Server::with(Setup { timeouts, ..Setup::default() }).await;
    let stage = Stage::new(&server).await;
    let mut frames = Frames::open(&server, &stage, None).await;
    frames.next().await.unwrap();

    let (id, name, _) = frames.next().await.unwrap();

    assert_eq!((id.as_str(), name.as_str()), ("", "ping"));
}

#[tokio::test]
async fn a_stream_of_an_unknown_session_is_refused_as_anything_else() {
    let server = Server::start().await;
    let path = format!("/v1/sessions/sesn_{}/events/stream", "0".repeat(26));

    server.get(&path).await.refused(404);
}

/// More than is read at once.
#[rstest]
#[case::the_server_ends(false)]
#[case::the_credential_ends(true)]
#[tokio::test]
async fn all_that_came_before_the_end_of_a_stream_is_sent(#[case] credential: bool) {
    let server = Server::start().await;
    let stage = Stage::new(&server).await;
    let token = stage.token(&server).await;
    let mut frames = Frames::open_as(&token, &server, &stage, None).await;
    let messages = vec![message()[0].clone(); 125];
    stage.send(&server, json!(messages)).await;
    stage.send(&server, json!(messages)).await;

    if credential {
        let revoke = format!("/x/v1/sessions/{}/tokens/revoke", stage.session);
        server.call("POST", &revoke, None).await.ok();
        // By then the stream asks at once.
        tokio::time::sleep(Duration::from_millis(1100)).await;
    } else {
        server.app.ending().cancel();
    }

    let names = frames.names(251).await;
    assert_eq!(names.iter().filter(|name| *name == "user.message").count(), 250);
    assert!(frames.next().await.is_none());
}

/// The program itself: a stream outlives the deadlines of other answers, and ends with the server.
#[test]
fn a_stream_does_not_hold_up_the_end_of_the_server() {
    let folder = tempfile::TempDir::new().unwrap();
    let program = Program::serve(folder.path(), &["--dev"]);
    let post = |path: &str, body: Value| program.call("key", "POST", path, Some(&body)).1;
    let agent = post("/v1/agents", json!({"name": "a", "model": "m"}));
    let environment = post("/v1/environments", json!({"name": "e"}));
    let wanted = json!({"agent": agent["id"], "environment_id": environment["id"]});
    let session = post("/v1/sessions", wanted);
    let path = format!("/v1/sessions/{}/events/stream", text(&session, "id"));
    let mut stream = BufReader::new(program.connect());
    let open = program::request(&program.address, "key", "GET", &path, None, "close");
    stream.get_mut().write_all(&open).unwrap();
    let mut status = String::new();
    stream.read_line(&mut status).unwrap();
    assert_eq!(status, "HTTP/1.1 200 OK\r\n");

    let begun = Instant::now();
    program.stop();

    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    assert!(rest.ends_with("0\r\n\r\n"), "a whole answer: {rest}");
}
