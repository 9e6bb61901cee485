//! `memstored stat`

use std::collections::HashMap;
use std::path::PathBuf;

use clap::Args;

use super::names::Names;
use super::output::Out;
use super::read::Steps;
use super::{Done, Failure, InStore, array, find};
use crate::client::store::View;
use crate::domain::time::Timestamp;
use crate::history::chart::{self, Point};
use crate::history::order;
use crate::history::steps::Step;
use crate::history::text::{grouped, one_line};
use crate::wire::version::Version;

/// The width of a chart where nobody says another, and the most that is wanted.
const WIDTH: usize = 80;

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  memstored stat --store notes                  the store: sizes, cliffs, who wrote how much
  memstored stat --store notes /crdts.md --plot
  memstored stat --store notes /crdts.md --svg crdts.svg")]
pub struct Stat {
    /// Memory; the whole store where not given
    #[arg(value_name = "PATH")]
    path: Option<String>,

    /// Draw the size over time
    #[arg(long)]
    plot: bool,

    /// Write that chart as a picture
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,

    /// Width of the chart in characters
    #[arg(long, value_name = "N", default_value_t = WIDTH, hide = true)]
    width: usize,

    /// Show actors' IDs, and ask for no names
    #[arg(long)]
    ids: bool,

    #[command(flatten)]
    place: InStore,
}

/// What an actor did.
#[derive(Default)]
struct Share {
    versions: usize,
    added: i64,
    removed: i64,
    cliffs: usize,
}

impl Stat {
    pub async fn run(self) -> Done {
        let steps = self.steps().await?;
        let is_named = !self.ids && (self.svg.is_some() || !self.place.json());
        let mut names = is_named.then(|| self.place.shared.client().map(Names::new)).transpose()?;
        let mut who = Vec::with_capacity(steps.len());
        for step in &steps {
            who.push(super::log::who(names.as_mut(), &step.version).await);
        }
        let points = points(&steps, &who);
        let title = self.path.as_deref().unwrap_or("all memories");
        if let Some(file) = &self.svg {
            let written = std::fs::write(file, chart::svg(title, &points));
            written.map_err(|error| {
                Failure::Failed(format!("can't write {}: {error}", file.display()))
            })?;
        }
        if self.place.json() {
            return array(steps.iter().map(|step| &*step.version));
        }
        let mut out = self.place.shared.out();
        summary(&mut out, &steps, &who)?;
        if self.plot {
            out.line("")?;
            out.raw(&chart::terminal(&points, self.width))?;
        }
        out.flush()
    }

    /// Oldest first.
    async fn steps(&self) -> Result<Vec<Step>, Failure> {
        let store = self.place.open().await?;
        let mut steps = Vec::new();
        let memories = match &self.path {
            None => vec![None],
            Some(path) => {
                let ids = find::memories_of(&store, &find::path(path)?).await?;
                ids.into_iter().map(Some).collect()
            }
        };
        for memory in memories {
            let query = memory.as_deref().map(|id| ("memory_id", id));
            let query = query.into_iter().collect();
            let mut of_one = Steps::whole(&store, &query, View::Basic);
            while let Some(step) = of_one.next().await? {
                steps.push(step);
            }
        }
        steps.sort_by(|a, b| order(&a.version).cmp(&order(&b.version)));
        Ok(steps)
    }
}

/// The size of all memories together after each version.
fn points(steps: &[Step], who: &[String]) -> Vec<Point> {
    let mut sizes: HashMap<&str, i64> = HashMap::new();
    let mut total = 0;
    let mut points = Vec::with_capacity(steps.len());
    for (step, who) in steps.iter().zip(who) {
        let size = step.version.content_size_bytes.unwrap_or(0);
        total += size - sizes.insert(&step.version.memory_id, size).unwrap_or(0);
        points.push(Point {
            at: Timestamp::parse(&step.version.created_at).map_or(0, Timestamp::micros),
            time: shortened(&step.version.created_at),
            size: total,
            who: who.clone(),
            is_cliff: step.is_cliff(),
        });
    }
    points
}

/// A time to the second.
fn shortened(time: &str) -> String {
    match time.get(..19) {
        Some(time) => format!("{}Z", time.replace('T', " ")),
        None => time.to_owned(),
    }
}

fn summary(out: &mut Out, steps: &[Step], who: &[String]) -> Done {
    let mut heads: HashMap<&str, &Version> = HashMap::new();
    let mut churn: HashMap<&str, usize> = HashMap::new();
    let mut shares: HashMap<&str, Share> = HashMap::new();
    let mut redacted = 0;
    for (step, who) in steps.iter().zip(who) {
        let version = &*step.version;
        heads.insert(&version.memory_id, version);
        *churn.entry(&version.memory_id).or_default() += 1;
        redacted += usize::from(version.redacted_at.is_some());
        let share = shares.entry(who).or_default();
        let growth = step.growth().unwrap_or(0);
        share.versions += 1;
        share.added += growth.max(0);
        share.removed += growth.min(0).abs();
        share.cliffs += usize::from(step.is_cliff());
    }
    let alive = heads.values().filter(|head| head.operation != crate::history::DELETED);
    let bytes: i64 = alive.clone().filter_map(|head| head.content_size_bytes).sum();
    out.line(&format!("memories  {} ({} bytes)", alive.count(), grouped(bytes)))?;
    out.line(&format!("versions  {} ({redacted} redacted)", steps.len()))?;
    if let (Some(first), Some(last)) = (steps.first(), steps.last()) {
        let (first, last) = (&first.version.created_at, &last.version.created_at);
        out.line(&format!("from      {first}\nto        {last}"))?;
    }
    let mut shares: Vec<_> = shares.into_iter().collect();
    shares.sort_by(|(a, left), (b, right)| (right.versions, a).cmp(&(left.versions, b)));
    out.line("\nversions  bytes added  bytes removed  cliffs  actor")?;
    for (who, Share { versions, added, removed, cliffs }) in shares {
        let (added, removed) = (grouped(added), grouped(removed));
        out.line(&format!("{versions:>8}  {added:>11}  {removed:>13}  {cliffs:>6}  {who}"))?;
    }
    if heads.len() > 1 {
        out.line("\nversions  most changed")?;
        let mut churn: Vec<_> = churn.into_iter().collect();
        churn.sort_by(|(a, left), (b, right)| (right, a).cmp(&(left, b)));
        for (memory, versions) in churn.into_iter().take(10) {
            let path = heads.get(memory).and_then(|head| head.path.as_deref()).unwrap_or(memory);
            out.line(&format!("{versions:>8}  {}", one_line(path)))?;
        }
    }
    let cliffs = steps.iter().zip(who).filter(|(step, _)| step.is_cliff());
    for (index, (step, who)) in cliffs.enumerate() {
        if index == 0 {
            out.line("")?;
        }
        out.line(&super::log::line(out, step, who))?;
    }
    Ok(())
}
