//! File descriptors: one for each connection that a server may have, and some for itself.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Log, listeners, a SQLite database with its files, libraries.
const OWN: usize = 64;

/// Lets this process have as many as so many connections need, as far as it may; says where that is
/// too few.
pub fn provide(connections: usize) {
    let needed = u64::try_from(connections.saturating_add(OWN)).unwrap_or(u64::MAX);
    let limit = getrlimit(Resource::Nofile);
    let Some(current) = limit.current.filter(|current| *current < needed) else { return };
    let wanted = limit.maximum.map_or(needed, |most| most.min(needed));
    let raised =
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum });
    let limit = if raised.is_ok() { wanted } else { current };
    if limit < needed {
        tracing::warn!(limit, needed, "too few file descriptors for --max-connections");
    }
}
