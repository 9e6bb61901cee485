//! A store as it was at one moment.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use super::DELETED;
use super::text::counted;
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

/// By the ID of a version whose path was redacted: the nearest paths of its memory that are known.
pub type Near = HashMap<String, Vec<String>>;

/// The nearest paths that are known of a memory around one of its versions, the later first. They may be
/// where it was, or not. `history` has its versions, newest first.
pub fn near(history: &[Version], version: &str) -> Vec<String> {
    let Some(at) = history.iter().position(|one| one.id == version) else { return Vec::new() };
    let (later, earlier) = history.split_at(at);
    let later = later.iter().rev().find_map(|version| version.path.clone());
    let earlier = earlier.iter().find_map(|version| version.path.clone());
    let mut near: Vec<_> = later.into_iter().chain(earlier).collect();
    near.dedup();
    near
}

/// The IDs of the versions that a memory had at a path, and of those that moved it away from there.
/// `history` has its versions, newest first. Where one has lost its path, the memory is taken to have
/// stayed where it was.
pub fn stays_at(history: &[Version], path: &str) -> HashSet<String> {
    let mut stays = HashSet::new();
    let mut was_there = false;
    for version in history.iter().rev() {
        let is_there = version.path.as_deref().map_or(was_there, |own| own == path);
        if is_there || was_there {
            stays.insert(version.id.clone());
        }
        was_there = is_there;
    }
    stays
}

/// How many of these versions have lost their path to a redaction.
pub fn erased<'a>(versions: impl IntoIterator<Item = &'a Version>) -> usize {
    let erased = versions.into_iter().filter(|version| version.path.is_none());
    erased.map(|version| &version.id).collect::<HashSet<_>>().len()
}

/// Why so many redacted versions leave it unknown what was at a path; nothing where there are none.
pub fn anywhere(erased: usize) -> Option<String> {
    match erased {
        0 => None,
        1 => Some("1 version was redacted, and its path with it".to_owned()),
        count => {
            let versions = counted(count, "version", "versions");
            Some(format!("{versions} were redacted, and their paths with them"))
        }
    }
}

/// What a folder held: a version, or a folder in it that stands for all below.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Listed<'a> {
    Version(&'a Version),
    Folder(Item),
}

/// What was in a folder, or the memory at a path that does not end with a slash; what is deeper only
/// where it is `recursive`. Versions come in the order of their paths; those whose path was redacted
/// could be anywhere.
pub fn listed<'a>(alive: &'a [Version], wanted: &str, recursive: bool) -> Vec<Listed<'a>> {
    let folder = format!("{}/", wanted.strip_suffix('/').unwrap_or(wanted));
    let mut listed = Vec::new();
    let mut last = String::new();
    for version in alive {
        let below = match version.path.as_deref() {
            Some(path) if path == wanted => Some(None),
            Some(path) => path.strip_prefix(&folder).map(|rest| rest.split_once('/')),
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
            Some(_) => listed.push(Listed::Version(version)),
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
    fn the_nearest_known_paths_are_told_of_a_redacted_version() {
        let gone = |number| redacted(version(number, "mem_a", "/gone", "sesn_1", Some("a")));
        let history = [
            version(6, "mem_a", "/c", "sesn_1", None),
            gone(5),
            gone(4),
            version(3, "mem_a", "/b", "sesn_1", Some("a")),
            gone(2),
            created(1, "mem_a", "/b", "sesn_1", "a"),
        ];
        assert_eq!(near(&history, "memver_5"), ["/c", "/b"]);
        assert_eq!(near(&history, "memver_4"), ["/c", "/b"]);
        assert_eq!(near(&history, "memver_2"), ["/b"]);
        assert_eq!(near(&history[1..3], "memver_4"), [""; 0]);
        assert_eq!(near(&history, "memver_9"), [""; 0]);
        assert_eq!(anywhere(erased(&history[3..4])), None);
        let one = "1 version was redacted, and its path with it";
        assert_eq!(anywhere(erased(&history[2..4])).as_deref(), Some(one));
        let three = "3 versions were redacted, and their paths with them";
        assert_eq!(anywhere(erased(&history)).as_deref(), Some(three));
    }

    #[test]
    fn what_a_memory_was_at_a_path_ends_with_what_moved_it_away() {
        let at = |number, path| version(number, "mem_a", path, "sesn_1", Some("a"));
        let history = [
            version(9, "mem_a", "/c", "sesn_1", None),
            at(8, "/c"),
            redacted(at(7, "/b")),
            at(6, "/b"),
            at(5, "/x"),
            at(4, "/c"),
            redacted(at(3, "/b")),
            at(2, "/b"),
            created(1, "mem_a", "/a", "sesn_1", "a"),
        ];
        let stays = |path| {
            let mut stays: Vec<_> = stays_at(&history, path).into_iter().collect();
            stays.sort_unstable();
            stays.iter().map(|id| id.trim_start_matches("memver_").to_owned()).collect::<String>()
        };
        assert_eq!(stays("/b"), "234678");
        assert_eq!(stays("/a"), "12");
        assert_eq!(stays("/c"), "4589");
        assert_eq!(stays("/none"), "");
    }

    #[test]
    fn folders_of_a_moment_are_rolled_up_as_those_of_today() {
        let alive =
            ["/a", "/b/1", "/b/2", "/b/c/3", "/b-4"].map(|path| created(1, path, path, "s", ""));
        let shown = |folder, recursive| {
            let listed = listed(&alive, folder, recursive).into_iter();
            let path = listed.map(|one| match one {
                Listed::Version(version) => version.path.clone().unwrap(),
                Listed::Folder(Item::MemoryPrefix { path }) => path,
                Listed::Folder(Item::Memory(_)) => panic!("no folder"),
            });
            path.collect::<Vec<_>>()
        };
        assert_eq!(shown("/", false), ["/a", "/b/", "/b-4"]);
        assert_eq!(shown("/b/", false), ["/b/1", "/b/2", "/b/c/"]);
        assert_eq!(shown("/b/", true), ["/b/1", "/b/2", "/b/c/3"]);
        assert_eq!(shown("/b", false), ["/b/1", "/b/2", "/b/c/"]);
        assert_eq!(shown("/none/", true), [""; 0]);
        assert_eq!(shown("/b-4", false), ["/b-4"], "a memory is listed by its path");
        assert_eq!(shown("/b-4/", false), [""; 0], "and is no folder");
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
