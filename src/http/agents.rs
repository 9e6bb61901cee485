//! `/v1/agents`

use std::sync::Arc;

use axum::extract::State;

use super::auth::Granted;
use super::body::FreeJson;
use super::params::Params;
use super::path::Ids;
use super::{Answer, Http, ok};
use crate::domain::access::{ToRead, ToWrite};
use crate::wire::agent::{Agent, CreateAgent, UpdateAgent};
use crate::wire::page::Page;

pub async fn create(
    State(http): State<Arc<Http>>,
    Granted(grant): Granted<ToWrite>,
    FreeJson(body): FreeJson<CreateAgent>,
) -> Answer {
    let agent = http.app.create_agent(&grant, body.checked()?).await?;
    ok(&Agent::from(agent))
}

pub async fn list(
    State(http): State<Arc<Http>>,
    Granted(grant): Granted<ToRead>,
    params: Params,
) -> Answer {
    let created = params.created()?;
    let include_archived = params.flag("include_archived")?;
    let paging = params.paging()?;
    let page = http.app.agents(&grant, created, include_archived, &paging).await?;
    ok(&Page::new(page, Agent::from))
}

pub async fn retrieve(
    State(http): State<Arc<Http>>,
    Granted(grant): Granted<ToRead>,
    ids: Ids,
    params: Params,
) -> Answer {
    let version = params.number("version", 1)?;
    let agent = http.app.agent(&grant, &ids.agent()?, version).await?;
    ok(&Agent::from(agent))
}

pub async fn update(
    State(http): State<Arc<Http>>,
    Granted(grant): Granted<ToWrite>,
    ids: Ids,
    FreeJson(body): FreeJson<UpdateAgent>,
) -> Answer {
    let patch = body.checked()?;
    let agent = http.app.update_agent(&grant, ids.agent()?, patch).await?;
    ok(&Agent::from(agent))
}

pub async fn archive(
    State(http): State<Arc<Http>>,
    Granted(grant): Granted<ToWrite>,
    ids: Ids,
) -> Answer {
    let agent = http.app.archive_agent(&grant, ids.agent()?).await?;
    ok(&Agent::from(agent))
}

pub async fn versions(
    State(http): State<Arc<Http>>,
    Granted(grant): Granted<ToRead>,
    ids: Ids,
    params: Params,
) -> Answer {
    let paging = params.paging()?;
    let page = http.app.agent_versions(&grant, &ids.agent()?, &paging).await?;
    ok(&Page::new(page, Agent::from))
}
