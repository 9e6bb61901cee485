//! The accept loop. A connection that waits for a request is a socket and a timer: hyper, whose
//! buffers take most of a connection's memory, gets it when there is something to read, and gives it
//! back when nothing has come for a tenth of a second.

use std::convert::Infallible;
use std::future::{self, Future};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::response::Response;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1::{self, Parts};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::Http;
use super::edge::Peer;
use super::socket::{BUSY, HEAD_BYTES, Held, IDLE, Phase, Socket, Streaming};
use crate::spell::Spell;

const BUFFER_BYTES: usize = 65_536;
/// How long requests under way are waited for at the end.
const FAREWELL: Duration = Duration::from_secs(8);
/// How long a refused accept (no file descriptors left, say) is waited out.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// A bound socket.
pub struct Listener {
    socket: TcpListener,
    connections: Arc<Semaphore>,
    refused: Spell,
}

impl Listener {
    pub async fn bind(address: SocketAddr, max_connections: usize) -> io::Result<Self> {
        let socket = TcpListener::bind(address).await?;
        let connections = Semaphore::new(max_connections.min(Semaphore::MAX_PERMITS));
        Ok(Self { socket, connections: Arc::new(connections), refused: Spell::default() })
    }

    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves until `stop`, then lets requests under way finish.
    pub async fn serve(self, http: Arc<Http>, router: Router, stop: CancellationToken) {
        let connections = TaskTracker::new();
        loop {
            let (stream, permit) = tokio::select! {
                () = stop.cancelled() => break,
                accepted = self.next() => accepted,
            };
            let (http, router, stop) = (Arc::clone(&http), router.clone(), stop.clone());
            connections.spawn(async move {
                converse(stream, http, router, stop).await;
                drop(permit);
            });
        }
        drop(self.socket);
        http.app.ending().cancel();
        connections.close();
        if tokio::time::timeout(FAREWELL, connections.wait()).await.is_err() {
            tracing::warn!("some requests were cut off at shutdown");
        }
    }

    /// The next connection, however often it has to be asked for.
    async fn next(&self) -> (TcpStream, OwnedSemaphorePermit) {
        loop {
            match self.accept().await {
                Ok(accepted) => {
                    if let Some(times) = self.refused.over() {
                        tracing::info!(times, "connections are accepted again");
                    }
                    return accepted;
                }
                Err(error) => {
                    if let Some(times) = self.refused.met() {
                        tracing::warn!(%error, times, "can't accept a connection");
                    }
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            }
        }
    }

    async fn accept(&self) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
        let permit = Arc::clone(&self.connections).acquire_owned().await;
        let permit = permit.map_err(io::Error::other)?;
        let (stream, _) = self.socket.accept().await?;
        stream.set_nodelay(true)?;
        Ok((stream, permit))
    }
}

/// Serves a connection to its end.
async fn converse(mut stream: TcpStream, http: Arc<Http>, router: Router, stop: CancellationToken) {
    let mut patience = http.settings.timeouts.idle;
    let mut begun = Bytes::new();
    loop {
        tokio::select! {
            biased;
            () = future::ready(()), if !begun.is_empty() => {}
            readable = stream.readable() => if readable.is_err() { return },
            () = stop.cancelled() => return,
            () = tokio::time::sleep(patience) => return,
        }
        // In a box, so that one that waits does not have the size of one that is served.
        match Box::pin(exchange(stream, begun, &http, &router, &stop)).await {
            Ok(Some(waiting)) => (stream, begun) = waiting,
            Ok(None) => return,
            Err(error) => {
                tracing::debug!(%error, "a connection ended");
                return;
            }
        }
        patience = http.settings.timeouts.idle.saturating_sub(http.settings.timeouts.set_aside());
    }
}

/// Lets hyper serve what comes; gives the socket back when nothing comes any more, with what has come
/// of a head that is not whole yet, because it followed another request at once.
async fn exchange(
    stream: TcpStream,
    begun: Bytes,
    http: &Arc<Http>,
    router: &Router,
    stop: &CancellationToken,
) -> hyper::Result<Option<(TcpStream, Bytes)>> {
    let phase = Arc::new(Phase::default());
    let peer = stream.peer_addr().ok().map(|peer| Peer(peer.ip().to_canonical()));
    let socket = Socket::new(stream, begun, Arc::clone(&phase), peer, Arc::clone(http));
    let router = router.clone();
    let service = service_fn(move |mut request: Request<Incoming>| {
        phase.set(BUSY);
        if let Some(peer) = peer {
            request.extensions_mut().insert(peer);
        }
        answer(Arc::clone(&phase), router.clone().oneshot(request))
    });
    let mut connection = http1::Builder::new()
        .header_read_timeout(None)
        .max_header_size(HEAD_BYTES)
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(TokioIo::new(socket), service);
    let mut stopped = pin!(stop.cancelled());
    let mut stopping = false;
    let served = future::poll_fn(|context| {
        if !stopping && stopped.as_mut().poll(context).is_ready() {
            stopping = true;
            Pin::new(&mut connection).graceful_shutdown();
        }
        connection.poll_without_shutdown(context)
    })
    .await;
    let Parts { io, read_buf, .. } = connection.into_parts();
    let (mut stream, set_aside) = io.into_inner().into_parts();
    match served {
        Ok(()) if set_aside && !stopping => return Ok(Some((stream, Bytes::new()))),
        Err(error) if error.is_incomplete_message() && set_aside && !stopping => {
            return Ok(Some((stream, read_buf)));
        }
        served => served?,
    }
    // What is left to say to a client that is gone.
    let _ = stream.shutdown().await;
    Ok(None)
}

/// An answer on its way; in a box, so that a connection without one does not have its size.
type Answering = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

fn answer(
    phase: Arc<Phase>,
    response: impl Future<Output = Result<Response, Infallible>> + Send + 'static,
) -> Answering {
    Box::pin(async move {
        let response = response.await?;
        if response.extensions().get::<Streaming>().is_some() {
            return Ok(response.map(|body| Body::new(Held::new(body, phase))));
        }
        phase.set(IDLE);
        Ok(response)
    })
}
