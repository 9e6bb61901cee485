use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::Request;
use axum::routing::{any, get};
use http_body_util::BodyExt;
use hyper::body::Frame;
use memstored::http::{Rate, Timeouts};
use rstest::rstest;
use serde_json::json;
use tower::ServiceExt;

use crate::support::Server;
use crate::support::server::{Answer, KEY, Setup, request};

const STORES: &str = "/v1/memory_stores";

#[tokio::test]
async fn an_unknown_route_and_a_wrong_method_are_envelopes() {
    let server = Server::start().await;
    let mut rendered = Vec::new();

    for (method, path) in
        [("GET", "/"), ("GET", "/v1/memory_stores/"), ("PUT", STORES), ("PATCH", STORES)]
    {
        rendered.push(server.call(method, path, None).await.render());
    }

    insta::assert_snapshot!(rendered.join("\n"), @r#"
    404 Not Found
    content-type: application/json
    request-id: req_01M81B5H800000000000000005
    anthropic-organization-id: 00000000-0000-4000-8000-000000000001
    x-should-retry: false
    {
      "error": {
        "message": "no such route: /",
        "type": "not_found_error"
      },
      "request_id": "req_01M81B5H800000000000000005",
      "type": "error"
    }
    404 Not Found
    content-type: application/json
    request-id: req_01M81B5H800000000000000006
    anthropic-organization-id: 00000000-0000-4000-8000-000000000001
    x-should-retry: false
    {
      "error": {
        "message": "no such route: /v1/memory_stores/; paths end without a slash",
        "type": "not_found_error"
      },
      "request_id": "req_01M81B5H800000000000000006",
      "type": "error"
    }
    405 Method Not Allowed
    content-type: application/json
    request-id: req_01M81B5H800000000000000007
    anthropic-organization-id: 00000000-0000-4000-8000-000000000001
    allow: POST,GET,HEAD
    {
      "error": {
        "message": "this route does not answer PUT: updates are POST",
        "type": "invalid_request_error"
      },
      "request_id": "req_01M81B5H800000000000000007",
      "type": "error"
    }
    405 Method Not Allowed
    content-type: application/json
    request-id: req_01M81B5H800000000000000008
    anthropic-organization-id: 00000000-0000-4000-8000-000000000001
    allow: POST,GET,HEAD
    {
      "error": {
        "message": "this route does not answer PATCH: updates are POST",
        "type": "invalid_request_error"
      },
      "request_id": "req_01M81B5H800000000000000008",
      "type": "error"
    }
    "#);
}

#[tokio::test]
async fn an_unknown_identifier_and_a_malformed_one_are_the_same_404() {
    let server = Server::start().await;
    let store = server.store().await;
    let mut messages = Vec::new();

    for path in [
        "/v1/memory_stores/memstore_00000000000000000000000000",
        "/v1/memory_stores/nonsense",
        "/v1/memory_stores/%00%FF",
        &format!("{store}/memories/mem_1"),
        &format!("{store}/memory_versions/memver_1"),
    ] {
        messages.push(server.get(path).await.message(404));
    }

    insta::assert_snapshot!(messages.join("\n"), @"
    memory store not found: memstore_00000000000000000000000000
    memory store not found: nonsense
    resource not found: /v1/memory_stores/%00%FF
    memory not found: mem_1
    memory version not found: memver_1
    ");
}

#[rstest]
#[case::json("application/json", "{\"name\":\"n\"}", 200)]
#[case::none("", "{\"name\":\"n\"}", 200)]
#[case::text("text/plain", "{\"name\":\"n\"}", 200)]
#[case::utf8("application/json; charset=UTF-8", "{\"name\":\"n\"}", 200)]
#[case::latin1("application/json; charset=latin1", "{\"name\":\"n\"}", 400)]
#[case::garbage("application/json", "{name", 400)]
#[case::empty("application/json", "", 400)]
#[case::array("application/json", "[]", 400)]
#[case::surrogate("application/json", r#"{"name":"\ud800"}"#, 400)]
#[case::two_values("application/json", "{\"name\":\"n\"}{}", 400)]
#[tokio::test]
async fn a_body_is_json_whatever_its_type_says(
    #[case] kind: &str,
    #[case] body: &'static str,
    #[case] status: u16,
) {
    let server = Server::start().await;
    let mut request = request(KEY, "POST", STORES).body(Body::from(body)).unwrap();
    request.headers_mut().insert("content-type", kind.parse().unwrap());

    assert_eq!(server.send(request).await.status.as_u16(), status);
}

#[tokio::test]
async fn bytes_that_are_no_utf_8_and_compressed_bodies_are_refused() {
    let server = Server::start().await;
    let bytes = request(KEY, "POST", STORES).body(Body::from(&b"{\"name\":\"\xff\"}"[..])).unwrap();
    let gzip = request(KEY, "POST", STORES).header("content-encoding", "gzip");
    let gzip = gzip.body(Body::from("{}")).unwrap();
    // Of several headers each counts.
    let second = |name: &'static str, first: &'static str, second: &'static str| {
        let request = request(KEY, "POST", STORES).header(name, first).header(name, second);
        request.body(Body::from("{}")).unwrap()
    };
    let kinds = ["application/json", "application/json; charset=latin1"];

    server.send(bytes).await.refused(400);
    let error = server.send(second("content-encoding", "identity", "gzip")).await.refused(400);
    assert_eq!(error["details"]["error_code"], "request_body_encoding_unsupported");
    let error = server.send(second("content-type", kinds[0], kinds[1])).await.refused(400);
    assert_eq!(error["details"]["error_code"], "unsupported_charset");
    let error = server.send(gzip).await.refused(400);

    assert_eq!(error["details"]["error_code"], "request_body_encoding_unsupported");
}

#[tokio::test]
async fn the_body_limit_is_exact() {
    let server = Server::with(Setup { body_limit: 100, ..Setup::default() }).await;
    let body = |length: usize| {
        let empty = json!({"name": "n", "description": ""}).to_string().len();
        json!({"name": "n", "description": "x".repeat(length - empty)})
    };

    server.post(STORES, body(100)).await.ok();
    let error = server.post(STORES, body(101)).await.refused(413);

    assert_eq!(error["type"], "request_too_large");
    assert_eq!(error["message"], "request body must be at most 100 bytes");
}

#[tokio::test]
async fn a_body_on_a_route_without_one_is_ignored() {
    let server = Server::start().await;
    let store = server.store().await;

    for body in ["", "{}", "nonsense"] {
        let path = format!("{store}/archive");
        server.send(request(KEY, "POST", &path).body(Body::from(body)).unwrap()).await.ok();
    }
}

#[tokio::test]
async fn a_body_that_stalls_is_cut() {
    let timeouts = Timeouts { body: Duration::from_millis(50), ..Timeouts::default() };
    let server = Server::with(Setup { timeouts, ..Setup::default() }).await;
    let stalled = Body::new(Stalled(Some("{\"na")));

    let error = server.send(request(KEY, "POST", STORES).body(stalled).unwrap()).await;

    assert_eq!(error.refused(400)["details"]["error_code"], "request_body_timeout");
}

/// A body of one frame that never ends.
struct Stalled(Option<&'static str>);

impl hyper::body::Body for Stalled {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.0.take() {
            Some(text) => Poll::Ready(Some(Ok(Frame::data(Bytes::from(text))))),
            None => Poll::Pending,
        }
    }
}

#[tokio::test]
async fn a_panic_and_a_deadline_are_envelopes() {
    let timeouts = Timeouts { handler: Duration::from_millis(50), ..Timeouts::default() };
    let server = Server::with(Setup { timeouts, ..Setup::default() }).await;
    let routes = Router::new()
        .route("/panic", get(async || -> &'static str { panic!("with a secret") }))
        .route("/forever", get(async || std::future::pending::<&'static str>().await))
        .route("/teapot", get(async || axum::http::StatusCode::IM_A_TEAPOT));
    let router = memstored::http::wrap(routes, server.http.clone());
    let mut rendered = Vec::new();

    for path in ["/panic", "/forever", "/teapot"] {
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let id = parts.headers["request-id"].to_str().unwrap().to_owned();
        let body: Bytes = body.collect().await.unwrap().to_bytes();
        let mut body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        body.sort_all_objects();
        assert_eq!(body["request_id"], id);
        rendered.push(format!("{} {}", parts.status.as_u16(), body["error"]));
    }

    insta::assert_snapshot!(rendered.join("\n"), @r#"
    500 {"message":"Internal server error","type":"api_error"}
    504 {"message":"the request was not finished within 0 seconds","type":"timeout_error"}
    400 {"message":"the request was refused: I'm a teapot","type":"invalid_request_error"}
    "#);
}

/// As where the end of a commit is not known: an SDK would make a store twice.
#[rstest]
#[case::a_read("GET", None, "the request was not finished within 0 seconds")]
#[case::a_change(
    "POST",
    Some("false"),
    "the request was not finished within 0 seconds, and may still be: look before you repeat it"
)]
#[case::a_deletion(
    "DELETE",
    Some("false"),
    "the request was not finished within 0 seconds, and may still be: look before you repeat it"
)]
#[tokio::test]
async fn what_may_have_been_changed_after_a_deadline_is_not_repeated(
    #[case] method: &str,
    #[case] retry: Option<&str>,
    #[case] message: &str,
) {
    let timeouts = Timeouts { handler: Duration::from_millis(50), ..Timeouts::default() };
    let server = Server::with(Setup { timeouts, ..Setup::default() }).await;
    let forever = any(async || std::future::pending::<&'static str>().await);
    let router = Router::new().route("/forever", forever);
    let router = memstored::http::wrap(router, server.http.clone());

    let request = Request::builder().method(method).uri("/forever").body(Body::empty()).unwrap();
    let answer = Answer::read(router.oneshot(request).await.unwrap()).await;

    assert_eq!(answer.header("x-should-retry"), retry);
    assert_eq!(answer.message(504), message);
}

#[tokio::test]
async fn a_rate_limit_says_when_to_come_back() {
    let rate = Rate::per_minute(std::num::NonZeroU32::new(1));
    let server = Server::with(Setup { rate, ..Setup::default() }).await;
    server.get(STORES).await.ok();

    let limited = server.get(STORES).await;

    assert!((1..=61).contains(&limited.header("retry-after").unwrap().parse::<u64>().unwrap()));
    assert_eq!(limited.refused(429)["type"], "rate_limit_error");
}

#[tokio::test]
async fn health_and_openapi_need_no_credential() {
    let server = Server::start().await;
    let get = async |path: &str| {
        server.send(Request::builder().uri(path).body(Body::empty()).unwrap()).await
    };

    let health = get("/health").await;
    let openapi = get("/openapi.yaml").await;

    assert_eq!(
        health.ok(),
        json!({"ready": true, "version": env!("CARGO_PKG_VERSION"), "durability": "relaxed", "reason": null})
    );
    assert_eq!(openapi.header("content-type"), Some("application/yaml"));
    assert_eq!(openapi.bytes, include_bytes!("../../../openapi.yaml"));
}
