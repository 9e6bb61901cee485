//! What a credential may do.
//!
//! A [`Caller`] is whoever a credential stands for. Before an operation runs, the caller is turned
//! into a [`Grant`] of the scope that the operation asks for by its type; there is no other way to
//! make one, so no door can reach an operation around the check.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use std::sync::Arc;

use super::actor::Actor;
use super::attachment::Access;
use super::id::{ApiKeyId, EnvironmentId, RequestId, SessionId, StoreId, TokenId, WorkspaceId};
use super::journal::{Attribution, Reason};
use super::key::KeyHash;
use super::time::Timestamp;
use super::{Error, Result};

/// `Read` is GET; `Write` the other calls of `/v1`; `Redact` redaction, and the deletion of a store
/// (it erases history); `Admin` is `/x/v1`, but for what each credential may know of itself. None
/// implies another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    Read,
    Write,
    Redact,
    Admin,
}

impl Scope {
    pub const ALL: [Self; 4] = [Self::Read, Self::Write, Self::Redact, Self::Admin];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Redact => "redact",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or_else(|| {
            Error::Invalid(format!("scopes must be of read, write, redact and admin; got {text:?}"))
        })
    }
}

/// A set of scopes, written as their names with commas between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scopes {
    pub const ALL: Self = Self(0b1111);

    pub fn of(scopes: impl IntoIterator<Item = Scope>) -> Self {
        Self(scopes.into_iter().fold(0, |set, scope| set | 1 << scope as u8))
    }

    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.has(*scope))
    }

    pub fn has(self, scope: Scope) -> bool {
        self.0 & 1 << scope as u8 != 0
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl Default for Scopes {
    fn default() -> Self {
        Self::of([Scope::Read, Scope::Write])
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.iter().map(Scope::as_str).collect();
        f.write_str(&names.join(","))
    }
}

impl FromStr for Scopes {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        text.split(',').filter(|name| !name.is_empty()).map(Scope::from_str).collect()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self::of(scopes)
    }
}

/// What a caller has shown.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Credential {
    Key(ApiKeyId),
    Token(TokenId),
}

impl Credential {
    /// Reads an ID that this server wrote itself.
    pub fn stored(id: String) -> Option<Self> {
        if id.starts_with(ApiKeyId::PREFIX) {
            return Some(Self::Key(ApiKeyId::stored(id)));
        }
        id.starts_with(TokenId::PREFIX).then(|| Self::Token(TokenId::stored(id)))
    }

    pub fn as_str(&self) -> &str {
        match self {
            Self::Key(id) => id.as_str(),
            Self::Token(id) => id.as_str(),
        }
    }
}

/// How far a credential reaches.
#[derive(Clone, Debug)]
pub enum Reach {
    /// An API key: all of its workspace, as its scopes allow.
    Workspace,
    /// An environment key: the work queue of one environment.
    Environment(EnvironmentId),
    /// A session token: its session, and the stores attached to that.
    Session { session: SessionId, stores: Arc<[(StoreId, Access)]> },
}

/// Whoever a valid credential stands for. The credential alone decides every field.
#[derive(Clone, Debug)]
pub struct Caller {
    pub workspace: WorkspaceId,
    /// Whether `workspace` is the first one, whose administrators manage the installation.
    pub first_workspace: bool,
    pub actor: Actor,
    pub credential: Credential,
    /// Of an API key; the others have none.
    pub scopes: Scopes,
    pub reach: Reach,
    /// The hash of a `--dev` key that nothing has been written with yet.
    pub unenrolled: Option<KeyHash>,
}

/// A caller, and what is kept of its credential.
#[derive(Clone, Debug)]
pub struct Identity {
    pub caller: Caller,
    /// Of a key that is kept.
    pub name: Option<String>,
    pub actor_name: Option<String>,
    pub expires_at: Option<Timestamp>,
}

/// Which API keys may ask for an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    None,
    With(Scope),
    /// Whatever their scopes are.
    All,
}

impl Keys {
    /// The scope that a key needs.
    pub const fn scope(self) -> Option<Scope> {
        match self {
            Self::With(scope) => Some(scope),
            Self::None | Self::All => None,
        }
    }

    pub fn take(self, scopes: Scopes) -> bool {
        match self {
            Self::None => false,
            Self::With(scope) => scopes.has(scope),
            Self::All => true,
        }
    }
}

/// Who may ask for an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowed {
    pub keys: Keys,
    pub session_token: bool,
    pub environment_key: bool,
}

/// What an operation asks of a credential, as a type.
pub trait Required: Send + Sync + 'static {
    const ALLOWED: Allowed;
}

/// Operations whose reach is the workspace.
pub trait OfWorkspace: Required {}

macro_rules! required {
    ($($(#[$doc:meta])* $name:ident $keys:expr, $session:literal, $environment:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name;
        impl Required for $name {
            const ALLOWED: Allowed = Allowed {
                keys: $keys,
                session_token: $session,
                environment_key: $environment,
            };
        }
    )*};
}
required! {
    ToRead Keys::With(Scope::Read), false, false;
    ToWrite Keys::With(Scope::Write), false, false;
    ToRedact Keys::With(Scope::Redact), false, false;
    ToAdmin Keys::With(Scope::Admin), false, false;
    /// Within one store.
    ToReadStore Keys::With(Scope::Read), true, false;
    ToWriteStore Keys::With(Scope::Write), true, false;
    /// One session.
    ToReadSession Keys::With(Scope::Read), true, false;
    ToWriteSession Keys::With(Scope::Write), true, false;
    /// To take work.
    ToWork Keys::None, false, true;
    /// To hold work, and to stop it.
    ToHoldWork Keys::With(Scope::Write), true, true;
    ToSeeQueue Keys::With(Scope::Read), false, true;
    /// What the credential itself is and may do: no answer tells more than its holder has.
    ToSeeItself Keys::All, true, true;
}
impl OfWorkspace for ToRead {}
impl OfWorkspace for ToWrite {}
impl OfWorkspace for ToRedact {}
impl OfWorkspace for ToAdmin {}

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

/// Operations on one session.
pub trait OnSession: Required {}
impl OnSession for ToReadSession {}
impl OnSession for ToWriteSession {}

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

/// Operations on the queue of one environment.
pub trait OnQueue: Required {}
impl OnQueue for ToWork {}
impl OnQueue for ToHoldWork {}
impl OnQueue for ToSeeQueue {}

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

impl Caller {
    fn access(&self, store: &StoreId) -> Result<Access> {
        match &self.reach {
            Reach::Workspace => Ok(Access::ReadWrite),
            Reach::Session { stores, .. } => stores
                .iter()
                .find(|(attached, _)| attached == store)
                .map(|(_, access)| *access)
                .ok_or_else(|| Error::not_found(StoreId::WHAT, store)),
            Reach::Environment(_) => Err(Error::not_found(StoreId::WHAT, store)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(scopes: Scopes) -> Caller {
        let key = ApiKeyId::new("1");
        Caller {
            workspace: WorkspaceId::new("1"),
            first_workspace: true,
            actor: Actor::ApiKey(key.clone()),
            credential: Credential::Key(key),
            scopes,
            reach: Reach::Workspace,
            unenrolled: None,
        }
    }

    #[test]
    fn scopes_are_written_in_one_order_and_read_back() {
        let scopes: Scopes = "redact,read".parse().unwrap();
        assert_eq!(scopes.to_string(), "read,redact");
        assert_eq!("".parse::<Scopes>().unwrap().to_string(), "");
        assert!("root".parse::<Scopes>().is_err());
    }

    #[test]
    fn admin_implies_nothing_else() {
        let admin = caller(Scopes::of([Scope::Admin]));
        assert!(granted::<ToAdmin>(admin.clone()).is_ok());
        assert_eq!(
            granted::<ToRead>(admin).unwrap_err().to_string(),
            "this credential lacks the scope \"read\"; it has \"admin\""
        );
    }
    fn of_session(access: Access) -> Caller {
        let stores = Arc::from([(StoreId::new("1"), access)]);
        let session = SessionId::new("1");
        Caller {
            actor: Actor::Session(session.clone()),
            credential: Credential::Token(TokenId::new("1")),
            reach: Reach::Session { session, stores },
            ..caller(Scopes::of([]))
        }
    }

    fn granted<S: Required>(caller: Caller) -> Result<Grant<S>> {
        Grant::new(caller, RequestId::new("1"), None)
    }

    #[test]
    fn a_session_token_reaches_its_stores_and_no_others() {
        let grant = granted::<ToReadStore>(of_session(Access::ReadOnly)).unwrap();
        assert!(grant.store(&StoreId::new("1")).is_ok());
        assert!(matches!(grant.store(&StoreId::new("2")), Err(Error::NotFound { .. })));
    }

    #[test]
    fn a_read_only_store_is_not_written_to() {
        let store = StoreId::new("1");
        let writes = |access| granted::<ToWriteStore>(of_session(access)).unwrap();
        assert!(writes(Access::ReadWrite).store(&store).is_ok());
        let refused = writes(Access::ReadOnly);
        assert!(matches!(refused.store(&store), Err(Error::Forbidden(_))));
    }

    #[test]
    fn a_session_token_neither_redacts_nor_administers_nor_takes_work() {
        let token = || of_session(Access::ReadWrite);
        assert!(granted::<ToRedact>(token()).is_err());
        assert!(granted::<ToAdmin>(token()).is_err());
        assert!(granted::<ToRead>(token()).is_err());
        assert!(granted::<ToWork>(token()).is_err());
        assert!(granted::<ToHoldWork>(token()).is_ok());
    }

    #[test]
    fn every_credential_may_see_itself() {
        assert!(granted::<ToSeeItself>(of_session(Access::ReadOnly)).is_ok());
        for scope in Scope::ALL {
            assert!(granted::<ToSeeItself>(caller(Scopes::of([scope]))).is_ok());
        }
        let reach = Reach::Environment(EnvironmentId::new("1"));
        let key = Caller { reach, ..caller(Scopes::of([])) };
        assert!(granted::<ToSeeItself>(key).is_ok());
    }

    #[test]
    fn an_environment_key_reaches_its_own_queue() {
        let reach = Reach::Environment(EnvironmentId::new("1"));
        let key = || Caller { reach: reach.clone(), ..caller(Scopes::of([])) };
        let grant = granted::<ToWork>(key()).unwrap();
        assert!(grant.environment(&EnvironmentId::new("1")).is_ok());
        assert!(matches!(grant.environment(&EnvironmentId::new("2")), Err(Error::Forbidden(_))));
        assert!(granted::<ToReadStore>(key()).is_err());
        assert!(granted::<ToReadSession>(key()).is_err());
    }
}
