//! A trouble that lasts: said when it begins, once in a while with its count, and when it is over.
//! So what fails ten times a second is a line a minute.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const SAID_EVERY: Duration = Duration::from_mins(1);
/// A trouble that returns sooner has not been over.
const QUIET: Duration = Duration::from_secs(1);

/// One kind of trouble.
#[derive(Default)]
pub struct Spell(Mutex<Option<Lasting>>);

struct Lasting {
    count: u64,
    last: Instant,
    said: Instant,
}

impl Spell {
    /// Notes the trouble; answers how often it was met where that is to be said now.
    pub fn met(&self) -> Option<u64> {
        self.met_at(Instant::now())
    }

    /// Notes that it went well; answers how often the trouble was met where that is to be said now.
    pub fn over(&self) -> Option<u64> {
        let mut spell = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let over = spell.take_if(|spell| spell.last.elapsed() >= QUIET);
        over.map(|spell| spell.count)
    }

    fn met_at(&self, now: Instant) -> Option<u64> {
        let mut spell = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(spell) = &mut *spell else {
            *spell = Some(Lasting { count: 1, last: now, said: now });
            return Some(1);
        };
        spell.count += 1;
        spell.last = now;
        if now.duration_since(spell.said) < SAID_EVERY {
            return None;
        }
        spell.said = now;
        Some(spell.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trouble_is_said_when_it_begins_and_once_a_minute() {
        let (spell, begun) = (Spell::default(), Instant::now());

        let said: Vec<_> =
            (0..1201).filter_map(|tenth| spell.met_at(begun + QUIET * tenth / 10)).collect();

        assert_eq!(said, [1, 601, 1201]);
    }

    #[test]
    fn a_trouble_is_over_once_and_after_a_while() {
        let spell = Spell::default();
        let long_ago = Instant::now().checked_sub(QUIET).unwrap();

        assert_eq!(spell.over(), None);
        spell.met_at(long_ago);
        spell.met();
        assert_eq!(spell.over(), None, "it was met just now");
        let spell = Spell::default();
        spell.met_at(long_ago);
        assert_eq!((spell.over(), spell.over()), (Some(1), None));
        assert_eq!(spell.met(), Some(1), "another one begins");
    }
}
