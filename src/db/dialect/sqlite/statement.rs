//! Statements of SQLite's: each runs to its end on the thread that asks for it, and stays prepared.

use std::time::{Duration, Instant};

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, Statement, ToSql, ffi};
use tokio::runtime::{Handle, RuntimeFlavor};

use super::error::{code, trouble};
use crate::db::sql::{Arg, Row, Sql};

/// A read that takes longer is begun again where nobody has to wait for its thread.
const SOON: Duration = Duration::from_millis(20);
/// One that takes longer is given up, as on Postgres.
const AT_MOST: Duration = Duration::from_secs(15);
/// Steps of SQLite's machine between two looks at the clock.
const STEPS: i32 = 256;

/// A value of one of the types that the schema has.
#[derive(Debug)]
pub enum Value {
    Null,
    Integer(i64),
    Text(String),
    Bytes(Vec<u8>),
}

/// Runs a statement; answers how many rows it changed.
pub fn execute(connection: &Connection, sql: &Sql) -> sqlx::Result<u64> {
    let run = || {
        let mut statement = prepare(connection, sql)?;
        let mut rows = statement.raw_query();
        while rows.next()?.is_some() {}
        Ok(connection.changes())
    };
    run().map_err(trouble)
}

/// All rows that a statement gives.
pub fn fetch_all(connection: &Connection, sql: &Sql) -> sqlx::Result<Vec<Row>> {
    let run = || {
        let mut statement = prepare(connection, sql)?;
        let mut rows = statement.raw_query();
        let mut fetched = Vec::new();
        while let Some(row) = rows.next()? {
            fetched.push(values(row)?);
        }
        Ok(fetched)
    };
    run().map_err(trouble)
}

/// The first row that a statement gives; what would come after it is not looked for, so this is for
/// statements that only read.
pub fn fetch_optional(connection: &Connection, sql: &Sql) -> sqlx::Result<Option<Row>> {
    let run = || prepare(connection, sql)?.raw_query().next()?.map(values).transpose();
    run().map_err(trouble)
}

/// Reads beside others who need the thread. What is not done [`SOON`] is begun again where it holds
/// nobody up: to move the others costs more than most reads do. It may run twice, so it only reads.
pub fn aside<T>(
    connection: &Connection,
    read: impl Fn(&Connection) -> sqlx::Result<T>,
) -> sqlx::Result<T> {
    let soon = within(SOON, connection, &read);
    if !is_interrupted(&soon) {
        return soon;
    }
    let late = in_place(|| within(AT_MOST, connection, &read));
    if is_interrupted(&late) {
        tracing::warn!("a read is given up after {AT_MOST:?}");
    }
    late
}

fn is_interrupted<T>(read: &sqlx::Result<T>) -> bool {
    read.as_ref().is_err_and(|error| code(error) == Some(ffi::SQLITE_INTERRUPT))
}

/// A runtime of one thread has no other.
fn in_place<T>(run: impl FnOnce() -> T) -> T {
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::CurrentThread => run(),
        _ => tokio::task::block_in_place(run),
    }
}

fn within<T>(
    time: Duration,
    connection: &Connection,
    read: impl Fn(&Connection) -> sqlx::Result<T>,
) -> sqlx::Result<T> {
    let begun = Instant::now();
    let is_over = move || begun.elapsed() > time;
    connection.progress_handler(STEPS, Some(is_over)).map_err(trouble)?;
    let done = read(connection);
    connection.progress_handler(0, None::<fn() -> bool>).map_err(trouble)?;
    done
}

fn prepare<'c>(connection: &'c Connection, sql: &Sql) -> rusqlite::Result<CachedStatement<'c>> {
    let mut statement = connection.prepare_cached(sql.text())?;
    for place in 1..=statement.parameter_count() {
        let number = number(&statement, place);
        let given = number.checked_sub(1).and_then(|at| sql.args().get(at));
        let arg = given.ok_or(rusqlite::Error::InvalidParameterCount(number, sql.args().len()))?;
        statement.raw_bind_parameter(place, arg)?;
    }
    Ok(statement)
}

/// Which value stands at a place: SQLite takes `$2` for a name, and counts names as they come.
fn number(statement: &Statement<'_>, place: usize) -> usize {
    match statement.parameter_name(place) {
        Some(name) => name.trim_start_matches('$').parse().unwrap_or(0),
        None => place,
    }
}

fn values(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let columns = 0..row.as_ref().column_count();
    let values = columns.map(|column| value(row.get_ref(column)?, column));
    Ok(Row::Sqlite(values.collect::<rusqlite::Result<_>>()?))
}

fn value(value: ValueRef<'_>, column: usize) -> rusqlite::Result<Value> {
    Ok(match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Text(text) => match std::str::from_utf8(text) {
            Ok(text) => Value::Text(text.to_owned()),
            Err(error) => return Err(rusqlite::Error::Utf8Error(column, error)),
        },
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
        ValueRef::Real(_) => {
            let (name, kind) = (String::new(), value.data_type());
            return Err(rusqlite::Error::InvalidColumnType(column, name, kind));
        }
    })
}

impl ToSql for Arg {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let value = match self {
            Self::Text(text) => text.as_ref().map(|text| ValueRef::Text(text.as_bytes())),
            Self::Integer(number) => number.map(ValueRef::Integer),
            Self::Bytes(bytes) => bytes.as_ref().map(|bytes| ValueRef::Blob(bytes)),
        };
        Ok(ToSqlOutput::Borrowed(value.unwrap_or(ValueRef::Null)))
    }
}

/// What a column can be read as.
pub trait Read<'r>: Sized {
    /// `None` where it holds something else.
    fn read(value: &'r Value) -> Option<Self>;
}

macro_rules! reads {
    ($($to:ty: $variant:ident($value:ident) => $read:expr;)*) => {$(
        impl<'r> Read<'r> for $to {
            fn read(value: &'r Value) -> Option<Self> {
                match value {
                    Value::$variant($value) => Some($read),
                    _ => None,
                }
            }
        }

        impl<'r> Read<'r> for Option<$to> {
            fn read(value: &'r Value) -> Option<Self> {
                match value {
                    Value::Null => Some(None),
                    other => Read::read(other).map(Some),
                }
            }
        }
    )*};
}

reads! {
    i64: Integer(number) => *number;
    &'r str: Text(text) => text;
    String: Text(text) => text.clone();
    &'r [u8]: Bytes(bytes) => bytes;
    Vec<u8>: Bytes(bytes) => bytes.clone();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_row_is_read_where_one_is_asked_for() {
        let connection = Connection::open_in_memory().unwrap();
        let fails_at_the_second =
            Sql::new("select abs(column1) from (values (1), (-9223372036854775808))");
        assert!(fetch_all(&connection, &fails_at_the_second).is_err());

        let row = fetch_optional(&connection, &fails_at_the_second).unwrap().unwrap();

        assert_eq!(row.get::<i64>(0).unwrap(), 1);
        assert!(!connection.is_busy());
    }

    /// Reads more than a moment takes.
    const LONG: &str = "with recursive n (i) as (select 1 union all select i + 1 from n where \
                        i < 100000) select count(*) from n where i > 0";

    #[test]
    fn what_takes_too_long_is_interrupted_and_leaves_nothing_open() {
        let folder = tempfile::tempdir().unwrap();
        let [reader, writer] =
            [(); 2].map(|()| Connection::open(folder.path().join("db")).unwrap());
        let mode = |row: &rusqlite::Row<'_>| row.get::<_, String>(0);
        writer.pragma_update_and_check(None, "journal_mode", "wal", mode).unwrap();
        writer.execute_batch("create table t (x)").unwrap();
        let rows = Sql::new("select count(*) from t");

        reader.execute_batch("begin").unwrap();
        fetch_optional(&reader, &rows).unwrap();
        let late =
            within(Duration::ZERO, &reader, |reader| fetch_optional(reader, &Sql::new(LONG)));
        assert!(is_interrupted(&late), "{late:?}");
        writer.execute_batch("insert into t values (1)").unwrap();

        let counted =
            |sql: &Sql| fetch_optional(&reader, sql).unwrap().unwrap().get::<i64>(0).unwrap();
        assert_eq!(counted(&Sql::new(LONG)), 100_000, "and again, unbounded");
        assert_eq!(counted(&rows), 0, "the transaction still sees its own state");
        reader.execute_batch("commit").unwrap();
        assert_eq!(counted(&rows), 1);
        assert!(!reader.is_busy());
        let held_up = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
        let held_up = writer.query_row("pragma wal_checkpoint(truncate)", [], held_up);
        assert_eq!(held_up.unwrap(), 0, "no read is left open");
    }

    #[tokio::test]
    async fn one_row_that_takes_long_is_read_beside_others_too() {
        let connection = Connection::open_in_memory().unwrap();
        let tries = std::cell::Cell::new(0);

        let row = aside(&connection, |connection| {
            tries.set(tries.get() + 1);
            if tries.get() == 1 {
                std::thread::sleep(SOON);
            }
            fetch_optional(connection, &Sql::new(LONG))
        });

        assert_eq!(row.unwrap().unwrap().get::<i64>(0).unwrap(), 100_000);
        assert_eq!(tries.get(), 2);
    }
}
