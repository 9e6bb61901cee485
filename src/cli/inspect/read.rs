//! Reading histories with as few calls as their lists have pages.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};

use super::{Failure, find};
use crate::client::pages::Items;
use crate::client::store::{Query, StoreApi, View};
use crate::domain::time::Timestamp;
use crate::history::CREATED;
use crate::history::moment::{self, Moment, Near, is_within};
use crate::history::steps::{Pairing, Step};
use crate::wire::version::Version;

/// Calls at the same time, where none waits for another.
pub const AT_ONCE: usize = 8;

/// The store's versions that held at a moment, without their contents.
pub async fn moment(store: &StoreApi, at: Timestamp) -> Result<Vec<Version>, Failure> {
    let at = at.to_string();
    let mut pages = store.versions(&[("created_at[lte]", &at)], View::Basic).ahead();
    let mut moment = Moment::default();
    while let Some(page) = pages.next().await? {
        for version in page {
            moment.push(version);
        }
    }
    Ok(moment.alive())
}

/// Of the versions whose path was redacted, the paths that are known next to it: a list for each.
pub async fn near<'a>(
    store: &StoreApi,
    versions: impl IntoIterator<Item = &'a Version>,
) -> Result<Near, Failure> {
    let erased = versions.into_iter().filter(|version| version.path.is_none());
    let erased: HashMap<_, _> = erased.map(|version| (&version.id, &version.memory_id)).collect();
    let lists = erased.into_iter().map(|(version, memory)| async move {
        let history = find::history(store, memory, View::Basic).await?;
        Ok::<_, Failure>((version.clone(), moment::near(&history, version)))
    });
    let lists: Vec<_> = lists.collect();
    stream::iter(lists).buffer_unordered(AT_ONCE).try_collect().await
}

/// Why there is nothing to show at a path, or below a folder, of what held `at` some time.
pub async fn absent(
    store: &StoreApi,
    then: &[Version],
    path: &str,
    at: &str,
) -> Result<Failure, Failure> {
    let near = near(store, then).await?;
    let erased = then.iter().find_map(|version| {
        let mut known = near.get(&version.id)?.iter();
        Some((version, known.find(|known| is_within(known, path))?))
    });
    Ok(Failure::Missing(match (erased, moment::anywhere(moment::erased(then))) {
        (Some((version, known)), _) => format!(
            "{}, which the memory at {known} was at {at}, was redacted: its content and path are gone \
             for good",
            version.id
        ),
        (None, Some(why)) => {
            format!("no memory is known to have been at {path} at {at}: {why}")
        }
        (None, None) => format!("there was no memory at {path} at {at}"),
    }))
}

/// Versions that were read already.
pub enum Read {
    /// Without a gap between two of one memory.
    Whole(Vec<Version>),
    /// Some may be left out.
    Some(Vec<Version>),
}

/// Versions with their predecessors, newest first, as a list brings them.
pub struct Steps {
    store: StoreApi,
    view: View,
    versions: Option<Items<Version>>,
    pairing: Option<Pairing>,
    ready: VecDeque<Step>,
}

impl Steps {
    /// Of a list that leaves out no version of a memory between two that it has.
    pub fn whole(store: &StoreApi, query: &Query<'_>, view: View) -> Self {
        let versions = Items::from(store.versions(query, view).ahead());
        Self {
            store: store.clone(),
            view,
            versions: Some(versions),
            pairing: Some(Pairing::default()),
            ready: VecDeque::new(),
        }
    }

    /// Of versions that were read already, newest first.
    pub async fn of(store: &StoreApi, versions: Read, view: View) -> Result<Self, Failure> {
        let steps = match versions {
            Read::Whole(versions) => {
                let mut pairing = Pairing::default();
                for version in versions {
                    pairing.push(version);
                }
                pairing.rest().collect()
            }
            Read::Some(versions) => {
                let alone = |version| Step { version: Arc::new(version), before: None };
                versions.into_iter().map(alone).collect()
            }
        };
        let ready = completed(store, steps, view).await?.into();
        Ok(Self { store: store.clone(), view, versions: None, pairing: None, ready })
    }

    pub async fn next(&mut self) -> Result<Option<Step>, Failure> {
        loop {
            if let Some(step) = self.ready.pop_front() {
                return Ok(Some(step));
            }
            let (Some(versions), Some(pairing)) = (&mut self.versions, &mut self.pairing) else {
                return Ok(None);
            };
            if let Some(version) = versions.next().await? {
                pairing.push(version);
                self.ready.extend(std::iter::from_fn(|| pairing.take()));
                continue;
            }
            self.versions = None;
            let rest = self.pairing.take().into_iter().flat_map(Pairing::rest).collect();
            self.ready = completed(&self.store, rest, self.view).await?.into();
        }
    }
}

/// Finds the predecessors that are missing, with a list a memory.
async fn completed(
    store: &StoreApi,
    mut steps: Vec<Step>,
    view: View,
) -> Result<Vec<Step>, Failure> {
    // The newest and the oldest of each memory whose predecessor is wanted.
    let mut wanted: HashMap<String, (String, String)> = HashMap::new();
    for Step { version, before } in &steps {
        if before.is_none() && version.operation != CREATED {
            let ends = (version.created_at.clone(), version.id.clone());
            wanted.entry(version.memory_id.clone()).or_insert(ends).1.clone_from(&version.id);
        }
    }
    let lists = wanted.into_iter().map(|(memory, (newest, oldest))| async move {
        let query = [("memory_id", &*memory), ("created_at[lte]", &newest)];
        let mut versions = Items::from(store.versions(&query, view));
        let mut pairs = Vec::new();
        let mut after: Option<Arc<Version>> = None;
        while let Some(version) = versions.next().await? {
            let version = Arc::new(version);
            if let Some(after) = after.replace(Arc::clone(&version)) {
                let done = after.id == oldest;
                pairs.push((after.id.clone(), version));
                if done {
                    break;
                }
            }
        }
        Ok::<_, Failure>(pairs)
    });
    let found: Vec<_> = stream::iter(lists).buffer_unordered(AT_ONCE).try_collect().await?;
    let mut before: HashMap<String, Arc<Version>> = found.into_iter().flatten().collect();
    for step in &mut steps {
        if step.before.is_none() {
            step.before = before.remove(&step.version.id);
        }
    }
    Ok(steps)
}
