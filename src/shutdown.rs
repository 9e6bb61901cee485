//! When to stop: SIGTERM or an interrupt once asks for it, a second time insists.

use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Whoever signals a process and then its group, as timeout(1) does, asks once.
const ONCE: Duration = Duration::from_millis(500);

/// A token that is cancelled by the first signal; the second ends the process.
pub fn on_signal() -> std::io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = CancellationToken::new();
    let token = stop.clone();
    tokio::spawn(async move {
        let mut asked: Option<Instant> = None;
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            match asked {
                None => {
                    asked = Some(Instant::now());
                    tracing::info!("shutting down");
                    token.cancel();
                }
                Some(first) if first.elapsed() < ONCE => {}
                Some(_) => {
                    tracing::warn!("ended at once by a second signal");
                    std::process::exit(1);
                }
            }
        }
    });
    Ok(stop)
}
