//! A proxy between a server and its Postgres that cuts the connection after a given message.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};

use memstored::db::Location;
use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::Notify;

use crate::support::Database;

/// Messages that are let through when nothing is to be cut.
const ALL: i64 = i64::MAX;

pub struct Proxy {
    port: u16,
    state: Arc<State>,
}

struct State {
    /// How many more messages of clients reach Postgres before a connection is cut; from then on
    /// all go through again.
    left: AtomicI64,
    cuts: AtomicUsize,
    cut_all: Notify,
    stalls: AtomicBool,
    postgres: PgConnectOptions,
}

impl Proxy {
    pub async fn before(database: &Database) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let postgres = database.url().parse().unwrap();
        let (left, cuts) = (AtomicI64::new(ALL), AtomicUsize::new(0));
        let (cut_all, stalls) = (Notify::new(), AtomicBool::new(false));
        let state = Arc::new(State { left, cuts, cut_all, stalls, postgres });
        let served = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, Arc::clone(&served)));
            }
        });
        Self { port, state }
    }

    /// The database by way of this proxy: the URL without its host, since a socket's folder would
    /// take precedence, and with another address.
    pub fn location(&self, database: &Database) -> Location {
        let url = database.url();
        let (scheme, rest) = url.split_once("://").unwrap();
        let (authority, rest) = rest.split_once('/').unwrap();
        let (name, query) = rest.split_once('?').unwrap();
        let user = authority.rsplit_once('@').map_or("postgres", |(user, _)| user);
        let kept = query
            .split('&')
            .filter(|one| !["host=", "port=", "sslmode="].iter().any(|key| one.starts_with(key)))
            .collect::<Vec<_>>()
            .join("&");
        let port = self.port;
        let url = format!("{scheme}://{user}@127.0.0.1:{port}/{name}?{kept}&sslmode=disable");
        url.parse().unwrap()
    }

    /// Cuts a connection after so many messages, counted over all connections; after none, instead
    /// of the first.
    pub fn cut_after(&self, messages: i64) {
        self.state.left.store(messages, Ordering::SeqCst);
    }

    /// Cuts all connections that there are.
    pub fn cut_all(&self) {
        self.state.cut_all.notify_waiters();
    }

    /// Lets nothing through any more, as a network that drops all packets; or again, on connections
    /// on which nothing was dropped.
    pub fn stall(&self, stalls: bool) {
        self.state.stalls.store(stalls, Ordering::SeqCst);
    }

    /// Whether it has cut since it was told to; from here on it does not.
    pub fn has_cut(&self) -> bool {
        self.state.left.store(ALL, Ordering::SeqCst);
        self.state.cuts.swap(0, Ordering::SeqCst) > 0
    }
}

impl State {
    /// Counts a message; answers how many were left before it.
    fn count(&self) -> i64 {
        let counted = |left: i64| match left {
            ALL => None,
            0 | 1 => Some(ALL),
            left => Some(left - 1),
        };
        let left = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, counted);
        left.unwrap_or(ALL)
    }
}

async fn pass(client: TcpStream, state: Arc<State>) {
    if let Some(folder) = state.postgres.get_socket() {
        let file = folder.join(format!(".s.PGSQL.{}", state.postgres.get_port()));
        let (from, to) = UnixStream::connect(file).await.unwrap().into_split();
        join(client, from, to, &state).await;
    } else {
        let address = (state.postgres.get_host(), state.postgres.get_port());
        let (from, to) = TcpStream::connect(address).await.unwrap().into_split();
        join(client, from, to, &state).await;
    }
}

async fn join(
    client: TcpStream,
    mut answers: impl AsyncRead + Unpin,
    mut postgres: impl AsyncWrite + Unpin,
    state: &State,
) {
    let (mut messages, mut to_client) = client.into_split();
    let asked = async {
        let mut first = true;
        while let Some(message) = message(&mut messages, first).await {
            first = false;
            if state.stalls.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            let left = state.count();
            if left > 0 && postgres.write_all(&message).await.is_err() {
                return false;
            }
            if left <= 1 {
                return true;
            }
        }
        false
    };
    tokio::select! {
        // Postgres does all that has reached it before it sees the end; only then is the client told.
        cut = asked => if cut {
            let _ = postgres.shutdown().await;
            let _ = tokio::io::copy(&mut answers, &mut tokio::io::sink()).await;
            state.cuts.fetch_add(1, Ordering::SeqCst);
        },
        () = state.cut_all.notified() => {}
        _ = tokio::io::copy(&mut answers, &mut to_client) => {}
    }
}

/// One whole message of a client; the first has no letter before its length.
async fn message(from: &mut OwnedReadHalf, first: bool) -> Option<Vec<u8>> {
    let mut message = vec![0; if first { 4 } else { 5 }];
    from.read_exact(&mut message).await.ok()?;
    let length = message[message.len() - 4..].try_into().unwrap();
    let rest = usize::try_from(u32::from_be_bytes(length)).unwrap() - 4;
    let head = message.len();
    message.resize(head + rest, 0);
    from.read_exact(&mut message[head..]).await.ok()?;
    Some(message)
}
