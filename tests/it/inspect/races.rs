//! What happens between the look and the write: somebody else changes the memory just then.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::door::Door;
use super::stage::{KEY, NOTES, Stage, notes};
use crate::support::program::request;

/// Right before the first change of a memory comes through, somebody else makes one.
fn meddler(stage: &Stage, content: &str) -> Door {
    let server = stage.server.address.clone();
    let mut body = Some(serde_json::json!({ "content": content }));
    Door::before(
        stage,
        Box::new(move |method, path| {
            if method == "GET" || !path.contains("/memories/") {
                return None;
            }
            let body = body.take()?;
            let mut own = TcpStream::connect(&server).unwrap();
            own.write_all(&request(&server, KEY, "POST", path, Some(&body), "close")).unwrap();
            let mut answer = String::new();
            own.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            None
        }),
    )
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

        let ran = meddler(&stage, &theirs).run(&stage, arguments);

        assert_eq!(ran.code, 4, "{arguments:?}: {}{}", ran.out, ran.err);
        assert_eq!(stage.content("/crdts.md").as_deref(), Some(&*theirs), "{arguments:?}");
    }
    assert!(stage.told(&["restore", &good]).starts_with("wrote /crdts.md"));
    assert_eq!(stage.content("/crdts.md").unwrap(), notes(NOTES, "careful notes on CRDTs"));
}
