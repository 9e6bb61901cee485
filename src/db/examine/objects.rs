//! Whether tables, indexes and triggers are those that the migrations make: without its triggers,
//! history is not protected any more.

use std::collections::BTreeMap;

use super::super::connection::Connection;
use super::super::dialect::Dialect;
use super::super::location::{Location, Purpose};
use super::super::migrate;
use super::super::shared::Shared;
use super::super::sql::Sql;
use super::data::SHOWN;
use super::{Exam, Grade, written};
use crate::domain::Error;
use crate::domain::limits::Limits;

/// Kinds and names of what there is, with what is to be compared of each.
pub type Objects = BTreeMap<String, String>;

const OF_A_FILE: &str = "\
    select type || ' ' || name, coalesce(sql, '') from sqlite_master where tbl_name <> \
    '_sqlx_migrations' and name not like 'sqlite\\_%' escape '\\'";

/// Of tables their columns, of functions their text, of triggers all that they say and whether they act.
const OF_A_SERVER: &str = "\
    with place as (select relnamespace as id from pg_class where oid = \
    to_regclass('_sqlx_migrations')), classes as (select c.* from pg_class c join place p on p.id = \
    c.relnamespace) \
    select 'table ' || c.relname, coalesce((select string_agg(a.attname || ' ' || \
    format_type(a.atttypid, a.atttypmod) || case when l.collname <> 'default' then ' collate ' || \
    l.collname else '' end || case when a.attnotnull then ' not null' else '' end || case when \
    a.atthasdef then ' default' else '' end, ', ' order by a.attnum) from pg_attribute a left join \
    pg_collation l on l.oid = a.attcollation where a.attrelid = c.oid and a.attnum > 0 and not \
    a.attisdropped), '') from classes c where c.relkind in ('r', 'p') and c.relname <> \
    '_sqlx_migrations' union all \
    select 'index ' || c.relname, case when i.indisvalid then '' else 'invalid' end from classes c \
    join pg_index i on i.indexrelid = c.oid union all \
    select 'function ' || f.proname, f.prosrc from pg_proc f join place p on p.id = \
    f.pronamespace union all \
    select 'trigger ' || t.tgname || ' on ' || c.relname, pg_get_triggerdef(t.oid, true) || case \
    when t.tgenabled in ('O', 'A') then '' else ', disabled' end from pg_trigger t join classes c \
    on c.oid = t.tgrelid where not t.tgisinternal";

impl Exam<'_> {
    pub(super) async fn objects(&mut self) {
        let dialect = self.connection.dialect();
        let looked = async {
            Ok(match dialect {
                Dialect::Sqlite => {
                    (of_a_new_file().await?, found(self.connection, OF_A_FILE).await?)
                }
                Dialect::Postgres => {
                    (written::objects(), in_plain(found(self.connection, OF_A_SERVER).await?))
                }
            })
        };
        let looked: sqlx::Result<_> = looked.await;
        let (made, found) = match looked {
            Ok(looked) => looked,
            Err(error) => return self.fail("objects", &error),
        };
        let odd = odd(&made, &found);
        if odd.is_empty() {
            let text = "tables, indexes and triggers are those of the schema";
            return self.find("objects", Grade::Ok, text);
        }
        let shown = odd.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join("; ");
        let text = format!("{} not as the schema has them: {shown}", odd.len());
        self.find("objects", Grade::Fail, text);
    }
}

async fn found(connection: &mut Connection, sql: &'static str) -> sqlx::Result<Objects> {
    let rows = connection.fetch_all(Sql::new(sql)).await?;
    rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}

/// Triggers in the words of a server, so that they compare with those of the migrations.
fn in_plain(mut found: Objects) -> Objects {
    for (_, is) in found.iter_mut().filter(|(name, _)| name.starts_with("trigger ")) {
        *is = written::plain(is);
    }
    found
}

/// What the migrations make of nothing.
async fn of_a_new_file() -> sqlx::Result<Objects> {
    let memory = Location::Memory;
    let shared = Shared::open(&memory, Purpose::Upkeep, Limits::default()).map_err(failed)?;
    let mut held = shared.opened(&memory).await.map_err(failed)?;
    migrate::update(&mut held, &memory).await.map_err(failed)?;
    found(&mut held, OF_A_FILE).await
}

fn failed(error: Error) -> sqlx::Error {
    sqlx::Error::Configuration(Box::new(error))
}

/// What is missing, what is not as it was made, and triggers that nobody of ours has made.
fn odd(made: &Objects, found: &Objects) -> Vec<String> {
    let mut odd = Vec::new();
    for (name, is) in made {
        match found.get(name) {
            None => odd.push(format!("{name} is missing")),
            Some(now) if !now.split_whitespace().eq(is.split_whitespace()) => {
                odd.push(format!("{name} is another one or disabled"));
            }
            Some(_) => {}
        }
    }
    let more =
        found.keys().filter(|name| name.starts_with("trigger ") && !made.contains_key(*name));
    odd.extend(more.map(|name| format!("{name} is none of ours")));
    odd
}
