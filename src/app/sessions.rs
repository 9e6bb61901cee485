//! Operations on sessions, and the tokens to act as one.

use secrecy::{ExposeSecret, SecretString};

use super::App;
use crate::db::{NewSessionRow, SessionChange};
use crate::domain::access::{Grant, ToAdmin, ToRead, ToReadSession, ToWrite};
use crate::domain::id::{EventId, SessionId, WorkId};
use crate::domain::json::Json;
use crate::domain::key::KeyHash;
use crate::domain::page::{Paging, TwoWayPage};
use crate::domain::session::{Changes, NewSession, Session, SessionFilter, SessionPatch};
use crate::domain::token::{self, NewToken};
use crate::domain::{Result, attachment};

impl App {
    pub async fn create_session(&self, grant: &Grant<ToWrite>, new: NewSession) -> Result<Session> {
        attachment::check(&new.stores)?;
        self.enroll(grant).await?;
        let row = NewSessionRow {
            id: SessionId::new(&self.suffix()),
            workspace: grant.workspace().clone(),
            work: WorkId::new(&self.suffix()),
            events: self.event_ids(new.events.len()),
            at: self.clock.now(),
            by: grant.attribution(),
            new,
        };
        self.db.create_session(row).await
    }

    pub async fn session(&self, grant: &Grant<ToReadSession>, id: &SessionId) -> Result<Session> {
        self.db.session(grant.session(id)?, id).await
    }

    /// Refuses a session that does not exist for this workspace.
    pub async fn require_session(&self, grant: &Grant<ToWrite>, id: &SessionId) -> Result<()> {
        self.db.session(grant.workspace(), id).await.map(drop)
    }

    pub async fn sessions(
        &self,
        grant: &Grant<ToRead>,
        filter: &SessionFilter,
        paging: &Paging,
    ) -> Result<TwoWayPage<Session>> {
        self.db.sessions(grant.workspace(), filter, paging).await
    }

    /// `told` writes the body of the event that tells what changed.
    pub async fn update_session(
        &self,
        grant: &Grant<ToWrite>,
        id: SessionId,
        patch: SessionPatch,
        told: fn(&Changes) -> Json,
    ) -> Result<Session> {
        self.db.update_session(self.session_change(grant, id), patch, told).await
    }

    /// Ends the session for good, with its work and its tokens.
    pub async fn archive_session(&self, grant: &Grant<ToWrite>, id: SessionId) -> Result<Session> {
        let session = self.db.archive_session(self.session_change(grant, id)).await?;
        self.keys.forget();
        Ok(session)
    }

    /// Deletes the session and its events. The versions that it wrote stay, in its name.
    pub async fn delete_session(&self, grant: &Grant<ToWrite>, id: SessionId) -> Result<()> {
        self.db.delete_session(self.session_change(grant, id)).await?;
        self.keys.forget();
        Ok(())
    }

    /// Makes a token to act as a session with, valid for so many seconds, or as long as the session
    /// is; its secret is in this answer and nowhere else.
    pub async fn create_token(
        &self,
        grant: &Grant<ToAdmin>,
        session: SessionId,
        seconds: Option<i64>,
    ) -> Result<(NewToken, SecretString)> {
        let seconds = seconds.map(token::seconds).transpose()?;
        let (mut new, secret) = self.session_token(session);
        new.expires_at = seconds.map(|seconds| new.created_at.plus_seconds(seconds));
        let workspace = grant.workspace().clone();
        let new = self.db.create_token(workspace, new, grant.attribution()).await?;
        Ok((new, secret))
    }

    /// Ends all tokens of a session, which itself goes on, and says how many there were.
    pub async fn revoke_tokens(&self, grant: &Grant<ToAdmin>, session: SessionId) -> Result<u64> {
        let workspace = grant.workspace().clone();
        let at = self.clock.now();
        let revoked = self.db.revoke_tokens(workspace, session, at, grant.attribution()).await?;
        self.keys.forget();
        Ok(revoked)
    }

    /// A new token and its secret.
    pub(super) fn session_token(&self, session: SessionId) -> (NewToken, SecretString) {
        let secret = self.new_token();
        let hash = KeyHash::of(secret.expose_secret());
        let created_at = self.clock.now();
        let token = NewToken { id: hash.token_id(), hash, session, created_at, expires_at: None };
        (token, secret)
    }

    /// Two IDs for each of so many events.
    pub(super) fn event_ids(&self, events: usize) -> Vec<(EventId, EventId)> {
        let draw = || EventId::new(&self.suffix());
        (0..events).map(|_| (draw(), draw())).collect()
    }

    fn session_change(&self, grant: &Grant<ToWrite>, id: SessionId) -> SessionChange {
        SessionChange {
            workspace: grant.workspace().clone(),
            id,
            event: EventId::new(&self.suffix()),
            at: self.clock.now(),
            by: grant.attribution(),
        }
    }
}
