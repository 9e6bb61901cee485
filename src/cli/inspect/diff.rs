//! `memstored show` and `memstored diff`

use clap::Args;

use super::log::{line, who};
use super::names::Names;
use super::patch::Form;
use super::read::{self, Read, Steps};
use super::{Done, Failure, InStore, array, files, find, is_time, patch, time};
use crate::client::store::{StoreApi, View};
use crate::history::CREATED;
use crate::history::change::{Change, Fate, changes, is_erased, lost_other};
use crate::history::diff::Sides;
use crate::history::moment::{Near, is_within};
use crate::history::steps::Step;
use crate::wire::version::Version;

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  memstored show --store notes memver_01K…
  memstored show --store notes 7Q2F             by the end of its ID")]
pub struct Show {
    /// Version, by its ID or an abbreviation that only one has
    #[arg(value_name = "VERSION")]
    version: String,

    #[command(flatten)]
    form: FormFlags,

    #[command(flatten)]
    place: InStore,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  memstored diff --store notes memver_01K…                  what one version changed
  memstored diff --store notes memver_01K… memver_01M… --word
  memstored diff --store notes memver_01K… ./crdts.md       a version and a file (- is stdin)
  memstored diff --store notes 2h                           what has changed in two hours
  memstored diff --store notes 2h 10m --stat                the store at two times
  memstored diff --store notes 2026-11-25 2026-11-26 /projects/

What was created, deleted or moved is said as git does it, so that git apply does the same (and patch -p1,
where nothing takes the place of what was moved away).
The exit code is 0 whether or not there is a difference, and 3 where there is and was nothing at PATH.")]
pub struct Diff {
    /// Version, or a time
    #[arg(value_name = "A")]
    a: String,

    /// Version, file or time to compare with; where not given, the version before A, or now where A is a
    /// time
    #[arg(value_name = "B")]
    b: Option<String>,

    /// Memory or folder, between two times (0s is now)
    #[arg(value_name = "PATH")]
    path: Option<String>,

    #[command(flatten)]
    form: FormFlags,

    #[command(flatten)]
    place: InStore,
}

#[derive(Args, Debug)]
struct FormFlags {
    /// Mark changed words instead of lines
    #[arg(long, conflicts_with = "stat")]
    word: bool,

    /// Count changed lines, and show none
    #[arg(long)]
    stat: bool,
}

impl From<&FormFlags> for Form {
    fn from(flags: &FormFlags) -> Self {
        match (flags.word, flags.stat) {
            (true, _) => Self::Words,
            (_, true) => Self::Stat,
            _ => Self::Lines,
        }
    }
}

impl Show {
    pub async fn run(self) -> Done {
        let store = self.place.open().await?;
        let version = find::version(&store, &self.version).await?;
        if self.place.json() {
            return array([version]);
        }
        let Some(step) = step(&store, version).await? else { return Ok(()) };
        let mut out = self.place.shared.out();
        let mut names = Names::new(self.place.shared.client()?);
        let who = who(Some(&mut names), &step.version).await;
        out.line(&line(&out, &step, &who))?;
        let id = crate::history::author(&step.version).unwrap_or("-");
        out.line(&format!("actor     {id}"))?;
        out.line(&format!("memory    {}", step.version.memory_id))?;
        if let Some(hash) = &step.version.content_sha256 {
            out.line(&format!("sha256    {hash}"))?;
        }
        if let Some(at) = &step.version.redacted_at {
            let by = names.of(step.version.redacted_by.as_ref()).await;
            out.line(&format!("redacted  {at} by {by}"))?;
        }
        patch::of_step(&mut out, &step, Form::from(&self.form))?;
        out.flush()
    }
}

/// A version with the one before it.
async fn step(store: &StoreApi, version: Version) -> Result<Option<Step>, Failure> {
    let content = version.content.clone();
    let mut steps = Steps::of(store, Read::Some(vec![version]), View::Full).await?;
    let step = steps.next().await?;
    debug_assert!(step.as_ref().is_none_or(|step| step.version.content == content));
    Ok(step)
}

impl Diff {
    pub async fn run(self) -> Done {
        let store = self.place.open().await?;
        if is_time(&self.a) {
            return self.moments(&store).await;
        }
        if self.path.is_some() {
            return Err(Failure::Usage("a path goes with two times only".into()));
        }
        let a = find::version(&store, &self.a).await?;
        match self.b.as_deref() {
            None => {
                let Some(Step { version, before }) = step(&store, a).await? else { return Ok(()) };
                self.versions(before.as_deref(), &version)
            }
            Some(b) if b == "-" || std::path::Path::new(b).is_file() => self.with_file(&a, b),
            Some(b) => self.versions(Some(&a), &find::version(&store, b).await?),
        }
    }

    fn versions(&self, old: Option<&Version>, new: &Version) -> Done {
        let change = Change::new(old, Some(new));
        if self.place.json() {
            return array(change.versions());
        }
        let (mut out, form) = (self.place.shared.out(), Form::from(&self.form));
        let near = Near::new();
        if old.is_none() && new.operation != CREATED {
            let why = "what it was before is no longer kept";
            patch::note(&mut out, change.name(&near), why, form)?;
        } else {
            patch::between(&mut out, &change, &near, form)?;
        }
        out.flush()
    }

    fn with_file(&self, version: &Version, file: &str) -> Done {
        let new = files::read_text(file)?;
        if self.place.json() {
            return array([version]);
        }
        let (mut out, form) = (self.place.shared.out(), Form::from(&self.form));
        if is_erased(version) {
            patch::note(&mut out, file, &lost_other(version), form)?;
        } else {
            let (old, name) = patch::side(version);
            let sides = Sides { names: [&name, file], texts: [&old, &new], fate: Fate::Apart };
            patch::print(&mut out, &sides, form)?;
        }
        out.flush()
    }

    async fn moments(&self, store: &StoreApi) -> Done {
        let b = self.b.as_deref().unwrap_or("0s");
        let (from, to) = (time(&self.a), time(b));
        let (Ok(from), Ok(to)) = (from, to) else {
            return Err(Failure::Usage(format!("{} is a time, so B has to be one: {b:?}", self.a)));
        };
        let wanted = self.path.as_deref().map(find::folder).transpose()?;
        let (old, new) = (read::moment(store, from).await?, read::moment(store, to).await?);
        let mut changes = changes(&old, &new);
        let near = read::near(store, changes.iter().flat_map(Change::versions)).await?;
        if let Some(wanted) = wanted.filter(|wanted| wanted != "/") {
            changes.retain(|change| change.is_within(&wanted, &near));
            let mut all = old.iter().chain(&new).filter_map(|version| version.path.as_deref());
            if changes.is_empty() && !all.any(|path| is_within(path, &wanted)) {
                let both: Vec<_> = old.iter().chain(&new).cloned().collect();
                return Err(read::absent(store, &both, &wanted, &format!("{from} or {to}")).await?);
            }
        }
        if self.place.json() {
            return array(changes.iter().flat_map(Change::versions));
        }
        let mut out = self.place.shared.out();
        for change in changes {
            let (old, new) = (filled(store, change.old).await?, filled(store, change.new).await?);
            let change = Change::new(old.as_ref(), new.as_ref());
            patch::between(&mut out, &change, &near, Form::from(&self.form))?;
        }
        out.flush()
    }
}

async fn filled(store: &StoreApi, version: Option<&Version>) -> Result<Option<Version>, Failure> {
    match version {
        Some(version) => Ok(Some(store.version(&version.id).await?)),
        None => Ok(None),
    }
}
