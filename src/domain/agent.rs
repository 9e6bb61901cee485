//! Agents: persisted configurations in numbered, immutable versions. What a model would need of one
//! is kept and not interpreted.

use super::id::{AgentId, WorkspaceId};
use super::json::Json;
use super::text::{self, Metadata, MetadataPatch};
use super::time::Timestamp;
use super::{Error, Result};

/// One version of an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    pub id: AgentId,
    pub workspace: WorkspaceId,
    /// Counts from 1; every change is a new version.
    pub version: i64,
    pub config: Config,
    pub metadata: Metadata,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub archived_at: Option<Timestamp>,
}

/// What a session takes over from an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub name: String,
    pub description: Option<String>,
    pub system: Option<String>,
    pub model: Json,
    pub tools: Json,
    pub mcp_servers: Json,
    pub skills: Json,
    pub multiagent: Option<Json>,
    pub execution_identity: Json,
}

/// What is asked for when an agent is made.
#[derive(Clone, Debug)]
pub struct NewAgent {
    pub config: Config,
    pub metadata: Metadata,
}

/// Replacements of parts of a configuration; `None` leaves one as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    pub name: Option<String>,
    pub description: Option<Option<String>>,
    pub system: Option<Option<String>>,
    pub model: Option<Json>,
    pub tools: Option<Json>,
    pub mcp_servers: Option<Json>,
    pub skills: Option<Json>,
    pub multiagent: Option<Option<Json>>,
    pub execution_identity: Option<Json>,
}

#[derive(Clone, Debug)]
pub struct AgentPatch {
    pub config: Overrides,
    pub metadata: Option<MetadataPatch>,
    /// The version that the caller has seen; `None` changes whichever there is.
    pub version: Option<i64>,
}

/// Bytes of JSON that one configuration has: it stands in every answer that shows the agent, or a
/// session with it.
const JSON_BYTES: usize = 1 << 20;

impl Overrides {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Config {
    pub fn check_size(&self) -> Result<()> {
        let parts = [&self.model, &self.tools, &self.mcp_servers, &self.skills];
        let parts = parts.into_iter().chain(&self.multiagent).chain([&self.execution_identity]);
        let bytes: usize = parts.map(|json| json.as_str().len()).sum();
        if bytes > JSON_BYTES {
            return Err(Error::Invalid(format!(
                "model, tools, mcp_servers, skills and multiagent must have at most {JSON_BYTES} \
                 bytes of JSON together; these are {bytes}"
            )));
        }
        Ok(())
    }

    #[must_use]
    pub fn with(&self, changes: Overrides) -> Self {
        let old = self.clone();
        Self {
            name: changes.name.unwrap_or(old.name),
            description: changes.description.unwrap_or(old.description),
            system: changes.system.unwrap_or(old.system),
            model: changes.model.unwrap_or(old.model),
            tools: changes.tools.unwrap_or(old.tools),
            mcp_servers: changes.mcp_servers.unwrap_or(old.mcp_servers),
            skills: changes.skills.unwrap_or(old.skills),
            multiagent: changes.multiagent.unwrap_or(old.multiagent),
            execution_identity: changes.execution_identity.unwrap_or(old.execution_identity),
        }
    }
}

impl Agent {
    /// The next version, but for its times; `None` where nothing would change.
    pub fn updated(&self, patch: AgentPatch) -> Result<Option<Self>> {
        if self.archived_at.is_some() {
            return Err(Error::Archived { what: AgentId::WHAT, id: self.id.to_string() });
        }
        if let Some(seen) = patch.version.filter(|seen| *seen != self.version) {
            return Err(Error::OutOfDate(format!(
                "version: the agent {} is at version {}, not {seen}: retrieve it again before \
                 changing it",
                self.id, self.version
            )));
        }
        let metadata = match &patch.metadata {
            Some(patch) => text::coded(text::patched(&self.metadata, patch))?,
            None => self.metadata.clone(),
        };
        let config = self.config.with(patch.config);
        config.check_size()?;
        let changed = config != self.config || metadata != self.metadata;
        let next = Self { version: self.version + 1, config, metadata, ..self.clone() };
        Ok(changed.then_some(next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub fn config() -> Config {
        let json = |text: &str| Json::parsed(text.into());
        Config {
            name: "researcher".into(),
            description: None,
            system: Some("Take notes.".into()),
            model: json("{}"),
            tools: json("[]"),
            mcp_servers: json("[]"),
            skills: json("[]"),
            multiagent: None,
            execution_identity: json("{}"),
        }
    }

    fn agent() -> Agent {
        Agent {
            id: AgentId::new("1"),
            workspace: WorkspaceId::new("1"),
            version: 3,
            config: config(),
            metadata: Metadata::new(),
            created_at: Timestamp::from_micros(1),
            updated_at: Timestamp::from_micros(2),
            archived_at: None,
        }
    }

    fn rename(version: Option<i64>) -> AgentPatch {
        let config = Overrides { name: Some("other".into()), ..Overrides::default() };
        AgentPatch { config, metadata: None, version }
    }

    #[test]
    fn a_change_is_the_next_version() {
        let next = agent().updated(rename(Some(3))).unwrap().unwrap();
        assert_eq!((next.version, next.config.name.as_str()), (4, "other"));
        assert_eq!(next.config.system, agent().config.system);
    }

    #[test]
    fn a_version_that_is_not_the_present_one_is_refused() {
        for stale in [1, 2, 4] {
            assert!(matches!(agent().updated(rename(Some(stale))), Err(Error::OutOfDate(_))));
        }
        assert!(agent().updated(rename(None)).is_ok());
    }

    #[test]
    fn nothing_changed_is_no_version() {
        let same = Overrides { name: Some("researcher".into()), ..Overrides::default() };
        let patch = AgentPatch { config: same, metadata: None, version: Some(3) };
        assert_eq!(agent().updated(patch).unwrap(), None);
    }

    #[test]
    fn an_archived_agent_is_not_changed() {
        let archived = Agent { archived_at: Some(Timestamp::from_micros(3)), ..agent() };
        assert!(matches!(archived.updated(rename(None)), Err(Error::Archived { .. })));
    }
}
