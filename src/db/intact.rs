//! Whether contents are those that were written: a version's size and SHA-256 stand beside its content.
//! They show damage, and who changed one of them; not who changed all.

use sha2::{Digest, Sha256};

use super::sql::Arg;
use super::tables::Table;

/// The IDs of those versions among rows of any table whose contents are others than were written.
pub fn altered<'a>(table: &Table, rows: &'a [Vec<Arg>]) -> impl Iterator<Item = &'a str> + use<'a> {
    let column = |name| table.columns.iter().position(|(column, _)| *column == name);
    let columns = Some(["content", "size", "sha256"]).map(|names| names.map(column));
    let columns = columns.and_then(|[content, size, hash]| Some([content?, size?, hash?]));
    rows.iter().filter_map(move |row| {
        let [content, size, hash] = columns?.map(|at| &row[at]);
        match &row[0] {
            Arg::Text(Some(id)) if !fits(content, size, hash) => Some(id.as_str()),
            _ => None,
        }
    })
}

/// What is redacted or deleted has none of the three.
fn fits(content: &Arg, size: &Arg, hash: &Arg) -> bool {
    match (content, size, hash) {
        (Arg::Bytes(None), Arg::Integer(None), Arg::Bytes(None)) => true,
        (Arg::Bytes(Some(content)), Arg::Integer(Some(size)), Arg::Bytes(Some(hash))) => {
            i64::try_from(content.len()) == Ok(*size) && Sha256::digest(content)[..] == hash[..]
        }
        _ => false,
    }
}
