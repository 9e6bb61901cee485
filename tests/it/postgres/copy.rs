//! A copy whose connection to the target is lost.

use memstored::app::upkeep;
use memstored::db::Progress;

use super::proxy::Proxy;
use crate::support::{Database, Server};

/// More messages than come after the last row was compared.
const MANY: i64 = 120;

#[tokio::test]
async fn a_copy_that_is_cut_while_it_commits_is_said_to_be_there_or_not() {
    let (from, to) = (Database::file(), Database::postgres());
    Server::on(&from).await.app.close().await;
    let proxy = Proxy::before(&to).await;
    let mut direct = to.direct().await;
    let mut uncertain = Vec::new();

    for messages in 1..MANY {
        let location = proxy.location(&to).with_connections(1);
        let mut report = |progress: Progress| {
            if progress.done == progress.of {
                proxy.cut_after(messages);
            }
        };
        let copied = upkeep::copy(&from.location(), &location, &mut report).await;
        let done = direct.count("select count(*) from installation").await == 1;
        match copied {
            Ok(_) => panic!("it was never cut while it committed"),
            Err(error) if error.to_string().contains("while the copy was committed") => {
                assert!(error.to_string().contains("look with `memstored doctor`"), "{error}");
                uncertain.push(done);
            }
            Err(error) => {
                assert!(!done, "{error}");
                assert!(uncertain.is_empty(), "{error}");
            }
        }
        if done {
            break;
        }
    }

    let [before @ .., last] = &*uncertain else { panic!("it was never uncertain") };
    assert!(*last && !before.is_empty(), "{uncertain:?}");
}
