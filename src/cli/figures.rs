//! The Prometheus figures of `memstored serve`, on a listener of their own: it is as hard to hold up
//! as that of the API, and can't take its connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio_util::sync::CancellationToken;

use super::{Failure, cant};
use crate::http::{Http, Listener};
use crate::telemetry;

/// How often the recorder folds what it has counted, so that it stays small when nobody asks.
const UPKEEP: Duration = Duration::from_secs(5);

pub struct Figures {
    pub address: SocketAddr,
    listener: Listener,
    recorded: PrometheusHandle,
}

impl Figures {
    /// Connections at one time.
    pub const CONNECTIONS: usize = 16;

    /// Starts to count, where anybody may ask for it.
    pub async fn bind(address: Option<SocketAddr>) -> Result<Option<Self>, Failure> {
        let Some(address) = address else { return Ok(None) };
        let recorded = telemetry::start_figures()?;
        let listener = Listener::bind(address, Self::CONNECTIONS).await;
        let listener = listener.map_err(|error| cant(&format!("listen on {address}"), &error))?;
        let address = listener.address().map_err(|error| cant("tell the address", &error))?;
        Ok(Some(Self { address, listener, recorded }))
    }

    /// Answers with them until `stop`, in the background.
    pub fn serve(self, http: Arc<Http>, stop: CancellationToken) {
        let upkeep = self.recorded.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(UPKEEP).await;
                upkeep.run_upkeep();
            }
        });
        tokio::spawn(self.listener.serve(http, router(self.recorded), stop));
    }
}

fn router(recorded: PrometheusHandle) -> Router {
    let render = move || async move { recorded.render() };
    let elsewhere = |status| move || async move { (status, "the figures are at GET /metrics\n") };
    Router::new()
        .route("/metrics", get(render))
        .fallback(elsewhere(StatusCode::NOT_FOUND))
        .method_not_allowed_fallback(elsewhere(StatusCode::METHOD_NOT_ALLOWED))
}
