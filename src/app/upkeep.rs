//! What an operator does with a database while no server of this process has it open.

use crate::clock::{Clock, SystemClock};
use crate::db::{self, Copied, Finding, Location, Progress, Schema};
use crate::domain::{Error, Result};

/// How the schema stands; changes nothing.
pub async fn schema(location: &Location) -> Result<Schema> {
    require(location)?;
    db::schema(location).await
}

/// Brings the schema up to date; answers how it stood before.
pub async fn migrate(location: &Location) -> Result<Schema> {
    refuse_memory(location)?;
    db::migrate(location).await
}

/// Refuses a place that holds no database of memstored.
pub async fn require_database(location: &Location) -> Result<()> {
    match schema(location).await?.applied {
        0 => Err(none(location)),
        _ => Ok(()),
    }
}

/// Looks a database over; reports each finding as it comes.
pub async fn examine(location: &Location, report: &mut (dyn FnMut(Finding) + Send)) -> Result<()> {
    require(location)?;
    db::examine(location, || SystemClock.now(), report).await;
    Ok(())
}

/// Moves a whole installation.
pub async fn copy(
    from: &Location,
    to: &Location,
    report: &mut (dyn FnMut(Progress) + Send),
) -> Result<Vec<Copied>> {
    require(from)?;
    refuse_memory(to)?;
    db::copy(from, to, report).await
}

fn require(location: &Location) -> Result<()> {
    refuse_memory(location)?;
    if location.is_missing() { Err(none(location)) } else { Ok(()) }
}

fn refuse_memory(location: &Location) -> Result<()> {
    match location {
        Location::Memory => Err(Error::invalid("an in-memory database is private to its server")),
        Location::File(_) | Location::Postgres(_) => Ok(()),
    }
}

fn none(location: &Location) -> Error {
    Error::Unavailable {
        reason: format!("there is no database of memstored at {location}"),
        retry: false,
    }
}
