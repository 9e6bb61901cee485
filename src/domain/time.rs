//! Points in time: microseconds since 1970, written as RFC 3339 in UTC with six digits.

use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(i64);

impl Timestamp {
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

    /// Reads RFC 3339 with any offset; a fraction finer than a microsecond is rounded down.
    pub fn parse(text: &str) -> Option<Self> {
        Some(Self(Self::nanos(text)?.div_euclid(1000).try_into().ok()?))
    }

    /// The same, rounded up: the smallest instant that is not before `text`.
    pub fn parse_ceil(text: &str) -> Option<Self> {
        Some(Self((-(-Self::nanos(text)?).div_euclid(1000)).try_into().ok()?))
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
        repaired.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_nanosecond)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = jiff::Timestamp::from_microsecond(self.0).map_err(|_| fmt::Error)?;
        write!(f, "{at:.6}")
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
    fn what_is_no_instant_is_refused() {
        for bad in ["", "2025-11-22", "10:00", "2025-11-22T10:00:00", "yesterday", "1763805600"] {
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
