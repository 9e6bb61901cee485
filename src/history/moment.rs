//! A store as it was at one moment.

use std::collections::HashSet;

use serde::Serialize;

use super::DELETED;
use crate::wire::memory::Item;
use crate::wire::version::Version;

/// Takes versions newest first and keeps, of each memory, the one that held at the newest.
#[derive(Default)]
pub struct Moment {
    seen: HashSet<String>,
    alive: Vec<Version>,
}

impl Moment {
    pub fn push(&mut self, version: Version) {
        if !self.seen.contains(&version.memory_id) {
            self.seen.insert(version.memory_id.clone());
            if version.operation != DELETED {
                self.alive.push(version);
            }
        }
    }

    /// The versions that held, in the order of paths; one whose path was redacted comes last.
    pub fn alive(self) -> Vec<Version> {
        let mut alive = self.alive;
        alive.sort_unstable_by(|a, b| {
            (a.path.is_none(), &a.path, &a.id).cmp(&(b.path.is_none(), &b.path, &b.id))
        });
        alive
    }
}

/// What a folder held: a version, or a folder in it that stands for all below.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Listed {
    Version(Box<Version>),
    Folder(Item),
}

/// What was in a folder, which ends with a slash; deeper ones only where it is `recursive`. Versions
/// come in the order of their paths; those whose path was redacted could be anywhere.
pub fn listed(alive: Vec<Version>, folder: &str, recursive: bool) -> Vec<Listed> {
    let mut listed = Vec::new();
    let mut last = String::new();
    for version in alive {
        let below = match version.path.as_deref() {
            Some(path) => path.strip_prefix(folder).map(|rest| rest.split_once('/')),
            None => (folder == "/").then_some(None),
        };
        match below {
            None => {}
            Some(Some((name, _))) if !recursive => {
                let path = format!("{folder}{name}/");
                if path != last {
                    listed.push(Listed::Folder(Item::MemoryPrefix { path: path.clone() }));
                    last = path;
                }
            }
            Some(_) => listed.push(Listed::Version(Box::new(version))),
        }
    }
    listed
}

/// Whether a path is this one, or below this folder.
pub fn is_within(path: &str, wanted: &str) -> bool {
    let below = |folder: &str| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
    path == wanted || below(wanted.strip_suffix('/').unwrap_or(wanted))
}

#[cfg(test)]
mod tests {
    use super::super::examples::{created, redacted, version};
    use super::*;

    #[test]
    fn what_was_deleted_was_not_there_and_paths_are_in_order() {
        let mut moment = Moment::default();
        for version in [
            version(6, "mem_b", "/b", "sesn_1", None),
            redacted(version(5, "mem_d", "/0", "sesn_1", Some("d"))),
            version(4, "mem_a", "/z", "sesn_1", Some("2")),
            created(3, "mem_b", "/b", "sesn_1", "b"),
            created(2, "mem_c", "/c", "sesn_1", "c"),
            created(1, "mem_a", "/a", "sesn_1", "1"),
        ] {
            moment.push(version);
        }
        let alive = moment.alive();
        let alive: Vec<_> = alive.iter().map(|version| &*version.id).collect();
        assert_eq!(alive, ["memver_2", "memver_4", "memver_5"]);
    }

    #[test]
    fn folders_of_a_moment_are_rolled_up_as_those_of_today() {
        let alive =
            ["/a", "/b/1", "/b/2", "/b/c/3", "/b-4"].map(|path| created(1, path, path, "s", ""));
        let shown = |folder, recursive| {
            let listed = listed(alive.to_vec(), folder, recursive).into_iter();
            let path = listed.map(|one| match one {
                Listed::Version(version) => version.path.unwrap(),
                Listed::Folder(Item::MemoryPrefix { path }) => path,
                Listed::Folder(Item::Memory(_)) => panic!("no folder"),
            });
            path.collect::<Vec<_>>()
        };
        assert_eq!(shown("/", false), ["/a", "/b/", "/b-4"]);
        assert_eq!(shown("/b/", false), ["/b/1", "/b/2", "/b/c/"]);
        assert_eq!(shown("/b/", true), ["/b/1", "/b/2", "/b/c/3"]);
        assert_eq!(shown("/none/", true), [""; 0]);
    }

    #[test]
    fn a_folder_holds_what_is_below_it_and_no_namesake() {
        assert!(is_within("/notes/a", "/notes"));
        assert!(is_within("/notes/a", "/notes/"));
        assert!(is_within("/notes", "/notes"));
        assert!(is_within("/a", "/"));
        assert!(!is_within("/notes-old/a", "/notes"));
        assert!(!is_within("/notes", "/notes/a"));
    }
}
