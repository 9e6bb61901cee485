//! The HTTP client of the command line. It retries as the official SDKs do (contract 1.9).

use std::time::Duration;

use reqwest::{Method, Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::wire::error::Envelope;
use crate::wire::page::Page;

const RETRIES: u32 = 2;
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(8);
const TIMEOUT: Duration = Duration::from_mins(1);

/// Why a call came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server refused; the text is its own.
    #[error("{message} (HTTP {status}{})", request(.request_id.as_ref()))]
    Refused { status: StatusCode, message: String, request_id: Option<String> },
    #[error("can't reach the server: {0}")]
    Unreachable(#[source] reqwest::Error),
    #[error("the server's answer can't be read: {0}")]
    Unreadable(#[source] reqwest::Error),
    #[error("{0}")]
    Setup(String),
}

fn request(id: Option<&String>) -> String {
    id.map(|id| format!(", {id}")).unwrap_or_default()
}

/// One server, as one credential sees it.
pub struct Client {
    http: reqwest::Client,
    base: String,
    key: SecretString,
}

impl Client {
    pub fn new(url: &str, key: SecretString) -> Result<Self, ClientError> {
        let setup = |error: &dyn std::fmt::Display| ClientError::Setup(error.to_string());
        // Fails only where a provider is installed already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        reqwest::Url::parse(url).map_err(|error| setup(&format!("--url {url:?}: {error}")))?;
        let http = reqwest::Client::builder().timeout(TIMEOUT).build();
        let http = http.map_err(|error| setup(&error))?;
        Ok(Self { http, base: url.trim_end_matches('/').into(), key })
    }

    /// One call: a JSON body out, where there is one, and JSON back.
    pub async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<T, ClientError> {
        let mut attempt = 0;
        loop {
            let sent = self.send(method.clone(), path, query, body).await;
            let again = match &sent {
                Ok(response) => is_worth_repeating(response),
                Err(error) => error.is_connect() || error.is_timeout(),
            };
            if !again || attempt == RETRIES {
                return read(sent.map_err(ClientError::Unreachable)?).await;
            }
            tokio::time::sleep(wait(sent.as_ref().ok(), attempt)).await;
            attempt += 1;
        }
    }

    /// All pages of a list.
    pub async fn list<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Vec<T>, ClientError> {
        let mut items = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let mut query = query.to_vec();
            query.push(("limit", "100"));
            query.extend(token.as_deref().map(|token| ("page", token)));
            let page: Page<T> = self.call(Method::GET, path, &query, None::<&()>).await?;
            items.extend(page.data);
            token = page.next_page;
            if token.is_none() {
                return Ok(items);
            }
        }
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
        if let Some(body) = body {
            request = request.json(body);
        }
        request.send().await
    }
}

/// The server's word first; else what a second attempt may change.
fn is_worth_repeating(response: &Response) -> bool {
    match response.headers().get("x-should-retry").map(reqwest::header::HeaderValue::as_bytes) {
        Some(b"true") => true,
        Some(b"false") => false,
        _ => {
            let status = response.status();
            matches!(status.as_u16(), 408 | 409 | 429) || status.is_server_error()
        }
    }
}

fn wait(response: Option<&Response>, attempt: u32) -> Duration {
    let header = response.and_then(|response| response.headers().get("retry-after"));
    let asked = header.and_then(|value| value.to_str().ok()?.parse().ok());
    let asked = asked.map(Duration::from_secs);
    asked.unwrap_or(FIRST_WAIT * 2_u32.pow(attempt)).min(LONGEST_WAIT)
}

async fn read<T: DeserializeOwned>(response: Response) -> Result<T, ClientError> {
    let status = response.status();
    if status.is_success() {
        return response.json().await.map_err(ClientError::Unreadable);
    }
    let envelope = response.json::<Envelope>().await.ok();
    let (message, request_id) = match envelope {
        Some(envelope) => (envelope.error.message, envelope.request_id),
        None => ("the server refused without a reason that can be read".into(), None),
    };
    Err(ClientError::Refused { status, message, request_id })
}
