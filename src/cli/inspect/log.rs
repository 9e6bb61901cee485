//! `memstored log`, and the line that a version is shown as

use std::collections::HashSet;

use anstyle::{AnsiColor, Style};
use clap::Args;

use super::names::Names;
use super::output::Out;
use super::read::{Read, Steps};
use super::{Done, Failure, InStore, array, find, patch, time};
use crate::client::pages::Items;
use crate::client::store::{Query, StoreApi, View};
use crate::domain::time::Timestamp;
use crate::history::moment::is_within;
use crate::history::steps::Step;
use crate::history::text::{grouped, signed};
use crate::history::{author, order, text};
use crate::wire::version::Version;

pub const CLIFF: Style = AnsiColor::Red.on_default().bold();
const ID: Style = AnsiColor::Yellow.on_default();

#[derive(Args, Debug)]
#[command(after_help = "\
A line has the version's ID, operation, actor, size in bytes with its change, the beginning of the
content's SHA-256, the time, and the path, with the path before where the memory was moved. \"cliff\"
marks content that shrank by more than half, \"redacted\" what was erased.

Of a memory that was made at PATH and moved away there are the versions that it had there, and the one
that moved it, which says where to. One that was moved to PATH before is found only where nothing else
is or was.

The exit code is 3 where nothing is known to have been at PATH, and 0 where conditions leave nothing.

Examples:
  memstored log --store notes                   everything
  memstored log --store notes /crdts.md -p      one memory, with diffs, through moves and deletions
  memstored log --store notes /projects/        a folder
  memstored log --store notes --session sesn_…  what one session did
  memstored log --store notes --since 2h --operation deleted
  memstored log --store notes --actor 'Add a paragraph on RGA'

A name of an actor costs one more call, once: a session's title, or an administrator's list of keys.
With --actor NAME it is looked who wrote any version of the store, and how all of them are called.")]
pub struct Log {
    /// Memory, or folder with a slash at its end; the whole store where not given
    #[arg(value_name = "PATH")]
    path: Option<String>,

    /// With the difference that each version made
    #[arg(short = 'p', long)]
    patch: bool,

    /// At most so many versions
    #[arg(short = 'n', long, value_name = "N")]
    limit: Option<usize>,

    /// Show actors' IDs, and ask for no names
    #[arg(long)]
    ids: bool,

    #[command(flatten)]
    place: InStore,

    // Last, since what follows a heading stands below it.
    #[command(flatten)]
    filter: Filter,
}

/// How the IDs of actors begin, and the condition by which the API finds what they wrote.
const KINDS: [(&str, Option<&str>); 4] = [
    ("sesn_", Some("session_id")),
    ("apikey_", Some("api_key_id")),
    ("svac_", Some("service_account_id")),
    ("user_", None),
];

/// Which versions are meant.
#[derive(Args, Debug)]
#[command(next_help_heading = "Filters")]
pub struct Filter {
    /// Only what this session wrote
    #[arg(long, value_name = "ID")]
    session: Option<String>,

    /// Only what this actor wrote: a session, API key, service account or user, by its ID, or by its name
    /// as it is shown, where only one has it
    #[arg(long, value_name = "ID_OR_NAME", conflicts_with = "session")]
    actor: Option<String>,

    /// Only versions of this kind
    #[arg(long, value_name = "OPERATION", value_parser = ["created", "modified", "deleted"])]
    operation: Option<String>,

    /// Only from this time on: RFC 3339, 2026-11-26 10:30 (UTC), or an age such as 10m, 2h, 3d
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Timestamp>,

    /// Only until this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,
}

/// What a filter asks the server for.
struct Asked {
    query: Vec<(&'static str, String)>,
    /// Whether versions between those of the list may be left out.
    has_holes: bool,
    /// A user, by whom the API can't filter.
    user: Option<String>,
}

/// Which versions of a list are meant.
#[derive(Clone, Copy)]
enum Meant<'a> {
    All,
    Within(&'a str),
    These(&'a HashSet<String>),
}

/// The versions that were asked for, newest first.
struct Listed {
    versions: Vec<Version>,
    /// Whether some of a memory are left out between two that are there.
    has_gaps: bool,
}

impl Asked {
    fn has_conditions(&self) -> bool {
        !self.query.is_empty() || self.user.is_some()
    }

    fn query(&self) -> Query<'_> {
        self.query.iter().map(|(name, value)| (*name, &**value)).collect()
    }
}

impl Filter {
    fn asked(&self) -> Result<Asked, Failure> {
        let mut query = Vec::new();
        let mut user = None;
        let by = self.by()?;
        let has_holes = by.is_some() || self.operation.is_some();
        match by {
            Some((Some(field), id)) => query.push((field, id)),
            Some((None, id)) => user = Some(id),
            None => {}
        }
        query.extend(self.operation.clone().map(|operation| ("operation", operation)));
        query.extend(self.since.map(|at| ("created_at[gte]", at.to_string())));
        query.extend(self.until.map(|at| ("created_at[lte]", at.to_string())));
        Ok(Asked { query, has_holes, user })
    }

    /// Whose versions are meant, and the condition by which the API finds them: a user has none.
    fn by(&self) -> Result<Option<(Option<&'static str>, String)>, Failure> {
        let (Some(id), kinds) = (match (&self.session, &self.actor) {
            (None, actor) => (actor, &KINDS[..]),
            (session, _) => (session, &KINDS[..1]),
        }) else {
            return Ok(None);
        };
        match kinds.iter().find(|(prefix, _)| id.starts_with(prefix)) {
            Some((_, field)) => Ok(Some((*field, id.clone()))),
            None => Err(Failure::Usage(format!("--session is an ID (sesn_…); got {id:?}"))),
        }
    }

    /// The actor, where it is no ID.
    fn name(&self) -> Option<&str> {
        let is_id = |name: &str| KINDS.iter().any(|(prefix, _)| name.starts_with(prefix));
        self.actor.as_deref().filter(|name| !is_id(name))
    }
}

impl Log {
    pub async fn run(mut self) -> Done {
        let store = self.place.open().await?;
        if let Some(name) = self.filter.name() {
            let mut names = Names::new(self.place.shared.client()?);
            self.filter.actor = Some(names.actor(&store, name).await?);
        }
        let asked = self.filter.asked()?;
        if self.place.json() {
            return array(self.versions(&store, &asked, View::Basic).await?.versions);
        }
        let view = if self.patch { View::Full } else { View::Basic };
        let mut steps = self.steps(&store, &asked, view).await?;
        let mut out = self.place.shared.out();
        let mut names =
            (!self.ids).then(|| self.place.shared.client().map(Names::new)).transpose()?;
        let mut left = self.limit.unwrap_or(usize::MAX);
        while left > 0
            && let Some(step) = steps.next().await?
        {
            let who = who(names.as_mut(), &step.version).await;
            out.line(&line(&out, &step, &who))?;
            if self.patch {
                patch::of_step(&mut out, &step, patch::Form::Lines)?;
            }
            left -= 1;
        }
        out.flush()
    }

    /// Of the whole store, steps come as the list does; else the list is read first.
    async fn steps(&self, store: &StoreApi, asked: &Asked, view: View) -> Result<Steps, Failure> {
        let is_folder = self.path.as_deref().is_some_and(|path| path.ends_with('/'));
        let has_holes = asked.has_holes || asked.user.is_some() || is_folder;
        if self.path.is_none() && self.limit.is_none() && !has_holes {
            return Ok(Steps::whole(store, &asked.query(), view));
        }
        let Listed { versions, has_gaps } = self.versions(store, asked, view).await?;
        let versions =
            if has_holes || has_gaps { Read::Some(versions) } else { Read::Whole(versions) };
        Steps::of(store, versions, view).await
    }

    async fn versions(
        &self,
        store: &StoreApi,
        asked: &Asked,
        view: View,
    ) -> Result<Listed, Failure> {
        let path = self.path.as_deref().map(find::folder).transpose()?;
        if let Some(path) = path.as_deref().filter(|path| !path.ends_with('/')) {
            return self.of_memories(store, path, asked, view).await;
        }
        let mut versions = Vec::new();
        let folder = path.as_deref();
        let meant = folder.map_or(Meant::All, Meant::Within);
        self.collect(store, &asked.query(), asked, meant, view, &mut versions).await?;
        let all = self.limit != Some(0) && !asked.has_conditions();
        match folder.filter(|folder| all && versions.is_empty() && *folder != "/") {
            Some(folder) => Err(find::never(folder)),
            None => Ok(Listed { versions, has_gaps: false }),
        }
    }

    /// Of the memories that are, or were, at a path.
    async fn of_memories(
        &self,
        store: &StoreApi,
        path: &str,
        asked: &Asked,
        view: View,
    ) -> Result<Listed, Failure> {
        let find::Past { whole, moved } = find::past(store, path).await?;
        let mut versions = Vec::new();
        let whole = whole.iter().map(|memory| (memory, Meant::All));
        let of_moved = moved.iter().map(|(memory, stays)| (memory, Meant::These(stays)));
        for (memory, meant) in whole.chain(of_moved) {
            let mut query = asked.query();
            query.push(("memory_id", memory));
            self.collect(store, &query, asked, meant, view, &mut versions).await?;
        }
        versions.sort_by(|a, b| order(b).cmp(&order(a)));
        versions.truncate(self.limit.unwrap_or(usize::MAX));
        Ok(Listed { versions, has_gaps: !moved.is_empty() })
    }

    async fn collect(
        &self,
        store: &StoreApi,
        query: &Query<'_>,
        asked: &Asked,
        meant: Meant<'_>,
        view: View,
        found: &mut Vec<Version>,
    ) -> Done {
        let pages = store.versions(query, view);
        let mut versions = Items::from(if self.limit.is_none() { pages.ahead() } else { pages });
        let begun = found.len();
        // A memory that was moved out of the folder, or redacted, belongs to what it did there.
        let mut within = HashSet::new();
        while found.len() - begun < self.limit.unwrap_or(usize::MAX)
            && let Some(version) = versions.next().await?
        {
            let is_of = asked.user.is_none() || author(&version) == asked.user.as_deref();
            let is_meant = match (meant, version.path.as_deref()) {
                (Meant::All, _) => true,
                (Meant::These(ids), _) => ids.contains(&version.id),
                (Meant::Within(folder), Some(path)) => {
                    is_within(path, folder) && {
                        within.insert(version.memory_id.clone());
                        true
                    }
                }
                (Meant::Within(_), None) => within.contains(&version.memory_id),
            };
            if is_of && is_meant {
                found.push(version);
            }
        }
        Ok(())
    }
}

pub async fn who(names: Option<&mut Names>, version: &Version) -> String {
    match names {
        Some(names) => names.of(version.created_by.as_ref()).await,
        None => author(version).unwrap_or("-").to_owned(),
    }
}

/// A version on one line.
pub fn line(out: &Out, step: &Step, who: &str) -> String {
    let version = &*step.version;
    let size = match (version.content_size_bytes, step.growth()) {
        (Some(size), Some(growth)) => format!("{} ({})", grouped(size), signed(growth)),
        (Some(size), None) => grouped(size),
        (None, Some(growth)) => format!("- ({})", signed(growth)),
        (None, None) => "-".to_owned(),
    };
    let hash = version.content_sha256.as_deref().map_or("-", |hash| &hash[..hash.len().min(8)]);
    let mut line = format!(
        "{}  {:<8}  {who:<24}  {size:>17}  {hash:<8}  {}  {}",
        out.styled(ID, &version.id),
        version.operation,
        version.created_at,
        text::one_line(version.path.as_deref().unwrap_or("-")),
    );
    if let Some(was) = step.moved_from() {
        line.push_str("  (was ");
        line.push_str(&text::one_line(was));
        line.push(')');
    }
    if version.redacted_at.is_some() {
        line.push_str("  redacted");
    }
    if step.is_cliff() {
        line.push_str("  ");
        line.push_str(&out.styled(CLIFF, "cliff"));
    }
    line
}
