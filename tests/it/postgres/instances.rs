//! Several servers on one database: what one has acknowledged holds for all.

use memstored::domain::limits::Limits;
use rstest::rstest;
use serde_json::{Value, json};

use super::{one_of_many, two_on};
use crate::support::server::{Answer, NOW, Setup, column, text};
use crate::support::{Database, Server};

const HOUR: u64 = 3_600_000_000;
const CLIENTS: usize = 16;

/// Sends many requests at once, to each instance in turn.
async fn at_once(
    instances: &[Server; 2],
    requests: impl IntoIterator<Item = (&'static str, String, Option<Value>)>,
) -> Vec<Answer> {
    let calls: Vec<_> = requests
        .into_iter()
        .enumerate()
        .map(|(number, (method, path, body))| {
            let server = instances[number % 2].clone();
            tokio::spawn(async move { server.call(method, &path, body).await })
        })
        .collect();
    let mut answers = Vec::new();
    for call in calls {
        answers.push(call.await.unwrap());
    }
    answers
}

/// The one that succeeded, and those that did not.
fn winner(answers: Vec<Answer>) -> (Value, Vec<Answer>) {
    let (mut won, lost): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|answer| answer.status == 200);
    assert_eq!(won.len(), 1, "exactly one succeeds");
    (won.remove(0).ok(), lost)
}

#[tokio::test]
async fn a_path_is_taken_whichever_instance_took_it() {
    let database = Database::postgres();
    let [one, two] = two_on(&database).await;
    let store = one.store().await;
    let memories = format!("{store}/memories");

    one.memory(&store, "/a", "x").await;
    two.memory(&store, "/b/c", "x").await;

    let below = two.post(&memories, json!({"path": "/a/b", "content": ""})).await.refused(409);
    assert_eq!(below["type"], "memory_path_conflict_error");
    assert_eq!(below["conflicting_path"], "/a");
    let above = one.post(&memories, json!({"path": "/b", "content": ""})).await.refused(409);
    assert_eq!(above["conflicting_path"], "/b/c");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_creates_of_one_path_over_both_instances_one_succeeds() {
    let database = Database::postgres();
    let instances = two_on(&database).await;
    let store = instances[0].store().await;

    for round in 0..10 {
        // Half of them want the path itself, half one below it.
        let creates = (0..CLIENTS).map(|client| {
            let below = if client % 4 < 2 { "" } else { "/below" };
            let body = json!({"path": format!("/{round}{below}"), "content": client.to_string()});
            ("POST", format!("{store}/memories"), Some(body))
        });
        let (made, others) = winner(at_once(&instances, creates).await);

        for other in others {
            let refused = other.refused(409);
            assert_eq!(refused["type"], "memory_path_conflict_error");
            assert_eq!(refused["conflicting_path"], made["path"]);
            assert_eq!(refused["conflicting_memory_id"], made["id"]);
        }
    }

    database.direct().await.check_history().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_updates_with_one_precondition_over_both_instances_one_succeeds() {
    let database = Database::postgres();
    let instances = two_on(&database).await;
    let store = instances[0].store().await;
    let mut memory = instances[0].memory(&store, "/contended", "first").await;
    let path = format!("{store}/memories/{}", text(&memory, "id"));

    for round in 0..10 {
        let precondition =
            json!({"type": "content_sha256", "content_sha256": memory["content_sha256"]});
        let updates = (0..CLIENTS).map(|client| {
            let content = format!("{round} by {client}");
            ("POST", path.clone(), Some(json!({"content": content, "precondition": precondition})))
        });
        let (updated, others) = winner(at_once(&instances, updates).await);

        for other in others {
            assert_eq!(other.refused(409)["type"], "memory_precondition_failed_error");
        }
        memory = updated;
    }

    assert_eq!(instances[1].get(&path).await.ok()["content_sha256"], memory["content_sha256"]);
    assert_eq!(instances[1].versions(&store).await.len(), 11);
}

/// One change after another, of every kind, on both instances in turn.
async fn churn(instances: [Server; 2], store: String, client: usize) {
    for round in 0..6 {
        let server = &instances[(client + round) % 2];
        let other = &instances[(client + round + 1) % 2];
        let made = server.memory(&store, &format!("/{client}/{round}"), "one").await;
        let memory = format!("{store}/memories/{}", text(&made, "id"));
        other.post(&memory, json!({"content": "two"})).await.ok();
        server.post(&store, json!({"description": format!("{client} {round}")})).await.ok();
        let version = text(&made, "memory_version_id");
        other.call("POST", &format!("{store}/memory_versions/{version}/redact"), None).await.ok();
        if round % 2 == 0 {
            other.delete(&memory).await.ok();
        }
    }
}

#[rstest]
#[case::frozen(NOW)]
#[case::an_hour_apart(NOW + HOUR)]
#[tokio::test(flavor = "multi_thread")]
async fn sequence_and_time_of_a_store_grow_together_whatever_the_clocks_say(#[case] now: u64) {
    let database = Database::postgres();
    let one = one_of_many(&database, Setup::default()).await;
    let two = one_of_many(&database, Setup { now, ..Setup::default() }).await;
    let instances = [one, two];
    let store = instances[0].store().await;

    let clients: Vec<_> = (0..8)
        .map(|client| tokio::spawn(churn(instances.clone(), store.clone(), client)))
        .collect();
    for client in clients {
        client.await.unwrap();
    }

    let mut direct = database.direct().await;
    direct.check_history().await;
    let entries = "select count(*) from journal where ledger like 'memstore%'";
    assert_eq!(direct.count(entries).await, 1 + 8 * (6 * 4 + 3));
    let times = column(&json!({"data": instances[1].versions(&store).await}), "created_at");
    assert!(times.is_sorted_by(|newer, older| newer > older), "{times:?}");
}

#[tokio::test]
async fn what_one_instance_has_acknowledged_the_other_lists() {
    let database = Database::postgres();
    let instances = two_on(&database).await;
    let store = instances[0].store().await;

    for round in 0..20 {
        let [one, two] = [&instances[round % 2], &instances[(round + 1) % 2]];
        let path = format!("/{round}");
        let made = one.memory(&store, &path, "x").await;
        let page = two.get(&format!("{store}/memories")).await.ok();
        assert!(column(&page, "path").contains(&path), "{page:#}");

        if round % 2 == 0 {
            two.delete(&format!("{store}/memories/{}", text(&made, "id"))).await.ok();
            let page = one.get(&format!("{store}/memories")).await.ok();
            assert!(!column(&page, "path").contains(&path), "{page:#}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_takes_no_more_stores_than_it_may_from_all_instances_together() {
    let database = Database::postgres();
    let limits = Limits { stores_per_workspace: Some(5), ..Limits::default() };
    let setup = || Setup { limits, ..Setup::default() };
    let instances = [one_of_many(&database, setup()).await, one_of_many(&database, setup()).await];
    let create = || ("POST", "/v1/memory_stores".to_owned(), Some(json!({"name": "n"})));

    for round in 0..10 {
        let answers = at_once(&instances, (0..CLIENTS).map(|_| create())).await;

        let made = answers.iter().filter(|answer| answer.status == 200).count();
        assert_eq!(made, 5, "in round {round}");
        for refused in answers.into_iter().filter(|answer| answer.status != 200) {
            assert!(refused.message(400).contains("limit of 5"));
        }
        let page = instances[0].get("/v1/memory_stores").await.ok();
        for store in column(&page, "id") {
            instances[1].delete(&format!("/v1/memory_stores/{store}")).await.ok();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_made_while_its_workspace_is_deleted_does_not_live() {
    let database = Database::postgres();
    let instances = two_on(&database).await;
    let mut direct = database.direct().await;

    for _ in 0..15 {
        let workspace = instances[0].post("/x/v1/workspaces", json!({"name": "w"})).await.ok();
        let body = json!({"name": "k", "scopes": ["write"], "workspace_id": workspace["id"]});
        let made = instances[0].post("/x/v1/api_keys", body).await.ok();
        let creates: Vec<_> = (0..8)
            .map(|number| {
                let (server, key) = (instances[number % 2].clone(), text(&made, "key").to_owned());
                let body = Some(json!({"name": "n"}));
                tokio::spawn(async move {
                    server.call_as(&key, "POST", "/v1/memory_stores", body).await
                })
            })
            .collect();
        instances[1].delete(&format!("/x/v1/workspaces/{}", text(&workspace, "id"))).await.ok();

        for create in creates {
            let status = create.await.unwrap().status.as_u16();
            assert!([200, 401, 404].contains(&status), "{status}");
        }
        let live = "select count(*) from stores s join workspaces w on w.id = s.workspace_id \
                    where w.deleted_at is not null and s.deleted_at is null";
        assert_eq!(direct.count(live).await, 0);
    }
    direct.check_history().await;
}
