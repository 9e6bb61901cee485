//! `memstored watch`

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use clap::Args;

use super::names::Names;
use super::read::{Read, Steps};
use super::{Done, Failure, InStore, time};
use crate::client::pages::Items;
use crate::client::store::{StoreApi, View};
use crate::domain::time::Timestamp;
use crate::shutdown;
use crate::wire::version::Version;

/// IDs that are remembered, so that what shares the last moment is shown once.
const REMEMBERED: usize = 1000;

#[derive(Args, Debug)]
#[command(after_help = "\
A line a version, as log shows it, oldest first, until Ctrl-C. With --json each line is a version.

Examples:
  memstored watch --store notes
  memstored watch --store notes --since 1h --json | jq -r .path")]
pub struct Watch {
    /// Begin with the versions since this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Timestamp>,

    /// Seconds between two looks
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = super::seconds)]
    interval: Duration,

    #[command(flatten)]
    place: InStore,
}

impl Watch {
    pub async fn run(self) -> Done {
        let stop = shutdown::on_signal();
        let stop =
            stop.map_err(|error| Failure::Failed(format!("can't handle signals: {error}")))?;
        let store = self.place.open().await?;
        let mut seen = Seen::begin(&store, self.since).await?;
        let mut out = self.place.shared.out();
        let mut names = Names::new(self.place.shared.client()?);
        loop {
            let news = seen.news(&store).await?;
            if self.place.json() {
                for version in news.iter().rev() {
                    out.line(&serde_json::to_string(version).unwrap_or_default())?;
                }
            } else if !news.is_empty() {
                let mut steps = Steps::of(&store, Read::Whole(news), View::Basic).await?;
                let mut lines = Vec::new();
                while let Some(step) = steps.next().await? {
                    let who = names.of(step.version.created_by.as_ref()).await;
                    lines.push(super::log::line(&out, &step, &who));
                }
                lines.iter().rev().try_for_each(|line| out.line(line))?;
            }
            out.flush()?;
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(self.interval) => {}
            }
        }
    }
}

/// What was shown already: all before a moment, and of that moment these.
struct Seen {
    until: Option<Timestamp>,
    ids: HashSet<String>,
    order: VecDeque<String>,
}

impl Seen {
    /// The server's own clock decides what is new: what it has now is seen.
    async fn begin(store: &StoreApi, since: Option<Timestamp>) -> Result<Self, Failure> {
        let mut seen = Self { until: None, ids: HashSet::new(), order: VecDeque::new() };
        if since.is_some() {
            seen.until = since;
        } else if let Some(newest) = store.newest(&[], View::Basic).await? {
            seen.see(&newest);
        }
        Ok(seen)
    }

    fn see(&mut self, version: &Version) {
        self.until = Timestamp::parse(&version.created_at).max(self.until);
        if self.ids.insert(version.id.clone()) {
            self.order.push_back(version.id.clone());
        }
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }

    /// Newest first.
    async fn news(&mut self, store: &StoreApi) -> Result<Vec<Version>, Failure> {
        // A store without versions had nothing to begin behind: whatever comes is new.
        let until = self.until.unwrap_or(Timestamp::from_micros(0)).to_string();
        let query = [("created_at[gte]", &*until)];
        let mut versions = Items::from(store.versions(&query, View::Basic));
        let mut news = Vec::new();
        while let Some(version) = versions.next().await? {
            if !self.ids.contains(&version.id) {
                news.push(version);
            }
        }
        news.iter().rev().for_each(|version| self.see(version));
        Ok(news)
    }
}
