//! The outermost layer: the request's ID, Host and Origin, the deadline, the envelope, the headers
//! that every answer has, the log and the figures.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::error::{Failure, render};
use super::{ApiError, Http};
use crate::domain::Error;
use crate::domain::access::Caller;
use crate::domain::id::RequestId;

/// What is known of a request while it is answered.
#[derive(Clone)]
pub struct Context {
    pub request: RequestId,
    /// Set when the credential is known.
    pub caller: Arc<OnceLock<Caller>>,
}

/// Who is at the other end of the connection; a proxy, where there is one.
#[derive(Clone, Copy)]
pub struct Peer(pub IpAddr);

/// Marks an answer that is complete although its status is one of an error.
#[derive(Clone)]
pub struct Whole;

pub async fn edge(State(http): State<Arc<Http>>, mut request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let context = Context { request: http.app.new_request(), caller: Arc::default() };
    request.extensions_mut().insert(context.clone());
    let peer = request.extensions().get::<Peer>().copied();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("(none)", MatchedPath::as_str);

    let response = match http.settings.hosts.check(&request) {
        Ok(()) => answer(&http, request, next).await,
        Err(error) => ApiError(error).into_response(),
    };
    let response = finish(&http, &context, response);

    let status = response.status();
    let seconds = begun.elapsed().as_secs_f64();
    let method = known(&method);
    let labels = [
        ("method", method.into()),
        ("route", route.to_owned()),
        ("status", status.as_str().into()),
    ];
    metrics::counter!("memstored_requests_total", &labels).increment(1);
    metrics::histogram!("memstored_request_seconds", &labels[..2]).record(seconds);
    // So that who guesses at keys can be found. Nobody else's address is written down.
    let peer = peer.filter(|_| status == StatusCode::UNAUTHORIZED);
    tracing::info!(
        request_id = %context.request,
        method,
        route,
        status = status.as_u16(),
        seconds,
        peer = peer.map(|Peer(address)| tracing::field::display(address)),
        workspace = context.caller.get().map(|caller| caller.workspace.as_str()),
        credential = context.caller.get().map(|caller| caller.credential.as_str()),
        "answered"
    );
    response
}

/// A method that HTTP knows; any other is a client's own word, which is neither counted nor logged.
fn known(method: &Method) -> &'static str {
    const KNOWN: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"];
    KNOWN.into_iter().find(|known| method == known).unwrap_or("(other)")
}

async fn answer(http: &Http, request: Request, next: Next) -> Response {
    let deadline = http.settings.timeouts.handler;
    let change = !request.method().is_safe();
    match tokio::time::timeout(deadline, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError(Error::Timeout { seconds: deadline.as_secs(), change }).into_response(),
    }
}

/// Writes the envelope of an error, and the headers that every answer has.
fn finish(http: &Http, context: &Context, mut response: Response) -> Response {
    let failure = response.extensions_mut().remove::<Failure>();
    let mut response = match (failure, response.status()) {
        (Some(Failure(error)), _) => {
            if let Error::Internal(source) = &*error {
                tracing::error!(request_id = %context.request, %source, "internal error");
            }
            render(response, &error, &context.request, http.app.now())
        }
        (None, status)
            if (status.is_client_error() || status.is_server_error())
                && response.extensions().get::<Whole>().is_none() =>
        {
            render(response, &foreign(status), &context.request, http.app.now())
        }
        (None, _) => response,
    };
    let headers = response.headers_mut();
    let mut set = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set("request-id", context.request.as_str());
    set("anthropic-organization-id", http.app.organization());
    if let Some(caller) = context.caller.get() {
        set("anthropic-workspace-id", caller.workspace.as_str());
    }
    response
}

/// The error for a refusal that a framework made on its own.
fn foreign(status: StatusCode) -> Error {
    let reason = status.canonical_reason().unwrap_or("refused");
    if status.is_client_error() {
        return Error::Invalid(format!("the request was refused: {reason}"));
    }
    Error::internal(format!("the framework answered {status}"))
}
