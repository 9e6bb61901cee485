//! Identifiers in the path. They are taken as text and parsed by the handler after the body, since
//! what they name is looked up last.

use std::sync::Arc;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;

use super::{ApiError, Http};
use crate::domain::id::{
    AgentId, ApiKeyId, EnvironmentId, MemoryId, SessionId, StoreId, VersionId, WorkId, WorkspaceId,
};
use crate::domain::{Error, Result};

/// The parameters of a route by name.
pub struct Ids(Vec<(String, String)>);

impl FromRequestParts<Arc<Http>> for Ids {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, http: &Arc<Http>) -> Result<Self, ApiError> {
        let params = RawPathParams::from_request_parts(parts, http).await;
        let params = params.map_err(|_| Error::not_found("resource", parts.uri.path()))?;
        Ok(Self(params.iter().map(|(name, value)| (name.into(), value.into())).collect()))
    }
}

impl Ids {
    fn get(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }

    pub fn store(&self) -> Result<StoreId> {
        StoreId::parse(self.get("memory_store_id"))
    }

    pub fn memory(&self) -> Result<MemoryId> {
        MemoryId::parse(self.get("memory_id"))
    }

    pub fn version(&self) -> Result<VersionId> {
        VersionId::parse(self.get("memory_version_id"))
    }

    pub fn agent(&self) -> Result<AgentId> {
        AgentId::parse(self.get("agent_id"))
    }

    pub fn environment(&self) -> Result<EnvironmentId> {
        EnvironmentId::parse(self.get("environment_id"))
    }

    pub fn session(&self) -> Result<SessionId> {
        SessionId::parse(self.get("session_id"))
    }

    pub fn work(&self) -> Result<WorkId> {
        WorkId::parse(self.get("work_id"))
    }

    pub fn workspace(&self) -> Result<WorkspaceId> {
        WorkspaceId::parse(self.get("workspace_id"))
    }

    pub fn api_key(&self) -> Result<ApiKeyId> {
        ApiKeyId::parse(self.get("api_key_id"))
    }
}
