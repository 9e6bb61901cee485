//! Plans over small histories.

use super::super::examples::{created, memory, redacted, version};
use super::*;

fn heads(versions: &[&Version]) -> Vec<Head> {
    versions.iter().map(|version| Head::from(&memory(version))).collect()
}

/// A plan in words.
fn words(plan: &Plan) -> Vec<String> {
    let steps = plan.steps.iter().map(|step| match step {
        Step::Delete { head } => format!("delete {}", head.path),
        Step::Change { head, to } => {
            format!("change {} to {} of {}", head.path, to.path.as_ref().unwrap(), to.id)
        }
        Step::Create { path, to } => format!("create {path} of {}", to.id),
    });
    let conflicts = plan.conflicts.iter().map(|one| format!("leave {}: {}", one.path, one.why));
    steps.chain(conflicts).collect()
}

/// Back to a time of which nothing is known about what was redacted.
fn back_to(then: &[Version], now: &[Head], wanted: &[String], delete: bool) -> Plan {
    to_moment(then, &Near::new(), now, wanted, delete)
}

#[test]
fn a_moment_comes_back_whole() {
    let kept = created(1, "mem_kept", "/kept", "sesn_1", "same");
    let was = created(2, "mem_changed", "/changed", "sesn_1", "was");
    let is = version(5, "mem_changed", "/moved", "sesn_1", Some("is"));
    let deleted = created(3, "mem_gone", "/gone", "sesn_1", "gone");
    let new = created(6, "mem_new", "/new", "sesn_1", "new");
    let then = [kept.clone(), was.clone(), deleted.clone()];
    let now = heads(&[&kept, &is, &new]);

    let back = ["change /moved to /changed of memver_2", "create /gone of memver_3"];
    assert_eq!(words(&back_to(&then, &now, &[], false)), back);
    assert_eq!(words(&back_to(&then, &now, &[], true)), [&["delete /new"], &back[..]].concat());
    assert_eq!(words(&back_to(&then, &now, &["/gone".into()], true)), &back[1..]);
    let after = heads(&[&kept, &was, &deleted]);
    assert!(words(&back_to(&then, &after, &[], true)).is_empty(), "it is safe to repeat");
}

#[test]
fn what_stands_at_a_path_of_then_becomes_what_was_there() {
    let was = created(1, "mem_a", "/a", "sesn_1", "was");
    let stranger = created(3, "mem_b", "/a", "sesn_1", "is");
    let now = heads(&[&stranger]);
    let back = back_to(std::slice::from_ref(&was), &now, &[], true);
    assert_eq!(words(&back), ["change /a to /a of memver_1"]);
}

#[test]
fn what_was_redacted_does_not_come_back_and_is_said() {
    let was = redacted(created(1, "mem_a", "/a", "sesn_1", "was"));
    let is = version(3, "mem_a", "/a", "sesn_1", Some("is"));
    let back = back_to(std::slice::from_ref(&was), &heads(&[&is]), &[], true);
    assert_eq!(words(&back), ["leave /a: its content of that time was redacted"]);
    let then = [was];
    let gone = |near: &Near, wanted: &[String]| words(&to_moment(&then, near, &[], wanted, true));
    let lost = ["leave memver_1: its content and path of that time were redacted"];
    assert_eq!(gone(&Near::new(), &[]), lost);
    assert_eq!(gone(&Near::new(), &["/a".into()]), [""; 0], "nobody knows whether it was there");
    let near = Near::from([("memver_1".to_owned(), vec!["/a".to_owned(), "/b".to_owned()])]);
    let stays = |path| [format!("leave {path}: its version of that time, memver_1, was redacted")];
    assert_eq!(gone(&near, &[]), stays("/a"));
    assert_eq!(gone(&near, &["/b".into()]), stays("/b"));
    assert_eq!(gone(&near, &["/c".into()]), [""; 0]);
}

#[test]
fn one_version_comes_back_wherever_its_memory_is() {
    let was = created(1, "mem_a", "/a", "sesn_1", "was");
    let is = Head::from(&memory(&version(2, "mem_a", "/b", "sesn_1", Some("is"))));
    let step = |own, at_path| {
        let steps: Vec<_> = to_version(&was, own, at_path).into_iter().collect();
        words(&Plan { steps, conflicts: Vec::new() })
    };
    assert_eq!(step(Some(&is), None), ["change /b to /b of memver_1"], "its path stays");
    assert_eq!(step(None, None), ["create /a of memver_1"]);
    let other = Head::from(&memory(&created(3, "mem_b", "/a", "sesn_1", "other")));
    assert_eq!(step(None, Some(&other)), ["change /a to /a of memver_1"]);
    let same = Head::from(&memory(&created(3, "mem_b", "/a", "sesn_1", "was")));
    assert!(step(None, Some(&same)).is_empty());
}

#[test]
fn what_another_memory_is_in_the_way_of_is_foreseen() {
    let gone = created(1, "mem_gone", "/b", "sesn_1", "b");
    let below = created(2, "mem_below", "/b/x", "sesn_1", "x");
    let now = heads(&[&below]);
    let back = |delete| {
        to_moment(std::slice::from_ref(&gone), &Near::new(), &now, &[], delete).foreseen(&now)
    };

    let why = "path \"/b\" conflicts with the memory mem_below at \"/b/x\": update that memory, or \
               choose a path that is neither equal to, above nor below it";
    assert_eq!(words(&back(false)), [format!("leave /b: {why}")]);
    assert_eq!(words(&back(true)), ["delete /b/x", "create /b of memver_1"], "it is freed before");
}

#[test]
fn a_path_that_another_step_frees_or_takes_is_foreseen_too() {
    let was = [created(1, "mem_1", "/a", "sesn_1", "1"), created(2, "mem_2", "/a-", "sesn_1", "2")];
    let is = [
        version(5, "mem_1", "/c", "sesn_1", Some("1")),
        version(6, "mem_2", "/a/x", "sesn_1", Some("2")),
    ];
    let now = heads(&[&is[0], &is[1]]);
    let chain = to_moment(&was, &Near::new(), &now, &[], false);
    assert_eq!(words(&chain)[0], "change /c to /a of memver_1");
    let order = ["change /a/x to /a- of memver_2", "change /c to /a of memver_1"];
    assert_eq!(words(&chain.foreseen(&now)), order, "what waits for another comes after it");

    let create = |to: &Version| Step::Create { path: to.path.clone().unwrap(), to: to.clone() };
    let steps = vec![create(&was[0]), create(&is[1])];
    let two = Plan { steps, conflicts: Vec::new() }.foreseen(&[]);
    let words = words(&two);
    assert_eq!(words[0], "create /a of memver_1");
    assert!(
        words[1].starts_with(
            "leave /a/x: path \"/a/x\" conflicts with the memory to be made at \"/a\""
        )
    );
    assert_eq!(words.len(), 2);
}

const BAD: &str = "sesn_bad";

#[test]
fn a_session_is_undone_where_nobody_changed_anything_since() {
    let before = created(1, "mem_a", "/a", "sesn_1", "careful notes");
    let bad = version(2, "mem_a", "/a", BAD, Some("bad"));
    let worse = version(3, "mem_a", "/a", BAD, Some("worse"));
    let histories = [vec![worse, bad.clone(), before.clone()]];
    assert_eq!(words(&before_session(BAD, &histories, &[])), ["change /a to /a of memver_1"]);

    let since = version(4, "mem_a", "/a", "sesn_2", Some("better"));
    let histories = [vec![since, bad.clone(), before.clone()]];
    let why = "changed since by sesn_2 at 2026-11-26T10:00:04.000000Z: memstored show memver_4";
    assert_eq!(words(&before_session(BAD, &histories, &[])), [format!("leave /a: {why}")]);

    let undone = version(4, "mem_a", "/a", "apikey_1", Some("careful notes"));
    let histories = [vec![undone, bad, before]];
    assert!(words(&before_session(BAD, &histories, &[])).is_empty(), "it is safe to repeat");
}

#[test]
fn what_a_session_made_goes_and_what_it_deleted_comes_back() {
    let made = created(3, "mem_new", "/new", BAD, "new");
    let before = created(1, "mem_gone", "/gone", "sesn_1", "gone");
    let gone = version(4, "mem_gone", "/gone", BAD, None);
    let histories = [vec![made.clone()], vec![gone, before.clone()]];
    let plan = before_session(BAD, &histories, &heads(&[&made]));
    assert_eq!(words(&plan), ["delete /new", "create /gone of memver_1"]);
    assert!(needs_room(&plan));

    let again = created(5, "mem_again", "/gone", "apikey_1", "gone");
    let deleted = version(6, "mem_new", "/new", "apikey_1", None);
    let histories = [vec![deleted, made], histories[1].clone()];
    let plan = before_session(BAD, &histories, &heads(&[&again]));
    assert!(words(&plan).is_empty(), "it is safe to repeat");
}

#[test]
fn what_a_session_deleted_and_made_anew_becomes_what_it_was() {
    let before = created(1, "mem_old", "/a", "sesn_1", "was");
    let gone = version(2, "mem_old", "/a", BAD, None);
    let anew = created(3, "mem_new", "/a", BAD, "is");
    let histories = [vec![gone, before], vec![anew.clone()]];
    let plan = before_session(BAD, &histories, &heads(&[&anew]));
    assert_eq!(words(&plan), ["change /a to /a of memver_1"]);

    let undone = version(4, "mem_new", "/a", "apikey_1", Some("was"));
    let histories = [histories[0].clone(), vec![undone.clone(), anew]];
    let plan = before_session(BAD, &histories, &heads(&[&undone]));
    assert!(words(&plan).is_empty(), "it is safe to repeat: {:?}", words(&plan));
}

#[test]
fn what_has_no_room_or_no_past_is_left_alone() {
    let before = created(1, "mem_a", "/a", "sesn_1", "was");
    let moved = version(2, "mem_a", "/b", BAD, Some("was"));
    let squatter = created(3, "mem_b", "/a", "sesn_2", "other");
    let histories = [vec![moved.clone(), before.clone()]];
    let plan = before_session(BAD, &histories, &heads(&[&moved, &squatter]));
    assert_eq!(words(&plan), ["leave /b: its path /a is taken now"]);

    let gone = version(4, "mem_a", "/a", BAD, None);
    let plan = before_session(BAD, &[vec![gone, before.clone()]], &heads(&[&squatter]));
    assert_eq!(words(&plan), ["leave /a: its path is taken now"]);

    let bad = version(2, "mem_a", "/a", BAD, Some("is"));
    let plan = before_session(BAD, &[vec![bad.clone(), redacted(before)]], &[]);
    assert_eq!(words(&plan), ["leave /a: what it was before was redacted"]);
    let plan = before_session(BAD, &[vec![bad]], &[]);
    assert_eq!(words(&plan), ["leave /a: what it was before is no longer kept"]);
}

#[test]
fn what_a_session_left_is_undone_whoever_has_put_it_back() {
    let before = created(1, "mem_a", "/a", "sesn_1", "before");
    let bad = version(2, "mem_a", "/a", BAD, Some("bad"));
    let undone = version(3, "mem_a", "/a", "apikey_1", Some("before"));
    let again = version(4, "mem_a", "/a", BAD, Some("worse"));
    let back = ["change /a to /a of memver_1"];
    let histories = [vec![again, undone.clone(), bad.clone(), before.clone()]];
    assert_eq!(words(&before_session(BAD, &histories, &[])), back, "a second undo");

    let other = version(3, "mem_a", "/a", "sesn_2", Some("other"));
    let restored = version(4, "mem_a", "/a", "apikey_1", Some("bad"));
    let histories = [vec![restored, other, bad, before]];
    assert_eq!(words(&before_session(BAD, &histories, &[])), back, "after another was undone");
}

#[test]
fn what_had_come_back_and_was_deleted_again_stays_deleted() {
    let before = created(1, "mem_a", "/a", "sesn_1", "before");
    let bad = version(2, "mem_a", "/a", BAD, None);
    let plan = || before_session(BAD, &[vec![bad.clone(), before.clone()]], &[]);

    let deletions = [version(4, "mem_b", "/a", "apikey_1", None)];
    let stays = ["leave /a: it had come back, and was deleted again"];
    assert_eq!(words(&plan().without_deleted_again(&deletions)), stays);
    for other in [bad.clone(), version(4, "mem_b", "/b", "apikey_1", None)] {
        let plan = plan().without_deleted_again(&[other]);
        assert_eq!(words(&plan), ["create /a of memver_1"]);
    }
}

#[test]
fn a_path_of_then_that_is_taken_now_is_said_before_anything_is_done() {
    let was = created(1, "mem_a", "/a", "sesn_1", "a");
    let moved = version(2, "mem_a", "/moved", "sesn_1", Some("a"));
    let taken = created(3, "mem_b", "/a", "sesn_1", "b");
    let back = back_to(&[was], &heads(&[&moved, &taken]), &[], false);
    assert_eq!(words(&back), ["leave /moved: its path /a is taken now"]);
}
