//! Clients that mean no good, for long: half heads and bodies, chunks without end, sizes that are lies,
//! connections that only wait. Others are answered meanwhile, and memory stays bounded.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use proptest::prelude::Rng;
use proptest::test_runner::TestRng;
use serde_json::json;
use tempfile::TempDir;

use super::client::{KEY, serve};
use crate::support::program::{parse, request};
use crate::support::server::text;
use crate::support::{Program, Soak, numbers};

const ROUNDS: u64 = 2;
const HOSTILE: u64 = 24;
const IDLE: usize = 300;
/// How long each half of a round takes: alone, and beside them.
const HALF: Duration = Duration::from_secs(2);
/// Resident memory that is never passed: that of a debug build with all connections, and some more.
const MOST_KIB: u64 = 256 * 1024;

/// What one of them does on a connection, until it is closed or it loses interest.
fn attack(address: &str, rng: &mut TestRng, over: &AtomicBool) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_millis(200)))?;
    let head = |rest: &str| {
        format!(
            "POST /v1/memory_stores HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {KEY}\r\n\
             anthropic-beta: agent-memory-2026-07-22\r\n{rest}"
        )
    };
    let drip = match rng.next_u32() % 6 {
        // Half a head, and a letter from time to time.
        0 => {
            stream.write_all(head("x-more: ").as_bytes())?;
            "x"
        }
        // Half a body.
        1 => {
            stream.write_all(head("content-length: 1000\r\n\r\n{\"name\": \"").as_bytes())?;
            "y"
        }
        // Chunks without end.
        2 => {
            stream.write_all(head("transfer-encoding: chunked\r\n\r\n").as_bytes())?;
            "5\r\n     \r\n"
        }
        // Less than there is, so that the rest is no request.
        3 => {
            stream
                .write_all(head("content-length: 2\r\n\r\n{}{}{}{}garbage\r\n\r\n").as_bytes())?;
            "\0\r\n"
        }
        // Both lengths, and a size that is none.
        4 => {
            let both = "content-length: 99999999999\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n";
            stream.write_all(head(both).as_bytes())?;
            "z"
        }
        // A long answer that nobody takes.
        _ => {
            for _ in 0..50 {
                stream.write_all(b"GET /openapi.yaml HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")?;
            }
            ""
        }
    };
    let until = Instant::now() + Duration::from_millis((rng.next_u32() % 3000).into());
    let mut answer = [0; 64];
    while Instant::now() < until && !over.load(Ordering::Relaxed) {
        stream.write_all(drip.as_bytes())?;
        match stream.read(&mut answer) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// So many at it, and many that only wait.
struct Hostile {
    over: Arc<AtomicBool>,
    attacks: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<()>>,
    idle: Vec<TcpStream>,
}

impl Hostile {
    fn begin(server: &Program, seed: u64) -> Self {
        let (over, attacks) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let threads = (0..HOSTILE).map(|number| {
            let (address, over) = (server.address.clone(), Arc::clone(&over));
            let attacks = Arc::clone(&attacks);
            let mut rng = numbers(seed.wrapping_mul(131).wrapping_add(number));
            std::thread::spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    // That they are cut off is what is wanted.
                    let _ = attack(&address, &mut rng, &over);
                    attacks.fetch_add(1, Ordering::Relaxed);
                }
            })
        });
        let threads = threads.collect();
        let idle = (0..IDLE).map(|_| server.connect()).collect();
        Self { over, attacks, threads, idle }
    }

    /// How many attacks there were.
    fn end(self) -> usize {
        self.over.store(true, Ordering::Relaxed);
        drop(self.idle);
        for thread in self.threads {
            thread.join().unwrap();
        }
        self.attacks.load(Ordering::Relaxed)
    }
}

/// Reads and writes over one connection; how long each answer took.
fn use_it(server: &Program, store: &str, seed: u64) -> Vec<Duration> {
    let mut stream = server.connect();
    let mut times = Vec::new();
    let begun = Instant::now();
    while begun.elapsed() < HALF {
        let number = times.len();
        let (method, path, body) = match number % 10 {
            0 => {
                let body = json!({"path": format!("/{seed}/{number}"), "content": "x"});
                ("POST", format!("{store}/memories"), Some(body))
            }
            _ => ("GET", format!("{store}/memories?limit=5"), None),
        };
        let asked = Instant::now();
        let bytes = request(&server.address, KEY, method, &path, body.as_ref(), "keep-alive");
        stream.write_all(&bytes).unwrap();
        let answer = whole_answer(&mut stream);
        times.push(asked.elapsed());
        let (status, body) = parse(&answer).unwrap_or_else(|| panic!("{answer:?}"));
        assert_eq!(status, 200, "{body:#}");
    }
    times
}

fn whole_answer(stream: &mut TcpStream) -> String {
    let (mut answer, mut buffer) = (Vec::new(), [0; 16384]);
    loop {
        let read = stream.read(&mut buffer).unwrap();
        assert!(read > 0, "the server closed the connection of a client that does no harm");
        answer.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&answer);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
        if length.is_some_and(|length| length.parse() == Ok(body.len())) {
            return text.into_owned();
        }
    }
}

fn p99(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() * 99 / 100]
}

fn resident_kib(server: &Program) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn clients_that_mean_no_good_take_nothing_from_others() {
    let mut soak = Soak::of("hostile", ROUNDS);
    let folder = TempDir::new().unwrap();
    let server = serve(folder.path());
    let (mut alone, mut beside, mut most) = (Vec::new(), Vec::new(), 0);
    while let Some(seed) = soak.next_seed() {
        // One for all rounds would be full before long.
        let (_, store) = server.call(KEY, "POST", "/v1/memory_stores", Some(&json!({"name": "n"})));
        let store = format!("/v1/memory_stores/{}", text(&store, "id"));
        alone.append(&mut use_it(&server, &store, seed));
        let hostile = Hostile::begin(&server, seed);
        beside.append(&mut use_it(&server, &store, seed + (1 << 32)));
        most = most.max(resident_kib(&server));
        soak.count("attacks", hostile.end());
    }
    soak.count("requests beside them", beside.len());
    let micros = |times: &mut [Duration]| usize::try_from(p99(times).as_micros()).unwrap();
    soak.count("µs, the p99 alone", micros(&mut alone));
    soak.count("µs, the p99 beside them", micros(&mut beside));
    soak.count("KiB resident at most", usize::try_from(most).unwrap());
    assert!(most <= MOST_KIB, "{most} KiB");
    let (status, _) = server.call(KEY, "GET", "/health", None);
    assert_eq!(status, 200);
    server.stop();
}
