//! restore, undo and redact.

use serde_json::json;

use super::stage::{KEY, NOTES, Stage, notes};
use crate::support::server::text;

#[test]
fn a_version_is_restored_byte_for_byte_and_only_once() {
    let (stage, _) = Stage::incident();
    let [bad, good] = stage.versions().try_into().unwrap();

    let dry = stage.told(&["restore", &good, "--dry-run"]);
    assert!(dry.starts_with("would write /crdts.md: 7,285 bytes of"), "{dry}");
    assert_eq!(stage.versions().len(), 2, "a dry run writes nothing");
    let told = stage.told(&["restore", &good]);
    let again = stage.told(&["restore", &good]);

    assert!(told.starts_with(&format!("wrote /crdts.md: 7,285 bytes of {good} (were 1,509)")));
    assert!(again.starts_with("nothing to do"), "{again}");
    assert_eq!(stage.content("/crdts.md").unwrap(), notes(NOTES, "careful notes on CRDTs"));
    let log = stage.json(&["log"]);
    assert_eq!(log.len(), 3);
    assert_eq!(log[0]["content_sha256"], log[2]["content_sha256"]);
    assert_eq!(text(&log[0]["created_by"], "type"), "api_actor");
    assert_eq!(text(&log[1], "id"), bad);
}

#[test]
fn what_came_since_stays_and_that_is_said() {
    let stage = Stage::new();
    stage.put("/a", "x");

    let stays = stage.told(&["restore", "--at", "2026-01-01"]);

    assert!(stays.contains("what came since stays, without --delete"), "{stays}");
    assert_eq!(stage.told(&["restore", "--at", "0s"]), stays);
    let nothing = stage.told(&["restore", "--at", "0s", "--delete"]);
    assert_eq!(nothing, "nothing to do: everything is as it was then\n");
}

#[test]
fn a_deleted_memory_is_restored_and_a_deletion_is_not() {
    let stage = Stage::new();
    stage.put("/a", "kept");
    stage.told(&["rm", "/a"]);
    let [deletion, good] = stage.versions().try_into().unwrap();

    let refused = stage.run(&["restore", &deletion]);
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains(&good), "it says what to restore: {}", refused.err);
    assert!(stage.told(&["restore", &good]).starts_with("created /a: 4 bytes"));
    assert!(stage.told(&["restore", &good]).starts_with("nothing to do"));
    assert_eq!(stage.content("/a").unwrap(), "kept");
    stage.put("/a", "other");
    assert!(stage.told(&["restore", &good]).starts_with("wrote /a"));
    assert_eq!(stage.content("/a").unwrap(), "kept");
}

#[test]
fn a_moment_is_restored_with_its_paths_and_deletions() {
    let stage = Stage::new();
    for (path, content) in [("/a", "a"), ("/b", "b"), ("/sub/c", "c")] {
        stage.put(path, content);
    }
    let then = text(&stage.json(&["log"])[0], "created_at").to_owned();
    stage.put("/a", "changed");
    stage.told(&["mv", "/b", "/moved"]);
    stage.told(&["rm", "/sub/c"]);
    stage.put("/new", "new");

    let listed = stage.told(&["ls", "-R", "--at", &then]);
    let paths: Vec<_> = listed.lines().map(|line| line.rsplit("  ").next().unwrap()).collect();
    assert_eq!(paths, ["/a", "/b", "/sub/c"]);
    let top = stage.json(&["ls", "--at", &then]);
    let top: Vec<_> = top.iter().map(|one| text(one, "path")).collect();
    assert_eq!(top, ["/a", "/b", "/sub/"]);
    assert_eq!(stage.told(&["cat", "/b", "--at", &then]), "b");
    assert_eq!(stage.told(&["cat", "/sub/c", "--at", &then]), "c");
    assert_eq!(stage.run(&["cat", "/new", "--at", &then]).code, 3);

    let before = stage.versions().len();
    let part = stage.told(&["restore", "--at", &then, "/sub/"]);
    assert!(part.starts_with("created /sub/c") && part.lines().count() == 1, "{part}");
    let all = stage.told(&["restore", "--at", &then]);
    assert_eq!(all.lines().count(), 2, "{all}");
    assert_eq!(stage.versions().len(), before + 3);
    let now: Vec<_> =
        stage.json(&["ls", "-R"]).iter().map(|one| text(one, "path").to_owned()).collect();
    assert_eq!(now, ["/a", "/b", "/new", "/sub/c"], "what is newer stays");
    let gone = stage.told(&["restore", "--at", &then, "--delete"]);
    assert!(gone.starts_with("deleted /new"), "{gone}");
    assert!(stage.told(&["restore", "--at", &then, "--delete"]).starts_with("nothing to do"));
    assert_eq!(stage.content("/a").unwrap(), "a");
    assert_eq!(stage.run(&["restore", "--at", &then, "/never"]).code, 3);
    assert_eq!(stage.run(&["restore"]).code, 2);
}

#[test]
fn an_undo_says_whose_later_change_it_leaves_alone() {
    let (stage, [careful, hasty]) = Stage::incident();
    let memory = text(&stage.json(&["ls"])[0], "id").to_owned();
    stage.update(&careful, &memory, "mended\n");
    let log = stage.json(&["log"]);
    let (version, time) = (text(&log[0], "id"), text(&log[0], "created_at"));

    let undone = stage.run(&["undo", "--session", &hasty.id]);

    assert_eq!(undone.code, 4, "{}{}", undone.out, undone.err);
    let why = format!(
        "left alone: /crdts.md: changed since by {} at {time}: memstored show {version}\n",
        careful.id
    );
    assert!(undone.err.contains(&why), "{}", undone.err);
    assert!(stage.told(&["show", version]).contains("+mended"));
}

/// The old memory is gone, and another one lies below its path.
#[test]
fn a_dry_run_leaves_alone_what_the_run_would() {
    let stage = Stage::new();
    let [good, bad] = [stage.session("good"), stage.session("bad")];
    let gone = stage.create(&good, "/b", "old");
    let then = text(&stage.json(&["log"])[0], "created_at").to_owned();
    stage.delete(&bad, &gone);
    stage.create(&good, "/b/x", "new");
    let version = stage.versions().pop().unwrap();

    for arguments in
        [&["restore", "--at", &then][..], &["restore", &version], &["undo", "--session", &bad.id]]
    {
        let dry = stage.run(&[arguments, &["--dry-run"]].concat());
        let run = stage.run(arguments);
        assert_eq!((dry.code, &*dry.out), (4, ""), "{arguments:?}: {}", dry.err);
        assert_eq!((dry.code, dry.out, dry.err), (run.code, run.out, run.err), "{arguments:?}");
    }
    let freed = ["restore", "--at", &then, "--delete"];
    let dry = stage.told(&[&freed[..], &["--dry-run"]].concat());
    assert!(dry.starts_with("would delete /b/x") && dry.contains("would create /b"), "{dry}");
    let run = stage.told(&freed);
    assert!(run.starts_with("deleted /b/x") && run.contains("created /b"), "{run}");
}

/// A session's four kinds of change, and one that another has built on.
#[test]
fn a_session_is_undone_and_what_others_changed_is_left_alone() {
    let stage = Stage::new();
    let [good, bad] = [stage.session("good"), stage.session("bad")];
    let changed = stage.create(&good, "/changed", "was\n");
    let gone = stage.create(&good, "/gone", "gone\n");
    let moved = stage.create(&good, "/moved", "moved\n");
    let built_on = stage.create(&good, "/built-on", "one\n");
    stage.update(&bad, &changed, "broken\n");
    stage.update(&bad, &changed, "broken twice\n");
    stage.delete(&bad, &gone);
    stage.rename(&bad, &moved, "/elsewhere");
    stage.create(&bad, "/made", "made\n");
    stage.update(&bad, &built_on, "one\ntwo\n");
    stage.update(&good, &built_on, "one\ntwo\nthree\n");
    let before = stage.versions().len();

    let dry = stage.run(&["undo", "--session", &bad.id, "--dry-run"]);
    assert_eq!((dry.code, dry.out.lines().count()), (4, 4), "{}{}", dry.out, dry.err);
    assert_eq!(stage.versions().len(), before);
    let undone = stage.run(&["undo", "--session", &bad.id, "--reason", "unread"]);

    assert_eq!(undone.code, 4, "{}{}", undone.out, undone.err);
    assert!(
        undone.err.contains(&format!("left alone: /built-on: changed since by {} at", good.id))
    );
    let content = |path| stage.content(path);
    assert_eq!(content("/changed").as_deref(), Some("was\n"));
    assert_eq!(content("/gone").as_deref(), Some("gone\n"));
    assert_eq!(content("/moved").as_deref(), Some("moved\n"));
    assert_eq!(content("/elsewhere"), None);
    assert_eq!(content("/made"), None);
    assert_eq!(content("/built-on").as_deref(), Some("one\ntwo\nthree\n"));
    let after = stage.versions().len();
    assert_eq!(after, before + 4);
    let again = stage.run(&["undo", "--session", &bad.id]);
    assert_eq!((again.code, &*again.out), (4, ""), "{}", again.err);
    assert_eq!(stage.versions().len(), after, "it is safe to repeat");
    let journal = stage.json(&["journal"]);
    assert!(journal[..4].iter().all(|entry| entry["reason"] == json!("unread")), "{journal:?}");
}

#[test]
fn a_session_that_changed_nothing_is_undone_at_once() {
    let (stage, _) = Stage::incident();
    let idle = stage.session("idle");

    let undone = stage.run(&["undo", "--session", &idle.id]);

    assert_eq!(undone.code, 0);
    assert!(undone.err.contains("has changed nothing"), "{}", undone.err);
    for none in ["me", "sesn_", "sesn_x", &idle.id[..20]] {
        let refused = stage.run(&["undo", "--session", none]);
        assert_eq!(refused.code, 2, "{none}: {}", refused.err);
    }
    assert_eq!(stage.run(&["undo"]).code, 2);
}

#[test]
fn a_redaction_asks_says_what_goes_and_explains_a_live_head() {
    let stage = Stage::new();
    stage.put("/secret", "password");
    let [head] = stage.versions().try_into().unwrap();

    let live = stage.run(&["redact", &head, "--reason", "r", "--yes"]);
    assert_eq!(live.code, 1);
    assert!(live.err.contains("memstored put /secret"), "{}", live.err);
    stage.put("/secret", "nothing");
    let unasked = stage.run(&["redact", &head, "--reason", "r"]);
    assert_eq!(unasked.code, 2);
    assert!(unasked.err.contains("8 bytes of /secret"), "{}", unasked.err);
    assert_eq!(stage.run(&["redact", &head, "--yes"]).code, 2, "a reason is wanted");
    stage.told(&["redact", &head, "--reason", "held a password", "--yes"]);

    assert_eq!(stage.run(&["cat", "--version", &head]).code, 3);
    assert_eq!(stage.run(&["restore", &head]).code, 1);
    assert!(stage.told(&["log"]).contains("  redacted"));
    assert!(stage.told(&["show", &head]).contains("redacted  20"));
    let entries = stage.json(&["journal", "--kind", "version_redacted"]);
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0]["reason"], "held a password");
    assert_eq!(entries[0]["subject"], json!(head));
    let table = stage.told(&["journal", "--subject", &head]);
    assert_eq!(table.lines().count(), 2, "{table}");
    stage.session("s");
    assert!(stage.told(&["journal", "--workspace"]).contains("session_created"));
}

#[test]
fn a_key_without_the_scope_is_told_so() {
    let stage = Stage::new();
    stage.put("/a", "1");
    let body = json!({"name": "reader", "scopes": ["read"]});
    let (_, reader) = stage.server.call(KEY, "POST", "/x/v1/api_keys", Some(&body));
    let run = |arguments: &[&str]| {
        let mut command = stage.command(arguments);
        let output = command.env("MEMSTORED_API_KEY", text(&reader, "key")).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };

    assert_eq!(run(&["log"]).0, 0, "names need no more than they can have");
    let (code, why) = run(&["rm", "/a"]);
    assert_eq!(code, 1);
    assert!(why.contains("write"), "{why}");
    let (code, why) = run(&["journal"]);
    assert_eq!(code, 1);
    assert!(why.contains("admin"), "{why}");
    assert_eq!(run(&["whoami"]).0, 0);
}

#[test]
fn two_versions_of_one_memory_are_not_restored_at_once() {
    let (stage, _) = Stage::incident();
    let [bad, good] = stage.versions().try_into().unwrap();

    let refused = stage.run(&["restore", &good, &bad]);

    assert_eq!(refused.code, 2, "{}", refused.err);
    assert_eq!(stage.versions().len(), 2, "nothing was written");
}

#[test]
fn two_versions_are_not_restored_to_one_place() {
    let stage = Stage::new();
    for content in ["one", "two"] {
        stage.put("/a", content);
        stage.told(&["rm", "/a"]);
    }
    let [_, two, _, one] = stage.versions().try_into().unwrap();

    for taken in [false, true] {
        if taken {
            stage.put("/a", "three");
        }
        for dry in [&["--dry-run"][..], &[]] {
            let refused = stage.run(&[&["restore", &one, &two], dry].concat());
            assert_eq!(refused.code, 2, "{}", refused.err);
            assert!(refused.err.contains("two of these would be at /a"), "{}", refused.err);
        }
    }
}

/// A redacted version has lost its path, but not its memory, whose other versions still say theirs.
#[test]
fn what_was_redacted_is_not_taken_for_what_never_was() {
    let stage = Stage::new();
    for path in ["/a", "/sub/b", "/c"] {
        stage.put(path, "secret");
    }
    let then = text(&stage.json(&["log"])[0], "created_at").to_owned();
    let [c, b, a] = stage.versions().try_into().unwrap();
    stage.put("/a", "is");
    stage.told(&["rm", "/sub/b", "/c"]);
    let deletion_of_c = &stage.versions()[0];
    for version in [&a, &b, &c, deletion_of_c] {
        stage.told(&["redact", version, "--reason", "r", "--yes"]);
    }
    let refused = |arguments: &[&str], code: i32, why: &str| {
        let ran = stage.run(arguments);
        assert_eq!(ran.code, code, "{arguments:?}: {}{}", ran.out, ran.err);
        assert!(ran.err.contains(why), "{arguments:?}: {}", ran.err);
        ran.err
    };

    for (path, version) in [("/a", &a), ("/sub/b", &b)] {
        let why = format!("{version}, which the memory at {path} was at {then}, was redacted");
        refused(&["cat", path, "--at", &then], 3, &why);
    }
    let gone = format!("left alone: /sub/b: its version of that time, {b}, was redacted");
    for path in ["/sub/b", "/sub/"] {
        refused(&["restore", "--at", &then, path], 4, &gone);
    }
    refused(&["restore", "--at", &then, "/a"], 4, "left alone: /a: its content of that time was");
    let all = refused(&["restore", "--at", &then], 4, &gone);
    assert!(all.contains(&format!("left alone: {c}: its content and path")), "{all}");

    // Of /c nothing says any more where it was, so it could have been anywhere.
    let lost = "were redacted, and their paths with them";
    let cat = refused(&["cat", "/c", "--at", &then], 3, lost);
    assert!(cat.contains("there is no memory at /c, and none is known to have been"), "{cat}");
    let restore = refused(&["restore", "--at", &then, "/c"], 3, lost);
    assert!(restore.contains("and none is known to have been at"), "{restore}");
    refused(&["log", "/c"], 3, lost);
    stage.put("/new", "new");
    let new = refused(&["cat", "/new", "--at", &then], 3, lost);
    assert!(new.contains("no memory is known to have been at /new at"), "{new}");
    refused(&["cat", "/new", "--at", "1h"], 3, "there was no memory at /new at");
}
