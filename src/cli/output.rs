//! All that the command line prints. A broken pipe is success.

use std::borrow::Cow;
use std::io::{self, BufWriter, IsTerminal, Stdout, Write};
use std::process::ExitCode;

use anstyle::Style;
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::{Done, Failure};
use crate::history::text::harmless;

/// Prints data. On a terminal what could drive it is written out.
pub fn print(text: &str) -> Done {
    let mut stdout = io::stdout().lock();
    let text = if stdout.is_terminal() { harmless(text) } else { Cow::Borrowed(text) };
    match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::Failed(format!("can't print: {error}")))
        }
        _ => Ok(()),
    }
}

/// Prints a value as JSON.
pub fn json(value: &impl Serialize) -> Done {
    let text = serde_json::to_string_pretty(value);
    print(&text.map_err(|error| Failure::Failed(error.to_string()))?)
}

/// Prints rows: a table with a head on a terminal, tab-separated otherwise.
pub fn rows(head: &[&str], rows: &[Vec<String>]) -> Done {
    if !io::stdout().is_terminal() {
        return rows.iter().try_for_each(|row| print(&row.join("\t")));
    }
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(head.to_vec());
    for row in rows {
        table.add_row(row);
    }
    print(&table.to_string())
}

/// Standard output for long texts, written in blocks; on a terminal each line at once.
pub struct Out {
    to: BufWriter<Stdout>,
    /// Whether a person looks on.
    is_terminal: bool,
    paint: bool,
}

impl Out {
    pub fn new(color: Color) -> Self {
        let stdout = io::stdout();
        let is_terminal = stdout.is_terminal();
        let paint = match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => is_terminal,
        };
        Self { to: BufWriter::new(stdout), is_terminal, paint }
    }

    /// Writes a line.
    pub fn line(&mut self, text: &str) -> Done {
        let done = writeln!(self.to, "{text}");
        if self.is_terminal {
            return self.flush();
        }
        written(done)
    }

    /// Writes bytes as they stand.
    pub fn raw(&mut self, text: &str) -> Done {
        written(self.to.write_all(text.as_bytes()))
    }

    pub fn flush(&mut self) -> Done {
        written(self.to.flush())
    }

    /// Writes a content whole: harmless on a terminal, and the very bytes elsewhere.
    pub fn content(&mut self, text: &str) -> Done {
        let text = if self.is_terminal { harmless(text) } else { Cow::Borrowed(text) };
        self.raw(&text)
    }

    /// Text of others as it may be shown here: harmless on a terminal and where colours are wanted, since
    /// behind those there is one; unchanged elsewhere.
    pub fn shown<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.is_terminal || self.paint { harmless(text) } else { Cow::Borrowed(text) }
    }

    /// The text in a style, where colours are wanted.
    pub fn styled(&self, style: Style, text: &str) -> String {
        if self.paint { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Color {
    Auto,
    Always,
    Never,
}

/// Standard output for bytes that are no text; nothing where a person would have to read them.
pub fn bytes() -> Option<BufWriter<Stdout>> {
    let stdout = io::stdout();
    (!stdout.is_terminal()).then(|| BufWriter::new(stdout))
}

/// Nobody reads on: that ends the program, and well.
pub fn written(done: io::Result<()>) -> Done {
    done.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::Closed,
        _ => Failure::Failed(format!("can't print: {error}")),
    })
}

/// A bar for what takes long, on a terminal.
pub fn bar(steps: usize, what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(steps as u64).with_message(what);
    bar.with_style(
        ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len}")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    )
}

/// Says something to the person. Others may have written parts of it, a server its messages.
pub fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{}", harmless(text));
}

/// Says why the command failed.
pub fn fail(text: &str, code: u8) -> ExitCode {
    say(&format!("memstored: {text}"));
    ExitCode::from(code)
}
