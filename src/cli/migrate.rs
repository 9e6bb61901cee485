//! `memstored migrate`

use clap::Args;
use serde_json::json;

use super::target::DatabaseFlags;
use super::{Done, Failure, output};
use crate::app::upkeep;
use crate::db::Schema;

#[derive(Args, Debug)]
#[command(after_help = "\
`memstored serve` does the same when it starts. Run this before it where its database user may not
change the schema. A schema that is newer than this program is refused.

Examples:
  memstored migrate --check
  memstored migrate --database-url postgres://owner@db.example/memstored")]
pub struct Migrate {
    /// Change nothing; exit with 1 where the schema is not up to date
    #[arg(long)]
    check: bool,

    #[command(flatten)]
    database: DatabaseFlags,
}

pub async fn run(migrate: Migrate) -> Done {
    let DatabaseFlags { database_url, json } = &migrate.database;
    let schema = if migrate.check {
        upkeep::schema(database_url).await?
    } else {
        upkeep::migrate(database_url).await?
    };
    if *json {
        output::json(&shown(&schema, migrate.check))?;
    } else {
        say(&schema, migrate.check)?;
    }
    if migrate.check && !schema.missing.is_empty() {
        return Err(Failure::Failed(format!(
            "the schema of {database_url} is not up to date: run `memstored migrate`"
        )));
    }
    Ok(())
}

fn say(schema: &Schema, check: bool) -> Done {
    let done = if check { "missing" } else { "applied" };
    for (version, name) in &schema.missing {
        output::print(&format!("{done} {version} {name}"))?;
    }
    if schema.missing.is_empty() {
        output::print(&format!("schema {}, up to date", schema.applied))?;
    }
    Ok(())
}

fn shown(schema: &Schema, check: bool) -> serde_json::Value {
    let migrations = schema.missing.iter();
    let migrations: Vec<_> =
        migrations.map(|(version, name)| json!({"version": version, "name": name})).collect();
    let now = if check { schema.applied } else { schema.latest };
    json!({
        "schema": now,
        "latest": schema.latest,
        if check { "missing" } else { "applied" }: migrations,
    })
}
