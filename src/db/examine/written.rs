//! What the migrations of Postgres say that they make: read from their text, since a look makes nothing
//! on a server. It knows the forms in which they are written, one column a line.

use super::super::dialect::Dialect;
use super::super::migrate;
use super::objects::Objects;

/// What a line of a table begins with that is no column.
const CONSTRAINTS: [&str; 3] = ["check", "unique", "primary"];

pub fn objects() -> Objects {
    let mut made = Objects::new();
    for text in migrate::texts(Dialect::Postgres) {
        for (at, _) in text.match_indices("\ncreate ") {
            create(&text[at + 1..], &mut made);
        }
        for (at, _) in text.match_indices("\nalter table ") {
            alter(&text[at + 1..], &mut made);
        }
    }
    made
}

fn create(text: &str, made: &mut Objects) {
    let words: Vec<_> = text.split_whitespace().take(20).collect();
    let after = |word: &str| words.iter().skip_while(|one| **one != word).nth(1).copied();
    let (name, is) = match words[1] {
        "table" => (words[2], columns(text).join(", ")),
        "index" => (words[2], String::new()),
        "function" => (words[2], text.split("$$").nth(1).unwrap_or_default().to_owned()),
        "trigger" => {
            let name = format!("trigger {} on {}", words[2], after("on").unwrap_or_default());
            made.insert(name, plain(text.split(';').next().unwrap_or_default()));
            return;
        }
        _ => return,
    };
    let name = name.split('(').next().unwrap_or_default();
    made.insert(format!("{} {name}", words[1]), is);
}

fn alter(text: &str, made: &mut Objects) {
    let mut words = text.split_whitespace().skip(2);
    let Some(table) = words.next().and_then(|name| made.get_mut(&format!("table {name}"))) else {
        return;
    };
    let added = text.split(';').next().and_then(|all| all.split_once(" add column "));
    if let Some(added) = added.and_then(|(_, added)| column(added)) {
        table.push_str(", ");
        table.push_str(&added);
    }
}

fn columns(table: &str) -> Vec<String> {
    let lines = table.lines().skip(1).take_while(|line| !line.starts_with(')'));
    lines.filter_map(column).collect()
}

/// A column's name, type, collation, and whether it may be null, as the catalog is asked for them.
fn column(text: &str) -> Option<String> {
    let mut words = text.split_whitespace();
    let (name, kind) = (words.next()?, words.next()?.trim_end_matches(','));
    if CONSTRAINTS.contains(&name) {
        return None;
    }
    let collation = if text.contains(" collate \"C\"") { " collate C" } else { "" };
    let needed = text.contains(" not null") || text.contains(" primary key");
    Some(format!("{name} {kind}{collation}{}", if needed { " not null" } else { "" }))
}

/// The text of a trigger without what Postgres writes in its own way: capitals, spaces, parentheses.
pub fn plain(text: &str) -> String {
    let kept = |letter: &char| !letter.is_whitespace() && !matches!(letter, '(' | ')' | '"');
    text.chars().filter(kept).flat_map(char::to_lowercase).collect()
}
