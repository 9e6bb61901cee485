//! Every route there is. The router, the access matrix and the comparison with `openapi.yaml` all
//! come from this table.

use std::sync::Arc;

use axum::http::Method;
use axum::routing::{MethodRouter, delete, get, post};

use super::{
    Http, agents, api_keys, environments, events, journal, memories, sessions, stores, stream,
    system, versions, whoami, work, workspaces,
};
use crate::domain::access::{
    Allowed, Required, ToAdmin, ToHoldWork, ToRead, ToReadSession, ToReadStore, ToRedact,
    ToSeeItself, ToSeeQueue, ToWork, ToWrite, ToWriteSession, ToWriteStore,
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

pub fn table() -> Vec<Route> {
    [memory(), sessions(), queue(), own()].into_iter().flatten().collect()
}

fn memory() -> Vec<Route> {
    routes! {
        POST "/v1/memory_stores" Some(ToWrite::ALLOWED) => post stores::create;
        GET "/v1/memory_stores" Some(ToRead::ALLOWED) => get stores::list;
        GET "/v1/memory_stores/{memory_store_id}" Some(ToReadStore::ALLOWED) => get stores::retrieve;
        POST "/v1/memory_stores/{memory_store_id}" Some(ToWrite::ALLOWED) => post stores::update;
        DELETE "/v1/memory_stores/{memory_store_id}" Some(ToRedact::ALLOWED) => delete stores::delete;
        POST "/v1/memory_stores/{memory_store_id}/archive" Some(ToWrite::ALLOWED) => post stores::archive;

        POST "/v1/memory_stores/{memory_store_id}/memories" Some(ToWriteStore::ALLOWED) =>
            post memories::create;
        GET "/v1/memory_stores/{memory_store_id}/memories" Some(ToReadStore::ALLOWED) =>
            get memories::list;
        GET "/v1/memory_stores/{memory_store_id}/memories/{memory_id}" Some(ToReadStore::ALLOWED) =>
            get memories::retrieve;
        POST "/v1/memory_stores/{memory_store_id}/memories/{memory_id}" Some(ToWriteStore::ALLOWED) =>
            post memories::update;
        DELETE "/v1/memory_stores/{memory_store_id}/memories/{memory_id}" Some(ToWriteStore::ALLOWED) =>
            delete memories::delete;

        GET "/v1/memory_stores/{memory_store_id}/memory_versions" Some(ToReadStore::ALLOWED) =>
            get versions::list;
        GET "/v1/memory_stores/{memory_store_id}/memory_versions/{memory_version_id}"
            Some(ToReadStore::ALLOWED) => get versions::retrieve;
        POST "/v1/memory_stores/{memory_store_id}/memory_versions/{memory_version_id}/redact"
            Some(ToRedact::ALLOWED) => post versions::redact;
    }
}

fn sessions() -> Vec<Route> {
    routes! {
        POST "/v1/agents" Some(ToWrite::ALLOWED) => post agents::create;
        GET "/v1/agents" Some(ToRead::ALLOWED) => get agents::list;
        GET "/v1/agents/{agent_id}" Some(ToRead::ALLOWED) => get agents::retrieve;
        POST "/v1/agents/{agent_id}" Some(ToWrite::ALLOWED) => post agents::update;
        POST "/v1/agents/{agent_id}/archive" Some(ToWrite::ALLOWED) => post agents::archive;
        GET "/v1/agents/{agent_id}/versions" Some(ToRead::ALLOWED) => get agents::versions;

        POST "/v1/environments" Some(ToWrite::ALLOWED) => post environments::create;
        GET "/v1/environments" Some(ToRead::ALLOWED) => get environments::list;
        GET "/v1/environments/{environment_id}" Some(ToRead::ALLOWED) => get environments::retrieve;
        POST "/v1/environments/{environment_id}" Some(ToWrite::ALLOWED) => post environments::update;
        DELETE "/v1/environments/{environment_id}" Some(ToWrite::ALLOWED) => delete environments::delete;
        POST "/v1/environments/{environment_id}/archive" Some(ToWrite::ALLOWED) =>
            post environments::archive;

        POST "/v1/sessions" Some(ToWrite::ALLOWED) => post sessions::create;
        GET "/v1/sessions" Some(ToRead::ALLOWED) => get sessions::list;
        GET "/v1/sessions/{session_id}" Some(ToReadSession::ALLOWED) => get sessions::retrieve;
        POST "/v1/sessions/{session_id}" Some(ToWrite::ALLOWED) => post sessions::update;
        DELETE "/v1/sessions/{session_id}" Some(ToWrite::ALLOWED) => delete sessions::delete;
        POST "/v1/sessions/{session_id}/archive" Some(ToWrite::ALLOWED) => post sessions::archive;
        GET "/v1/sessions/{session_id}/resources" Some(ToReadSession::ALLOWED) => get sessions::resources;
        POST "/v1/sessions/{session_id}/resources" Some(ToWrite::ALLOWED) => post sessions::add_resource;
        POST "/v1/sessions/{session_id}/events" Some(ToWriteSession::ALLOWED) => post events::send;
        GET "/v1/sessions/{session_id}/events" Some(ToReadSession::ALLOWED) => get events::list;
        GET "/v1/sessions/{session_id}/events/stream" Some(ToReadSession::ALLOWED) => get stream::stream;
    }
}

fn queue() -> Vec<Route> {
    routes! {
        GET "/v1/environments/{environment_id}/work" Some(ToWork::ALLOWED) => get work::list;
        GET "/v1/environments/{environment_id}/work/poll" Some(ToWork::ALLOWED) => get work::poll;
        GET "/v1/environments/{environment_id}/work/stats" Some(ToSeeQueue::ALLOWED) => get work::stats;
        GET "/v1/environments/{environment_id}/work/{work_id}" Some(ToRead::ALLOWED) =>
            get work::retrieve;
        POST "/v1/environments/{environment_id}/work/{work_id}" Some(ToWrite::ALLOWED) =>
            post work::update;
        POST "/v1/environments/{environment_id}/work/{work_id}/ack" Some(ToWork::ALLOWED) =>
            post work::acknowledge;
        POST "/v1/environments/{environment_id}/work/{work_id}/heartbeat" Some(ToHoldWork::ALLOWED) =>
            post work::heartbeat;
        POST "/v1/environments/{environment_id}/work/{work_id}/stop" Some(ToHoldWork::ALLOWED) =>
            post work::stop;
    }
}

/// What the hosted service does not have.
fn own() -> Vec<Route> {
    routes! {
        POST "/x/v1/workspaces" Some(ToAdmin::ALLOWED) => post workspaces::create;
        GET "/x/v1/workspaces" Some(ToAdmin::ALLOWED) => get workspaces::list;
        DELETE "/x/v1/workspaces/{workspace_id}" Some(ToAdmin::ALLOWED) => delete workspaces::delete;
        POST "/x/v1/api_keys" Some(ToAdmin::ALLOWED) => post api_keys::create;
        GET "/x/v1/api_keys" Some(ToAdmin::ALLOWED) => get api_keys::list;
        POST "/x/v1/api_keys/{api_key_id}/revoke" Some(ToAdmin::ALLOWED) => post api_keys::revoke;
        GET "/x/v1/journal" Some(ToAdmin::ALLOWED) => get journal::list;
        GET "/x/v1/whoami" Some(ToSeeItself::ALLOWED) => get whoami::whoami;
        POST "/x/v1/sessions/{session_id}/events" Some(ToAdmin::ALLOWED) => post events::play;
        POST "/x/v1/sessions/{session_id}/tokens" Some(ToAdmin::ALLOWED) => post sessions::create_token;
        POST "/x/v1/sessions/{session_id}/tokens/revoke" Some(ToAdmin::ALLOWED) =>
            post sessions::revoke_tokens;

        GET "/health" None => get system::health;
        GET "/openapi.yaml" None => get system::openapi;
    }
}
