//! A file that has its name only when it is whole, and a folder that is filled. Given up before, they
//! leave nothing but what was there.

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

/// What is made at and below a folder. It is removed again, unless it is finished.
pub struct Made {
    /// In the order in which they were made.
    made: Vec<(Kind, PathBuf)>,
}

#[derive(Clone, Copy)]
enum Kind {
    File,
    Folder,
    /// With all that is in it.
    Whole,
}

impl Made {
    /// At a folder that is new or empty; another one is refused.
    pub fn begin(folder: &Path) -> io::Result<Self> {
        let mut made = Self { made: Vec::new() };
        if folder.is_dir() {
            let is_empty = fs::read_dir(folder)?.next().is_none();
            return if is_empty { Ok(made) } else { Err(Errno::NOTEMPTY.into()) };
        }
        made.folder(folder)?;
        Ok(made)
    }

    /// A folder with those above it, as far as they are not there.
    pub fn folder(&mut self, folder: &Path) -> io::Result<()> {
        let is_missing = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.is_dir();
        let missing: Vec<_> = folder.ancestors().take_while(is_missing).collect();
        for folder in missing.into_iter().rev() {
            match fs::create_dir(folder) {
                Ok(()) => self.made.push((Kind::Folder, folder.to_owned())),
                // Somebody else was faster.
                Err(_) if folder.is_dir() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// A new file.
    pub fn file(&mut self, path: &Path) -> io::Result<File> {
        let file = OpenOptions::new().write(true).create_new(true).open(path)?;
        self.made.push((Kind::File, path.to_owned()));
        Ok(file)
    }

    /// That a program will make this, and what is in it.
    pub fn by_program(&mut self, path: PathBuf) {
        self.made.push((Kind::Whole, path));
    }

    pub fn finish(mut self) {
        self.made.clear();
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        for (kind, path) in self.made.iter().rev() {
            let _ = match kind {
                Kind::File => fs::remove_file(path),
                // What others have put there meanwhile keeps it.
                Kind::Folder => fs::remove_dir(path),
                Kind::Whole => fs::remove_dir_all(path).or_else(|_| fs::remove_file(path)),
            };
        }
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
    fn a_folder_that_is_given_up_keeps_what_others_put_there() {
        let folder = TempDir::new().unwrap();
        let to = folder.path().join("a/b");
        let fill = |mut made: Made| {
            made.file(&to.join("x")).unwrap();
            made.folder(&to.join("c/d")).unwrap();
            made.file(&to.join("c/d/y")).unwrap();
            made.by_program(to.join("z"));
            fs::create_dir(to.join("z")).unwrap();
            fs::write(to.join("z/z"), "z").unwrap();
            made
        };

        drop(fill(Made::begin(&to).unwrap()));
        assert!(names(&folder).is_empty());

        let made = fill(Made::begin(&to).unwrap());
        fs::write(to.join("c/theirs"), "theirs").unwrap();
        drop(made);
        assert!(to.join("c/theirs").exists() && !to.join("x").exists() && !to.join("c/d").exists());
        assert!(Made::begin(&to).is_err(), "it is not empty");

        fs::remove_dir_all(to.join("c")).unwrap();
        fill(Made::begin(&to).unwrap()).finish();
        assert!(to.join("c/d/y").exists() && to.join("z/z").exists());
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
