//! stores, ls, cat, put, mv, rm and whoami.

use std::io::Write;
use std::process::Stdio;

use serde_json::json;

use super::stage::{KEY, Stage};
use crate::support::server::text;

#[test]
fn stores_are_listed_and_named() {
    let stage = Stage::new();
    let body = json!({"name": "notes"});
    let (_, twin) = stage.server.call(KEY, "POST", "/v1/memory_stores", Some(&body));

    let stores = stage.json(&["stores"]);
    let ambiguous = stage.run(&["ls"]);

    assert_eq!(stores.len(), 2);
    assert_eq!(ambiguous.code, 2);
    for id in [&stage.store, text(&twin, "id")] {
        assert!(ambiguous.err.contains(id), "{}", ambiguous.err);
    }
    assert_eq!(stage.run(&["ls", "--store", &stage.store]).code, 0);
    assert_eq!(stage.run(&["ls", "--store", "none"]).code, 3);
    assert_eq!(stage.run(&["ls", "--store", "memstore_0"]).code, 3);
    let path = format!("/v1/memory_stores/{}/archive", text(&twin, "id"));
    stage.server.call(KEY, "POST", &path, None);
    assert_eq!(stage.run(&["ls"]).code, 0, "an archived store is in nobody's way");
    assert_eq!(stage.json(&["stores"]).len(), 1);
    assert!(stage.told(&["stores", "--all"]).contains("archived"));
}

#[test]
fn memories_are_put_listed_moved_and_removed() {
    let stage = Stage::new();
    let mut put = stage.command(&["put", "todo.md"]);
    let mut child = put.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"from stdin").unwrap();
    assert!(child.wait().unwrap().success());
    stage.put("/sub/a", "a");

    assert_eq!(stage.content("/todo.md").unwrap(), "from stdin");
    let top = stage.told(&["ls"]);
    assert!(top.contains("  /sub/\n") && top.contains("  /todo.md\n"), "{top}");
    assert_eq!(stage.json(&["ls", "-R"]).len(), 2);
    assert_eq!(stage.json(&["ls", "sub"]).len(), 1);
    assert!(stage.told(&["mv", "/todo.md", "/sub/"]).starts_with("moved /todo.md to /sub/todo.md"));
    let taken = stage.run(&["mv", "/sub/a", "/sub/todo.md"]);
    assert_eq!(taken.code, 4, "{}", taken.err);
    for arguments in [&["rm", "/sub"][..], &["mv", "/sub", "/other"], &["cat", "/sub"]] {
        let folder = stage.run(arguments);
        assert!(folder.code == 3 && folder.err.contains("/sub is a folder"), "{}", folder.err);
    }
    let none = stage.run(&["rm", "/sub/a", "/none"]);
    assert_eq!((none.code, stage.content("/sub/a").as_deref()), (3, Some("a")));
    let removed = stage.told(&["rm", "/sub/a", "sub/a", "/sub/todo.md", "/sub/a"]);
    assert_eq!(removed.lines().count(), 2, "{removed}");
    assert_eq!(stage.told(&["ls"]), "");
    let hint = stage.run(&["cat", "/mnt/memory/notes/todo.md"]);
    assert!(hint.err.contains("did you mean /todo.md?"), "{}", hint.err);
    for bad in ["/a//b", "/../a", "/a\u{202e}"] {
        assert_eq!(stage.run(&["cat", bad]).code, 2, "{bad}");
    }
}

#[test]
fn a_path_lists_its_memory_and_one_of_nothing_is_not_found() {
    let stage = Stage::new();
    let code = |arguments: &[&str]| stage.run(arguments).code;
    for arguments in [
        &["ls"][..],
        &["ls", "/", "--at", "0s"],
        &["diff", "1h", "0s", "/"],
        &["log"],
        &["log", "/"],
        &["export", "empty"],
        &["export", "root", "--prefix", "/"],
    ] {
        assert_eq!(code(arguments), 0, "an empty store is no failure: {arguments:?}");
    }
    stage.put("/sub/a.md", "a");
    let then = text(&stage.json(&["log"])[0], "created_at").to_owned();
    stage.told(&["mv", "/sub/a.md", "/b.md"]);

    assert_eq!(stage.told(&["ls", "b.md"]), stage.told(&["ls"]));
    assert_eq!(stage.json(&["ls", "/b.md", "-R"]), stage.json(&["ls"]));
    let was = stage.told(&["ls", "/sub/a.md", "--at", &then]);
    assert_eq!(was, stage.told(&["ls", "-R", "--at", &then]));
    assert!(was.ends_with("  /sub/a.md\n"), "{was}");
    for path in ["/nope", "/nope/", "/B.md", "/b.md/", "/sub/"] {
        assert_eq!(code(&["ls", path]), 3, "{path}");
        assert_eq!(code(&["ls", path, "--json"]), 3, "{path}");
        assert_eq!(code(&["export", "out", "--prefix", path]), 3, "{path}");
        assert_eq!(code(&["diff", "1h", "0s", path]), 3, "{path}");
    }
    assert!(!stage.path("out").exists());
    for (folder, conditions, expected) in [
        ("/nope/", &[][..], 3),
        ("/nope/", &["--json"], 3),
        ("/nope/", &["-n", "0"], 0),
        ("/nope/", &["--operation", "deleted"], 0),
        ("/sub/", &[], 0),
    ] {
        assert_eq!(
            code(&[&["log", folder], conditions].concat()),
            expected,
            "{folder} {conditions:?}"
        );
    }
    assert_eq!(code(&["ls", "/sub/", "--at", &then]), 0);
    for path in ["/b.md", "/sub/a.md/", "/nope/"] {
        assert_eq!(code(&["ls", path, "--at", &then]), 3, "{path}");
    }
    assert_eq!(stage.told(&["diff", "0s", "0s", "/b.md"]), "", "what is the same is there");
    let folder = stage.run(&["ls", "/b.md/"]);
    assert!(folder.err.contains("/b.md is a memory, and no folder"), "{}", folder.err);
    let hint = stage.run(&["ls", "/mnt/memory/notes/b.md"]);
    assert!(hint.err.contains("did you mean /b.md?"), "{}", hint.err);
}

#[test]
fn a_put_replaces_only_what_it_may() {
    let stage = Stage::new();
    stage.put("/a", "one");
    let memory = &stage.json(&["cat", "/a"])[0];
    let hash = text(memory, "content_sha256").to_owned();
    std::fs::write(stage.path("two"), "two").unwrap();
    std::fs::write(stage.path("binary"), [0xff, 0xfe]).unwrap();

    assert_eq!(stage.run(&["put", "/a", "two", "--new"]).code, 4);
    assert_eq!(stage.run(&["put", "/a", "two", "--if", &"0".repeat(64)]).code, 4);
    assert_eq!(stage.run(&["put", "/b", "two", "--if", &hash]).code, 4);
    for bad in ["abc", "", &hash.to_uppercase(), &"x".repeat(64)] {
        let refused = stage.run(&["put", "/a", "two", "--if", bad]);
        assert_eq!(refused.code, 2, "{bad}: {}", refused.err);
        assert!(refused.err.contains("64 lowercase hexadecimal digits"), "{}", refused.err);
    }
    assert_eq!(stage.content("/a").unwrap(), "one");
    assert!(stage.told(&["put", "/a", "two", "--if", &hash]).starts_with("updated /a: 3 bytes"));
    assert!(stage.told(&["put", "/a", "two"]).starts_with("unchanged /a"));
    assert_eq!(stage.versions().len(), 2);
    let binary = stage.run(&["put", "/b", "binary"]);
    assert!(binary.code == 1 && binary.err.contains("UTF-8"), "{}", binary.err);
    assert_eq!(stage.run(&["put", "/b", "missing"]).code, 1);
    std::fs::write(stage.path("large"), "x".repeat(102_401)).unwrap();
    let large = stage.run(&["put", "/b", "large"]);
    assert!(large.code == 1 && large.err.contains("102400"), "{}", large.err);
}

#[test]
fn whoami_tells_the_key_and_the_workspace() {
    let stage = Stage::new();
    let told = stage.told(&["whoami"]);
    assert!(told.contains("wrkspc_") && told.contains("apikey_"), "{told}");
    let limits = "limits\tmax_content_bytes 102400 max_memories_per_store 10000\n";
    assert!(told.contains(limits), "{told}");
    assert_eq!(stage.json(&["whoami"])[0]["type"], "whoami");
}

#[test]
fn a_server_is_found_by_the_variables_of_the_sdks_too() {
    let stage = Stage::new();
    let run = |set: &[(&str, &str)]| {
        let mut command = stage.command(&["stores"]);
        command.env_remove("MEMSTORED_URL").env_remove("MEMSTORED_API_KEY");
        command.env_remove("ANTHROPIC_BASE_URL").env_remove("ANTHROPIC_API_KEY");
        command.envs(set.iter().copied()).output().unwrap().status.code().unwrap()
    };
    let url = stage.server.url();

    assert_eq!(run(&[("ANTHROPIC_BASE_URL", &url), ("ANTHROPIC_API_KEY", KEY)]), 0);
    let nowhere = ("ANTHROPIC_BASE_URL", "http://127.0.0.1:1");
    assert_eq!(run(&[nowhere, ("MEMSTORED_URL", &url), ("MEMSTORED_API_KEY", KEY)]), 0);
    assert_eq!(run(&[("MEMSTORED_URL", &url)]), 2);
    // Set to nothing is not set.
    assert_eq!(run(&[("MEMSTORED_URL", &url), ("MEMSTORED_API_KEY", "")]), 2);
    let unset = [("MEMSTORED_URL", ""), ("MEMSTORED_API_KEY", "")];
    assert_eq!(
        run(&[unset[0], unset[1], ("ANTHROPIC_BASE_URL", &url), ("ANTHROPIC_API_KEY", KEY)]),
        0
    );
}

#[test]
fn a_reason_goes_into_the_journal_with_each_change() {
    let stage = Stage::new();
    std::fs::create_dir(stage.path("in")).unwrap();
    for file in ["put", "in/c"] {
        std::fs::write(stage.path(file), "x").unwrap();
    }

    stage.told(&["put", "/a", "put", "--reason", "put it"]);
    stage.told(&["mv", "/a", "/b", "--reason", "moved it"]);
    stage.told(&["rm", "/b", "--reason", "took it out"]);
    stage.told(&["import", "in", "--reason", "brought it in"]);

    let journal = stage.json(&["journal"]);
    let reasons: Vec<_> = journal.iter().rev().skip(1).map(|entry| &entry["reason"]).collect();
    assert_eq!(reasons, ["put it", "moved it", "took it out", "brought it in"]);
}
