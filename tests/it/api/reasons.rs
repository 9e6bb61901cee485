//! Why something was changed: from the header to the journal.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use axum::body::Body;
use memstored::domain::journal::Kind;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::server::{KEY, Setup, request, text};
use crate::support::{Answer, Server};

const HEADER: &str = "memstored-reason";
const STORES: &str = "/v1/memory_stores";
const ALL: [&str; 4] = ["read", "write", "redact", "admin"];

async fn because(
    server: &Server,
    key: &str,
    (method, path): (&str, &str),
    reasons: &[&[u8]],
    body: Option<Value>,
) -> Answer {
    let body = body.map_or(Body::empty(), |body| Body::from(body.to_string()));
    let request = reasons
        .iter()
        .fold(request(key, method, path), |request, reason| request.header(HEADER, *reason));
    server.send(request.body(body).unwrap()).await
}

/// All entries of a journal, as a query names it.
async fn journal(server: &Server, of: &str) -> Vec<Value> {
    let mut entries = Vec::new();
    let mut page = String::new();
    loop {
        let answer = server.get(&format!("/x/v1/journal?{of}&limit=2&page={page}")).await.ok();
        entries.extend(answer["data"].as_array().unwrap().iter().cloned());
        match answer["next_page"].as_str() {
            Some(next) => page = next.to_owned(),
            None => return entries,
        }
    }
}

/// Makes calls, each with a reason of its own, and keeps which had which.
struct Caller<'a> {
    server: &'a Server,
    key: String,
    said: Mutex<BTreeMap<String, String>>,
}

impl Caller<'_> {
    async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let reason = format!("warum: {method} {path} — {}", self.said.lock().unwrap().len());
        let call = (method, path);
        let answer =
            because(self.server, &self.key, call, &[reason.as_bytes()], body.clone()).await;
        let request = answer.header("request-id").unwrap().to_owned();
        self.said.lock().unwrap().insert(request, reason);
        answer.ok()
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        self.call("POST", path, Some(body)).await
    }

    async fn then(&self, path: &str, ending: &str) {
        self.call("POST", &format!("{path}/{ending}"), None).await;
    }

    async fn make(&self, path: &str, body: Value) -> String {
        let made = self.post(path, body).await;
        format!("{path}/{}", text(&made, "id"))
    }

    /// Writes every kind of entry of a store; answers the stores.
    async fn memory_side(&self) -> Vec<String> {
        let store = self.make(STORES, json!({"name": "n"})).await;
        self.post(&store, json!({"name": "m"})).await;
        let memories = format!("{store}/memories");
        let made = self.post(&memories, json!({"path": "/a", "content": "x"})).await;
        let memory = format!("{memories}/{}", text(&made, "id"));
        self.post(&memory, json!({"content": "y"})).await;
        self.call("DELETE", &memory, None).await;
        let version = text(&made, "memory_version_id");
        self.then(&format!("{store}/memory_versions/{version}"), "redact").await;
        self.then(&store, "archive").await;
        let deleted = self.make(STORES, json!({"name": "n"})).await;
        self.call("DELETE", &deleted, None).await;
        let id = |path: String| path.rsplit('/').next().unwrap().to_owned();
        vec![id(store), id(deleted)]
    }

    async fn session_side(&self) {
        let agent = self.make("/v1/agents", json!({"name": "a", "model": "m"})).await;
        self.post(&agent, json!({"name": "b", "version": 1})).await;
        let config = json!({"type": "self_hosted"});
        let environments = "/v1/environments";
        let environment =
            self.make(environments, json!({"name": "e", "config": config.clone()})).await;
        self.post(&environment, json!({"name": "f"})).await;
        let id = |path: &str| path.rsplit('/').next().unwrap().to_owned();
        let wanted = json!({"agent": id(&agent), "environment_id": id(&environment)});
        let session = self.make("/v1/sessions", wanted).await;
        self.post(&session, json!({"title": "t"})).await;
        self.then(&format!("/x{session}"), "tokens").await;
        self.then(&format!("/x{session}"), "tokens/revoke").await;
        self.then(&session, "archive").await;
        self.call("DELETE", &session, None).await;
        self.then(&agent, "archive").await;
        self.then(&environment, "archive").await;
        let other = self.make(environments, json!({"name": "e", "config": config})).await;
        self.call("DELETE", &other, None).await;
    }

    async fn keys(&self) {
        let key = self.post("/x/v1/api_keys", json!({"name": "k", "as_user": "ada"})).await;
        self.then(&format!("/x/v1/api_keys/{}", text(&key, "id")), "revoke").await;
    }
}

/// The work of a tenant, whose workspace is deleted at the end.
async fn tenant(first: &Caller<'_>) -> Vec<String> {
    let workspace = first.post("/x/v1/workspaces", json!({"name": "w"})).await;
    let workspace = text(&workspace, "id").to_owned();
    let body = json!({"name": "k", "workspace_id": workspace, "scopes": ALL});
    let key = first.post("/x/v1/api_keys", body).await;
    let key = text(&key, "key").to_owned();
    let theirs = Caller { server: first.server, key, said: Mutex::default() };
    let left = theirs.make(STORES, json!({"name": "left"})).await;
    first.said.lock().unwrap().append(&mut theirs.said.lock().unwrap());
    first.call("DELETE", &format!("/x/v1/workspaces/{workspace}"), None).await;
    let left = left.rsplit('/').next().unwrap();
    vec![format!("workspace_id={workspace}"), format!("store_id={left}")]
}

#[tokio::test]
async fn every_entry_that_a_call_makes_keeps_its_reason() {
    let server = Server::start().await;
    let caller = Caller { server: &server, key: KEY.into(), said: Mutex::default() };
    let mut journals = vec![String::new()];

    let stores = caller.memory_side().await;
    journals.extend(stores.iter().map(|id| format!("store_id={id}")));
    caller.session_side().await;
    caller.keys().await;
    journals.extend(tenant(&caller).await);

    let said = caller.said.lock().unwrap().clone();
    let mut unseen: BTreeSet<_> = said.keys().map(String::as_str).collect();
    let mut kinds = BTreeSet::new();
    let mut entries = Vec::new();
    for of in journals {
        entries.extend(journal(&server, &of).await);
    }
    for entry in &entries {
        let request = text(entry, "request_id");
        // The installation's founding, and the configured key's first start.
        if let Some(said) = said.get(request) {
            assert_eq!(entry["reason"], **said, "{entry:#}");
            kinds.insert(text(entry, "kind"));
            unseen.remove(request);
        } else {
            assert!(entry["reason"].is_null(), "{entry:#}");
        }
    }
    assert!(unseen.is_empty(), "calls without an entry: {unseen:?}");
    assert_eq!(kinds, Kind::ALL.map(Kind::as_str).into_iter().collect());
}

#[tokio::test]
async fn a_change_without_a_reason_keeps_none_and_one_that_changes_nothing_no_entry() {
    let server = Server::start().await;
    let store = server.store().await;
    let of = format!("store_id={}", store.rsplit('/').next().unwrap());

    let same = Some(json!({"name": "notes"}));
    because(&server, KEY, ("POST", &store), &[b"no need"], same).await.ok();

    let entries = journal(&server, &of).await;
    assert_eq!(entries.len(), 1);
    assert!(entries[0]["reason"].is_null());
}

#[tokio::test]
async fn a_repeated_revocation_keeps_the_reason_of_the_first() {
    let server = Server::start().await;
    let key = server.post("/x/v1/api_keys", json!({"name": "k"})).await.ok();
    let revoke = format!("/x/v1/api_keys/{}/revoke", text(&key, "id"));

    for reason in ["leaked", "leaked again"] {
        because(&server, KEY, ("POST", &revoke), &[reason.as_bytes()], None).await.ok();
    }

    let entries = journal(&server, "kind=key_revoked").await;
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0]["reason"], "leaked");
}

/// With its first change a key of `--dev` is kept, too: that is the same call's doing.
#[tokio::test]
async fn under_dev_the_first_change_keeps_its_reason_in_the_entries_of_the_key_too() {
    let server = Server::with(Setup { dev: true, ..Setup::default() }).await;

    let made = Some(json!({"name": "n"}));
    because(&server, "one", ("POST", STORES), &[b"a try"], made).await.ok();

    let page = server.call_as("one", "GET", "/x/v1/journal", None).await.ok();
    let entries = page["data"].as_array().unwrap();
    let kept: Vec<_> = entries.iter().map(|entry| (&entry["kind"], &entry["reason"])).collect();
    let why = json!("a try");
    assert_eq!(kept, [(&json!("key_created"), &why), (&json!("workspace_created"), &why)]);
}

#[rstest]
#[case::twice(vec!["one".into(), "two".into()], "at most once")]
#[case::twice_the_same(vec!["one".into(), "one".into()], "at most once")]
#[case::empty(vec!["".into()], "says nothing")]
#[case::white(vec![" \u{2003} ".into()], "says nothing")]
#[case::not_utf8(vec![b"caf\xe9".into()], "is not UTF-8")]
#[case::tab(vec!["a\tb".into()], "has a control character")]
#[case::next_line(vec!["a\u{85}b".into()], "has a control character")]
#[case::long(vec!["ü".repeat(1025).into()], "has 1025 characters")]
#[tokio::test]
async fn a_reason_that_breaks_a_rule_is_refused(#[case] reasons: Vec<Vec<u8>>, #[case] why: &str) {
    let server = Server::start().await;
    let reasons: Vec<_> = reasons.iter().map(Vec::as_slice).collect();
    let store = server.store().await;

    let body = || Some(json!({"name": "other"}));
    let answer = because(&server, KEY, ("POST", &store), &reasons, body()).await;
    let error = answer.refused(400);
    assert_eq!(error["type"], "invalid_request_error");
    let message = text(&error, "message");
    assert!(message.starts_with(HEADER) && message.contains(why), "{message}");
    assert!(message.contains("1 to 1024 characters"), "{message}");
    because(&server, KEY, ("DELETE", &store), &reasons, None).await.refused(400);

    let kept = because(&server, KEY, ("GET", &store), &reasons, None).await.ok();
    assert_eq!(kept["name"], "notes");
}

#[tokio::test]
async fn the_longest_reason_is_kept_as_it_is() {
    let server = Server::start().await;
    let reason = format!("\u{a0}{}", "ü".repeat(1023));

    let made = Some(json!({"name": "n"}));
    let made = because(&server, KEY, ("POST", STORES), &[reason.as_bytes()], made).await.ok();

    let entries = journal(&server, &format!("store_id={}", text(&made, "id"))).await;
    assert_eq!(entries[0]["reason"], reason);
}

#[tokio::test]
async fn a_reason_is_checked_behind_the_credential_and_before_scope_and_body() {
    let server = Server::start().await;
    let reads = server.key(&["read"]).await;
    let call = async |key: &str, body| {
        because(&server, key, ("POST", STORES), &[b""], body).await.status.as_u16()
    };

    assert_eq!(call("stranger", None).await, 401);
    assert_eq!(call(&reads, None).await, 400);
    let answer = because(&server, KEY, ("POST", STORES), &[b""], Some(json!([]))).await;
    assert!(answer.message(400).starts_with(HEADER));
}
