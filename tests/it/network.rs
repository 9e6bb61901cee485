//! What hostile and slow clients get, on real sockets.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use memstored::http::{self, Listener, Timeouts};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::support::program::{parse, request};
use crate::support::server::{KEY, Setup};
use crate::support::{Program, Server};

/// A server on a socket, with short time-outs.
struct Socket {
    address: String,
    stop: CancellationToken,
    served: tokio::task::JoinHandle<()>,
}

async fn listen(timeouts: Timeouts) -> Socket {
    serve(Server::with(Setup { timeouts, ..Setup::default() }).await).await
}

async fn serve(server: Server) -> Socket {
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), 100).await.unwrap();
    let address = listener.address().unwrap().to_string();
    let stop = CancellationToken::new();
    let router = http::router(Arc::clone(&server.http));
    let served = tokio::spawn(listener.serve(server.http.clone(), router, stop.clone()));
    Socket { address, stop, served }
}

const QUICK: Duration = Duration::from_millis(100);

fn short() -> Timeouts {
    Timeouts { head: QUICK, body: QUICK, ..Timeouts::default() }
}

/// Writes `bytes` on a new connection and reads until the other side closes.
async fn exchange(address: &str, bytes: impl Into<Vec<u8>>) -> String {
    let (address, bytes) = (address.to_owned(), bytes.into());
    let exchanged = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(&bytes).unwrap();
        let mut answer = Vec::new();
        let ended = stream.read_to_end(&mut answer);
        assert!(ended.is_ok(), "the server did not close: {ended:?}");
        String::from_utf8_lossy(&answer).into_owned()
    });
    exchanged.await.unwrap()
}

fn head_of(length: usize) -> Vec<u8> {
    let head = "GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nx: \r\n\r\n";
    head.replace("x: ", &format!("x: {}", "a".repeat(length - head.len()))).into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_head_is_closed_in_time() {
    let socket = listen(short()).await;

    let answer = exchange(&socket.address, "GET /health HTTP/1.1\r\nhost: loc").await;

    let (status, body) = parse(&answer).unwrap();
    assert_eq!((status, &body["error"]["type"]), (408, &Value::from("timeout_error")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_waits_for_its_next_request_is_kept() {
    let socket = listen(short()).await;
    let address = socket.address.clone();

    let statuses = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(&address).unwrap();
        let mut statuses = Vec::new();
        for _ in 0..2 {
            let bytes = request(&address, KEY, "GET", "/health", None, "keep-alive");
            stream.write_all(&bytes).unwrap();
            let mut buffer = [0; 4096];
            let length = stream.read(&mut buffer).unwrap();
            statuses.push(parse(&String::from_utf8_lossy(&buffer[..length])).unwrap().0);
            stream.set_read_timeout(Some(QUICK * 4)).unwrap();
            let waited = stream.read(&mut buffer).unwrap_err();
            assert_eq!(waited.kind(), std::io::ErrorKind::WouldBlock, "still open");
        }
        statuses
    });

    assert_eq!(statuses.await.unwrap(), [200, 200]);
}

/// A connection without its buffers, which are given up after a tenth of a second.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_was_set_aside_goes_on() {
    let socket = listen(Timeouts::default()).await;
    let address = socket.address.clone();

    let statuses = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(&address).unwrap();
        let mut statuses = Vec::new();
        for pause in [0, 1300, 2500] {
            std::thread::sleep(Duration::from_millis(pause));
            let bytes = request(&address, KEY, "GET", "/health", None, "keep-alive");
            stream.write_all(&bytes).unwrap();
            let mut buffer = [0; 4096];
            let length = stream.read(&mut buffer).unwrap();
            statuses.push(parse(&String::from_utf8_lossy(&buffer[..length])).unwrap().0);
        }
        statuses
    });

    assert_eq!(statuses.await.unwrap(), [200, 200, 200]);
}

/// hyper's buffers alone are 8 KiB each way.
#[test]
fn connections_that_wait_take_little_memory() {
    const CONNECTIONS: usize = 1500;
    let folder = tempfile::TempDir::new().unwrap();
    let server = Program::serve(folder.path(), &["--api-key", KEY, "--log", "error"]);
    let own_kib = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap()
    };
    let bytes = request(&server.address, KEY, "GET", "/health", None, "keep-alive");
    server.call(KEY, "GET", "/health", None);
    let before = own_kib();

    let waiting: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let mut stream = server.connect();
            stream.write_all(&bytes).unwrap();
            assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
            // As many as come in a while are served at once.
            std::thread::sleep(Duration::from_micros(500));
            stream
        })
        .collect();

    let each = own_kib().saturating_sub(before) * 1024 / CONNECTIONS;
    assert!(each < 4096, "{each} bytes a connection");
    drop(waiting);
}

/// More than the kernel takes at once, to a client that begins to read when others are set aside.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_slow_to_take_its_answer_gets_all_of_it() {
    let server = Server::start().await;
    let store = server.store().await;
    for number in 0..20 {
        server.memory(&store, &format!("/{number}"), &"x".repeat(100_000)).await;
    }
    let socket = serve(server).await;
    let address = socket.address.clone();

    let answers = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(&address).unwrap();
        let list = format!("{store}/memories?view=full");
        for (connection, pause) in [("keep-alive", 2500), ("close", 1300)] {
            stream.write_all(&request(&address, KEY, "GET", &list, None, connection)).unwrap();
            std::thread::sleep(Duration::from_millis(pause));
        }
        let mut answers = String::new();
        stream.read_to_string(&mut answers).unwrap();
        answers
    });

    let answers = answers.await.unwrap();
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 2);
    assert_eq!(answers.matches("\"next_page\":null}").count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_is_closed_after_its_time() {
    let socket = listen(Timeouts { idle: QUICK, ..Timeouts::default() }).await;

    assert_eq!(exchange(&socket.address, "").await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_is_closed_after_an_answer_too() {
    let socket = listen(Timeouts { idle: QUICK, ..Timeouts::default() }).await;

    let bytes = request(&socket.address, KEY, "GET", "/health", None, "keep-alive");
    let answer = exchange(&socket.address, bytes).await;

    assert_eq!(parse(&answer).unwrap().0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_body_is_answered_and_closed() {
    let socket = listen(short()).await;
    let bytes = request(&socket.address, KEY, "POST", "/v1/memory_stores", None, "close");
    let bytes = String::from_utf8(bytes).unwrap().replace("length: 0", "length: 100");

    let (status, body) = parse(&exchange(&socket.address, bytes + "{").await).unwrap();

    assert_eq!(status, 400);
    assert_eq!(body["error"]["details"]["error_code"], "request_body_timeout");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_http_gets_the_envelope() {
    let socket = listen(Timeouts::default()).await;

    for garbage in ["nonsense\r\n\r\n", "GET  HTTP/9.9\r\n\r\n", "\u{1}\u{2}\u{3}\r\n\r\n"] {
        let answer = exchange(&socket.address, garbage).await;
        let (status, body) = parse(&answer).unwrap_or_else(|| panic!("{garbage:?}: {answer:?}"));
        assert_eq!(status, 400);
        assert_eq!(body["error"]["type"], "invalid_request_error");
        let id = body["request_id"].as_str().unwrap();
        assert!(answer.contains(&format!("request-id: {id}")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_of_a_head_is_exact() {
    let socket = listen(Timeouts::default()).await;

    let (fits, _) = parse(&exchange(&socket.address, head_of(16_384)).await).unwrap();
    let (over, body) = parse(&exchange(&socket.address, head_of(16_385)).await).unwrap();

    assert_eq!((fits, over), (200, 431));
    assert_eq!(
        body["error"]["message"],
        "the request's head must be at most 16384 bytes and 100 fields"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn pipelined_requests_are_answered_in_order() {
    let socket = listen(Timeouts::default()).await;
    let get =
        |path: &str, connection: &str| request(&socket.address, KEY, "GET", path, None, connection);
    let bytes = [get("/health", "keep-alive"), get("/nope", "keep-alive"), get("/health", "close")];

    let answer = exchange(&socket.address, bytes.concat()).await;

    let statuses: Vec<_> =
        answer.match_indices("HTTP/1.1 ").map(|(at, _)| &answer[at + 9..at + 12]).collect();
    assert_eq!(statuses, ["200", "404", "200"]);
}

/// Its beginning came with the request before, and hyper is told a tenth of a second later that no
/// more comes.
#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_begins_behind_another_request_has_its_time_too() {
    let socket = listen(Timeouts::default()).await;
    let address = socket.address.clone();

    let answers = tokio::task::spawn_blocking(move || {
        let get = |connection| request(&address, KEY, "GET", "/health", None, connection);
        let mut bytes = [get("keep-alive"), get("keep-alive"), get("close")].concat();
        let rest = bytes.split_off(bytes.len() - 10);
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.write_all(&bytes).unwrap();
        std::thread::sleep(Duration::from_millis(1300));
        stream.write_all(&rest).unwrap();
        let mut answers = String::new();
        stream.read_to_string(&mut answers).unwrap();
        answers
    });

    assert_eq!(answers.await.unwrap().matches("HTTP/1.1 200 OK").count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_head_behind_another_request_is_closed_in_time() {
    let socket = listen(short()).await;
    let good = request(&socket.address, KEY, "GET", "/health", None, "keep-alive");

    let answer = exchange(&socket.address, [good, b"GET /health HTTP".to_vec()].concat()).await;

    let (_, second) = answer[9..].split_once("HTTP/1.1 ").unwrap();
    let (status, body) = parse(&format!("HTTP/1.1 {second}")).unwrap();
    assert_eq!((status, &body["error"]["type"]), (408, &Value::from("timeout_error")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_head_behind_a_good_one_gets_the_envelope_too() {
    let socket = listen(Timeouts::default()).await;
    let good = request(&socket.address, KEY, "GET", "/health", None, "keep-alive");

    let answer = exchange(&socket.address, [good, b"BAD\x01 x\r\n\r\n".to_vec()].concat()).await;

    let (_, second) = answer[9..].split_once("HTTP/1.1 ").unwrap();
    let (status, body) = parse(&format!("HTTP/1.1 {second}")).unwrap();
    assert_eq!((status, &body["error"]["type"]), (400, &Value::from("invalid_request_error")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_declared_too_large_is_refused_before_it_is_sent() {
    let socket = listen(Timeouts::default()).await;
    let head = |more: &str| {
        format!(
            "POST /v1/memory_stores HTTP/1.1\r\nhost: localhost\r\nx-api-key: {KEY}\r\n\
             anthropic-beta: agent-memory-2026-07-22\r\nconnection: close\r\n\
             content-length: 33554433\r\n{more}\r\n"
        )
    };

    for more in ["", "expect: 100-continue\r\n"] {
        let answer = exchange(&socket.address, head(more)).await;
        assert_eq!(parse(&answer).map(|answer| answer.0), Some(413), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_server_finishes_what_it_has_begun() {
    let socket = listen(Timeouts::default()).await;
    let body: Value = serde_json::json!({"name": "n".repeat(200)});
    let bytes = request(&socket.address, KEY, "POST", "/v1/memory_stores", Some(&body), "close");
    let (first, rest) = bytes.split_at(bytes.len() - 10);
    let mut stream = TcpStream::connect(&socket.address).unwrap();
    stream.write_all(first).unwrap();
    while exchange(&socket.address, request(&socket.address, KEY, "GET", "/health", None, "close"))
        .await
        .is_empty()
    {}

    socket.stop.cancel();
    let rest = rest.to_owned();
    let answer = tokio::task::spawn_blocking(move || {
        stream.write_all(&rest).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    });

    assert_eq!(parse(&answer.await.unwrap()).unwrap().0, 200);
    socket.served.await.unwrap();
    assert!(TcpStream::connect(&socket.address).is_err(), "the socket is closed");
}
