//! A server, a store on it, and a mount of that store: all three the real program.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::Program;
use crate::support::program::command;
use crate::support::server::text;

pub const KEY: &str = "mount-key";
const PATIENCE: Duration = Duration::from_secs(20);
const STEP: Duration = Duration::from_millis(5);

/// Why this machine can't mount, if it can't: asked once, with a mount of nothing.
static REFUSAL: LazyLock<Option<String>> = LazyLock::new(|| {
    if !Path::new("/dev/fuse").exists() {
        return Some("/dev/fuse is missing".into());
    }
    let why = Stage::bare().try_mount(&[]).err()?;
    let forbidden = ["not permitted", "denied", "fusermount3"].iter().any(|it| why.contains(it));
    assert!(forbidden, "no mount, though nothing forbids it: {why}");
    Some(why)
});

pub struct Stage {
    folder: TempDir,
    server: Option<Program>,
    address: String,
    /// The path of the store under `/v1`.
    pub store: String,
}

impl Stage {
    /// None where this machine can't mount; the test then says so, and has nothing to check.
    pub fn new() -> Option<Self> {
        if let Some(why) = &*REFUSAL {
            let test = std::thread::current().name().unwrap_or_default().to_owned();
            say(&format!("SKIPPED {test}: {why}\n"));
            return None;
        }
        Some(Self::bare())
    }

    fn bare() -> Self {
        Self::with(&[])
    }

    /// With a server that is started with these.
    pub fn with(arguments: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        let server = serve(folder.path(), "127.0.0.1:0", arguments);
        let address = server.address.clone();
        let body = json!({"name": "notes"});
        let (_, made) = server.call(KEY, "POST", "/v1/memory_stores", Some(&body));
        let store = format!("/v1/memory_stores/{}", text(&made, "id"));
        Self { folder, server: Some(server), address, store }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn id(&self) -> &str {
        self.store.rsplit('/').next().unwrap()
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends the server at once.
    pub fn kill_server(&mut self) {
        let server = self.server.take().unwrap();
        server.signal("-KILL");
        server.wait();
    }

    pub fn start_server(&mut self) {
        self.server = Some(serve(self.folder.path(), &self.address, &[]));
    }

    pub fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let (status, answer) = self.server.as_ref().unwrap().call(KEY, method, path, body);
        assert_eq!(status, 200, "{method} {path}: {answer:#}");
        answer
    }

    /// Makes a memory; answers its ID.
    pub fn memory(&self, path: &str, content: &str) -> String {
        let body = json!({"path": path, "content": content});
        text(&self.call("POST", &format!("{}/memories", self.store), Some(&body)), "id").to_owned()
    }

    /// Changes a memory as somebody else would.
    pub fn change(&self, id: &str, body: &Value) {
        self.call("POST", &format!("{}/memories/{id}", self.store), Some(body));
    }

    pub fn delete(&self, id: &str) {
        self.call("DELETE", &format!("{}/memories/{id}", self.store), None);
    }

    /// What happened, oldest first, as `operation path content`.
    pub fn history(&self) -> Vec<String> {
        let word = |version: &Value, key: &str| version[key].as_str().unwrap_or("-").to_owned();
        let line = |version: &Value| {
            ["operation", "path", "content"].map(|key| word(version, key)).join(" ")
        };
        self.versions().iter().map(line).collect()
    }

    /// All versions, oldest first, with content.
    pub fn versions(&self) -> Vec<Value> {
        self.all("memory_versions").into_iter().rev().collect()
    }

    /// The path and content of each memory, in order.
    pub fn contents(&self) -> Vec<(String, String)> {
        let memories = self.all("memories");
        let memories = memories.iter();
        memories.map(|it| (text(it, "path").to_owned(), text(it, "content").to_owned())).collect()
    }

    fn all(&self, list: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut page = String::new();
        loop {
            let path = format!("{}/{list}?view=full&page={page}", self.store);
            let answer = self.call("GET", &path, None);
            items.extend(answer["data"].as_array().unwrap().iter().cloned());
            match answer["next_page"].as_str() {
                Some(next) => page = next.to_owned(),
                None => return items,
            }
        }
    }

    pub fn mount(&self) -> Mount {
        self.mount_with(&[])
    }

    pub fn mount_with(&self, arguments: &[&str]) -> Mount {
        self.try_mount(arguments).unwrap_or_else(|why| panic!("no mount: {why}"))
    }

    fn try_mount(&self, arguments: &[&str]) -> Result<Mount, String> {
        let at = tempfile::tempdir_in(self.folder.path()).unwrap().keep();
        let mut mount = self.command(&["mount", "--store", self.id()]);
        mount.arg(&at).args(arguments);
        Mount::spawn(mount, vec![at], self.folder.path().join("log"))
    }

    /// A command that knows the server, keeps its state in the stage's folder and logs there.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command(self.folder.path(), arguments);
        command.env("MEMSTORED_URL", self.url()).env("MEMSTORED_API_KEY", KEY);
        command.args(["--state-dir", "state", "--log-file", "log"]);
        command
    }

    /// The first line of the log that has this; it may be on its way still.
    pub fn logged(&self, what: &str) -> String {
        let mut found = None;
        until(what, || {
            found = self.log().lines().find(|line| line.contains(what)).map(str::to_owned);
            found.is_some()
        });
        found.unwrap()
    }

    /// The log, which is whole only when the mount has ended.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// The files that are in the spool.
    pub fn spooled(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.folder.path().join("state")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                match entry.path() {
                    path if path.is_dir() => folders.push(path),
                    path => found.push(path),
                }
            }
        }
        found.retain(|path| path.extension() == Some(OsStr::new("text")));
        found
    }
}

/// Says something on stderr itself: nobody reads the captured output of a test that passes.
pub fn say(text: &str) {
    std::io::stderr().write_all(text.as_bytes()).unwrap();
}

fn serve(folder: &Path, address: &str, arguments: &[&str]) -> Program {
    let mut serve = command(folder, &["serve", "--listen", address, "--api-key", KEY]);
    Program::spawn(serve.args(["--durability", "relaxed", "--log", "error"]).args(arguments))
}

/// A running `memstored mount`.
pub struct Mount {
    child: Child,
    places: Vec<PathBuf>,
    /// The lines that it printed when it was ready.
    pub greeting: String,
}

impl Mount {
    /// Starts it and waits for a line for each place; answers its words where it ends instead.
    pub fn spawn(mut command: Command, places: Vec<PathBuf>, log: PathBuf) -> Result<Self, String> {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let lines = stdout.lines().map_while(Result::ok).take(places.len());
        let greeting: String = lines.map(|line| line + "\n").collect();
        if greeting.lines().count() == places.len() {
            return Ok(Self { child, places, greeting });
        }
        let mut why = String::new();
        child.stderr.take().unwrap().read_to_string(&mut why).unwrap();
        child.wait().unwrap();
        Err(why + &fs::read_to_string(log).unwrap_or_default())
    }

    pub fn at(&self) -> &Path {
        &self.places[0]
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.at().join(name)
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The names in a folder, in order.
    pub fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(folder)).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    /// Runs a script of bash in the mount; answers what it printed.
    pub fn bash(&self, script: &str) -> Output {
        let mut bash = Command::new("bash");
        bash.args(["-c", script]).current_dir(self.at()).output().unwrap()
    }

    /// The same, where it has to succeed.
    pub fn sh(&self, script: &str) -> String {
        let output = self.bash(script);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && errors.is_empty(), "{script}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a script of Python in the mount; answers what it printed.
    pub fn python(&self, script: &str) -> String {
        let mut python = Command::new("python3");
        let output = python.args(["-c", script]).current_dir(self.at()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    pub fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// Asks it to end, and waits.
    pub fn stop(mut self) -> ExitStatus {
        self.signal("-TERM");
        self.child.wait().unwrap()
    }

    /// Ends it at once; what it had mounted stays behind, dead, and is cleared away.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.clear();
    }

    fn clear(&self) {
        for place in &self.places {
            let mut unmount = Command::new("umount");
            let _ = unmount.arg("-l").arg(place).stderr(Stdio::null()).status();
        }
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            self.signal("-TERM");
            let begun = Instant::now();
            while let Ok(None) = self.child.try_wait()
                && begun.elapsed() < PATIENCE
            {
                std::thread::sleep(STEP);
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.clear();
    }
}

/// Waits until something holds.
pub fn until(what: &str, holds: impl FnMut() -> bool) {
    within(PATIENCE, what, holds);
}

/// Waits until something holds, for at most `time`.
pub fn within(time: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < time, "{what}: not within {time:?}");
        std::thread::sleep(STEP);
    }
}

/// The number of an error.
pub fn errno<T: std::fmt::Debug>(result: std::io::Result<T>) -> rustix::io::Errno {
    let number = result.unwrap_err().raw_os_error().unwrap();
    rustix::io::Errno::from_raw_os_error(number)
}
