//! A session with what it needs: an agent, a self-hosted environment, and stores.

use serde_json::{Value, json};

use super::Server;
use super::server::text;

pub struct Stage {
    pub agent: String,
    pub environment: String,
    /// Attached to be written to, and to be read only.
    pub stores: [String; 2],
    pub session: String,
}

impl Stage {
    pub async fn new(server: &Server) -> Self {
        let agent = json!({"name": "researcher", "model": "claude-opus-5-5"});
        let agent = text(&server.post("/v1/agents", agent).await.ok(), "id").to_owned();
        let environment = json!({"name": "workshop", "config": {"type": "self_hosted"}});
        let environment = server.post("/v1/environments", environment).await.ok();
        let environment = text(&environment, "id").to_owned();
        let mut stores = [String::new(), String::new()];
        for (store, name) in stores.iter_mut().zip(["Research Notes", "House Rules"]) {
            let made = server.post("/v1/memory_stores", json!({"name": name})).await.ok();
            text(&made, "id").clone_into(store);
        }
        let mut stage = Self { agent, environment, stores, session: String::new() };
        stage.session = text(&stage.another(server).await, "id").to_owned();
        stage
    }

    /// What a session is made with.
    pub fn wanted(&self) -> Value {
        json!({
            "agent": self.agent,
            "environment_id": self.environment,
            "resources": [
                {"type": "memory_store", "memory_store_id": self.stores[0]},
                {"type": "memory_store", "memory_store_id": self.stores[1], "access": "read_only"},
            ],
        })
    }

    /// Another session of the same kind.
    pub async fn another(&self, server: &Server) -> Value {
        server.post("/v1/sessions", self.wanted()).await.ok()
    }

    pub fn path(&self) -> String {
        format!("/v1/sessions/{}", self.session)
    }

    pub fn queue(&self) -> String {
        format!("/v1/environments/{}/work", self.environment)
    }

    /// A token to act as the session.
    pub async fn token(&self, server: &Server) -> String {
        let path = format!("/x/v1/sessions/{}/tokens", self.session);
        text(&server.call("POST", &path, None).await.ok(), "token").to_owned()
    }

    /// A key of the environment.
    pub async fn environment_key(&self, server: &Server) -> String {
        let body = json!({"name": "workers", "environment_id": self.environment});
        text(&server.post("/x/v1/api_keys", body).await.ok(), "key").to_owned()
    }

    /// Sends events as a client.
    pub async fn send(&self, server: &Server, events: Value) -> Value {
        let path = format!("{}/events", self.path());
        server.post(&path, json!({"events": events})).await.ok()
    }

    /// Sends events as the agent's side.
    pub async fn play(&self, server: &Server, events: Value) -> Value {
        let path = format!("/x{}/events", self.path());
        server.post(&path, json!({"events": events})).await.ok()
    }
}
