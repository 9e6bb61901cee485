//! One memory store, as one credential sees it: the calls of the contract, and nothing else.

use reqwest::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::pages::{Items, MOST, MOST_FULL, Pages};
use super::{Client, ClientError, limits};
use crate::domain::limits::Limits;
use crate::wire::Deleted;
use crate::wire::memory::{Item, Memory};
use crate::wire::store::Store;
use crate::wire::version::Version;

/// The beta headers of the memory-store API, and of sessions.
pub const BETA: &str = "agent-memory-2026-07-22";
pub const SESSIONS_BETA: &str = "managed-agents-2026-04-01";
pub const STORES: &str = "/v1/memory_stores";
const PREFIX: &str = "memstore_";
/// Characters of an ID at least, as its layout is the server's own.
const FEWEST: usize = 20;

/// Why there is no such store.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    #[error("{0}")]
    Unknown(String),
    #[error("{0}")]
    Ambiguous(String),
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// The store of this ID, or the only one of this name.
pub async fn find(client: &Client, wanted: &str) -> Result<Store, FindError> {
    let client = client.with_beta(BETA);
    if is_id(wanted, PREFIX) {
        let found = client.call(Method::GET, &format!("{STORES}/{wanted}"), &[], None::<&()>).await;
        return found.map_err(|error| missing(error, wanted));
    }
    let mut found: Vec<Store> = client.list(STORES, &[]).await?;
    found.retain(|store| store.name == wanted);
    match found.len() {
        0 => Err(FindError::Unknown(format!("there is no memory store {wanted:?}"))),
        1 => Ok(found.remove(0)),
        count => {
            let ids: Vec<_> = found.into_iter().map(|store| store.id).collect();
            Err(FindError::Ambiguous(format!(
                "{count} memory stores are called {wanted:?}: say which by its ID, one of {}",
                ids.join(", ")
            )))
        }
    }
}

fn missing(error: ClientError, wanted: &str) -> FindError {
    match error {
        ClientError::Refused { status: StatusCode::NOT_FOUND, .. } => {
            FindError::Unknown(format!("there is no memory store {wanted}"))
        }
        error => error.into(),
    }
}

/// Whether this is an ID of its kind, which may stand in a URL's path.
pub fn is_id(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|rest| {
        !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

/// Whether this can be the whole ID of something, and not the beginning of one. Those of a memstored
/// have 26 characters behind the prefix, those of the hosted service 24.
pub fn is_whole_id(text: &str, prefix: &str) -> bool {
    is_id(text, prefix) && text.len() >= prefix.len() + FEWEST
}

/// Whether lists carry content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    Basic,
    Full,
}

impl View {
    fn name(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Full => "full",
        }
    }

    fn page(self) -> usize {
        match self {
            Self::Basic => MOST,
            Self::Full => MOST_FULL,
        }
    }
}

/// The conditions of a list.
pub type Query<'a> = Vec<(&'a str, &'a str)>;

#[derive(Clone)]
pub struct StoreApi {
    client: Client,
    path: String,
}

impl StoreApi {
    /// A store by its ID.
    pub fn new(client: &Client, id: &str) -> Self {
        Self { client: client.with_beta(BETA), path: format!("{STORES}/{id}") }
    }

    /// By its ID, which is not looked up, or by a name that only one store has.
    pub async fn named(client: &Client, wanted: &str) -> Result<Self, FindError> {
        if is_id(wanted, PREFIX) {
            return Ok(Self::new(client, wanted));
        }
        Ok(Self::new(client, &find(client, wanted).await?.id))
    }

    /// The same store, where each change has this reason.
    pub fn with_reason(&self, reason: &str) -> Result<Self, ClientError> {
        Ok(Self { client: self.client.with_reason(reason)?, path: self.path.clone() })
    }

    /// What the server takes in a store.
    pub async fn limits(&self) -> Result<Limits, ClientError> {
        Ok(limits::standing(&self.client).await?.limits)
    }

    /// Versions, newest first.
    pub fn versions(&self, query: &[(&str, &str)], view: View) -> Pages<Version> {
        self.pages("memory_versions", query, view)
    }

    /// The newest version that meets the conditions.
    pub async fn newest(
        &self,
        query: &[(&str, &str)],
        view: View,
    ) -> Result<Option<Version>, ClientError> {
        let mut query = query.to_vec();
        query.push(("view", view.name()));
        let path = format!("{}/memory_versions", self.path);
        Items::from(Pages::new(&self.client, &path, &query, 1)).next().await
    }

    /// Memories, and at depth 1 folders.
    pub fn items(&self, query: &[(&str, &str)], view: View) -> Pages<Item> {
        self.pages("memories", query, view)
    }

    /// All memories.
    pub async fn memories(&self, view: View) -> Result<Vec<Memory>, ClientError> {
        let mut pages = self.items(&[], view).ahead();
        let mut memories = Vec::new();
        while let Some(page) = pages.next().await? {
            memories.extend(page.into_iter().filter_map(|item| match item {
                Item::Memory(memory) => Some(memory),
                Item::MemoryPrefix { .. } => None,
            }));
        }
        Ok(memories)
    }

    fn pages<T: DeserializeOwned + 'static>(
        &self,
        what: &str,
        query: &[(&str, &str)],
        view: View,
    ) -> Pages<T> {
        let mut query = query.to_vec();
        query.push(("view", view.name()));
        Pages::new(&self.client, &format!("{}/{what}", self.path), &query, view.page())
    }

    /// A version with its content.
    pub async fn version(&self, id: &str) -> Result<Version, ClientError> {
        self.call(Method::GET, &format!("memory_versions/{id}"), &[], None::<&()>).await
    }

    /// A memory with its content; nothing where it is gone.
    pub async fn memory(&self, id: &str) -> Result<Option<Memory>, ClientError> {
        let found = self.call(Method::GET, &format!("memories/{id}"), &[], None::<&()>).await;
        match found {
            Ok(memory) => Ok(Some(memory)),
            // A store that is gone says so in the same way, but then nothing else works either.
            Err(ClientError::Refused { status: StatusCode::NOT_FOUND, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub async fn create(&self, path: &str, content: &str) -> Result<Memory, ClientError> {
        let body = json!({"path": path, "content": content});
        self.call(Method::POST, "memories", &[], Some(&body)).await
    }

    /// Changes content, path or both, where the memory still has the hash `expected`.
    pub async fn update(
        &self,
        id: &str,
        content: Option<&str>,
        path: Option<&str>,
        expected: &str,
    ) -> Result<Memory, ClientError> {
        let mut body = json!({
            "precondition": {"type": "content_sha256", "content_sha256": expected}
        });
        for (name, value) in [("content", content), ("path", path)] {
            if let Some(value) = value {
                body[name] = Value::from(value);
            }
        }
        self.call(Method::POST, &format!("memories/{id}"), &[], Some(&body)).await
    }

    /// Deletes a memory, where it still has the hash `expected`.
    pub async fn delete(&self, id: &str, expected: &str) -> Result<Deleted, ClientError> {
        let query = [("expected_content_sha256", expected)];
        self.call(Method::DELETE, &format!("memories/{id}"), &query, None::<&()>).await
    }

    pub async fn redact(&self, version: &str) -> Result<Version, ClientError> {
        let path = format!("memory_versions/{version}/redact");
        self.call(Method::POST, &path, &[], None::<&()>).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<T, ClientError> {
        self.client.call(method, &format!("{}/{path}", self.path), query, body).await
    }
}
