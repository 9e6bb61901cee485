//! What happens between the look and the write: somebody else changes the memory just then.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use super::stage::{NOTES, Ran, Stage, notes};

/// A door before the server that lets somebody else go first: right before the first change of a
/// memory comes through, it makes one of its own.
struct Meddler {
    url: String,
}

impl Meddler {
    fn before(stage: &Stage, content: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = stage.server.address.clone();
        let content = content.to_owned();
        thread::spawn(move || {
            let mut has_meddled = false;
            // One connection after the other is enough for a command that does one thing at a time.
            for stream in listener.incoming() {
                let Ok(client) = stream else { return };
                forward(&client, &server, &content, &mut has_meddled);
            }
        });
        Self { url }
    }
}

fn forward(client: &TcpStream, server: &str, content: &str, has_meddled: &mut bool) {
    let mut from_client = BufReader::new(client);
    let upstream = TcpStream::connect(server).unwrap();
    let mut from_server = BufReader::new(&upstream);
    while let Some(request) = message(&mut from_client) {
        let head = String::from_utf8_lossy(&request).into_owned();
        let line = head.lines().next().unwrap();
        let changes = line.starts_with("POST") || line.starts_with("DELETE");
        if changes && line.contains("/memories/") && !*has_meddled {
            *has_meddled = true;
            let path = line.split([' ', '?']).nth(1).unwrap();
            let body = serde_json::json!({ "content": content });
            let key = super::stage::KEY;
            let meddling =
                crate::support::program::request(server, key, "POST", path, Some(&body), "close");
            let mut own = TcpStream::connect(server).unwrap();
            own.write_all(&meddling).unwrap();
            let mut answer = String::new();
            own.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        }
        (&upstream).write_all(&request).unwrap();
        let Some(answer) = message(&mut from_server) else { return };
        let mut client = client;
        if client.write_all(&answer).is_err() {
            return;
        }
    }
}

/// A whole request or answer.
fn message(from: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    let mut length = 0;
    loop {
        let begin = whole.len();
        if from.read_until(b'\n', &mut whole).ok()? == 0 {
            return None;
        }
        let line = String::from_utf8_lossy(&whole[begin..]).to_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    let head = whole.len();
    whole.resize(head + length, 0);
    from.read_exact(&mut whole[head..]).ok()?;
    Some(whole)
}

fn run(stage: &Stage, meddler: &Meddler, arguments: &[&str]) -> Ran {
    Ran::of(stage.command(arguments).env("MEMSTORED_URL", &meddler.url).output().unwrap())
}

#[test]
fn what_is_changed_just_then_is_left_alone() {
    let (stage, [_, hasty]) = Stage::incident();
    let good = stage.versions().pop().unwrap();
    std::fs::write(stage.path("mine"), "mine\n").unwrap();
    for (number, arguments) in [
        &["undo", "--session", &*hasty.id][..],
        &["restore", &good],
        &["put", "/crdts.md", "mine"],
        &["mv", "/crdts.md", "/moved.md"],
        &["rm", "/crdts.md"],
    ]
    .into_iter()
    .enumerate()
    {
        let theirs = format!("somebody else's change {number}\n");
        let meddler = Meddler::before(&stage, &theirs);

        let ran = run(&stage, &meddler, arguments);

        assert_eq!(ran.code, 4, "{arguments:?}: {}{}", ran.out, ran.err);
        assert_eq!(stage.content("/crdts.md").as_deref(), Some(&*theirs), "{arguments:?}");
    }
    assert!(stage.told(&["restore", &good]).starts_with("wrote /crdts.md"));
    assert_eq!(stage.content("/crdts.md").unwrap(), notes(NOTES, "careful notes on CRDTs"));
}
