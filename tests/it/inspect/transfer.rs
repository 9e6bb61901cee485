//! export and import.

use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use super::door::Door;
use super::stage::{Stage, files};
use crate::support::server::text;

fn filled() -> Stage {
    let stage = Stage::new();
    for (path, content) in
        [("/a.md", "a\n"), ("/sub/deep/b.md", ""), ("/sub/crlf", "x\r\ny\u{0}"), ("/é", "é")]
    {
        stage.put(path, content);
    }
    stage
}

fn state(stage: &Stage) -> Vec<(String, String)> {
    let field = |memory: &serde_json::Value, name| text(memory, name).to_owned();
    let memories = stage.json(&["ls", "-R"]);
    memories.iter().map(|one| (field(one, "path"), field(one, "content_sha256"))).collect()
}

#[test]
fn files_go_out_and_come_in_byte_for_byte() {
    let (from, to) = (filled(), Stage::new());
    for name in ["out", "out.tar"] {
        let out = to.path(name);
        let out = out.to_str().unwrap();
        assert!(from.told(&["export", out]).starts_with("wrote 4 memories"));
        assert_eq!(from.run(&["export", out]).code, 1, "nothing is overwritten");
        let prefix = format!("/{}/", name.replace('.', "-"));
        to.told(&["import", out, "--prefix", &prefix]);
        assert!(to.told(&["import", out, "--prefix", &prefix]).starts_with("nothing to do"));
    }

    assert_eq!(files(&to.path("out"))[0], ("a.md".to_owned(), "a\n".to_owned()));
    let mut expected = Vec::new();
    for prefix in ["/out", "/out-tar"] {
        expected
            .extend(state(&from).into_iter().map(|(path, hash)| (prefix.to_owned() + &path, hash)));
    }
    expected.sort();
    assert_eq!(state(&to), expected);
    let tar = Command::new("tar").arg("-tf").arg(to.path("out.tar")).output().unwrap();
    assert!(String::from_utf8_lossy(&tar.stdout).contains("sub/deep/b.md"));
}

#[test]
fn an_import_updates_what_differs_and_says_so_before() {
    let stage = filled();
    let out = stage.path("out");
    let out = out.to_str().unwrap();
    stage.told(&["export", out, "--prefix", "/sub/"]);
    assert_eq!(files(&stage.path("out")).len(), 2);
    std::fs::write(stage.path("out/sub/deep/b.md"), "now\n").unwrap();
    std::fs::write(stage.path("out/new.md"), "new\n").unwrap();
    let before = stage.versions().len();

    let dry = stage.told(&["import", out, "--dry-run"]);
    assert_eq!(dry, "would create /new.md\nwould update /sub/deep/b.md\n");
    assert_eq!(stage.versions().len(), before);
    assert_eq!(stage.json(&["import", out]).len(), 3);
    assert_eq!(stage.versions().len(), before + 2);
    assert_eq!(stage.content("/sub/deep/b.md").unwrap(), "now\n");
    std::fs::create_dir(stage.path("blocked")).unwrap();
    std::fs::create_dir(stage.path("blocked/a.md")).unwrap();
    std::fs::write(stage.path("blocked/a.md/below"), "x").unwrap();
    let blocked = stage.run(&["import", stage.path("blocked").to_str().unwrap()]);
    assert_eq!(blocked.code, 4, "{}", blocked.err);
    assert!(blocked.err.contains("left alone: /a.md/below"), "{}", blocked.err);
}

#[test]
fn an_import_says_before_what_would_be_left_alone() {
    let stage = Stage::with(&["--max-memories-per-store", "2"]);
    stage.put("/b/x", "x");
    for (folder, file) in [("above", "b"), ("below", "b/x/y")] {
        let file = stage.path(folder).join(file);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, "y").unwrap();
        std::fs::write(stage.path(folder).join("fits"), folder).unwrap();

        let dry = stage.run(&["import", folder, "--dry-run"]);
        let run = stage.run(&["import", folder]);

        let why = "conflicts with the memory mem_";
        assert!(dry.code == 4 && dry.err.contains(why), "{folder}: {}", dry.err);
        assert_eq!((dry.code, dry.err), (run.code, run.err), "{folder}");
        assert!(dry.out.starts_with("would ") && dry.out.contains("/fits"), "{}", dry.out);
        assert_eq!(dry.out.lines().count(), 1, "{}", dry.out);
    }
}

#[test]
fn a_history_goes_out_and_comes_in_again() {
    let (stage, to) = (Stage::new(), Stage::new());
    let session = stage.session("s");
    let id = stage.create(&session, "/a", "one\n");
    stage.update(&session, &id, "two\n");
    stage.rename(&session, &id, "/b");
    let gone = stage.create(&session, "/gone", "gone\n");
    stage.delete(&session, &gone);
    let first = stage.versions().pop().unwrap();
    stage.told(&["redact", &first, "--reason", "r", "--yes"]);

    for name in ["history", "history.tar"] {
        let out = stage.path(name);
        let told = stage.told(&["export", out.to_str().unwrap(), "--history"]);
        assert!(told.starts_with("wrote 1 memory and 5 versions"), "{told}");
    }
    let kept = files(&stage.path("history"));
    assert_eq!(kept[0], ("memories/b".to_owned(), "two\n".to_owned()));
    let lines: Vec<serde_json::Value> =
        kept[1].1.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut all = stage.json(&["log"]);
    all.reverse();
    assert_eq!(lines.len(), 5);
    for (line, version) in lines.iter().zip(&all) {
        assert_eq!((&line["id"], &line["created_by"]), (&version["id"], &version["created_by"]));
    }
    assert_eq!(lines[1]["content"], "two\n");

    let history = stage.path("history.tar");
    let history = history.to_str().unwrap();
    assert!(to.told(&["import", history, "--history", "--dry-run"]).starts_with("would write 4"));
    assert!(to.versions().is_empty(), "a dry run writes nothing");
    let told = to.told(&["import", history, "--history"]);
    assert!(told.starts_with("wrote 4 versions again; 1 without"), "{told}");
    assert_eq!(to.content("/b").unwrap(), "two\n");
    assert_eq!(to.json(&["log", "/gone"]).len(), 2);
    assert_eq!(to.run(&["import", history, "--history"]).code, 4, "the store is not empty");
    let plain = stage.path("plain");
    std::fs::create_dir(&plain).unwrap();
    assert_eq!(to.run(&["import", plain.to_str().unwrap(), "--history"]).code, 3);
}

#[test]
fn every_version_is_a_commit() {
    let (stage, sessions) = Stage::incident();
    let id = stage.create(&sessions[0], "/b \"quoted\"", "b\n");
    stage.rename(&sessions[0], &id, "/sub/b");
    let other = stage.create(&sessions[0], "/gone", "gone\n");
    stage.delete(&sessions[0], &other);
    stage.create(&sessions[0], "/.gitattributes", "* text eol=crlf filter=evil\n");
    stage.create(&sessions[0], "/.git/config", "[core]\nfsmonitor = touch /tmp/owned\n");
    let repository = stage.path("repository");

    let ran = stage.run(&["export", repository.to_str().unwrap(), "--git"]);

    assert_eq!(ran.code, 4, "{}", ran.err);
    assert!(ran.err.contains("left out /.git/config"), "{}", ran.err);
    let git = |arguments: &[&str]| {
        let output =
            Command::new("git").arg("-C").arg(&repository).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let log = git(&["log", "--reverse", "--format=%an|%ae|%s"]);
    let lines: Vec<_> = log.lines().collect();
    assert_eq!(lines.len(), 8, "{log}");
    assert_eq!(lines[0], format!("Read about CRDTs|{}|created /crdts.md", sessions[0].id));
    assert_eq!(lines[1], format!("Add a paragraph on RGA|{}|modified /crdts.md", sessions[1].id));
    let version = stage.json(&["log", "--session", &sessions[1].id]);
    let time = git(&["log", "--format=%aI", "--grep", text(&version[0], "id")]);
    assert_eq!(time.trim()[..19], text(&version[0], "created_at")[..19]);
    let kept = git(&["ls-files"]);
    assert_eq!(kept, ".gitattributes\ncrdts.md\nsub/b\n");
    assert_eq!(std::fs::read_to_string(repository.join("sub/b")).unwrap(), "b\n");
    assert_eq!(git(&["status", "--porcelain"]), "");
    assert_eq!(git(&["show", "HEAD~3:gone"]), "gone\n");
    assert!(!git(&["config", "--list", "--local"]).contains("fsmonitor"));
}

/// Whatever somebody puts into a folder or an archive: nothing of it is written unless all may be.
#[test]
fn what_comes_in_is_hostile_until_it_is_checked() {
    let stage = Stage::new();
    let folder = stage.path("in");
    let import = || {
        let ran = stage.run(&["import", folder.to_str().unwrap()]);
        assert!(stage.versions().is_empty(), "nothing is written");
        (ran.code, ran.err)
    };
    let fresh = || {
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("good.md"), "good").unwrap();
    };
    assert_eq!(import().0, 3, "there is nothing");

    fresh();
    std::os::unix::fs::symlink("/etc/passwd", folder.join("link")).unwrap();
    assert!(import().1.contains("refused: /link: it is a link"));
    fresh();
    std::os::unix::fs::symlink(&folder, folder.join("loop")).unwrap();
    assert_eq!(import().0, 1);
    fresh();
    let made = Command::new("mkfifo").arg(folder.join("pipe")).status().unwrap();
    assert!(made.success());
    assert!(import().1.contains("/pipe: it is a link or a device"));
    fresh();
    std::fs::write(folder.join("binary"), [0xff]).unwrap();
    assert!(import().1.contains("/binary: it is not UTF-8"));
    fresh();
    std::fs::write(folder.join("large"), "x".repeat(102_401)).unwrap();
    assert!(import().1.contains("/large: it has more than 102,400 bytes"));
    fresh();
    std::fs::write(folder.join(std::ffi::OsStr::from_bytes(b"\xff")), "x").unwrap();
    assert!(import().1.contains("its name is not UTF-8"));
    fresh();
    std::fs::write(folder.join("\u{1b}[2J"), "x").unwrap();
    let (code, err) = import();
    assert!(code == 1 && !err.contains('\u{1b}'), "{err:?}");
    fresh();
    let deep = folder.join("d/".repeat(21));
    std::fs::create_dir_all(&deep).unwrap();
    std::fs::write(deep.join("x"), "x").unwrap();
    assert_eq!(import().0, 1);
}

#[test]
fn what_a_server_takes_goes_out_and_comes_in_however_large() {
    let stage = Stage::with(&["--max-content-bytes", "300000"]);
    let large = "x".repeat(150_000);
    stage.put("/large", &large);
    let out = stage.path("out");
    let out = out.to_str().unwrap();
    stage.told(&["export", out]);
    stage.told(&["export", "history", "--history"]);

    stage.told(&["rm", "/large"]);
    assert_eq!(stage.told(&["import", out]), "created /large\n");
    assert_eq!(stage.content("/large").unwrap(), large);
    std::fs::write(stage.path("out/larger"), "x".repeat(300_001)).unwrap();
    let larger = stage.run(&["import", out]);
    assert!(larger.err.contains("/larger: it has more than 300,000 bytes"), "{}", larger.err);
    let to = Stage::with(&["--max-content-bytes", "300000"]);
    let history = stage.path("history");
    let plain = to.run(&["import", history.to_str().unwrap()]);
    assert!(plain.code == 2 && plain.err.contains("give --history"), "{}", plain.err);
    to.told(&["import", history.to_str().unwrap(), "--history"]);
    assert_eq!(to.content("/large").unwrap(), large);
}

#[test]
fn a_server_that_does_not_say_what_it_takes_is_held_to_the_contract() {
    let stage = Stage::with(&["--max-content-bytes", "300000"]);
    std::fs::create_dir(stage.path("in")).unwrap();
    let with = |status: &str, body: &str| {
        let length = body.len();
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{body}");
        let keeper = move |_: &str, path: &str| path.ends_with("/whoami").then(|| answer.clone());
        Door::before(&stage, Box::new(keeper)).run(&stage, &["import", "in"])
    };
    let write = |name: &str, content: &str| std::fs::write(stage.path("in").join(name), content);
    let told =
        [("404 Not Found", ""), ("403 Forbidden", ""), ("200 OK", "{}"), ("200 OK", "hello")];
    for (status, body) in told {
        let content = format!("{status} {body}");
        write("fits", &content).unwrap();
        let ran = with(status, body);
        assert_eq!((ran.code, stage.content("/fits")), (0, Some(content)), "{}", ran.err);
        write("larger", &"x".repeat(102_401)).unwrap();
        let larger = with(status, body);
        assert!(larger.err.contains("/larger: it has more than 102,400 bytes"), "{}", larger.err);
        std::fs::remove_file(stage.path("in/larger")).unwrap();
    }

    let before = stage.content("/fits");
    write("fits", "last").unwrap();
    assert_eq!(with("401 Unauthorized", "").code, 1, "a key that is not good is said at once");
    assert_eq!(stage.content("/fits"), before);
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_written() {
    let stage = Stage::with(&["--max-content-bytes", "10", "--max-memories-per-store", "3"]);
    let folder = stage.path("in");
    let fresh = |files: &[(&str, &str)]| {
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).unwrap();
        for (name, content) in files {
            std::fs::write(folder.join(name), content).unwrap();
        }
    };
    let refused = |why: &str| {
        let before = stage.versions().len();
        for arguments in [&["import", "in", "--dry-run"][..], &["import", "in"]] {
            let ran = stage.run(arguments);
            assert_eq!((ran.code, &*ran.out), (1, ""), "{}", ran.err);
            assert!(ran.err.contains(why), "{}", ran.err);
        }
        assert_eq!(stage.versions().len(), before, "nothing is written");
    };

    fresh(&[("a", "1"), ("b", "more than ten bytes")]);
    refused("refused: /b: it has more than 10 bytes");
    fresh(&[("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")]);
    refused("a store holds at most 3 memories: this one has 0, and 4 more would come in");
    fresh(&[("a", "1"), ("b", "2"), ("c", "3")]);
    stage.told(&["import", "in"]);
    fresh(&[("a", "now"), ("b", "2")]);
    assert_eq!(stage.told(&["import", "in"]), "updated /a\n", "a full store takes changes");
    fresh(&[("a", "now"), ("d", "4")]);
    refused("this one has 3, and 1 more would come in, so nothing was written");
}

#[test]
fn a_history_needs_room_for_what_was_there_at_one_time() {
    let from = Stage::new();
    for path in ["/a", "/b", "/c"] {
        from.put(path, "short");
    }
    from.told(&["rm", "/a"]);
    from.put("/d", "short");
    from.told(&["export", "fits.tar", "--history"]);
    from.put("/e", "short");
    from.told(&["export", "many.tar", "--history"]);
    from.put("/e", "more than ten bytes");
    from.told(&["export", "large.tar", "--history"]);
    let stage = Stage::with(&["--max-content-bytes", "10", "--max-memories-per-store", "3"]);
    let import = |name: &str| {
        let history = from.path(name);
        stage.run(&["import", history.to_str().unwrap(), "--history"])
    };

    let (many, large) = (import("many.tar"), import("large.tar"));
    assert_eq!((many.code, large.code), (1, 1));
    assert!(many.err.contains("at most 3 memories"), "{}", many.err);
    assert!(large.err.contains("it has more than 10 bytes"), "{}", large.err);
    assert!(stage.versions().is_empty(), "nothing is written");
    let fits = import("fits.tar");
    assert_eq!(fits.code, 0, "{}", fits.err);
    assert_eq!(stage.versions().len(), 5);
}

#[test]
fn an_archive_leads_nowhere_else() {
    let stage = Stage::new();
    let refused = |make: &dyn Fn(&mut tar::Builder<Vec<u8>>), why: &str| {
        let mut archive = tar::Builder::new(Vec::new());
        put(&mut archive, b"good.md", b"good", tar::EntryType::Regular);
        make(&mut archive);
        std::fs::write(stage.path("in.tar"), archive.into_inner().unwrap()).unwrap();
        let ran = stage.run(&["import", "in.tar"]);
        assert_eq!(ran.code, 1, "{why}: {}", ran.err);
        assert!(ran.err.contains(why), "{why}: {}", ran.err);
        assert!(stage.versions().is_empty(), "nothing is written");
    };
    for name in [&b"../evil"[..], b"a/../../evil", b"/etc/evil", b"a//b"] {
        refused(&|tar| put(tar, name, b"x", tar::EntryType::Regular), "refused: /");
    }
    refused(&|tar| put(tar, b"link", b"", tar::EntryType::Symlink), "it is a link");
    refused(&|tar| put(tar, b"hard", b"", tar::EntryType::Link), "it is a link");
    refused(&|tar| put(tar, b"tty", b"", tar::EntryType::Char), "it is a link or a device");
    refused(&|tar| put(tar, b"good.md", b"two", tar::EntryType::Regular), "there are two of it");
    refused(&|tar| put(tar, b"good.md/x", b"x", tar::EntryType::Regular), "is a file");
    std::fs::write(stage.path("in.tar"), [b'x'; 2000]).unwrap();
    assert_eq!(stage.run(&["import", "in.tar"]).code, 1);
}

/// An entry as nobody's tar would write it.
fn put(archive: &mut tar::Builder<Vec<u8>>, name: &[u8], content: &[u8], kind: tar::EntryType) {
    let mut header = tar::Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_size(content.len() as u64);
    header.set_entry_type(kind);
    header.set_mode(0o644);
    if kind.is_symlink() || kind.is_hard_link() {
        header.set_link_name("/etc/passwd").unwrap();
    }
    header.set_cksum();
    archive.append(&header, content).unwrap();
}

/// What git would run is not written, and neither is what no file can be called.
#[test]
fn an_export_makes_no_repository_of_anybody_elses() {
    let stage = Stage::new();
    let long = format!("/{}", "n".repeat(300));
    for path in ["/.git/config", "/a/.GIT/hooks/pre-commit", "/kept", &long] {
        stage.put(path, "x");
    }
    let out = stage.path("out");

    let said = stage.run(&["export", out.to_str().unwrap()]);

    assert_eq!(said.code, 4, "{}", said.err);
    assert!(said.err.ends_with("memstored: 3 paths were left out\n"), "{}", said.err);
    assert_eq!(files(&out), [("kept".to_owned(), "x".to_owned())]);
    for path in ["/.git/config", "/a/.GIT/hooks/pre-commit", &long] {
        assert!(said.err.contains(&format!("left out {path}: ")), "{}", said.err);
    }
    let git = stage.path("git");
    assert_eq!(stage.run(&["export", git.to_str().unwrap(), "--git"]).code, 4);
    assert!(git.join("kept").exists());
}
