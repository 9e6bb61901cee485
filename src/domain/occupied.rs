//! Which paths of one store are taken, and what is in the way of another (contract 3.4).

use std::collections::BTreeMap;

use super::id::MemoryId;
use super::path::MemoryPath;
use super::{Error, Result};

/// The paths of one store that are known to be taken, each by its memory.
#[derive(Debug, Default)]
pub struct Occupied(BTreeMap<MemoryPath, MemoryId>);

impl Occupied {
    pub fn take(&mut self, path: MemoryPath, memory: MemoryId) {
        self.0.insert(path, memory);
    }

    pub fn free(&mut self, path: &MemoryPath) {
        self.0.remove(path);
    }

    /// Refuses a path that is not free for `mover`, which is never in its own way. Names the exact
    /// match, else the nearest ancestor, else the first descendant in byte order.
    pub fn check(&self, wanted: &MemoryPath, mover: Option<&MemoryId>) -> Result<()> {
        let holder = |path: MemoryPath| self.0.get_key_value(&path);
        let below = wanted.below();
        let descendants =
            self.0.range(MemoryPath::stored(below.from)..MemoryPath::stored(below.to));

        let blocker = std::iter::once(wanted.clone())
            .chain(wanted.ancestors())
            .filter_map(holder)
            .chain(descendants)
            .find(|(_, memory)| Some(*memory) != mover);
        match blocker {
            Some((path, memory)) => Err(Error::PathTaken {
                wanted: wanted.clone(),
                path: path.clone(),
                memory: memory.clone(),
            }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn path(text: &str) -> MemoryPath {
        MemoryPath::parse(text).unwrap()
    }

    fn occupied(paths: &[&str]) -> Occupied {
        let mut occupied = Occupied::default();
        for text in paths {
            occupied.take(path(text), MemoryId::new(text));
        }
        occupied
    }

    fn blocker(occupied: &Occupied, wanted: &str, mover: Option<&str>) -> Option<String> {
        match occupied.check(&path(wanted), mover.map(MemoryId::new).as_ref()) {
            Err(Error::PathTaken { path, memory, .. }) => {
                assert_eq!(memory, MemoryId::new(path.as_str()));
                Some(path.to_string())
            }
            other => other.map(|()| None).unwrap(),
        }
    }

    #[rstest]
    #[case::exact("/a/b", Some("/a/b"))]
    #[case::nearest_above("/a/b/c/d", Some("/a/b"))]
    #[case::first_below("/x", Some("/x/y"))]
    #[case::beside("/a/c", None)]
    #[case::longer_name("/x0", None)]
    fn what_is_in_the_way_is_named(#[case] wanted: &str, #[case] expected: Option<&str>) {
        let occupied = occupied(&["/a/b", "/x/z", "/x/y", "/x-/a"]);

        assert_eq!(blocker(&occupied, wanted, None).as_deref(), expected);
    }

    #[test]
    fn a_memory_is_not_in_its_own_way_and_what_was_freed_in_nobodys() {
        let mut occupied = occupied(&["/a", "/a-/b", "/c"]);

        assert_eq!(blocker(&occupied, "/a/b", Some("/a")), None);
        assert_eq!(blocker(&occupied, "/a/b", Some("/c")).as_deref(), Some("/a"));
        occupied.free(&path("/a"));
        assert_eq!(blocker(&occupied, "/a/b", None), None);
    }
}
