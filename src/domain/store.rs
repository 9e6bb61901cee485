//! Memory stores, and the ledger that numbers and times what happens in one.

use super::id::{StoreId, WorkspaceId};
use super::text::{Metadata, MetadataPatch};
use super::time::Timestamp;

/// A store that is not deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    pub id: StoreId,
    pub workspace: WorkspaceId,
    pub name: String,
    pub description: String,
    pub metadata: Metadata,
    pub created_at: Timestamp,
    /// Moves with name, description, metadata and archiving; never with memories.
    pub updated_at: Timestamp,
    pub archived_at: Option<Timestamp>,
    /// Live memories, for the cap.
    pub memories: u64,
    pub ledger: Ledger,
}

/// The last number and instant given in a store or workspace. Both only grow, so that time sorts
/// as the sequence does, whatever the clock says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ledger {
    pub seq: i64,
    pub at: Timestamp,
}

impl Ledger {
    pub const EMPTY: Self = Self { seq: 0, at: Timestamp::from_micros(i64::MIN) };

    /// Takes the next number, and `now` or the first instant after the last one.
    pub fn advance(&mut self, now: Timestamp) -> (i64, Timestamp) {
        self.seq += 1;
        self.at = match self.seq {
            1 => now,
            _ => now.max(self.at.next()),
        };
        (self.seq, self.at)
    }
}

/// What is asked for when a store is made.
#[derive(Clone, Debug)]
pub struct NewStore {
    pub name: String,
    pub description: String,
    pub metadata: Metadata,
}

/// What an update of a store asks for; `None` leaves a field as it is.
#[derive(Clone, Debug)]
pub struct StorePatch {
    pub name: Option<String>,
    pub description: Option<String>,
    pub metadata: Option<MetadataPatch>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_increases_even_when_the_clock_does_not() {
        let now = Timestamp::from_micros(10);
        let mut ledger = Ledger::EMPTY;

        assert_eq!(ledger.advance(now), (1, now));
        assert_eq!(ledger.advance(now), (2, Timestamp::from_micros(11)));
        assert_eq!(ledger.advance(Timestamp::from_micros(5)), (3, Timestamp::from_micros(12)));
        assert_eq!(ledger.advance(Timestamp::from_micros(50)), (4, Timestamp::from_micros(50)));
    }
}
