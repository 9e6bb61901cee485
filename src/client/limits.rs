//! What a server takes. A memstored says it where it tells a credential what it is; any other server
//! is held to the contract (3.2).

use std::error::Error as _;

use reqwest::{Method, StatusCode};
use serde::Deserialize;

use super::{Client, ClientError};
use crate::domain::limits::Limits;
use crate::wire::whoami;

/// As much of the answer as matters here.
#[derive(Deserialize)]
struct Told {
    limits: Option<whoami::Limits>,
}

/// The limits of a server.
pub async fn limits(client: &Client) -> Result<Limits, ClientError> {
    let told = client.call(Method::GET, "/x/v1/whoami", &[], None::<&()>).await;
    match told {
        Ok(Told { limits: Some(limits) }) => Ok(limits.into()),
        Ok(Told { limits: None }) => Ok(Limits::default()),
        // No memstored: it has no such route, or answers anything to anybody.
        Err(ClientError::Refused { status, .. }) if is_no_route(status) => Ok(Limits::default()),
        Err(ClientError::Unreadable(error)) if is_other(&error) => Ok(Limits::default()),
        Err(error) => Err(error),
    }
}

fn is_no_route(status: StatusCode) -> bool {
    let busy =
        [StatusCode::UNAUTHORIZED, StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
    status.is_client_error() && !busy.contains(&status)
}

/// Whether an answer came whole and is another one.
fn is_other(error: &reqwest::Error) -> bool {
    error.source().is_some_and(<dyn std::error::Error>::is::<serde_json::Error>)
}
