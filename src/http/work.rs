//! `/v1/environments/{environment_id}/work`

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use secrecy::ExposeSecret;

use super::auth::Granted;
use super::body::{Json, MaybeJson};
use super::params::Params;
use super::path::Ids;
use super::{Answer, Http, ok};
use crate::app::PollRequest;
use crate::domain::access::{ToHoldWork, ToRead, ToSeeQueue, ToWork, ToWrite};
use crate::domain::work::{LONGEST_POLL_MILLIS, RECLAIM_MILLIS};
use crate::domain::{Error, Result};
use crate::wire::page::Page;
use crate::wire::work::{Heartbeat, QueueStats, StopWork, UpdateWork, Work};

/// The longest reclaim time that is told apart: a day.
const LONGEST_RECLAIM_MILLIS: i64 = 86_400_000;

/// An item of work with its token, or null.
pub async fn poll(
    State(http): State<Arc<Http>>,
    Granted(grant): Granted<ToWork>,
    ids: Ids,
    params: Params,
    headers: HeaderMap,
) -> Answer {
    let request = poll_request(&params, &headers)?;
    let polled = http.app.poll_work(&grant, ids.environment()?, request).await?;
    let polled = polled.map(|(work, token)| Work::from(work).with_token(token.expose_secret()));
    ok(&polled)
}

fn poll_request(params: &Params, headers: &HeaderMap) -> Result<PollRequest> {
    let block = params.number("block_ms", 1)?;
    if block.is_some_and(|block| block > LONGEST_POLL_MILLIS) {
        return Err(Error::Invalid(format!(
            "block_ms must be between 1 and {LONGEST_POLL_MILLIS}; leave it out not to wait"
        )));
    }
    let reclaim = params.number("reclaim_older_than_ms", 0)?.unwrap_or(RECLAIM_MILLIS);
    let worker = headers.get("anthropic-worker-id").and_then(|value| value.to_str().ok());
    Ok(PollRequest {
        block: block.map(|block| Duration::from_millis(block.unsigned_abs())),
        reclaim_millis: reclaim.min(LONGEST_RECLAIM_MILLIS),
        worker: worker.map(str::to_owned),
    })
}

pub async fn acknowledge(
    State(http): State<Arc<Http>>,
    Granted(grant): Granted<ToWork>,
    ids: Ids,
) -> Answer {
    let work = http.app.acknowledge_work(&grant, ids.environment()?, ids.work()?).await?;
    ok(&Work::from(work))
}

pub async fn heartbeat(
    State(http): State<Arc<Http>>,
    Granted(grant): Granted<ToHoldWork>,
    ids: Ids,
    params: Params,
) -> Answer {
    let expected = params.text("expected_last_heartbeat")?;
    let wish = params.number("desired_ttl_seconds", i64::MIN)?;
    let (environment, work) = (ids.environment()?, ids.work()?);
    let beat = http.app.heartbeat(&grant, environment, work, expected, wish).await?;
    ok(&Heartbeat::from(beat))
}

pub async fn stop(
    State(http): State<Arc<Http>>,
    Granted(grant): Granted<ToHoldWork>,
    ids: Ids,
    MaybeJson(body): MaybeJson<StopWork>,
) -> Answer {
    let force = body.force.unwrap_or_default();
    let work = http.app.stop_work(&grant, ids.environment()?, ids.work()?, force).await?;
    ok(&Work::from(work))
}

pub async fn retrieve(
    State(http): State<Arc<Http>>,
    Granted(grant): Granted<ToRead>,
    ids: Ids,
) -> Answer {
    let work = http.app.work(&grant, ids.environment()?, ids.work()?).await?;
    ok(&Work::from(work))
}

pub async fn update(
    State(http): State<Arc<Http>>,
    Granted(grant): Granted<ToWrite>,
    ids: Ids,
    Json(body): Json<UpdateWork>,
) -> Answer {
    let patch = body.checked()?;
    let work = http.app.update_work(&grant, ids.environment()?, ids.work()?, patch).await?;
    ok(&Work::from(work))
}

pub async fn list(
    State(http): State<Arc<Http>>,
    Granted(grant): Granted<ToWork>,
    ids: Ids,
    params: Params,
) -> Answer {
    let paging = params.paging()?;
    let page = http.app.works(&grant, &ids.environment()?, &paging).await?;
    ok(&Page::new(page, Work::from))
}

pub async fn stats(
    State(http): State<Arc<Http>>,
    Granted(grant): Granted<ToSeeQueue>,
    ids: Ids,
) -> Answer {
    let (stats, polling) = http.app.queue_stats(&grant, &ids.environment()?).await?;
    ok(&QueueStats {
        kind: "work_queue_stats".into(),
        depth: stats.waiting,
        pending: stats.offered,
        oldest_queued_at: stats.oldest.map(|at| at.to_string()),
        workers_polling: polling,
    })
}
