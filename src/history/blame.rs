//! Which version each line of a memory comes from.

use similar::DiffOp;

use super::diff;
use crate::wire::version::Version;

/// A line, and where among the versions its own stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub text: String,
    pub version: usize,
}

/// The lines of the newest content among versions given oldest first. A version without content (a
/// deletion, or a redacted one) is passed over: what it brought shows as brought by the next.
pub fn blame(versions: &[Version]) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for (version, content) in versions
        .iter()
        .enumerate()
        .filter_map(|(index, version)| Some((index, version.content.as_deref()?)))
    {
        let new = diff::lines(content);
        let old: Vec<_> = lines.iter().map(|line| &*line.text).collect();
        let origins = diff::steps(&old, &new).into_iter().flat_map(|op| match op {
            DiffOp::Equal { old_index, len, .. } => {
                (old_index..old_index + len).map(|at| lines[at].version).collect()
            }
            _ => vec![version; op.new_range().len()],
        });
        let origins: Vec<usize> = origins.collect();
        lines = new
            .into_iter()
            .zip(origins)
            .map(|(text, version)| Line { text: text.to_owned(), version })
            .collect();
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::examples::{created, redacted, version};
    use super::*;

    fn origins(versions: &[Version]) -> Vec<(String, usize)> {
        blame(versions).into_iter().map(|line| (line.text, line.version)).collect()
    }

    #[test]
    fn a_line_belongs_to_the_version_that_brought_it() {
        let lines = origins(&[
            created(1, "mem_a", "/a", "sesn_1", "one\ntwo\n"),
            version(2, "mem_a", "/a", "sesn_2", Some("zero\none\ntwo\n")),
            version(3, "mem_a", "/b", "sesn_3", Some("zero\none\nTWO\nthree")),
        ]);
        let expected = [("zero\n", 1), ("one\n", 0), ("TWO\n", 2), ("three", 2)];
        assert_eq!(lines, expected.map(|(text, version)| (text.to_owned(), version)));
    }

    #[test]
    fn what_a_redacted_version_brought_shows_as_brought_by_the_next() {
        let lines = origins(&[
            redacted(created(1, "mem_a", "/a", "sesn_1", "one\n")),
            version(2, "mem_a", "/a", "sesn_2", Some("one\ntwo\n")),
            version(3, "mem_a", "/a", "sesn_2", None),
        ]);
        assert_eq!(lines, [("one\n".to_owned(), 1), ("two\n".to_owned(), 1)]);
    }

    #[test]
    fn what_comes_back_belongs_to_who_brought_it_back() {
        let lines = origins(&[
            created(1, "mem_a", "/a", "sesn_1", "keep\nlost\n"),
            version(2, "mem_a", "/a", "sesn_2", Some("keep\n")),
            version(3, "mem_a", "/a", "sesn_3", Some("keep\nlost\n")),
        ]);
        assert_eq!(lines, [("keep\n".to_owned(), 0), ("lost\n".to_owned(), 2)]);
    }
}
