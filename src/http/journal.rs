//! `/x/v1/journal`

use std::sync::Arc;

use axum::extract::State;

use super::auth::Granted;
use super::params::Params;
use super::{Answer, Http, ok};
use crate::app::JournalOf;
use crate::domain::access::ToAdmin;
use crate::domain::id::{StoreId, WorkspaceId};
use crate::domain::journal::EntryFilter;
use crate::domain::{Error, Result};
use crate::wire::journal::JournalEntry;
use crate::wire::page::Page;

pub async fn list(
    State(http): State<Arc<Http>>,
    Granted(grant): Granted<ToAdmin>,
    params: Params,
) -> Answer {
    let filter = filter(&params)?;
    let paging = params.paging()?;
    let page = http.app.journal(&grant, of(&params)?, &filter, &paging).await?;
    ok(&Page::new(page, JournalEntry::from))
}

fn of(params: &Params) -> Result<JournalOf> {
    match (params.get("store_id")?, params.get("workspace_id")?) {
        (Some(_), Some(_)) => {
            Err(Error::invalid("only one of store_id and workspace_id may be given"))
        }
        (Some(store), None) => Ok(JournalOf::Store(StoreId::parse(store)?)),
        (None, workspace) => {
            Ok(JournalOf::Workspace(workspace.map(WorkspaceId::parse).transpose()?))
        }
    }
}

fn filter(params: &Params) -> Result<EntryFilter> {
    Ok(EntryFilter {
        kind: params.get("kind")?.map(str::parse).transpose()?,
        subject: params.text("subject")?,
        at: params.created()?,
    })
}
