//! Names of actors, where they are known: a session's title, the name of a key, of a user or of a
//! service account. Each is asked for once; whoever may not know it sees the ID.

use std::collections::HashMap;

use reqwest::Method;
use serde::Deserialize;

use crate::client::Client;
use crate::client::store::SESSIONS_BETA;
use crate::history::text::one_line;
use crate::wire::actor::Actor;
use crate::wire::admin::ApiKey;

#[derive(Deserialize)]
struct Session {
    title: Option<String>,
}

pub struct Names {
    client: Client,
    /// What is shown of an ID that was asked for.
    known: HashMap<String, String>,
    keys_are_known: bool,
}

impl Names {
    pub fn new(client: Client) -> Self {
        Self { client, known: HashMap::new(), keys_are_known: false }
    }

    /// A name, or where none is known the ID.
    pub async fn of(&mut self, actor: Option<&Actor>) -> String {
        let Some(actor) = actor else { return "-".to_owned() };
        let id = actor.id();
        if let Some(known) = self.known.get(id) {
            return known.clone();
        }
        let name = match actor {
            Actor::SessionActor { session_id } => self.session(session_id).await,
            _ => self.key(id).await,
        };
        let shown = name.map_or_else(|| id.to_owned(), |name| one_line(&name).into_owned());
        self.known.insert(id.to_owned(), shown.clone());
        shown
    }

    async fn session(&self, id: &str) -> Option<String> {
        if !crate::client::store::is_id(id, "sesn_") {
            return None;
        }
        let client = self.client.with_beta(SESSIONS_BETA);
        let path = format!("/v1/sessions/{id}");
        let found = client.call::<Session>(Method::GET, &path, &[], None::<&()>).await;
        found.ok()?.title.filter(|title| !title.is_empty())
    }

    /// Only an administrator of a memstored may list keys.
    async fn key(&mut self, id: &str) -> Option<String> {
        if !self.keys_are_known {
            self.keys_are_known = true;
            let keys = self.client.list::<ApiKey>("/x/v1/api_keys", &[]).await;
            for key in keys.unwrap_or_default() {
                let name = key.actor_name.unwrap_or(key.name);
                let actor = key.actor.id().to_owned();
                self.known.insert(actor, one_line(&name).into_owned());
            }
        }
        self.known.get(id).cloned()
    }
}
