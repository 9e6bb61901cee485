//! A list that takes long holds nobody up.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

use crate::support::program::command;
use crate::support::server::text;
use crate::support::{Direct, Program};

/// Half of them are of one memory, the other half was created: none is both.
const VERSIONS: &str = "with recursive n (i) as (select 1 union all select i + 1 from n where \
    i < 600000) insert into versions select 'memver_' || i, STORE, 'mem_' || (i % 2), \
    iif(i % 2 = 1, 'modified', 'created'), '/a', x'78', 1, x'00', i, 'apikey_1', null, null from n";

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_takes_long_holds_nobody_up() {
    let folder = TempDir::new().unwrap();
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--api-key", "k"];
    // With one thread that answers it shows at once.
    let mut serve = command(folder.path(), &arguments);
    let server = Program::spawn(serve.env("TOKIO_WORKER_THREADS", "1"));
    let (_, store) = server.call("k", "POST", "/v1/memory_stores", Some(&json!({"name": "n"})));
    let store = text(&store, "id");
    let mut direct = Direct::file(&folder.path().join("memstored.db"));
    direct.run(&VERSIONS.replace("STORE", &format!("'{store}'"))).await;
    let list =
        format!("/v1/memory_stores/{store}/memory_versions?memory_id=mem_1&operation=created");

    let (took, others) = thread::scope(|scope| {
        let list = scope.spawn(|| {
            let begun = Instant::now();
            let (status, page) = server.call("k", "GET", &list, None);
            assert_eq!((status, &page["data"]), (200, &json!([])));
            begun.elapsed()
        });
        // By then a list of less would have been answered.
        thread::sleep(Duration::from_millis(30));
        let mut others = 0;
        while !list.is_finished() {
            let (status, _) = server.call("k", "GET", "/health", None);
            assert_eq!(status, 200);
            others += 1;
        }
        (list.join().unwrap(), others)
    });

    assert!(took > Duration::from_millis(60), "{took:?} is too short to tell");
    assert!(others > 2, "{others} answers within {took:?}");
}
