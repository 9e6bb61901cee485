//! One text for both drivers: a statement with its values, and the rows that come back.
//!
//! Parameters are `$1`, `$2`, … in texts that are written out, and `?` in texts that are put
//! together: SQLite looks the name of each parameter up in a list of all, which for a batch of
//! rows costs as much as its rows. Postgres gets its numbers when the text is sent. The values are
//! owned, so that a statement can be built before it is known which connection runs it, and run
//! again after a conflict.

use std::borrow::Cow;

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{Arguments, AssertSqlSafe, Decode, Postgres, Row as _, SqlSafeStr, SqlStr, Type};

use super::dialect::sqlite::{Read, Value};

/// A value of one of the three types that the schema has.
#[derive(Clone, Debug)]
pub enum Arg {
    Text(Option<String>),
    Integer(Option<i64>),
    Bytes(Option<Vec<u8>>),
}

macro_rules! arguments {
    ($($from:ty => |$value:ident| $arg:expr;)*) => {$(
        impl From<$from> for Arg {
            fn from($value: $from) -> Self {
                $arg
            }
        }
    )*};
}

arguments! {
    &str => |text| Self::Text(Some(text.to_owned()));
    String => |text| Self::Text(Some(text));
    Option<&str> => |text| Self::Text(text.map(str::to_owned));
    Option<String> => |text| Self::Text(text);
    i64 => |number| Self::Integer(Some(number));
    Option<i64> => |number| Self::Integer(number);
    &[u8] => |bytes| Self::Bytes(Some(bytes.to_vec()));
    &[u8; 32] => |bytes| Self::Bytes(Some(bytes.to_vec()));
    Option<&[u8]> => |bytes| Self::Bytes(bytes.map(<[u8]>::to_vec));
    Option<Vec<u8>> => |bytes| Self::Bytes(bytes);
}

/// A statement, or a script of several.
#[derive(Clone, Debug, Default)]
pub struct Sql {
    text: Cow<'static, str>,
    args: Vec<Arg>,
    /// Whether parameters stand in the text by number.
    numbered: bool,
}

impl Sql {
    pub fn new(text: &'static str) -> Self {
        Self { text: Cow::Borrowed(text), ..Self::default() }
    }

    /// Gives the next of the parameters that stand in the text.
    pub fn bind(mut self, arg: impl Into<Arg>) -> Self {
        self.args.push(arg.into());
        self.numbered = true;
        self
    }

    pub fn push(&mut self, text: &str) -> &mut Self {
        self.text.to_mut().push_str(text);
        self
    }

    /// Writes the next parameter, and gives its value.
    pub fn push_bind(&mut self, arg: impl Into<Arg>) -> &mut Self {
        self.args.push(arg.into());
        if self.numbered {
            let number = self.args.len();
            return self.push(&format!("${number}"));
        }
        self.push("?")
    }

    /// Writes `values (…), (…)`, a row for each item.
    pub fn push_values<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        row: impl Fn(T) -> Vec<Arg>,
    ) -> &mut Self {
        for (at, item) in items.into_iter().enumerate() {
            self.push(if at == 0 { "values (" } else { ", (" });
            self.push_list(row(item)).push(")");
        }
        self
    }

    /// Writes parameters with commas between.
    pub fn push_list<A: Into<Arg>>(&mut self, args: impl IntoIterator<Item = A>) -> &mut Self {
        for (at, arg) in args.into_iter().enumerate() {
            if at > 0 {
                self.push(", ");
            }
            self.push_bind(arg);
        }
        self
    }

    /// Puts another statement's text and values behind this one's; parameters of neither are
    /// numbered.
    pub fn append(&mut self, other: Self) -> &mut Self {
        debug_assert!(!self.numbered && !other.numbered);
        self.args.extend(other.args);
        self.push(&other.text)
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn args(&self) -> &[Arg] {
        &self.args
    }

    /// The text, with all parameters by number, and the values, as Postgres takes them.
    pub(super) fn for_postgres(self) -> sqlx::Result<(SqlStr, PgArguments)> {
        let mut arguments = PgArguments::default();
        let positional = !self.numbered && !self.args.is_empty();
        let text = if positional { Cow::Owned(numbered(&self.text)) } else { self.text };
        for arg in self.args {
            match arg {
                Arg::Text(text) => arguments.add(text),
                Arg::Integer(number) => arguments.add(number),
                Arg::Bytes(bytes) => arguments.add(bytes),
            }
            .map_err(sqlx::Error::Encode)?;
        }
        Ok((safe(text), arguments))
    }
}

fn numbered(text: &str) -> String {
    let mut parts = text.split('?');
    let mut numbered = parts.next().unwrap_or_default().to_owned();
    for (at, part) in parts.enumerate() {
        numbered.push('$');
        numbered.push_str(&(at + 1).to_string());
        numbered.push_str(part);
    }
    numbered
}

/// The text holds constants and parameters' numbers only: what a client sent is always an [`Arg`].
fn safe(text: Cow<'static, str>) -> SqlStr {
    match text {
        Cow::Borrowed(text) => text.into_sql_str(),
        Cow::Owned(text) => AssertSqlSafe(text).into_sql_str(),
    }
}

/// A row of either driver.
#[derive(Debug)]
pub enum Row {
    Sqlite(Box<[Value]>),
    Postgres(PgRow),
}

/// What a column can be read as.
pub trait Column<'r>: Read<'r> + Decode<'r, Postgres> + Type<Postgres> {}

impl<'r, T: Read<'r> + Decode<'r, Postgres> + Type<Postgres>> Column<'r> for T {}

impl Row {
    pub fn get<'r, T: Column<'r>>(&'r self, column: usize) -> sqlx::Result<T> {
        match self {
            Self::Sqlite(values) => values.get(column).and_then(T::read).ok_or_else(|| {
                sqlx::Error::Decode(format!("column {column} is of another type").into())
            }),
            Self::Postgres(row) => row.try_get(column),
        }
    }
}
