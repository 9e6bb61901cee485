//! `/v1/memory_stores/{memory_store_id}/memories`

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;

use super::auth::Granted;
use super::body::Json;
use super::params::Params;
use super::path::Ids;
use super::{Answer, Http, answer, json, ok};
use crate::domain::access::{ToReadStore, ToWriteStore};
use crate::domain::content::Sha256;
use crate::domain::memory::{self, MemoryQuery, View};
use crate::domain::path::PathPrefix;
use crate::domain::{Error, Result};
use crate::wire::Deleted;
use crate::wire::memory::{CreateMemory, Item, Memory, UpdateMemory};
use crate::wire::page::Page;

pub async fn create(
    State(http): State<Arc<Http>>,
    Granted(grant): Granted<ToWriteStore>,
    ids: Ids,
    params: Params,
    Json(body): Json<CreateMemory>,
) -> Answer {
    let view = params.view(View::Basic)?;
    let new = body.checked(http.app.limits().content_bytes)?;
    let memory = http.app.create_memory(&grant, ids.store()?, new).await?;
    ok(&Item::Memory(Memory::new(memory, view)))
}

pub async fn list(
    State(http): State<Arc<Http>>,
    Granted(grant): Granted<ToReadStore>,
    ids: Ids,
    params: Params,
) -> Answer {
    let query = query(&params)?;
    let page = http.app.memories(&grant, &ids.store()?, &query).await?;
    ok(&Page::new(page, |item| Item::new(item, query.view)))
}

fn query(params: &Params) -> Result<MemoryQuery> {
    let view = params.view(View::Basic)?;
    Ok(MemoryQuery {
        prefix: PathPrefix::parse(params.get("path_prefix")?.unwrap_or_default())?,
        depth_one: match params.get("depth")? {
            None | Some("0") => false,
            Some("1") => true,
            Some(_) => return Err(Error::invalid("depth must be 0 or 1 when provided")),
        },
        view,
        paging: params.paging_for(view)?,
    })
}

pub async fn retrieve(
    State(http): State<Arc<Http>>,
    Granted(grant): Granted<ToReadStore>,
    ids: Ids,
    params: Params,
) -> Answer {
    let view = params.view(View::Full)?;
    let retrieved = http.app.memory(&grant, &ids.store()?, &ids.memory()?).await?;
    let json = |memory: &memory::Memory| json(&Item::Memory(Memory::new(memory.clone(), view)));
    Ok(match view {
        View::Full => answer(Bytes::from_owner(retrieved.written(json)?)),
        View::Basic => answer(json(&retrieved.memory)?),
    })
}

pub async fn update(
    State(http): State<Arc<Http>>,
    Granted(grant): Granted<ToWriteStore>,
    ids: Ids,
    params: Params,
    Json(body): Json<UpdateMemory>,
) -> Answer {
    let view = params.view(View::Basic)?;
    let patch = body.checked(http.app.limits().content_bytes)?;
    if view == View::Full && patch.content.is_none() {
        grant.is_to_read()?;
    }
    let memory = http.app.update_memory(&grant, ids.store()?, ids.memory()?, patch).await?;
    ok(&Item::Memory(Memory::new(memory, view)))
}

pub async fn delete(
    State(http): State<Arc<Http>>,
    Granted(grant): Granted<ToWriteStore>,
    ids: Ids,
    params: Params,
) -> Answer {
    const EXPECTED: &str = "expected_content_sha256";
    let expected = params.get(EXPECTED)?.map(|text| Sha256::parse(EXPECTED, text)).transpose()?;
    let id = ids.memory()?;
    http.app.delete_memory(&grant, ids.store()?, id.clone(), expected).await?;
    ok(&Deleted::new(&id, "memory"))
}
