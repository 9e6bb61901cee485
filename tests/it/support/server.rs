//! A server in this process, and the answers it gives.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use memstored::app::{App, Settings};
use memstored::clock::{Counter, ManualClock, Source};
use memstored::db::{Durability, Location};
use memstored::domain::limits::Limits;
use memstored::http::{self, Hosts, Http, Rate, Timeouts};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{Database, database, openapi};

/// 2026-11-22T10:00:00Z
pub const NOW: u64 = 1_795_341_600_000_000;
pub const KEY: &str = "test-key";
pub const BETA: &str = "agent-memory-2026-07-22";
/// That of the session side.
pub const AGENTS_BETA: &str = "managed-agents-2026-04-01";

/// How a test wants its server.
pub struct Setup {
    /// One of its own where none is given.
    pub location: Option<Location>,
    pub limits: Limits,
    pub dev: bool,
    pub lenient_headers: bool,
    pub body_limit: usize,
    pub rate: Rate,
    pub timeouts: Timeouts,
    /// Several servers on one database must not draw the same identifiers.
    pub source: Arc<dyn Source>,
    /// What the clock says until a test moves it.
    pub now: u64,
    pub durability: Durability,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            location: None,
            limits: Limits::default(),
            dev: false,
            lenient_headers: false,
            body_limit: 33_554_432,
            rate: Rate::per_minute(None),
            timeouts: Timeouts::default(),
            source: Arc::new(Counter::default()),
            now: NOW,
            durability: Durability::Relaxed,
        }
    }
}

/// A server whose clock stands still and whose identifiers count.
#[derive(Clone)]
pub struct Server {
    pub app: Arc<App>,
    pub http: Arc<Http>,
    pub router: Router,
    pub clock: Arc<ManualClock>,
}

impl Server {
    pub async fn start() -> Self {
        Self::with(Setup::default()).await
    }

    /// One on a database that outlives it.
    pub async fn on(database: &Database) -> Self {
        Self::with(Setup { location: Some(database.location()), ..Setup::default() }).await
    }

    pub async fn with(setup: Setup) -> Self {
        let settings = Settings {
            location: setup.location.unwrap_or_else(own_database),
            durability: setup.durability,
            limits: setup.limits,
            api_key: Some(KEY.to_owned().into()),
            dev: setup.dev,
        };
        let clock = Arc::new(ManualClock::at_micros(setup.now));
        let app = App::open(settings, clock.clone(), setup.source).await.unwrap();
        let app = Arc::new(app);
        app.start().await.unwrap();
        let http = Arc::new(Http {
            app: Arc::clone(&app),
            settings: http::Settings {
                lenient_headers: setup.lenient_headers,
                hosts: Hosts::new(&[], None),
                body_limit: setup.body_limit,
                rate: setup.rate,
                timeouts: setup.timeouts,
            },
        });
        let router = http::router(Arc::clone(&http));
        Self { app, http, router, clock }
    }

    /// Sends a request as it is and holds the answer to `openapi.yaml`.
    pub async fn send(&self, request: Request<Body>) -> Answer {
        let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
        let answer = Answer::read(self.router.clone().oneshot(request).await.unwrap()).await;
        openapi::check(&method, &path, answer.status.as_u16(), &answer.headers, &answer.bytes);
        answer
    }

    pub async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.call_as(KEY, method, path, body).await
    }

    pub async fn call_as(
        &self,
        key: &str,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Answer {
        let body = body.map_or(Body::empty(), |body| Body::from(body.to_string()));
        self.send(request(key, method, path).body(body).unwrap()).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call("POST", path, Some(body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.call("DELETE", path, None).await
    }

    /// Makes a store and answers its path.
    pub async fn store(&self) -> String {
        let made = self.post("/v1/memory_stores", json!({"name": "notes"})).await.ok();
        format!("/v1/memory_stores/{}", text(&made, "id"))
    }

    /// Makes a memory and answers it.
    pub async fn memory(&self, store: &str, path: &str, content: &str) -> Value {
        let body = json!({"path": path, "content": content});
        self.post(&format!("{store}/memories"), body).await.ok()
    }

    /// Makes a key with `scopes` and answers its secret.
    pub async fn key(&self, scopes: &[&str]) -> String {
        let body = json!({"name": "made", "scopes": scopes});
        text(&self.post("/x/v1/api_keys", body).await.ok(), "key").to_owned()
    }

    /// All versions of a store, newest first, with content.
    pub async fn versions(&self, store: &str) -> Vec<Value> {
        let mut versions = Vec::new();
        let mut page = String::new();
        loop {
            let path = format!("{store}/memory_versions?view=full&page={page}");
            let answer = self.get(&path).await.ok();
            versions.extend(answer["data"].as_array().unwrap().iter().cloned());
            match answer["next_page"].as_str() {
                Some(next) => page = next.to_owned(),
                None => return versions,
            }
        }
    }
}

fn own_database() -> Location {
    if database::is_postgres() { Database::postgres().location() } else { Location::Memory }
}

/// A request with the headers that the official SDKs send.
pub fn request(key: &str, method: &str, path: &str) -> axum::http::request::Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {key}"))
        .header("anthropic-beta", format!("{BETA},{AGENTS_BETA}"))
        .header("anthropic-version", "2026-10-21")
        .header("content-type", "application/json")
}

pub fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("no {key} in {value:#}"))
}

/// The strings under `key` in the items of a page.
pub fn column(page: &Value, key: &str) -> Vec<String> {
    let items = page["data"].as_array().unwrap();
    items.iter().map(|item| text(item, key).to_owned()).collect()
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
}

impl Answer {
    pub async fn read(response: axum::response::Response) -> Self {
        let (parts, body) = response.into_parts();
        let bytes = tokio::time::timeout(Duration::from_mins(1), body.collect()).await.unwrap();
        let bytes = bytes.unwrap().to_bytes().to_vec();
        Self { status: parts.status, headers: parts.headers, bytes }
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap()
    }

    /// The body of a 200.
    pub fn ok(self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}", self.render());
        self.json()
    }

    /// The `error` of a refusal with `status`.
    pub fn refused(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.render());
        self.json()["error"].clone()
    }

    /// The message of a refusal with `status`.
    pub fn message(self, status: u16) -> String {
        text(&self.refused(status), "message").to_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Status line, the headers that the contract names, and the body.
    pub fn render(&self) -> String {
        const NAMED: [&str; 7] = [
            "content-type",
            "request-id",
            "anthropic-organization-id",
            "anthropic-workspace-id",
            "x-should-retry",
            "retry-after",
            "allow",
        ];
        let mut rendered = format!("{}\n", self.status);
        for name in NAMED {
            if let Some(value) = self.header(name) {
                writeln!(rendered, "{name}: {value}").unwrap();
            }
        }
        match serde_json::from_slice::<Value>(&self.bytes) {
            Ok(mut body) => {
                body.sort_all_objects();
                write!(rendered, "{body:#}").unwrap();
            }
            Err(_) => rendered.push_str(&String::from_utf8_lossy(&self.bytes)),
        }
        rendered
    }
}
