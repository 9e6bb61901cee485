//! Names: making and removing folders, removing files.

use std::sync::Arc;

use super::save::{Moment, is_new, log_blind};
use super::{Attr, Fs, State, new_folder};
use crate::fuse::errno::{FuseError, Result};
use crate::fuse::guard;
use crate::fuse::inode::{Blind, File, Ino};
use crate::fuse::remote::Head;

impl Fs {
    pub fn make_folder(&self, parent: Ino, name: &str) -> Result<Attr> {
        let state = &mut *self.lock();
        state.path_to_make(parent, name, true).inspect_err(|error| {
            Self::log_refusal(&format!("{}/{name}", state.tree.path(parent)), error);
        })?;
        if state.tree.child(parent, name).is_some() {
            return Err(FuseError::Exists);
        }
        let ino = state.tree.add(parent, name, new_folder(), self.clock.now());
        if let Some(folder) = state.tree.folder_mut(ino) {
            folder.own = true;
        }
        state.tree.remember(ino);
        self.touch(state, parent);
        state.attr(ino)
    }

    pub fn remove_folder(&self, parent: Ino, name: &str) -> Result<()> {
        let state = &mut *self.lock();
        let ino = state.tree.child(parent, name).ok_or(FuseError::NotFound)?;
        let folder = state.tree.folder(ino).ok_or(FuseError::NotFolder)?;
        if !folder.children.is_empty() {
            return Err(FuseError::NotEmpty);
        }
        state.tree.detach(ino);
        state.own_if_empty(parent);
        self.touch(state, parent);
        Ok(())
    }

    pub async fn remove_file(&self, parent: Ino, name: &str, pid: u32) -> Result<()> {
        let _shape = self.tree.read().await;
        let ino = self.lock().tree.child(parent, name).ok_or(FuseError::NotFound)?;
        let _gate = self.gate(ino).await.ok_or(FuseError::IsFolder)?;
        if self.lock().tree.child(parent, name) != Some(ino) {
            return Err(FuseError::Overtaken);
        }
        let (memory, blind) = {
            let state = self.lock();
            let file = state.tree.file(ino).ok_or(FuseError::IsFolder)?;
            (file.memory.clone(), self.blind_removal(file, pid)?)
        };
        if let Some(head) = &memory {
            self.delete(head).await?;
            if let Some(blind) = blind {
                log_blind(head, None, &blind);
            }
        }
        let state = &mut *self.lock();
        self.drop_file(state, ino);
        state.own_if_empty(parent);
        self.touch(state, parent);
        Ok(())
    }

    /// A file from another file system takes the place of a memory: it is removed first, and nothing but the
    /// program tells that from a deletion.
    fn blind_removal(&self, file: &File, pid: u32) -> Result<Option<Blind>> {
        let path = file.memory.as_ref().map(|head| head.path.as_str());
        match path.filter(|_| guard::replaces(&guard::program(pid))) {
            Some(path) => self.blind(path, file, pid),
            None => Ok(None),
        }
    }

    pub(super) async fn delete(&self, head: &Head) -> Result<()> {
        let deleted = self.remote.delete(&head.id, head.sha256).await;
        if let Err(error) = &deleted {
            Self::log_refusal(head.path.as_str(), error);
            if *error == FuseError::LostRace {
                self.refresh(&head.id).await;
            }
        }
        deleted.map_err(FuseError::by_name)
    }

    /// Takes a file out whose memory, if it had one, is deleted.
    pub(super) fn drop_file(&self, state: &mut State, ino: Ino) {
        let Some(file) = state.tree.file_mut(ino) else { return };
        self.unspool(file);
        if let Some(head) = file.memory.clone() {
            state.deleted.insert(head.id);
        }
        state.tree.detach(ino);
    }

    /// Saves a file that was cut off by name, which no close follows.
    pub async fn save_cut(self: &Arc<Self>, ino: Ino) -> Result<()> {
        let new = self.lock().tree.file(ino).is_some_and(is_new);
        if new {
            self.spool(&mut self.lock(), ino)?;
            self.schedule(ino);
            return Ok(());
        }
        self.save(ino, Moment::Close).await.map_err(FuseError::by_name)
    }
}
