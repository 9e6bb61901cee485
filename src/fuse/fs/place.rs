//! Where memories, and texts that lost a race, find their place in the tree.

use std::sync::Arc;

use super::save::{Job, Moment};
use super::{Fs, State, is_gits, new_file, new_folder};
use crate::domain::content::Sha256;
use crate::domain::git;
use crate::domain::time::Timestamp;
use crate::fuse::errno::FuseError;
use crate::fuse::inode::{Draft, File, Ino, Kind, ROOT};
use crate::fuse::remote::Head;
use crate::fuse::spool::{Record, SpoolId};

/// Bytes that are left for a name before the mark of a lost race is added.
const LONGEST_NAME: usize = 200;

impl Fs {
    /// Puts a memory where the server has it, if that is news. False where it does not fit: then the
    /// server has changed in a way that has not been seen yet.
    pub(super) fn place(&self, state: &mut State, head: Head) -> bool {
        if state.deleted.contains(&head.id) {
            return true;
        }
        if let Some(ino) = state.tree.of_memory(&head.id) {
            return self.replace(state, ino, head);
        }
        let Some((parent, name)) = self.way(state, head.path.as_str(), head.at) else {
            return false;
        };
        let Some(there) = state.tree.child(parent, &name) else {
            let at = head.at;
            let path = head.path.as_str();
            if is_gits(&name, false) || git::is_in_repository(path) {
                tracing::warn!(path, "not shown: {}", FuseError::Repository);
            }
            let ino = state.tree.add(parent, &name, Kind::File(Box::default()), at);
            state.tree.set_memory(ino, head);
            state.disown(parent);
            self.forget_entry(parent, &name);
            return true;
        };
        match state.tree.file(there).map(|file| (file.memory.is_some(), file.kept)) {
            // A new file is in the way: its upload will find that it has lost.
            Some((false, false)) => {
                state.tree.set_memory(there, head);
                true
            }
            Some((true, _)) => false,
            Some((false, true)) | None => self.clear(state, there) && self.place(state, head),
        }
    }

    /// Takes in what changed about a memory that is known.
    fn replace(&self, state: &mut State, ino: Ino, head: Head) -> bool {
        let Some(known) = state.tree.file(ino).and_then(|file| file.memory.clone()) else {
            return false;
        };
        if head.at <= known.at {
            return true;
        }
        let path = state.tree.path(ino);
        if head.path.as_str() != path && !self.carry(state, ino, &head) {
            self.let_go(state, ino, path);
            return false;
        }
        let (at, hash) = (head.at, head.sha256);
        state.tree.set_memory(ino, head);
        let unwritten = state.tree.file(ino).is_some_and(|file| file.draft.is_none());
        if known.sha256 != hash && unwritten {
            if let Some(node) = state.tree.node_mut(ino) {
                node.changed = at;
            }
            self.forget_content(ino);
        }
        true
    }

    /// Moves a file to where its memory is now. Where that is not free, it is left without a place.
    fn carry(&self, state: &mut State, ino: Ino, head: &Head) -> bool {
        self.leave(state, ino);
        let Some((parent, name)) = self.way(state, head.path.as_str(), head.at) else {
            return false;
        };
        if let Some(there) = state.tree.child(parent, &name)
            && !self.clear(state, there)
        {
            return false;
        }
        state.tree.relocate(ino, parent, &name);
        state.disown(parent);
        self.forget_entry(parent, &name);
        true
    }

    /// Forgets a memory that has no place, until all are listed again. An unsaved text is kept.
    fn let_go(&self, state: &mut State, ino: Ino, path: String) {
        let draft = state.tree.file_mut(ino).and_then(|file| file.draft.take());
        if let Some(draft) = draft {
            self.keep(state, &path, draft);
        }
        self.lose_place(state, ino, path);
    }

    /// A file is out of the tree because of what others did. Who has it open may still write.
    fn lose_place(&self, state: &mut State, ino: Ino, path: String) {
        if let Some(file) = state.tree.file_mut(ino) {
            file.lost_at = Some(path);
            self.unspool(file);
        }
        state.tree.detach(ino);
    }

    /// Takes a memory out that was deleted elsewhere. An unsaved text stays, to lose its race.
    pub(super) fn remove(&self, state: &mut State, id: &str) {
        state.deleted.insert(id.to_owned());
        let Some(ino) = state.tree.of_memory(id) else { return };
        let written = state.tree.file(ino).is_some_and(|file| file.draft.is_some());
        state.tree.clear_memory(ino);
        if !written {
            let path = state.tree.path(ino);
            self.leave(state, ino);
            self.lose_place(state, ino, path);
        }
    }

    /// Takes a name out, and the folders above it that are empty then and not this mount's own.
    fn leave(&self, state: &mut State, ino: Ino) {
        let mut at = ino;
        let mut last = true;
        while at != ROOT
            && last
            && let Some(node) = state.tree.node(at)
        {
            let (parent, name) = (node.parent, node.name.clone());
            let folder = state.tree.folder(parent);
            last = folder.is_some_and(|folder| folder.children.len() == 1 && !folder.own);
            if at == ino {
                state.tree.take_out(ino);
            } else {
                state.tree.detach(at);
            }
            self.forget_entry(parent, &name);
            at = parent;
        }
    }

    /// The folder and the name of a path; folders are made, and texts without a memory that are in
    /// their way set aside. None where a memory is in the way.
    pub(super) fn way(
        &self,
        state: &mut State,
        path: &str,
        at: Timestamp,
    ) -> Option<(Ino, String)> {
        let mut names = path.split('/').skip(1).peekable();
        let mut folder = ROOT;
        while let Some(name) = names.next() {
            if names.peek().is_none() {
                return Some((folder, name.to_owned()));
            }
            let mut there = state.tree.child(folder, name);
            if let Some(ino) = there
                && let Some(file) = state.tree.file(ino)
            {
                if file.memory.is_some() {
                    return None;
                }
                self.set_aside(state, ino);
                there = None;
            }
            folder = there.unwrap_or_else(|| {
                self.forget_entry(folder, name);
                state.tree.add(folder, name, new_folder(), at)
            });
        }
        None
    }

    /// For a text that must have a place: where a memory is in the way, the root has one.
    fn way_or_root(&self, state: &mut State, path: &str, at: Timestamp) -> (Ino, String) {
        let way = self.way(state, path, at);
        way.unwrap_or_else(|| (ROOT, path.trim_start_matches('/').replace('/', "_")))
    }

    /// Takes what the server does not know out of the way of a memory; false where a memory is in it.
    fn clear(&self, state: &mut State, there: Ino) -> bool {
        let files = state.tree.files_below(there);
        let known = |ino: &Ino| state.tree.file(*ino).is_some_and(|file| file.memory.is_some());
        if files.iter().any(|(_, ino)| known(ino)) {
            return false;
        }
        if files.is_empty() {
            state.tree.detach(there);
        } else {
            self.set_aside(state, there);
        }
        true
    }

    /// Gives texts without a memory another name, since a memory needs theirs.
    fn set_aside(&self, state: &mut State, ino: Ino) {
        let Some(node) = state.tree.node(ino) else { return };
        let (parent, name) = (node.parent, node.name.clone());
        let aside = self.free_name(state, parent, &name);
        self.forget_entry(parent, &name);
        state.tree.relocate(ino, parent, &aside);
        for (_, file) in state.tree.files_below(ino) {
            self.mark_kept(state, file);
        }
    }

    fn mark_kept(&self, state: &mut State, ino: Ino) {
        if let Some(file) = state.tree.file_mut(ino) {
            (file.kept, file.owed) = (true, false);
        }
        // Its failure is logged, and the text is still there.
        let _ = self.spool(state, ino);
        tracing::warn!(path = state.tree.path(ino), "the text is kept here, and here only");
    }

    /// `NAME.conflict-TIME`, where that is free.
    fn free_name(&self, state: &State, parent: Ino, name: &str) -> String {
        let mut end = name.len().min(LONGEST_NAME);
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        let time: String = self.clock.now().to_string().chars().take(19).collect();
        let time = time.replace(['-', ':'], "");
        let plain = format!("{}.conflict-{time}Z", &name[..end]);
        let numbered = (2..).map(|number| format!("{plain}-{number}"));
        let mut names = std::iter::once(plain.clone()).chain(numbered);
        names.find(|name| state.tree.child(parent, name).is_none()).unwrap_or(plain)
    }

    /// A text that no server will take is kept beside its file, and the memory shows again.
    pub(super) async fn lose(self: &Arc<Self>, ino: Ino, job: &Job) {
        let memory = {
            let state = &mut *self.lock();
            let Some(file) = state.tree.file_mut(ino) else { return };
            let Some(draft) = file.draft.take() else { return };
            let memory = file.memory.clone();
            file.owed = false;
            self.keep(state, job.path.as_str(), draft);
            // Only now, so that the text is on the disk at any time.
            if let Some(file) = state.tree.file_mut(ino) {
                self.unspool(file);
            }
            if memory.is_none() && state.tree.node(ino).is_some_and(|node| !node.gone) {
                self.leave(state, ino);
                state.tree.detach(ino);
            }
            memory
        };
        self.forget_content_first(ino).await;
        if let Some(memory) = memory {
            self.refresh(&memory.id).await;
        }
    }

    /// Keeps a text beside `path`.
    pub(super) fn keep(&self, state: &mut State, path: &str, draft: Draft) {
        let now = self.clock.now();
        let (parent, name) = self.way_or_root(state, path, now);
        let name = self.free_name(state, parent, &name);
        let ino = state.tree.add(parent, &name, new_file(draft), now);
        self.forget_entry(parent, &name);
        self.mark_kept(state, ino);
    }

    /// Looks at one memory again, after the server has refused a change of it.
    pub(super) async fn refresh(&self, id: &str) {
        match self.remote.memory(id).await {
            Ok((head, content)) => {
                let ino = {
                    let state = &mut *self.lock();
                    state.cache.insert(head.sha256, content);
                    state.lost |= !self.place(state, head);
                    state.tree.of_memory(id)
                };
                // Who got the error sees why.
                if let Some(ino) = ino {
                    self.forget_content_first(ino).await;
                }
            }
            Err(FuseError::NotFound) => self.remove(&mut self.lock(), id),
            // The next poll will tell.
            Err(_) => {}
        }
    }

    /// Puts what a former mount has left in the spool into the tree, and uploads it.
    pub(super) fn adopt_spool(self: &Arc<Self>) -> std::io::Result<()> {
        let Some(spool) = &self.spool else { return Ok(()) };
        let texts = spool.lock().unwrap_or_else(std::sync::PoisonError::into_inner).texts()?;
        for (id, record, bytes) in texts {
            let Some(ino) = self.adopt(&mut self.lock(), id, &record, bytes) else { continue };
            let fs = Arc::clone(self);
            tokio::spawn(async move { fs.save(ino, Moment::Close).await });
        }
        Ok(())
    }

    fn adopt(
        &self,
        state: &mut State,
        id: SpoolId,
        record: &Record,
        bytes: Vec<u8>,
    ) -> Option<Ino> {
        let base = record.base.as_deref().and_then(|base| Sha256::parse("base", base).ok());
        let hash = Sha256::of(&bytes);
        let draft = Draft { bytes, base, whole: true, ..Draft::default() };
        let now = self.clock.now();
        let changed = record.memory.as_ref().and_then(|id| state.tree.of_memory(id));
        if let Some(file) = changed.and_then(|ino| state.tree.file_mut(ino))
            && file.draft.is_none()
        {
            (file.draft, file.spooled) = (Some(draft), Some(id));
            return changed;
        }
        let (parent, name) = self.way_or_root(state, &record.path, now);
        let there = state.tree.child(parent, &name);
        if let Some(file) = there.and_then(|there| state.tree.file(there))
            && file.sha256() == Some(hash)
            && !record.kept
        {
            // It was uploaded; only the answer, or the end of the mount, came in between.
            self.unspool(&mut File { spooled: Some(id), ..File::default() });
            return None;
        }
        let free = if there.is_some() { self.free_name(state, parent, &name) } else { name };
        let ino = state.tree.add(parent, &free, new_file(draft), now);
        if let Some(file) = state.tree.file_mut(ino) {
            file.spooled = Some(id);
        }
        if record.kept || there.is_some() {
            self.mark_kept(state, ino);
        }
        Some(ino)
    }
}
