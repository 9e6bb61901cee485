//! The only place that reads the clock and the random source.
//!
//! Both are fields of [`crate::app::App`]. A test passes a fixed clock and a counter, so that times
//! and identifiers can be written down in advance.

use std::sync::atomic::{AtomicU64, Ordering};

use ulid::Ulid;

use crate::domain::time::Timestamp;

/// Tells the time.
pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;
}

/// Draws what must not be guessed or repeated.
pub trait Source: Send + Sync {
    fn bytes(&self) -> [u8; 32];
}

/// The machine's clock.
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(jiff::Timestamp::now().as_microsecond())
    }
}

/// The machine's random source.
pub struct SystemSource;

impl Source for SystemSource {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that draws randomness")]
    fn bytes(&self) -> [u8; 32] {
        rand::random()
    }
}

/// Tells what it was set to, and moves on when told to.
pub struct ManualClock(AtomicU64);

impl ManualClock {
    pub const fn at_micros(micros: u64) -> Self {
        Self(AtomicU64::new(micros))
    }

    pub fn set_micros(&self, micros: u64) {
        self.0.store(micros, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(i64::try_from(self.0.load(Ordering::SeqCst)).unwrap_or(i64::MAX))
    }
}

/// Counts 1, 2, 3, …
#[derive(Default)]
pub struct Counter(AtomicU64);

impl Source for Counter {
    fn bytes(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        let next = self.0.fetch_add(1, Ordering::SeqCst) + 1;
        bytes[24..].copy_from_slice(&next.to_be_bytes());
        bytes
    }
}

/// The part of an identifier after its prefix: a ULID of `at`.
pub fn suffix(source: &dyn Source, at: Timestamp) -> String {
    let bytes = source.bytes();
    let mut random = [0; 16];
    random.copy_from_slice(&bytes[16..]);
    Ulid::from_parts(at.millis(), u128::from_be_bytes(random)).to_string()
}

/// A random (version 4) UUID.
pub fn uuid(source: &dyn Source) -> String {
    let bytes = source.bytes();
    let mut random = [0; 16];
    random.copy_from_slice(&bytes[16..]);
    uuid::Builder::from_random_bytes(random).into_uuid().to_string()
}
