//! Looks at a SQLite file and what lies beside it.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::super::dialect::sqlite;
use super::super::location::Location;
use super::{Exam, Grade, bytes};

const FREE_BYTES: u64 = 1 << 30;

/// A file that nobody had open, as it was before the first look; none where somebody had it open,
/// since then SQLite sees to it that nobody is in another's way.
#[derive(PartialEq, Eq)]
pub struct State(Option<(u64, i64, i64)>);

impl State {
    pub fn of(location: &Location) -> Self {
        let at_rest = location.file().filter(|path| sqlite::is_at_rest(path));
        let metadata = at_rest.and_then(|path| path.metadata().ok());
        Self(metadata.map(|file| (file.len(), file.mtime(), file.mtime_nsec())))
    }
}

impl Exam<'_> {
    /// Integrity, mode and room of a SQLite file.
    pub(super) async fn file(&mut self, before: &State) {
        match self.text("pragma quick_check(1)").await {
            Ok(ok) if ok == "ok" => self.find("integrity", Grade::Ok, "quick_check finds nothing"),
            Ok(found) => self.find("integrity", Grade::Fail, found),
            Err(error) => self.fail("integrity", &error),
        }
        if before.0.is_some() && *before != State::of(self.location) {
            let text = "a server was started on it meanwhile: what is said above may be wrong, \
                        look again";
            self.find("database", Grade::Warn, text);
        }
        let Some(path) = self.location.file() else { return };
        match disk(path) {
            Ok(disk) => self.disk(&disk),
            Err(error) => self.find("disk", Grade::Fail, error.to_string()),
        }
    }

    fn disk(&mut self, Disk { size, free, open }: &Disk) {
        let text = format!("{} of data, {} free", bytes(*size), bytes(*free));
        let tight = *free < FREE_BYTES.max(2 * size);
        let advice = if tight { ", less than a rewrite of the file may take" } else { "" };
        let grade = if tight { Grade::Warn } else { Grade::Ok };
        self.find("disk", grade, text + advice);
        if !open.is_empty() {
            let text = format!("others may read {}: set the mode to 0600", open.join(", "));
            self.find("mode", Grade::Warn, text);
        }
    }
}

struct Disk {
    /// The file with its log.
    size: u64,
    free: u64,
    /// Names of the files that others may read.
    open: Vec<String>,
}

fn disk(path: &Path) -> io::Result<Disk> {
    let room = rustix::fs::statvfs(path)?;
    let file = path.metadata()?;
    let [log, index, _] = sqlite::beside(path);
    let (log, index) = (found(&log)?, found(&index)?);
    let size = file.len() + log.as_ref().map_or(0, Metadata::len);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let all = [("", Some(file)), ("-wal", log), ("-shm", index)];
    let open = all.into_iter().filter_map(|(end, metadata)| {
        (metadata?.mode() & 0o077 != 0).then(|| format!("{name}{end}"))
    });
    Ok(Disk { size, free: room.f_bavail * room.f_frsize, open: open.collect() })
}

fn found(path: &Path) -> io::Result<Option<Metadata>> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
