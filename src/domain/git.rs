//! Names that git takes for its own. git runs programs that a repository's configuration names, so
//! whoever writes memories must not make a repository of a folder that somebody else exports or mounts.
//!
//! A folder is one if it has `.git`, or if it looks like the inside of one: a bare repository. That
//! takes a file `HEAD`, and `refs`, which `commondir` may place elsewhere. `HEAD` is what is left out:
//! without it no folder is a bare repository, whatever else it holds.

use std::collections::HashSet;

/// The file without which a folder is no bare repository.
pub const HEAD: &str = "HEAD";

/// Says whether some file system takes the name for `.git`.
pub fn is_repository(name: &str) -> bool {
    let name = folded(name);
    name == ".GIT" || name.starts_with("GIT~")
}

/// Says whether a path is at or below a repository.
pub fn is_in_repository(path: &str) -> bool {
    path.split('/').any(is_repository)
}

/// The folders that a file `HEAD` would make bare repositories.
#[derive(Debug, Default)]
pub struct Bare {
    folders: HashSet<String>,
}

impl Bare {
    /// Among all paths that are written side by side.
    pub fn among<'a>(paths: impl IntoIterator<Item = &'a str>) -> Self {
        let mut folders = HashSet::new();
        for path in paths {
            let mut folder = String::new();
            for name in path.split('/').map(folded) {
                if matches!(&*name, "REFS" | "COMMONDIR") {
                    folders.insert(folder.clone());
                }
                folder = folder + &name + "/";
            }
        }
        Self { folders }
    }

    /// Says whether the file at the path is the `HEAD` of one.
    pub fn has_head(&self, path: &str) -> bool {
        let Some((folder, name)) = path.rsplit_once('/') else { return false };
        let folder: String = folder.split('/').map(|name| folded(name) + "/").collect();
        folded(name) == HEAD && self.folders.contains(&folder)
    }
}

/// A name as a file system may read it that takes capitals and small letters for the same, or leaves
/// out what can't be seen, what ends a name and what follows a colon.
fn folded(name: &str) -> String {
    let name: String = name.chars().filter(|char| !is_ignorable(*char)).collect();
    let name = name.split(':').next().unwrap_or_default();
    name.trim_end_matches([' ', '.']).to_uppercase()
}

/// What HFS+ takes for nothing in a name.
fn is_ignorable(char: char) -> bool {
    matches!(char, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_repository_in_whatever_way_it_is_written() {
        for name in [".git", ".GIT", "git~1", ".git. ", ".g\u{200c}it", ".git::$DATA", ".git .:x"] {
            assert!(is_repository(name), "{name:?}");
        }
        for name in [".gitignore", "git", "a.git", ".github", "", ".git-notes", ".gi", "HEAD"] {
            assert!(!is_repository(name), "{name:?}");
        }
        assert!(is_in_repository("/a/.git/config"));
        assert!(!is_in_repository("/a/git/config"));
    }

    #[test]
    fn a_head_is_one_only_beside_what_makes_a_bare_repository() {
        for (other, head) in [
            ("/refs/x", "/HEAD"),
            ("/commondir", "/HEAD"),
            ("/refs", "/HEAD"),
            ("/a/b/refs/heads/main", "/a/b/HEAD"),
            ("/a/Refs/x", "/A/head"),
            ("/ref\u{17f}/x", "/Head."),
            ("/a./refs/x", "/a/HEAD::$DATA"),
        ] {
            assert!(Bare::among([other, head]).has_head(head), "{other} {head}");
        }
        for (other, path) in [
            ("/objects/x", "/HEAD"),
            ("/refs/x", "/a/HEAD"),
            ("/a/refs/x", "/HEAD"),
            ("/refs/x", "/refs/HEAD"),
            ("/refs/x", "/HEAD/a"),
            ("/refs/x", "/HEAD.md"),
            ("/prefs/x", "/HEAD"),
            ("/refs/x", "HEAD"),
        ] {
            assert!(!Bare::among([other, path]).has_head(path), "{other} {path}");
        }
    }
}
