//! What a server takes. A memstored says it where it tells a credential what it is; any other server
//! is held to the contract (3.2).

use reqwest::Method;
use serde::Deserialize;

use super::{Client, ClientError};
use crate::domain::limits::Limits;
use crate::wire::whoami;

/// As much of the answer as matters here.
#[derive(Deserialize)]
struct Told {
    limits: Option<whoami::Limits>,
}

/// The limits of a server. One that refuses to say them may refuse what comes next with its reason.
pub async fn limits(client: &Client) -> Result<Limits, ClientError> {
    let told = client.call(Method::GET, "/x/v1/whoami", &[], None::<&()>).await;
    match told {
        Ok(Told { limits: Some(limits) }) => Ok(limits.into()),
        Ok(Told { limits: None }) | Err(ClientError::Refused { .. }) => Ok(Limits::default()),
        // No memstored: it answers anything to anybody.
        Err(ClientError::Unreadable(error)) if error.is_decode() => Ok(Limits::default()),
        Err(error) => Err(error),
    }
}
