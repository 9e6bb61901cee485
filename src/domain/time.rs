//! Points in time: microseconds since 1970, written as RFC 3339 in UTC with six digits.

use std::fmt;

use jiff::SignedDuration;
use jiff::civil::{DateTime, date};
use jiff::fmt::temporal::Pieces;

const EPOCH: DateTime = date(1970, 1, 1).at(0, 0, 0, 0);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The last instant that can be written.
    pub const LAST: Self = Self(253_402_300_799_999_999);

    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    pub const fn micros(self) -> i64 {
        self.0
    }

    pub const fn millis(self) -> u64 {
        if self.0 < 0 { 0 } else { (self.0 / 1000).unsigned_abs() }
    }

    /// The next instant that can be told apart from this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The last instant before this one.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(self.0 - 1)
    }

    #[must_use]
    pub fn plus_seconds(self, seconds: u64) -> Self {
        Self(self.0.saturating_add_unsigned(seconds.saturating_mul(1_000_000)))
    }

    /// Reads RFC 3339 with any offset; a fraction finer than a microsecond is rounded down. What an
    /// offset puts behind the year 9999 is the last instant of that year.
    pub fn parse(text: &str) -> Option<Self> {
        Self::held(Self::nanos(text)?.div_euclid(1000))
    }

    /// The same, rounded up: the smallest instant that is not before `text`.
    pub fn parse_ceil(text: &str) -> Option<Self> {
        Self::held(-(-Self::nanos(text)?).div_euclid(1000))
    }

    fn held(micros: i128) -> Option<Self> {
        Some(Self(micros.try_into().ok()?).min(Self::LAST))
    }

    /// A raw `+` in a query decodes to a space, so a space before the offset stands for `+`.
    fn nanos(text: &str) -> Option<i128> {
        let offset = text.rfind(' ').filter(|at| text[at + 1..].contains(':') && *at > 10);
        let repaired = match offset {
            Some(at) => format!("{}+{}", &text[..at], &text[at + 1..]),
            None => text.to_owned(),
        };
        if repaired.contains('[') {
            return None;
        }
        let at = repaired.parse::<jiff::Timestamp>().map(jiff::Timestamp::as_nanosecond);
        at.ok().or_else(|| last_days(&repaired))
    }
}

/// The same for the last days of the year 9999, which jiff keeps for local times: many write "never"
/// as the last second of that year.
fn last_days(text: &str) -> Option<i128> {
    let pieces = Pieces::parse(text).ok()?;
    let local = pieces.date().to_datetime(pieces.time()?).duration_since(EPOCH);
    let offset = SignedDuration::from_secs(pieces.to_numeric_offset()?.seconds().into());
    let nanos = (local - offset).as_nanos();
    (nanos > jiff::Timestamp::MAX.as_nanosecond()).then_some(nanos)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Ok(at) = jiff::Timestamp::from_microsecond(self.0) {
            return write!(f, "{at:.6}");
        }
        let at = EPOCH.checked_add(SignedDuration::from_micros(self.0));
        write!(f, "{:.6}Z", at.map_err(|_| fmt::Error)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_digits_and_a_z() {
        assert_eq!(Timestamp(1_763_805_600_000_000).to_string(), "2025-11-22T10:00:00.000000Z");
        assert_eq!(Timestamp(1_763_805_600_000_042).to_string(), "2025-11-22T10:00:00.000042Z");
    }

    #[test]
    fn any_offset_is_read_and_a_space_stands_for_its_plus() {
        let at = Timestamp::parse("2025-11-22T10:00:00Z");
        assert!(at.is_some());
        for same in [
            "2025-11-22T10:00:00.000000+00:00",
            "2025-11-22T12:00:00+02:00",
            "2025-11-22T12:00:00 02:00",
            "2025-11-22T05:30:00-04:30",
        ] {
            assert_eq!(Timestamp::parse(same), at, "{same}");
        }
    }

    #[test]
    fn the_last_days_that_can_be_written_are_read() {
        for (text, written) in [
            ("9999-12-30T22:00:01Z", "9999-12-30T22:00:01.000000Z"),
            ("9999-12-31T00:00:00Z", "9999-12-31T00:00:00.000000Z"),
            ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59.000000Z"),
            ("9999-12-31T23:59:59+01:00", "9999-12-31T22:59:59.000000Z"),
            ("9999-12-31T23:59:59.9999999Z", "9999-12-31T23:59:59.999999Z"),
            ("9999-12-31T23:59:59-01:00", "9999-12-31T23:59:59.999999Z"),
        ] {
            for at in [Timestamp::parse(text), Timestamp::parse_ceil(text)] {
                let at = at.unwrap().to_string();
                assert_eq!(at, written, "{text}");
            }
        }
        assert!(
            Timestamp::parse("9999-12-31T23:59:59Z") > Timestamp::parse("9999-12-31T00:00:00Z")
        );
    }

    #[test]
    fn what_is_no_instant_is_refused() {
        for bad in [
            "",
            "2025-11-22",
            "10:00",
            "2025-11-22T10:00:00",
            "yesterday",
            "1763805600",
            "9999-12-31",
            "9999-12-31T23:59:59",
            "9999-12-32T00:00:00Z",
            "10000-01-01T00:00:00Z",
            "-009999-01-01T00:00:00Z",
        ] {
            assert_eq!(Timestamp::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_finer_fraction_rounds_towards_the_inside_of_a_range() {
        let text = "2025-11-22T10:00:00.0000005Z";
        assert_eq!(Timestamp::parse(text), Some(Timestamp(1_763_805_600_000_000)));
        assert_eq!(Timestamp::parse_ceil(text), Some(Timestamp(1_763_805_600_000_001)));
    }
}
