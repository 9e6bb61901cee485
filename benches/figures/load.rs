//! The load generator: raw keep-alive connections that write prebuilt requests and read answers by
//! their content-length. It does as little as it can, since it shares the processors with what it
//! measures.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const BUFFER_BYTES: usize = 64 * 1024;

type Fill = dyn Fn(&mut [u8]) + Send + Sync;

/// A request of which only one slot differs from one sending to the next.
#[derive(Clone)]
pub struct Request {
    bytes: Vec<u8>,
    slot: Range<usize>,
    fill: Arc<Fill>,
}

impl Request {
    /// `fill` writes the slot, which is where `slot` first occurs.
    pub fn new(
        bytes: Vec<u8>,
        slot: &str,
        fill: impl Fn(&mut [u8]) + Send + Sync + 'static,
    ) -> Result<Self> {
        let start = find(&bytes, slot.as_bytes()).context("the request has no slot")?;
        Ok(Self { bytes, slot: start..start + slot.len(), fill: Arc::new(fill) })
    }

    /// The same every time.
    pub fn fixed(bytes: Vec<u8>) -> Self {
        Self { bytes, slot: 0..0, fill: Arc::new(|_| {}) }
    }

    fn next(&mut self) -> &[u8] {
        (self.fill)(&mut self.bytes[self.slot.clone()]);
        &self.bytes
    }
}

/// One connection.
pub struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    pub async fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; BUFFER_BYTES] })
    }

    /// Sends a request and reads the answer, which must be 200; returns its body.
    pub async fn exchange(&mut self, request: &[u8]) -> Result<&[u8]> {
        let mut rest = request;
        while !rest.is_empty() {
            match self.stream.try_write(rest) {
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.stream.writable().await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        let mut filled = 0;
        let mut body = None;
        loop {
            match self.stream.try_read(&mut self.buffer[filled..]) {
                Ok(0) => bail!("the server closed the connection, or its answer is too long"),
                Ok(read) => filled += read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.stream.readable().await?;
                    continue;
                }
                Err(error) => return Err(error.into()),
            }
            if body.is_none() {
                body = body_of(&self.buffer[..filled])?;
            }
            if let Some(body) = body.clone().filter(|body| body.end <= filled) {
                return Ok(&self.buffer[body]);
            }
        }
    }
}

/// Where the body is, once the whole head has come.
fn body_of(answer: &[u8]) -> Result<Option<Range<usize>>> {
    const LENGTH: &[u8] = b"\r\ncontent-length: ";
    let Some(end) = find(answer, b"\r\n\r\n") else { return Ok(None) };
    let head = &answer[..end];
    ensure!(head.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(answer));
    let at = find(head, LENGTH).context("an answer has no content-length")?;
    let digits = head[at + LENGTH.len()..].iter().take_while(|byte| byte.is_ascii_digit());
    let length = digits.fold(0, |length, digit| length * 10 + usize::from(digit - b'0'));
    Ok(Some(end + 4..end + 4 + length))
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

/// How hard and how long.
#[derive(Clone, Copy)]
pub struct Load {
    pub connections: usize,
    /// Between an answer and the next request of a connection.
    pub pause: Duration,
    /// Before anything is counted.
    pub warm_up: Duration,
    pub time: Duration,
}

/// What one round gave.
#[derive(Clone, Copy)]
pub struct Sample {
    /// Answers a second.
    pub rate: f64,
    pub p50: Duration,
    pub p99: Duration,
}

impl Sample {
    pub fn of(mut latencies: Vec<Duration>, time: Duration) -> Result<Self> {
        ensure!(!latencies.is_empty(), "nothing was answered in {time:?}");
        latencies.sort_unstable();
        let count = latencies.len();
        Ok(Self {
            rate: f64::from(u32::try_from(count)?) / time.as_secs_f64(),
            p50: latencies[count / 2],
            p99: latencies[count * 99 / 100],
        })
    }
}

/// Where a connection leads, and what is asked there.
#[derive(Clone)]
pub struct Target {
    pub address: SocketAddr,
    pub request: Request,
}

/// Sends one request after another on each connection; the connections take the targets in turn.
pub async fn run(load: Load, targets: &[Target]) -> Result<Sample> {
    let from = Instant::now() + load.warm_up;
    let until = from + load.time;
    let mut connections = JoinSet::new();
    for target in targets.iter().cycle().take(load.connections) {
        let Target { address, mut request } = target.clone();
        let mut client = Client::connect(address).await?;
        connections.spawn(async move {
            let mut latencies = Vec::with_capacity(100_000);
            loop {
                let sent = Instant::now();
                client.exchange(request.next()).await?;
                let answered = Instant::now();
                if answered > until {
                    return anyhow::Ok(latencies);
                }
                if answered > from {
                    latencies.push(answered - sent);
                }
                if !load.pause.is_zero() {
                    tokio::time::sleep(load.pause).await;
                }
            }
        });
    }
    let mut latencies = Vec::new();
    while let Some(connection) = connections.join_next().await {
        latencies.extend(connection??);
    }
    Sample::of(latencies, load.time)
}

/// The same, begun at once, from a thread of its own, so that who measures something else does not wait
/// for it.
pub fn elsewhere(load: Load, targets: Vec<Target>) -> impl Future<Output = Result<Sample>> {
    let (done, sample) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let sample =
            runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(run(load, &targets)));
        let _ = done.send(sample);
    });
    async { sample.await? }
}

/// Sends so many requests, one after the other; their times.
pub async fn one_by_one(target: &Target, count: usize) -> Result<Sample> {
    let mut client = Client::connect(target.address).await?;
    let mut request = target.request.clone();
    let begun = Instant::now();
    let mut latencies = Vec::with_capacity(count);
    for _ in 0..count {
        let sent = Instant::now();
        client.exchange(request.next()).await?;
        latencies.push(sent.elapsed());
    }
    Sample::of(latencies, begun.elapsed())
}
