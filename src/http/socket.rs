//! A client's socket as hyper sees it: the time that heads and idling get, and the words of refusals.
//!
//! `axum::serve` never closes a client that sends half a head, and hyper's own time-out for heads
//! also closes connections that merely wait for their next request. So the socket is wrapped: it
//! knows from the service whether a request is being answered, and times heads from their first
//! byte. When nothing has come for a while, it lets hyper think that the client is done, so that the
//! socket can be set aside without hyper. It also sees when hyper refuses a head by itself, and puts
//! our envelope in its place.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use hyper::body::Frame;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use super::edge::Peer;
use super::error::envelope;
use super::{Http, Timeouts};
use crate::domain::Error;
use crate::domain::id::RequestId;

/// Bytes of a request's head.
pub const HEAD_BYTES: usize = 16_384;

/// Marks an answer whose body goes on for as long as the client wants: it is being answered until then.
#[derive(Clone)]
pub struct Streaming;

/// The body of such an answer.
pub struct Held {
    body: Body,
    phase: Arc<Phase>,
}

impl Held {
    pub fn new(body: Body, phase: Arc<Phase>) -> Self {
        Self { body, phase }
    }
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
pub const IDLE: u8 = 0;
/// The first byte of a head has come.
const HEAD: u8 = 1;
/// A request is being answered.
pub const BUSY: u8 = 2;

/// The answer is made, and the client is slow to take it.
const TAKING: u8 = 3;
/// No timer is set.
const NEVER: u8 = 4;

/// What a connection is doing.
#[derive(Default)]
pub struct Phase(AtomicU8);

impl Phase {
    fn get(&self) -> u8 {
        self.0.load(Ordering::Relaxed)
    }

    pub fn set(&self, phase: u8) {
        self.0.store(phase, Ordering::Relaxed);
    }
}

pub struct Socket {
    stream: TcpStream,
    /// What was read of a head before hyper had this socket.
    begun: Bytes,
    phase: Arc<Phase>,
    peer: Option<Peer>,
    http: Arc<Http>,
    /// What `timer` was set for.
    timed: u8,
    timer: Option<Pin<Box<Sleep>>>,
    /// What is left to write in place of hyper's own refusal.
    refusal: Option<Vec<u8>>,
    /// Whether hyper has nothing left to write.
    flushed: bool,
    /// Whether hyper was told that the client is done, although it may go on.
    set_aside: bool,
}

impl Socket {
    pub fn new(
        stream: TcpStream,
        begun: Bytes,
        phase: Arc<Phase>,
        peer: Option<Peer>,
        http: Arc<Http>,
    ) -> Self {
        Self {
            stream,
            begun,
            phase,
            peer,
            http,
            timed: NEVER,
            timer: None,
            refusal: None,
            flushed: true,
            set_aside: false,
        }
    }

    /// The socket itself, and whether it is only set aside.
    pub fn into_parts(self) -> (TcpStream, bool) {
        (self.stream, self.set_aside)
    }

    /// Writes down, counts and words the refusal of a head.
    fn refuse(&self, status: StatusCode) -> Vec<u8> {
        let request = self.http.app.new_request();
        let labels = [("method", "(none)"), ("route", "(none)"), ("status", status.as_str())];
        let labels = labels.map(|(name, value)| (name, value.to_owned()));
        metrics::counter!("memstored_requests_total", &labels).increment(1);
        let peer = self.peer.map(|Peer(address)| tracing::field::display(address));
        tracing::info!(request_id = %request, status = status.as_u16(), peer, "refused a head");
        refusal(status, &request, &self.http)
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
            IDLE => self.timeouts().set_aside(),
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
        let read = if self.begun.is_empty() {
            Pin::new(&mut self.stream).poll_read(cx, buf)
        } else {
            let many = self.begun.len().min(buf.remaining());
            buf.put_slice(&self.begun.split_to(many));
            Poll::Ready(Ok(()))
        };
        let phase = self.phase.get();
        if read.is_ready() {
            if phase == IDLE && buf.filled().len() > before {
                self.phase.set(HEAD);
                self.time(HEAD);
            }
            return read;
        }
        if phase != IDLE || self.timed != TAKING {
            self.time(phase);
        }
        ready!(self.poll_timer(cx));
        if phase == IDLE && self.timed == IDLE {
            if self.flushed {
                self.set_aside = true;
                return Poll::Ready(Ok(()));
            }
            self.time(TAKING);
            ready!(self.poll_timer(cx));
        }
        if phase == BUSY {
            // While a request is answered hyper may not ask again by itself, so the timer makes it
            // ask once the time for idling is over; the answer is then long given, or goes on.
            self.timed = HEAD;
            self.time(BUSY);
            ready!(self.poll_timer(cx));
        }
        if phase == HEAD {
            // hyper would only close; whether the client still reads is its own affair.
            let refusal = self.refuse(StatusCode::REQUEST_TIMEOUT);
            let _ = self.stream.try_write(&refusal);
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
            self.refusal = Some(self.refuse(status));
        }
        if self.refusal.is_some() {
            return self.write_refusal(cx).map_ok(|()| buf.len());
        }
        self.flushed = false;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    /// hyper asks for this when it has written all that it has.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.flushed = true;
        if self.phase.get() == IDLE && self.timed != IDLE {
            // hyper does not ask for more by itself, so the timer makes it ask.
            self.time(IDLE);
            let _ = self.poll_timer(cx);
        }
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

fn refusal(status: StatusCode, request: &RequestId, http: &Http) -> Vec<u8> {
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
    let kind = match status {
        StatusCode::REQUEST_TIMEOUT => "timeout_error",
        _ => "invalid_request_error",
    };
    let body = envelope(kind, &error, request);
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
