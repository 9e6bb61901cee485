//! `/v1/sessions/{session_id}/events`, and the agent's side of them under `/x/v1`.

use std::sync::Arc;

use axum::extract::State;
use serde_json::json;

use super::auth::Granted;
use super::body::FreeJson;
use super::params::Params;
use super::path::Ids;
use super::{Answer, Http, ok};
use crate::domain::access::{ToAdmin, ToReadSession, ToWriteSession};
use crate::domain::event::{Event, EventFilter, Sender};
use crate::domain::page::MAX_LONG;
use crate::domain::{Error, Result};
use crate::wire::event::{SendEvents, answered};
use crate::wire::event_kinds;
use crate::wire::page::Page;

/// Events of a page where no limit is given.
const DEFAULT_LIMIT: usize = 100;

pub async fn send(
    State(http): State<Arc<Http>>,
    Granted(grant): Granted<ToWriteSession>,
    ids: Ids,
    FreeJson(body): FreeJson<SendEvents>,
) -> Answer {
    let events = body.checked(Sender::Client)?;
    let sent = http.app.send_events(&grant, ids.session()?, events).await?;
    sent_back(&sent)
}

/// What the hosted service would emit, from whoever plays the agent's part.
pub async fn play(
    State(http): State<Arc<Http>>,
    Granted(grant): Granted<ToAdmin>,
    ids: Ids,
    FreeJson(body): FreeJson<SendEvents>,
) -> Answer {
    let events = body.checked(Sender::Harness)?;
    let sent = http.app.play_events(&grant, ids.session()?, events).await?;
    sent_back(&sent)
}

fn sent_back(sent: &[Event]) -> Answer {
    ok(&json!({"data": sent.iter().map(answered).collect::<Vec<_>>()}))
}

pub async fn list(
    State(http): State<Arc<Http>>,
    Granted(grant): Granted<ToReadSession>,
    ids: Ids,
    params: Params,
) -> Answer {
    let filter = filter(&params)?;
    let paging = params.paging_of(DEFAULT_LIMIT, MAX_LONG)?;
    let page = http.app.events(&grant, &ids.session()?, &filter, &paging).await?;
    ok(&Page::new(page, |event| answered(&event)))
}

fn filter(params: &Params) -> Result<EventFilter> {
    let kinds = params.all("types")?.into_iter().map(|name| {
        let kind = event_kinds::kind(name);
        kind.map(|kind| kind.name.to_owned())
            .ok_or_else(|| Error::Invalid(format!("types: {name:?} is no type of event")))
    });
    Ok(EventFilter {
        kinds: kinds.collect::<Result<_>>()?,
        at: params.created_within()?,
        newest_first: params.newest_first(false)?,
    })
}
