//! What became of a memory between two of its versions, besides the lines of its content.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::DELETED;
use super::moment::{Near, is_within};
use super::text::one_line;
use crate::wire::version::Version;

/// What became of a memory, by its paths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fate<'a> {
    /// None is told: the two are not of one memory, or nothing is left to tell it by.
    #[default]
    Apart,
    Stayed(&'a str),
    Created(&'a str),
    Deleted(&'a str),
    Moved {
        from: &'a str,
        to: &'a str,
    },
}

impl Fate<'_> {
    /// The lines that git has above a patch, by which `git apply` does the same; nothing
    /// where no fate is told. Without git's hash of nothing, `patch` deletes no empty file.
    pub fn head(&self, is_empty: bool) -> String {
        let (from, to) = match self {
            Self::Apart => return String::new(),
            Self::Stayed(path) | Self::Created(path) | Self::Deleted(path) => (*path, *path),
            Self::Moved { from, to } => (*from, *to),
        };
        let mut head = format!("diff --git {} {}\n", named("a/", from), named("b/", to));
        let of_nothing = match self {
            Self::Created(_) => {
                head.push_str("new file mode 100644\n");
                "index 0000000..e69de29\n"
            }
            Self::Deleted(_) => {
                head.push_str("deleted file mode 100644\n");
                "index e69de29..0000000\n"
            }
            Self::Moved { .. } => {
                let (from, to) = (named("", from), named("", to));
                let _ = write!(head, "rename from {from}\nrename to {to}\n");
                ""
            }
            _ => "",
        };
        head.push_str(if is_empty { of_nothing } else { "" });
        head
    }

    /// The same behind a count of lines.
    pub fn note(&self) -> String {
        match self {
            Self::Created(_) => " (created)".to_owned(),
            Self::Deleted(_) => " (deleted)".to_owned(),
            Self::Moved { from, .. } => format!(" (moved from {})", one_line(from)),
            Self::Apart | Self::Stayed(_) => String::new(),
        }
    }
}

/// A path as git names a file in a head: in quotes where it would end early.
fn named(side: &str, path: &str) -> String {
    let path = one_line(path.trim_start_matches('/'));
    if !path.contains([' ', '"', '\\']) {
        return format!("{side}{path}");
    }
    format!("\"{side}{}\"", path.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Two versions, the earlier first; nothing where there was no memory.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    pub old: Option<&'a Version>,
    pub new: Option<&'a Version>,
}

impl<'a> Change<'a> {
    pub fn new(old: Option<&'a Version>, new: Option<&'a Version>) -> Self {
        Self { old, new }
    }

    pub fn versions(&self) -> impl Iterator<Item = &'a Version> {
        self.old.into_iter().chain(self.new)
    }

    /// Whether the memory was at this path, or below this folder, or may have been before a redaction.
    pub fn is_within(&self, wanted: &str, near: &Near) -> bool {
        self.versions().any(|version| match &version.path {
            Some(path) => is_within(path, wanted),
            None => near.get(&version.id).into_iter().flatten().any(|path| is_within(path, wanted)),
        })
    }

    /// What can't be compared, since it was redacted.
    pub fn erased(&self) -> Option<String> {
        let lost = [self.old, self.new].map(|version| version.filter(|version| is_erased(version)));
        if self.is_apart() {
            return lost.into_iter().flatten().next().map(lost_other);
        }
        match lost.map(|version| version.map(|version| &version.id)) {
            [None, None] => None,
            [Some(old), None] => {
                let deleted = if there(self.new).is_none() { "deleted; " } else { "" };
                Some(format!("{deleted}what it was before, {old}, was redacted"))
            }
            [None, Some(new)] => {
                let created = if there(self.old).is_none() { "created; " } else { "" };
                Some(format!("{created}what it became, {new}, was redacted"))
            }
            [Some(old), Some(new)] => {
                Some(format!("what it was before, {old}, and what it became, {new}, were redacted"))
            }
        }
    }

    /// Whether the two are not of one memory.
    fn is_apart(&self) -> bool {
        self.old.zip(self.new).is_some_and(|(old, new)| old.memory_id != new.memory_id)
    }

    /// What to call the memory: its path, else one that is known near it, else its ID.
    pub fn name<'b>(&'b self, near: &'b Near) -> &'b str {
        let known = [self.new, self.old].into_iter().flatten();
        let path = known.clone().find_map(|version| version.path.as_deref());
        let near = || known.clone().find_map(|version| near.get(&version.id)?.first());
        let id = || known.clone().next().map_or("", |version| &version.memory_id);
        path.or_else(|| near().map(String::as_str)).unwrap_or_else(id)
    }

    pub fn fate(&self) -> Fate<'a> {
        if self.is_apart() || self.versions().any(is_erased) {
            return Fate::Apart;
        }
        match (path_of(self.old), path_of(self.new)) {
            (None, None) => Fate::Apart,
            (None, Some(path)) => Fate::Created(path),
            (Some(path), None) => Fate::Deleted(path),
            (Some(from), Some(to)) if from == to => Fate::Stayed(to),
            (Some(from), Some(to)) => Fate::Moved { from, to },
        }
    }
}

/// A version at which there is a memory: after a deletion there is none.
fn there(version: Option<&Version>) -> Option<&Version> {
    version.filter(|version| version.operation != DELETED)
}

/// Whether a version had a content that is gone for good.
pub fn is_erased(version: &Version) -> bool {
    version.operation != DELETED && version.redacted_at.is_some()
}

/// That what something is compared with was redacted, where that is no version of the same memory.
pub fn lost_other(version: &Version) -> String {
    format!("what it is compared with, {}, was redacted", version.id)
}

fn path_of(version: Option<&Version>) -> Option<&str> {
    there(version)?.path.as_deref()
}

/// The memories that differ between two times, in the order of their later paths. What was deleted at
/// a path comes before what was made there.
pub fn changes<'a>(old: &'a [Version], new: &'a [Version]) -> Vec<Change<'a>> {
    let mut old: HashMap<_, _> = old.iter().map(|old| (&*old.memory_id, old)).collect();
    let both = new.iter().map(|new| Change::new(old.remove(&*new.memory_id), Some(new)));
    let mut changes: Vec<_> = both.collect();
    changes.extend(old.into_values().map(|old| Change::new(Some(old), None)));
    let id = |version: Option<&'a Version>| version.map(|version| &*version.id);
    changes.retain(|change| id(change.old) != id(change.new));
    changes.sort_unstable_by_key(|Change { old, new }| {
        (new.or(*old).and_then(|version| version.path.as_deref()), new.is_some(), id(*old))
    });
    changes
}

#[cfg(test)]
mod tests {
    use super::super::examples::{created, redacted, version};
    use super::*;

    #[test]
    fn what_became_of_a_memory_is_told_by_its_paths() {
        let was = created(1, "mem_a", "/a", "sesn_1", "a");
        let is = version(2, "mem_a", "/a", "sesn_1", Some("b"));
        let moved = version(3, "mem_a", "/b", "sesn_1", Some("b"));
        let gone = version(4, "mem_a", "/b", "sesn_1", None);
        let other = created(5, "mem_b", "/b", "sesn_1", "c");
        let fate = |old, new| Change::new(old, new).fate();

        assert_eq!(fate(None, Some(&was)), Fate::Created("/a"));
        assert_eq!(fate(Some(&was), Some(&is)), Fate::Stayed("/a"));
        assert_eq!(fate(Some(&is), Some(&moved)), Fate::Moved { from: "/a", to: "/b" });
        for none in [Some(&gone), None] {
            assert_eq!(fate(Some(&moved), none), Fate::Deleted("/b"));
        }
        assert_eq!(fate(Some(&gone), Some(&moved)), Fate::Created("/b"));
        assert_eq!(fate(Some(&moved), Some(&other)), Fate::Apart);
    }

    #[test]
    fn what_was_redacted_is_said_and_is_no_fate() {
        let was = redacted(created(1, "mem_a", "/a", "sesn_1", "a"));
        let is = version(2, "mem_a", "/b", "sesn_1", Some("b"));
        let later = redacted(version(3, "mem_a", "/c", "sesn_1", Some("c")));
        let gone = version(4, "mem_a", "/c", "sesn_1", None);
        let near = Near::from([("memver_1".to_owned(), vec!["/near".to_owned()])]);
        let told = |old, new| {
            let change = Change::new(old, new);
            assert!(matches!(change.fate(), Fate::Apart) || change.erased().is_none());
            change.erased().map(|why| format!("{}: {why}", change.name(&near)))
        };
        let other = created(5, "mem_b", "/other", "sesn_1", "b");
        for (old, new, expected) in [
            (Some(&was), Some(&other), "/other: what it is compared with, memver_1, was redacted"),
            (Some(&was), Some(&is), "/b: what it was before, memver_1, was redacted"),
            (Some(&was), Some(&gone), "/c: deleted; what it was before, memver_1, was redacted"),
            (Some(&was), None, "/near: deleted; what it was before, memver_1, was redacted"),
            (Some(&later), None, "mem_a: deleted; what it was before, memver_3, was redacted"),
            (Some(&is), Some(&later), "/b: what it became, memver_3, was redacted"),
            (None, Some(&later), "mem_a: created; what it became, memver_3, was redacted"),
            (
                Some(&was),
                Some(&later),
                "/near: what it was before, memver_1, and what it became, memver_3, were redacted",
            ),
        ] {
            assert_eq!(told(old, new).as_deref(), Some(expected));
        }
        let deletion = redacted(gone.clone());
        assert_eq!(told(Some(&is), Some(&deletion)), None, "it has lost nothing but its path");
        assert_eq!(told(None, Some(&is)), None);
    }

    #[test]
    fn a_head_is_written_as_git_does() {
        assert_eq!(Fate::Apart.head(true), "");
        assert_eq!(Fate::Stayed("/a").head(true), "diff --git a/a b/a\n");
        assert_eq!(
            Fate::Created("/e").head(true),
            "diff --git a/e b/e\nnew file mode 100644\nindex 0000000..e69de29\n"
        );
        assert_eq!(
            Fate::Deleted("/e").head(false),
            "diff --git a/e b/e\ndeleted file mode 100644\n"
        );
        let moved = Fate::Moved { from: "/a b", to: "/sub/\"c\"\\\u{202e}" };
        assert_eq!(
            moved.head(false),
            "diff --git \"a/a b\" \"b/sub/\\\"c\\\"\\\\\\\\u{202e}\"\nrename from \"a b\"\n\
             rename to \"sub/\\\"c\\\"\\\\\\\\u{202e}\"\n"
        );
        assert_eq!(moved.note(), " (moved from /a b)");
    }

    #[test]
    fn two_times_differ_in_what_came_what_went_and_what_is_another_version() {
        let kept = created(1, "mem_kept", "/kept", "sesn_1", "same");
        let was = created(2, "mem_a", "/b", "sesn_1", "a");
        let is = version(6, "mem_a", "/a", "sesn_1", Some("a"));
        let gone = created(3, "mem_gone", "/c", "sesn_1", "c");
        let made = created(7, "mem_made", "/c", "sesn_1", "d");

        let (old, new) = ([kept.clone(), was, gone], [made, kept, is]);
        let changes = changes(&old, &new);

        let id = |version: Option<&Version>| version.map(|version| version.id.clone());
        let ids: Vec<_> = changes.iter().map(|one| [id(one.old), id(one.new)]).collect();
        let expected = [[Some(2), Some(6)], [Some(3), None], [None, Some(7)]];
        assert_eq!(ids, expected.map(|ids| ids.map(|id| id.map(|id| format!("memver_{id}")))));
        let near = Near::new();
        let within = |wanted| changes.iter().filter(|one| one.is_within(wanted, &near)).count();
        assert_eq!([within("/a"), within("/b"), within("/c"), within("/kept")], [1, 1, 2, 0]);
    }
}
