//! Every route there is. The router, the access matrix and the comparison with `openapi.yaml` all
//! come from this table.

use std::sync::Arc;

use axum::http::Method;
use axum::routing::{MethodRouter, delete, get, post};

use super::{Http, api_keys, memories, stores, system, versions, workspaces};
use crate::domain::access::Scope;

pub struct Route {
    pub method: Method,
    pub path: &'static str,
    /// The scope that the handler's grant asks for; `None` needs no credential.
    pub scope: Option<Scope>,
    pub(super) handler: fn() -> MethodRouter<Arc<Http>>,
}

macro_rules! routes {
    ($($method:ident $path:literal $scope:expr => $router:ident $handler:path;)*) => {
        vec![$(Route {
            method: Method::$method,
            path: $path,
            scope: $scope,
            handler: || $router($handler),
        }),*]
    };
}

pub fn table() -> Vec<Route> {
    let [read, write, redact, admin] = Scope::ALL.map(Some);
    routes! {
        POST "/v1/memory_stores" write => post stores::create;
        GET "/v1/memory_stores" read => get stores::list;
        GET "/v1/memory_stores/{memory_store_id}" read => get stores::retrieve;
        POST "/v1/memory_stores/{memory_store_id}" write => post stores::update;
        DELETE "/v1/memory_stores/{memory_store_id}" redact => delete stores::delete;
        POST "/v1/memory_stores/{memory_store_id}/archive" write => post stores::archive;

        POST "/v1/memory_stores/{memory_store_id}/memories" write => post memories::create;
        GET "/v1/memory_stores/{memory_store_id}/memories" read => get memories::list;
        GET "/v1/memory_stores/{memory_store_id}/memories/{memory_id}" read =>
            get memories::retrieve;
        POST "/v1/memory_stores/{memory_store_id}/memories/{memory_id}" write =>
            post memories::update;
        DELETE "/v1/memory_stores/{memory_store_id}/memories/{memory_id}" write =>
            delete memories::delete;

        GET "/v1/memory_stores/{memory_store_id}/memory_versions" read => get versions::list;
        GET "/v1/memory_stores/{memory_store_id}/memory_versions/{memory_version_id}" read =>
            get versions::retrieve;
        POST "/v1/memory_stores/{memory_store_id}/memory_versions/{memory_version_id}/redact"
            redact => post versions::redact;

        POST "/x/v1/workspaces" admin => post workspaces::create;
        GET "/x/v1/workspaces" admin => get workspaces::list;
        DELETE "/x/v1/workspaces/{workspace_id}" admin => delete workspaces::delete;
        POST "/x/v1/api_keys" admin => post api_keys::create;
        GET "/x/v1/api_keys" admin => get api_keys::list;
        POST "/x/v1/api_keys/{api_key_id}/revoke" admin => post api_keys::revoke;

        GET "/health" None => get system::health;
        GET "/openapi.yaml" None => get system::openapi;
    }
}
