//! The sizes that an installation may set; the defaults are the contract's (3.2).

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Live memories in one store.
    pub memories_per_store: u64,
    /// Bytes of UTF-8 in one memory.
    pub content_bytes: usize,
    /// Stores in one workspace that are not deleted; `None` is no limit.
    pub stores_per_workspace: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memories_per_store: 10_000, content_bytes: 102_400, stores_per_workspace: None }
    }
}
