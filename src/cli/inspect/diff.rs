//! `memstored show` and `memstored diff`

use std::collections::HashMap;
use std::sync::Arc;

use anstyle::{AnsiColor, Style};
use clap::Args;

use super::log::{line, who};
use super::names::Names;
use super::output::Out;
use super::read::{self, Read, Steps};
use super::{Done, Failure, InStore, array, files, find, is_time, time};
use crate::client::store::{StoreApi, View};
use crate::history::diff::{Kind, Piece, Sides, Stat};
use crate::history::moment::is_within;
use crate::history::steps::Step;
use crate::history::text::one_line;
use crate::wire::version::Version;

const HEAD: Style = Style::new().bold();
const HUNK: Style = AnsiColor::Cyan.on_default();
const REMOVED: Style = AnsiColor::Red.on_default();
const ADDED: Style = AnsiColor::Green.on_default();

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
  memstored diff --store notes 2h 10m --stat                the store at two times
  memstored diff --store notes 2026-11-25 2026-11-26 /projects/

The exit code is 0 whether or not there is a difference.")]
pub struct Diff {
    /// Version, or a time
    #[arg(value_name = "A")]
    a: String,

    /// Version, file or time to compare with; the version before A where not given
    #[arg(value_name = "B")]
    b: Option<String>,

    /// Memory or folder, between two times
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

/// How a difference is shown.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    Lines,
    Words,
    Stat,
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
        patch(&mut out, &step, Form::from(&self.form))?;
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

/// What a version changed.
pub fn patch(out: &mut Out, step: &Step, form: Form) -> Done {
    let side = |version: Option<&Arc<Version>>| {
        version.map_or((String::new(), "/dev/null".to_owned()), |version| side(version))
    };
    let is_first = step.version.operation == crate::history::CREATED;
    if step.version.redacted_at.is_some() || (step.before.is_none() && !is_first) {
        return Ok(());
    }
    if step.before.as_ref().is_some_and(|before| before.redacted_at.is_some()) {
        return out.line("(what it was before was redacted)");
    }
    let ((old, old_name), (new, new_name)) =
        (side(step.before.as_ref()), side(Some(&step.version)));
    print(out, &Sides { names: [&old_name, &new_name], texts: [&old, &new] }, form)
}

/// A version's content, and what to call it.
fn side(version: &Version) -> (String, String) {
    let path = one_line(version.path.as_deref().unwrap_or("-"));
    let name = match &*version.operation {
        crate::history::DELETED => "/dev/null".to_owned(),
        _ => format!("{path}\t{}", version.id),
    };
    (version.content.clone().unwrap_or_default(), name)
}

fn print(out: &mut Out, sides: &Sides<'_>, form: Form) -> Done {
    let pieces = match form {
        Form::Lines => sides.unified(),
        Form::Words => sides.words(),
        Form::Stat => return out.line(&counted(sides.names, sides.stat())),
    };
    pieces.iter().try_for_each(|piece| print_piece(out, piece))
}

fn counted(names: [&str; 2], stat: Stat) -> String {
    let name = if names[1] == "/dev/null" { names[0] } else { names[1] };
    let path = name.split('\t').next().unwrap_or(name);
    format!("{path} | +{} -{}", stat.added, stat.removed)
}

/// A style may not reach over an end of line: pagers begin each line anew.
fn print_piece(out: &mut Out, (kind, text): &Piece) -> Done {
    let style = match kind {
        Kind::Head => HEAD,
        Kind::Hunk => HUNK,
        Kind::Same => {
            let text = out.shown(text).into_owned();
            return out.raw(&text);
        }
        Kind::Removed => REMOVED,
        Kind::Added => ADDED,
    };
    for line in text.split_inclusive('\n') {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        let styled = out.styled(style, &out.shown(line));
        out.raw(&format!("{styled}{end}"))?;
    }
    Ok(())
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
        let Some(b) = &self.b else {
            let Some(step) = step(&store, a).await? else { return Ok(()) };
            if self.place.json() {
                return array(step.before.iter().chain([&step.version]).map(|one| &**one));
            }
            let mut out = self.place.shared.out();
            patch(&mut out, &step, Form::from(&self.form))?;
            return out.flush();
        };
        if b == "-" || std::path::Path::new(b).is_file() {
            return self.with_file(&a, b);
        }
        let b = find::version(&store, b).await?;
        if self.place.json() {
            return array([a, b]);
        }
        let ((old, old_name), (new, new_name)) = (side(&a), side(&b));
        self.print(&Sides { names: [&old_name, &new_name], texts: [&old, &new] })
    }

    fn with_file(&self, version: &Version, file: &str) -> Done {
        let new = files::read_text(file)?;
        if self.place.json() {
            return array([version]);
        }
        let (old, name) = side(version);
        self.print(&Sides { names: [&name, file], texts: [&old, &new] })
    }

    fn print(&self, sides: &Sides<'_>) -> Done {
        let mut out = self.place.shared.out();
        print(&mut out, sides, Form::from(&self.form))?;
        out.flush()
    }

    async fn moments(&self, store: &StoreApi) -> Done {
        let b = self.b.as_deref().unwrap_or("0s");
        let (from, to) = (time(&self.a), time(b));
        let (Ok(from), Ok(to)) = (from, to) else {
            return Err(Failure::Usage(format!("{} is a time, so B has to be one: {b:?}", self.a)));
        };
        let wanted = self.path.as_deref().map(find::folder).transpose()?;
        let is_wanted = |version: &Version| {
            let path = version.path.as_deref();
            wanted.as_deref().is_none_or(|wanted| path.is_some_and(|path| is_within(path, wanted)))
        };
        let by_id = |versions: Vec<Version>| -> HashMap<String, Version> {
            let wanted = versions.into_iter().filter(is_wanted);
            wanted.map(|version| (version.memory_id.clone(), version)).collect()
        };
        let mut old = by_id(read::moment(store, from).await?);
        let mut pairs: Vec<_> = by_id(read::moment(store, to).await?)
            .into_values()
            .map(|new| (old.remove(&new.memory_id), Some(new)))
            .filter(|(old, new)| old.as_ref().map(|old| &old.id) != new.as_ref().map(|new| &new.id))
            .collect();
        pairs.extend(old.into_values().map(|old| (Some(old), None)));
        let key = |(old, new): &(Option<Version>, Option<Version>)| {
            new.as_ref().or(old.as_ref()).and_then(|version| version.path.clone())
        };
        pairs.sort_by_key(key);
        if self.place.json() {
            return array(pairs.into_iter().flat_map(|(old, new)| old.into_iter().chain(new)));
        }
        let mut out = self.place.shared.out();
        for (old, new) in pairs {
            let (old, new) = (filled(store, old).await?, filled(store, new).await?);
            let nothing = || (String::new(), "/dev/null".to_owned());
            let (old, old_name) = old.as_ref().map_or_else(nothing, side);
            let (new, new_name) = new.as_ref().map_or_else(nothing, side);
            let sides = Sides { names: [&old_name, &new_name], texts: [&old, &new] };
            print(&mut out, &sides, Form::from(&self.form))?;
        }
        out.flush()
    }
}

async fn filled(store: &StoreApi, version: Option<Version>) -> Result<Option<Version>, Failure> {
    let Some(version) = version.filter(|version| version.redacted_at.is_none()) else {
        return Ok(None);
    };
    Ok(Some(store.version(&version.id).await?))
}
