//! `/x/v1/workspaces`

use std::sync::Arc;

use axum::extract::State;

use super::auth::Granted;
use super::body::Json;
use super::params::Params;
use super::path::Ids;
use super::{Answer, Http, ok};
use crate::domain::access::ToAdmin;
use crate::wire::Deleted;
use crate::wire::admin::{CreateWorkspace, Workspace};
use crate::wire::page::Page;

pub async fn create(
    State(http): State<Arc<Http>>,
    Granted(grant): Granted<ToAdmin>,
    Json(body): Json<CreateWorkspace>,
) -> Answer {
    let authority = http.app.authority(&grant).await?;
    let workspace = http.app.create_workspace(authority, body.name).await?;
    ok(&Workspace::from(workspace))
}

pub async fn list(
    State(http): State<Arc<Http>>,
    Granted(grant): Granted<ToAdmin>,
    params: Params,
) -> Answer {
    let page = http.app.workspaces(&(&grant).into(), &params.paging()?).await?;
    ok(&Page::new(page, Workspace::from))
}

pub async fn delete(
    State(http): State<Arc<Http>>,
    Granted(grant): Granted<ToAdmin>,
    ids: Ids,
) -> Answer {
    let id = ids.workspace()?;
    let authority = http.app.authority(&grant).await?;
    http.app.delete_workspace(authority, id.clone()).await?;
    ok(&Deleted::new(&id, "workspace"))
}
