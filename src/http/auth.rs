//! From a request's headers to a grant, in this order: credential, headers, rate, scope (contract 1.2
//! to 1.5).

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};

use super::edge::Context;
use super::{ApiError, Http};
use crate::domain::access::{Caller, Grant, Required};
use crate::domain::id::WorkspaceId;
use crate::domain::journal::{REASON_CHARS, Reason};
use crate::domain::{Error, Result};

const BETA: &str = "anthropic-beta";
const MEMORY: &str = "agent-memory-2026-07-22";
const AGENTS: &str = "managed-agents-2026-04-01";
const VERSION: &str = "anthropic-version";
const VERSIONS: [&str; 2] = ["2023-06-01", "2026-10-21"];
const WORKSPACE: &str = "anthropic-workspace-id";
const REASON: &str = "memstored-reason";

/// A credential that has the scope `S`.
pub struct Granted<S>(pub Grant<S>);

impl<S: Required> FromRequestParts<Arc<Http>> for Granted<S> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, http: &Arc<Http>) -> Result<Self, ApiError> {
        let secret = secret(&parts.headers)?;
        let caller = http.app.authenticate(secret).await?;
        let Some(context) = parts.extensions.get::<Context>() else {
            return Err(Error::internal("a handler runs without the edge around it").into());
        };
        let _ = context.caller.set(caller.clone());
        if !http.settings.lenient_headers {
            check_version(&parts.headers)?;
            check_beta(&parts.headers, betas(parts.uri.path()))?;
        }
        check_workspace(&parts.headers, &caller)?;
        let reason = reason(&parts.method, &parts.headers)?;
        http.settings.rate.take(&caller.credential)?;
        Ok(Self(Grant::new(caller, context.request.clone(), reason)?))
    }
}

/// The secret, from whichever header it came in.
pub fn secret(headers: &HeaderMap) -> Result<&str> {
    let refuse = |message: &str| Err(Error::Unauthenticated(message.to_owned()));
    let mut found = None;
    let bearer = headers.get_all(header::AUTHORIZATION).iter().map(|value| (true, value));
    let plain = headers.get_all("x-api-key").iter().map(|value| (false, value));
    for (is_bearer, value) in bearer.chain(plain) {
        let Ok(text) = value.to_str() else {
            return refuse("the credential has characters that no API key has");
        };
        let secret = match (is_bearer, text.split_once(' ')) {
            (false, _) => text,
            (true, Some((scheme, secret))) if scheme.eq_ignore_ascii_case("bearer") => secret,
            (true, _) => return refuse("the Authorization header must be \"Bearer <API key>\""),
        };
        let secret = secret.trim();
        if secret.is_empty() {
            return refuse("the credential is empty");
        }
        if found.is_some_and(|other| other != secret) {
            return refuse("the request has two different credentials: send one");
        }
        found = Some(secret);
    }
    found.map_or_else(|| refuse("x-api-key header or Authorization header is required"), Ok)
}

fn check_version(headers: &HeaderMap) -> Result<()> {
    for value in headers.get_all(VERSION) {
        if !VERSIONS.iter().any(|known| value == known) {
            return Err(Error::Invalid(format!(
                "{VERSION}: {:?} is not a version of this API; accepted are {}",
                String::from_utf8_lossy(value.as_bytes()),
                VERSIONS.join(" and ")
            )));
        }
    }
    Ok(())
}

/// The betas of which a request has to name one: those of the hosted service, which has no `/x`.
fn betas(path: &str) -> &'static [&'static str] {
    match path {
        _ if path.starts_with("/x/") => &[],
        _ if path.starts_with("/v1/memory_stores") => &[MEMORY, AGENTS],
        _ => &[AGENTS],
    }
}

/// Unknown values are ignored: clients add betas faster than servers ship.
fn check_beta(headers: &HeaderMap, betas: &[&str]) -> Result<()> {
    let values = headers.get_all(BETA).iter().filter_map(|value| value.to_str().ok());
    let named = values.flat_map(|value| value.split(',')).any(|beta| betas.contains(&beta.trim()));
    if named || betas.is_empty() {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "the {BETA} header is required and must contain {}",
        betas.join(" or ")
    )))
}

/// The header is optional; when sent it must name the credential's workspace.
fn check_workspace(headers: &HeaderMap, caller: &Caller) -> Result<()> {
    for value in headers.get_all(WORKSPACE) {
        let text = String::from_utf8_lossy(value.as_bytes());
        let suffix = text.strip_prefix(WorkspaceId::PREFIX).unwrap_or_default();
        if suffix.is_empty() || !suffix.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(Error::Invalid(format!(
                "{WORKSPACE} must be a workspace ID ({}…); got {text:?}",
                WorkspaceId::PREFIX
            )));
        }
        if text != caller.workspace.as_str() {
            return Err(Error::not_found(WorkspaceId::WHAT, &text));
        }
    }
    Ok(())
}

/// Why something is changed. What only reads has no use for it, and ignores it.
fn reason(method: &Method, headers: &HeaderMap) -> Result<Option<Reason>> {
    if method.is_safe() {
        return Ok(None);
    }
    let mut values = headers.get_all(REASON).iter();
    match (values.next(), values.next()) {
        (_, Some(_)) => Err(Error::Invalid(format!(
            "{REASON} must be given at most once, as 1 to {REASON_CHARS} characters of UTF-8"
        ))),
        (value, None) => value.map(|value| Reason::parse(REASON, value.as_bytes())).transpose(),
    }
}
