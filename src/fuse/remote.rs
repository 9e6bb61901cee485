//! The store on the server: what the mount asks of the API, and nothing else.

use reqwest::Method;
use serde_json::{Value, json};

use super::cache::Bytes;
use super::errno::{FuseError, Result};
use crate::client::store::{BETA, STORES};
use crate::client::{Client, ClientError};
use crate::domain::content::Sha256;
use crate::domain::path::MemoryPath;
use crate::domain::time::Timestamp;
use crate::wire::Deleted;
use crate::wire::memory::{Item, Memory};
use crate::wire::page::Page;
use crate::wire::store::Store;
use crate::wire::version::Version;

/// Contract 1.11 and 3.3: the largest pages.
const BASIC_PAGE: &str = "100";
const FULL_PAGE: &str = "20";

/// A memory as the server had it.
#[derive(Clone, Debug)]
pub struct Head {
    pub id: String,
    pub path: MemoryPath,
    pub size: u64,
    pub sha256: Sha256,
    /// The last real change.
    pub at: Timestamp,
}

/// One store, as one credential sees it.
pub struct Remote {
    client: Client,
    path: String,
}

impl Remote {
    pub fn new(client: &Client, store: &str) -> Self {
        Self { client: client.with_beta(BETA), path: format!("{STORES}/{store}") }
    }

    /// A page of all memories in path order, and the token of the next; with contents where `full`.
    pub async fn memories(&self, full: bool, token: Option<&str>) -> Result<MemoryPage> {
        let (view, limit) = if full { ("full", FULL_PAGE) } else { ("basic", BASIC_PAGE) };
        let mut query = vec![("view", view), ("limit", limit)];
        query.extend(token.map(|token| ("page", token)));
        let page: Page<Item> = self.get("memories", &query).await?;
        let memories = page.data.into_iter().filter_map(|item| match item {
            Item::Memory(memory) => read(memory),
            Item::MemoryPrefix { .. } => None,
        });
        Ok(MemoryPage { memories: memories.collect(), next: page.next_page })
    }

    /// The newest versions without content, newest first.
    pub async fn versions(&self, limit: &str, token: Option<&str>) -> Result<Page<Version>> {
        let mut query = vec![("view", "basic"), ("limit", limit)];
        query.extend(token.map(|token| ("page", token)));
        self.get("memory_versions", &query).await
    }

    /// A memory with its content.
    pub async fn memory(&self, id: &str) -> Result<(Head, Bytes)> {
        let memory: Memory = self.get(&format!("memories/{id}"), &[("view", "full")]).await?;
        let (head, content) = read(memory).ok_or(FuseError::Damaged)?;
        Ok((head, content.ok_or(FuseError::Damaged)?))
    }

    /// A memory that is in the way with the very content is our own: an earlier answer was lost.
    pub async fn create(&self, path: &MemoryPath, content: &str) -> Result<Head> {
        let body = json!({"path": path.as_str(), "content": content});
        match self.send::<Memory>(Method::POST, "memories", &[], Some(&body)).await {
            Ok(memory) => head(memory),
            Err(ClientError::Refused { conflict: Some(conflict), .. })
                if conflict.path == path.as_str() && !conflict.memory.is_empty() =>
            {
                let (found, _) = self.memory(&conflict.memory).await?;
                let ours = found.sha256 == Sha256::of(content.as_bytes()) && found.path == *path;
                if ours { Ok(found) } else { Err(FuseError::LostRace) }
            }
            Err(error) => Err(self.explained(error).await),
        }
    }

    /// Writes content, where the memory still has the hash `base`.
    pub async fn update(&self, id: &str, content: &str, base: Sha256) -> Result<Head> {
        self.change(id, json!({"content": content}), base).await
    }

    /// Moves a memory, where it still has the hash `base`.
    pub async fn rename(&self, id: &str, path: &MemoryPath, base: Sha256) -> Result<Head> {
        self.change(id, json!({"path": path.as_str()}), base).await
    }

    async fn change(&self, id: &str, mut body: Value, base: Sha256) -> Result<Head> {
        body["precondition"] =
            json!({"type": "content_sha256", "content_sha256": base.to_string()});
        let path = format!("memories/{id}");
        match self.send::<Memory>(Method::POST, &path, &[], Some(&body)).await {
            Ok(memory) => head(memory),
            Err(error) => Err(self.explained(error).await),
        }
    }

    /// Deletes a memory, where it still has the hash `base`. One that is gone already is fine.
    pub async fn delete(&self, id: &str, base: Sha256) -> Result<()> {
        let hash = base.to_string();
        let query = [("expected_content_sha256", hash.as_str())];
        let path = format!("memories/{id}");
        match self.send::<Deleted>(Method::DELETE, &path, &query, None).await.map_err(Into::into) {
            Ok(_) | Err(FuseError::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// A 400 says in words only whether the store is archived or full, so the store is asked.
    async fn explained(&self, error: ClientError) -> FuseError {
        let error = error.into();
        let FuseError::Refused(message) = &error else { return error };
        match self.get::<Store>("", &[]).await {
            Ok(store) if store.archived_at.is_some() => FuseError::Archived,
            _ if message.contains("memories") => FuseError::Full(message.clone()),
            _ => error,
        }
    }

    async fn get<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<T> {
        self.send(Method::GET, path, query, None).await.map_err(Into::into)
    }

    async fn send<T: serde::de::DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<T, ClientError> {
        let separator = if path.is_empty() { "" } else { "/" };
        let path = format!("{}{separator}{path}", self.path);
        self.client.call(method, &path, query, body).await
    }
}

/// Memories with their contents, where these were asked for.
pub struct MemoryPage {
    pub memories: Vec<(Head, Option<Bytes>)>,
    pub next: Option<String>,
}

fn head(memory: Memory) -> Result<Head> {
    read(memory).map(|(head, _)| head).ok_or(FuseError::Damaged)
}

/// Reads what the server says; nothing where it breaks the contract, or content and hash disagree.
fn read(memory: Memory) -> Option<(Head, Option<Bytes>)> {
    let sha256 = Sha256::parse("content_sha256", &memory.content_sha256).ok()?;
    let content = memory.content.map(|content| Bytes::from(content.into_bytes()));
    if content.as_ref().is_some_and(|content| Sha256::of(content) != sha256) {
        tracing::error!(memory = memory.id, "its content does not have the hash that it says");
        return None;
    }
    let path = MemoryPath::parse(&memory.path);
    let path = path.inspect_err(|error| tracing::warn!(memory = memory.id, "no file: {error}"));
    let head = Head {
        id: memory.id,
        path: path.ok()?,
        size: memory.content_size_bytes.try_into().ok()?,
        sha256,
        at: Timestamp::parse(&memory.updated_at)?,
    };
    Some((head, content))
}

/// What a version says its memory was from then on; nothing for a deletion or after a redaction.
pub fn head_of(version: &Version) -> Option<Head> {
    Some(Head {
        id: version.memory_id.clone(),
        path: MemoryPath::parse(version.path.as_ref()?).ok()?,
        size: version.content_size_bytes?.try_into().ok()?,
        sha256: Sha256::parse("content_sha256", version.content_sha256.as_ref()?).ok()?,
        at: Timestamp::parse(&version.created_at)?,
    })
}
