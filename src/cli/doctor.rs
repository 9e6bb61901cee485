//! `memstored doctor`

use clap::Args;
use serde::Serialize;

use super::target::DatabaseFlags;
use super::{Done, Failure, output};
use crate::app::upkeep;
use crate::db::{Finding, Grade};

#[derive(Args, Debug)]
#[command(after_help = "\
Looks at: whether the database can be reached, and how fast it answers; its schema, with tables,
indexes and triggers; clocks; whole journals; contents beside their sizes and hashes; whether a row
can be written (it is taken back); on SQLite the file's integrity, its mode, redactions that are not
erased yet, and room on the disk; on Postgres durability settings and free connections. What was
changed together with its hash it can't find. Servers may run meanwhile. It reads the whole history, so it takes longer on a large
one: on SQLite a redaction may have to wait meanwhile (503, and sent again). On Postgres it skips a
look, with a warning, that waits 5 s for a lock or takes 5 minutes. Exits with 1 where something
fails; a warning is no failure.

Examples:
  memstored doctor
  memstored doctor --database-url postgres://memstored@db.example/memstored --json")]
pub struct Doctor {
    #[command(flatten)]
    database: DatabaseFlags,
}

pub async fn run(doctor: Doctor) -> Done {
    let DatabaseFlags { database_url, json } = &doctor.database;
    let mut findings = Vec::new();
    let mut printed = Ok(());
    let mut report = |finding: Finding| {
        if !json && printed.is_ok() {
            let Finding { what, grade, text } = &finding;
            printed = output::print(&format!("{:<5} {what:<12} {text}", grade.as_str()));
        }
        findings.push(finding);
    };
    upkeep::examine(database_url, &mut report).await?;
    printed?;
    if *json {
        output::json(&findings.iter().map(Shown::from).collect::<Vec<_>>())?;
    }
    let failed = findings.iter().filter(|finding| finding.grade == Grade::Fail).count();
    if failed > 0 {
        return Err(Failure::Failed(format!("{failed} of {} looks failed", findings.len())));
    }
    Ok(())
}

#[derive(Serialize)]
struct Shown<'a> {
    what: &'a str,
    grade: &'a str,
    text: &'a str,
}

impl<'a> From<&'a Finding> for Shown<'a> {
    fn from(finding: &'a Finding) -> Self {
        Self { what: finding.what, grade: finding.grade.as_str(), text: &finding.text }
    }
}
