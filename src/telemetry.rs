//! Logs and figures.
//!
//! Logs hold IDs, sizes and statuses; never content, paths, keys or tokens. So other crates, which
//! don't know that rule, are heard from `warn` on, whatever the level; and a panic is logged by its
//! place, not by its message, which may quote a value.

use std::io::{self, IsTerminal, Write};

use metrics::{describe_counter, describe_histogram};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_appender::non_blocking::NonBlockingBuilder;
pub use tracing_appender::non_blocking::WorkerGuard;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::domain::{Error, Result};

/// Lines that may wait for a reader of stderr; their places are made at the start, and what
/// tracing-appender would make, 128,000, are 5 MiB.
const WAITING_LINES: usize = 4096;

/// Starts the log on stderr: text on a terminal, JSON lines otherwise. A thread of its own writes
/// it; what is logged last is written when the guard is dropped.
pub fn start_log(level: &str) -> Result<WorkerGuard> {
    start_log_on(level, io::stderr(), io::stderr().is_terminal())
}

/// The same on anything; as text where `terminal`.
pub fn start_log_on(
    level: &str,
    writer: impl Write + Send + 'static,
    terminal: bool,
) -> Result<WorkerGuard> {
    let level: LevelFilter = level.parse().map_err(Error::internal)?;
    let filter = Targets::new().with_default(level.min(LevelFilter::WARN));
    let filter = filter.with_target("memstored", level);
    let registry = tracing_subscriber::registry().with(filter);
    let log = NonBlockingBuilder::default().buffered_lines_limit(WAITING_LINES);
    let (log, guard) = log.finish(writer);
    let text = terminal.then(|| fmt::layer().with_writer(log.clone()));
    let json =
        (!terminal).then(|| fmt::layer().json().flatten_event(true).with_writer(log.clone()));
    registry.with(text).with(json).try_init().map_err(Error::internal)?;
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panic");
    }));
    Ok(guard)
}

/// Starts to count.
pub fn start_figures() -> Result<PrometheusHandle> {
    const SECONDS: [f64; 10] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 1.0, 10.0];
    const COMMANDS: [f64; 8] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];
    let suffix = |text: &str| metrics_exporter_prometheus::Matcher::Suffix(text.to_owned());
    let builder = PrometheusBuilder::new().set_buckets_for_metric(suffix("_seconds"), &SECONDS);
    let builder = builder
        .and_then(|builder| builder.set_buckets_for_metric(suffix("_commands"), &COMMANDS))
        .map_err(Error::internal)?;
    let recorded = builder.install_recorder().map_err(Error::internal)?;
    describe();
    Ok(recorded)
}

/// What each figure counts, in its line of help.
fn describe() {
    describe_counter!("memstored_requests_total", "Answered requests, and refused heads");
    describe_histogram!("memstored_request_seconds", "Time until the answer was ready");
    describe_counter!(
        "memstored_memories_read_total",
        "Memories asked for by ID: from the database, or kept from an earlier read"
    );
    describe_histogram!("memstored_batch_commands", "Changes that were taken together");
    describe_histogram!("memstored_commit_seconds", "Time of a transaction with its sync");
}
