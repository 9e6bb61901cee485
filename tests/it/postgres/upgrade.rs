//! An upgrade whose connection is cut after any message: the next start finishes it, and nothing is
//! lost.

use memstored::db::{Db, Durability, Fresh};
use memstored::domain::id::{RequestId, WorkspaceId};
use memstored::domain::limits::Limits;
use memstored::domain::time::Timestamp;

use super::proxy::Proxy;
use crate::support::{Database, Soak, old};

const CUTS: u64 = 12;
/// About as many messages as an upgrade takes.
const MOST: u64 = 100;

#[tokio::test]
async fn an_upgrade_that_is_cut_after_any_message_is_finished_by_the_next_start() {
    let mut soak = Soak::of("upgrade", CUTS);
    let (mut rounds, mut cut) = (0, 0);
    while let Some(seed) = soak.next_seed() {
        let database = Database::postgres();
        let mut direct = database.direct().await;
        old::fill(&mut direct).await;
        let proxy = Proxy::before(&database).await;
        let location = proxy.location(&database);
        let open = || {
            let fresh = Fresh {
                organization: "none".into(),
                workspace: WorkspaceId::new("2"),
                request: RequestId::new("1"),
                at: Timestamp::from_micros(0),
            };
            Db::open(&location, Durability::Full, Limits::default(), fresh)
        };

        proxy.cut_after(i64::try_from(1 + seed.wrapping_mul(17) % MOST).unwrap());
        let first = open().await;
        let has_cut = proxy.has_cut();
        soak.count("cut", usize::from(has_cut));
        (rounds, cut) = (rounds + 1, cut + u64::from(has_cut));
        soak.count("refused", usize::from(first.is_err()));
        drop(first);
        let db = open().await.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        db.close().await;

        old::check(&mut direct).await;
    }
    assert!(rounds < CUTS || cut > 0, "{cut} of {rounds} were cut");
}
