//! Every route there is. The router, the access matrix and the comparison with `openapi.yaml` all
//! come from this table.

use std::sync::Arc;

use axum::http::Method;
use axum::routing::{MethodRouter, delete, get, post};

use super::{
    Http, agents, api_keys, environments, events, memories, sessions, stores, stream, system,
    versions, work, workspaces,
};
use crate::domain::access::{
    Allowed, Required, ToAdmin, ToHoldWork, ToRead, ToReadSession, ToReadStore, ToRedact,
    ToSeeQueue, ToWork, ToWrite, ToWriteSession, ToWriteStore,
};

pub struct Route {
    pub method: Method,
    pub path: &'static str,
    /// Whom the handler's grant lets in; `None` needs no credential.
    pub allowed: Option<Allowed>,
    pub(super) handler: fn() -> MethodRouter<Arc<Http>>,
}

macro_rules! routes {
    ($($method:ident $path:literal $allowed:expr => $router:ident $handler:path;)*) => {
        vec![$(Route {
            method: Method::$method,
            path: $path,
            allowed: $allowed,
            handler: || $router($handler),
        }),*]
    };
}

/// What a grant of the type lets in.
const fn of<S: Required>() -> Option<Allowed> {
    Some(S::ALLOWED)
}

pub fn table() -> Vec<Route> {
    [memory(), sessions(), queue(), own()].into_iter().flatten().collect()
}

fn memory() -> Vec<Route> {
    routes! {
        POST "/v1/memory_stores" of::<ToWrite>() => post stores::create;
        GET "/v1/memory_stores" of::<ToRead>() => get stores::list;
        GET "/v1/memory_stores/{memory_store_id}" of::<ToReadStore>() => get stores::retrieve;
        POST "/v1/memory_stores/{memory_store_id}" of::<ToWrite>() => post stores::update;
        DELETE "/v1/memory_stores/{memory_store_id}" of::<ToRedact>() => delete stores::delete;
        POST "/v1/memory_stores/{memory_store_id}/archive" of::<ToWrite>() => post stores::archive;

        POST "/v1/memory_stores/{memory_store_id}/memories" of::<ToWriteStore>() =>
            post memories::create;
        GET "/v1/memory_stores/{memory_store_id}/memories" of::<ToReadStore>() =>
            get memories::list;
        GET "/v1/memory_stores/{memory_store_id}/memories/{memory_id}" of::<ToReadStore>() =>
            get memories::retrieve;
        POST "/v1/memory_stores/{memory_store_id}/memories/{memory_id}" of::<ToWriteStore>() =>
            post memories::update;
        DELETE "/v1/memory_stores/{memory_store_id}/memories/{memory_id}" of::<ToWriteStore>() =>
            delete memories::delete;

        GET "/v1/memory_stores/{memory_store_id}/memory_versions" of::<ToReadStore>() =>
            get versions::list;
        GET "/v1/memory_stores/{memory_store_id}/memory_versions/{memory_version_id}"
            of::<ToReadStore>() => get versions::retrieve;
        POST "/v1/memory_stores/{memory_store_id}/memory_versions/{memory_version_id}/redact"
            of::<ToRedact>() => post versions::redact;
    }
}

fn sessions() -> Vec<Route> {
    routes! {
        POST "/v1/agents" of::<ToWrite>() => post agents::create;
        GET "/v1/agents" of::<ToRead>() => get agents::list;
        GET "/v1/agents/{agent_id}" of::<ToRead>() => get agents::retrieve;
        POST "/v1/agents/{agent_id}" of::<ToWrite>() => post agents::update;
        POST "/v1/agents/{agent_id}/archive" of::<ToWrite>() => post agents::archive;
        GET "/v1/agents/{agent_id}/versions" of::<ToRead>() => get agents::versions;

        POST "/v1/environments" of::<ToWrite>() => post environments::create;
        GET "/v1/environments" of::<ToRead>() => get environments::list;
        GET "/v1/environments/{environment_id}" of::<ToRead>() => get environments::retrieve;
        POST "/v1/environments/{environment_id}" of::<ToWrite>() => post environments::update;
        DELETE "/v1/environments/{environment_id}" of::<ToWrite>() => delete environments::delete;
        POST "/v1/environments/{environment_id}/archive" of::<ToWrite>() =>
            post environments::archive;

        POST "/v1/sessions" of::<ToWrite>() => post sessions::create;
        GET "/v1/sessions" of::<ToRead>() => get sessions::list;
        GET "/v1/sessions/{session_id}" of::<ToReadSession>() => get sessions::retrieve;
        POST "/v1/sessions/{session_id}" of::<ToWrite>() => post sessions::update;
        DELETE "/v1/sessions/{session_id}" of::<ToWrite>() => delete sessions::delete;
        POST "/v1/sessions/{session_id}/archive" of::<ToWrite>() => post sessions::archive;
        GET "/v1/sessions/{session_id}/resources" of::<ToReadSession>() => get sessions::resources;
        POST "/v1/sessions/{session_id}/resources" of::<ToWrite>() => post sessions::add_resource;
        POST "/v1/sessions/{session_id}/events" of::<ToWriteSession>() => post events::send;
        GET "/v1/sessions/{session_id}/events" of::<ToReadSession>() => get events::list;
        GET "/v1/sessions/{session_id}/events/stream" of::<ToReadSession>() => get stream::stream;
    }
}

fn queue() -> Vec<Route> {
    routes! {
        GET "/v1/environments/{environment_id}/work" of::<ToWork>() => get work::list;
        GET "/v1/environments/{environment_id}/work/poll" of::<ToWork>() => get work::poll;
        GET "/v1/environments/{environment_id}/work/stats" of::<ToSeeQueue>() => get work::stats;
        GET "/v1/environments/{environment_id}/work/{work_id}" of::<ToRead>() =>
            get work::retrieve;
        POST "/v1/environments/{environment_id}/work/{work_id}" of::<ToWrite>() =>
            post work::update;
        POST "/v1/environments/{environment_id}/work/{work_id}/ack" of::<ToWork>() =>
            post work::acknowledge;
        POST "/v1/environments/{environment_id}/work/{work_id}/heartbeat" of::<ToHoldWork>() =>
            post work::heartbeat;
        POST "/v1/environments/{environment_id}/work/{work_id}/stop" of::<ToHoldWork>() =>
            post work::stop;
    }
}

/// What the hosted service does not have.
fn own() -> Vec<Route> {
    routes! {
        POST "/x/v1/workspaces" of::<ToAdmin>() => post workspaces::create;
        GET "/x/v1/workspaces" of::<ToAdmin>() => get workspaces::list;
        DELETE "/x/v1/workspaces/{workspace_id}" of::<ToAdmin>() => delete workspaces::delete;
        POST "/x/v1/api_keys" of::<ToAdmin>() => post api_keys::create;
        GET "/x/v1/api_keys" of::<ToAdmin>() => get api_keys::list;
        POST "/x/v1/api_keys/{api_key_id}/revoke" of::<ToAdmin>() => post api_keys::revoke;
        POST "/x/v1/sessions/{session_id}/events" of::<ToAdmin>() => post events::play;
        POST "/x/v1/sessions/{session_id}/tokens" of::<ToAdmin>() => post sessions::create_token;

        GET "/health" None => get system::health;
        GET "/openapi.yaml" None => get system::openapi;
    }
}
