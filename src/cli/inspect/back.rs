//! `memstored restore` and `memstored undo`

use std::collections::HashSet;

use clap::Args;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::carry_out::{Way, carry_out};
use super::read::AT_ONCE;
use super::{Done, Failure, InStore, Why, find, output, read, time};
use crate::client::pages::Items;
use crate::client::store::{StoreApi, View, is_whole_id};
use crate::domain::time::Timestamp;
use crate::history::moment::{anywhere, erased, is_within};
use crate::history::plan::{self, Head, Plan, Step};
use crate::history::{DELETED, author, text};
use crate::wire::version::Version;

#[derive(Args, Debug)]
#[command(after_help = "\
A version is written back as a new version of its memory, at the path that the memory has now; where
the memory is gone, into the one at its path, or a new one there. With --at, contents, paths and
deletions go back to what they were. Each write is guarded by the hash of what it replaces: what is
changed meanwhile is left alone and listed (exit code 4). Nothing is lost: what was there before is
a version, too. Doing it again changes nothing.

Examples:
  memstored restore --store notes memver_01K…
  memstored restore --store notes --at 2h --dry-run
  memstored restore --store notes --at 2026-11-26T10:30:00Z /projects/ /crdts.md")]
pub struct Restore {
    /// Version, by its ID or an abbreviation; with --at, the memories and folders that are meant
    #[arg(value_name = "VERSION|PATH", required_unless_present = "at")]
    what: Vec<String>,

    /// The state of this time: RFC 3339, 2026-11-26 10:30 (UTC), or an age such as 10m, 2h, 3d
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<Timestamp>,

    /// With --at: delete what is newer than that time
    #[arg(long, requires = "at")]
    delete: bool,

    #[command(flatten)]
    how: How,

    #[command(flatten)]
    place: InStore,
}

#[derive(Args, Debug)]
#[command(after_help = "\
What the session changed gets the content and path from before it, what it made is deleted, what it
deleted comes back. A memory that somebody else has changed since is listed, with who did, when, and
the version to look at, and left alone (exit code 4). Doing it again changes nothing. The session
itself may go on: archive it, or revoke what it holds, first.

Examples:
  memstored undo --store notes --session sesn_01K… --dry-run
  memstored undo --store notes --session sesn_01K… --reason 'overwrote notes it had not read'")]
pub struct Undo {
    /// Session whose changes are put back
    #[arg(long, value_name = "ID")]
    session: String,

    #[command(flatten)]
    how: How,

    #[command(flatten)]
    place: InStore,
}

#[derive(Args, Debug)]
struct How {
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    why: Why,
}

impl How {
    /// The store, where each change has the reason that was given.
    async fn open(&self, place: &InStore) -> Result<StoreApi, Failure> {
        self.why.store(place.open().await?)
    }

    /// The plan; where it is only told, without what would be left alone.
    fn seen(&self, plan: Plan, now: &[Head]) -> Plan {
        if self.dry_run { plan.foreseen(now) } else { plan }
    }
}

impl Restore {
    pub async fn run(self) -> Done {
        let store = self.how.open(&self.place).await?;
        let plan = match self.at {
            Some(at) => self.to_moment(&store, at).await?,
            None => self.to_versions(&store).await?,
        };
        let way = self.way(match (self.at, self.delete) {
            (Some(_), false) => {
                "nothing to do: what was there then is as it was (what came since stays, without --delete)"
            }
            _ => "nothing to do: everything is as it was then",
        });
        carry_out(&store, plan, &way).await
    }

    fn way(&self, nothing: &'static str) -> Way {
        Way { dry_run: self.how.dry_run, json: self.place.json(), nothing }
    }

    async fn to_moment(&self, store: &StoreApi, at: Timestamp) -> Result<Plan, Failure> {
        let wanted: Vec<_> =
            self.what.iter().map(|path| find::folder(path)).collect::<Result<_, _>>()?;
        let then = read::moment(store, at).await?;
        let near = read::near(store, &then).await?;
        let now = heads(store).await?;
        let known: Vec<_> = then
            .iter()
            .filter_map(|version| version.path.as_deref())
            .chain(near.values().flatten().map(String::as_str))
            .chain(now.iter().map(|head| &*head.path))
            .collect();
        let is_known = |wanted: &String| known.iter().any(|path| is_within(path, wanted));
        if let Some(path) = wanted.iter().find(|path| !is_known(path)) {
            let none = match anywhere(erased(&then)) {
                Some(why) => format!("none is known to have been at {at}: {why}"),
                None => format!("was none at {at}"),
            };
            return Err(Failure::Missing(format!("there is no memory at {path}, and {none}")));
        }
        Ok(self.how.seen(plan::to_moment(&then, &near, &now, &wanted, self.delete), &now))
    }

    async fn to_versions(&self, store: &StoreApi) -> Result<Plan, Failure> {
        let mut steps = Vec::new();
        let (mut memories, mut places) = (HashSet::new(), HashSet::new());
        for what in &self.what {
            let version = find::version(store, what).await?;
            if !memories.insert(version.memory_id.clone()) {
                let memory = &version.memory_id;
                return Err(Failure::Usage(format!("two of these are versions of {memory}")));
            }
            if version.content.is_none() {
                return Err(contentless(store, &version).await?);
            }
            let own = store.memory(&version.memory_id).await?.as_ref().map(Head::from);
            let at_path = match (&own, &version.path) {
                (None, Some(path)) => find::living(store, path).await?.as_ref().map(Head::from),
                _ => None,
            };
            let place = own.as_ref().or(at_path.as_ref()).map(|head| &head.path);
            let place = place.or(version.path.as_ref());
            if let Some(path) = place.filter(|path| !places.insert((*path).clone())) {
                let path = text::one_line(path);
                return Err(Failure::Usage(format!("two of these would be at {path}")));
            }
            steps.extend(plan::to_version(&version, own.as_ref(), at_path.as_ref()));
        }
        let plan = Plan { steps, conflicts: Vec::new() };
        if self.how.dry_run && plan::needs_room(&plan) {
            return Ok(plan.foreseen(&heads(store).await?));
        }
        Ok(plan)
    }
}

/// Why a version can't be restored, and which can.
async fn contentless(store: &StoreApi, version: &Version) -> Result<Failure, Failure> {
    if version.redacted_at.is_some() {
        return Ok(Failure::Failed(format!(
            "{} was redacted: its content is gone for good",
            version.id
        )));
    }
    let query = [("memory_id", &*version.memory_id), ("created_at[lte]", &version.created_at)];
    let mut versions = Items::from(store.versions(&query, View::Basic));
    while let Some(before) = versions.next().await? {
        if before.content_sha256.is_some() {
            return Ok(Failure::Usage(format!(
                "{} is the deletion: what was there before it is {}",
                version.id, before.id
            )));
        }
    }
    Ok(Failure::Failed(format!("{} is the deletion, and nothing before it is left", version.id)))
}

async fn heads(store: &StoreApi) -> Result<Vec<Head>, Failure> {
    Ok(store.memories(View::Basic).await?.iter().map(Head::from).collect())
}

impl Undo {
    pub async fn run(self) -> Done {
        let session = &self.session;
        if !is_whole_id(session, "sesn_") {
            return Err(Failure::Usage(format!("--session is an ID, sesn_…; got {session:?}")));
        }
        let store = self.how.open(&self.place).await?;
        let touched = touched(&store, session).await?;
        if touched.is_empty() {
            output::say(&format!("{} has changed nothing in this store", text::one_line(session)));
        }
        let lists = touched.into_iter().map(|memory| history(&store, session, memory));
        let histories: Vec<_> = stream::iter(lists).buffered(AT_ONCE).try_collect().await?;
        let mut now = Vec::new();
        let mut plan = plan::before_session(session, &histories, &now);
        if plan::needs_room(&plan) {
            now = heads(&store).await?;
            plan = plan::before_session(session, &histories, &now);
        }
        if plan.steps.iter().any(|step| matches!(step, Step::Create { .. })) {
            plan = plan.without_deleted_again(&deletions(&store, &histories).await?);
        }
        let plan = self.how.seen(plan, &now);
        let nothing = "nothing to do: nothing of what the session changed is left";
        let way = Way { dry_run: self.how.dry_run, json: self.place.json(), nothing };
        carry_out(&store, plan, &way).await
    }
}

/// The deletions since the first change that is to be undone.
async fn deletions(store: &StoreApi, histories: &[Vec<Version>]) -> Result<Vec<Version>, Failure> {
    let oldest = histories.iter().filter_map(|history| history.last());
    let oldest = oldest.min_by_key(|version| Timestamp::parse(&version.created_at));
    let since = oldest.map_or("1970-01-01T00:00:00Z", |version| &version.created_at);
    let query = [("operation", DELETED), ("created_at[gte]", since)];
    let mut versions = Items::from(store.versions(&query, View::Basic).ahead());
    let mut deletions = Vec::new();
    while let Some(version) = versions.next().await? {
        deletions.push(version);
    }
    Ok(deletions)
}

/// The memories that a session has changed, each with the session's first version of it.
async fn touched(store: &StoreApi, session: &str) -> Result<Vec<(String, String)>, Failure> {
    let mut versions = Items::from(store.versions(&[("session_id", session)], View::Basic).ahead());
    let mut touched: Vec<(String, String)> = Vec::new();
    let mut places = std::collections::HashMap::new();
    while let Some(version) = versions.next().await? {
        if let Some(place) = places.get(&version.memory_id) {
            let (_, first): &mut (_, String) = &mut touched[*place];
            *first = version.id;
        } else {
            places.insert(version.memory_id.clone(), touched.len());
            touched.push((version.memory_id, version.id));
        }
    }
    Ok(touched)
}

/// The versions of a memory, newest first, to the one before the session's first.
async fn history(
    store: &StoreApi,
    session: &str,
    (memory, first): (String, String),
) -> Result<Vec<Version>, Failure> {
    let mut versions = Items::from(store.versions(&[("memory_id", &memory)], View::Basic));
    let mut history = Vec::new();
    let mut is_past = false;
    while let Some(version) = versions.next().await? {
        let was_first = version.id == first && author(&version) == Some(session);
        history.push(version);
        if is_past {
            break;
        }
        is_past = was_first;
    }
    Ok(history)
}
