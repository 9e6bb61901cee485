//! `/v1/memory_stores`

use std::sync::Arc;

use axum::extract::State;

use super::auth::Granted;
use super::body::Json;
use super::params::Params;
use super::path::Ids;
use super::{Answer, Http, ok};
use crate::domain::access::{ToRead, ToReadStore, ToRedact, ToWrite};
use crate::wire::Deleted;
use crate::wire::page::Page;
use crate::wire::store::{CreateStore, Store, UpdateStore};

pub async fn create(
    State(http): State<Arc<Http>>,
    Granted(grant): Granted<ToWrite>,
    Json(body): Json<CreateStore>,
) -> Answer {
    let store = http.app.create_store(&grant, body.checked()?).await?;
    ok(&Store::from(store))
}

pub async fn list(
    State(http): State<Arc<Http>>,
    Granted(grant): Granted<ToRead>,
    params: Params,
) -> Answer {
    let created = params.created()?;
    let include_archived = params.flag("include_archived")?;
    let paging = params.paging()?;
    let page = http.app.stores(&grant, created, include_archived, &paging).await?;
    ok(&Page::new(page, Store::from))
}

pub async fn retrieve(
    State(http): State<Arc<Http>>,
    Granted(grant): Granted<ToReadStore>,
    ids: Ids,
) -> Answer {
    let store = http.app.store(&grant, &ids.store()?).await?;
    ok(&Store::from(store))
}

pub async fn update(
    State(http): State<Arc<Http>>,
    Granted(grant): Granted<ToWrite>,
    ids: Ids,
    Json(body): Json<UpdateStore>,
) -> Answer {
    let patch = body.checked()?;
    let store = http.app.update_store(&grant, ids.store()?, patch).await?;
    ok(&Store::from(store))
}

pub async fn archive(
    State(http): State<Arc<Http>>,
    Granted(grant): Granted<ToWrite>,
    ids: Ids,
) -> Answer {
    let store = http.app.archive_store(&grant, ids.store()?).await?;
    ok(&Store::from(store))
}

pub async fn delete(
    State(http): State<Arc<Http>>,
    Granted(grant): Granted<ToRedact>,
    ids: Ids,
) -> Answer {
    let id = ids.store()?;
    http.app.delete_store(&grant, id.clone()).await?;
    ok(&Deleted::new(&id, "memory_store"))
}
