//! Who may do what: the rules, and the proof that they were asked.

use std::marker::PhantomData;

use super::super::attachment::Access;
use super::super::id::{EnvironmentId, RequestId, SessionId, StoreId, TokenId, WorkspaceId};
use super::super::journal::{Attribution, Reason};
use super::{
    Allowed, Caller, Credential, Error, OfWorkspace, OnQueue, OnSession, Reach, Required, Result,
    ToReadStore, ToWriteSession, ToWriteStore,
};

/// The proof that a caller may do what `S` stands for, for one request.
#[derive(Clone, Debug)]
pub struct Grant<S> {
    pub caller: Caller,
    pub request: RequestId,
    /// Why the caller says that something is changed.
    pub reason: Option<Reason>,
    scope: PhantomData<S>,
}

impl<S: Required> Grant<S> {
    /// Who changes something with this grant.
    pub fn attribution(&self) -> Attribution {
        Attribution {
            actor: Some(self.caller.actor.clone()),
            credential: Some(self.caller.credential.clone()),
            request: self.request.clone(),
            reason: self.reason.clone(),
        }
    }

    pub fn new(caller: Caller, request: RequestId, reason: Option<Reason>) -> Result<Self> {
        let Allowed { keys, session_token, environment_key } = S::ALLOWED;
        let may = match &caller.reach {
            Reach::Workspace => keys.take(caller.scopes),
            Reach::Environment(_) => environment_key,
            Reach::Session { .. } => session_token,
        };
        if may {
            return Ok(Self { caller, request, reason, scope: PhantomData });
        }
        Err(Error::Forbidden(match (&caller.reach, keys.scope()) {
            (Reach::Workspace, Some(scope)) => {
                format!("this credential lacks the scope \"{scope}\"; it has \"{}\"", caller.scopes)
            }
            (Reach::Workspace, None) => {
                "an API key is not accepted here: use the environment key".into()
            }
            (Reach::Environment(_), _) => {
                "an environment key is accepted for the work queue of its environment only".into()
            }
            (Reach::Session { .. }, _) => {
                "a session token reaches only its session, its work item, and the memories of the \
                 stores attached to it"
                    .into()
            }
        }))
    }
}

impl<S: OfWorkspace> Grant<S> {
    pub fn workspace(&self) -> &WorkspaceId {
        &self.caller.workspace
    }
}

impl Grant<ToReadStore> {
    /// The workspace of a store that the caller may read; what a session does not have attached does
    /// not exist for it.
    pub fn store(&self, store: &StoreId) -> Result<&WorkspaceId> {
        self.caller.access(store)?;
        Ok(&self.caller.workspace)
    }
}

impl Grant<ToWriteStore> {
    /// That what the caller did not write may be shown to it.
    pub fn is_to_read(&self) -> Result<()> {
        Grant::<ToReadStore>::new(self.caller.clone(), self.request.clone(), None).map(drop)
    }

    /// The same, of a store that the caller may change.
    pub fn store(&self, store: &StoreId) -> Result<&WorkspaceId> {
        match self.caller.access(store)? {
            Access::ReadWrite => Ok(&self.caller.workspace),
            Access::ReadOnly => Err(Error::Forbidden(format!(
                "memory store {store} is attached to this session as read_only"
            ))),
        }
    }
}

impl Grant<ToWriteSession> {
    /// Whether it is the session itself that speaks, through its worker, and no client.
    pub fn is_worker(&self) -> bool {
        matches!(self.caller.reach, Reach::Session { .. })
    }
}

impl<S: OnSession> Grant<S> {
    /// The workspace of a session that the caller may reach.
    pub fn session(&self, id: &SessionId) -> Result<&WorkspaceId> {
        match &self.caller.reach {
            Reach::Session { session, .. } if session != id => {
                Err(Error::not_found(SessionId::WHAT, id))
            }
            _ => Ok(&self.caller.workspace),
        }
    }
}

impl<S: OnQueue> Grant<S> {
    /// The workspace of an environment whose queue the caller may reach.
    pub fn environment(&self, id: &EnvironmentId) -> Result<&WorkspaceId> {
        match &self.caller.reach {
            Reach::Environment(own) if own != id => {
                Err(Error::Forbidden(format!("this is the key of another environment than {id}")))
            }
            _ => Ok(&self.caller.workspace),
        }
    }

    /// The token that asks, and the session that its work has to belong to.
    pub fn session_token(&self) -> Option<(SessionId, TokenId)> {
        match (&self.caller.reach, &self.caller.credential) {
            (Reach::Session { session, .. }, Credential::Token(token)) => {
                Some((session.clone(), token.clone()))
            }
            _ => None,
        }
    }
}
