//! What only SQLite has: `insert or replace`, and its own query plans.

use crate::schema::filled;
use crate::support::Direct;

#[tokio::test]
async fn history_is_not_replaced_either() {
    let (_folder, _server, mut direct, _) = filled().await;

    for (sql, refused) in [
        (
            "insert or replace into versions select id, store_id, memory_id, operation, '/forged', \
             content, size, sha256, created_at, created_by, null, null from versions limit 1",
            "a version is immutable: it can only be redacted, once",
        ),
        (
            "insert or replace into journal select ledger, seq, at, kind, 'forged', actor, \
             credential, request, reason from journal limit 1",
            "the journal is append-only",
        ),
        ("insert or replace into stores select * from stores limit 1", "a store is not replaced"),
    ] {
        assert_eq!(direct.refusal(sql).await, refused);
    }
}

#[tokio::test]
async fn listings_use_their_indexes() {
    let (_folder, _server, mut direct, _) = filled().await;
    let plans = [
        "select id from memories where store_id = 's' and path >= '/' and path < '0' order by path",
        "select id from versions where store_id = 's' and (created_at, id) < (5, 'x') \
         order by created_at desc, id desc",
        "select id from versions where store_id = 's' and memory_id = 'm' \
         order by created_at desc, id desc",
        "select id from versions where store_id = 's' and created_by = 'a' \
         order by created_at desc, id desc",
        "select id from versions where store_id = 's' and operation = 'deleted' \
         order by created_at desc, id desc",
        "select id from stores where workspace_id = 'w' order by created_at desc, id desc",
    ];

    for sql in plans {
        let Direct::Sqlite(direct) = &mut direct else { unreachable!() };
        let mut explained = direct.prepare(&format!("explain query plan {sql}")).unwrap();
        let steps = explained.query_map([], |row| row.get::<_, String>(3)).unwrap();
        let plan: Vec<_> = steps.map(Result::unwrap).collect();
        assert!(plan.iter().all(|step| step.starts_with("SEARCH")), "{sql}: {plan:?}");
    }
}
