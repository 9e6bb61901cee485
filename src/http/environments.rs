//! `/v1/environments`

use std::sync::Arc;

use axum::extract::State;

use super::auth::Granted;
use super::body::FreeJson;
use super::params::Params;
use super::path::Ids;
use super::{Answer, Http, ok};
use crate::domain::access::{ToRead, ToWrite};
use crate::wire::Deleted;
use crate::wire::environment::{CreateEnvironment, Environment, UpdateEnvironment};
use crate::wire::page::Page;

pub async fn create(
    State(http): State<Arc<Http>>,
    Granted(grant): Granted<ToWrite>,
    FreeJson(body): FreeJson<CreateEnvironment>,
) -> Answer {
    let environment = http.app.create_environment(&grant, body.checked()?).await?;
    ok(&Environment::from(environment))
}

pub async fn list(
    State(http): State<Arc<Http>>,
    Granted(grant): Granted<ToRead>,
    params: Params,
) -> Answer {
    let include_archived = params.flag("include_archived")?;
    let paging = params.paging()?;
    let page = http.app.environments(&grant, include_archived, &paging).await?;
    ok(&Page::new(page, Environment::from))
}

pub async fn retrieve(
    State(http): State<Arc<Http>>,
    Granted(grant): Granted<ToRead>,
    ids: Ids,
) -> Answer {
    let environment = http.app.environment(&grant, &ids.environment()?).await?;
    ok(&Environment::from(environment))
}

pub async fn update(
    State(http): State<Arc<Http>>,
    Granted(grant): Granted<ToWrite>,
    ids: Ids,
    FreeJson(body): FreeJson<UpdateEnvironment>,
) -> Answer {
    let patch = body.checked()?;
    let environment = http.app.update_environment(&grant, ids.environment()?, patch).await?;
    ok(&Environment::from(environment))
}

pub async fn archive(
    State(http): State<Arc<Http>>,
    Granted(grant): Granted<ToWrite>,
    ids: Ids,
) -> Answer {
    let environment = http.app.archive_environment(&grant, ids.environment()?).await?;
    ok(&Environment::from(environment))
}

pub async fn delete(
    State(http): State<Arc<Http>>,
    Granted(grant): Granted<ToWrite>,
    ids: Ids,
) -> Answer {
    let id = ids.environment()?;
    http.app.delete_environment(&grant, id.clone()).await?;
    ok(&Deleted::new(&id, "environment"))
}
