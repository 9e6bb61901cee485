//! Memories (contract 2.1, 2.3).

use serde::{Deserialize, Serialize};

use super::shape::{Object, present};
use crate::domain::content::{Content, Sha256};
use crate::domain::memory::{self, Listed, View};
use crate::domain::path::MemoryPath;
use crate::domain::plan::{MemoryPatch, NewMemory};
use crate::domain::{Error, Result};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Memory {
    pub id: String,
    pub memory_store_id: String,
    pub path: String,
    /// Null in the basic view.
    pub content: Option<String>,
    pub content_size_bytes: i64,
    pub content_sha256: String,
    pub memory_version_id: String,
    pub created_at: String,
    pub updated_at: String,
}

impl Memory {
    pub fn new(memory: memory::Memory, view: View) -> Self {
        let content = memory.content.filter(|_| view == View::Full);
        Self {
            id: memory.id.to_string(),
            memory_store_id: memory.store.to_string(),
            path: memory.path.to_string(),
            content: content.map(|content| content.as_str().to_owned()),
            content_size_bytes: memory.size,
            content_sha256: memory.sha256.to_string(),
            memory_version_id: memory.head.to_string(),
            created_at: memory.created_at.to_string(),
            updated_at: memory.updated_at.to_string(),
        }
    }
}

/// A memory, or in listings at depth 1 a directory; told apart by `type`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Item {
    Memory(Memory),
    MemoryPrefix { path: String },
}

impl Item {
    pub fn new(item: Listed, view: View) -> Self {
        match item {
            Listed::Memory(memory) => Self::Memory(Memory::new(memory, view)),
            Listed::Prefix(path) => Self::MemoryPrefix { path },
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateMemory {
    path: String,
    content: String,
}

impl CreateMemory {
    /// `limit` is the largest content in bytes.
    pub fn checked(self, limit: usize) -> Result<NewMemory> {
        Ok(NewMemory {
            path: MemoryPath::parse(&self.path)?,
            content: Content::new(self.content, limit)?,
        })
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateMemory {
    content: Option<String>,
    path: Option<String>,
    #[serde(default, deserialize_with = "present")]
    precondition: Option<Object<Precondition>>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", deny_unknown_fields, rename_all = "snake_case")]
enum Precondition {
    ContentSha256 { content_sha256: String },
}

impl UpdateMemory {
    /// A null content or path leaves it as it is, as leaving it out does.
    pub fn checked(self, limit: usize) -> Result<MemoryPatch> {
        if self.content.is_none() && self.path.is_none() {
            return Err(Error::invalid("at least one of content or path must be provided"));
        }
        let precondition = self.precondition.map(|Object(precondition)| {
            let Precondition::ContentSha256 { content_sha256 } = precondition;
            Sha256::parse("precondition.content_sha256", &content_sha256)
        });
        Ok(MemoryPatch {
            content: self.content.map(|text| Content::new(text, limit)).transpose()?,
            path: self.path.as_deref().map(MemoryPath::parse).transpose()?,
            precondition: precondition.transpose()?,
        })
    }
}
