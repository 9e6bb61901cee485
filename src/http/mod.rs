//! The HTTP door: extracts, calls one function of [`crate::app`], wraps what comes back.
//!
//! The edge owns its errors: no rejection of a framework reaches a client, everything is the
//! contract's envelope, written in one place (`edge`) so that header and body name one request.

mod agents;
mod api_keys;
mod auth;
mod body;
mod edge;
mod environments;
mod error;
mod events;
mod hosts;
mod journal;
mod listen;
mod memories;
mod params;
mod path;
mod rate;
pub mod routes;
mod sessions;
mod socket;
mod stores;
mod stream;
mod system;
mod unserved;
mod versions;
mod whoami;
mod work;
mod workspaces;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tower_http::catch_panic::CatchPanicLayer;

pub use error::ApiError;
pub use hosts::Hosts;
pub use listen::Listener;
pub use rate::Rate;

use crate::app::App;
use crate::domain::Error;

/// How the door is set.
pub struct Settings {
    /// Accepts requests without the beta header, and unknown versions.
    pub lenient_headers: bool,
    pub hosts: Hosts,
    /// Bytes of a request body.
    pub body_limit: usize,
    pub rate: Rate,
    pub timeouts: Timeouts,
}

#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// From the first byte of a request's head to its last.
    pub head: Duration,
    /// Without progress in a request's body.
    pub body: Duration,
    /// From a complete head to the answer.
    pub handler: Duration,
    /// Between requests on one connection.
    pub idle: Duration,
    /// For how long a stream of events is silent at most.
    pub ping: Duration,
}

impl Timeouts {
    /// After how much idling a connection is kept without its buffers.
    fn set_aside(&self) -> Duration {
        self.idle.min(Duration::from_millis(100))
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            body: Duration::from_secs(10),
            handler: Duration::from_secs(30),
            idle: Duration::from_mins(2),
            ping: Duration::from_secs(15),
        }
    }
}

/// What every handler can reach.
pub struct Http {
    pub app: Arc<App>,
    pub settings: Settings,
}

/// The whole service.
pub fn router(http: Arc<Http>) -> Router {
    let routes = routes::table()
        .into_iter()
        .fold(Router::new(), |router, route| router.route(route.path, (route.handler)()));
    wrap(routes, http)
}

/// Puts the edge around any routes.
pub fn wrap(routes: Router<Arc<Http>>, http: Arc<Http>) -> Router {
    routes
        .fallback(|uri: axum::http::Uri| async move { ApiError(unserved::refusal(uri.path())) })
        .method_not_allowed_fallback(|method: axum::http::Method| async move {
            ApiError(unserved::wrong_method(&method))
        })
        .layer(CatchPanicLayer::custom(|_| {
            ApiError(Error::internal("a handler panicked")).into_response()
        }))
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&http), edge::edge))
        .with_state(http)
}

/// What a handler returns.
type Answer = Result<Response, ApiError>;

/// 200 and JSON: the contract knows no other success.
fn ok(body: &impl Serialize) -> Answer {
    Ok(answer(json(body)?))
}

/// What most answers fit in.
const USUAL_BYTES: usize = 1024;

fn json(body: &impl Serialize) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::with_capacity(USUAL_BYTES);
    serde_json::to_writer(&mut bytes, body).map_err(Error::internal)?;
    Ok(bytes)
}

fn answer(json: impl Into<Body>) -> Response {
    ([(axum::http::header::CONTENT_TYPE, "application/json")], json.into()).into_response()
}
