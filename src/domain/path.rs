//! Paths of memories: what is legal, what overlaps, and the order of listings (contract 3.1 to 3.4).
//!
//! Order is byte order. It keeps all descendants of a directory together: they are the range from
//! the directory with its final `/` up to the same text with `0`, the byte after `/`, in its place.

use std::fmt;

use unicode_normalization::{UnicodeNormalization, is_nfc};
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

use super::text::named;
use super::{Error, Result};

pub const PATH_BYTES: usize = 1024;
pub const PATH_SEGMENTS: usize = 20;

/// The legal path of a memory, such as `/notes/todo.md`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MemoryPath(String);

impl MemoryPath {
    pub fn parse(text: &str) -> Result<Self> {
        check("path", text, text)?;
        Ok(Self(text.to_owned()))
    }

    /// Takes a path that this server wrote itself, from its own database.
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The paths above this one, the nearest first: `/a/b/c` has `/a/b` and `/a`.
    pub fn ancestors(&self) -> impl Iterator<Item = Self> {
        self.0
            .rmatch_indices('/')
            .filter(|(at, _)| *at > 0)
            .map(|(at, _)| Self(self.0[..at].into()))
    }

    /// Everything below this path, were it a directory.
    pub fn below(&self) -> PathRange {
        PathRange::under(format!("{}/", self.0))
    }

    /// Says whether the two can't exist beside each other.
    pub fn overlaps(&self, other: &Self) -> bool {
        self == other || self.below().contains(&other.0) || other.below().contains(&self.0)
    }
}

impl fmt::Display for MemoryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A half-open range of paths in byte order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathRange {
    pub from: String,
    pub to: String,
}

impl PathRange {
    fn under(directory: String) -> Self {
        let mut to = directory.clone();
        to.pop();
        to.push('0');
        Self { from: directory, to }
    }

    pub fn contains(&self, path: &str) -> bool {
        self.from.as_str() <= path && path < self.to.as_str()
    }
}

/// A directory given as `path_prefix`; it ends with `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPrefix(String);

impl PathPrefix {
    pub fn root() -> Self {
        Self("/".into())
    }

    pub fn parse(text: &str) -> Result<Self> {
        if text.is_empty() || text == "/" {
            return Ok(Self::root());
        }
        let Some(directory) = text.strip_suffix('/').filter(|_| text.starts_with('/')) else {
            return Err(Error::invalid(
                "path_prefix must be segment-aligned: it must start and end with \"/\", as \
                 \"/notes/\" does",
            ));
        };
        if let Some(at) = text.find("//") {
            return Err(Error::Invalid(format!(
                "path_prefix must not have an empty segment, as at byte {}: no \"//\"",
                at + 1
            )));
        }
        check("path_prefix", directory, text)?;
        Ok(Self(text.to_owned()))
    }

    pub fn range(&self) -> PathRange {
        PathRange::under(self.0.clone())
    }

    /// The immediate sub-directory that rolls `path` up at depth 1; `None` for an immediate child.
    pub fn rollup(&self, path: &str) -> Option<String> {
        let rest = path.strip_prefix(&self.0)?;
        let slash = rest.find('/')?;
        Some(path[..=self.0.len() + slash].to_owned())
    }
}

/// A bound between `item` and the next path of a listing: no path has a character that sorts before
/// the space. A directory stands for all below it.
pub fn after(item: &str) -> String {
    match item.strip_suffix('/') {
        Some(directory) => format!("{directory}0"),
        None => format!("{item}\u{1}"),
    }
}

/// Checks `path`; `whole` is the parameter as it was given, for the length.
fn check(field: &str, path: &str, whole: &str) -> Result<()> {
    let refuse = |why: String| Err(Error::Invalid(format!("{field} {why}")));
    if whole.len() > PATH_BYTES {
        return refuse(format!(
            "must be at most {PATH_BYTES} bytes of UTF-8; this one has {}",
            whole.len()
        ));
    }
    let Some(relative) = path.strip_prefix('/') else {
        return refuse("must start with \"/\", as \"/notes/todo.md\" does".into());
    };
    if relative.is_empty() {
        return refuse("must name a file: \"/\" alone is the whole store".into());
    }
    let segments = relative.split('/').count();
    if segments > PATH_SEGMENTS {
        return refuse(format!(
            "must have at most {PATH_SEGMENTS} segments; this one has {segments}"
        ));
    }
    let mut at = 1;
    for segment in relative.split('/') {
        if let Some(why) = bad_segment(segment, at) {
            return refuse(why);
        }
        at += segment.len() + 1;
    }
    characters(field, path)
}

fn bad_segment(segment: &str, at: usize) -> Option<String> {
    match segment {
        "" => Some(format!(
            "must not have an empty segment, as at byte {at}: no \"//\" and no \"/\" at the end"
        )),
        "." | ".." => Some(format!("must not have the segment \"{segment}\", as at byte {at}")),
        _ => None,
    }
}

fn characters(field: &str, path: &str) -> Result<()> {
    let forbidden = |char: char| {
        matches!(char, '\u{2028}' | '\u{2029}')
            || matches!(char.general_category(), GeneralCategory::Control | GeneralCategory::Format)
    };
    if let Some((at, char)) = path.char_indices().find(|(_, char)| forbidden(*char)) {
        return Err(Error::Invalid(format!(
            "{field} must not contain {} at byte {at}: no control or format characters, no line \
             or paragraph separators",
            named(char)
        )));
    }
    if !is_nfc(path) {
        let at = path.chars().zip(path.nfc()).take_while(|(a, b)| a == b);
        let at: usize = at.map(|(char, _)| char.len_utf8()).sum();
        return Err(Error::Invalid(format!(
            "{field} must be in Unicode normalization form C; it differs from it at byte {at}"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn path(text: &str) -> MemoryPath {
        MemoryPath::parse(text).unwrap()
    }

    #[rstest]
    #[case::plain("/a")]
    #[case::hidden("/.hidden")]
    #[case::marker("/.anthropic-memory-store")]
    #[case::three_dots("/...")]
    #[case::spaces("/ a b ")]
    #[case::nfc("/\u{e9}")]
    #[case::emoji("/🦀")]
    #[case::private_use("/\u{e000}")]
    fn a_legal_path_is_taken_as_it_is(#[case] text: &str) {
        assert_eq!(path(text).as_str(), text);
    }

    #[rstest]
    #[case("", "path must start with")]
    #[case("notes", "path must start with")]
    #[case("/", "path must name a file")]
    #[case("//", "path must not have an empty segment, as at byte 1")]
    #[case("/a/", "path must not have an empty segment, as at byte 3")]
    #[case("/a//b", "path must not have an empty segment, as at byte 3")]
    #[case("/a/./b", "path must not have the segment \".\", as at byte 3")]
    #[case("/..", "path must not have the segment \"..\", as at byte 1")]
    #[case("/a\0", "path must not contain U+0000 (NUL) at byte 2")]
    #[case("/a\u{85}", "path must not contain U+0085 at byte 2")]
    #[case("/é\u{200d}", "path must not contain U+200D (a zero-width joiner) at byte 3")]
    #[case("/\u{2028}", "path must not contain U+2028 (a line separator) at byte 1")]
    #[case("/\u{2029}", "path must not contain U+2029")]
    #[case(
        "/abe\u{301}",
        "path must be in Unicode normalization form C; it differs from it at byte 3"
    )]
    fn an_illegal_path_is_refused_with_its_reason(#[case] text: &str, #[case] start: &str) {
        let message = MemoryPath::parse(text).unwrap_err().to_string();
        assert!(message.starts_with(start), "{message}");
    }

    #[test]
    fn length_is_counted_in_bytes_and_depth_in_segments() {
        let bytes = |n: usize| format!("/{}{}", "é".repeat((n - 1) / 2), "x".repeat((n - 1) % 2));
        assert!(MemoryPath::parse(&bytes(1024)).is_ok());
        assert_eq!(
            MemoryPath::parse(&bytes(1025)).unwrap_err().to_string(),
            "path must be at most 1024 bytes of UTF-8; this one has 1025"
        );
        assert!(MemoryPath::parse(&"/a".repeat(20)).is_ok());
        assert!(MemoryPath::parse(&"/a".repeat(21)).is_err());
    }

    #[test]
    fn ancestors_come_nearest_first() {
        let above: Vec<_> = path("/a/b/c").ancestors().map(|path| path.to_string()).collect();
        assert_eq!(above, ["/a/b", "/a"]);
        assert_eq!(path("/a").ancestors().count(), 0);
    }

    #[rstest]
    #[case("/notes", "/notes", true)]
    #[case("/notes", "/notes/todo.md", true)]
    #[case("/notes/todo.md", "/notes", true)]
    #[case("/notes", "/notes-archive/x", false)]
    #[case("/notes", "/notes0", false)]
    #[case("/notes", "/Notes", false)]
    fn overlap_is_by_segments(#[case] one: &str, #[case] other: &str, #[case] overlap: bool) {
        assert_eq!(path(one).overlaps(&path(other)), overlap);
    }

    #[rstest]
    #[case("/x")]
    #[case("x/")]
    #[case("//")]
    #[case("/a//")]
    #[case("/../")]
    #[case("/e\u{301}/")]
    fn a_prefix_is_a_legal_directory(#[case] text: &str) {
        assert!(PathPrefix::parse(text).is_err());
    }

    #[test]
    fn a_prefix_of_1024_bytes_is_the_longest() {
        let prefix = |n: usize| format!("/{}/", "x".repeat(n - 2));
        assert!(PathPrefix::parse(&prefix(1024)).is_ok());
        assert!(PathPrefix::parse(&prefix(1025)).is_err());
    }

    #[test]
    fn a_rollup_is_the_immediate_sub_directory() {
        let prefix = PathPrefix::parse("/a/").unwrap();
        assert_eq!(prefix.rollup("/a/b/c/d").as_deref(), Some("/a/b/"));
        assert_eq!(prefix.rollup("/a/b"), None);
        assert_eq!(PathPrefix::root().rollup("/a/b").as_deref(), Some("/a/"));
    }

    proptest! {
        #[test]
        fn a_directory_and_all_below_it_are_one_range(
            directory in "/[a-c0./-]{1,6}", other in "/[a-c0./-]{1,6}",
        ) {
            if let (Ok(one), Ok(two)) = (MemoryPath::parse(&directory), MemoryPath::parse(&other)) {
                let directory = format!("{directory}/");
                let below = other.starts_with(&directory);
                prop_assert_eq!(one.below().contains(two.as_str()), below);
                if other > directory && !below {
                    let next = after(&directory);
                    prop_assert!(other >= next);
                }
            }
        }

        #[test]
        fn nothing_fits_between_a_path_and_its_successor(
            one in "/[a-b0./-]{1,4}", other in "/[a-b0./-]{1,4}",
        ) {
            if !one.ends_with('/') {
                prop_assert_eq!(other > one, other >= after(&one));
            }
        }
    }
}
