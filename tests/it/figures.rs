//! The listener of the figures, and descriptors: what hostile clients can't take from others.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use tempfile::TempDir;

use crate::support::Program;
use crate::support::program::{limited, parse};

const SERVE: &[&str] = &["serve", "--listen", "127.0.0.1:0", "--api-key", "k"];
const FIGURES: [&str; 2] = ["--metrics-listen", "127.0.0.1:0"];

/// Where it serves its figures.
fn figures(server: &Program) -> String {
    let address = server.greeting.split("figures on http://").nth(1).unwrap();
    address.split('/').next().unwrap().to_owned()
}

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

fn get(address: &str, path: &str, more: &str) -> String {
    let mut stream = connect(address);
    let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{more}\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn half_heads_to_the_figures_hold_nobody_up_and_are_closed() {
    let folder = TempDir::new().unwrap();
    let arguments = [SERVE, &FIGURES, &["--max-connections", "20"]].concat();
    let server = Program::spawn(&mut limited(folder.path(), &arguments, 100));
    let figures = figures(&server);

    let mut half: Vec<_> = (0..120).map(|_| connect(&figures)).collect();
    for stream in &mut half {
        stream.write_all(b"GET /metr").unwrap();
    }

    for _ in 0..20 {
        assert_eq!(server.call("k", "GET", "/health", None).0, 200);
    }
    let open = std::fs::read_dir(format!("/proc/{}/fd", server.id())).unwrap().count();
    assert!(open < 60, "{open} descriptors");
    let mut answer = String::new();
    half[0].read_to_string(&mut answer).unwrap();
    assert_eq!(parse(&answer).unwrap().0, 408, "{answer}");
    let (_, log) = server.stop();
    assert!(!log.contains("can't accept a connection"), "{log}");
}

#[test]
fn the_figures_have_the_heads_limit_and_one_page() {
    let folder = TempDir::new().unwrap();
    let server = Program::serve(folder.path(), &[&["--api-key", "k"], &FIGURES[..]].concat());
    let figures = figures(&server);

    for (path, more, status) in [
        ("/metrics", String::new(), 200),
        ("/", String::new(), 404),
        ("/metrics", format!("x: {}\r\n", "a".repeat(16_384)), 431),
    ] {
        let answer = get(&figures, path, &more);
        assert_eq!(parse(&answer).unwrap().0, status, "{answer}");
    }
}

#[test]
fn a_lack_of_descriptors_is_said_at_the_start_when_it_begins_and_when_it_ends() {
    let folder = TempDir::new().unwrap();
    let arguments = [SERVE, &["--max-connections", "20000"]].concat();
    let server = Program::spawn(&mut limited(folder.path(), &arguments, 60));

    let waiting: Vec<_> = (0..100).map(|_| server.connect()).collect();
    std::thread::sleep(Duration::from_millis(1500));
    drop(waiting);
    // What is refused is asked for again after a tenth of a second.
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(server.call("k", "GET", "/health", None).0, 200);

    let (_, log) = server.stop();
    for line in [
        "too few file descriptors for --max-connections",
        "can't accept a connection",
        "connections are accepted again",
    ] {
        assert_eq!(log.matches(line).count(), 1, "{line}: {log}");
    }
}

#[test]
fn nobody_who_asks_for_no_number_of_connections_gets_more_than_there_are_descriptors_for() {
    let folder = TempDir::new().unwrap();
    let server = Program::spawn(&mut limited(folder.path(), SERVE, 200));

    let waiting: Vec<_> = (0..200).map(|_| server.connect()).collect();
    std::thread::sleep(Duration::from_millis(500));
    let open = std::fs::read_dir(format!("/proc/{}/fd", server.id())).unwrap().count();
    drop(waiting);
    assert_eq!(server.call("k", "GET", "/health", None).0, 200);

    assert!((100..170).contains(&open), "{open} descriptors");
    let (_, log) = server.stop();
    for line in ["too few file descriptors", "can't accept a connection"] {
        assert!(!log.contains(line), "{line}: {log}");
    }
    let (_, log) = Program::spawn(&mut limited(folder.path(), SERVE, 190)).stop();
    assert!(log.contains("too few file descriptors"), "{log}");
}

#[test]
fn who_guesses_at_keys_or_sends_no_http_is_counted_and_told_by_address() {
    let folder = TempDir::new().unwrap();
    let server = Program::serve(folder.path(), &[&["--api-key", "k"], &FIGURES[..]].concat());
    let figures = figures(&server);

    assert_eq!(server.call("wrong", "GET", "/v1/memory_stores", None).0, 401);
    assert_eq!(server.call("k", "GET", "/v1/memory_stores", None).0, 200);
    assert_eq!(parse(&server.raw(b"nonsense\r\n\r\n")).unwrap().0, 400);

    let page = get(&figures, "/metrics", "");
    let refused = "memstored_requests_total{method=\"(none)\",route=\"(none)\",status=\"400\"} 1";
    assert!(page.contains(refused), "{page}");
    let (_, log) = server.stop();
    let lines: Vec<_> = log.lines().filter(|line| line.contains("\"peer\"")).collect();
    let [guess, nonsense] = &lines[..] else { panic!("{log}") };
    for (line, says) in [(guess, "\"status\":401"), (nonsense, "refused a head")] {
        assert!(line.contains(says) && line.contains("\"peer\":\"127.0.0.1\""), "{line}");
    }
}
