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
use super::{Exam, Grade};
use crate::domain::Error;
use crate::domain::limits::Limits;

/// Kinds and names of what there is, with what is to be compared of each.
type Objects = BTreeMap<String, String>;

const OF_A_FILE: &str = "\
    select type || ' ' || name, coalesce(sql, '') from sqlite_master where tbl_name <> \
    '_sqlx_migrations' and name not like 'sqlite\\_%' escape '\\'";

/// Of functions their text, of triggers their function and whether they act.
const OF_A_SERVER: &str = "\
    with place as (select relnamespace as id from pg_class where oid = \
    to_regclass('_sqlx_migrations')), classes as (select c.* from pg_class c join place p on p.id = \
    c.relnamespace) \
    select 'table ' || relname, '' from classes where relkind in ('r', 'p') and relname <> \
    '_sqlx_migrations' union all \
    select 'index ' || c.relname, case when i.indisvalid then '' else 'invalid' end from classes c \
    join pg_index i on i.indexrelid = c.oid union all \
    select 'function ' || f.proname, f.prosrc from pg_proc f join place p on p.id = \
    f.pronamespace union all \
    select 'trigger ' || t.tgname || ' on ' || c.relname, f.proname || case when t.tgenabled in \
    ('O', 'A') then '' else ', disabled' end from pg_trigger t join classes c on c.oid = t.tgrelid \
    join pg_proc f on f.oid = t.tgfoid where not t.tgisinternal";

impl Exam<'_> {
    pub(super) async fn objects(&mut self) {
        let dialect = self.connection.dialect();
        let looked = async {
            Ok(match dialect {
                Dialect::Sqlite => {
                    (of_a_new_file().await?, found(self.connection, OF_A_FILE).await?)
                }
                Dialect::Postgres => (of_migrations(), found(self.connection, OF_A_SERVER).await?),
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

/// What the migrations of Postgres say that they make. The conditions of triggers are not read.
fn of_migrations() -> Objects {
    let mut made = Objects::new();
    for text in migrate::texts(Dialect::Postgres) {
        for (at, _) in text.match_indices("\ncreate ") {
            let text = &text[at..];
            let words: Vec<_> = text.split_whitespace().take(20).collect();
            let name = |word: &str| word.split('(').next().unwrap_or_default().to_owned();
            let after = |word: &str| {
                let next = words.iter().skip_while(|one| **one != word).nth(1);
                next.map(|next| name(next)).unwrap_or_default()
            };
            match words[1] {
                kind @ ("table" | "index") => {
                    made.insert(format!("{kind} {}", name(words[2])), String::new());
                }
                "function" => {
                    let body = text.split("$$").nth(1).unwrap_or_default();
                    made.insert(format!("function {}", name(words[2])), body.to_owned());
                }
                "trigger" => {
                    let calls = text.split("execute function ").nth(1).map(name);
                    let trigger = format!("trigger {} on {}", words[2], after("on"));
                    made.insert(trigger, calls.unwrap_or_default());
                }
                _ => {}
            }
        }
    }
    made
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
