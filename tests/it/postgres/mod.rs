//! What only Postgres has: several instances, conflicts, a database that goes away. Part of every
//! run, whatever it is about.

mod compose;
