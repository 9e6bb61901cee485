//! File descriptors: one for each connection that a server may have, and some for itself.

use std::num::NonZeroUsize;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Log, listeners, a SQLite database with its files, libraries.
const OWN: usize = 64;
/// Connections of clients at one time where nobody has said how many, as far as descriptors allow.
const USUAL: usize = 20_000;
/// Fewer than that are worth a word, whoever wishes for them.
const FEW: usize = 100;

/// Lets this process have as many descriptors as its connections need, as far as it may; `others` are
/// those that no client has. Answers how many clients may be connected at one time: as many as are
/// wished for, also where that is said to be too many, or as many as there is room for.
pub fn provide(wish: Option<NonZeroUsize>, others: usize) -> usize {
    let clients = wish.map_or(USUAL, NonZeroUsize::get);
    let own = others.saturating_add(OWN);
    let needed = clients.saturating_add(own);
    let limit = raise(needed);
    let fit = clients.min(limit.saturating_sub(own)).max(1);
    if limit < needed && (wish.is_some() || fit < FEW) {
        tracing::warn!(limit, needed, "too few file descriptors for --max-connections");
    }
    if wish.is_some() { clients } else { fit }
}

/// Raises the limit to what is needed where it is lower, as far as it may be; answers what it is then.
fn raise(needed: usize) -> usize {
    let number = |limit: Option<u64>| {
        limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
    };
    let limit = getrlimit(Resource::Nofile);
    let (current, most) = (number(limit.current), number(limit.maximum));
    if current >= needed {
        return current;
    }
    let wanted = most.min(needed);
    let raised = Rlimit { current: u64::try_from(wanted).ok(), maximum: limit.maximum };
    if setrlimit(Resource::Nofile, raised).is_ok() { wanted } else { current }
}
