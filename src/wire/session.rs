//! Sessions and their attached stores (contract 5.1 to 5.3, 5.7).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::agent::{self, AgentConfig, value};
use super::event;
use super::event_kinds::BUDGET;
use super::schema;
use super::shape::{Pairs, nullable, present};
use crate::domain::agent::Overrides;
use crate::domain::attachment::{Access, Attachment, Wanted};
use crate::domain::id::{AgentId, EnvironmentId, StoreId};
use crate::domain::json::Json;
use crate::domain::session::{self, Changes, INITIAL_EVENTS, NewSession, SessionPatch};
use crate::domain::time::Timestamp;
use crate::domain::{Error, Result, text};

const TITLE_CHARS: usize = 10_000;
/// Keys of what a session has used.
const USAGE: [&str; 7] = [
    "active_seconds",
    "cache_creation",
    "cache_read_input_tokens",
    "input_tokens",
    "list_cost",
    "output_tokens",
    "server_tool_use",
];

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Session {
    #[serde(rename = "type")]
    pub kind: String,
    pub id: String,
    pub status: String,
    pub title: Option<String>,
    pub agent: AgentConfig,
    pub environment_id: String,
    pub resources: Vec<Resource>,
    pub metadata: BTreeMap<String, String>,
    pub vault_ids: Vec<String>,
    pub stats: Stats,
    pub usage: Value,
    pub outcome_evaluations: Vec<Value>,
    pub budget: Option<Value>,
    pub deployment_id: Option<String>,
    pub created_at: String,
    pub updated_at: String,
    pub archived_at: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Stats {
    pub active_seconds: f64,
    pub duration_seconds: f64,
}

/// An attached store.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Resource {
    #[serde(rename = "type")]
    pub kind: String,
    pub memory_store_id: String,
    pub access: String,
    pub name: String,
    pub description: String,
    pub instructions: Option<String>,
    pub mount_path: String,
}

impl From<Attachment> for Resource {
    fn from(attached: Attachment) -> Self {
        Self {
            kind: "memory_store".into(),
            memory_store_id: attached.store.to_string(),
            access: attached.access.to_string(),
            name: attached.name,
            description: attached.description,
            instructions: attached.instructions,
            mount_path: attached.mount_path,
        }
    }
}

impl Session {
    /// As it is at `now`.
    pub fn new(session: session::Session, now: Timestamp) -> Self {
        let stats = Stats {
            active_seconds: seconds(session.active_micros(now)),
            duration_seconds: seconds(session.duration_micros(now)),
        };
        Self {
            kind: "session".into(),
            usage: usage(&session, &stats),
            stats,
            id: session.id.to_string(),
            status: session.status.as_str().into(),
            title: session.title,
            agent: AgentConfig::new(&session.agent, session.agent_version, session.config),
            environment_id: session.environment.to_string(),
            resources: session.stores.into_iter().map(Resource::from).collect(),
            metadata: session.metadata,
            vault_ids: Vec::new(),
            outcome_evaluations: session.outcomes.iter().map(outcome).collect(),
            budget: session.budget.as_ref().map(value),
            deployment_id: None,
            created_at: session.created_at.to_string(),
            updated_at: session.updated_at.to_string(),
            archived_at: session.archived_at.map(|at| at.to_string()),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact for 285 years of microseconds")]
fn seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}

fn usage(session: &session::Session, stats: &Stats) -> Value {
    let told = session.usage.as_ref().map(value).unwrap_or_default();
    let mut usage: Map<_, _> =
        USAGE.iter().map(|key| ((*key).to_owned(), told[key].clone())).collect();
    if usage["active_seconds"].is_null() {
        usage.insert("active_seconds".into(), stats.active_seconds.into());
    }
    usage.into()
}

fn outcome(outcome: &session::Outcome) -> Value {
    json!({
        "type": "outcome_evaluation",
        "outcome_id": outcome.id,
        "description": outcome.description,
        "iteration": outcome.iteration,
        "result": outcome.result,
        "explanation": outcome.explanation,
        "completed_at": outcome.completed_at.map(|at| at.to_string()),
    })
}

/// What `session.updated` says: only what has changed.
pub fn told(changes: &Changes) -> Json {
    let Changes { session, agent, title, metadata, budget } = changes;
    let mut told = Map::new();
    if *agent {
        let config = session.config.clone();
        let config = AgentConfig::new(&session.agent, session.agent_version, config);
        told.insert("agent".into(), json!(config));
    }
    if *title {
        told.insert("title".into(), json!(session.title));
    }
    if *metadata && !session.metadata.is_empty() {
        told.insert("metadata".into(), json!(session.metadata));
    }
    if *budget {
        told.insert("budget".into(), json!(session.budget.as_ref().map(value)));
    }
    Json::parsed(Value::from(told).to_string())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateSession {
    agent: Value,
    environment_id: String,
    title: Option<String>,
    #[serde(default, deserialize_with = "present")]
    metadata: Option<Pairs<String>>,
    #[serde(default, deserialize_with = "present")]
    resources: Option<Vec<Value>>,
    #[serde(default, deserialize_with = "present")]
    initial_events: Option<Vec<Value>>,
    #[serde(default, deserialize_with = "present")]
    budget: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    vault_ids: Option<Vec<String>>,
}

impl CreateSession {
    /// The shape; that what it names exists is looked up last.
    pub fn checked(self) -> Result<NewSession> {
        if self.vault_ids.is_some_and(|ids| !ids.is_empty()) {
            return Err(Error::invalid("vault_ids: memstored serves no vaults: leave it out"));
        }
        let events = self.initial_events.unwrap_or_default();
        if events.len() > INITIAL_EVENTS {
            return Err(Error::Invalid(format!(
                "initial_events must have at most {INITIAL_EVENTS} items; these are {}",
                events.len()
            )));
        }
        let agent: AgentReference = reference(self.agent)?;
        let title = self.title.map(|title| text::free("title", title, TITLE_CHARS));
        let metadata = text::coded(text::metadata(self.metadata.unwrap_or_default().0))?;
        let budget = self.budget.as_ref().map(budget).transpose()?;
        let events = event::initial(&events)?;
        let resources = self.resources.unwrap_or_default();
        let resources = resources.into_iter().enumerate().map(|(at, one)| wanted(at, one));
        let resources = resources.collect::<Result<Vec<_>>>()?;
        Ok(NewSession {
            agent: AgentId::parse(&agent.id)?,
            agent_version: agent.version,
            overrides: agent.overrides,
            environment: EnvironmentId::parse(&self.environment_id)?,
            title: title.transpose()?,
            metadata,
            budget,
            stores: resources,
            events,
        })
    }
}

struct AgentReference {
    id: String,
    version: Option<i64>,
    overrides: Overrides,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::option_option, reason = "absent, null and a value are three things here")]
struct AgentObject {
    #[serde(rename = "type")]
    kind: String,
    id: String,
    #[serde(default, deserialize_with = "present")]
    version: Option<i64>,
    #[serde(default, deserialize_with = "present")]
    model: Option<Value>,
    #[serde(default, deserialize_with = "nullable")]
    system: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    tools: Option<Vec<Value>>,
    #[serde(default, deserialize_with = "present")]
    mcp_servers: Option<Vec<Value>>,
    #[serde(default, deserialize_with = "present")]
    skills: Option<Vec<Value>>,
}

/// An agent's ID, a version of it, or one with other values.
fn reference(given: Value) -> Result<AgentReference> {
    if let Value::String(id) = given {
        return Ok(AgentReference { id, version: None, overrides: Overrides::default() });
    }
    let object: AgentObject = parsed("agent", given)?;
    if object.version.is_some_and(|version| version < 1) {
        return Err(Error::invalid("agent.version must be at least 1"));
    }
    let overrides = Overrides {
        model: object.model.map(|given| agent::model("agent.model", given)).transpose()?,
        system: object.system.map(|given| agent::instructed("agent.system", given)).transpose()?,
        tools: object.tools.map(|given| agent::tools("agent.tools", Some(given))).transpose()?,
        mcp_servers: object
            .mcp_servers
            .map(|given| agent::mcp_servers("agent.mcp_servers", Some(given)))
            .transpose()?,
        skills: object
            .skills
            .map(|given| agent::skills("agent.skills", Some(given)))
            .transpose()?,
        ..Overrides::default()
    };
    match object.kind.as_str() {
        "agent" if overrides.is_empty() => {}
        "agent_with_overrides" => {}
        "agent" => {
            return Err(Error::invalid(
                "agent: only one of type \"agent_with_overrides\" replaces values of the agent",
            ));
        }
        other => {
            return Err(Error::Invalid(format!(
                "agent.type must be \"agent\" or \"agent_with_overrides\"; got {other:?}"
            )));
        }
    }
    Ok(AgentReference { id: object.id, version: object.version, overrides })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoreResource {
    #[serde(rename = "type")]
    _kind: String,
    memory_store_id: String,
    access: Option<String>,
    instructions: Option<String>,
}

fn wanted(at: usize, given: Value) -> Result<Wanted> {
    let at = format!("resources.{at}");
    let (_, kind) = schema::tagged(&given, &at)?;
    if kind != "memory_store" {
        return Err(Error::Invalid(format!(
            "{at}.type: memstored attaches only memory_store resources; got {kind:?}"
        )));
    }
    let resource: StoreResource = parsed(&at, given)?;
    let access = resource.access.map(|text| {
        text.parse::<Access>().map_err(|error| Error::Invalid(format!("{at}.{error}")))
    });
    Ok(Wanted {
        access: access.transpose()?.unwrap_or_default(),
        store: StoreId::parse(&resource.memory_store_id)?,
        instructions: resource.instructions,
    })
}

fn parsed<T: serde::de::DeserializeOwned>(at: &str, given: Value) -> Result<T> {
    if !given.is_object() {
        return Err(Error::Invalid(format!("{at}: must be an object")));
    }
    serde_json::from_value(given).map_err(|error| Error::Invalid(format!("{at}: {error}")))
}

fn budget(given: &Value) -> Result<Json> {
    schema::check(given, &BUDGET, "budget")?;
    Ok(Json::parsed(given.to_string()))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::option_option, reason = "absent, null and a value are three things here")]
pub struct UpdateSession {
    #[serde(default, deserialize_with = "present")]
    agent: Option<AgentUpdate>,
    #[serde(default, deserialize_with = "nullable")]
    title: Option<Option<String>>,
    metadata: Option<Pairs<Option<String>>>,
    #[serde(default, deserialize_with = "nullable")]
    budget: Option<Option<Value>>,
    #[serde(default, deserialize_with = "present")]
    vault_ids: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct AgentUpdate {
    #[serde(default, deserialize_with = "present")]
    tools: Option<Vec<Value>>,
    #[serde(default, deserialize_with = "present")]
    mcp_servers: Option<Vec<Value>>,
}

impl UpdateSession {
    pub fn checked(self) -> Result<SessionPatch> {
        if self.vault_ids.is_some() {
            return Err(Error::invalid("vault_ids: memstored serves no vaults: leave it out"));
        }
        let agent = self.agent.unwrap_or_default();
        let title = self
            .title
            .map(|given| given.map(|title| text::free("title", title, TITLE_CHARS)).transpose());
        let budgeted =
            self.budget.map(|given| given.as_ref().map(budget).transpose()).transpose()?;
        Ok(SessionPatch {
            tools: agent.tools.map(|given| agent::tools("agent.tools", Some(given))).transpose()?,
            mcp_servers: agent
                .mcp_servers
                .map(|given| agent::mcp_servers("agent.mcp_servers", Some(given)))
                .transpose()?,
            title: title.transpose()?,
            metadata: text::coded(
                self.metadata.map(|Pairs(patch)| text::metadata_patch(patch)).transpose(),
            )?,
            budget: budgeted,
        })
    }
}
