//! What the mount decides, without a kernel: its decisions against a server in this process, whose
//! requests are counted and whose answers can be lost.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use axum::extract::Request;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode};

use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use memstored::client::Client;
use memstored::clock::{Counter, ManualClock};
use memstored::domain::limits::Limits;
use memstored::fuse::errno::FuseError;
use memstored::fuse::fs::{Fs, How, Place, Settings};
use memstored::fuse::guard::Guard;
use memstored::fuse::inode::ROOT;
use memstored::fuse::remote::Remote;
use memstored::fuse::spool::Spool;
use memstored::http::{self, Listener};
use serde_json::json;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::support::Server;
use crate::support::server::{KEY, NOW, text};

const END: Place = Place { offset: 0, appends: true };

/// What a test does to requests.
#[derive(Default)]
struct Line {
    /// Method and path of each.
    seen: Mutex<Vec<String>>,
    /// So many answers to POST are lost after the server has done its work.
    loses: AtomicUsize,
    /// Answers to a read of one memory have another text than they say.
    lies: AtomicBool,
}

impl Line {
    async fn carry(self: Arc<Self>, request: Request, next: Next) -> Response {
        let path = request.uri().path_and_query().unwrap().as_str().to_owned();
        let post = request.method() == Method::POST;
        self.seen.lock().unwrap().push(format!("{} {path}", request.method()));
        let answer = next.run(request).await;
        if path.contains("/memories/mem_") && self.lies.load(Ordering::SeqCst) {
            let bytes = answer.into_body().collect().await.unwrap().to_bytes();
            let text = String::from_utf8_lossy(&bytes).replace("\"one\"", "\"two\"");
            return ([(CONTENT_TYPE, "application/json")], text).into_response();
        }
        let lost = |left: usize| left.checked_sub(1).filter(|_| post);
        if self.loses.fetch_update(Ordering::SeqCst, Ordering::SeqCst, lost).is_ok() {
            return (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "0")]).into_response();
        }
        answer
    }

    fn count(&self, start: &str) -> usize {
        self.seen.lock().unwrap().iter().filter(|line| line.contains(start)).count()
    }
}

/// A server on a socket.
struct Socket {
    server: Server,
    url: String,
    line: Arc<Line>,
}

impl Socket {
    async fn new() -> Self {
        let server = Server::start().await;
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), 100).await.unwrap();
        let url = format!("http://{}", listener.address().unwrap());
        let line = Arc::new(Line::default());
        let carries = Arc::clone(&line);
        let router = http::router(Arc::clone(&server.http)).layer(from_fn(
            move |request: Request, next: Next| Arc::clone(&carries).carry(request, next),
        ));
        tokio::spawn(listener.serve(server.http.clone(), router, CancellationToken::new()));
        Self { server, url, line }
    }
}

/// A mount without a kernel.
struct Stand {
    socket: Socket,
    store: String,
    fs: Arc<Fs>,
    _state: TempDir,
}

impl Stand {
    /// Of a store with these memories.
    async fn new(memories: &[(&str, &str)]) -> Self {
        let socket = Socket::new().await;
        let store = socket.server.store().await;
        for (path, content) in memories {
            socket.server.memory(&store, path, content).await;
        }
        let client = Client::new(&socket.url, KEY.to_owned().into()).unwrap();
        let remote = Remote::new(&client, store.rsplit('/').next().unwrap());
        let state = TempDir::new().unwrap();
        let spool = Spool::open(state.path()).unwrap();
        let settings = Settings {
            guard: Guard::Warn,
            cache_bytes: 1 << 20,
            spool_wait: Duration::from_millis(1),
            poll: Duration::ZERO,
            limits: Limits::default(),
        };
        let clock = Arc::new(ManualClock::at_micros(NOW));
        let (stale, _) = mpsc::channel();
        let fs = Fs::new(remote, Some(spool), stale, settings, clock, &Counter::default());
        let fs = Arc::new(fs);
        fs.load().await.unwrap();
        Self { socket, store, fs, _state: state }
    }

    async fn read(&self, name: &str) -> Result<String, FuseError> {
        let ino = self.fs.lookup(ROOT, name)?.ino;
        let how = How { reads: true, ..How::default() };
        let handle = self.fs.open(ino, how, std::process::id()).await?;
        let bytes = self.fs.read(ino, handle, 0, 1 << 20).await?;
        self.fs.release(ino, handle).await;
        Ok(String::from_utf8(bytes).unwrap())
    }

    /// Creates a file and writes to it; answers inode and handle.
    async fn write(&self, name: &str, content: &str) -> (u64, u64) {
        let how = How { writes: true, ..How::default() };
        let (ino, handle) = self.fs.create(ROOT, name, how, std::process::id()).unwrap();
        self.fs.write(ino, handle, END, content.as_bytes()).await.unwrap();
        (ino, handle)
    }

    async fn history(&self) -> Vec<String> {
        let versions = self.socket.server.versions(&self.store).await;
        let line = |it: &serde_json::Value| {
            let content = it["content"].as_str().unwrap_or("-");
            format!("{} {} {content}", text(it, "operation"), text(it, "path"))
        };
        versions.iter().rev().map(line).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_seen_by_their_versions_and_not_by_listing_again() {
    let stand = Stand::new(&[("/a", "one"), ("/b", "two")]).await;
    assert_eq!(stand.read("a").await.unwrap(), "one");
    let page = stand.socket.server.get(&format!("{}/memories", stand.store)).await.ok();
    let id = text(&page["data"][0], "id");

    let change = json!({"content": "new", "path": "/c"});
    stand.socket.server.post(&format!("{}/memories/{id}", stand.store), change).await.ok();
    stand.fs.poll().await.unwrap();
    stand.fs.poll().await.unwrap();

    assert_eq!(stand.read("a").await, Err(FuseError::NotFound));
    assert_eq!(stand.read("c").await.unwrap(), "new");
    assert_eq!(stand.socket.line.count("/memories?view=basic"), 1);
    assert_eq!(stand.socket.line.count("/memory_versions?view=basic&limit=10"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn its_own_changes_are_no_news() {
    let stand = Stand::new(&[("/a", "one")]).await;
    let (ino, handle) = stand.write("b", "two").await;
    stand.fs.fsync(ino).await.unwrap();
    stand.fs.release(ino, handle).await;
    stand.fs.remove_file(ROOT, "a", 0).await.unwrap();

    stand.fs.poll().await.unwrap();

    assert_eq!(stand.fs.lookup(ROOT, "b").unwrap().ino, ino);
    assert_eq!(stand.read("a").await, Err(FuseError::NotFound));
    assert_eq!(stand.socket.line.count("/memories?view=basic"), 1);
    assert_eq!(stand.history().await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn contents_are_loaded_by_the_page() {
    let names: Vec<_> = (0..45).map(|number| format!("/{number:02}")).collect();
    let memories: Vec<_> = names.iter().map(|name| (name.as_str(), name.as_str())).collect();
    let stand = Stand::new(&memories).await;

    Arc::clone(&stand.fs).prefetch().await;
    for name in &names {
        assert_eq!(stand.read(&name[1..]).await.unwrap(), *name);
    }

    assert_eq!(stand.socket.line.count("/memories?view=full&limit=20"), 3);
    assert_eq!(stand.socket.line.count("/memories/"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_close_that_can_not_be_told_from_others_saves_at_the_release() {
    let stand = Stand::new(&[("/a", "one")]).await;
    let ino = stand.fs.lookup(ROOT, "a").unwrap().ino;
    let how = How { writes: true, ..How::default() };
    let handle = stand.fs.open(ino, how, 0).await.unwrap();
    stand.fs.write(ino, handle, END, b" two").await.unwrap();

    stand.fs.flush(ino, handle, 0).await.unwrap();
    assert_eq!(stand.history().await.len(), 1);
    stand.fs.release(ino, handle).await;

    assert_eq!(stand.history().await[1], "modified /a one two");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_lost_is_no_race() {
    let stand = Stand::new(&[]).await;
    let (ino, handle) = stand.write("a", "one").await;
    stand.socket.line.loses.store(1, Ordering::SeqCst);
    stand.fs.fsync(ino).await.unwrap();

    stand.fs.write(ino, handle, END, b" two").await.unwrap();
    stand.socket.line.loses.store(1, Ordering::SeqCst);
    stand.fs.fsync(ino).await.unwrap();

    assert_eq!(stand.history().await, ["created /a one", "modified /a one two"]);
    assert_eq!(stand.fs.totals().files, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_for_good_is_asked_for_once() {
    let stand = Stand::new(&[]).await;
    let (ino, _) = stand.write("a", "mine").await;
    stand.socket.server.memory(&stand.store, "/a/b", "theirs").await;

    let refused = stand.fs.fsync(ino).await;

    assert!(matches!(refused, Err(FuseError::PathTaken(_))), "{refused:?}");
    assert_eq!(stand.socket.line.count("POST"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn content_without_the_hash_that_it_says_is_not_shown() {
    let stand = Stand::new(&[("/a", "one")]).await;
    stand.socket.line.lies.store(true, Ordering::SeqCst);

    assert_eq!(stand.read("a").await, Err(FuseError::Damaged));

    stand.socket.line.lies.store(false, Ordering::SeqCst);
    assert_eq!(stand.read("a").await.unwrap(), "one");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_memory_takes_its_place_from_files_that_are_not_saved_yet() {
    let stand = Stand::new(&[]).await;
    let folder = stand.fs.make_folder(ROOT, "a").unwrap().ino;
    let how = How { writes: true, ..How::default() };
    stand.fs.create(folder, "mine", how, std::process::id()).unwrap();

    stand.socket.server.memory(&stand.store, "/a", "theirs").await;
    stand.fs.poll().await.unwrap();

    assert_eq!(stand.read("a").await.unwrap(), "theirs");
    let root = stand.fs.open_folder(ROOT).unwrap();
    let names: Vec<_> = stand.fs.listing(root).unwrap().iter().map(|it| it.name.clone()).collect();
    assert_eq!(names[..3], [".", "..", "a"]);
    assert_eq!(names[3], "a.conflict-20261122T100000Z");
}

#[tokio::test(flavor = "multi_thread")]
async fn inode_numbers_begin_high_and_fit_into_every_number() {
    let stand = Stand::new(&[("/a", "one")]).await;

    let ino = stand.fs.lookup(ROOT, "a").unwrap().ino;

    assert!((1 << 52..1 << 53).contains(&ino), "{ino}");
}
