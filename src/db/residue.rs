//! Looking for redacted bytes in the free space of the database file.
//!
//! `secure_delete` overwrites what is deleted, but when SQLite balances its trees it moves cells and
//! leaves their old copies in the unallocated part of the pages they came from (measured: in about
//! one of a thousand paths). So after a redaction the free part of every tree page is searched, and
//! where it still holds a piece of what was redacted, the file is rewritten.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use crate::domain::path::MemoryPath;
use crate::domain::version::Version;
use crate::domain::{Error, Result};

const PIECE: usize = 16;
/// What has fewer distinct bytes (a run of zeros, a ruled line) can't be told from chance.
const DISTINCT: usize = 4;
const HEADER: usize = 100;
const PAGES_AT_ONCE: u64 = 256;

/// The database file, open for as long as the process lives: to close it would drop the locks that
/// SQLite holds on it.
#[derive(Clone)]
pub struct DatabaseFile(Arc<File>);

/// Pieces of what was redacted.
#[derive(Clone, Debug, Default)]
pub struct Traces {
    pieces: HashSet<[u8; PIECE]>,
    /// Texts shorter than a piece.
    short: Vec<Vec<u8>>,
}

impl Traces {
    /// Adds what `version` held before it was redacted.
    pub fn add(&mut self, version: &Version) {
        let content = version.content.as_ref().map(|content| content.as_str().as_bytes());
        let path = version.path.as_ref().map(MemoryPath::as_str).map(str::as_bytes);
        let digest = version.digest.as_ref().map(|digest| digest.sha256.as_bytes().as_slice());
        for bytes in [content, path, digest].into_iter().flatten() {
            self.add_bytes(bytes);
        }
    }

    fn add_bytes(&mut self, bytes: &[u8]) {
        let (pieces, _) = bytes.as_chunks::<PIECE>();
        self.pieces.extend(pieces.iter().filter(|piece| is_telling(*piece)));
        match bytes.last_chunk() {
            Some(tail) if is_telling(tail) => {
                self.pieces.insert(*tail);
            }
            None if is_telling(bytes) => self.short.push(bytes.to_vec()),
            _ => {}
        }
    }

    fn are_in(&self, free: &[u8]) -> bool {
        let Some(start) = free.iter().position(|byte| *byte != 0) else { return false };
        let used = &free[start.saturating_sub(PIECE)..];
        used.array_windows().any(|window: &[u8; PIECE]| self.pieces.contains(window))
            || self.short.iter().any(|text| used.windows(text.len()).any(|window| window == text))
    }
}

fn is_telling(bytes: &[u8]) -> bool {
    bytes.iter().collect::<HashSet<_>>().len() >= DISTINCT
}

impl DatabaseFile {
    pub fn open(path: &Path) -> Result<Self> {
        let opened = File::open(path).map_err(|error| Error::Unavailable {
            reason: format!("can't open {}: {error}", path.display()),
            retry: false,
        });
        Ok(Self(Arc::new(opened?)))
    }

    /// Says whether free space still holds a trace. The log must have been truncated before.
    pub fn holds(&self, traces: &Traces) -> Result<bool> {
        search(&self.0, traces).map_err(Error::internal)
    }
}

fn search(file: &File, traces: &Traces) -> io::Result<bool> {
    let mut header = [0; HEADER];
    file.read_exact_at(&mut header, 0)?;
    let page_size = match u16::from_be_bytes([header[16], header[17]]) {
        1 => 65_536,
        0 => return Err(io::ErrorKind::InvalidData.into()),
        size => u64::from(size),
    };
    let length = file.metadata()?.len();
    let mut buffer = vec![0; usize::try_from(page_size * PAGES_AT_ONCE).unwrap_or(0)];
    let mut offset = 0;
    while offset < length {
        let part = usize::try_from(length - offset).unwrap_or(usize::MAX).min(buffer.len());
        file.read_exact_at(&mut buffer[..part], offset)?;
        let pages = buffer[..part].chunks(usize::try_from(page_size).unwrap_or(usize::MAX));
        for (number, page) in pages.enumerate() {
            let tree = if offset == 0 && number == 0 { HEADER } else { 0 };
            if free_parts(page, tree).any(|free| traces.are_in(free)) {
                return Ok(true);
            }
        }
        offset += u64::try_from(part).unwrap_or(u64::MAX);
    }
    Ok(false)
}

/// The unallocated parts of a tree page whose header is at `tree`: the gap between the cell
/// pointers and the cells, and the free blocks. None for other pages.
fn free_parts(page: &[u8], tree: usize) -> impl Iterator<Item = &[u8]> {
    let word = move |at: usize| {
        page.get(at..at + 2).map_or(0, |two| usize::from(u16::from_be_bytes([two[0], two[1]])))
    };
    let header = match page.get(tree) {
        Some(2 | 5) => Some(12),
        Some(10 | 13) => Some(8),
        _ => None,
    };
    let gap = header.and_then(|header| {
        let cells = match word(tree + 5) {
            0 => page.len(),
            at => at,
        };
        page.get(tree + header + 2 * word(tree + 3)..cells)
    });
    let first = header.map(|_| word(tree + 1)).filter(|at| *at != 0);
    let blocks = std::iter::successors(first, move |at| Some(word(*at)).filter(|next| next > at));
    let blocks = blocks.filter_map(move |at| page.get(at + 4..at + word(at + 2)));
    gap.into_iter().chain(blocks)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A leaf page of 512 bytes with one cell pointer, cells from 400 on, and a free block at 450.
    fn page() -> Vec<u8> {
        let mut page = vec![0; 512];
        page[..8].copy_from_slice(&[13, 1, 194, 0, 1, 1, 144, 0]);
        page[450..454].copy_from_slice(&[0, 0, 0, 40]);
        page
    }

    fn traces(text: &str) -> Traces {
        let mut traces = Traces::default();
        traces.add_bytes(text.as_bytes());
        traces
    }

    fn found(page: &[u8], text: &str) -> bool {
        free_parts(page, 0).any(|free| traces(text).are_in(free))
    }

    #[test]
    fn a_copy_in_the_gap_or_in_a_free_block_is_found() {
        for at in [10, 300, 460] {
            let mut page = page();
            page[at..at + 24].copy_from_slice(b"/a-very-secret-path/0001");
            assert!(found(&page, "/a-very-secret-path/0001"), "at {at}");
            assert!(!found(&page, "/another-secret-path/001"));
        }
    }

    #[test]
    fn a_piece_and_a_short_text_are_found() {
        let mut page = page();
        page[20..41].copy_from_slice(b"-path/0001 and junk /");
        page[100..104].copy_from_slice(b"/x.m");
        assert!(found(&page, "0123456789abcdefXXXXXX-path/0001 and junk"));
        assert!(found(&page, "/x.m"));
        assert!(!found(&page, "/y.m"));
        assert!(!found(&page, &"\0".repeat(40)), "zeros are no trace");
    }

    #[test]
    fn what_is_still_allocated_is_not_a_trace() {
        let mut page = page();
        page[410..434].copy_from_slice(b"/a-very-secret-path/0001");
        assert!(!found(&page, "/a-very-secret-path/0001"));
        page[0] = 0;
        page[20..44].copy_from_slice(b"/a-very-secret-path/0001");
        assert!(!found(&page, "/a-very-secret-path/0001"));
    }
}
