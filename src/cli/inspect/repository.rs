//! A store's history as a git repository, written by git itself: one commit a version.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use super::super::{Done, Failure};
use crate::domain::git::{self, Bare};
use crate::domain::path::MemoryPath;
use crate::domain::time::Timestamp;
use crate::history::{DELETED, author};
use crate::wire::version::Version;

/// Memories are bytes, whatever a memory that is called `.gitattributes` says: no filter of whoever
/// exports is run over them.
const PLAIN: &str = "* -text -ident -filter !eol !working-tree-encoding\n";

/// Writes the versions, given oldest first, into an empty folder. `authors` has the name of each
/// actor. Returns the paths that git refuses to keep.
pub fn write(
    folder: &Path,
    versions: &[Version],
    authors: &HashMap<String, String>,
) -> Result<Vec<String>, Failure> {
    run(git(folder).args(["init", "--quiet", "--initial-branch=main"]))?;
    let attributes = folder.join(".git/info/attributes");
    let written = fs::create_dir_all(folder.join(".git/info"));
    let written = written.and_then(|()| fs::write(&attributes, PLAIN));
    written.map_err(|error| {
        Failure::Failed(format!("can't write {}: {error}", attributes.display()))
    })?;
    let mut import = git(folder);
    let import = import.args(["fast-import", "--quiet", "--date-format=raw"]);
    let mut child = import.stdin(Stdio::piped()).spawn().map_err(|error| absent(&error))?;
    let mut stream = Stream::of(versions);
    let written = child.stdin.take().map_or(Ok(()), |pipe| {
        let mut pipe = std::io::BufWriter::new(pipe);
        versions.iter().try_for_each(|version| pipe.write_all(&stream.commit(version, authors)))?;
        pipe.flush()
    });
    let status = child.wait().map_err(|error| absent(&error))?;
    if !status.success() || written.is_err() {
        return Err(Failure::Failed("git could not write the history".into()));
    }
    if !versions.is_empty() {
        run(git(folder).args(["reset", "--quiet", "--hard"]))?;
    }
    Ok(stream.left_out)
}

/// git in the folder, whatever repository the variables of whoever calls name.
fn git(folder: &Path) -> Command {
    let mut git = Command::new("git");
    git.arg("-C").arg(folder);
    for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"] {
        git.env_remove(variable);
    }
    git
}

fn run(command: &mut Command) -> Done {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failure::Failed(format!("git failed: {status}"))),
        Err(error) => Err(absent(&error)),
    }
}

fn absent(error: &std::io::Error) -> Failure {
    Failure::Failed(format!("--git needs the program git: {error}"))
}

#[derive(Default)]
struct Stream {
    /// Where each memory lies.
    paths: HashMap<String, String>,
    /// Whose each path is: where a rename was redacted, a memory may lie where another was.
    holders: HashMap<String, String>,
    /// What any of the commits could make a bare repository.
    bare: Bare,
    left_out: Vec<String>,
}

impl Stream {
    fn of(versions: &[Version]) -> Self {
        let paths = versions.iter().filter_map(|version| version.path.as_deref());
        Self { bare: Bare::among(paths), ..Self::default() }
    }

    /// A version as a commit for fast-import.
    fn commit(&mut self, version: &Version, authors: &HashMap<String, String>) -> Vec<u8> {
        let id = author(version).unwrap_or("nobody");
        let name = authors.get(id).map_or(id, |name| name);
        let who = format!("{} <{}>", plain(name), plain(id));
        let seconds = Timestamp::parse(&version.created_at).map_or(0, |at| at.millis() / 1000);
        let is_known = version.path.is_some();
        let path = version.path.as_deref().filter(|path| self.is_kept(path));
        let shown = version.path.as_deref().unwrap_or("(redacted)");
        let message = format!(
            "{} {shown}\n\nversion: {}\nmemory: {}\nactor: {id}\ntime: {}\n",
            version.operation, version.id, version.memory_id, version.created_at
        );
        let mut commit = Vec::new();
        let head = format!("commit refs/heads/main\ncommitter {who} {seconds} +0000\n");
        commit.extend(head.bytes());
        data(&mut commit, message.as_bytes());
        let stays = path.filter(|_| version.operation != DELETED);
        if (is_known || version.operation == DELETED)
            && let Some(was) = self.leave(&version.memory_id, stays)
        {
            commit.extend(format!("D {}\n", quoted(&was)).bytes());
        }
        if let (Some(path), Some(content)) = (path, &version.content) {
            commit.extend(format!("M 100644 inline {}\n", quoted(path)).bytes());
            data(&mut commit, content.as_bytes());
            self.paths.insert(version.memory_id.clone(), path.to_owned());
            self.holders.insert(path.to_owned(), version.memory_id.clone());
        }
        commit.push(b'\n');
        commit
    }

    /// The path that a memory leaves, where it has one, goes to another, and nobody else has come there.
    fn leave(&mut self, memory: &str, stays: Option<&str>) -> Option<String> {
        let was = self.paths.remove(memory).filter(|was| Some(&**was) != stays)?;
        if self.holders.get(&was).is_some_and(|holder| holder == memory) {
            self.holders.remove(&was);
            return Some(was);
        }
        None
    }

    fn is_kept(&mut self, path: &str) -> bool {
        // git takes what stands behind a backslash for a name as well.
        let odd = MemoryPath::parse(path).is_err()
            || path.split(['/', '\\']).any(git::is_repository)
            || self.bare.has_head(path)
            || is_long(path);
        if odd && !self.left_out.iter().any(|left| left == path) {
            self.left_out.push(path.to_owned());
        }
        !odd
    }
}

/// What a folder gets, at its top, when these versions are written there.
pub fn names(versions: &[Version]) -> HashSet<String> {
    let paths = versions.iter().filter_map(|version| version.path.as_deref());
    let names = paths.filter_map(|path| path.strip_prefix('/')?.split('/').next());
    let names = names.filter(|name| !matches!(*name, "" | "." | ".."));
    std::iter::once(".git").chain(names).map(str::to_owned).collect()
}

/// Whether a name is longer than file systems take.
pub fn is_long(path: &str) -> bool {
    path.split('/').any(|part| part.len() > 255)
}

fn data(commit: &mut Vec<u8>, bytes: &[u8]) {
    commit.extend(format!("data {}\n", bytes.len()).bytes());
    commit.extend(bytes);
    commit.push(b'\n');
}

/// A name or address as git allows it.
fn plain(text: &str) -> String {
    let text = text.replace(['<', '>'], "").replace(|char: char| char.is_control(), " ");
    let text = text.trim();
    if text.is_empty() { "nobody".to_owned() } else { text.to_owned() }
}

/// A path below the repository as fast-import reads it.
fn quoted(path: &str) -> String {
    let mut quoted = String::from("\"");
    for char in path.trim_start_matches('/').chars() {
        match char {
            '"' | '\\' => {
                let _ = write!(quoted, "\\{char}");
            }
            '\n' => quoted.push_str("\\n"),
            char => quoted.push(char),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_a_repository_is_left_out_and_said_once() {
        let mut stream = Stream::default();
        let long = format!("/{}", "n".repeat(256));
        for bad in [
            &*long,
            "/../x",
            "/.git/config",
            "/a/.GIT/x",
            "/git~1/x",
            "/.git. /x",
            "/.g\u{200c}it/x",
            "/a\\.git",
        ] {
            assert!(!stream.is_kept(bad), "{bad}");
            assert!(!stream.is_kept(bad), "{bad}");
        }
        assert_eq!(stream.left_out.len(), 8);
        for good in ["/.gitignore", "/git/a", "/a.git", "/.github/x", "/HEAD", "/a\\b"] {
            assert!(stream.is_kept(good), "{good}");
        }
    }

    #[test]
    fn a_head_is_left_out_of_all_commits_where_any_has_what_it_takes() {
        use crate::history::examples::created;
        let head = created(1, "mem_a", "/a/HEAD", "sesn_1", "ref: refs/heads/main");
        let refs = created(2, "mem_b", "/a/refs/x", "sesn_1", "x");

        let mut stream = Stream::of(&[head, refs]);

        assert!(!stream.is_kept("/a/HEAD"));
        assert!(stream.is_kept("/a/refs/x"));
    }

    #[test]
    fn a_name_can_forge_no_line() {
        assert_eq!(plain("a <b>\ncommitter c"), "a b committer c");
        assert_eq!(plain(" "), "nobody");
        assert_eq!(quoted("/a \"b\""), "\"a \\\"b\\\"\"");
    }

    fn redacted_rename_and_what_came_after() -> Vec<Version> {
        use crate::history::examples::{created, redacted, version};
        vec![
            created(1, "mem_a", "/x", "sesn_1", "a"),
            redacted(version(2, "mem_a", "/y", "sesn_1", Some("a"))),
            created(3, "mem_b", "/x", "sesn_1", "b"),
            version(4, "mem_a", "/y", "sesn_1", Some("new")),
        ]
    }

    #[test]
    fn a_memory_is_not_deleted_where_another_has_come_to_its_path() {
        let mut stream = Stream::default();
        let commits: Vec<_> = redacted_rename_and_what_came_after()
            .iter()
            .map(|version| String::from_utf8(stream.commit(version, &HashMap::new())).unwrap())
            .collect();
        assert!(commits.iter().all(|commit| !commit.contains("\nD ")), "{commits:#?}");
    }

    #[test]
    fn what_moves_to_a_path_that_is_left_out_is_gone_from_its_old_one() {
        use crate::history::examples::{created, version};
        let mut stream = Stream::default();
        stream.commit(&created(1, "mem_a", "/a", "sesn_1", "a"), &HashMap::new());
        let moved = version(2, "mem_a", "/.git/a", "sesn_1", Some("a"));
        let commit = String::from_utf8(stream.commit(&moved, &HashMap::new())).unwrap();
        assert!(commit.contains("\nD \"a\"\n"), "{commit}");
        assert!(!commit.contains("\nM "), "{commit}");
    }
}
