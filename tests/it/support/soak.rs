//! How long a part of the battery runs: its share of every run of the tests, or, under
//! `scripts/soak`, for as long as it is told. Each round has a seed of its own, and a failure says
//! how to replay the round that it came from.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::{Duration, Instant};

use proptest::test_runner::{RngAlgorithm, TestRng};

use super::database::{is_postgres, variable};

/// The seed of the first round of every run of the tests.
const FIRST_SEED: u64 = 1;

pub struct Soak {
    part: &'static str,
    first: u64,
    begun: u64,
    rounds: u64,
    until: Option<Instant>,
    counts: BTreeMap<&'static str, u64>,
}

impl Soak {
    /// A part, and how many rounds of it belong to every run of the tests.
    pub fn of(part: &'static str, rounds: u64) -> Self {
        let minutes: Option<u64> = setting("MEMSTORED_TEST_MINUTES");
        Self {
            part,
            first: setting("MEMSTORED_TEST_SEED").unwrap_or(FIRST_SEED),
            begun: 0,
            rounds: setting("MEMSTORED_TEST_ROUNDS").unwrap_or(if minutes.is_some() {
                u64::MAX
            } else {
                rounds
            }),
            until: minutes.map(|minutes| Instant::now() + Duration::from_secs(60 * minutes)),
            counts: BTreeMap::new(),
        }
    }

    /// The seed of the next round, while there is one.
    pub fn next_seed(&mut self) -> Option<u64> {
        let over = self.until.is_some_and(|until| Instant::now() >= until);
        if over || self.begun == self.rounds {
            return None;
        }
        self.begun += 1;
        Some(self.seed())
    }

    /// Adds to what is said at the end, such as acknowledged writes.
    pub fn count(&mut self, what: &'static str, number: usize) {
        *self.counts.entry(what).or_default() += u64::try_from(number).unwrap();
    }

    /// The seed of the round that is under way.
    fn seed(&self) -> u64 {
        self.first.wrapping_add(self.begun).wrapping_sub(1)
    }
}

impl Drop for Soak {
    /// Says what was done, or how to replay what has failed.
    fn drop(&mut self) {
        #[expect(clippy::print_stderr, reason = "what it says is for whoever runs the part")]
        let say = |line: String| eprintln!("{line}");
        let database = if is_postgres() { "postgres" } else { "sqlite" };
        let Self { part, begun, .. } = &*self;
        if std::thread::panicking() {
            let seed = self.seed();
            say(format!("replay: scripts/soak {part} --on {database} --seed {seed} --rounds 1"));
        }
        let counts = self.counts.iter().map(|(what, number)| format!(", {number} {what}"));
        let counts: String = counts.collect();
        say(format!("{part} on {database}: {begun} rounds from seed {}{counts}", self.first));
    }
}

/// The random numbers of a round.
pub fn numbers(seed: u64) -> TestRng {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    TestRng::from_seed(RngAlgorithm::ChaCha, &bytes)
}

fn setting<T: FromStr>(name: &str) -> Option<T> {
    let value = variable(name)?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} is a whole number, not {value}")))
}
