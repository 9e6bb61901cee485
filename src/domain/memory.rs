//! Memories: the present state of a file in a store.

use std::sync::{Arc, OnceLock};

use super::Result;
use super::content::{Content, Sha256};
use super::id::{MemoryId, StoreId, VersionId};
use super::page::Paging;
use super::path::{MemoryPath, PathPrefix};
use super::time::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memory {
    pub id: MemoryId,
    pub store: StoreId,
    pub path: MemoryPath,
    /// The version that holds the present content.
    pub head: VersionId,
    pub size: i64,
    pub sha256: Sha256,
    pub created_at: Timestamp,
    /// The last real change of content or path.
    pub updated_at: Timestamp,
    /// Present where it was asked for.
    pub content: Option<Content>,
}

/// A memory with its content as it was read, which may be kept and answered more than once.
#[derive(Debug)]
pub struct Retrieved {
    pub memory: Memory,
    /// How it is written out, once somebody has done that.
    written: OnceLock<Arc<[u8]>>,
}

impl Retrieved {
    /// How it is written out; `write` does that the first time.
    pub fn written(&self, write: impl FnOnce(&Memory) -> Result<Vec<u8>>) -> Result<Arc<[u8]>> {
        if let Some(written) = self.written.get() {
            return Ok(Arc::clone(written));
        }
        let written = write(&self.memory)?.into();
        Ok(Arc::clone(self.written.get_or_init(|| written)))
    }
}

impl From<Memory> for Retrieved {
    fn from(memory: Memory) -> Self {
        Self { memory, written: OnceLock::new() }
    }
}

/// An item of a listing: a memory, or at depth 1 a directory that stands for all below it.
#[derive(Clone, Debug)]
pub enum Listed {
    Memory(Memory),
    Prefix(String),
}

impl Listed {
    /// What the listing is ordered by.
    pub fn key(&self) -> &str {
        match self {
            Self::Memory(memory) => memory.path.as_str(),
            Self::Prefix(path) => path,
        }
    }
}

/// Whether answers carry content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    Basic,
    Full,
}

/// Which memories a listing asks for.
#[derive(Clone, Debug)]
pub struct MemoryQuery {
    pub prefix: PathPrefix,
    /// Rolls deeper memories up into their immediate sub-directory.
    pub depth_one: bool,
    pub view: View,
    pub paging: Paging,
}
