//! `/x/v1/api_keys`

use std::sync::Arc;

use axum::extract::State;
use secrecy::ExposeSecret;

use super::auth::Granted;
use super::body::Json;
use super::params::Params;
use super::path::Ids;
use super::{Answer, Http, ok};
use crate::app::KeyRequest;
use crate::domain::access::ToAdmin;
use crate::domain::id::WorkspaceId;
use crate::wire::admin::{ApiKey, CreateKey};
use crate::wire::page::Page;

pub async fn create(
    State(http): State<Arc<Http>>,
    Granted(grant): Granted<ToAdmin>,
    Json(mut body): Json<CreateKey>,
) -> Answer {
    let workspace = body.workspace_id.take();
    let new = body.parsed()?;
    let workspace = workspace.as_deref().map(WorkspaceId::parse).transpose()?;
    let authority = http.app.authority(&grant).await?;
    let (key, secret) = http.app.create_key(authority, KeyRequest { workspace, new }).await?;
    ok(&ApiKey { key: Some(secret.expose_secret().to_owned()), ..ApiKey::from(key) })
}

pub async fn list(
    State(http): State<Arc<Http>>,
    Granted(grant): Granted<ToAdmin>,
    params: Params,
) -> Answer {
    let paging = params.paging()?;
    let workspace = params.get("workspace_id")?.map(WorkspaceId::parse).transpose()?;
    let page = http.app.keys(&(&grant).into(), workspace, &paging).await?;
    ok(&Page::new(page, ApiKey::from))
}

pub async fn revoke(
    State(http): State<Arc<Http>>,
    Granted(grant): Granted<ToAdmin>,
    ids: Ids,
) -> Answer {
    let id = ids.api_key()?;
    let authority = http.app.authority(&grant).await?;
    let key = http.app.revoke_key(authority, id).await?;
    ok(&ApiKey::from(key))
}
