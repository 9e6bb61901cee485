//! Operations on a session's events.

use super::App;
use crate::db::{Arrivals, SendEvents};
use crate::domain::access::{Grant, ToAdmin, ToReadSession, ToWriteSession};
use crate::domain::event::{self, Event, EventFilter, NewEvent, Sender};
use crate::domain::id::{EventId, SessionId, WorkId, WorkspaceId};
use crate::domain::page::{Page, Paging};
use crate::domain::{Error, Result};

/// Events that are read at once for a stream.
const AT_ONCE: i64 = 100;

impl App {
    pub async fn send_events(
        &self,
        grant: &Grant<ToWriteSession>,
        session: SessionId,
        events: Vec<NewEvent>,
    ) -> Result<Vec<Event>> {
        let workspace = grant.session(&session)?.clone();
        if grant.is_worker() {
            event::check_worker(&events)?;
        }
        self.receive(workspace, session, events, Sender::Client).await
    }

    /// Plays the agent's part, since no model runs here.
    pub async fn play_events(
        &self,
        grant: &Grant<ToAdmin>,
        session: SessionId,
        events: Vec<NewEvent>,
    ) -> Result<Vec<Event>> {
        self.receive(grant.workspace().clone(), session, events, Sender::Harness).await
    }

    async fn receive(
        &self,
        workspace: WorkspaceId,
        session: SessionId,
        events: Vec<NewEvent>,
        sender: Sender,
    ) -> Result<Vec<Event>> {
        let send = SendEvents {
            workspace,
            session,
            sender,
            ids: self.event_ids(events.len()),
            events,
            work: WorkId::new(&self.suffix()),
            at: self.clock.now(),
        };
        self.db.send_events(send).await
    }

    pub async fn events(
        &self,
        grant: &Grant<ToReadSession>,
        session: &SessionId,
        filter: &EventFilter,
        paging: &Paging,
    ) -> Result<Page<Event>> {
        self.db.events(grant.session(session)?, session, filter, paging).await
    }

    /// Follows a session from its last event on, or from behind the one that `after` names.
    pub async fn follow(
        &self,
        grant: &Grant<ToReadSession>,
        session: SessionId,
        after: Option<&str>,
    ) -> Result<Follower> {
        let workspace = grant.session(&session)?.clone();
        // Before anything is read, so that nothing is missed.
        let arrivals = self.db.arrivals();
        let named = match after.map(EventId::parse) {
            Some(Ok(id)) => self.db.event_number(&session, &id).await?,
            Some(Err(_)) | None => None,
        };
        // After the event: that of a session that is being erased may be gone already.
        let last = self.db.last_event(&workspace, &session).await?;
        let seq = match after {
            None => last,
            Some(id) => named.ok_or_else(|| {
                Error::Invalid(format!("Last-Event-ID: {id:?} is no event of this session"))
            })?,
        };
        Ok(Follower { workspace, session, seq, quiet: false, arrivals })
    }

    /// The next events; none where nothing came for a while. May be dropped while it waits.
    pub async fn next_events(&self, follower: &mut Follower) -> Result<Vec<Event>> {
        if follower.quiet {
            follower.arrivals.next().await;
            follower.quiet = false;
        }
        self.look(follower).await
    }

    /// The events that have come by now.
    pub async fn look(&self, follower: &mut Follower) -> Result<Vec<Event>> {
        let Follower { workspace, session, seq, quiet, .. } = follower;
        let events = self.db.events_behind(workspace, session, *seq, AT_ONCE).await?;
        *quiet = events.is_empty();
        if let Some(last) = events.last() {
            *seq = last.seq;
        }
        Ok(events)
    }
}

/// Where somebody who follows a session's events stands.
pub struct Follower {
    workspace: WorkspaceId,
    pub session: SessionId,
    seq: i64,
    /// Whether the last look found nothing.
    quiet: bool,
    arrivals: Arrivals,
}
