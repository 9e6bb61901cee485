//! Reading what comes in, from a folder or an archive, which may be anybody's: no link is followed,
//! nothing but plain files is opened, nothing is read beyond its limit, and names are paths of
//! memories or nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

use super::super::{Failure, output};
use crate::domain::path::MemoryPath;
use crate::history::text::{counted, one_line};

/// Bytes of a file of versions.
const LARGEST_HISTORY: u64 = 1 << 32;
/// Files at most, so that an archive of endless names ends.
const MOST: usize = 100_000;
/// Segments of a path at most, so that folders end.
const DEEPEST: usize = 20;
/// Refusals that are listed.
const LISTED: usize = 20;

/// A file that may become a memory.
pub struct Found {
    pub path: String,
    pub content: String,
}

/// All that comes in, or why not.
#[derive(Default)]
struct Reading {
    /// Bytes of one memory.
    largest: usize,
    files: BTreeMap<String, String>,
    refused: Vec<String>,
    seen: usize,
}

/// All files of a folder or an archive, below `prefix`, each of at most `largest` bytes.
pub fn all(from: &Path, prefix: &str, largest: usize) -> Result<Vec<Found>, Failure> {
    let mut reading = Reading { largest, ..Reading::default() };
    if is_archive(from) {
        reading.archive(from, prefix)?;
    } else {
        let entries = fs::read_dir(from).map_err(|error| failed(from, &error))?;
        reading.folder(entries, prefix, 0)?;
    }
    reading.finish()
}

/// One file by its name, at the top.
pub fn named(from: &Path, name: &str) -> Result<Option<String>, Failure> {
    let read = |reader: &mut dyn Read| {
        let mut text = String::new();
        let read = reader.take(LARGEST_HISTORY).read_to_string(&mut text);
        read.map_err(|error| failed(&from.join(name), &error))?;
        Ok(text)
    };
    if !is_archive(from) {
        return match plain(&from.join(name)) {
            Ok(mut file) => read(&mut file).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(&from.join(name), &error)),
        };
    }
    let mut archive = tar::Archive::new(plain(from).map_err(|error| failed(from, &error))?);
    for entry in archive.entries().map_err(|error| failed(from, &error))? {
        let mut entry = entry.map_err(|error| failed(from, &error))?;
        let path = entry.path_bytes();
        if path.strip_prefix(b"./").unwrap_or(&path) == name.as_bytes() {
            drop(path);
            return read(&mut entry).map(Some);
        }
    }
    Ok(None)
}

/// Why a content is none.
pub fn too_large(largest: usize) -> String {
    format!("it has more than {}", counted(largest, "byte", "bytes"))
}

fn is_archive(from: &Path) -> bool {
    from.extension().is_some_and(|extension| extension == "tar") && !from.is_dir()
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    let text = format!("can't read {}: {error}", path.display());
    match error.kind() {
        io::ErrorKind::NotFound => Failure::Missing(text),
        _ => Failure::Failed(text),
    }
}

/// Opens a plain file, and neither follows a link nor waits for a pipe.
fn plain(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    let file = OpenOptions::new().read(true).custom_flags(flags.cast_signed()).open(path)?;
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no plain file"))
}

impl Reading {
    fn folder(&mut self, entries: fs::ReadDir, prefix: &str, depth: usize) -> Result<(), Failure> {
        for entry in entries {
            let entry = entry.map_err(|error| Failure::Failed(error.to_string()))?;
            let path = entry.path();
            let kind = entry.file_type().map_err(|error| failed(&path, &error))?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else {
                self.refuse(&name.to_string_lossy(), "its name is not UTF-8")?;
                continue;
            };
            let place = format!("{prefix}{name}");
            if kind.is_dir() {
                if depth == DEEPEST {
                    self.refuse(&place, "folders are at most 20 deep")?;
                    continue;
                }
                let entries = fs::read_dir(&path).map_err(|error| failed(&path, &error))?;
                self.folder(entries, &format!("{place}/"), depth + 1)?;
            } else if kind.is_file() {
                match plain(&path) {
                    Ok(file) => self.file(place, file)?,
                    Err(error) => self.refuse(&place, &error.to_string())?,
                }
            } else {
                self.refuse(&place, "it is a link or a device, and only plain files come in")?;
            }
        }
        Ok(())
    }

    fn archive(&mut self, from: &Path, prefix: &str) -> Result<(), Failure> {
        let file = plain(from).map_err(|error| failed(from, &error))?;
        let mut archive = tar::Archive::new(io::BufReader::new(file));
        for entry in archive.entries().map_err(|error| failed(from, &error))? {
            let entry = entry.map_err(|error| failed(from, &error))?;
            let name = entry.path_bytes().into_owned();
            let shown = String::from_utf8_lossy(&name).into_owned();
            let kind = entry.header().entry_type();
            match String::from_utf8(name) {
                _ if kind.is_dir() => {}
                _ if !kind.is_file() => {
                    self.refuse(&shown, "it is a link or a device, and only plain files come in")?;
                }
                Err(_) => self.refuse(&shown, "its name is not UTF-8")?,
                Ok(name) => {
                    let name = name.strip_prefix("./").unwrap_or(&name);
                    self.file(format!("{prefix}{name}"), entry)?;
                }
            }
        }
        Ok(())
    }

    fn file(&mut self, path: String, file: impl Read) -> Result<(), Failure> {
        self.count()?;
        if let Err(error) = MemoryPath::parse(&path) {
            return self.refuse(&path, &error.to_string());
        }
        let mut bytes = Vec::new();
        let most = (self.largest as u64).saturating_add(1);
        if let Err(error) = file.take(most).read_to_end(&mut bytes) {
            return self.refuse(&path, &error.to_string());
        }
        if bytes.len() > self.largest {
            return self.refuse(&path, &too_large(self.largest));
        }
        let Ok(content) = String::from_utf8(bytes) else {
            return self.refuse(&path, "it is not UTF-8, and a memory is text");
        };
        if self.files.contains_key(&path) {
            return self.refuse(&path, "there are two of it");
        }
        self.files.insert(path, content);
        Ok(())
    }

    fn count(&mut self) -> Result<(), Failure> {
        self.seen += 1;
        if self.seen > MOST {
            return Err(Failure::Failed(format!("there are more than {MOST} files")));
        }
        Ok(())
    }

    fn refuse(&mut self, path: &str, why: &str) -> Result<(), Failure> {
        self.count()?;
        self.refused.push(format!("{}: {}", one_line(path), one_line(why)));
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<Found>, Failure> {
        let paths: BTreeSet<_> = self.files.keys().cloned().collect();
        for path in &paths {
            let mut above = path.rfind('/');
            while let Some(at) = above.filter(|at| *at > 0) {
                if paths.contains(&path[..at]) {
                    let why = format!("{} is a file, so it can't be a folder", &path[..at]);
                    self.refused.push(format!("{path}: {why}"));
                }
                above = path[..at].rfind('/');
            }
        }
        if self.refused.is_empty() {
            let files = self.files.into_iter();
            return Ok(files.map(|(path, content)| Found { path, content }).collect());
        }
        let count = self.refused.len();
        self.refused.iter().take(LISTED).for_each(|line| output::say(&format!("refused: {line}")));
        if count > LISTED {
            output::say(&format!("… and {} more", count - LISTED));
        }
        Err(Failure::Failed(format!(
            "{count} of the files can't be memories, so nothing was written"
        )))
    }
}
