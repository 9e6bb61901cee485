//! Errors as HTTP (contract 1.7 to 1.9): one table, one `match`.
//!
//! A handler's error travels to the edge inside the response; the edge writes the body, since it
//! alone knows the request's ID.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::domain::Error;
use crate::domain::id::RequestId;
use crate::domain::time::Timestamp;
use crate::wire::error::{Detail, Details, Envelope};
use crate::wire::work;

/// The error of a handler.
#[derive(Debug)]
pub struct ApiError(pub Error);

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

/// An error on its way to the edge.
#[derive(Clone)]
pub struct Failure(pub Arc<Error>);

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = row(&self.0).0.into_response();
        response.extensions_mut().insert(Failure(Arc::new(self.0)));
        response
    }
}

/// Status, error type, and what clients are told about sending the request again.
fn row(error: &Error) -> (StatusCode, &'static str, Option<bool>) {
    const AGAIN: Option<bool> = Some(true);
    const FINAL: Option<bool> = Some(false);
    match error {
        Error::NotFound { .. } => (StatusCode::NOT_FOUND, "not_found_error", None),
        Error::Invalid(_)
        | Error::BadBody { .. }
        | Error::Coded { .. }
        | Error::StoreArchived(_)
        | Error::Archived { .. } => (StatusCode::BAD_REQUEST, "invalid_request_error", None),
        Error::OutOfDate(_) => (StatusCode::CONFLICT, "invalid_request_error", FINAL),
        Error::LeaseLost(_) => (StatusCode::PRECONDITION_FAILED, "invalid_request_error", FINAL),
        Error::PathTaken { .. } => (StatusCode::CONFLICT, "memory_path_conflict_error", FINAL),
        Error::PreconditionFailed => {
            (StatusCode::CONFLICT, "memory_precondition_failed_error", FINAL)
        }
        Error::Conflict => (StatusCode::CONFLICT, "conflict_error", AGAIN),
        Error::Uncertain => (StatusCode::SERVICE_UNAVAILABLE, "api_error", FINAL),
        Error::Unauthenticated(_) => (StatusCode::UNAUTHORIZED, "authentication_error", None),
        Error::Forbidden(_) => (StatusCode::FORBIDDEN, "permission_error", None),
        Error::RateLimited { .. } => (StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", None),
        Error::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "request_too_large", None),
        Error::NoRoute(_) => (StatusCode::NOT_FOUND, "not_found_error", FINAL),
        Error::WrongMethod(_) => (StatusCode::METHOD_NOT_ALLOWED, "invalid_request_error", None),
        Error::Timeout { change, .. } => {
            (StatusCode::GATEWAY_TIMEOUT, "timeout_error", FINAL.filter(|_| *change))
        }
        Error::Unavailable { retry, .. } => {
            (StatusCode::SERVICE_UNAVAILABLE, "api_error", AGAIN.filter(|_| *retry))
        }
        Error::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "api_error", None),
    }
}

/// Writes the envelope into `response`, which keeps the headers it has.
pub fn render(response: Response, error: &Error, request: &RequestId, now: Timestamp) -> Response {
    let (status, kind, retry) = row(error);
    let envelope = envelope(kind, error, request);
    let (mut parts, _) = response.into_parts();
    parts.status = status;
    let headers = &mut parts.headers;
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(retry) = retry {
        let value = if retry { "true" } else { "false" };
        headers.insert("x-should-retry", HeaderValue::from_static(value));
    }
    if let Error::RateLimited { per_minute, retry_after_seconds } = error {
        headers.insert(header::RETRY_AFTER, (*retry_after_seconds).into());
        headers.insert("anthropic-ratelimit-requests-limit", (*per_minute).into());
        headers.insert("anthropic-ratelimit-requests-remaining", HeaderValue::from_static("0"));
        let reset = now.plus_seconds(*retry_after_seconds).to_string();
        if let Ok(reset) = HeaderValue::from_str(&reset) {
            headers.insert("anthropic-ratelimit-requests-reset", reset);
        }
    }
    Response::from_parts(parts, Body::from(envelope))
}

/// The body of an error.
pub fn envelope(kind: &str, error: &Error, request: &RequestId) -> Vec<u8> {
    let (path, memory) = match error {
        Error::PathTaken { path, memory, .. } => (Some(path.to_string()), Some(memory.to_string())),
        _ => (None, None),
    };
    let details = match error {
        Error::BadBody { code, .. } | Error::Coded { code, .. } => {
            Some(Details { error_code: (*code).into(), current_state: None })
        }
        Error::LeaseLost(lost) => Some(Details {
            error_code: "heartbeat_precondition_failed".into(),
            current_state: Some(work::lease(lost)),
        }),
        _ => None,
    };
    let envelope = Envelope {
        kind: "error".into(),
        error: Detail {
            kind: kind.into(),
            message: error.to_string(),
            conflicting_path: path,
            conflicting_memory_id: memory,
            details,
        },
        request_id: Some(request.to_string()),
    };
    serde_json::to_vec(&envelope).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::{MemoryId, StoreId};
    use crate::domain::path::MemoryPath;
    use crate::domain::work::{LeaseLost, State};

    fn all() -> Vec<Error> {
        let path = |text: &str| MemoryPath::stored(text.into());
        vec![
            Error::not_found(StoreId::WHAT, "memstore_1"),
            Error::invalid("name: Field required"),
            Error::BadBody { code: "unsupported_charset", message: "not UTF-8".into() },
            Error::Coded { code: "environment_archived", message: "archived".into() },
            Error::Archived { what: "session", id: "sesn_1".into() },
            Error::OutOfDate("the agent is at version 2, not 1".into()),
            Error::LeaseLost(Box::new(LeaseLost {
                named: "NO_HEARTBEAT".into(),
                state: State::Active,
                ttl_seconds: 300,
                last_heartbeat: Some(Timestamp::from_micros(0)),
            })),
            Error::PathTaken { wanted: path("/a/b"), path: path("/a"), memory: MemoryId::new("1") },
            Error::PreconditionFailed,
            Error::StoreArchived(StoreId::new("1")),
            Error::Conflict,
            Error::Uncertain,
            Error::Unauthenticated("invalid API key".into()),
            Error::Forbidden("lacks a scope".into()),
            Error::RateLimited { per_minute: 60, retry_after_seconds: 1 },
            Error::TooLarge { limit: 33_554_432 },
            Error::NoRoute("no such route: /x".into()),
            Error::WrongMethod("this route does not answer PUT".into()),
            Error::Timeout { seconds: 30, change: false },
            Error::Timeout { seconds: 30, change: true },
            Error::unavailable("the disk is full"),
            Error::Unavailable { reason: "stopped".into(), retry: false },
            Error::internal("a secret source"),
        ]
    }

    #[test]
    fn every_error_has_its_row_and_its_envelope() {
        let rows: Vec<_> = all()
            .iter()
            .map(|error| {
                let (status, kind, retry) = row(error);
                let body = envelope(kind, error, &RequestId::new("1"));
                let retry = retry.map_or("-".to_owned(), |retry| retry.to_string());
                format!("{} {retry} {}", status.as_u16(), String::from_utf8(body).unwrap())
            })
            .collect();

        insta::assert_snapshot!(rows.join("\n"));
    }
}
