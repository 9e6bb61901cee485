//! `/v1/memory_stores/{memory_store_id}/memory_versions`

use std::sync::Arc;

use axum::extract::State;

use super::auth::Granted;
use super::params::Params;
use super::path::Ids;
use super::{Answer, Http, ok};
use crate::domain::access::{ToReadStore, ToRedact};
use crate::domain::memory::View;
use crate::domain::version::{Operation, VersionFilter};
use crate::domain::{Error, Result};
use crate::wire::page::Page;
use crate::wire::version::Version;

pub async fn list(
    State(http): State<Arc<Http>>,
    Granted(grant): Granted<ToReadStore>,
    ids: Ids,
    params: Params,
) -> Answer {
    let view = params.view(View::Basic)?;
    let filter = filter(&params)?;
    let paging = params.paging_for(view)?;
    let page = http.app.versions(&grant, &ids.store()?, &filter, view, &paging).await?;
    ok(&Page::new(page, |version| Version::new(version, view)))
}

fn filter(params: &Params) -> Result<VersionFilter> {
    let operation = |text: &str| {
        Operation::parse(text).ok_or_else(|| {
            let all = Operation::ALL.map(Operation::as_str).join(", ");
            Error::Invalid(format!("operation must be one of {all}; got {text:?}"))
        })
    };
    Ok(VersionFilter {
        memory: params.text("memory_id")?,
        operation: params.get("operation")?.map(operation).transpose()?,
        session: params.text("session_id")?,
        api_key: params.text("api_key_id")?,
        service_account: params.text("service_account_id")?,
        created: params.created()?,
    })
}

pub async fn retrieve(
    State(http): State<Arc<Http>>,
    Granted(grant): Granted<ToReadStore>,
    ids: Ids,
    params: Params,
) -> Answer {
    let view = params.view(View::Full)?;
    let version = http.app.version(&grant, &ids.store()?, &ids.version()?).await?;
    ok(&Version::new(version, view))
}

pub async fn redact(
    State(http): State<Arc<Http>>,
    Granted(grant): Granted<ToRedact>,
    ids: Ids,
) -> Answer {
    let version = http.app.redact_version(&grant, ids.store()?, ids.version()?).await?;
    ok(&Version::new(version, View::Full))
}
