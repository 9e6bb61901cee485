//! The difference between two contents, by lines as `git diff` writes it, or by words.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use similar::algorithms::{Capture, Compact, IdentifyDistinct, Replace, myers};
use similar::udiff::UnifiedHunkHeader;
use similar::{DiffOp, DiffableStr};

use super::change::Fate;

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

/// Two contents, what to call them, and what became of the memory that they are of.
#[derive(Clone, Copy, Debug)]
pub struct Sides<'a> {
    pub names: [&'a str; 2],
    pub texts: [&'a str; 2],
    pub fate: Fate<'a>,
}

impl Sides<'_> {
    /// What stands above the hunks, or alone where there are none.
    fn head(&self, has_hunks: bool) -> Option<Piece> {
        let stayed = matches!(self.fate, Fate::Apart | Fate::Stayed(_));
        if stayed && !has_hunks {
            return None;
        }
        let mut head = self.fate.head(!has_hunks);
        if has_hunks {
            let [old, new] = self.names;
            let _ = write!(head, "--- {old}\n+++ {new}\n");
        }
        Some((Kind::Head, head))
    }

    /// As `git diff` writes it; nothing where the contents and paths are equal.
    pub fn unified(&self) -> Vec<Piece> {
        self.hunks(|op, old, new| match op {
            DiffOp::Equal { .. } => signed(Kind::Same, old).collect(),
            _ => signed(Kind::Removed, old).chain(signed(Kind::Added, new)).collect(),
        })
    }

    /// The changed lines and those around them, with words marked as `[-removed-]` and `{+added+}`.
    pub fn words(&self) -> Vec<Piece> {
        self.hunks(|op, old, new| match op {
            DiffOp::Equal { .. } => vec![(Kind::Same, ended(&old.concat()))],
            _ => marked(&old.concat(), &new.concat()),
        })
    }

    /// Each change with the lines around it, and a head before; nothing where there is none.
    fn hunks(&self, write: impl Fn(&DiffOp, &[&str], &[&str]) -> Vec<Piece>) -> Vec<Piece> {
        let (old, new) = (lines(self.texts[0]), lines(self.texts[1]));
        let mut pieces = Vec::new();
        for hunk in similar::group_diff_ops(steps(&old, &new), CONTEXT) {
            pieces.push((Kind::Hunk, format!("{}\n", UnifiedHunkHeader::new(&hunk))));
            for op in &hunk {
                pieces.extend(write(op, &old[op.old_range()], &new[op.new_range()]));
            }
        }
        self.head(!pieces.is_empty()).into_iter().chain(pieces).collect()
    }

    /// How many lines were added and removed.
    pub fn stat(&self) -> Stat {
        let (old, new) = (lines(self.texts[0]), lines(self.texts[1]));
        let mut stat = Stat::default();
        for op in steps(&old, &new).iter().filter(|op| !matches!(op, DiffOp::Equal { .. })) {
            stat.removed += op.old_range().len();
            stat.added += op.new_range().len();
        }
        stat
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

/// What leads from one to the other, found within some time.
pub fn steps(old: &[&str], new: &[&str]) -> Vec<DiffOp> {
    steps_until(Instant::now() + PATIENCE, old, new)
}

/// Compared are numbers, and by Myers' way alone: what the library offers for texts brings all its ways,
/// once for lines and once for words, which is 0.4 MB of program.
fn steps_until(over: Instant, old: &[&str], new: &[&str]) -> Vec<DiffOp> {
    let numbers = IdentifyDistinct::<u32>::new(old, 0..old.len(), new, 0..new.len());
    let (old, new) = (numbers.old_lookup(), numbers.new_lookup());
    let mut found = Compact::new(Replace::new(Capture::new()), old, new);
    let (olds, news) = (numbers.old_range(), numbers.new_range());
    let Ok(()) = myers::diff_deadline(&mut found, old, olds, new, news, Some(over));
    found.into_inner().into_inner().into_ops()
}

fn signed(kind: Kind, lines: &[&str]) -> impl Iterator<Item = Piece> {
    let sign = match kind {
        Kind::Removed => '-',
        Kind::Added => '+',
        _ => ' ',
    };
    lines.iter().map(move |line| (kind, format!("{sign}{}", ended(line))))
}

/// A line as a patch has it.
fn ended(line: &str) -> String {
    if line.ends_with('\n') {
        return line.to_owned();
    }
    format!("{line}\n\\ No newline at end of file\n")
}

fn marked(before: &str, after: &str) -> Vec<Piece> {
    let (old, new) = (before.tokenize_words(), after.tokenize_words());
    let mut pieces: Vec<Piece> = Vec::new();
    let mut push = |kind, words: &[&str]| {
        if !words.is_empty() {
            pieces.push((kind, words.concat()));
        }
    };
    for op in steps(&old, &new) {
        let (before, after) = (&old[op.old_range()], &new[op.new_range()]);
        if let DiffOp::Equal { .. } = op {
            push(Kind::Same, before);
        } else {
            push(Kind::Removed, before);
            push(Kind::Added, after);
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
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn steps_lead_from_one_text_to_another(
            old in "[ab\n]{0,300}", new in "[ab\n]{0,300}", patient: bool,
        ) {
            let (old, new) = (lines(&old), lines(&new));
            let over = Instant::now() + if patient { PATIENCE } else { Duration::ZERO };
            let (mut at, mut made) = (0, Vec::new());
            for step in steps_until(over, &old, &new) {
                assert_eq!(step.old_range().start, at);
                at = step.old_range().end;
                match step {
                    DiffOp::Equal { .. } => made.extend(&old[step.old_range()]),
                    _ => made.extend(&new[step.new_range()]),
                }
            }
            assert_eq!((at, made), (old.len(), new));
        }

        #[test]
        fn what_is_written_as_a_patch_is_applied_by_patch(
            old in "([a-c]\n){10,40}[a-c]?", new in "([a-c]\n){10,40}[a-c]?",
        ) {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("file");
            std::fs::write(&file, &old).unwrap();
            let patch = folder.path().join("patch");
            std::fs::write(&patch, text(&sides(&old, &new).unified())).unwrap();

            if old != new {
                let mut command = std::process::Command::new("patch");
                command.args(["--quiet", "--fuzz", "0", "--input"]).arg(&patch).arg(&file);
                assert!(command.status().unwrap().success());
            }
            assert_eq!(std::fs::read_to_string(&file).unwrap(), new);
        }
    }

    #[test]
    fn changes_that_lie_apart_have_hunks_of_their_own() {
        let numbers: Vec<_> = (1..=20).map(|number| number.to_string()).collect();
        let numbers = numbers.join("\n") + "\n";
        let changed = numbers.replace("\n5\n", "\nfive\n").replace("\n15\n", "\n");
        let expected = "--- old\n+++ new\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n\
                        @@ -12,7 +12,6 @@\n 12\n 13\n 14\n-15\n 16\n 17\n 18\n";
        assert_eq!(text(&sides(&numbers, &changed).unified()), expected);
    }

    fn sides<'a>(old: &'a str, new: &'a str) -> Sides<'a> {
        Sides { names: ["old", "new"], texts: [old, new], fate: Fate::Apart }
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
    fn what_became_of_a_memory_is_said_without_a_change_of_content_too() {
        let of = |texts, fate| text(&Sides { names: ["old", "new"], texts, fate }.unified());
        let moved = Fate::Moved { from: "/a", to: "/b" };
        let renamed = "diff --git a/a b/b\nrename from a\nrename to b\n";
        assert_eq!(of(["x\n", "x\n"], moved), renamed);
        let hunks = "--- old\n+++ new\n@@ -1 +1 @@\n-x\n+y\n";
        assert_eq!(of(["x\n", "y\n"], moved), format!("{renamed}{hunks}"));
        assert_eq!(
            of(["", ""], Fate::Created("/a")),
            "diff --git a/a b/a\nnew file mode 100644\nindex 0000000..e69de29\n"
        );
        assert_eq!(of(["x\n", "x\n"], Fate::Stayed("/a")), "");
        let stayed = format!("diff --git a/a b/a\n{hunks}");
        assert_eq!(of(["x\n", "y\n"], Fate::Stayed("/a")), stayed);
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
