//! Events of a session as they come: server-sent events (contract 5.5).
//!
//! A stream begins behind the session's last event when it is opened, so whoever opens it and then lists
//! misses nothing. It holds no connection to the database while it waits.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::IntoResponse;
use futures_util::stream;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::auth::{self, Granted};
use super::path::Ids;
use super::socket::Streaming;
use super::{Answer, Http};
use crate::app::Follower;
use crate::domain::access::ToReadSession;
use crate::domain::event::Event;
use crate::domain::id::{EventId, SessionId, suffix_of_hash};
use crate::domain::{Error, Result};
use crate::wire::event::{answered, deleted};

const PING: &str = "event: ping\ndata: {\"type\":\"ping\"}\n\n";

pub async fn stream(
    State(http): State<Arc<Http>>,
    Granted(grant): Granted<ToReadSession>,
    ids: Ids,
    headers: HeaderMap,
) -> Answer {
    let after = last_event_id(&headers)?;
    let secret = SecretString::from(auth::secret(&headers)?.to_owned());
    let follower = http.app.follow(&grant, ids.session()?, after).await?;
    let now = Instant::now();
    let state =
        Following { http, follower, secret, checked: now, pinged: now, leaving: None, over: false };
    let frames = stream::unfold(state, |mut state| async move {
        let frame = state.next().await?;
        Some((Ok::<_, std::convert::Infallible>(Bytes::from(frame)), state))
    });
    let kind = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-cache"),
        // nginx would hold frames back until it has some kilobytes.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    let mut response = (kind, Body::from_stream(frames)).into_response();
    response.extensions_mut().insert(Streaming);
    Ok(response)
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<&str>> {
    let Some(value) = headers.get("last-event-id").filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let text = value.to_str().map_err(|_| Error::invalid("Last-Event-ID is no event's ID"))?;
    Ok(Some(text))
}

/// How often it is asked whether the credential is still good.
const CHECK_EVERY: Duration = Duration::from_secs(1);
/// How long a stream that ends goes on to tell what came before: a part of what a server's end takes.
const FAREWELL: Duration = Duration::from_secs(3);

struct Following {
    http: Arc<Http>,
    follower: Follower,
    secret: SecretString,
    checked: Instant,
    /// When something was last sent.
    pinged: Instant,
    /// Until when what came before the end is told, where that has come.
    leaving: Option<Instant>,
    over: bool,
}

impl Following {
    /// The next frames; `None` where the stream is over.
    async fn next(&mut self) -> Option<String> {
        while !self.over {
            if let Some(until) = self.leaving {
                return self.farewell(until).await;
            }
            let ending = self.http.app.ending().clone();
            let ping = self.http.settings.timeouts.ping;
            let next = tokio::select! {
                () = ending.cancelled() => {
                    self.leave();
                    continue;
                }
                () = tokio::time::sleep_until(self.pinged + ping) => Ok(Vec::new()),
                () = tokio::time::sleep_until(self.checked + CHECK_EVERY) => Ok(Vec::new()),
                next = self.http.app.next_events(&mut self.follower) => next,
            };
            if self.checked.elapsed() >= CHECK_EVERY && self.is_refused().await {
                self.leave();
            }
            match next {
                Ok(events) if !events.is_empty() => {
                    self.pinged = Instant::now();
                    return Some(events.iter().map(frame).collect());
                }
                Ok(_) if self.leaving.is_none() && self.pinged.elapsed() >= ping => {
                    self.pinged = Instant::now();
                    return Some(PING.into());
                }
                Ok(_) => {}
                Err(error) => return self.end(&error),
            }
        }
        None
    }

    /// A stream ends with its credential; one that can't be looked up now is looked up again.
    async fn is_refused(&mut self) -> bool {
        self.checked = Instant::now();
        let caller = self.http.app.authenticate(self.secret.expose_secret()).await;
        matches!(caller, Err(Error::Unauthenticated(_)))
    }

    /// The server ends, or the credential does.
    fn leave(&mut self) {
        self.leaving = Some(Instant::now() + FAREWELL);
    }

    /// The next of what came before the end: a session that is archived or deleted takes its tokens with it.
    async fn farewell(&mut self, until: Instant) -> Option<String> {
        if Instant::now() < until {
            match tokio::time::timeout_at(until, self.http.app.look(&mut self.follower)).await {
                Ok(Ok(events)) if !events.is_empty() => {
                    return Some(events.iter().map(frame).collect());
                }
                Ok(Err(error)) => return self.end(&error),
                Ok(Ok(_)) | Err(_) => {}
            }
        }
        self.over = true;
        None
    }

    /// A deleted session says so; on any other error clients come again.
    fn end(&mut self, error: &Error) -> Option<String> {
        self.over = true;
        if matches!(error, Error::NotFound { .. }) {
            let id = deletion(&self.follower.session);
            let event = deleted(id.as_str(), self.http.app.now());
            return Some(framed(id.as_str(), crate::domain::session::DELETED, &event.to_string()));
        }
        tracing::warn!(%error, "a stream of events was cut off");
        None
    }
}

/// The ID of the event that tells of a deletion: the same in every stream and instance.
fn deletion(session: &SessionId) -> EventId {
    let hash = Sha256::new().chain_update("deleted ").chain_update(session.as_str()).finalize();
    EventId::new(&suffix_of_hash(&hash.into()))
}

fn frame(event: &Event) -> String {
    framed(event.id.as_str(), &event.kind, &answered(event).to_string())
}

/// JSON is written on one line.
fn framed(id: &str, kind: &str, data: &str) -> String {
    format!("id: {id}\nevent: {kind}\ndata: {data}\n\n")
}
