//! A repository that somebody has planted: it runs a program when git is asked for its status.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

pub struct Trap {
    /// What the program leaves.
    mark: PathBuf,
}

impl Trap {
    /// Its mark lies in the folder.
    pub fn new(folder: &Path) -> Self {
        Self { mark: folder.join("sprung") }
    }

    /// The files of a bare repository, and of one below `.git`, with their contents.
    pub fn files(&self) -> Vec<(String, String)> {
        let mut files = Vec::new();
        for (root, worktree) in
            [("/bare", "\tworktree = .\n"), ("/.git", ""), ("", "\tworktree = .\n")]
        {
            let mark = self.mark.display();
            let config = format!(
                "[core]\n\trepositoryformatversion = 0\n\tbare = false\n{worktree}\
                 \tfsmonitor = \"touch {mark}; false\"\n"
            );
            let head = "ref: refs/heads/main\n".to_owned();
            let file = |name: &str, content: String| (format!("{root}/{name}"), content);
            files.push(file("HEAD", head));
            files.push(file("config", config));
            files.push(file("objects/x", "x".into()));
            files.push(file("refs/x", "x".into()));
        }
        files
    }

    /// Writes them below a folder, as nobody should.
    pub fn set(&self, folder: &Path) {
        for (path, content) in self.files() {
            let path = folder.join(path.trim_start_matches('/'));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
    }

    /// Says whether git runs it, asked in a folder, without any guard of this machine's.
    pub fn springs(&self, folder: &Path) -> bool {
        let _ = fs::remove_file(&self.mark);
        let mut git = Command::new("git");
        git.arg("status").current_dir(folder).env("GIT_CONFIG_NOSYSTEM", "1");
        git.env("GIT_CONFIG_GLOBAL", "/dev/null").output().unwrap();
        self.mark.exists()
    }
}
