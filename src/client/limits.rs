//! What a server takes, and from whom. A memstored says it where it tells a credential what it is; any other
//! server is held to the contract (3.2).

use std::error::Error as _;

use reqwest::{Method, StatusCode};
use serde::Deserialize;

use super::{Client, ClientError};
use crate::domain::limits::Limits;
use crate::wire::actor::Actor;
use crate::wire::whoami;

/// As much of the answer as matters here.
#[derive(Default, Deserialize)]
struct Told {
    limits: Option<whoami::Limits>,
    created_by: Option<Actor>,
    scopes: Option<Vec<String>>,
    session_id: Option<String>,
}

/// How a credential stands with a server.
pub struct Standing {
    pub limits: Limits,
    /// The ID of the actor whose changes are made with it, where the server says so.
    pub writer: Option<String>,
    /// A key without the scope to write.
    pub only_reads: bool,
}

impl From<Told> for Standing {
    fn from(told: Told) -> Self {
        let cant_write = |scopes: Vec<String>| !scopes.iter().any(|scope| scope == "write");
        Self {
            limits: told.limits.map_or_else(Limits::default, Limits::from),
            writer: told.created_by.map(|actor| actor.id().to_owned()),
            only_reads: told.session_id.is_none() && told.scopes.is_some_and(cant_write),
        }
    }
}

/// How the client's credential stands.
pub async fn standing(client: &Client) -> Result<Standing, ClientError> {
    let told = client.call(Method::GET, "/x/v1/whoami", &[], None::<&()>).await;
    let told: Told = match told {
        Ok(told) => told,
        // No memstored: it has no such route, or answers anything to anybody.
        Err(ClientError::Refused { status, .. }) if is_no_route(status) => Told::default(),
        Err(ClientError::Unreadable(error)) if is_other(&error) => Told::default(),
        Err(error) => return Err(error),
    };
    Ok(told.into())
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
