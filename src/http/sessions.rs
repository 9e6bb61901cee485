//! `/v1/sessions`, and the tokens to act as one.

use std::sync::Arc;

use axum::extract::State;
use secrecy::ExposeSecret;
use serde_json::Value;

use super::auth::Granted;
use super::body::{FreeJson, Json, MaybeJson};
use super::params::Params;
use super::path::Ids;
use super::{Answer, Http, ok};
use crate::domain::access::{ToAdmin, ToRead, ToReadSession, ToWrite};
use crate::domain::id::StoreId;
use crate::domain::page::{Cursor, List, MAX_LONG, Page as Items};
use crate::domain::session::{SessionFilter, Status};
use crate::domain::{Error, Result};
use crate::wire::Deleted;
use crate::wire::page::{Page, TwoWayPage};
use crate::wire::session::{CreateSession, Resource, Session, UpdateSession, told};
use crate::wire::token::{CreateToken, RevokedTokens, SessionToken};

pub async fn create(
    State(http): State<Arc<Http>>,
    Granted(grant): Granted<ToWrite>,
    FreeJson(body): FreeJson<CreateSession>,
) -> Answer {
    let session = http.app.create_session(&grant, body.checked()?).await?;
    ok(&Session::new(session, http.app.now()))
}

pub async fn list(
    State(http): State<Arc<Http>>,
    Granted(grant): Granted<ToRead>,
    params: Params,
) -> Answer {
    let filter = filter(&params)?;
    let paging = params.paging()?;
    if params.get("deployment_id")?.is_some() {
        return ok(&TwoWayPage::<Session>::empty());
    }
    let page = http.app.sessions(&grant, &filter, &paging).await?;
    let now = http.app.now();
    ok(&TwoWayPage::new(page, |session| Session::new(session, now)))
}

fn filter(params: &Params) -> Result<SessionFilter> {
    let statuses = params.all("statuses")?;
    let statuses = statuses.into_iter().map(str::parse).collect::<Result<Vec<Status>>>()?;
    Ok(SessionFilter {
        agent: params.text("agent_id")?,
        agent_version: params.number("agent_version", 1)?,
        // An unknown store is attached to nothing.
        store: params.text("memory_store_id")?.map(StoreId::stored),
        statuses,
        created: params.created_within()?,
        include_archived: params.flag("include_archived")?,
        oldest_first: !params.newest_first(true)?,
    })
}

pub async fn retrieve(
    State(http): State<Arc<Http>>,
    Granted(grant): Granted<ToReadSession>,
    ids: Ids,
) -> Answer {
    let session = http.app.session(&grant, &ids.session()?).await?;
    ok(&Session::new(session, http.app.now()))
}

pub async fn update(
    State(http): State<Arc<Http>>,
    Granted(grant): Granted<ToWrite>,
    ids: Ids,
    FreeJson(body): FreeJson<UpdateSession>,
) -> Answer {
    let patch = body.checked()?;
    let session = http.app.update_session(&grant, ids.session()?, patch, told).await?;
    ok(&Session::new(session, http.app.now()))
}

pub async fn archive(
    State(http): State<Arc<Http>>,
    Granted(grant): Granted<ToWrite>,
    ids: Ids,
) -> Answer {
    let session = http.app.archive_session(&grant, ids.session()?).await?;
    ok(&Session::new(session, http.app.now()))
}

pub async fn delete(
    State(http): State<Arc<Http>>,
    Granted(grant): Granted<ToWrite>,
    ids: Ids,
) -> Answer {
    let id = ids.session()?;
    http.app.delete_session(&grant, id.clone()).await?;
    ok(&Deleted::new(&id, "session"))
}

/// All of them, unless a limit is given.
pub async fn resources(
    State(http): State<Arc<Http>>,
    Granted(grant): Granted<ToReadSession>,
    ids: Ids,
    params: Params,
) -> Answer {
    let paging = params.paging_of(MAX_LONG, MAX_LONG)?;
    let id = ids.session()?;
    let session = http.app.session(&grant, &id).await?;
    let after = paging.after.as_ref().map(|cursor| cursor.after_number(List::Resources, &id));
    let after = after.transpose()?.unwrap_or(0);
    let behind = (1..).zip(session.stores).filter(|(number, _)| *number > after).collect();
    let page = Items::cut(behind, paging.limit, |(number, _)| {
        Cursor::number(List::Resources, &id, *number)
    });
    ok(&Page::new(page, |(_, store)| Resource::from(store)))
}

/// Stores are attached when a session is made; nothing else is served.
pub async fn add_resource(
    State(http): State<Arc<Http>>,
    Granted(grant): Granted<ToWrite>,
    ids: Ids,
    Json(_): Json<Value>,
) -> Answer {
    http.app.require_session(&grant, &ids.session()?).await?;
    Err(Error::invalid(
        "resources: memory stores are attached when a session is created, and memstored serves no \
         other resources",
    )
    .into())
}

pub async fn create_token(
    State(http): State<Arc<Http>>,
    Granted(grant): Granted<ToAdmin>,
    ids: Ids,
    MaybeJson(body): MaybeJson<CreateToken>,
) -> Answer {
    let seconds = body.expires_in_seconds;
    let (token, secret) = http.app.create_token(&grant, ids.session()?, seconds).await?;
    ok(&SessionToken::new(&token, secret.expose_secret()))
}

pub async fn revoke_tokens(
    State(http): State<Arc<Http>>,
    Granted(grant): Granted<ToAdmin>,
    ids: Ids,
) -> Answer {
    let session = ids.session()?;
    let revoked = http.app.revoke_tokens(&grant, session.clone()).await?;
    ok(&RevokedTokens::new(&session, revoked))
}
