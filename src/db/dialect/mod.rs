//! What the two databases do differently: how a transaction begins and how a row is locked here, how
//! they are opened and what their errors mean in `sqlite` and `postgres`.

pub mod postgres;
pub mod sqlite;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    /// Begins a transaction that may write. SQLite waits here for another process where there is
    /// one.
    pub fn begin(self) -> &'static str {
        match self {
            Self::Sqlite => "begin immediate",
            Self::Postgres => "begin isolation level read committed",
        }
    }

    pub fn begin_snapshot(self) -> &'static str {
        match self {
            Self::Sqlite => "begin",
            Self::Postgres => "begin isolation level repeatable read read only",
        }
    }

    /// Ends a select whose rows nobody else may change until the transaction ends. SQLite has one
    /// writer anyway.
    pub fn lock(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => " for no key update",
        }
    }

    /// The same, past rows that somebody else holds.
    pub fn lock_free(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => " for no key update skip locked",
        }
    }

    /// Counts the tables there are, see `schema::Tables`. Those of extensions are nobody's.
    pub fn tables(self) -> &'static str {
        match self {
            Self::Sqlite => sqlite::TABLES,
            Self::Postgres => postgres::TABLES,
        }
    }

    /// Whether redacted bytes have to be erased from the file. Postgres leaves that to its
    /// operator.
    pub fn erases(self) -> bool {
        self == Self::Sqlite
    }
}

/// What an error means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Someone else holds what is needed.
    Busy,
    /// Two transactions were in each other's way, and this one was taken back.
    Conflict,
    DiskFull,
    CantOpen,
    /// Postgres: a right is missing.
    Denied,
    /// The connection, or the whole database, is gone.
    Lost,
    /// SQLite would go on committing although the disk has lost something.
    Fatal,
    /// None of these: a defect.
    Unexpected,
}
