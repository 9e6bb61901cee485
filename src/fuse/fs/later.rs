//! Saves that no program waits for: of new files, of what failed for now, and of what is left at the
//! end.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Fs;
use super::save::Moment;
use crate::fuse::inode::{File, Ino, ROOT};

const FIRST_RETRY: Duration = Duration::from_millis(500);
const LAST_RETRY: Duration = Duration::from_secs(8);

impl Fs {
    /// Uploads a new file in a moment, unless something happens to it before.
    pub(super) fn schedule(self: &Arc<Self>, ino: Ino) {
        let (fs, wait) = (Arc::clone(self), self.settings.spool_wait);
        let turn = self.lock().tree.file(ino).map(|file| file.turn);
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            let due = {
                let state = fs.lock();
                let file = state.tree.file(ino);
                file.map(|file| file.turn) == turn && !state.is_written(ino)
            };
            if due {
                let _ = fs.save(ino, Moment::Close).await;
            }
        });
    }

    /// Tries failed saves again until none is left.
    pub(super) fn retry(self: &Arc<Self>) {
        if self.retrying.swap(true, Ordering::SeqCst) {
            return;
        }
        let fs = Arc::clone(self);
        tokio::spawn(async move {
            let mut wait = FIRST_RETRY;
            loop {
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(LAST_RETRY);
                let owed = fs.owed();
                if owed.is_empty() {
                    fs.retrying.store(false, Ordering::SeqCst);
                    // One may have come between the two lines.
                    if fs.owed().is_empty() || fs.retrying.swap(true, Ordering::SeqCst) {
                        return;
                    }
                }
                for ino in owed {
                    if fs.save(ino, Moment::Close).await.is_ok() {
                        wait = FIRST_RETRY;
                    }
                }
            }
        });
    }

    /// Files whose last save failed and that nobody is writing.
    fn owed(&self) -> Vec<Ino> {
        let owed = self.files(|file| file.owed);
        let state = self.lock();
        owed.into_iter().filter(|ino| !state.is_written(*ino)).collect()
    }

    /// Uploads all that waits, before the mount ends; what can't be stays in the spool.
    pub async fn drain(self: &Arc<Self>) {
        let mut away = false;
        for ino in self.files(|file| file.draft.is_some() && !file.kept) {
            if away {
                // Asking again for each would take long. Its failure is logged.
                let _ = self.spool(&mut self.lock(), ino);
            } else if let Err(error) = self.save(ino, Moment::Close).await {
                away = error.may_pass();
                let path = self.lock().tree.path(ino);
                tracing::warn!(path, "not uploaded at the end: {error}");
            }
        }
    }

    /// The paths of what is in the spool alone.
    pub fn waiting(&self) -> Vec<String> {
        let waiting = self.files(|file| file.draft.is_some() && !file.kept);
        let state = self.lock();
        waiting.into_iter().map(|ino| state.tree.path(ino)).collect()
    }

    fn files(&self, wanted: impl Fn(&File) -> bool) -> Vec<Ino> {
        let state = self.lock();
        let files = state.tree.files_below(ROOT).into_iter().map(|(_, ino)| ino);
        files.filter(|ino| state.tree.file(*ino).is_some_and(&wanted)).collect()
    }
}
