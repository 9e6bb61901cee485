//! From what people write to what the API knows: paths to memories and their histories, abbreviations
//! to versions.

use std::collections::HashSet;

use super::Failure;
use crate::client::pages::Items;
use crate::client::store::{StoreApi, View, is_id};
use crate::domain::path::MemoryPath;
use crate::history::moment::{anywhere, stays_at};
use crate::history::{CREATED, DELETED};
use crate::wire::memory::{Item, Memory};
use crate::wire::version::Version;

const VERSION: &str = "memver_";
/// An abbreviation that is shorter names too much.
const SHORTEST: usize = 4;

/// A memory's path; the slash that it begins with may be left out.
pub fn path(text: &str) -> Result<String, Failure> {
    let path = if text.starts_with('/') { text.to_owned() } else { format!("/{text}") };
    match MemoryPath::parse(&path) {
        Ok(path) => Ok(path.to_string()),
        Err(error) => Err(Failure::Usage(format!("{text:?} is no path of a memory: {error}"))),
    }
}

/// The same, or a folder: `/`, or a path that may end with a slash.
pub fn folder(text: &str) -> Result<String, Failure> {
    match text.strip_suffix('/') {
        Some("") => Ok("/".to_owned()),
        Some(rest) => Ok(path(rest)? + "/"),
        None => path(text),
    }
}

/// The memory at a path.
pub async fn memory(store: &StoreApi, path: &str) -> Result<Memory, Failure> {
    if let Some(memory) = living(store, path).await? {
        return Ok(memory);
    }
    let below = format!("{path}/");
    let query = [("path_prefix", &*below), ("depth", "1")];
    Err(match Items::from(store.items(&query, View::Basic)).next().await? {
        Some(_) => Failure::Missing(format!("{path} is a folder, and no memory")),
        None => missing(path, "there is no memory", ""),
    })
}

/// The same, if there is one. The API finds memories by ID only, so this lists the path's folder.
pub async fn living(store: &StoreApi, path: &str) -> Result<Option<Memory>, Failure> {
    let folder = &path[..=path.rfind('/').unwrap_or(0)];
    let query = [("path_prefix", folder), ("depth", "1")];
    let mut items = Items::from(store.items(&query, View::Basic));
    while let Some(item) = items.next().await? {
        if let Item::Memory(memory) = item
            && memory.path == path
        {
            return Ok(Some(memory));
        }
    }
    Ok(None)
}

/// What a path names below which there is nothing: a memory, unless it ends with a slash.
pub async fn no_folder(store: &StoreApi, path: &str) -> Result<Memory, Failure> {
    let own = path.trim_end_matches('/');
    match living(store, own).await? {
        Some(memory) if own == path => Ok(memory),
        Some(_) => Err(Failure::Missing(format!("{own} is a memory, and no folder"))),
        None => Err(nothing(path)),
    }
}

/// That there is nothing at a path, nor below it.
pub fn nothing(path: &str) -> Failure {
    missing(path, "there is nothing", "")
}

/// That nothing is known to have been in a folder.
pub fn never(folder: &str) -> Failure {
    missing(folder, "there is nothing, and nothing is known to have been,", "")
}

/// People meet a store as a folder below /mnt/memory; its own paths begin below that.
fn missing(path: &str, what: &str, why: &str) -> Failure {
    let own = path.strip_prefix("/mnt/memory/").and_then(|rest| rest.split_once('/'));
    let hint = own.map_or(String::new(), |(_, own)| {
        format!("; paths begin at the store, not at its mount: did you mean /{own}?")
    });
    Failure::Missing(format!("{what} at {path}{why}{hint}"))
}

/// The IDs of the memories that are, or were, at a path, the living one first, then the last deleted.
/// Only where there is neither, it is looked for one that was moved away.
pub async fn memories_of(store: &StoreApi, path: &str) -> Result<Vec<String>, Failure> {
    let ids = remaining(store, path).await?;
    if ids.is_empty() { moved_away(store, path).await } else { Ok(ids) }
}

/// The memory that is at a path, and those that were deleted there.
async fn remaining(store: &StoreApi, path: &str) -> Result<Vec<String>, Failure> {
    let mut ids: Vec<_> = living(store, path).await?.into_iter().map(|memory| memory.id).collect();
    ids.extend(of_versions(store, &[("operation", DELETED)], path).await?.0);
    Ok(ids)
}

/// What a path has seen.
pub struct Past {
    /// The memories that are there or were deleted there.
    pub whole: Vec<String>,
    /// Those that were moved away, each with its versions there and those that moved it.
    pub moved: Vec<(String, HashSet<String>)>,
}

/// The memories that are, or were, at a path. One that was moved there, and away again, is found only
/// where nothing else is or was: the API tells where memories were made and deleted, but all versions
/// would have to be read to know where they have been in between.
pub async fn past(store: &StoreApi, path: &str) -> Result<Past, Failure> {
    let whole = remaining(store, path).await?;
    let (mut away, _) = of_versions(store, &[("operation", CREATED)], path).await?;
    away.retain(|id| !whole.contains(id));
    if whole.is_empty() && away.is_empty() {
        away = moved_away(store, path).await?;
    }
    let mut moved = Vec::new();
    for id in away {
        let stays = stays_at(&history(store, &id, View::Basic).await?, path);
        moved.push((id, stays));
    }
    Ok(Past { whole, moved })
}

/// The memories that have a version at a path, of all versions of the store.
async fn moved_away(store: &StoreApi, path: &str) -> Result<Vec<String>, Failure> {
    let (ids, erased) = of_versions(store, &[], path).await?;
    match anywhere(erased) {
        _ if !ids.is_empty() => Ok(ids),
        Some(why) => Err(missing(
            path,
            "there is no memory",
            &format!(", and none is known to have been: {why}"),
        )),
        None => Err(missing(path, "there is and was no memory", "")),
    }
}

/// The memories of the versions at a path, and how many versions have lost theirs.
async fn of_versions(
    store: &StoreApi,
    query: &[(&str, &str)],
    path: &str,
) -> Result<(Vec<String>, usize), Failure> {
    let mut versions = Items::from(store.versions(query, View::Basic).ahead());
    let (mut ids, mut erased) = (Vec::new(), 0);
    let mut seen = HashSet::new();
    while let Some(version) = versions.next().await? {
        if version.path.is_none() {
            erased += 1;
        } else if version.path.as_deref() == Some(path) && seen.insert(version.memory_id.clone()) {
            ids.push(version.memory_id);
        }
    }
    Ok((ids, erased))
}

/// All versions of a memory, newest first.
pub async fn history(store: &StoreApi, memory: &str, view: View) -> Result<Vec<Version>, Failure> {
    let mut pages = store.versions(&[("memory_id", memory)], view).ahead();
    let mut versions = Vec::new();
    while let Some(page) = pages.next().await? {
        versions.extend(page);
    }
    Ok(versions)
}

/// A version with its content, by its ID, or by the beginning or the end of one, where no other
/// version of the store has the same.
pub async fn version(store: &StoreApi, text: &str) -> Result<Version, Failure> {
    if is_id(text, VERSION) {
        match store.version(text).await {
            Err(error) if super::super::of_client(&error) == 3 => {}
            found => return Ok(found?),
        }
    }
    let id = abbreviated(store, text).await?;
    Ok(store.version(&id).await?)
}

async fn abbreviated(store: &StoreApi, text: &str) -> Result<String, Failure> {
    // The letters of an ID are capitals, and mean the same where they are written small.
    let short = text.strip_prefix(VERSION).unwrap_or(text).to_ascii_uppercase();
    if short.len() < SHORTEST || !short.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(Failure::Missing(format!(
            "there is no version {text:?}: give an ID ({VERSION}…), or at least {SHORTEST} letters of \
             its beginning or its end"
        )));
    }
    let mut versions = Items::from(store.versions(&[], View::Basic).ahead());
    let mut found = Vec::new();
    while let Some(version) = versions.next().await? {
        let rest = version.id.strip_prefix(VERSION).unwrap_or(&version.id);
        if rest.starts_with(&short) || (rest.ends_with(&short) && !text.starts_with(VERSION)) {
            found.push(version.id);
        }
    }
    match found.len() {
        0 => Err(Failure::Missing(format!("there is no version {text} in this store"))),
        1 => Ok(found.remove(0)),
        count => Err(Failure::Usage(format!(
            "{count} versions are abbreviated {text}, among them {} and {}",
            found[0], found[1]
        ))),
    }
}
