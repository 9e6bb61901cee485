//! What is mounted where: a session's stores, a store by its name, and inputs that are wrong.

use std::fs;

use rstest::rstest;
use rustix::io::Errno;
use serde_json::{Value, json};

use super::stage::{KEY, Mount, Stage, errno};
use crate::support::program::command;
use crate::support::server::text;

/// A session that has the stage's store to be written to, and another one, which holds `f`, to be
/// read only.
struct Session {
    id: String,
    token: String,
}

impl Session {
    fn of(stage: &Stage) -> Self {
        let post = |path: &str, body: &Value| stage.call("POST", path, Some(body));
        let house = text(&post("/v1/memory_stores", &json!({"name": "House"})), "id").to_owned();
        let memories = format!("/v1/memory_stores/{house}/memories");
        post(&memories, &json!({"path": "/f", "content": "house\n"}));
        let agent = post("/v1/agents", &json!({"name": "a", "model": "m"}));
        let environment = post("/v1/environments", &json!({"name": "e"}));
        let resources = json!([
            {"type": "memory_store", "memory_store_id": house, "access": "read_only"},
            {"type": "memory_store", "memory_store_id": stage.id()},
        ]);
        let session = json!({
            "agent": agent["id"], "environment_id": environment["id"], "resources": resources
        });
        let id = text(&post("/v1/sessions", &session), "id").to_owned();
        let token = stage.call("POST", &format!("/x/v1/sessions/{id}/tokens"), None);
        Self { id, token: text(&token, "token").to_owned() }
    }

    /// Mounts it below a folder of the stage.
    fn mount(&self, stage: &Stage, credential: (&str, &str)) -> Result<Mount, String> {
        let root = stage.folder().join("memory");
        let mut mount = command(stage.folder(), &["mount", "--session", &self.id]);
        mount.args(["--url", &stage.url(), "--state-dir", "state", "--log-file", "log", "--root"]);
        mount.env_remove("ANTHROPIC_API_KEY").env(credential.0, credential.1).arg(&root);
        Mount::spawn(
            mount,
            vec![root.join("house"), root.join("notes")],
            stage.folder().join("log"),
        )
    }
}

#[test]
fn a_session_has_each_store_at_its_mount_path() {
    let Some(stage) = Stage::new() else { return };
    let session = Session::of(&stage);
    let notes = stage.folder().join("memory/notes");

    for (number, credential) in
        [("MEMSTORED_SESSION_TOKEN", session.token.as_str()), ("MEMSTORED_API_KEY", KEY)]
            .into_iter()
            .enumerate()
    {
        let mount = session.mount(&stage, credential).unwrap();
        assert_eq!(mount.read("f"), "house\n");
        assert_eq!(errno(fs::write(mount.path("f"), "x")), Errno::ROFS);
        fs::write(notes.join(format!("g{number}")), "user\n").unwrap();
        assert_eq!(mount.greeting.lines().count(), 2);
        assert!(mount.greeting.lines().next().unwrap().ends_with("house, read-only"));
        assert!(mount.stop().success());
        assert!(!notes.exists(), "a folder that was made is removed");
    }

    let by = json!({"type": "session_actor", "session_id": session.id});
    let versions = stage.versions();
    assert_eq!(versions.len(), 2);
    assert!(versions.iter().all(|version| version["created_by"] == by), "{versions:#?}");
}

#[test]
fn all_stores_of_a_session_are_mounted_or_none() {
    let Some(stage) = Stage::new() else { return };
    let session = Session::of(&stage);
    stage.call("DELETE", &stage.store, None);

    let credential = ("MEMSTORED_SESSION_TOKEN", session.token.as_str());
    let why = session.mount(&stage, credential).err().unwrap();

    assert!(why.contains("there is no such file") || why.contains("not found"), "{why}");
    assert!(!stage.folder().join("memory/house").exists());
}

#[test]
fn a_store_is_found_by_its_name_where_only_one_has_it() {
    let Some(stage) = Stage::new() else { return };
    stage.memory("/f", "old\n");
    let at = stage.folder().join("at");
    fs::create_dir(&at).unwrap();
    let by_name = || {
        let mut mount = stage.command(&["mount", "--store", "notes"]);
        mount.arg(&at);
        Mount::spawn(mount, vec![at.clone()], stage.folder().join("log"))
    };
    let mount = by_name().unwrap();
    assert_eq!(mount.read("f"), "old\n");
    assert_eq!(mount.greeting, format!("mounted notes at {}\n", at.display()));
    drop(mount);

    let other = stage.call("POST", "/v1/memory_stores", Some(&json!({"name": "notes"})));

    let why = by_name().err().unwrap();
    for word in ["2 memory stores", stage.id(), text(&other, "id")] {
        assert!(why.contains(word), "{word}: {why}");
    }
}

#[test]
fn the_variables_of_the_official_sdks_name_server_and_key() {
    let Some(stage) = Stage::new() else { return };
    stage.memory("/f", "old\n");
    let at = stage.folder().join("at");
    fs::create_dir(&at).unwrap();
    let mut mount = command(stage.folder(), &["mount", "--store", stage.id(), "--state-dir", "s"]);
    mount.env("ANTHROPIC_BASE_URL", stage.url()).env("ANTHROPIC_API_KEY", KEY).arg(&at);

    let mount = Mount::spawn(mount, vec![at], stage.folder().join("log")).unwrap();

    assert_eq!(mount.read("f"), "old\n");
}

#[test]
fn a_store_is_named_by_the_variable_of_the_other_verbs_too() {
    let Some(stage) = Stage::new() else { return };
    stage.memory("/f", "old\n");
    let at = stage.folder().join("at");
    fs::create_dir(&at).unwrap();
    let mount = |arguments: &[&str], store: &str| {
        let mut mount = stage.command(&[&["mount"], arguments].concat());
        mount.env("MEMSTORED_STORE", store);
        mount
    };
    let spawn = |arguments: &[&str], store: &str| {
        let mut mount = mount(arguments, store);
        mount.arg(&at);
        Mount::spawn(mount, vec![at.clone()], stage.folder().join("log"))
    };

    assert_eq!(spawn(&[], "notes").unwrap().read("f"), "old\n");
    assert_eq!(spawn(&["--store", "notes"], "other").unwrap().read("f"), "old\n");
    let refused = |arguments: &[&str], store: &str| {
        let output = mount(arguments, store).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, why) = refused(&[], "notes");
    assert!(code == Some(2) && why.contains("DIR"), "{why}");
    let (code, why) = refused(&["at"], "");
    assert!(code == Some(2) && why.contains("--store"), "set to nothing is not set: {why}");
    let (code, why) = refused(&["--session", "sesn_1"], "notes");
    assert!(code == Some(3) && why.contains("there is no session sesn_1"), "{why}");
}

#[rstest]
#[case::missing_folder(&["--store", "notes", "nowhere"], 1, "nowhere: there is no such folder")]
#[case::no_folder(&["--store", "notes", "file"], 1, "it is no folder")]
#[case::full_folder(&["--store", "notes", "full"], 1, "full: the folder is not empty")]
#[case::unknown_store(&["--store", "other", "empty"], 3, "there is no memory store \"other\"")]
#[case::unknown_id(&["--store", "memstore_00000000000000000000000000", "empty"], 3, "there is no memory store")]
#[case::unknown_session(&["--session", "sesn_1"], 3, "there is no session sesn_1")]
#[case::no_session(&["--session", "notes"], 3, "the ID of a session is sesn_")]
#[case::wrong_key(&["--store", "notes", "empty", "--api-key", "wrong"], 1, "HTTP 401")]
#[case::nowhere(&["--store", "notes", "empty", "--url", "http://127.0.0.1:1"], 1, "can't reach the server")]
#[case::no_url(&["--store", "notes", "empty", "--url", "nonsense"], 1, "--url")]
#[case::nothing(&[], 2, "--session")]
#[case::both(&["--store", "notes", "empty", "--session", "sesn_1"], 2, "cannot be used with")]
#[case::no_place(&["--store", "notes"], 2, "DIR")]
#[case::no_root(&["--session", "sesn_1", "empty"], 2, "cannot be used with")]
#[case::poll(&["--store", "notes", "empty", "--poll", "soon"], 2, "a number of seconds")]
fn a_mount_that_can_not_be_is_refused_with_its_reason(
    #[case] arguments: &[&str],
    #[case] exit: i32,
    #[case] reason: &str,
) {
    let Some(stage) = Stage::new() else { return };
    for folder in ["full/x", "empty"] {
        fs::create_dir_all(stage.folder().join(folder)).unwrap();
    }
    fs::write(stage.folder().join("file"), "").unwrap();
    let mut mount = command(stage.folder(), &[&["mount"], arguments].concat());
    mount.env("MEMSTORED_URL", stage.url()).env("MEMSTORED_API_KEY", KEY);

    let output = mount.args(["--state-dir", "state"]).output().unwrap();

    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(exit), "{errors}");
    assert!(errors.contains(reason), "{errors}");
    assert!(!errors.contains(KEY), "{errors}");
}
