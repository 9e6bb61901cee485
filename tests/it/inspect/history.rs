//! log, show, diff, blame, stat and watch.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use super::stage::{DAMAGE, NOTES, Stage};
use crate::support::server::text;

fn column(log: &str, words: &[&str]) -> Vec<bool> {
    log.lines().map(|line| words.iter().all(|word| line.contains(word))).collect()
}

#[test]
fn a_log_names_who_did_what_and_marks_the_cliff() {
    let (stage, sessions) = Stage::incident();

    let log = stage.told(&["log"]);
    let by_id = stage.told(&["log", "--ids"]);

    let lines: Vec<_> = log.lines().collect();
    assert_eq!(lines.len(), 2, "{log}");
    for part in ["modified", "Add a paragraph on RGA", "1,509 (-5,776)", "/crdts.md", "  cliff"] {
        assert!(lines[0].contains(part), "{part}: {log}");
    }
    for part in ["created", "Read about CRDTs", "7,285 (+7,285)", "/crdts.md"] {
        assert!(lines[1].contains(part), "{part}: {log}");
    }
    assert!(!lines[1].contains("cliff"), "{log}");
    assert!(by_id.contains(&sessions[0].id) && by_id.contains(&sessions[1].id), "{by_id}");
}

#[test]
fn a_log_is_filtered_and_still_knows_what_was_before() {
    let (stage, [careful, hasty]) = Stage::incident();
    let other = stage.create(&careful, "/folder/a.md", "aaa\n");
    stage.delete(&hasty, &other);
    stage.put("/todo.md", "x\n");

    let of_hasty = stage.told(&["log", "--session", &hasty.id]);
    assert_eq!(column(&of_hasty, &["deleted", "- (-4)"]), [true, false], "{of_hasty}");
    assert_eq!(column(&of_hasty, &["1,509 (-5,776)", "cliff"]), [false, true], "{of_hasty}");
    assert_eq!(stage.told(&["log", "--actor", &hasty.id]), of_hasty);
    assert_eq!(stage.json(&["log", "--operation", "created"]).len(), 3);
    assert_eq!(stage.json(&["log", "-n", "2"]).len(), 2);
    assert_eq!(stage.json(&["log", "/folder/"]).len(), 2);
    assert_eq!(stage.json(&["log", "/folder/a.md"]).len(), 2, "deleted ones are followed");
    assert_eq!(stage.json(&["log", "--since", "1h"]).len(), 5);
    assert_eq!(stage.json(&["log", "--until", "1h"]).len(), 0);
    let all = stage.json(&["log"]);
    let since = stage.json(&["log", "--since", text(&all[1], "created_at")]);
    assert_eq!(since, all[..2]);
    let own = text(&all[0]["created_by"], "api_key_id");
    assert_eq!(stage.json(&["log", "--actor", own]).len(), 1);
    assert_eq!(stage.run(&["log", "--actor", "ann"]).code, 2);
    assert_eq!(stage.told(&["log", "--actor", "Add a paragraph on RGA"]), of_hasty);
    assert_eq!(stage.run(&["log", "--session", "apikey_1"]).code, 2);
    assert_eq!(stage.run(&["log", "--since", "lately"]).code, 2);
    assert_eq!(stage.run(&["log", "/none.md"]).code, 3);
}

#[test]
fn a_log_follows_a_memory_through_moves_and_its_path_through_deletions() {
    let stage = Stage::new();
    let session = stage.session("s");
    let first = stage.create(&session, "/a", "first\n");
    stage.delete(&session, &first);
    let second = stage.create(&session, "/b", "second\n");
    stage.rename(&session, &second, "/a");

    let log = stage.told(&["log", "/a"]);

    let operations: Vec<_> =
        log.lines().map(|line| line.split_whitespace().nth(1).unwrap()).collect();
    assert_eq!(operations, ["modified", "created", "deleted", "created"], "{log}");
    assert!(log.lines().next().unwrap().contains("/a  (was /b)"), "{log}");
    assert_eq!(stage.json(&["log", "/b"]).len(), 2, "one that was moved away is found");
}

#[test]
fn a_log_tells_what_became_of_a_memory_that_was_moved_away() {
    let stage = Stage::new();
    let session = stage.session("s");
    let moved = stage.create(&session, "/a", "first\n");
    stage.update(&session, &moved, "more\n");
    stage.rename(&session, &moved, "/kept");
    stage.update(&session, &moved, "not here\n");
    stage.put("/a", "second\n");

    let log = stage.told(&["log", "/a"]);

    let lines: Vec<_> = log.lines().collect();
    assert_eq!(lines.len(), 4, "{log}");
    assert!(lines[0].contains("7 (+7)") && lines[0].ends_with("  /a"), "{log}");
    assert!(lines[1].contains("5 (+0)") && lines[1].ends_with("  /kept  (was /a)"), "{log}");
    assert!(lines[2].contains("5 (-1)") && lines[2].ends_with("  /a"), "{log}");
    assert!(lines[3].contains("created"), "{log}");
    let patch = stage.told(&["log", "/a", "-p"]);
    assert!(patch.contains("rename from a\nrename to kept\n"), "{patch}");
    assert!(patch.contains("-first\n+more\n") && !patch.contains("not here"), "{patch}");
    let all = stage.json(&["log", "/a"]);
    assert_eq!(stage.json(&["log", "/a", "-n", "2"]), all[..2]);
    assert_eq!(stage.json(&["log", "/a", "--session", &session.id]), all[1..]);
    assert_eq!(stage.json(&["log", "/a", "--operation", "created"]).len(), 2);
    assert_eq!(stage.json(&["log", "/kept"]).len(), 4, "one that is there is told whole");

    stage.told(&["rm", "/a", "/kept"]);
    assert_eq!(stage.json(&["log", "/a"]).len(), 5, "what was deleted there hides it no more");
}

#[test]
fn patches_words_and_counts_are_shown() {
    let stage = Stage::new();
    stage.put("/a.md", "one\ntwo\nthree\n");
    stage.put("/a.md", "one\n2\nthree\n");
    let [new, old] = stage.versions().try_into().unwrap();

    let patch = stage.told(&["log", "-p", "/a.md"]);
    let alone = stage.told(&["diff", &new]);
    let pair = stage.told(&["diff", &old, &new]);
    let back = stage.told(&["diff", &new, &old]);

    let head = format!("diff --git a/a.md b/a.md\n--- /a.md\t{old}\n+++ /a.md\t{new}\n");
    let expected = format!("{head}@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n");
    assert_eq!(alone, expected);
    assert_eq!(pair, expected);
    assert!(back.contains("-2\n+two\n"), "{back}");
    assert!(patch.contains("-two\n+2\n") && patch.contains("--- /dev/null\n"), "{patch}");
    assert!(stage.told(&["diff", &new, "--word"]).contains("[-two-]{+2+}"));
    assert_eq!(stage.told(&["diff", &new, "--stat"]), "/a.md | +1 -1\n");
    assert!(stage.told(&["show", &new]).contains("-two\n+2\n"));

    std::fs::write(stage.path("own.md"), "one\n2\nthree\nfour\n").unwrap();
    assert!(stage.told(&["diff", &new, "own.md"]).ends_with("+four\n"));
    let times = stage.told(&["diff", "1h", "0s", "/a.md"]);
    assert!(times.contains("+2\n") && times.contains("--- /dev/null\n"), "{times}");
    assert_eq!(stage.run(&["diff", "1h", "0s", "/b/"]).code, 3);
    assert_eq!(stage.run(&["diff", "1h", &new]).code, 2);
    assert_eq!(stage.run(&["diff", &old, &new, "/a.md"]).code, 2);
    assert_eq!(stage.run(&["diff", &new, "no-such-file"]).code, 3);
}

#[test]
fn a_version_is_named_by_its_id_or_by_what_only_it_has() {
    let stage = Stage::new();
    stage.put("/a", "1");
    stage.put("/a", "2");
    let versions = stage.versions();

    let end = &versions[0][versions[0].len() - 8..];
    let shown = stage.json(&["show", end]);

    assert_eq!(text(&shown[0], "id"), versions[0]);
    assert_eq!(
        stage.json(&["show", &end.to_lowercase()]),
        shown,
        "no letter means another if it is small"
    );
    let common = stage.run(&["show", &versions[0][..14]]);
    assert_eq!(common.code, 2, "{}", common.err);
    assert!(common.err.contains(&versions[0]) && common.err.contains(&versions[1]));
    for bad in ["memver_ZZZZZZ", "abc", "memver_../x", "ZZZZZZZZ"] {
        assert_eq!(stage.run(&["show", bad]).code, 3, "{bad}");
    }
}

#[test]
fn blame_tells_the_version_of_each_line() {
    let stage = Stage::new();
    stage.put("/a", "one\ntwo\n");
    stage.put("/a", "zero\none\ntwo\n");
    let [new, old] = stage.versions().try_into().unwrap();

    let blame = stage.told(&["blame", "/a"]);

    let ids: Vec<_> = blame.lines().map(|line| line.split("  ").next().unwrap()).collect();
    assert_eq!(ids, [&new, &old, &old]);
    assert!(blame.lines().next().unwrap().ends_with("  1  zero"), "{blame}");
    assert_eq!(stage.json(&["blame", "/a"]).len(), 3);
    stage.told(&["rm", "/a"]);
    assert_eq!(stage.told(&["blame", "/a"]), blame, "a deleted memory is shown as it last was");
    assert_eq!(stage.run(&["blame", "/b"]).code, 3);
}

#[test]
fn an_actor_is_named_as_the_log_shows_it_where_only_one_is_called_so() {
    let stage = Stage::new();
    let twins = [stage.session("twin"), stage.session("twin")];
    let evil = stage.session("e\u{1b}");
    for (number, session) in twins.iter().chain([&evil]).enumerate() {
        stage.create(session, &format!("/{number}"), "x");
    }

    let ambiguous = stage.run(&["log", "--actor", "twin"]);
    let unknown = stage.run(&["log", "--actor", "nobody"]);

    assert_eq!((ambiguous.code, unknown.code), (2, 2), "{}{}", ambiguous.err, unknown.err);
    for session in &twins {
        assert!(ambiguous.err.contains(&session.id), "{}", ambiguous.err);
        assert!(unknown.err.contains(&format!("twin ({})", session.id)), "{}", unknown.err);
    }
    assert_eq!(stage.json(&["log", "--actor", "e\\u{1b}"]).len(), 1, "as it is shown");
    assert_eq!(stage.run(&["log", "--session", "twin"]).code, 2);
}

#[test]
fn stat_counts_and_draws() {
    let (stage, _) = Stage::incident();
    let svg = stage.path("crdts.svg");

    let stat = stage.told(&["stat", "/crdts.md", "--plot", "--svg", svg.to_str().unwrap()]);

    let size = format!("memories  1 ({},{} bytes)", DAMAGE / 1000, DAMAGE % 1000);
    assert!(stat.starts_with(&size), "{stat}");
    assert!(stat.contains("▼ cliff: 7,285 → 1,509 bytes"), "{stat}");
    assert!(stat.contains("       1            0          5,776       1  Add a paragraph on RGA"));
    let picture = std::fs::read_to_string(svg).unwrap();
    assert!(picture.contains(">7,285<") && picture.contains("cliff: -5,776"), "{picture}");
    assert_eq!(NOTES - DAMAGE, 5776);
    assert!(stage.told(&["stat"]).contains("versions  2 (0 redacted)"));
    assert_eq!(stage.json(&["stat"]).len(), 2);
}

#[test]
fn watch_prints_what_comes_once_and_in_order() {
    let stage = Stage::new();
    stage.put("/before", "x");
    let mut command = stage.command(&["watch", "--json", "--interval", "0.05", "--since", "1h"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next =
        || -> serde_json::Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };

    assert_eq!(text(&next(), "path"), "/before");
    stage.put("/a", "1");
    assert_eq!(text(&next(), "path"), "/a");
    stage.put("/b", "2");
    stage.put("/c", "3");
    assert_eq!(text(&next(), "path"), "/b");
    assert_eq!(text(&next(), "path"), "/c");

    let killed = std::process::Command::new("kill").arg(child.id().to_string()).status();
    assert!(killed.unwrap().success());
    assert!(child.wait().unwrap().success(), "to be stopped is no failure");
}
