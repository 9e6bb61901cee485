//! Actors (contract 4).

use serde::{Deserialize, Serialize};

use crate::domain::actor;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Actor {
    ApiActor { api_key_id: String },
    UserActor { user_id: String },
    ServiceAccountActor { service_account_id: String },
    SessionActor { session_id: String },
}

impl Actor {
    pub fn id(&self) -> &str {
        match self {
            Self::ApiActor { api_key_id: id }
            | Self::UserActor { user_id: id }
            | Self::ServiceAccountActor { service_account_id: id }
            | Self::SessionActor { session_id: id } => id,
        }
    }
}

impl From<&actor::Actor> for Actor {
    fn from(actor: &actor::Actor) -> Self {
        let id = actor.id().to_owned();
        match actor {
            actor::Actor::ApiKey(_) => Self::ApiActor { api_key_id: id },
            actor::Actor::User(_) => Self::UserActor { user_id: id },
            actor::Actor::ServiceAccount(_) => Self::ServiceAccountActor { service_account_id: id },
            actor::Actor::Session(_) => Self::SessionActor { session_id: id },
        }
    }
}
