//! What others do to the store, and contents from it.
//!
//! All memories are listed once. From then on the newest versions tell what has changed: they are
//! asked for every half second, read back to the last one that was seen, and applied in the order in
//! which they were written. Time decides what is news: a version that is not later than what is known
//! of its memory is our own, or was overtaken. Where the versions leave a gap (one was redacted, or
//! there are too many), everything is listed again.

use std::collections::HashSet;
use std::sync::Arc;

use super::{Fs, State};
use crate::domain::content::Sha256;
use crate::domain::time::Timestamp;
use crate::fuse::cache::Bytes;
use crate::fuse::errno::{FuseError, Result};
use crate::fuse::inode::Ino;
use crate::fuse::remote::{Head, head_of};
use crate::wire::version::Version;

/// Versions on the page that is asked for each time, and on those that follow where it is not enough.
const FIRST_PAGE: &str = "10";
const NEXT_PAGE: &str = "100";
/// After so many pages a list of all memories is cheaper.
const PAGES: usize = 10;
/// How often all is listed in a row, where the store changes meanwhile.
const LISTINGS: usize = 3;

impl Fs {
    /// Fills the tree, and uploads what a former mount has left.
    pub async fn load(self: &Arc<Self>) -> Result<()> {
        {
            let _shape = self.tree.write().await;
            self.list().await?;
        }
        self.adopt_spool().map_err(|error| FuseError::Spool(error.to_string()))
    }

    /// Lists all memories. The newest version is asked for before, so that nothing falls between.
    async fn list(&self) -> Result<()> {
        for _ in 0..LISTINGS {
            let newest = self.remote.versions("1", None).await?.data.into_iter().next();
            let mut heads = Vec::new();
            let mut token: Option<String> = None;
            loop {
                let page = self.remote.memories(false, token.as_deref()).await?;
                heads.extend(page.memories.into_iter().map(|(head, _)| head));
                token = page.next;
                if token.is_none() {
                    break;
                }
            }
            let state = &mut *self.lock();
            state.cursor = newest.map(|version| version.id);
            state.lost = false;
            self.reconcile(state, heads);
            if !state.lost {
                return Ok(());
            }
        }
        tracing::warn!("some memories find no place among the files that are not saved yet");
        self.lock().lost = false;
        Ok(())
    }

    /// Makes the tree what a listing says.
    fn reconcile(&self, state: &mut State, heads: Vec<Head>) {
        let listed: HashSet<_> = heads.iter().map(|head| head.id.as_str()).collect();
        let known = state.tree.memories().map(|(id, _)| id.clone());
        let gone: Vec<_> = known.filter(|id| !listed.contains(id.as_str())).collect();
        for id in gone {
            self.remove(state, &id);
        }
        for head in heads {
            state.lost |= !self.place(state, head);
        }
    }

    /// Looks at the store until the mount ends.
    pub async fn follow(self: Arc<Self>) {
        if self.settings.poll.is_zero() {
            return;
        }
        let mut failed = false;
        loop {
            tokio::time::sleep(self.settings.poll).await;
            let polled = self.poll().await;
            if polled.is_err() == failed {
                continue;
            }
            failed = polled.is_err();
            match polled {
                Ok(()) => tracing::info!("the server is back"),
                Err(error) => tracing::warn!("changes made elsewhere can't be seen: {error}"),
            }
        }
    }

    /// Takes in what has changed since the last time.
    pub async fn poll(self: &Arc<Self>) -> Result<()> {
        let since = self.lock().cursor.clone();
        let news = self.news(since.as_deref()).await?;
        if news.as_ref().is_some_and(Vec::is_empty) && !self.lock().lost {
            return Ok(());
        }
        let _shape = self.tree.write().await;
        let changed = news.and_then(|news| self.take_in(&mut self.lock(), &news));
        match changed.filter(|_| !self.lock().lost) {
            Some(changed) => {
                for ino in changed {
                    let fs = Arc::clone(self);
                    tokio::spawn(async move { fs.content(ino).await });
                }
                Ok(())
            }
            None => self.list().await,
        }
    }

    /// The versions since `since`, newest first; none where they can't be found.
    async fn news(&self, since: Option<&str>) -> Result<Option<Vec<Version>>> {
        let mut news = Vec::new();
        let mut token: Option<String> = None;
        for page in 0..PAGES {
            let limit = if page == 0 { FIRST_PAGE } else { NEXT_PAGE };
            let found = self.remote.versions(limit, token.as_deref()).await?;
            for version in found.data {
                if Some(version.id.as_str()) == since {
                    return Ok(Some(news));
                }
                news.push(version);
            }
            token = found.next_page;
            if token.is_none() {
                // The first version of all was reached without meeting the one that was seen.
                return Ok(since.is_none().then_some(news));
            }
        }
        Ok(None)
    }

    /// Applies versions in the order in which they were written. The files whose former content was
    /// at hand, so that the new one is fetched too; none where the list has a gap.
    fn take_in(&self, state: &mut State, news: &[Version]) -> Option<Vec<Ino>> {
        let mut changed = Vec::new();
        for version in news.iter().rev() {
            if version.operation == "deleted" {
                if is_news(state, version)? {
                    self.remove(state, &version.memory_id);
                }
                continue;
            }
            let head = head_of(version)?;
            let before = state.tree.of_memory(&head.id);
            let former = before.and_then(|ino| state.tree.file(ino)?.sha256());
            let was_loaded = former.is_some_and(|hash| state.cache.holds(&hash));
            let moved_on = former != Some(head.sha256);
            state.lost |= !self.place(state, head);
            changed.extend(before.filter(|_| was_loaded && moved_on));
        }
        state.cursor = news.first().map(|version| version.id.clone()).or(state.cursor.take());
        Some(changed)
    }

    /// What a file's memory holds, from the server where it is not at hand.
    pub(super) async fn content(&self, ino: Ino) -> Result<(Sha256, Bytes)> {
        let head = {
            let state = &mut *self.lock();
            let file = state.tree.file(ino).ok_or(FuseError::NotFound)?;
            let head = file.memory.clone().ok_or(FuseError::NotFound)?;
            if let Some(content) = state.cache.get(&head.sha256) {
                return Ok((head.sha256, content));
            }
            head
        };
        let loaded = self.remote.memory(&head.id).await;
        let (newer, content) = loaded.inspect_err(|error| {
            tracing::warn!(path = head.path.as_str(), "can't be read: {error}");
            if *error == FuseError::NotFound {
                self.remove(&mut self.lock(), &head.id);
            }
        })?;
        let state = &mut *self.lock();
        let hash = newer.sha256;
        state.cache.insert(hash, Bytes::clone(&content));
        state.lost |= !self.place(state, newer);
        Ok((hash, content))
    }

    /// Loads all contents that fit, page by page, so that a search does not ask for each.
    pub async fn prefetch(self: Arc<Self>) {
        if self.totals().bytes > self.lock().cache.limit() as u64 {
            return;
        }
        let mut token: Option<String> = None;
        loop {
            let Ok(page) = self.remote.memories(true, token.as_deref()).await else { return };
            let contents = page.memories.into_iter();
            for (hash, content) in contents.filter_map(|(head, text)| Some((head.sha256, text?))) {
                self.lock().cache.insert(hash, content);
            }
            token = page.next;
            if token.is_none() {
                return;
            }
        }
    }
}

/// A deletion that is older than what is known of the memory can't be.
fn is_news(state: &State, version: &Version) -> Option<bool> {
    let at = Timestamp::parse(&version.created_at)?;
    let known = state.tree.of_memory(&version.memory_id).and_then(|ino| state.tree.file(ino));
    Some(known.and_then(|file| file.memory.as_ref()).is_none_or(|head| head.at < at))
}
