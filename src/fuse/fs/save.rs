//! Saving: one save is one version.
//!
//! A memory is saved inside the close or the sync, so that the program gets the error. A new file
//! goes to the spool at its close, and to the server a second later, so that one which is renamed in
//! between never becomes a memory of its own. A save that fails for now stays in the spool and is
//! tried again; one that can never succeed leaves its text beside the file.

use std::sync::{Arc, PoisonError};

use tokio::sync::OwnedMutexGuard;

use super::{Fs, State, legal};
use crate::domain::content::Sha256;
use crate::domain::path::MemoryPath;
use crate::fuse::cache::Bytes;
use crate::fuse::errno::{FuseError, Result};
use crate::fuse::holders::{self, Close};
use crate::fuse::inode::{Blind, Draft, File, Ino};
use crate::fuse::remote::Head;
use crate::fuse::spool::Record;

/// Why a file is saved now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The program goes on writing: a text that can't be saved stays.
    Sync,
    /// The program is done: a text that no server would take is given up.
    Close,
}

/// A text on its way to the server.
pub(super) struct Job {
    pub path: MemoryPath,
    memory: Option<Head>,
    text: String,
    base: Option<Sha256>,
    revision: u64,
    whole: bool,
    blind: Option<Blind>,
}

impl Fs {
    /// A descriptor was closed by the process `pid`; there may be others.
    pub async fn flush(self: &Arc<Self>, ino: Ino, handle: u64, pid: u32) -> Result<()> {
        let opener = match self.lock().handles.get(&handle) {
            Some(handle) if handle.dirty => handle.opener,
            _ => return Ok(()),
        };
        match holders::judge_soon(pid, opener, ino).await {
            Close::Last => self.close(ino, handle).await,
            Close::Early | Close::Unknown => Ok(()),
        }
    }

    /// The release of a handle through which nothing is unsaved; false where something is.
    pub fn release_now(&self, handle: u64) -> bool {
        let state = &mut *self.lock();
        let clean = state.handles.get(&handle).is_none_or(|handle| !handle.dirty);
        if clean {
            state.handles.remove(&handle);
        }
        clean
    }

    /// The kernel knows of no other descriptor. What no close has saved is saved now, though nobody
    /// waits for the answer.
    pub async fn release(self: &Arc<Self>, ino: Ino, handle: u64) {
        let dirty = self.lock().handles.get(&handle).is_some_and(|handle| handle.dirty);
        if dirty && let Err(error) = self.close(ino, handle).await {
            let path = self.lock().tree.path(ino);
            tracing::warn!(path, "saved too late to tell the program: {error}");
        }
        self.lock().handles.remove(&handle);
    }

    /// Everything that was written so far is a version when this returns.
    pub async fn fsync(self: &Arc<Self>, ino: Ino) -> Result<()> {
        self.save(ino, Moment::Sync).await
    }

    /// The last close of a handle that was written through.
    async fn close(self: &Arc<Self>, ino: Ino, handle: u64) -> Result<()> {
        let new = {
            let state = &mut *self.lock();
            if let Some(handle) = state.handles.get_mut(&handle) {
                handle.dirty = false;
            }
            state.tree.file(ino).is_some_and(is_new)
        };
        if !new {
            return self.save(ino, Moment::Close).await;
        }
        self.checked_job(ino, Moment::Close).await?;
        if self.spool(&mut self.lock(), ino).is_err() {
            // What can't wait on the disk does not wait.
            return self.save(ino, Moment::Close).await;
        }
        self.schedule(ino);
        Ok(())
    }

    /// Saves a file, if there is anything to save.
    pub async fn save(self: &Arc<Self>, ino: Ino, moment: Moment) -> Result<()> {
        let _shape = self.tree.read().await;
        let Some(gate) = self.gate(ino).await else { return Ok(()) };
        let Some(job) = self.checked_job(ino, moment).await? else { return Ok(()) };
        let sent = self.send(&job).await;
        let saved = self.settle(ino, job, sent).await;
        drop(gate);
        saved
    }

    pub(super) async fn gate(&self, ino: Ino) -> Option<OwnedMutexGuard<()>> {
        let gate = self.lock().tree.file(ino).map(|file| Arc::clone(&file.gate))?;
        Some(gate.lock_owned().await)
    }

    /// What has to be sent for a file. When this refuses, the kernel shows the given-up text no more.
    async fn checked_job(&self, ino: Ino, moment: Moment) -> Result<Option<Job>> {
        let job = self.job(&mut self.lock(), ino, moment);
        if job.is_err() && moment == Moment::Close {
            self.forget_content_first(ino).await;
        }
        job
    }

    /// A text that no server would take is refused, and given up at its close.
    fn job(&self, state: &mut State, ino: Ino, moment: Moment) -> Result<Option<Job>> {
        let Some(node) = state.tree.node(ino) else { return Ok(None) };
        let (parent, name, gone) = (node.parent, node.name.clone(), node.gone);
        let Some(file) = state.tree.file(ino) else { return Ok(None) };
        let Some(draft) = &file.draft else { return Ok(None) };
        if gone && file.lost_at.is_none() {
            return Ok(None);
        }
        if file.kept {
            self.spool(state, ino)?;
            return Ok(None);
        }
        let text = match text(draft, self.limit()) {
            Ok(text) => text.to_owned(),
            Err(error) => {
                Self::log_refusal(&state.tree.path(ino), &error);
                if moment == Moment::Close {
                    self.give_up(state, ino);
                }
                return Err(error);
            }
        };
        let path = match &file.lost_at {
            Some(path) if gone => legal(path)?,
            _ => state.path_for(parent, &name)?,
        };
        // What has no place any more is no memory to be changed.
        let memory = file.memory.clone().filter(|_| !gone);
        Ok(Some(Job::of(memory, draft, path, text)))
    }

    async fn send(&self, job: &Job) -> Result<Head> {
        let sha256 = Sha256::of(job.text.as_bytes());
        match (&job.memory, job.base) {
            (Some(head), _) if head.sha256 == sha256 => Ok(head.clone()),
            (Some(head), Some(base)) => {
                let saved = self.remote.update(&head.id, &job.text, base).await;
                // A change to a memory that was deleted has lost against the deletion.
                saved.map_err(|error| match error {
                    FuseError::NotFound => FuseError::LostRace,
                    error => error,
                })
            }
            (None, None) => self.remote.create(&job.path, &job.text).await,
            // A memory has come to where the new file is, or is gone from where the changed one was.
            (Some(_), None) | (None, Some(_)) => Err(FuseError::LostRace),
        }
    }

    async fn settle(self: &Arc<Self>, ino: Ino, job: Job, sent: Result<Head>) -> Result<()> {
        let error = match sent {
            Ok(head) => {
                self.settle_saved(ino, &job, head);
                return Ok(());
            }
            Err(error) => error,
        };
        let path = job.path.as_str();
        if error.may_pass() {
            tracing::warn!(path, "not saved yet, it will be tried again: {error}");
            let state = &mut *self.lock();
            if let Some(file) = state.tree.file_mut(ino) {
                file.owed = true;
            }
            // Its failure is logged, and what is in memory is tried again all the same.
            let _ = self.spool(state, ino);
            self.retry();
        } else {
            tracing::warn!(path, "not saved: {error}");
            self.lose(ino, &job).await;
        }
        Err(error)
    }

    fn settle_saved(&self, ino: Ino, job: &Job, head: Head) {
        let state = &mut *self.lock();
        let changed = job.memory.as_ref().is_none_or(|before| before.at != head.at);
        let blind = job.blind.as_ref().filter(|_| changed);
        if let Some((blind, before)) = blind.zip(job.memory.as_ref()) {
            log_blind(before, Some(&head), blind);
        }
        tracing::debug!(path = job.path.as_str(), bytes = head.size, "saved");
        self.settled(state, ino, head, job.text.as_bytes(), job.revision, job.whole);
    }

    /// The server has the text that a file had at `revision`.
    pub(super) fn settled(
        &self,
        state: &mut State,
        ino: Ino,
        head: Head,
        text: &[u8],
        revision: u64,
        whole: bool,
    ) {
        let (hash, content) = (Sha256::of(text), Bytes::from(text));
        state.cache.insert(hash, Bytes::clone(&content));
        if let Some(parent) = state.tree.node(ino).map(|node| node.parent) {
            state.disown(parent);
        }
        let before = state.tree.file(ino).and_then(File::sha256);
        state.tree.set_memory(ino, head);
        let Some(file) = state.tree.file_mut(ino) else { return };
        (file.owed, file.kept) = (false, false);
        // An edit of what was never read leaves the rest of it unread.
        if whole || file.seen == before {
            file.seen = Some(hash);
        }
        match &mut file.draft {
            Some(draft) if draft.revision != revision => {
                (draft.base, draft.blind) = (Some(hash), None);
            }
            draft => *draft = None,
        }
        self.unspool(file);
        let unsaved = file.draft.is_some();
        for handle in state.handles.values_mut().filter(|handle| handle.ino == ino) {
            handle.pin = Some((hash, Bytes::clone(&content)));
            handle.dirty &= unsaved;
        }
    }

    /// Gives a draft up: the memory shows again, and a new file is gone.
    fn give_up(&self, state: &mut State, ino: Ino) {
        let Some(node) = state.tree.node(ino) else { return };
        let (parent, name) = (node.parent, node.name.clone());
        let Some(file) = state.tree.file_mut(ino) else { return };
        self.unspool(file);
        if let Some(at) = file.memory.as_ref().map(|head| head.at) {
            (file.draft, file.owed) = (None, false);
            if let Some(node) = state.tree.node_mut(ino) {
                node.changed = at;
            }
        } else {
            state.tree.detach(ino);
            self.forget_entry(parent, &name);
        }
        self.forget_content(ino);
    }

    /// Keeps the text of a file in the spool.
    pub(super) fn spool(&self, state: &mut State, ino: Ino) -> Result<()> {
        let path = state.tree.path(ino);
        let Some(spool) = &self.spool else { return Ok(()) };
        let Some(file) = state.tree.file_mut(ino) else { return Ok(()) };
        let Some(draft) = &file.draft else { return Ok(()) };
        let record = Record {
            path: path.clone(),
            memory: file.memory.as_ref().map(|head| head.id.clone()),
            base: draft.base.map(|base| base.to_string()),
            kept: file.kept,
        };
        let mut spool = spool.lock().unwrap_or_else(PoisonError::into_inner);
        match spool.write(file.spooled, &record, &draft.bytes) {
            Ok(id) => file.spooled = Some(id),
            Err(error) => {
                tracing::error!(path, "can't keep the text in the state directory: {error}");
                return Err(FuseError::Spool(error.to_string()));
            }
        }
        Ok(())
    }

    pub(super) fn unspool(&self, file: &mut File) {
        let (Some(spool), Some(id)) = (&self.spool, file.spooled.take()) else { return };
        let spool = spool.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = spool.remove(id) {
            tracing::error!("can't remove a text from the state directory: {error}");
        }
    }
}

impl Job {
    fn of(memory: Option<Head>, draft: &Draft, path: MemoryPath, text: String) -> Self {
        Self {
            path,
            memory,
            text,
            base: draft.base,
            revision: draft.revision,
            whole: draft.whole,
            blind: draft.blind.clone(),
        }
    }
}

/// Says whether a file is to become a memory.
pub(super) fn is_new(file: &File) -> bool {
    let fresh = file.draft.as_ref().is_some_and(|draft| draft.base.is_none());
    fresh && file.memory.is_none() && !file.kept
}

/// The text of a draft, if a memory can hold it.
pub(super) fn text(draft: &Draft, limit: usize) -> Result<&str> {
    if draft.broken {
        return Err(FuseError::TooLarge { limit });
    }
    std::str::from_utf8(&draft.bytes).map_err(|_| FuseError::NotText)
}

/// `after` is not known where what replaces it comes behind the deletion.
pub(super) fn log_blind(before: &Head, after: Option<&Head>, blind: &Blind) {
    tracing::warn!(
        path = before.path.as_str(),
        pid = blind.pid,
        program = blind.program,
        old_bytes = before.size,
        new_bytes = after.map(|after| after.size),
        sha256 = %before.sha256,
        "blind overwrite: the content that was replaced was never read here"
    );
}
