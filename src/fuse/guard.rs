//! The guard against blind overwrites: a memory's content is replaced by a program, and nothing on
//! this mount has ever read what it replaces.
//!
//! It began with a session that searched a store, matched nothing, took the store for empty and
//! wrote 1,509 bytes over 7,285. A search reads every byte and tells its caller nothing of them, so
//! what only searches, counts, sums or copies away has not *read* a memory.

use std::collections::HashMap;
use std::fs;
use std::time::{Duration, Instant};

use clap::ValueEnum;

/// What happens at a blind overwrite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Guard {
    /// Nothing
    Off,
    /// It is logged
    #[default]
    Warn,
    /// It is logged, and refused with EPERM
    Deny,
}

/// Programs whose reading shows nobody the content, by the name that the kernel has for them, which
/// is 15 bytes at most.
const NO_READERS: [&str; 43] = [
    // search
    "rg",
    "grep",
    "egrep",
    "fgrep",
    "zgrep",
    "rgrep",
    "ag",
    "ack",
    "pt",
    "ucg",
    "ugrep",
    "ugrep+",
    "ug",
    "sift",
    "find",
    "fd",
    "fdfind",
    "locate",
    "updatedb", // count, list, tell the kind
    "wc",
    "du",
    "ls",
    "tree",
    "eza",
    "stat",
    "file",
    "tokei",
    "cloc",
    "scc", // sum and compare
    "sum",
    "cksum",
    "md5sum",
    "sha1sum",
    "sha224sum",
    "sha256sum",
    "sha384sum",
    "sha512sum",
    "b2sum",
    "cmp", // pack
    "tar",
    "gzip",
    "zip",
    "rsync",
];

/// Programs that remove a file in order to put another in its place. What they moved away they have read.
const REPLACERS: [&str; 3] = ["mv", "cp", "install"];

/// How long a process is taken to be the search that it was. Such programs don't become others, but
/// numbers of processes come again.
const MEMORY: Duration = Duration::from_millis(500);
/// Processes that are remembered at most.
const PROCESSES: usize = 256;

/// Searches that are under way. One opens thousands of files, and asking for its name at each would
/// take longer than the opening.
#[derive(Default)]
pub struct Searches(HashMap<u32, Instant>);

impl Searches {
    /// Says whether what a process reads counts as read.
    pub fn reads(&mut self, pid: u32) -> bool {
        let fresh = |since: &Instant| since.elapsed() < MEMORY;
        if self.0.get(&pid).is_some_and(fresh) {
            return false;
        }
        let reads = is_reader(&program(pid));
        if !reads {
            if self.0.len() >= PROCESSES {
                self.0.retain(|_, since| fresh(since));
            }
            self.0.insert(pid, Instant::now());
        }
        reads
    }
}

/// Says whether what this program reads counts as read. One that can't be seen counts.
fn is_reader(program: &str) -> bool {
    !NO_READERS.contains(&program)
}

/// Says whether this program removes files only where it replaces them.
pub fn replaces(program: &str) -> bool {
    REPLACERS.contains(&program)
}

/// The name of a process, as far as it can be seen.
pub fn program(pid: u32) -> String {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    name.trim_end_matches('\n').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_is_no_reading() {
        for program in ["rg", "grep", "find", "wc", "sha256sum"] {
            assert!(!is_reader(program), "{program}");
        }
        for program in ["cat", "sed", "bash", "python3", "vim", "less", ""] {
            assert!(is_reader(program), "{program}");
        }
    }

    #[test]
    fn names_fit_what_the_kernel_keeps_of_them() {
        assert!(NO_READERS.iter().all(|name| name.len() <= 15));
        assert!(!program(std::process::id()).is_empty());
        assert_eq!(program(0), "");
    }
}
