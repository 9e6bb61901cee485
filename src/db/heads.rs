//! Memories that were read from a SQLite file, kept so that reading one again asks no database.
//!
//! What is kept is true at one state of the file, and is used in no other. SQLite counts every
//! commit, whoever makes it, in the index of its log (`sqlite.org/walformat.html`, section 2.2): the
//! count that all is kept for is remembered here, and each look compares it with the file's. The
//! writer takes out what its transaction changes between the last look that may still find it and the
//! commit, then goes on with the new count. Any other commit, another process's too, makes the counts
//! differ: nothing is found until the next transaction of the writer has emptied what is kept.
//!
//! Postgres has nothing like it: there other instances write, and each read asks the database.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quick_cache::Weighter;
use quick_cache::sync::{Cache, GuardResult, PlaceholderGuard};

use super::dialect::sqlite;
use crate::domain::id::{MemoryId, StoreId, WorkspaceId};
use crate::domain::memory::{Memory, Retrieved};
use crate::domain::plan::Writes;
use crate::domain::{Error, Result};

/// A count that no file has: nothing may be found or kept.
const NONE: u64 = u64::MAX;
/// What a kept memory takes beside its content, roughly.
const OVERHEAD_BYTES: usize = 600;
/// The index begins with two copies of a header of 48 bytes.
const COPY_BYTES: usize = 48;

pub struct Heads {
    kept: Cache<MemoryId, Arc<Head>, Bytes>,
    index: Index,
    /// The count at which all that is kept is true.
    at: AtomicU64,
}

struct Head {
    workspace: WorkspaceId,
    memory: Arc<Retrieved>,
}

#[derive(Clone)]
struct Bytes;

impl Weighter<MemoryId, Arc<Head>> for Bytes {
    fn weight(&self, _: &MemoryId, head: &Arc<Head>) -> u64 {
        let Memory { content, path, .. } = &head.memory.memory;
        let content = content.as_ref().map_or(0, |content| content.as_str().len());
        // The content, and how it is written out.
        (2 * content + path.as_str().len() + OVERHEAD_BYTES) as u64
    }
}

/// The index of the log, open for as long as the process lives: to close it would drop the locks
/// that SQLite holds on it.
struct Index(File);

impl Index {
    /// How often the file was changed; `NONE` while a commit writes the header.
    fn count(&self) -> u64 {
        let mut header = [0; 2 * COPY_BYTES];
        if self.0.read_exact_at(&mut header, 0).is_err() {
            return NONE;
        }
        let (one, other) = header.split_at(COPY_BYTES);
        match (one == other, one) {
            (true, [_, _, _, _, _, _, _, _, a, b, c, d, ..]) => {
                u32::from_ne_bytes([*a, *b, *c, *d]).into()
            }
            _ => NONE,
        }
    }
}

/// A look at what is kept.
pub enum Look<'a> {
    Found(Arc<Retrieved>),
    Missed(Option<Place<'a>>),
}

/// Where a memory that is about to be read may be kept.
pub struct Place<'a> {
    heads: &'a Heads,
    guard: PlaceholderGuard<
        'a,
        MemoryId,
        Arc<Head>,
        Bytes,
        quick_cache::DefaultHashBuilder,
        quick_cache::sync::DefaultLifecycle<MemoryId, Arc<Head>>,
    >,
    at: u64,
}

impl Heads {
    /// For a file that is open already, so that its log has an index.
    pub fn open(file: &Path, bytes: u64) -> Result<Self> {
        let [_, index, _] = sqlite::beside(file);
        let opened = File::open(&index).map_err(|error| Error::Unavailable {
            reason: format!("can't open {}: {error}", index.display()),
            retry: false,
        })?;
        let index = Index(opened);
        let at = AtomicU64::new(index.count());
        let items = usize::try_from(bytes / 4096).unwrap_or(usize::MAX);
        Ok(Self { kept: Cache::with_weighter(items, bytes, Bytes), index, at })
    }

    pub fn look(&self, workspace: &WorkspaceId, store: &StoreId, id: &MemoryId) -> Look<'_> {
        // Asked before the look: what is found then was true at this moment.
        let at = self.at.load(Ordering::SeqCst);
        if at == NONE || at != self.index.count() {
            return Look::Missed(None);
        }
        match self.kept.get_value_or_guard(id, Some(Duration::ZERO)) {
            GuardResult::Value(head)
                if head.workspace == *workspace && head.memory.memory.store == *store =>
            {
                Look::Found(Arc::clone(&head.memory))
            }
            GuardResult::Guard(guard) => Look::Missed(Some(Place { heads: self, guard, at })),
            GuardResult::Value(_) | GuardResult::Timeout => Look::Missed(None),
        }
    }
}

impl Place<'_> {
    /// Keeps what was read, unless something has changed since the look.
    pub fn keep(self, workspace: &WorkspaceId, memory: &Arc<Retrieved>) {
        let unchanged = self.at == self.heads.at.load(Ordering::SeqCst);
        if unchanged && self.at == self.heads.index.count() {
            let head = Head { workspace: workspace.clone(), memory: Arc::clone(memory) };
            // Refused where the writer has taken the place away since.
            let _ = self.guard.insert(Arc::new(head));
        }
    }
}

/// What one transaction of the writer does to what is kept.
pub struct Change {
    heads: Arc<Heads>,
    /// The count when the transaction began; nobody else can change it until the commit.
    before: u64,
    touched: Vec<MemoryId>,
    /// The count after it, where that is known: another's commit must not be taken for this one.
    after: Option<u64>,
    all: bool,
}

impl Change {
    pub fn to(heads: Arc<Heads>) -> Self {
        Self { heads, before: NONE, touched: Vec::new(), after: None, all: false }
    }

    /// The transaction holds the file's lock.
    pub fn begun(&mut self) {
        self.before = self.heads.index.count();
        self.all = self.before != self.heads.at.load(Ordering::SeqCst);
        self.touched.clear();
        self.after = None;
    }

    /// What a round is about to write, of a transaction that writes nothing else. A deleted store takes
    /// all with it: that is rare.
    pub fn touches(&mut self, writes: &Writes) {
        if !writes.is_empty() {
            self.after = Some((self.before + 1) & u64::from(u32::MAX));
        }
        self.after = self.after.or(Some(self.before));
        self.all |= writes.stores.iter().any(|(_, deleted_at)| deleted_at.is_some());
        self.touched.extend(writes.removed.iter().cloned());
        self.touched.extend(writes.memories.iter().map(|memory| memory.id.clone()));
    }

    pub fn touches_all(&mut self) {
        self.all = true;
    }

    /// The commit is about to be sent. From here on nothing is found, and what others have begun to
    /// read is not kept.
    pub fn committing(&mut self) {
        self.heads.at.store(NONE, Ordering::SeqCst);
        for memory in self.touched.drain(..) {
            self.heads.kept.remove(&memory);
        }
    }

    pub fn committed(&mut self) {
        let now = self.heads.index.count();
        // One that has changed nothing is not counted. Of what is no batch it is not known whether it
        // has: then the next count may be another's.
        let is_ours = now == self.after.unwrap_or(self.before);
        if self.all || !is_ours {
            self.heads.kept.clear();
        }
        self.heads.at.store(now, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::content::{Content, Sha256};
    use crate::domain::id::VersionId;
    use crate::domain::path::MemoryPath;
    use crate::domain::time::Timestamp;

    /// What is kept of a file whose index says what the test writes into it.
    struct Stage {
        heads: Arc<Heads>,
        folder: tempfile::TempDir,
    }

    impl Stage {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            write(&folder, 5, 5);
            let heads = Heads::open(&folder.path().join("db"), 1 << 20).unwrap();
            Self { heads: Arc::new(heads), folder }
        }

        /// Somebody commits.
        fn count(&self, count: u8) {
            write(&self.folder, count, count);
        }

        fn look(&self) -> Look<'_> {
            let [workspace, store, id] = ids();
            self.heads.look(
                &WorkspaceId::stored(workspace),
                &StoreId::stored(store),
                &MemoryId::stored(id),
            )
        }

        fn place(&self) -> Place<'_> {
            match self.look() {
                Look::Missed(Some(place)) => place,
                _ => panic!("there is no place"),
            }
        }

        fn finds(&self) -> bool {
            matches!(self.look(), Look::Found(_))
        }

        fn begin(&self) -> Change {
            let mut change = Change::to(Arc::clone(&self.heads));
            change.begun();
            change.after = Some(6);
            change.touched = vec![memory().id];
            change
        }
    }

    fn write(folder: &tempfile::TempDir, one: u8, other: u8) {
        let mut header = [0; 96];
        header[8] = one;
        header[56] = other;
        std::fs::write(folder.path().join("db-shm"), header).unwrap();
    }

    fn ids() -> [String; 3] {
        ["wrkspc_1", "memstore_1", "mem_1"].map(str::to_owned)
    }

    fn keep(place: Place<'_>) {
        place.keep(&WorkspaceId::stored(ids()[0].clone()), &Arc::new(memory().into()));
    }

    fn memory() -> Memory {
        let content = Content::new("x".into(), 10).unwrap();
        let [_, store, id] = ids();
        Memory {
            id: MemoryId::stored(id),
            store: StoreId::stored(store),
            path: MemoryPath::stored("/a".into()),
            head: VersionId::stored("memver_1".into()),
            size: 1,
            sha256: Sha256::of(b"x"),
            created_at: Timestamp::from_micros(0),
            updated_at: Timestamp::from_micros(0),
            content: Some(content),
        }
    }

    #[test]
    fn what_was_read_is_found_again_until_anybody_commits() {
        let stage = Stage::new();

        keep(stage.place());

        assert!(stage.finds());
        stage.count(6);
        assert!(matches!(stage.look(), Look::Missed(None)));
    }

    #[test]
    fn what_was_read_before_another_commit_is_not_kept() {
        let stage = Stage::new();
        let place = stage.place();

        stage.count(6);
        keep(place);

        stage.count(5);
        assert!(!stage.finds());
    }

    #[test]
    fn a_header_that_is_being_written_is_no_count() {
        let stage = Stage::new();
        keep(stage.place());

        write(&stage.folder, 5, 6);

        assert!(!stage.finds());
    }

    #[test]
    fn the_writer_takes_out_what_it_changes_and_keeps_the_rest() {
        for touches in [true, false] {
            let stage = Stage::new();
            keep(stage.place());
            let mut change = stage.begin();
            if !touches {
                change.touched.clear();
            }

            change.committing();
            assert!(!stage.finds(), "nothing is found while it commits");
            stage.count(6);
            change.committed();

            assert_eq!(stage.finds(), !touches);
        }
    }

    /// Each moment at which the place may have been made, and the content may come.
    #[test]
    fn a_read_that_began_before_a_commit_is_not_kept_after_it() {
        for (made, comes) in [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)] {
            let stage = Stage::new();
            let mut change = stage.begin();
            let mut place = None;
            for moment in 0..4 {
                match moment {
                    1 => change.committing(),
                    2 => stage.count(6),
                    3 => change.committed(),
                    _ => {}
                }
                if moment == made
                    && let Look::Missed(Some(found)) = stage.look()
                {
                    place = Some(found);
                }
                if moment == comes
                    && let Some(place) = place.take()
                {
                    keep(place);
                }
            }

            assert!(!stage.finds(), "made at {made}, kept at {comes}");
        }
    }

    #[test]
    fn another_process_between_two_transactions_empties_all() {
        let stage = Stage::new();
        keep(stage.place());
        stage.count(6);

        let mut change = stage.begin();
        change.touched.clear();
        change.committing();
        stage.count(7);
        change.committed();

        assert!(!stage.finds());
        keep(stage.place());
        assert!(stage.finds(), "from here on it keeps again");
    }

    #[test]
    fn a_commit_of_another_is_not_taken_for_one_that_changed_nothing() {
        for batch in [true, false] {
            let stage = Stage::new();
            keep(stage.place());
            let mut change = Change::to(Arc::clone(&stage.heads));
            change.begun();
            if batch {
                change.touches(&Writes::default());
            }

            change.committing();
            stage.count(6);
            change.committed();

            assert!(!stage.finds(), "a batch: {batch}");
        }
    }

    #[test]
    fn what_changes_nothing_takes_nothing_out() {
        let stage = Stage::new();
        keep(stage.place());
        let mut change = Change::to(Arc::clone(&stage.heads));

        change.begun();
        change.touches(&Writes::default());
        change.committing();
        change.committed();

        assert!(stage.finds());
    }

    #[test]
    fn a_commit_of_another_right_after_ours_empties_all() {
        let stage = Stage::new();
        keep(stage.place());
        let mut change = stage.begin();
        change.touched.clear();

        change.committing();
        stage.count(7);
        change.committed();

        assert!(!stage.finds());
    }
}
