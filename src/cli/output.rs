//! All that the command line prints. A broken pipe is success.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use serde::Serialize;

use super::{Done, Failure};

/// Prints data.
pub fn print(text: &str) -> Done {
    let mut stdout = io::stdout().lock();
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

/// Says something to the person.
pub fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Says why the command failed.
pub fn fail(text: &str, code: u8) -> ExitCode {
    say(&format!("memstored: {text}"));
    ExitCode::from(code)
}
