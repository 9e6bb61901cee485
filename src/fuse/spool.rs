//! Text that no server has yet, on the local disk: new files before their upload, saves that failed,
//! and texts that lost a race. One file each, so that a killed mount loses none of them: a line of
//! JSON that says what it is, then the text.
//!
//! An actor has for each store one folder for each mount that is at work on it. A lock on the folder says that
//! one is; a mount takes over what the others have left, and leaves alone what other actors have.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

const LOCK: &str = "lock";

/// What a text is and where it belongs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub path: String,
    /// The memory that it changes; none for a new file.
    pub memory: Option<String>,
    /// The hash that was read before the change.
    pub base: Option<String>,
    /// A text that lost a race: it stays local.
    pub kept: bool,
}

pub struct Spool {
    folder: PathBuf,
    next: u64,
    /// Held as long as the mount lives.
    _lock: File,
}

/// Names a text in the spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpoolId(u64);

impl Spool {
    /// Takes a folder of its own below `store`, and all that dead mounts have left there.
    pub fn open(store: &Path) -> io::Result<Self> {
        let own = claim(store)?;
        let mut spool = Self { next: 1, ..own };
        spool.next += spool.ids()?.last().map_or(0, |id| id.0);
        for other in folders(store)?.into_iter().filter(|other| *other != spool.folder) {
            let Some(dead) = try_claim(&other)? else { continue };
            for id in dead.ids()? {
                fs::rename(dead.place(id), spool.place(SpoolId(spool.next)))?;
                spool.next += 1;
            }
            fs::remove_dir_all(&other)?;
        }
        Ok(spool)
    }

    /// All texts, in the order in which they came.
    pub fn texts(&self) -> io::Result<Vec<(SpoolId, Record, Vec<u8>)>> {
        let mut texts = Vec::new();
        for id in self.ids()? {
            let Some((record, bytes)) = read(&fs::read(self.place(id))?) else {
                tracing::error!(file = %self.place(id).display(), "can't be read");
                continue;
            };
            texts.push((id, record, bytes));
        }
        Ok(texts)
    }

    /// Writes a text, in place of the one with this ID where one is given.
    pub fn write(
        &mut self,
        id: Option<SpoolId>,
        record: &Record,
        bytes: &[u8],
    ) -> io::Result<SpoolId> {
        let id = id.unwrap_or_else(|| {
            self.next += 1;
            SpoolId(self.next - 1)
        });
        let unfinished = self.folder.join("unfinished");
        let mut file = OpenOptions::new();
        let file = file.create(true).write(true).truncate(true).mode(0o600).open(&unfinished);
        let mut head = serde_json::to_vec(record)?;
        head.push(b'\n');
        file.and_then(|mut file| {
            file.write_all(&head)?;
            file.write_all(bytes)
        })?;
        fs::rename(unfinished, self.place(id))?;
        Ok(id)
    }

    pub fn remove(&self, id: SpoolId) -> io::Result<()> {
        fs::remove_file(self.place(id))
    }

    fn place(&self, id: SpoolId) -> PathBuf {
        self.folder.join(format!("{:016}.text", id.0))
    }

    fn ids(&self) -> io::Result<Vec<SpoolId>> {
        let mut ids = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(".text")?.parse().ok());
            ids.extend(number.map(SpoolId));
        }
        ids.sort_unstable_by_key(|id| id.0);
        Ok(ids)
    }
}

/// The other actors who have left texts of a store, and how many.
pub fn of_others(store: &Path, own: &str) -> io::Result<Vec<(String, usize)>> {
    if !store.exists() {
        return Ok(Vec::new());
    }
    let mut others = Vec::new();
    for actor in folders(store)?.into_iter().filter(|actor| !actor.ends_with(own)) {
        let mut texts = 0;
        for folder in folders(&actor)? {
            texts += try_claim(&folder)?.map_or(Ok(0), |dead| dead.ids().map(|ids| ids.len()))?;
        }
        if texts > 0 {
            let name = actor.file_name().unwrap_or_default();
            others.push((name.to_string_lossy().into_owned(), texts));
        }
    }
    Ok(others)
}

fn read(bytes: &[u8]) -> Option<(Record, Vec<u8>)> {
    let line = bytes.iter().position(|byte| *byte == b'\n')?;
    Some((serde_json::from_slice(&bytes[..line]).ok()?, bytes[line + 1..].to_vec()))
}

fn folders(store: &Path) -> io::Result<Vec<PathBuf>> {
    fs::read_dir(store)?.map(|entry| Ok(entry?.path())).collect()
}

/// The first folder that no other mount holds.
fn claim(store: &Path) -> io::Result<Spool> {
    for number in 0_u32.. {
        let folder = store.join(number.to_string());
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        if let Some(spool) = try_claim(&folder)? {
            return Ok(spool);
        }
    }
    Err(io::ErrorKind::ResourceBusy.into())
}

/// The folder, where no other mount holds it.
fn try_claim(folder: &Path) -> io::Result<Option<Spool>> {
    let mut lock = OpenOptions::new();
    let lock = lock.create(true).write(true).truncate(false).mode(0o600).open(folder.join(LOCK))?;
    match lock.try_lock() {
        Ok(()) => Ok(Some(Spool { folder: folder.to_owned(), next: 1, _lock: lock })),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn record(path: &str) -> Record {
        Record { path: path.into(), memory: None, base: None, kept: false }
    }

    #[test]
    fn a_text_comes_back_byte_for_byte_and_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(folder.path()).unwrap();

        let first = spool.write(None, &record("/a\n"), b"\x00\n\xff").unwrap();
        spool.write(None, &record("/b"), b"").unwrap();
        spool.write(Some(first), &record("/c"), b"\n").unwrap();

        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&spool.folder), 0o700);
        assert_eq!(mode(&spool.place(first)), 0o600);
        let texts = spool.texts().unwrap();
        let texts: Vec<_> =
            texts.into_iter().map(|(_, record, text)| (record.path, text)).collect();
        assert_eq!(texts, [("/c".into(), b"\n".to_vec()), ("/b".into(), Vec::new())]);
    }

    #[test]
    fn a_mount_takes_over_what_dead_ones_have_left_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let mut living = Spool::open(folder.path()).unwrap();
        let mut dead = Spool::open(folder.path()).unwrap();
        living.write(None, &record("/living"), b"").unwrap();
        dead.write(None, &record("/dead"), b"text").unwrap();
        drop(dead);

        let next = Spool::open(folder.path()).unwrap();

        let paths = |spool: &Spool| {
            let texts = spool.texts().unwrap().into_iter();
            texts.map(|(_, record, _)| record.path).collect::<Vec<_>>()
        };
        assert_eq!(paths(&living), ["/living"]);
        assert_eq!(paths(&next), ["/dead"]);
    }
}
