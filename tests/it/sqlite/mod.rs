//! What only SQLite has. Not part of a run on Postgres.

mod disk;
mod erasure;
mod faults;
mod heads;
mod lists;
mod schema;
mod upgrade;
