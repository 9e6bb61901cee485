//! A limit of requests per credential, off by default.

use std::num::NonZeroU32;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::domain::access::Credential;
use crate::domain::{Error, Result};

/// Credentials that are counted before those that rested are looked for.
const KEPT: usize = 10_000;

/// So many requests a minute, which may come all at once.
pub struct Rate(Option<(NonZeroU32, DefaultKeyedRateLimiter<Credential>)>);

impl Rate {
    pub fn per_minute(limit: Option<NonZeroU32>) -> Self {
        Self(limit.map(|limit| (limit, RateLimiter::keyed(Quota::per_minute(limit)))))
    }

    /// Counts one request of a credential, or refuses it.
    pub fn take(&self, key: &Credential) -> Result<()> {
        let Some((limit, limiter)) = &self.0 else { return Ok(()) };
        // Credentials come and go: those that rested long enough to be as new are forgotten.
        if limiter.len() >= KEPT {
            limiter.retain_recent();
        }
        limiter.check_key(key).map_err(|not_until| {
            let wait = not_until.wait_time_from(DefaultClock::default().now());
            Error::RateLimited { per_minute: limit.get(), retry_after_seconds: wait.as_secs() + 1 }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::ApiKeyId;

    #[test]
    fn each_key_has_its_own_limit() {
        let rate = Rate::per_minute(NonZeroU32::new(2));
        let key = |number| Credential::Key(ApiKeyId::new(number));
        let (one, other) = (key("1"), key("2"));

        assert!(rate.take(&one).is_ok());
        assert!(rate.take(&one).is_ok());
        let refused = rate.take(&one).unwrap_err();
        assert!(matches!(
            refused,
            Error::RateLimited { per_minute: 2, retry_after_seconds: 1..=31 }
        ));
        assert!(rate.take(&other).is_ok());
    }
}
