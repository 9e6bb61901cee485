//! Which schemas this program may work on.

use std::collections::BTreeMap;

use sqlx::migrate::{MigrateError, Migrator};

use super::location::Location;
use crate::domain::Error;

/// Numbers of the migrations that were applied, with check sums and whether each was finished.
pub type Applied = BTreeMap<i64, (Vec<u8>, bool)>;

/// Refuses what this program does not know, what was never finished, and what no release had.
pub fn check(applied: &Applied, migrator: &Migrator) -> Result<(), MigrateError> {
    for (version, (checksum, finished)) in applied.iter().rev() {
        let known = migrator.iter().find(|known| known.version == *version);
        match known.ok_or(MigrateError::VersionMissing(*version))? {
            _ if !finished => return Err(MigrateError::Dirty(*version)),
            known if *known.checksum != **checksum => {
                return Err(MigrateError::VersionMismatch(*version));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether the first of what was applied is the first that this program has.
pub fn begins(applied: &Applied, migrator: &Migrator) -> bool {
    migrator.iter().next().is_some_and(|first| {
        applied.get(&first.version).is_some_and(|(checksum, _)| *checksum == *first.checksum)
    })
}

/// How many tables there are beside that of the migrations, and how many are sure signs of
/// memstored: that one, and the installation's.
#[derive(Clone, Copy)]
pub struct Tables {
    pub others: i64,
    pub signs: i64,
}

impl Tables {
    /// Whether another program's data is here, and none of memstored's.
    pub fn are_foreign(self, applied: &Applied) -> bool {
        self.signs < 2 && (self.others > 0 || !applied.is_empty())
    }
}

pub fn foreign(location: &Location) -> Error {
    let instead = match location {
        Location::Postgres(_) => {
            "an empty database, or an empty schema with options=-csearch_path%3DNAME"
        }
        Location::File(_) | Location::Memory => "a file that is empty or not there yet",
    };
    Error::Unavailable {
        reason: format!(
            "{location} holds tables of another program, and none of memstored: name {instead}"
        ),
        retry: false,
    }
}
