//! Renaming files and folders.
//!
//! A rename over a memory is one change of that memory, whatever the text came from: so an editor
//! that writes a temporary file and renames it makes one version, under the ID that was there.

use std::sync::Arc;

use tokio::sync::OwnedMutexGuard;

use super::save::{self, is_new};
use super::{Draft, Fs, State, legal};
use crate::domain::path::MemoryPath;
use crate::fuse::errno::{FuseError, Result};
use crate::fuse::inode::{Blind, Ino};
use crate::fuse::remote::Head;

/// What a rename is from and to.
pub struct Rename<'a> {
    pub from: (Ino, &'a str),
    pub to: (Ino, &'a str),
    /// Fails where something is there.
    pub keeps: bool,
    pub pid: u32,
}

/// A text that takes the place of a memory.
struct Successor {
    text: String,
    revision: u64,
    /// All of it was written or read here.
    whole: bool,
}

impl Fs {
    pub async fn rename(self: &Arc<Self>, rename: Rename<'_>) -> Result<()> {
        let (ino, there, path) = {
            let state = self.lock();
            let ino = state.tree.child(rename.from.0, rename.from.1).ok_or(FuseError::NotFound)?;
            let there = state.tree.child(rename.to.0, rename.to.1);
            let folder = state.tree.folder(ino).is_some();
            (ino, there, state.path_to_make(rename.to.0, rename.to.1, folder))
        };
        let path = path.inspect_err(|error| {
            Self::log_refusal(
                &format!("{}/{}", self.lock().tree.path(rename.to.0), rename.to.1),
                error,
            );
        })?;
        if there.is_some() && rename.keeps {
            return Err(FuseError::Exists);
        }
        if there == Some(ino) {
            return Ok(());
        }
        let renamed = if self.lock().tree.folder(ino).is_some() {
            self.rename_folder(&rename, ino, there, &path).await
        } else {
            self.rename_file(&rename, ino, there, &path).await
        };
        let renamed = renamed.inspect_err(|error| Self::log_refusal(path.as_str(), error));
        renamed.map_err(FuseError::by_name)
    }

    async fn rename_file(
        self: &Arc<Self>,
        rename: &Rename<'_>,
        ino: Ino,
        there: Option<Ino>,
        path: &MemoryPath,
    ) -> Result<()> {
        let _shape = self.tree.read().await;
        let _gates = self.gates(ino, there).await;
        self.lock().check_names(rename, ino, there)?;
        let replaced = there.and_then(|there| self.lock().tree.file(there)?.memory.clone());
        if let (Some(there), Some(head)) = (there, replaced) {
            self.succeed(rename, ino, there, &head).await?;
        } else {
            self.rename_to_free(rename, ino, there, path).await?;
        }
        let state = &mut *self.lock();
        state.own_if_empty(rename.from.0);
        self.touch(state, rename.from.0);
        self.touch(state, rename.to.0);
        Ok(())
    }

    /// The gates of one or two files, in an order in which no two renames wait for each other.
    async fn gates(&self, ino: Ino, there: Option<Ino>) -> Vec<OwnedMutexGuard<()>> {
        let mut files: Vec<_> = there.into_iter().chain([ino]).collect();
        files.sort_unstable();
        let mut gates = Vec::new();
        for file in files {
            gates.extend(self.gate(file).await);
        }
        gates
    }

    /// Gives a file a name at which the server has nothing.
    async fn rename_to_free(
        self: &Arc<Self>,
        rename: &Rename<'_>,
        ino: Ino,
        there: Option<Ino>,
        path: &MemoryPath,
    ) -> Result<()> {
        let memory = self.lock().tree.file(ino).and_then(|file| file.memory.clone());
        let moved = match &memory {
            Some(head) => Some(self.move_memory(head, path).await?),
            None => None,
        };
        let fresh = {
            let state = &mut *self.lock();
            if let Some(there) = there {
                self.drop_file(state, there);
            }
            state.tree.relocate(ino, rename.to.0, rename.to.1);
            if let Some(head) = moved {
                state.disown(rename.to.0);
                state.tree.set_memory(ino, head);
            }
            self.renamed_text(state, ino, rename.to.1)
        };
        if fresh {
            self.schedule(ino);
        }
        Ok(())
    }

    async fn move_memory(&self, head: &Head, path: &MemoryPath) -> Result<Head> {
        let moved = self.remote.rename(&head.id, path, head.sha256).await;
        if let Err(FuseError::LostRace | FuseError::NotFound) = &moved {
            self.refresh(&head.id).await;
        }
        moved
    }

    /// A text that is not on the server has another name. True where a kept text, being called
    /// otherwise now, has become a new file.
    fn renamed_text(&self, state: &mut State, ino: Ino, name: &str) -> bool {
        let Some(file) = state.tree.file_mut(ino).filter(|file| file.draft.is_some()) else {
            return false;
        };
        let fresh = file.kept && !is_conflict(name);
        if fresh {
            file.kept = false;
            if let Some(draft) = &mut file.draft {
                (draft.base, draft.whole) = (None, true);
            }
        }
        if file.spooled.is_some() {
            // Its failure is logged, and the text is still there.
            let _ = self.spool(state, ino);
        }
        fresh
    }

    /// A file takes the place of a memory: one change of that memory.
    async fn succeed(
        self: &Arc<Self>,
        rename: &Rename<'_>,
        ino: Ino,
        there: Ino,
        head: &Head,
    ) -> Result<()> {
        let blind = {
            let state = self.lock();
            let file = state.tree.file(there).ok_or(FuseError::NotFound)?;
            self.blind(head.path.as_str(), file, rename.pid)?
        };
        if self.is_unfinished(ino) {
            self.take_over(rename, ino, there, head, blind);
            return Ok(());
        }
        let successor = self.successor(ino).await?;
        let saved = match self.remote.update(&head.id, &successor.text, head.sha256).await {
            Ok(saved) => saved,
            Err(error) => {
                self.lost_to(head, successor, &error).await;
                return Err(error);
            }
        };
        if let Some(blind) = blind.filter(|_| saved.sha256 != head.sha256) {
            save::log_blind(head, Some(&saved), &blind);
        }
        let old = self.lock().tree.file(ino).and_then(|file| file.memory.clone());
        if let Some(old) = old
            && let Err(error) = self.delete(&old).await
        {
            // The text is at both names now.
            let state = &mut *self.lock();
            let Successor { text, whole, .. } = successor;
            self.settled(state, there, saved, text.as_bytes(), u64::MAX, whole);
            self.forget_content(there);
            return Err(error);
        }
        self.finish(rename, ino, there, saved, &successor);
        Ok(())
    }

    /// Somebody is still writing the file that is renamed: its close will save it.
    fn is_unfinished(&self, ino: Ino) -> bool {
        let state = self.lock();
        state.is_written(ino) && state.tree.file(ino).is_some_and(is_new)
    }

    fn take_over(
        &self,
        rename: &Rename<'_>,
        ino: Ino,
        there: Ino,
        head: &Head,
        blind: Option<Blind>,
    ) {
        let state = &mut *self.lock();
        if let Some(replaced) = state.tree.file_mut(there) {
            self.unspool(replaced);
        }
        state.tree.detach(there);
        state.tree.relocate(ino, rename.to.0, rename.to.1);
        state.tree.set_memory(ino, head.clone());
        let Some(file) = state.tree.file_mut(ino) else { return };
        self.unspool(file);
        if let Some(draft) = &mut file.draft {
            (draft.base, draft.blind) = (Some(head.sha256), blind);
        }
    }

    /// The text of a file that is about to take the place of another.
    async fn successor(&self, ino: Ino) -> Result<Successor> {
        loop {
            {
                let state = self.lock();
                let file = state.tree.file(ino).ok_or(FuseError::NotFound)?;
                if let Some(draft) = &file.draft {
                    let text = save::text(draft, self.limit())?.to_owned();
                    return Ok(Successor { text, revision: draft.revision, whole: draft.whole });
                }
            }
            let (hash, content) = self.content(ino).await?;
            let state = self.lock();
            let file = state.tree.file(ino).ok_or(FuseError::NotFound)?;
            if file.draft.is_none() {
                let text = String::from_utf8(content.to_vec()).map_err(|_| FuseError::NotText)?;
                return Ok(Successor { text, revision: 0, whole: file.seen == Some(hash) });
            }
        }
    }

    /// The memory at the new name has changed elsewhere: the text is kept beside it.
    async fn lost_to(&self, head: &Head, successor: Successor, error: &FuseError) {
        if !matches!(error, FuseError::LostRace | FuseError::NotFound) {
            return;
        }
        let bytes = successor.text.into_bytes();
        let draft = Draft { bytes, whole: true, ..Draft::default() };
        self.keep(&mut self.lock(), head.path.as_str(), draft);
        self.refresh(&head.id).await;
    }

    /// Source and target are one file now, with the target's memory and the source's text.
    fn finish(
        &self,
        rename: &Rename<'_>,
        ino: Ino,
        there: Ino,
        saved: Head,
        successor: &Successor,
    ) {
        let state = &mut *self.lock();
        if let Some(replaced) = state.tree.file_mut(there) {
            self.unspool(replaced);
        }
        if let Some(old) = state.tree.file(ino).and_then(|file| file.memory.clone()) {
            state.deleted.insert(old.id);
        }
        state.tree.detach(there);
        state.tree.relocate(ino, rename.to.0, rename.to.1);
        state.disown(rename.to.0);
        let text = successor.text.as_bytes();
        self.settled(state, ino, saved, text, successor.revision, successor.whole);
    }

    async fn rename_folder(
        &self,
        rename: &Rename<'_>,
        ino: Ino,
        there: Option<Ino>,
        path: &MemoryPath,
    ) -> Result<()> {
        let _shape = self.tree.write().await;
        self.lock().check_names(rename, ino, there)?;
        let moves = self.moves(ino, there, path)?;
        for (done, (to, file)) in moves.iter().enumerate() {
            let memory = self.lock().tree.file(*file).and_then(|file| file.memory.clone());
            let Some(head) = memory else { continue };
            match self.move_memory(&head, to).await {
                Ok(head) => self.lock().tree.set_memory(*file, head),
                Err(error) => {
                    self.stop_halfway(&moves[..done]);
                    return Err(error);
                }
            }
        }
        let state = &mut *self.lock();
        if let Some(there) = there {
            state.tree.detach(there);
        }
        state.tree.relocate(ino, rename.to.0, rename.to.1);
        for (_, file) in moves {
            if state.tree.file(file).is_some_and(|file| file.memory.is_some()) {
                state.disown(rename.to.0);
            }
            let name = state.tree.node(file).map(|node| node.name.clone()).unwrap_or_default();
            self.renamed_text(state, file, &name);
        }
        state.own_if_empty(rename.from.0);
        self.touch(state, rename.from.0);
        self.touch(state, rename.to.0);
        Ok(())
    }

    /// Where every file below a folder goes, all of which must be legal.
    fn moves(
        &self,
        ino: Ino,
        there: Option<Ino>,
        path: &MemoryPath,
    ) -> Result<Vec<(MemoryPath, Ino)>> {
        let state = self.lock();
        if let Some(there) = there {
            let folder = state.tree.folder(there).ok_or(FuseError::NotFolder)?;
            if !folder.children.is_empty() {
                return Err(FuseError::NotEmpty);
            }
        }
        let from = state.tree.path(ino).len();
        let files = state.tree.files_below(ino).into_iter();
        files.map(|(file, ino)| Ok((legal(&format!("{path}{}", &file[from..]))?, ino))).collect()
    }

    /// A folder was renamed in part: what was moved is shown where it is.
    fn stop_halfway(&self, done: &[(MemoryPath, Ino)]) {
        let state = &mut *self.lock();
        let now = self.clock.now();
        for (path, ino) in done {
            let Some(node) = state.tree.node(*ino) else { continue };
            let (parent, name) = (node.parent, node.name.clone());
            if let Some((folder, to)) = self.way(state, path.as_str(), now) {
                state.tree.relocate(*ino, folder, &to);
                state.own_if_empty(parent);
                self.forget_entry(parent, &name);
                self.forget_entry(folder, &to);
                self.renamed_text(state, *ino, &to);
            }
        }
    }
}

impl State {
    /// The names are still those of these files, now that nothing can change them any more.
    fn check_names(&self, rename: &Rename<'_>, ino: Ino, there: Option<Ino>) -> Result<()> {
        let (from, to) = (rename.from, rename.to);
        let same =
            self.tree.child(from.0, from.1) == Some(ino) && self.tree.child(to.0, to.1) == there;
        if same { Ok(()) } else { Err(FuseError::Overtaken) }
    }
}

/// Says whether a name is one that a lost race has given.
fn is_conflict(name: &str) -> bool {
    name.rsplit_once(".conflict-").is_some_and(|(_, time)| {
        let (time, number) = time.split_once('-').unwrap_or((time, "2"));
        let shape = |(at, char): (usize, char)| match at {
            8 => char == 'T',
            15 => char == 'Z',
            _ => char.is_ascii_digit(),
        };
        time.len() == 16 && time.chars().enumerate().all(shape) && number.parse::<u32>().is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_lost_race_is_recognized() {
        for name in ["a.conflict-20261122T100000Z", ".conflict-20261122T100000Z-12"] {
            assert!(is_conflict(name), "{name}");
        }
        for name in ["a", "a.conflict", "a.conflict-2026", "a.conflict-20261122T100000Z-b"] {
            assert!(!is_conflict(name), "{name}");
        }
    }
}
