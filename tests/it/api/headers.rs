use axum::body::Body;
use axum::http::Request;
use rstest::rstest;

use crate::support::Server;
use crate::support::server::{BETA, KEY, Setup};

const STORES: &str = "/v1/memory_stores";

async fn get(server: &Server, headers: &[(&str, &str)]) -> crate::support::Answer {
    let mut request = Request::builder().uri(STORES);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    server.send(request.body(Body::empty()).unwrap()).await
}

#[rstest]
#[case::bearer(&[("authorization", "Bearer test-key")], 200)]
#[case::lower_case_scheme(&[("authorization", "bearer test-key")], 200)]
#[case::api_key(&[("x-api-key", KEY)], 200)]
#[case::both_alike(&[("x-api-key", KEY), ("authorization", "Bearer test-key")], 200)]
#[case::both_different(&[("x-api-key", "other"), ("authorization", "Bearer test-key")], 401)]
#[case::none(&[], 401)]
#[case::empty(&[("x-api-key", "")], 401)]
#[case::unknown(&[("x-api-key", "other")], 401)]
#[case::cut(&[("x-api-key", "mstd_abc")], 401)]
#[case::basic(&[("authorization", "Basic dGVzdA==")], 401)]
#[case::bare(&[("authorization", KEY)], 401)]
#[tokio::test]
async fn a_credential_comes_in_either_header(
    #[case] headers: &[(&str, &str)],
    #[case] status: u16,
) {
    let server = Server::start().await;

    let answer = get(&server, &[headers, &[("anthropic-beta", BETA)]].concat()).await;

    assert_eq!(answer.status.as_u16(), status, "{}", answer.render());
    assert!(answer.header("request-id").unwrap().starts_with("req_"));
}

#[rstest]
#[case::memory(&[("anthropic-beta", BETA)], 200)]
#[case::agents(&[("anthropic-beta", "managed-agents-2026-04-01")], 200)]
#[case::both(&[("anthropic-beta", "managed-agents-2026-04-01,agent-memory-2026-07-22")], 200)]
#[case::spaced(&[("anthropic-beta", "unknown-2030-01-01 , agent-memory-2026-07-22")], 200)]
#[case::repeated(&[("anthropic-beta", "other"), ("anthropic-beta", BETA)], 200)]
#[case::missing(&[], 400)]
#[case::only_unknown(&[("anthropic-beta", "unknown-2030-01-01")], 400)]
#[case::old_version(&[("anthropic-beta", BETA), ("anthropic-version", "2023-06-01")], 200)]
#[case::new_version(&[("anthropic-beta", BETA), ("anthropic-version", "2026-10-21")], 200)]
#[case::bad_version(&[("anthropic-beta", BETA), ("anthropic-version", "2020-01-01")], 400)]
#[case::malformed_workspace(&[("anthropic-beta", BETA), ("anthropic-workspace-id", "mine")], 400)]
#[case::foreign_workspace(&[("anthropic-beta", BETA), ("anthropic-workspace-id", "wrkspc_1")], 404)]
#[tokio::test]
async fn headers_are_checked_after_the_credential(
    #[case] headers: &[(&str, &str)],
    #[case] status: u16,
) {
    let server = Server::start().await;

    let answer = get(&server, &[headers, &[("x-api-key", KEY)]].concat()).await;
    let stranger = get(&server, &[headers, &[("x-api-key", "stranger")]].concat()).await;

    assert_eq!(answer.status.as_u16(), status, "{}", answer.render());
    assert_eq!(stranger.status.as_u16(), 401);
}

#[tokio::test]
async fn lenient_headers_accept_what_is_missing_or_unknown() {
    let server = Server::with(Setup { lenient_headers: true, ..Setup::default() }).await;

    get(&server, &[("x-api-key", KEY)]).await.ok();
    get(&server, &[("x-api-key", KEY), ("anthropic-version", "2030-01-01")]).await.ok();
}

#[tokio::test]
async fn the_own_workspace_may_be_named() {
    let server = Server::start().await;
    let first = get(&server, &[("x-api-key", KEY), ("anthropic-beta", BETA)]).await;
    let workspace = first.header("anthropic-workspace-id").unwrap();

    let headers =
        [("x-api-key", KEY), ("anthropic-beta", BETA), ("anthropic-workspace-id", workspace)];

    get(&server, &headers).await.ok();
}
