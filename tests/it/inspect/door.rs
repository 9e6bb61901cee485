//! A door before the server, which may let somebody else go first, or answer by itself.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use super::stage::{Ran, Stage};

/// What a door does with a request, by its method and path: its own answer, or nothing, and then the
/// request goes on to the server.
type Keeper = dyn FnMut(&str, &str) -> Option<String> + Send;

pub struct Door {
    url: String,
}

impl Door {
    pub fn before(stage: &Stage, keeper: Box<Keeper>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = stage.server.address.clone();
        let keeper = Arc::new(Mutex::new(keeper));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(client) = stream else { return };
                let (server, keeper) = (server.clone(), Arc::clone(&keeper));
                thread::spawn(move || forward(&client, &server, &keeper));
            }
        });
        Self { url }
    }

    pub fn run(&self, stage: &Stage, arguments: &[&str]) -> Ran {
        Ran::of(stage.command(arguments).env("MEMSTORED_URL", &self.url).output().unwrap())
    }
}

fn forward(mut client: &TcpStream, server: &str, keeper: &Mutex<Box<Keeper>>) {
    let mut from_client = BufReader::new(client);
    let upstream = TcpStream::connect(server).unwrap();
    let mut from_server = BufReader::new(&upstream);
    while let Some(request) = message(&mut from_client) {
        let head = String::from_utf8_lossy(&request).into_owned();
        let mut line = head.split([' ', '?']);
        let (method, path) = (line.next().unwrap(), line.next().unwrap());
        let own = (keeper.lock().unwrap())(method, path);
        let answer = own.map(String::into_bytes).or_else(|| {
            (&upstream).write_all(&request).unwrap();
            message(&mut from_server)
        });
        let Some(answer) = answer else { return };
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
