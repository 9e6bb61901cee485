//! What needs no credential: `/health` and `/openapi.yaml`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;

use super::{Answer, Http, ok};
use crate::wire::Health;

const OPENAPI: &str = include_str!("../../openapi.yaml");

/// 200 when ready, 503 with the reason when not. A probe, so not an error envelope.
pub async fn health(State(http): State<Arc<Http>>) -> Answer {
    let reason = http.app.not_ready().await;
    let health = Health {
        ready: reason.is_none(),
        version: env!("CARGO_PKG_VERSION").into(),
        durability: http.app.durability().as_str().into(),
        reason,
    };
    let mut response = ok(&health)?;
    if !health.ready {
        response.extensions_mut().insert(super::edge::Whole);
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    Ok(response)
}

pub async fn openapi() -> Answer {
    Ok(([(header::CONTENT_TYPE, "application/yaml")], OPENAPI).into_response())
}
