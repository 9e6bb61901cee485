//! What is mounted where: a session's stores, a store by its name, and inputs that are wrong.

use std::fs;
use std::path::Path;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use rstest::rstest;
use rustix::io::Errno;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::decisions::Socket;
use super::stage::{KEY, Mount, Stage, errno};
use crate::support::program::command;
use crate::support::server::{self, text};

const SESSION: &str = "sesn_00000000000000000000000001";

/// A server that has a session with these stores, whose token is the key of everything else.
async fn with_session(resources: Value) -> Socket {
    let answer = move |request: Request| async move {
        let headers = request.headers();
        assert_eq!(headers["authorization"], format!("Bearer {}", server::KEY));
        assert_eq!(headers["anthropic-beta"], "managed-agents-2026-04-01");
        answer_of(&json!({"type": "session", "id": SESSION, "resources": resources}))
    };
    let token = |request: Request| async move {
        match request.headers()["authorization"].to_str() {
            Ok("Bearer admin") => Ok(answer_of(&json!({"token": server::KEY}))),
            _ => Err(StatusCode::FORBIDDEN),
        }
    };
    let routes = Router::new()
        .route(&format!("/v1/sessions/{SESSION}"), get(answer))
        .route(&format!("/x/v1/sessions/{SESSION}/tokens"), post(token));
    Socket::with(|router| routes.fallback_service(router)).await
}

fn answer_of(body: &Value) -> impl IntoResponse + use<> {
    ([(CONTENT_TYPE, "application/json")], body.to_string())
}

fn resource(store: &str, path: &str, access: &str) -> Value {
    json!({
        "type": "memory_store", "memory_store_id": store.rsplit('/').next().unwrap(),
        "name": path, "access": access, "mount_path": path, "instructions": null, "description": ""
    })
}

fn mount_session(folder: &Path, url: &str, variables: [(&str, &str); 1]) -> Result<Mount, String> {
    let root = folder.join("memory");
    let mut mount = command(folder, &["mount", "--session", SESSION, "--url", url]);
    mount.env_remove("ANTHROPIC_API_KEY").envs(variables);
    mount.args(["--state-dir", "state", "--log-file", "log", "--root"]).arg(&root);
    Mount::spawn(mount, vec![root.join("house"), root.join("user")], folder.join("log"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_has_each_store_at_its_mount_path() {
    if Stage::new().is_none() {
        return;
    }
    let socket = with_session(json!([])).await;
    let (house, user) = (socket.server.store().await, socket.server.store().await);
    socket.server.memory(&house, "/f", "house\n").await;
    let resources = json!([
        {"type": "file", "id": "file_1", "mount_path": "/mnt/file"},
        resource(&house, "/mnt/memory/house", "read_only"),
        resource(&user, "/mnt/memory/user", "read_write"),
    ]);
    let session = with_session_of(&socket, resources).await;
    let folder = TempDir::new().unwrap();

    for variable in [("MEMSTORED_SESSION_TOKEN", server::KEY), ("MEMSTORED_API_KEY", "admin")] {
        let mount = mount_session(folder.path(), &session, [variable]).unwrap();
        let user = folder.path().join("memory/user");
        assert_eq!(mount.read("f"), "house\n");
        assert_eq!(errno(fs::write(mount.path("f"), "x")), Errno::ROFS);
        fs::write(user.join("g"), "user\n").unwrap();
        assert_eq!(mount.greeting.lines().count(), 2);
        assert!(mount.greeting.lines().next().unwrap().ends_with("house, read-only"));
        assert!(mount.stop().success());
        assert!(!user.exists(), "a folder that was made is removed");
    }

    assert_eq!(socket.server.versions(&user).await.len(), 1);
    assert_eq!(text(&socket.server.versions(&user).await[0], "content"), "user\n");
}

/// A second door to the same stores, which knows the session.
async fn with_session_of(socket: &Socket, resources: Value) -> String {
    let door = with_session(resources).await;
    let url = door.url.clone();
    door.forward_to(socket);
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn all_stores_of_a_session_are_mounted_or_none() {
    if Stage::new().is_none() {
        return;
    }
    let socket = with_session(json!([])).await;
    let house = socket.server.store().await;
    let missing = format!("memstore_{}", "0".repeat(26));
    let resources = json!([
        resource(&house, "/mnt/memory/house", "read_write"),
        resource(&missing, "/mnt/memory/user", "read_write"),
    ]);
    let session = with_session_of(&socket, resources).await;
    let folder = TempDir::new().unwrap();

    let token = [("MEMSTORED_SESSION_TOKEN", server::KEY)];
    let why = mount_session(folder.path(), &session, token).err().unwrap();

    assert!(why.contains("there is no such file") || why.contains("not found"), "{why}");
    assert!(!folder.path().join("memory/house").exists());
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
