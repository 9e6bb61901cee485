//! Names of actors, where they are known: a session's title, the name of a key, of a user or of a
//! service account. Each is asked for once; whoever may not know it sees the ID.

use std::collections::{HashMap, HashSet};

use reqwest::Method;
use serde::Deserialize;

use super::Failure;
use crate::client::Client;
use crate::client::pages::Items;
use crate::client::store::{SESSIONS_BETA, StoreApi, View};
use crate::history::author;
use crate::history::text::one_line;
use crate::wire::actor::Actor;
use crate::wire::admin::ApiKey;

/// Actors that a message lists at most.
const MOST: usize = 20;

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

    /// The ID of the only one who is shown so, of all who wrote a version of the store.
    pub async fn actor(&mut self, store: &StoreApi, shown: &str) -> Result<String, Failure> {
        let mut versions = Items::from(store.versions(&[], View::Basic).ahead());
        let (mut seen, mut all) = (HashSet::new(), Vec::new());
        while let Some(version) = versions.next().await? {
            if let Some(id) = author(&version).filter(|id| !seen.contains(*id)) {
                seen.insert(id.to_owned());
                all.push((id.to_owned(), self.of(version.created_by.as_ref()).await));
            }
        }
        let mut called: Vec<_> = all.iter().filter(|(_, name)| name == shown).collect();
        let asked = one_line(shown);
        match (called.pop(), called.pop()) {
            (Some((id, _)), None) => Ok(id.clone()),
            (None, _) => Err(Failure::Usage(format!(
                "nobody who wrote in this store is shown as {asked}: {}",
                listed(&all)
            ))),
            _ => {
                all.retain(|(_, name)| name == shown);
                let count = all.len();
                Err(Failure::Usage(format!("{count} are shown as {asked}: {}", listed(&all))))
            }
        }
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

/// Some actors, by name and ID.
fn listed(actors: &[(String, String)]) -> String {
    let shown = actors.iter().take(MOST).map(|(id, name)| format!("{name} ({id})"));
    let mut shown: Vec<_> = shown.collect();
    if actors.len() > MOST {
        shown.push(format!("and {} more", actors.len() - MOST));
    }
    if shown.is_empty() { "nobody did".to_owned() } else { shown.join(", ") }
}
