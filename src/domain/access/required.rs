//! What operations ask of a credential, each as a type.

use super::{Scope, Scopes};

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

/// Operations on one session.
pub trait OnSession: Required {}
impl OnSession for ToReadSession {}
impl OnSession for ToWriteSession {}

/// Operations on the queue of one environment.
pub trait OnQueue: Required {}
impl OnQueue for ToWork {}
impl OnQueue for ToHoldWork {}
impl OnQueue for ToSeeQueue {}
