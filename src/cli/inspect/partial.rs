//! A file that has its name only when it is whole. Given up before, it leaves nothing.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

pub struct Partial {
    /// Where it lies until then, beside its place.
    at: PathBuf,
    to: PathBuf,
}

impl Partial {
    /// A new file; refused where something is at its place.
    pub fn begin(to: &Path) -> io::Result<(Self, File)> {
        is_free(to)?;
        let mut name = to.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.partial", std::process::id()));
        let at = to.with_file_name(name);
        let file = OpenOptions::new().write(true).create_new(true).open(&at)?;
        Ok((Self { at, to: to.to_owned() }, file))
    }

    pub fn to(&self) -> &Path {
        &self.to
    }

    /// Gives it its name, unless something has come there.
    pub fn finish(self) -> io::Result<()> {
        match renameat_with(CWD, &self.at, CWD, &self.to, RenameFlags::NOREPLACE) {
            // A file system that can't do it in one step.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                is_free(&self.to)?;
                fs::rename(&self.at, &self.to)
            }
            renamed => renamed.map_err(io::Error::from),
        }
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.at);
    }
}

fn is_free(to: &Path) -> io::Result<()> {
    if to.symlink_metadata().is_ok() { Err(Errno::EXIST.into()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use tempfile::TempDir;

    use super::*;

    fn names(folder: &TempDir) -> Vec<String> {
        let entries = fs::read_dir(folder.path()).unwrap().map(Result::unwrap);
        entries.map(|entry| entry.file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_that_is_given_up_leaves_nothing_and_one_that_is_finished_has_its_name() {
        let folder = TempDir::new().unwrap();
        let to = folder.path().join("x");

        let (partial, mut file) = Partial::begin(&to).unwrap();
        file.write_all(b"half").unwrap();
        assert!(!to.exists());
        drop(partial);
        assert!(names(&folder).is_empty());

        let (partial, mut file) = Partial::begin(&to).unwrap();
        file.write_all(b"whole").unwrap();
        partial.finish().unwrap();
        assert_eq!(names(&folder), ["x"]);
        assert_eq!(fs::read(&to).unwrap(), b"whole");
    }

    #[test]
    fn nothing_is_replaced_that_was_there_or_has_come_meanwhile() {
        let folder = TempDir::new().unwrap();
        let to = folder.path().join("x");
        let (partial, _file) = Partial::begin(&to).unwrap();
        fs::write(&to, "theirs").unwrap();

        assert!(partial.finish().is_err());
        assert!(Partial::begin(&to).is_err());
        assert_eq!(fs::read(&to).unwrap(), b"theirs");
        assert_eq!(names(&folder), ["x"]);
    }
}
