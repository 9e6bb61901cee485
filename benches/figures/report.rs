//! The figures as a Markdown table, each beside its aim.

use std::fmt::{self, Display};
use std::time::Duration;

use crate::load::Sample;

/// One pair of rounds: the server, and the floor right after it.
pub struct Pair {
    pub server: Sample,
    pub floor: Sample,
    /// Processor time for one answer, of the server and of a floor that serves.
    pub cost: Duration,
    pub floor_cost: Option<Duration>,
}

/// Rounds of one kind of request.
pub struct Compared {
    pub what: &'static str,
    pub connections: usize,
    pub pairs: Vec<Pair>,
    /// The least ratio to the floor.
    pub aim: Option<f64>,
}

impl Display for Compared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |value: fn(&Pair) -> f64| spread(self.pairs.iter().map(value));
        let (least, ratio, most) = of(|pair| pair.server.rate / pair.floor.rate);
        let verdict = self.aim.map_or("– | –".to_owned(), |aim| {
            let missed = || format!("missed by {:.0} %", (1.0 - ratio / aim) * 100.0);
            format!("≥ {aim} | {}", if ratio >= aim { "ok".into() } else { missed() })
        });
        write!(
            f,
            "| {}, {} conn. | {:.0} | {} / {} | {} | {:.0} | {} / {} | {} | \
             **{ratio:.2}** ({least:.2}–{most:.2}) | {verdict} |",
            self.what,
            self.connections,
            of(|pair| pair.server.rate).1,
            milliseconds(of(|pair| pair.server.p50.as_secs_f64()).1),
            milliseconds(of(|pair| pair.server.p99.as_secs_f64()).1),
            microseconds(of(|pair| pair.cost.as_secs_f64()).1),
            of(|pair| pair.floor.rate).1,
            milliseconds(of(|pair| pair.floor.p50.as_secs_f64()).1),
            milliseconds(of(|pair| pair.floor.p99.as_secs_f64()).1),
            microseconds(of(|pair| pair.floor_cost.map_or(f64::NAN, |cost| cost.as_secs_f64())).1),
        )
    }
}

/// The head of a table of [`Compared`], which names what the server is compared with.
pub fn compared_head(other: &str) -> String {
    format!(
        "| | requests/s | p50 / p99 ms | CPU µs each | {other}/s | p50 / p99 ms | CPU µs each | \
         ratio (min–max) | aim | |\n|---|---|---|---|---|---|---|---|---|---|"
    )
}

/// A figure that has to stay below its aim.
pub struct Single {
    pub what: &'static str,
    pub values: Vec<f64>,
    pub unit: &'static str,
    pub aim: Option<f64>,
}

impl Display for Single {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, unit, .. } = self;
        let (least, value, most) = spread(self.values.iter().copied());
        let spread = if self.values.len() > 1 {
            format!(" ({least:.1}–{most:.1})")
        } else {
            String::new()
        };
        let verdict = self.aim.map_or("– | –".to_owned(), |aim| {
            let missed = || format!("missed by {:.1} {unit}", value - aim);
            format!("≤ {aim} {unit} | {}", if value <= aim { "ok".into() } else { missed() })
        });
        write!(f, "| {what} | **{value:.1}** {unit}{spread} | {verdict} |")
    }
}

pub const SINGLE_HEAD: &str = "\
| | figure (min–max) | aim | |
|---|---|---|---|";

/// Rounds of one kind of request, beside nothing.
pub struct Rate {
    pub what: &'static str,
    /// What each gave, and what one answer cost in processor time.
    pub rounds: Vec<(Sample, Duration)>,
}

impl Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |value: fn(&(Sample, Duration)) -> f64| spread(self.rounds.iter().map(value));
        let (least, rate, most) = of(|(sample, _)| sample.rate);
        write!(
            f,
            "| {} | **{rate:.0}** ({least:.0}–{most:.0}) | {} / {} | {} |",
            self.what,
            milliseconds(of(|(sample, _)| sample.p50.as_secs_f64()).1),
            milliseconds(of(|(sample, _)| sample.p99.as_secs_f64()).1),
            microseconds(of(|(_, cost)| cost.as_secs_f64()).1),
        )
    }
}

pub const RATE_HEAD: &str = "\
| | requests/s (min–max) | p50 / p99 ms | CPU µs each |
|---|---|---|---|";

/// One thing under two conditions, in turn.
pub struct Paired {
    pub what: String,
    pub pairs: Vec<[Duration; 2]>,
    /// The most that the second may take of the first.
    pub aim: f64,
}

impl Display for Paired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, pairs, aim } = self;
        let at = |which: usize| spread(pairs.iter().map(|pair| pair[which].as_secs_f64())).1;
        let ratios = pairs.iter().map(|[first, second]| second.as_secs_f64() / first.as_secs_f64());
        let (least, ratio, most) = spread(ratios);
        let missed = || format!("missed by {:.0} %", (ratio / aim - 1.0) * 100.0);
        write!(
            f,
            "| {what} | {} | {} | **{ratio:.2}** ({least:.2}–{most:.2}) | ≤ {aim} | {} |",
            milliseconds(at(0)),
            milliseconds(at(1)),
            if ratio <= *aim { "ok".into() } else { missed() }
        )
    }
}

/// The head of a table of [`Paired`], which names the two conditions.
pub fn paired_head(first: &str, second: &str) -> String {
    format!("| | ms {first} | {second} | ratio (min–max) | aim | |\n|---|---|---|---|---|---|")
}

/// The least, the median, the most.
pub fn spread(values: impl Iterator<Item = f64>) -> (f64, f64, f64) {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
    (at(0), f64::midpoint(at(last / 2), at(last.div_ceil(2))), at(last))
}

fn milliseconds(seconds: f64) -> String {
    format!("{:.2}", seconds * 1e3)
}

fn microseconds(seconds: f64) -> String {
    if seconds.is_nan() { "–".into() } else { format!("{:.0}", seconds * 1e6) }
}
