//! `memstored copy`

use std::fmt::Write;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::{Done, output};
use crate::app::upkeep;
use crate::config::DatabaseUrl;
use crate::db::{Copied, Location, Progress};

#[derive(Args, Debug)]
#[command(after_help = "\
Everything goes along, byte for byte: IDs, times, contents, versions, actors, redactions, journals,
keys (which keep working) and workspaces. Stop the servers of the source first: where it changes
meanwhile, nothing is copied. The target is made where it is missing, must hold no installation yet,
is written in one transaction, and is read back and compared before that is committed. The source is
only read; what was redacted there is not in the copy.

Examples:
  memstored copy --from sqlite:memstored.db --to postgres://memstored@db.example/memstored
  memstored copy --from postgres://memstored@db.example/memstored --to sqlite:copy.db")]
pub struct Copy {
    /// Database to copy
    #[arg(long, value_name = "URL", value_parser = DatabaseUrl)]
    from: Location,

    /// Database to copy to
    #[arg(long, value_name = "URL", value_parser = DatabaseUrl)]
    to: Location,

    /// Print what was copied as JSON
    #[arg(long)]
    json: bool,
}

pub async fn run(copy: Copy) -> Done {
    let bar = ProgressBar::no_length().with_style(style());
    let copied = upkeep::copy(&copy.from, &copy.to, &mut |progress| show(&bar, progress)).await;
    bar.finish_and_clear();
    let copied = copied?;
    if copy.json {
        return output::json(&copied.iter().map(Shown::from).collect::<Vec<_>>());
    }
    let head = ["TABLE", "ROWS", "SHA-256 OF ALL"];
    let rows = copied.iter();
    let rows = rows.map(|one| vec![one.table.into(), one.rows.to_string(), hex(&one.sha256)]);
    output::rows(&head, &rows.collect::<Vec<_>>())?;
    output::say(&format!("copied {} to {}, and compared", copy.from, copy.to));
    Ok(())
}

fn style() -> ProgressStyle {
    const TEMPLATE: &str = "{msg:<26} {wide_bar} {pos}/{len} rows, {eta} left";
    ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn show(bar: &ProgressBar, progress: Progress) {
    let doing = if progress.comparing { "comparing" } else { "copying" };
    bar.set_length(progress.of);
    bar.set_position(progress.done);
    bar.set_message(format!("{doing} {}", progress.table));
}

#[derive(Serialize)]
struct Shown {
    table: &'static str,
    rows: u64,
    sha256: String,
}

impl From<&Copied> for Shown {
    fn from(copied: &Copied) -> Self {
        Self { table: copied.table, rows: copied.rows, sha256: hex(&copied.sha256) }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
