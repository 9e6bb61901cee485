//! `memstored blame`

use clap::Args;

use super::names::Names;
use super::{Done, Failure, InStore, array, find};
use crate::client::store::View;
use crate::history::blame::blame;
use crate::wire::version::Version;

#[derive(Args, Debug)]
#[command(after_help = "\
A memory that was deleted is shown as it last was. What a redacted version brought shows as brought
by the version after it.

Examples:
  memstored blame --store notes /crdts.md")]
pub struct Blame {
    /// Memory
    #[arg(value_name = "PATH")]
    path: String,

    /// Show actors' IDs, and ask for no names
    #[arg(long)]
    ids: bool,

    #[command(flatten)]
    place: InStore,
}

impl Blame {
    pub async fn run(self) -> Done {
        let store = self.place.open().await?;
        let path = find::path(&self.path)?;
        let memories = find::memories_of(&store, &path).await?;
        let Some(memory) = memories.first() else {
            return Err(Failure::Missing(format!("there is and was no memory at {path}")));
        };
        let mut versions = find::history(&store, memory, View::Full).await?;
        versions.reverse();
        let lines = blame(&versions);
        if self.place.json() {
            let basic = |version: &Version| Version { content: None, ..version.clone() };
            return array(lines.iter().map(|line| basic(&versions[line.version])));
        }
        let mut names =
            (!self.ids).then(|| self.place.shared.client().map(Names::new)).transpose()?;
        let mut out = self.place.shared.out();
        let digits = lines.len().to_string().len();
        for (number, line) in lines.iter().enumerate() {
            let version = &versions[line.version];
            let who = super::log::who(names.as_mut(), version).await;
            let text = line.text.strip_suffix('\n').unwrap_or(&line.text);
            let text = out.shown(text).into_owned();
            out.line(&format!(
                "{}  {who:<24}  {}  {:>digits$}  {text}",
                version.id,
                version.created_at,
                number + 1
            ))?;
        }
        out.flush()
    }
}
