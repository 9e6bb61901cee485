//! The HTTP client of the command line and the mount. It retries as the official SDKs do (contract
//! 1.9).

pub mod limits;
pub mod pages;
pub mod store;

use std::time::Duration;

use reqwest::header::HeaderValue;
use reqwest::{Method, Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;

use self::pages::{MOST, Pages};
use crate::wire::error::Envelope;

const RETRIES: u32 = 2;
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(8);
const TIMEOUT: Duration = Duration::from_mins(1);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// What the newest official SDKs send.
const API_VERSION: &str = "2026-10-21";

/// Why a call came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server refused; the text is its own.
    #[error("{message} (HTTP {status}{})", request(.request_id.as_ref()))]
    Refused {
        status: StatusCode,
        /// The error's type in the envelope; empty where there was no envelope.
        kind: String,
        message: String,
        request_id: Option<String>,
        /// What is in the way, for a path conflict.
        conflict: Option<Box<Conflict>>,
    },
    #[error("can't reach the server{}: {}", at(.0), cause(.0))]
    Unreachable(#[source] reqwest::Error),
    #[error("the server's answer can't be read: {}", cause(.0))]
    Unreadable(#[source] reqwest::Error),
    #[error("the server's answer can't be read: {0}")]
    Garbled(String),
    #[error("{0}")]
    Setup(String),
}

/// The path and the memory that are in the way.
#[derive(Debug)]
pub struct Conflict {
    pub path: String,
    pub memory: String,
}

fn request(id: Option<&String>) -> String {
    id.map(|id| format!(", {id}")).unwrap_or_default()
}

/// Where the server was looked for.
fn at(error: &reqwest::Error) -> String {
    let origin = error.url().map(|url| url.origin().ascii_serialization());
    origin.map(|origin| format!(" at {origin}")).unwrap_or_default()
}

/// What is at the bottom of an error: what lies above only says that something is.
pub fn cause(error: &reqwest::Error) -> String {
    let mut deepest: &dyn std::error::Error = error;
    while let Some(below) = deepest.source() {
        deepest = below;
    }
    deepest.to_string()
}

/// One server, as one credential sees it.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    key: SecretString,
    beta: Option<&'static str>,
    reason: Option<HeaderValue>,
}

impl Client {
    pub fn new(url: &str, key: SecretString) -> Result<Self, ClientError> {
        // Fails only where a provider is installed already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let url = url.trim();
        check_url(url)?;
        check_key(&key)?;
        let http = reqwest::Client::builder().timeout(TIMEOUT).connect_timeout(CONNECT_TIMEOUT);
        let http = http.build().map_err(|error| ClientError::Setup(cause(&error)))?;
        Ok(Self { http, base: url.trim_end_matches('/').into(), key, beta: None, reason: None })
    }

    /// The same, for routes under `/v1`, which need an `anthropic-beta` header.
    #[must_use]
    pub fn with_beta(&self, beta: &'static str) -> Self {
        Self { beta: Some(beta), ..self.clone() }
    }

    /// The same, with a reason for the journal of a memstored; other servers ignore it.
    pub fn with_reason(&self, reason: &str) -> Result<Self, ClientError> {
        let value = HeaderValue::from_bytes(reason.as_bytes());
        let value = value.map_err(|_| ClientError::Setup("a reason is one line of text".into()));
        Ok(Self { reason: Some(value?), ..self.clone() })
    }

    /// The address of the server.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// One call: a JSON body out, where there is one, and JSON back.
    pub async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<T, ClientError> {
        let response = self.answer(method, path, query, body).await?;
        response.json().await.map_err(ClientError::Unreadable)
    }

    /// The answer to one call, tried again where that may help, if it is a success.
    async fn answer(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<Response, ClientError> {
        let mut attempt = 0;
        loop {
            let sent = self.send(method.clone(), path, query, body).await;
            let again = match &sent {
                Ok(response) => is_worth_repeating(response),
                Err(error) => error.is_connect() || error.is_timeout() || error.is_request(),
            };
            if !again || attempt == RETRIES {
                return accepted(sent.map_err(ClientError::Unreachable)?).await;
            }
            tokio::time::sleep(wait(sent.as_ref().ok(), attempt)).await;
            attempt += 1;
        }
    }

    /// All pages of a list.
    pub async fn list<T: DeserializeOwned + 'static>(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Vec<T>, ClientError> {
        let mut items = Vec::new();
        let mut pages = Pages::new(self, path, query, MOST).ahead();
        while let Some(page) = pages.next().await? {
            items.extend(page);
        }
        Ok(items)
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<Response, reqwest::Error> {
        let pairs = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        let separator = if pairs.is_empty() { "" } else { "?" };
        let url = format!("{}{path}{separator}{pairs}", self.base);
        let mut request = self.http.request(method, url).bearer_auth(self.key.expose_secret());
        if let Some(beta) = self.beta {
            request = request.header("anthropic-beta", beta);
            request = request.header("anthropic-version", API_VERSION);
        }
        if let Some(reason) = &self.reason {
            request = request.header("memstored-reason", reason);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        request.send().await
    }
}

/// The URL is not repeated: it may hold a password, or be a key at the wrong place.
fn check_url(url: &str) -> Result<(), ClientError> {
    let is_http =
        |scheme: &str| url.get(..scheme.len()).is_some_and(|it| it.eq_ignore_ascii_case(scheme));
    if !["http://", "https://"].into_iter().any(is_http) {
        return Err(ClientError::Setup(
            "the server's URL needs http:// or https:// in front, as in http://127.0.0.1:8780 \
             (--url, MEMSTORED_URL or ANTHROPIC_BASE_URL)"
                .into(),
        ));
    }
    let read = reqwest::Url::parse(url);
    read.map_err(|error| ClientError::Setup(format!("--url can't be read: {error}")))?;
    Ok(())
}

fn check_key(key: &SecretString) -> Result<(), ClientError> {
    match HeaderValue::from_bytes(key.expose_secret().as_bytes()) {
        Ok(_) => Ok(()),
        Err(_) => Err(ClientError::Setup(
            "the API key or token holds a character that no header can carry, such as a line break"
                .into(),
        )),
    }
}

/// The server's word first; else what a second attempt may change.
fn is_worth_repeating(response: &Response) -> bool {
    match response.headers().get("x-should-retry").map(HeaderValue::as_bytes) {
        Some(b"true") => true,
        Some(b"false") => false,
        _ => {
            let status = response.status();
            matches!(status.as_u16(), 408 | 409 | 429) || status.is_server_error()
        }
    }
}

fn wait(response: Option<&Response>, attempt: u32) -> Duration {
    let number = |name: &str| {
        let value = response?.headers().get(name)?.to_str().ok()?.parse::<f64>().ok()?;
        (value >= 0.0).then_some(value)
    };
    let asked = number("retry-after-ms").map(|value| value / 1e3).or_else(|| number("retry-after"));
    let asked = asked.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    asked.unwrap_or(FIRST_WAIT * 2_u32.pow(attempt)).min(LONGEST_WAIT)
}

async fn accepted(response: Response) -> Result<Response, ClientError> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let Ok(Envelope { error, request_id, .. }) = response.json::<Envelope>().await else {
        return Err(ClientError::Refused {
            status,
            kind: String::new(),
            message: "the server refused without a reason that can be read".into(),
            request_id: None,
            conflict: None,
        });
    };
    Err(ClientError::Refused {
        status,
        kind: error.kind,
        message: error.message,
        request_id,
        conflict: error
            .conflicting_path
            .zip(error.conflicting_memory_id)
            .map(|(path, memory)| Box::new(Conflict { path, memory })),
    })
}
