//! Opening, reading and writing: what changes a file before it is saved.
//!
//! A file without a draft shows the memory as the server last said. The first write begins a draft
//! from what the handle was opened on, and with its hash: where the memory has changed since, the
//! save is a lost race, and not a mixture of two texts. An append begins from the newest content.

use super::{Draft, File, Fs, Handle, State, new_file};
use crate::domain::content::Sha256;
use crate::fuse::cache::Bytes;
use crate::fuse::errno::{FuseError, Result};
use crate::fuse::guard::{self, Guard};
use crate::fuse::inode::{Blind, Ino};

/// How a program opens a file.
#[derive(Clone, Copy, Debug, Default)]
pub struct How {
    pub reads: bool,
    pub writes: bool,
    pub truncates: bool,
}

/// Where a program writes.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub offset: u64,
    /// At the end, wherever that is by now; `offset` is where the kernel took it to be.
    pub appends: bool,
}

/// How often a content is loaded for one operation, where it changes on the way.
const LOADS: usize = 4;

/// A content that was loaded for an operation.
type Loaded = (Sha256, Bytes);

/// What a file shows.
enum Shown {
    Draft,
    Content(Loaded),
    /// The server has to be asked.
    Unknown,
}

impl State {
    fn shown(&mut self, ino: Ino, loaded: Option<&Loaded>) -> Result<Shown> {
        let file = self.tree.file(ino).ok_or(FuseError::NotFound)?;
        if file.draft.is_some() {
            return Ok(Shown::Draft);
        }
        let hash = file.sha256().ok_or(FuseError::NotFound)?;
        let loaded = loaded.filter(|(loaded, _)| *loaded == hash).map(|(_, content)| content);
        let content = loaded.cloned().or_else(|| self.cache.get(&hash));
        Ok(content.map_or(Shown::Unknown, |content| Shown::Content((hash, content))))
    }

    fn add_handle(&mut self, ino: Ino, how: How, opener: u32, pin: Option<Loaded>) -> u64 {
        let dirty = how.truncates;
        let id = self.new_handle();
        self.handles.insert(id, Handle { ino, opener, writes: how.writes, dirty, pin });
        id
    }
}

impl Fs {
    pub fn open_now(&self, ino: Ino, how: How, pid: u32) -> Option<Result<u64>> {
        self.open_with(ino, how, pid, None)
    }

    pub async fn open(&self, ino: Ino, how: How, pid: u32) -> Result<u64> {
        self.with_content(ino, |loaded| self.open_with(ino, how, pid, loaded)).await
    }

    fn open_with(
        &self,
        ino: Ino,
        how: How,
        pid: u32,
        loaded: Option<&Loaded>,
    ) -> Option<Result<u64>> {
        let state = &mut *self.lock();
        if how.truncates {
            let emptied = self.empty(state, ino, pid);
            return Some(emptied.map(|()| state.add_handle(ino, how, pid, None)));
        }
        let pin = match state.shown(ino, loaded) {
            Ok(Shown::Draft) => None,
            Ok(Shown::Content(content)) => Some(content),
            Ok(Shown::Unknown) => return None,
            Err(error) => return Some(Err(error)),
        };
        if how.reads
            && let Some((hash, _)) = &pin
        {
            note_reading(state, ino, *hash, pid);
        }
        Some(Ok(state.add_handle(ino, how, pid, pin)))
    }

    /// Runs what may need a file's content, first without having asked for it.
    async fn with_content<T>(
        &self,
        ino: Ino,
        run: impl Fn(Option<&Loaded>) -> Option<Result<T>>,
    ) -> Result<T> {
        let mut loaded = None;
        for _ in 0..LOADS {
            if let Some(done) = run(loaded.as_ref()) {
                return done;
            }
            loaded = Some(self.content(ino).await?);
        }
        run(loaded.as_ref()).unwrap_or(Err(FuseError::LostRace))
    }

    /// Begins a new file and opens it.
    pub fn create(&self, parent: Ino, name: &str, how: How, pid: u32) -> Result<(Ino, u64)> {
        let state = &mut *self.lock();
        let path = state.path_to_make(parent, name, false).inspect_err(|error| {
            Self::log_refusal(&format!("{}/{name}", state.tree.path(parent)), error);
        })?;
        if state.tree.child(parent, name).is_some() {
            return Err(FuseError::Exists);
        }
        tracing::debug!(path = path.as_str(), "new file");
        let now = self.clock.now();
        let draft = Draft { whole: true, ..Draft::default() };
        let ino = state.tree.add(parent, name, new_file(draft), now);
        state.tree.remember(ino);
        self.touch(state, parent);
        // It is to be saved even if nothing is ever written.
        let how = How { truncates: true, ..how };
        Ok((ino, state.add_handle(ino, how, pid, None)))
    }

    pub fn read_now(
        &self,
        ino: Ino,
        handle: u64,
        offset: u64,
        size: u32,
    ) -> Option<Result<Vec<u8>>> {
        self.read_with(ino, handle, (offset, size), None)
    }

    pub async fn read(&self, ino: Ino, handle: u64, offset: u64, size: u32) -> Result<Vec<u8>> {
        self.with_content(ino, |loaded| self.read_with(ino, handle, (offset, size), loaded)).await
    }

    fn read_with(
        &self,
        ino: Ino,
        handle: u64,
        range: (u64, u32),
        loaded: Option<&Loaded>,
    ) -> Option<Result<Vec<u8>>> {
        let state = &mut *self.lock();
        let gone = state.tree.node(ino).is_none_or(|node| node.gone);
        let pin = state.handles.get(&handle).and_then(|handle| handle.pin.clone());
        if gone && let Some((_, content)) = &pin {
            return Some(Ok(part(content, range)));
        }
        match state.shown(ino, loaded.or(pin.as_ref())) {
            Ok(Shown::Draft) => {
                let draft = state.tree.file(ino).and_then(|file| file.draft.as_ref());
                Some(Ok(draft.map(|draft| part(&draft.bytes, range)).unwrap_or_default()))
            }
            Ok(Shown::Content(content)) => {
                let part = part(&content.1, range);
                if let Some(handle) = state.handles.get_mut(&handle) {
                    handle.pin = Some(content);
                }
                Some(Ok(part))
            }
            Ok(Shown::Unknown) => None,
            Err(error) => Some(Err(error)),
        }
    }

    /// Writes at a place.
    pub async fn write(&self, ino: Ino, handle: u64, place: Place, data: &[u8]) -> Result<()> {
        let write = |loaded: Option<&Loaded>| {
            let state = &mut *self.lock();
            match state.begin_draft(ino, Some(handle), place.appends, loaded) {
                Ok(true) => Some(self.write_draft(state, ino, handle, place, data)),
                Ok(false) => None,
                Err(error) => Some(Err(error)),
            }
        };
        self.with_content(ino, write).await
    }

    fn write_draft(
        &self,
        state: &mut State,
        ino: Ino,
        handle: u64,
        place: Place,
        data: &[u8],
    ) -> Result<()> {
        state.mark_dirty(ino, Some(handle));
        let path = state.tree.path(ino);
        let file = state.tree.file_mut(ino).ok_or(FuseError::NotFound)?;
        let (kept, limit) = (file.kept, self.limit());
        let draft = file.draft.as_mut().ok_or(FuseError::NotFound)?;
        let length = draft.bytes.len();
        let start = if place.appends { Some(length) } else { place.offset.try_into().ok() };
        let end = start.and_then(|start| start.checked_add(data.len()));
        let Some((start, end)) = start.zip(end).filter(|(_, end)| *end <= limit) else {
            draft.broken |= !kept;
            let error = FuseError::TooLarge { limit };
            Self::log_refusal(&path, &error);
            return Err(error);
        };
        draft.bytes.resize(length.max(end), 0);
        draft.bytes[start..end].copy_from_slice(data);
        draft.revision += 1;
        if start as u64 != place.offset {
            // The kernel took the end of the file to be elsewhere, and has the pages there.
            self.forget_content(ino);
        }
        self.touch(state, ino);
        Ok(())
    }

    /// Sets the length. A program that has no handle for it does not close anything either, so the
    /// caller saves then: the answer is true.
    pub async fn truncate(
        &self,
        ino: Ino,
        handle: Option<u64>,
        size: u64,
        pid: u32,
    ) -> Result<bool> {
        let limit = self.limit();
        let Some(size) = usize::try_from(size).ok().filter(|size| *size <= limit) else {
            let error = FuseError::TooLarge { limit };
            Self::log_refusal(&self.lock().tree.path(ino), &error);
            return Err(error);
        };
        let cut = |loaded: Option<&Loaded>| self.truncate_with(ino, handle, size, pid, loaded);
        self.with_content(ino, cut).await
    }

    fn truncate_with(
        &self,
        ino: Ino,
        handle: Option<u64>,
        size: usize,
        pid: u32,
        loaded: Option<&Loaded>,
    ) -> Option<Result<bool>> {
        let state = &mut *self.lock();
        let unwritten = state.tree.file(ino).is_some_and(|file| file.draft.is_none());
        if unwritten && state.tree.file(ino).is_some_and(|file| file.size() == size as u64) {
            return Some(Ok(false));
        }
        let begun = if size == 0 {
            self.empty(state, ino, pid).map(|()| true)
        } else {
            state.begin_draft(ino, handle, false, loaded)
        };
        match begun {
            Ok(true) => {}
            Ok(false) => return None,
            Err(error) => return Some(Err(error)),
        }
        if let Some(draft) = state.tree.file_mut(ino).and_then(|file| file.draft.as_mut()) {
            draft.bytes.resize(size, 0);
            draft.revision += 1;
        }
        self.touch(state, ino);
        state.mark_dirty(ino, handle);
        Some(Ok(!state.is_written(ino)))
    }

    /// Takes everything out of a file, unless the guard forbids it.
    fn empty(&self, state: &mut State, ino: Ino, pid: u32) -> Result<()> {
        let path = state.tree.path(ino);
        let file = state.tree.file_mut(ino).ok_or(FuseError::IsFolder)?;
        if let Some(draft) = &mut file.draft {
            draft.bytes.clear();
            draft.revision += 1;
            (draft.whole, draft.broken) = (true, false);
        } else {
            let blind = self.blind(&path, file, pid)?;
            let base = file.sha256();
            file.draft = Some(Draft { base, blind, whole: true, ..Draft::default() });
        }
        self.touch(state, ino);
        Ok(())
    }

    /// Who is about to replace content that was never read here; an error where that is forbidden.
    pub(super) fn blind(&self, path: &str, file: &File, pid: u32) -> Result<Option<Blind>> {
        let Some(head) = file.memory.as_ref().filter(|head| head.size > 0) else {
            return Ok(None);
        };
        if self.settings.guard == Guard::Off || file.seen == Some(head.sha256) {
            return Ok(None);
        }
        let blind = Blind { pid, program: guard::program(pid) };
        if self.settings.guard == Guard::Warn {
            return Ok(Some(blind));
        }
        tracing::warn!(
            path,
            pid,
            program = blind.program,
            bytes = head.size,
            sha256 = %head.sha256,
            "blind overwrite denied: this content was never read here"
        );
        Err(FuseError::Blind)
    }

    /// A file has changed just now.
    pub(super) fn touch(&self, state: &mut State, ino: Ino) {
        let now = self.clock.now();
        if let Some(node) = state.tree.node_mut(ino) {
            node.changed = now;
        }
        if let Some(file) = state.tree.file_mut(ino) {
            file.turn += 1;
        }
    }
}

impl State {
    /// Makes sure that there is a draft; false where the content has to be loaded first.
    fn begin_draft(
        &mut self,
        ino: Ino,
        handle: Option<u64>,
        appends: bool,
        loaded: Option<&Loaded>,
    ) -> Result<bool> {
        let pin = handle.and_then(|id| self.handles.get(&id)?.pin.clone());
        if let Some((hash, content)) = pin.filter(|_| !appends)
            && let Some(file) = self.tree.file_mut(ino)
            && file.draft.is_none()
        {
            file.draft = Some(Draft::of(&content, Some(hash)));
            return Ok(true);
        }
        match self.shown(ino, loaded)? {
            Shown::Draft => Ok(true),
            Shown::Unknown => Ok(false),
            Shown::Content((hash, content)) => {
                let file = self.tree.file_mut(ino).ok_or(FuseError::NotFound)?;
                file.draft = Some(Draft::of(&content, Some(hash)));
                Ok(true)
            }
        }
    }

    fn mark_dirty(&mut self, ino: Ino, handle: Option<u64>) {
        let handle = handle.and_then(|handle| self.handles.get_mut(&handle));
        if let Some(handle) = handle.filter(|handle| handle.ino == ino && handle.writes) {
            handle.dirty = true;
        }
    }
}

/// A program has opened a content for reading, which counts unless it only searches.
fn note_reading(state: &mut State, ino: Ino, hash: Sha256, pid: u32) {
    if let Some(file) = state.tree.file_mut(ino)
        && file.seen != Some(hash)
        && state.searches.reads(pid)
    {
        file.seen = Some(hash);
    }
}

fn part(bytes: &[u8], (offset, size): (u64, u32)) -> Vec<u8> {
    let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
    let end = start.saturating_add(size as usize).min(bytes.len());
    bytes[start..end].to_vec()
}
