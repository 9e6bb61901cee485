//! `/x/v1/whoami`

use std::sync::Arc;

use axum::extract::State;

use super::auth::Granted;
use super::{Answer, Http, ok};
use crate::domain::access::ToSeeItself;
use crate::wire::whoami::Whoami;

pub async fn whoami(State(http): State<Arc<Http>>, Granted(grant): Granted<ToSeeItself>) -> Answer {
    let identity = http.app.whoami(&grant).await?;
    ok(&Whoami::new(identity, http.app.organization(), http.app.limits()))
}
