//! The case behind this project, on a running server: a session writes careful notes, another one
//! overwrites them unread.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::Program;
use crate::support::program::command;
use crate::support::server::text;

pub const KEY: &str = "boss";
pub const NOTES: usize = 7285;
pub const DAMAGE: usize = 1509;

pub struct Stage {
    pub folder: TempDir,
    pub server: Program,
    pub store: String,
    agent: String,
    environment: String,
}

/// A session and the token of its worker.
pub struct Session {
    pub id: String,
    token: String,
}

impl Stage {
    pub fn new() -> Self {
        Self::with(&[])
    }

    /// With a server that is started with these.
    pub fn with(arguments: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        let server = Program::serve(folder.path(), &[&["--api-key", KEY], arguments].concat());
        let make = |path: &str, body: Value| {
            let (status, made) = server.call(KEY, "POST", path, Some(&body));
            assert_eq!(status, 200, "{made}");
            text(&made, "id").to_owned()
        };
        let agent = make("/v1/agents", json!({"name": "researcher", "model": "claude-opus-5-5"}));
        let self_hosted = json!({"name": "workshop", "config": {"type": "self_hosted"}});
        let environment = make("/v1/environments", self_hosted);
        let store = make("/v1/memory_stores", json!({"name": "notes"}));
        Self { folder, server, store, agent, environment }
    }

    /// The store after the incident; the sessions are those of the notes and of the damage.
    pub fn incident() -> (Self, [Session; 2]) {
        let stage = Self::new();
        let sessions = [stage.session("Read about CRDTs"), stage.session("Add a paragraph on RGA")];
        let id = stage.create(&sessions[0], "/crdts.md", &notes(NOTES, "careful notes on CRDTs"));
        stage.update(&sessions[1], &id, &notes(DAMAGE, "what I know about CRDTs"));
        (stage, sessions)
    }

    pub fn session(&self, title: &str) -> Session {
        let body = json!({
            "agent": self.agent, "environment_id": self.environment, "title": title,
            "resources": [{"type": "memory_store", "memory_store_id": self.store}],
        });
        let (status, made) = self.server.call(KEY, "POST", "/v1/sessions", Some(&body));
        assert_eq!(status, 200, "{made}");
        let id = text(&made, "id").to_owned();
        let path = format!("/x/v1/sessions/{id}/tokens");
        let (_, token) = self.server.call(KEY, "POST", &path, None);
        Session { id, token: text(&token, "token").to_owned() }
    }

    fn memories(&self) -> String {
        format!("/v1/memory_stores/{}/memories", self.store)
    }

    fn write(&self, by: &Session, method: &str, path: &str, body: Option<&Value>) -> String {
        let (status, answer) = self.server.call(&by.token, method, path, body);
        assert_eq!(status, 200, "{answer}");
        text(&answer, "id").to_owned()
    }

    pub fn create(&self, by: &Session, path: &str, content: &str) -> String {
        let body = json!({"path": path, "content": content});
        self.write(by, "POST", &self.memories(), Some(&body))
    }

    pub fn update(&self, by: &Session, id: &str, content: &str) {
        let path = format!("{}/{id}", self.memories());
        self.write(by, "POST", &path, Some(&json!({"content": content})));
    }

    pub fn rename(&self, by: &Session, id: &str, path: &str) {
        let own = format!("{}/{id}", self.memories());
        self.write(by, "POST", &own, Some(&json!({"path": path})));
    }

    pub fn delete(&self, by: &Session, id: &str) {
        self.write(by, "DELETE", &format!("{}/{id}", self.memories()), None);
    }

    /// The program, pointed at the server and the store.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command(self.folder.path(), arguments);
        command.env("MEMSTORED_URL", self.server.url()).env("MEMSTORED_API_KEY", KEY);
        command.env("MEMSTORED_STORE", "notes").stdin(Stdio::null());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments).output().unwrap())
    }

    /// What a command prints that has to succeed.
    pub fn told(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments);
        assert_eq!(ran.code, 0, "{arguments:?}: {}{}", ran.out, ran.err);
        ran.out
    }

    /// The array that a command prints with --json.
    pub fn json(&self, arguments: &[&str]) -> Vec<Value> {
        let told = self.told(&[arguments, &["--json"]].concat());
        let Value::Array(items) = serde_json::from_str(&told).unwrap() else { panic!("{told}") };
        items
    }

    /// IDs of the versions of the store, newest first.
    pub fn versions(&self) -> Vec<String> {
        self.json(&["log"]).iter().map(|version| text(version, "id").to_owned()).collect()
    }

    pub fn put(&self, path: &str, content: &str) {
        std::fs::write(self.path("put"), content).unwrap();
        self.told(&["put", path, "put"]);
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn content(&self, path: &str) -> Option<String> {
        let ran = self.run(&["cat", path]);
        (ran.code == 0).then_some(ran.out)
    }
}

/// A text of so many bytes, in lines of fifty.
pub fn notes(bytes: usize, about: &str) -> String {
    let mut text = String::new();
    for number in 1.. {
        let line = format!("{number:3} {about}");
        writeln!(text, "{line:.<49}").unwrap();
        if text.len() >= bytes {
            break;
        }
    }
    text.truncate(bytes - 1);
    text + "\n"
}

/// How a command ended.
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    pub fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// All files below a folder with their contents, by their paths.
pub fn files(folder: &Path) -> Vec<(String, String)> {
    fn walk(folder: &Path, root: &Path, found: &mut Vec<(String, String)>) {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, root, found);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                found.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let mut found = Vec::new();
    walk(folder, folder, &mut found);
    found.sort();
    found
}
