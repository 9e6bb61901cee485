//! What a credential may do.
//!
//! A [`Caller`] is whoever a credential stands for. Before an operation runs, the caller is turned
//! into a [`Grant`] of the scope that the operation asks for by its type; there is no other way to
//! make one, so no door can reach an operation around the check.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use super::actor::Actor;
use super::id::{ApiKeyId, RequestId, WorkspaceId};
use super::key::KeyHash;
use super::{Error, Result};

/// `Read` is GET; `Write` the other calls of `/v1`; `Redact` redaction, and the deletion of a store
/// (it erases history); `Admin` is `/x/v1`. None implies another.
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

/// Whoever a valid credential stands for. The credential alone decides every field.
#[derive(Clone, Debug)]
pub struct Caller {
    pub workspace: WorkspaceId,
    /// Whether `workspace` is the first one, whose administrators manage the installation.
    pub first_workspace: bool,
    pub actor: Actor,
    pub credential: ApiKeyId,
    pub scopes: Scopes,
    /// The hash of a `--dev` key that nothing has been written with yet.
    pub unenrolled: Option<KeyHash>,
}

/// A scope as a type.
pub trait Required: Send + Sync + 'static {
    const SCOPE: Scope;
}

macro_rules! required {
    ($($name:ident $scope:ident),*) => {$(
        #[derive(Clone, Debug)]
        pub struct $name;
        impl Required for $name {
            const SCOPE: Scope = Scope::$scope;
        }
    )*};
}
required! { ToRead Read, ToWrite Write, ToRedact Redact, ToAdmin Admin }

/// The proof that a caller has the scope `S`, for one request.
#[derive(Clone, Debug)]
pub struct Grant<S> {
    pub caller: Caller,
    pub request: RequestId,
    scope: PhantomData<S>,
}

impl<S: Required> Grant<S> {
    pub fn new(caller: Caller, request: RequestId) -> Result<Self> {
        if caller.scopes.has(S::SCOPE) {
            return Ok(Self { caller, request, scope: PhantomData });
        }
        Err(Error::Forbidden(format!(
            "this credential lacks the scope \"{}\"; it has \"{}\"",
            S::SCOPE,
            caller.scopes
        )))
    }

    pub fn workspace(&self) -> &WorkspaceId {
        &self.caller.workspace
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
            credential: key,
            scopes,
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
        assert!(Grant::<ToAdmin>::new(admin.clone(), RequestId::new("1")).is_ok());
        assert_eq!(
            Grant::<ToRead>::new(admin, RequestId::new("1")).unwrap_err().to_string(),
            "this credential lacks the scope \"read\"; it has \"admin\""
        );
    }
}
