//! Clocks that jump, go back or stand still, and a server that starts again with an earlier one: the
//! times of a store grow with every change, and sort as its sequence does.

use std::sync::Arc;

use memstored::clock::SystemSource;
use proptest::prelude::Rng;
use serde_json::json;

use crate::support::server::{NOW, Setup, column, text};
use crate::support::{Database, Server, Soak, numbers};

const ROUNDS: u64 = 10;
const CHANGES: usize = 24;
const HOUR: u64 = 3_600_000_000;

async fn server_on(database: &Database, now: u64) -> Server {
    let (location, source) = (Some(database.location()), Arc::new(SystemSource));
    Server::with(Setup { location, source, now, ..Setup::default() }).await
}

#[tokio::test]
async fn times_grow_with_the_sequence_whatever_the_clock_says() {
    let mut soak = Soak::of("clocks", ROUNDS);
    while let Some(seed) = soak.next_seed() {
        let mut rng = numbers(seed);
        let database = Database::fresh();
        let mut server = server_on(&database, NOW).await;
        let store = server.store().await;
        let made = server.memory(&store, "/a", "0").await;
        let memory = format!("{store}/memories/{}", text(&made, "id"));
        for number in 1..CHANGES {
            let jump = u64::from(rng.next_u32() % 1000) * HOUR / 100;
            match rng.next_u32() % 5 {
                0 => server.clock.set_micros(NOW + jump),
                1 => server.clock.set_micros(NOW - jump),
                2 if number % 8 == 0 => server = server_on(&database, NOW - jump).await,
                _ => {}
            }
            server.post(&memory, json!({"content": number.to_string()})).await.ok();
        }

        let versions = server.versions(&store).await;
        let contents = column(&json!({"data": versions}), "content");
        let written: Vec<_> = (0..CHANGES).rev().map(|number| number.to_string()).collect();
        assert_eq!(contents, written, "seed {seed}: newest first is last first");
        let times = column(&json!({"data": versions}), "created_at");
        assert!(times.is_sorted_by(|newer, older| newer > older), "seed {seed}: {times:?}");
        let head = server.get(&memory).await.ok();
        assert_eq!(text(&head, "updated_at"), times[0], "seed {seed}");

        // Lists by time agree with all that.
        let middle = CHANGES / 2;
        let since = format!("{store}/memory_versions?view=full&created_at[gte]={}", times[middle]);
        let since = column(&server.get(&since.replace('+', "%2B")).await.ok(), "created_at");
        assert_eq!(since, times[..=middle], "seed {seed}");
        database.direct().await.check_history().await;
        soak.count("changes", CHANGES);
    }
}
