//! The real program, as a process of its own that ends with the test.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::database;

const BINARY: &str = env!("CARGO_BIN_EXE_memstored");

/// A command without any `MEMSTORED_…` variable of whoever runs the tests. Its database is in
/// `folder`, or belongs to it.
pub fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.args(arguments).current_dir(folder);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("MEMSTORED_")) {
        command.env_remove(name);
    }
    if let Some(url) = database::of_folder(folder) {
        command.env("MEMSTORED_DATABASE_URL", url);
    }
    command
}

/// The same under strace, which does something to the `when`-th of the named calls, and to that alone:
/// what comes after it would succeed.
pub fn tampered(folder: &Path, arguments: &[&str], calls: &str, with: &str, when: u64) -> Command {
    let inject = format!("inject={calls}:{with}:when={when}");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={calls}"), "-e", &inject]);
    within(strace, folder, arguments)
}

/// The same under strace, which writes the named calls to a file and ends when it is asked to.
pub fn traced(folder: &Path, arguments: &[&str], calls: &str, into: &Path) -> Command {
    let mut strace = Command::new("strace");
    strace.args(["-I", "2", "-f", "-qq", "-e", &format!("trace={calls}"), "-o"]).arg(into);
    within(strace, folder, arguments)
}

/// The same with files that can't grow beyond so many bytes: the write that comes to it is short, and
/// the rest of it fails (EFBIG).
pub fn bounded(folder: &Path, arguments: &[&str], bytes: u64) -> Command {
    let mut shell = Command::new("sh");
    // Who ignores the signal gets the error.
    shell.args(["-c", "trap '' XFSZ; exec prlimit \"$@\"", "sh", &format!("--fsize={bytes}")]);
    within(shell, folder, arguments)
}

/// The same with at most so many file descriptors.
pub fn limited(folder: &Path, arguments: &[&str], descriptors: usize) -> Command {
    let mut prlimit = Command::new("prlimit");
    prlimit.arg(format!("--nofile={descriptors}:{descriptors}"));
    within(prlimit, folder, arguments)
}

/// A command that another one starts.
fn within(mut outer: Command, folder: &Path, arguments: &[&str]) -> Command {
    let plain = command(folder, arguments);
    outer.arg(plain.get_program()).args(plain.get_args()).current_dir(folder);
    outer
}

/// Runs a command to its end.
pub fn run(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().unwrap()
}

/// Runs a command that prints JSON.
pub fn run_json(folder: &Path, arguments: &[&str]) -> Value {
    let output = run(folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The same in a folder whose database is made by it, which has to be named.
pub fn run_first(folder: &Path, arguments: &[&str]) -> Value {
    let file = "sqlite:memstored.db".to_owned();
    let url = database::of_folder(folder).unwrap_or(file);
    run_json(folder, &[arguments, &["--database-url", &url]].concat())
}

/// A running `memstored serve`.
pub struct Program {
    child: Child,
    errors: Option<ChildStderr>,
    /// Everything it printed when it started.
    pub greeting: String,
    /// Host and port.
    pub address: String,
}

impl Program {
    /// Starts the server in `folder` on a free port and waits for its greeting.
    pub fn serve(folder: &Path, arguments: &[&str]) -> Self {
        Self::spawn(command(folder, &["serve", "--listen", "127.0.0.1:0"]).args(arguments))
    }

    pub fn spawn(command: &mut Command) -> Self {
        Self::try_spawn(command).unwrap_or_else(|why| panic!("the server did not start: {why}"))
    }

    /// A program that may not start; then what it said.
    pub fn try_spawn(command: &mut Command) -> Result<Self, String> {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut greeting = String::new();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            greeting.push_str(&line);
            greeting.push('\n');
            if line.contains("memories.list(") {
                break;
            }
        }
        let mut errors = child.stderr.take();
        let Some(address) = greeting.split("http://").nth(1) else {
            let mut why = String::new();
            errors.take().unwrap().read_to_string(&mut why).unwrap();
            child.wait().unwrap();
            return Err(why);
        };
        let address = address.lines().next().unwrap().to_owned();
        Ok(Self { child, errors, greeting, address })
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The key that was made at the first start.
    pub fn key(&self) -> Option<String> {
        let key = self.greeting.split("mstd_").nth(1)?;
        Some(format!("mstd_{}", key.lines().next().unwrap()))
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for the end; answers how it ended and its log.
    pub fn wait(mut self) -> (ExitStatus, String) {
        let mut log = String::new();
        self.errors.take().unwrap().read_to_string(&mut log).unwrap();
        (self.child.wait().unwrap(), log)
    }

    /// Asks it to stop, and waits.
    pub fn stop(self) -> (ExitStatus, String) {
        self.signal("-TERM");
        self.wait()
    }

    /// Sends raw bytes on a new connection; answers all that comes until the other side closes.
    pub fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        stream.write_all(bytes).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        stream
    }

    /// One request on a connection of its own; answers status and body.
    pub fn call(&self, key: &str, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let answer = self.raw(&request(&self.address, key, method, path, body, "close"));
        parse(&answer).unwrap_or_else(|| panic!("no answer to {method} {path}: {answer:?}"))
    }
}

/// The bytes of a request.
pub fn request(
    host: &str,
    key: &str,
    method: &str,
    path: &str,
    body: Option<&Value>,
    connection: &str,
) -> Vec<u8> {
    let body = body.map(ToString::to_string).unwrap_or_default();
    format!(
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: {connection}\r\n\
         authorization: Bearer {key}\r\nanthropic-beta: agent-memory-2026-07-22,\
         managed-agents-2026-04-01\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Status and JSON body of an answer.
pub fn parse(answer: &str) -> Option<(u16, Value)> {
    let status = answer.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    Some((status, serde_json::from_str(body).unwrap_or(Value::Null)))
}

impl Drop for Program {
    /// Ends the process, and first those that it has started: a tracer leaves its own behind.
    fn drop(&mut self) {
        let children = format!("/proc/{0}/task/{0}/children", self.id());
        for child in std::fs::read_to_string(children).unwrap_or_default().split_whitespace() {
            let _ = Command::new("kill").args(["-KILL", child]).status();
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
