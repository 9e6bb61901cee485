//! Which schemas this program may work on.

use std::collections::BTreeMap;

use sqlx::migrate::{MigrateError, Migrator};

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
