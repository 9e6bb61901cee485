//! Differences as they are printed.

use anstyle::{AnsiColor, Style};

use super::Done;
use super::output::Out;
use crate::history::change::Change;
use crate::history::diff::{Kind, Piece, Sides};
use crate::history::moment::Near;
use crate::history::steps::Step;
use crate::history::text::one_line;
use crate::wire::version::Version;

const HEAD: Style = Style::new().bold();
const HUNK: Style = AnsiColor::Cyan.on_default();
const REMOVED: Style = AnsiColor::Red.on_default();
const ADDED: Style = AnsiColor::Green.on_default();

/// How a difference is shown.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    Lines,
    Words,
    Stat,
}

/// What a version changed.
pub fn of_step(out: &mut Out, step: &Step, form: Form) -> Done {
    let is_first = step.version.operation == crate::history::CREATED;
    if step.version.redacted_at.is_some() || (step.before.is_none() && !is_first) {
        return Ok(());
    }
    if step.before.as_ref().is_some_and(|before| before.redacted_at.is_some()) {
        return out.line("(what it was before was redacted)");
    }
    let change = Change::new(step.before.as_deref(), Some(&step.version));
    between(out, &change, &Near::new(), form)
}

/// What differs between two versions, each with its content; nothing where there was no memory. What was
/// redacted is compared with nothing.
pub fn between(out: &mut Out, change: &Change<'_>, near: &Near, form: Form) -> Done {
    if let Some(why) = change.erased() {
        return note(out, change.name(near), &why, form);
    }
    let nothing = || (String::new(), "/dev/null".to_owned());
    let (old_text, old_name) = change.old.map_or_else(nothing, side);
    let (new_text, new_name) = change.new.map_or_else(nothing, side);
    let sides =
        Sides { names: [&old_name, &new_name], texts: [&old_text, &new_text], fate: change.fate() };
    print(out, &sides, form)
}

/// Why there is no difference to show; to `patch` no part of one.
pub fn note(out: &mut Out, name: &str, why: &str, form: Form) -> Done {
    let colon = if matches!(form, Form::Stat) { " |" } else { ":" };
    out.line(&format!("{}{colon} {why}", one_line(name)))
}

/// A version's content, and what to call it.
pub fn side(version: &Version) -> (String, String) {
    let path = one_line(version.path.as_deref().unwrap_or("-"));
    let name = match &*version.operation {
        crate::history::DELETED => "/dev/null".to_owned(),
        _ => format!("{path}\t{}", version.id),
    };
    (version.content.clone().unwrap_or_default(), name)
}

pub fn print(out: &mut Out, sides: &Sides<'_>, form: Form) -> Done {
    let pieces = match form {
        Form::Lines => sides.unified(),
        Form::Words => sides.words(),
        Form::Stat => return out.line(&counted(sides)),
    };
    pieces.iter().try_for_each(|piece| print_piece(out, piece))
}

fn counted(sides: &Sides<'_>) -> String {
    let [old, new] = sides.names;
    let name = if new == "/dev/null" { old } else { new };
    let path = name.split('\t').next().unwrap_or(name);
    let stat = sides.stat();
    format!("{path} | +{} -{}{}", stat.added, stat.removed, sides.fate.note())
}

/// A style may not reach over an end of line: pagers begin each line anew.
fn print_piece(out: &mut Out, (kind, text): &Piece) -> Done {
    let style = match kind {
        Kind::Head => HEAD,
        Kind::Hunk => HUNK,
        Kind::Same => {
            let text = out.shown(text).into_owned();
            return out.raw(&text);
        }
        Kind::Removed => REMOVED,
        Kind::Added => ADDED,
    };
    for line in text.split_inclusive('\n') {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        let styled = out.styled(style, &out.shown(line));
        out.raw(&format!("{styled}{end}"))?;
    }
    Ok(())
}
