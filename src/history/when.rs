//! Moments as people write them.

use crate::domain::time::Timestamp;

/// What is accepted, for messages.
pub const FORMS: &str = "a time is written 2026-11-26T10:30:00Z (or with another offset), 2026-11-26 \
                         10:30 or 2026-11-26 (UTC), now, or an age: 90s, 10m, 2h, 3d, 1w";

/// Reads a time; one that is named to the second or the day is its first instant.
pub fn parse(text: &str, now: Timestamp) -> Option<Timestamp> {
    Timestamp::parse(text).or_else(|| age(text, now)).or_else(|| utc(text))
}

fn age(text: &str, now: Timestamp) -> Option<Timestamp> {
    if text == "now" {
        return Some(now);
    }
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds: i64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        _ => return None,
    };
    let number: u32 = number.parse().ok()?;
    let micros = i64::from(number).checked_mul(seconds)?.checked_mul(1_000_000)?;
    // Nothing is older than the epoch, and years before the first can't be written.
    Some(Timestamp::from_micros(now.micros().checked_sub(micros)?.max(0)))
}

fn utc(text: &str) -> Option<Timestamp> {
    let (date, time) = text.split_once([' ', 'T']).unwrap_or((text, "00:00:00"));
    let is_date = date.len() == 10 && date.matches('-').count() == 2;
    let seconds = if time.matches(':').count() == 1 { ":00" } else { "" };
    is_date.then(|| Timestamp::parse(&format!("{date}T{time}{seconds}Z")))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_write_times_in_several_ways() {
        let now = Timestamp::parse("2026-11-26T12:00:00Z").unwrap();
        for (text, same) in [
            ("2026-11-26T10:30:00Z", "2026-11-26T10:30:00Z"),
            ("2026-11-26T11:30:00+01:00", "2026-11-26T10:30:00Z"),
            ("2026-11-26 10:30", "2026-11-26T10:30:00Z"),
            ("2026-11-26 10:30:05.25", "2026-11-26T10:30:05.25Z"),
            ("2026-11-26T10:30:05", "2026-11-26T10:30:05Z"),
            ("2026-11-26", "2026-11-26T00:00:00Z"),
            ("90s", "2026-11-26T11:58:30Z"),
            ("2h", "2026-11-26T10:00:00Z"),
            ("3d", "2026-11-23T12:00:00Z"),
            ("1w", "2026-11-19T12:00:00Z"),
            ("now", "2026-11-26T12:00:00Z"),
            ("10000000d", "1970-01-01T00:00:00Z"),
        ] {
            assert_eq!(parse(text, now), Timestamp::parse(same), "{text}");
        }
        for bad in ["", "d", "-1h", "yesterday", "10:30", "2026-13-01", "1.5h", "é", "4294967296d"]
        {
            assert_eq!(parse(bad, now), None, "{bad}");
        }
    }
}
