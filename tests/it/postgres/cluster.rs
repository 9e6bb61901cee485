//! A Postgres of a test's own, which it may crash.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

pub struct Cluster {
    folder: TempDir,
    /// Of its user `postgres`, who may do everything.
    pub url: String,
}

impl Cluster {
    pub fn start() -> Self {
        let folder = TempDir::new().unwrap();
        // Where tests run as root, it is another user who runs Postgres.
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(folder.path(), open).unwrap();
        let mut cluster = Self { folder, url: String::new() };
        cluster.url = cluster.script(&["start"]);
        cluster
    }

    fn script(&self, arguments: &[&str]) -> String {
        let [command, more @ ..] = arguments else { unreachable!() };
        let folder = self.folder.path().join("it");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/postgres");
        let output =
            Command::new(script).arg(command).arg(folder).args(more).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "scripts/postgres {arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("it/data")
    }

    /// Ends it as a crash would; it recovers when it is started again.
    pub fn crash(&self) {
        self.script(&["stop", "immediate"]);
    }

    pub fn start_again(&self) {
        self.script(&["start"]);
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.crash();
    }
}
