//! The difference between two contents, by lines as `diff -u` writes it, or by words.

use std::time::Duration;

use similar::{ChangeTag, DiffOp, TextDiff, TextDiffConfig};

/// Lines of context around a change.
const CONTEXT: usize = 3;
/// After this long a difference is no longer the smallest, but it is one.
const PATIENCE: Duration = Duration::from_millis(500);

/// What a piece of a difference is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Head,
    Hunk,
    Same,
    Removed,
    Added,
}

/// A text that is printed as it stands, line feeds included.
pub type Piece = (Kind, String);

/// Two contents and what to call them.
#[derive(Clone, Copy, Debug)]
pub struct Sides<'a> {
    pub names: [&'a str; 2],
    pub texts: [&'a str; 2],
}

impl Sides<'_> {
    fn head(&self) -> [Piece; 2] {
        let [old, new] = self.names;
        [(Kind::Head, format!("--- {old}\n")), (Kind::Head, format!("+++ {new}\n"))]
    }

    /// As `diff -u` writes it; nothing where the contents are equal.
    pub fn unified(&self) -> Vec<Piece> {
        let (old, new) = (lines(self.texts[0]), lines(self.texts[1]));
        let diff = config().newline_terminated(true).diff_slices(&old, &new);
        let mut pieces = Vec::new();
        for hunk in diff.unified_diff().context_radius(CONTEXT).iter_hunks() {
            pieces.push((Kind::Hunk, format!("{}\n", hunk.header())));
            for change in hunk.iter_changes() {
                let (kind, sign) = match change.tag() {
                    ChangeTag::Equal => (Kind::Same, ' '),
                    ChangeTag::Delete => (Kind::Removed, '-'),
                    ChangeTag::Insert => (Kind::Added, '+'),
                };
                pieces.push((kind, format!("{sign}{}", ended(change.value()))));
            }
        }
        self.headed(pieces)
    }

    /// The changed lines and those around them, with words marked as `[-removed-]` and `{+added+}`.
    pub fn words(&self) -> Vec<Piece> {
        let (old, new) = (lines(self.texts[0]), lines(self.texts[1]));
        let diff = config().newline_terminated(true).diff_slices(&old, &new);
        let mut pieces = Vec::new();
        for hunk in diff.unified_diff().context_radius(CONTEXT).iter_hunks() {
            pieces.push((Kind::Hunk, format!("{}\n", hunk.header())));
            for op in hunk.ops() {
                let (before, after) = (old[op.old_range()].concat(), new[op.new_range()].concat());
                match op {
                    DiffOp::Equal { .. } => pieces.push((Kind::Same, ended(&before))),
                    _ => pieces.extend(marked(&before, &after)),
                }
            }
        }
        self.headed(pieces)
    }

    /// How many lines were added and removed.
    pub fn stat(&self) -> Stat {
        let (old, new) = (lines(self.texts[0]), lines(self.texts[1]));
        let diff = config().diff_slices(&old, &new);
        let mut stat = Stat::default();
        for op in diff.ops().iter().filter(|op| !matches!(op, DiffOp::Equal { .. })) {
            stat.removed += op.old_range().len();
            stat.added += op.new_range().len();
        }
        stat
    }

    fn headed(&self, pieces: Vec<Piece>) -> Vec<Piece> {
        if pieces.is_empty() { pieces } else { self.head().into_iter().chain(pieces).collect() }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stat {
    pub added: usize,
    pub removed: usize,
}

/// Lines with their ends: only a line feed ends a line.
pub fn lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

pub fn config() -> TextDiffConfig {
    let mut config = TextDiff::configure();
    config.timeout(PATIENCE);
    config
}

/// A line as a patch has it.
fn ended(line: &str) -> String {
    if line.ends_with('\n') {
        return line.to_owned();
    }
    format!("{line}\n\\ No newline at end of file\n")
}

fn marked(before: &str, after: &str) -> Vec<Piece> {
    let diff = config().diff_words(before, after);
    let mut pieces: Vec<Piece> = Vec::new();
    for change in diff.iter_all_changes() {
        let kind = match change.tag() {
            ChangeTag::Equal => Kind::Same,
            ChangeTag::Delete => Kind::Removed,
            ChangeTag::Insert => Kind::Added,
        };
        match pieces.last_mut() {
            Some((last, text)) if *last == kind => text.push_str(change.value()),
            _ => pieces.push((kind, change.value().to_owned())),
        }
    }
    for (kind, text) in &mut pieces {
        let (open, close) = match kind {
            Kind::Removed => ("[-", "-]"),
            Kind::Added => ("{+", "+}"),
            _ => continue,
        };
        // A mark around an end of line would begin or end on another line.
        let (inner, end) = match text.strip_suffix('\n') {
            Some(inner) => (inner, "\n"),
            None => (&**text, ""),
        };
        *text = format!("{open}{inner}{close}{end}");
    }
    if !pieces.last().is_some_and(|(_, text)| text.ends_with('\n')) {
        pieces.push((Kind::Same, "\n".to_owned()));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sides<'a>(old: &'a str, new: &'a str) -> Sides<'a> {
        Sides { names: ["old", "new"], texts: [old, new] }
    }

    fn text(pieces: &[Piece]) -> String {
        pieces.iter().map(|(_, text)| &**text).collect()
    }

    #[test]
    fn a_difference_is_written_as_a_patch() {
        let unified = text(&sides("a\nb\nc\n", "a\nB\nc").unified());
        let expected =
            "--- old\n+++ new\n@@ -1,3 +1,3 @@\n a\n-b\n-c\n+B\n+c\n\\ No newline at end of file\n";
        assert_eq!(unified, expected);
        assert_eq!(sides("a", "a").unified(), []);
        assert!(text(&sides("", "a\n").unified()).contains("@@ -0,0 +1 @@\n+a\n"));
    }

    #[test]
    fn a_carriage_return_ends_no_line() {
        let unified = text(&sides("a\rb\n", "a\rc\n").unified());
        assert!(unified.contains("-a\rb\n+a\rc\n"), "{unified:?}");
    }

    #[test]
    fn changed_words_are_marked() {
        let words = text(&sides("one two three\n", "one 2 three\n").words());
        assert!(words.ends_with("one [-two-]{+2+} three\n"), "{words}");
        let gone = text(&sides("a\nb\n", "a\n").words());
        assert!(gone.ends_with(" a\n[-b-]\n") || gone.ends_with("a\n[-b-]\n"), "{gone}");
    }

    #[test]
    fn lines_are_counted() {
        assert_eq!(sides("a\nb\nc\n", "a\nX\nY\nc\n").stat(), Stat { added: 2, removed: 1 });
        assert_eq!(sides("a", "a").stat(), Stat::default());
    }
}
