//! Who changed something (contract 4). The prefix of an actor's ID tells its kind.

use super::id::{ApiKeyId, ServiceAccountId, SessionId, UserId};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Actor {
    ApiKey(ApiKeyId),
    User(UserId),
    ServiceAccount(ServiceAccountId),
    Session(SessionId),
}

impl Actor {
    pub fn id(&self) -> &str {
        match self {
            Self::ApiKey(id) => id.as_str(),
            Self::User(id) => id.as_str(),
            Self::ServiceAccount(id) => id.as_str(),
            Self::Session(id) => id.as_str(),
        }
    }

    /// Reads an ID that this server wrote itself.
    pub fn stored(id: String) -> Option<Self> {
        let prefix = &id[..=id.find('_')?];
        match prefix {
            ApiKeyId::PREFIX => Some(Self::ApiKey(ApiKeyId::stored(id))),
            UserId::PREFIX => Some(Self::User(UserId::stored(id))),
            ServiceAccountId::PREFIX => Some(Self::ServiceAccount(ServiceAccountId::stored(id))),
            SessionId::PREFIX => Some(Self::Session(SessionId::stored(id))),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_tells_the_kind() {
        for id in ["apikey_1", "user_1", "svac_1", "sesn_1"] {
            assert_eq!(Actor::stored(id.into()).unwrap().id(), id);
        }
        assert_eq!(Actor::stored("memver_1".into()), None);
        assert_eq!(Actor::stored("nobody".into()), None);
    }
}
