//! The accept loop, and the time and size that a connection gets.
//!
//! `axum::serve` never closes a client that sends half a head, and hyper's own time-out for heads
//! also closes connections that merely wait for their next request. So the socket is wrapped: it
//! knows from the service whether a request is being answered, and times heads from their first
//! byte. It also sees when hyper refuses a head by itself, and puts our envelope in its place.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use hyper::body::Frame;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::error::envelope;
use super::{Http, Timeouts};
use crate::domain::Error;

/// Bytes of a request's head.
const HEAD_BYTES: usize = 16_384;
const BUFFER_BYTES: usize = 65_536;
/// How long requests under way are waited for at the end.
const FAREWELL: Duration = Duration::from_secs(8);
/// How long a refused accept (no file descriptors left, say) is waited out.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// A bound socket.
pub struct Listener {
    socket: TcpListener,
    connections: Arc<Semaphore>,
}

impl Listener {
    pub async fn bind(address: SocketAddr, max_connections: usize) -> io::Result<Self> {
        let socket = TcpListener::bind(address).await?;
        let connections = Semaphore::new(max_connections.min(Semaphore::MAX_PERMITS));
        Ok(Self { socket, connections: Arc::new(connections) })
    }

    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves until `stop`, then lets requests under way finish.
    pub async fn serve(self, http: Arc<Http>, router: Router, stop: CancellationToken) {
        let graceful = GracefulShutdown::new();
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = self.accept() => accepted,
            };
            let (stream, permit) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "can't accept a connection");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                    continue;
                }
            };
            let served = graceful.watch(connection(stream, Arc::clone(&http), router.clone()));
            tokio::spawn(async move {
                if let Err(error) = served.await {
                    tracing::debug!(%error, "a connection ended");
                }
                drop(permit);
            });
        }
        drop(self.socket);
        http.app.ending().cancel();
        if tokio::time::timeout(FAREWELL, graceful.shutdown()).await.is_err() {
            tracing::warn!("some requests were cut off at shutdown");
        }
    }

    async fn accept(&self) -> io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
        let permit = Arc::clone(&self.connections).acquire_owned().await;
        let permit = permit.map_err(io::Error::other)?;
        let (stream, _) = self.socket.accept().await?;
        stream.set_nodelay(true)?;
        Ok((stream, permit))
    }
}

fn connection(
    stream: TcpStream,
    http: Arc<Http>,
    router: Router,
) -> impl hyper_util::server::graceful::GracefulConnection<Error = hyper::Error> {
    let phase = Arc::new(Phase::default());
    let socket = Socket::new(stream, Arc::clone(&phase), http);
    let service = service_fn(move |request| {
        phase.set(BUSY);
        let (phase, router) = (Arc::clone(&phase), router.clone());
        async move {
            let response = router.oneshot(request).await;
            Ok::<_, std::convert::Infallible>(match response {
                Ok(response) if response.extensions().get::<Streaming>().is_some() => {
                    response.map(|body| Body::new(Held { body, phase }))
                }
                Ok(response) => {
                    phase.set(IDLE);
                    response
                }
            })
        }
    });
    http1::Builder::new()
        .header_read_timeout(None)
        .max_header_size(HEAD_BYTES)
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(TokioIo::new(socket), service)
}

/// Marks an answer whose body goes on for as long as the client wants: it is being answered until then.
#[derive(Clone)]
pub struct Streaming;

/// The body of such an answer.
struct Held {
    body: Body,
    phase: Arc<Phase>,
}

impl hyper::body::Body for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.phase.set(IDLE);
    }
}

/// No request is under way.
const IDLE: u8 = 0;
/// The first byte of a head has come.
const HEAD: u8 = 1;
/// A request is being answered.
const BUSY: u8 = 2;

/// No timer was set yet.
const NEVER: u8 = 3;

/// What a connection is doing.
#[derive(Default)]
struct Phase(AtomicU8);

impl Phase {
    fn get(&self) -> u8 {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, phase: u8) {
        self.0.store(phase, Ordering::Relaxed);
    }
}

struct Socket {
    stream: TcpStream,
    phase: Arc<Phase>,
    http: Arc<Http>,
    /// What `timer` was set for.
    timed: u8,
    timer: Option<Pin<Box<Sleep>>>,
    /// What is left to write in place of hyper's own refusal.
    refusal: Option<Vec<u8>>,
}

impl Socket {
    fn new(stream: TcpStream, phase: Arc<Phase>, http: Arc<Http>) -> Self {
        Self { stream, phase, http, timed: NEVER, timer: None, refusal: None }
    }

    fn timeouts(&self) -> &Timeouts {
        &self.http.settings.timeouts
    }

    /// Sets the timer for a phase that has just begun.
    fn time(&mut self, phase: u8) {
        if self.timed == phase {
            return;
        }
        self.timed = phase;
        let patience = match phase {
            HEAD => self.timeouts().head,
            _ => self.timeouts().idle,
        };
        match &mut self.timer {
            Some(timer) => timer.as_mut().reset(Instant::now() + patience),
            None => self.timer = Some(Box::pin(tokio::time::sleep(patience))),
        }
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.timer.as_mut().map_or(Poll::Pending, |timer| timer.as_mut().poll(cx))
    }

    fn write_refusal(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.refusal.as_mut().filter(|rest| !rest.is_empty()) {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, rest))?;
            rest.drain(..written);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        let phase = self.phase.get();
        if read.is_ready() {
            if phase == IDLE && buf.filled().len() > before {
                self.phase.set(HEAD);
                self.time(HEAD);
            }
            return read;
        }
        self.time(phase);
        ready!(self.poll_timer(cx));
        if phase == BUSY {
            // While a request is answered hyper may not ask again by itself, so the timer makes it
            // ask once the time for idling is over; the answer is then long given, or goes on.
            self.timed = HEAD;
            self.time(BUSY);
            ready!(self.poll_timer(cx));
        }
        if phase == HEAD {
            // hyper would only close; whether the client still reads is its own affair.
            let _ = self.stream.try_write(&refusal(StatusCode::REQUEST_TIMEOUT, &self.http));
        }
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.refusal.is_none()
            && self.phase.get() != BUSY
            && let Some(status) = hypers_refusal(buf)
        {
            self.refusal = Some(refusal(status, &self.http));
        }
        if self.refusal.is_some() {
            return self.write_refusal(cx).map_ok(|()| buf.len());
        }
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// The status with which hyper refuses a head by itself: the one answer without a body and without
/// a request ID.
fn hypers_refusal(bytes: &[u8]) -> Option<StatusCode> {
    let status = bytes.strip_prefix(b"HTTP/1.1 ")?.get(..3)?;
    let status = StatusCode::from_bytes(status).ok().filter(StatusCode::is_client_error)?;
    let head = std::str::from_utf8(bytes).ok()?.to_ascii_lowercase();
    let empty = head.ends_with("\r\n\r\n") && head.contains("\r\ncontent-length: 0\r\n");
    (empty && !head.contains("\r\nrequest-id:")).then_some(status)
}

fn refusal(status: StatusCode, http: &Http) -> Vec<u8> {
    let reason = status.canonical_reason().unwrap_or("Bad Request");
    let error = Error::Invalid(match status {
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
            format!("the request's head must be at most {HEAD_BYTES} bytes and 100 fields")
        }
        StatusCode::REQUEST_TIMEOUT => {
            let seconds = http.settings.timeouts.head.as_secs();
            format!("the request's head was not complete within {seconds} seconds")
        }
        _ => format!("the request is not valid HTTP/1.1: {reason}"),
    });
    let request = http.app.new_request();
    let kind = match status {
        StatusCode::REQUEST_TIMEOUT => "timeout_error",
        _ => "invalid_request_error",
    };
    let body = envelope(kind, &error, &request);
    tracing::info!(request_id = %request, status = status.as_u16(), "refused a head");
    let mut answer = format!(
        "HTTP/1.1 {} {reason}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: close\r\nrequest-id: {request}\r\nanthropic-organization-id: {}\r\n\r\n",
        status.as_u16(),
        body.len(),
        http.app.organization()
    )
    .into_bytes();
    answer.extend(body);
    answer
}
