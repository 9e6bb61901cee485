//! The connection is cut after each message of an operation: what is answered is what happened.

use std::collections::BTreeMap;

use rstest::rstest;
use serde_json::{Value, json};

use super::proxy::Proxy;
use super::{WAITING_FOR_ME, until};
use crate::support::server::{Answer, Setup};
use crate::support::{Database, Direct, Server};

/// More messages than any operation takes.
const MANY: i64 = 200;

/// How an operation whose connection was cut is answered, and what has become of it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Done,
    /// 503, and the same request may be sent again.
    Refused,
    /// 503, and nobody knows.
    Uncertain {
        done: bool,
    },
}

fn end(answer: Answer, done: i64) -> End {
    let retry = answer.header("x-should-retry").map(str::to_owned);
    match (answer.status.as_u16(), retry.as_deref(), done) {
        (200, None, 1) => End::Done,
        (503, Some("true"), 0) => End::Refused,
        (503, Some("false"), 0 | 1) => {
            assert_eq!(answer.refused(503)["type"], "api_error");
            End::Uncertain { done: done == 1 }
        }
        _ => panic!("it was done {done} times, and answered {}", answer.render()),
    }
}

/// An operation that can be told from all others like it, and how often it was done.
struct Operation {
    path: fn(&str) -> String,
    body: fn(i64) -> Value,
    done: fn(i64) -> String,
}

const CREATE_MEMORY: Operation = Operation {
    path: |store| format!("{store}/memories"),
    body: |number| json!({"path": format!("/{number}"), "content": "x"}),
    done: |number| format!("select count(*) from versions where path = '/{number}'"),
};
const CREATE_STORE: Operation = Operation {
    path: |_| "/v1/memory_stores".into(),
    body: |number| json!({"name": format!("n{number}")}),
    done: |number| format!("select count(*) from stores where name = 'n{number}'"),
};
const CREATE_KEY: Operation = Operation {
    path: |_| "/x/v1/api_keys".into(),
    body: |number| json!({"name": format!("n{number}")}),
    done: |number| format!("select count(*) from api_keys where name = 'n{number}'"),
};

impl Operation {
    async fn run(&self, server: &Server, store: &str, number: i64) -> Answer {
        server.post(&(self.path)(store), (self.body)(number)).await
    }

    async fn done(&self, direct: &mut Direct, number: i64) -> i64 {
        direct.count(&(self.done)(number)).await
    }
}

/// What became of an operation with the last so many messages that reached Postgres.
async fn ends(operation: &Operation, fresh: bool) -> BTreeMap<End, Vec<i64>> {
    let database = Database::postgres();
    let proxy = Proxy::before(&database).await;
    let location = Some(proxy.location(&database).with_connections(1));
    let server = Server::with(Setup { location, ..Setup::default() }).await;
    let store = server.store().await;
    let mut direct = database.direct().await;
    let mut ends = BTreeMap::<End, Vec<i64>>::new();
    for messages in 0..MANY {
        // So that all is prepared, and the messages are always the same.
        operation.run(&server, &store, MANY + messages).await.ok();
        if fresh {
            proxy.cut_all();
        }
        proxy.cut_after(messages);
        let answer = operation.run(&server, &store, messages).await;
        let done = operation.done(&mut direct, messages).await;
        let end = end(answer, done);
        if !proxy.has_cut() {
            assert_eq!(end, End::Done);
            assert!(messages > 10, "{ends:?}");
            return ends;
        }
        ends.entry(end).or_default().push(messages);

        operation.run(&server, &store, 2 * MANY + messages).await.ok();
        direct.check_history().await;
    }
    panic!("it is never over: {ends:?}")
}

#[rstest]
#[case::the_creation_of_a_memory(CREATE_MEMORY)]
#[case::the_creation_of_a_store(CREATE_STORE)]
#[case::the_creation_of_a_key(CREATE_KEY)]
#[tokio::test]
async fn what_is_cut_before_its_commit_is_tried_again_inside(#[case] operation: Operation) {
    let ends = ends(&operation, false).await;

    // The commit is bind, execute, close, sync; with the second Postgres commits. So the last is the
    // whole commit without its answer.
    assert_eq!(ends.get(&End::Refused), None, "{ends:?}");
    assert_eq!(ends[&End::Uncertain { done: false }].len(), 1, "{ends:?}");
    assert_eq!(ends[&End::Uncertain { done: true }].len(), 3, "{ends:?}");
    let last = ends.values().flatten().max();
    assert_eq!(ends[&End::Uncertain { done: true }].last(), last, "{ends:?}");
}

/// All connections are dead, and the one that is made instead is cut too.
#[rstest]
#[case::the_creation_of_a_memory(CREATE_MEMORY)]
#[case::the_creation_of_a_key(CREATE_KEY)]
#[tokio::test]
async fn what_is_cut_twice_is_refused_or_uncertain(#[case] operation: Operation) {
    let ends = ends(&operation, true).await;

    assert_eq!(ends.get(&End::Done), None, "{ends:?}");
    assert!(ends[&End::Refused].len() > 20, "{ends:?}");
    assert!(ends[&End::Uncertain { done: true }].len() >= 3, "{ends:?}");
}

/// Takes the 20 seconds within which a statement has to be answered, and 5 for a new connection.
#[tokio::test]
async fn a_postgres_that_answers_no_more_is_503_before_the_deadline_of_requests() {
    let database = Database::postgres();
    let proxy = Proxy::before(&database).await;
    let location = Some(proxy.location(&database));
    let server = Server::with(Setup { location, ..Setup::default() }).await;
    let store = server.store().await;
    let mut direct = database.direct().await;
    let write = |number: i64| {
        let (server, store) = (server.clone(), store.clone());
        tokio::spawn(async move { CREATE_MEMORY.run(&server, &store, number).await })
    };
    // Two connections, so that neither request has to make its own.
    direct.run("begin; select 1 from stores for no key update").await;
    let first = write(0);
    until(&mut direct, WAITING_FOR_ME, 1).await;
    server.get(&store).await.ok();
    direct.run("rollback").await;
    first.await.unwrap().ok();
    proxy.stall(true);

    let second = write(1);
    let (written, read) = tokio::join!(second, server.get(&store));

    for answer in [written.unwrap(), read] {
        assert_eq!(end(answer, 0), End::Refused);
    }
    proxy.stall(false);
    server.get(&store).await.ok();
    write(1).await.unwrap().ok();
    direct.check_history().await;
}
