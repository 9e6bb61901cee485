//! Agents. What a model would need of one is checked by its shape alone, and answered as given.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::schema::{self, NAMED, Shape, TEXT, nullable as nullable_field, required};
use super::shape::{Pairs, nullable, present};
use crate::domain::agent::{self, AgentPatch, Config, NewAgent, Overrides};
use crate::domain::id::AgentId;
use crate::domain::json::Json;
use crate::domain::{Error, Result, text};

const TOOLS: usize = 256;
const MCP_SERVERS: usize = 20;
const DESCRIPTION_CHARS: usize = 10_000;
const SYSTEM_CHARS: usize = 100_000;

const EFFORTS: &[&str] = &["low", "medium", "high", "xhigh", "max"];
const MODEL: Shape = Shape::Object(&[
    required("id", TEXT),
    // A level, or an object with one.
    nullable_field("effort", Shape::Any),
    nullable_field("inference_geo", TEXT),
    nullable_field("speed", Shape::OneOf(&["standard", "fast"])),
]);
const MCP_SERVER: Shape =
    Shape::Union(&[("url", &[required("name", schema::text(1, 255)), required("url", TEXT)])]);
const SKILL: Shape = Shape::Union(&[
    ("anthropic", &[required("skill_id", NAMED), nullable_field("version", TEXT)]),
    ("custom", &[required("skill_id", NAMED), nullable_field("version", TEXT)]),
]);
const EXECUTION_IDENTITY: Shape = Shape::Union(&[
    ("service_account", &[]),
    ("aws_role", &[required("role_arn", schema::text(0, 2048))]),
]);

/// A version of an agent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Agent {
    #[serde(flatten)]
    pub agent: AgentConfig,
    pub metadata: BTreeMap<String, String>,
    pub created_at: String,
    pub updated_at: String,
    pub archived_at: Option<String>,
}

/// What a session keeps of one, too.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AgentConfig {
    #[serde(rename = "type")]
    pub kind: String,
    pub id: String,
    pub version: i64,
    pub name: String,
    pub description: Option<String>,
    pub system: Option<String>,
    pub model: Value,
    pub tools: Value,
    pub mcp_servers: Value,
    pub skills: Value,
    pub multiagent: Option<Value>,
    pub execution_identity: Value,
}

impl AgentConfig {
    pub fn new(id: &AgentId, version: i64, config: Config) -> Self {
        Self {
            kind: "agent".into(),
            id: id.to_string(),
            version,
            name: config.name,
            description: config.description,
            system: config.system,
            model: value(&config.model),
            tools: value(&config.tools),
            mcp_servers: value(&config.mcp_servers),
            skills: value(&config.skills),
            multiagent: config.multiagent.as_ref().map(value),
            execution_identity: value(&config.execution_identity),
        }
    }
}

impl From<agent::Agent> for Agent {
    fn from(agent: agent::Agent) -> Self {
        Self {
            agent: AgentConfig::new(&agent.id, agent.version, agent.config),
            metadata: agent.metadata,
            created_at: agent.created_at.to_string(),
            updated_at: agent.updated_at.to_string(),
            archived_at: agent.archived_at.map(|at| at.to_string()),
        }
    }
}

/// What is kept, as JSON again.
pub fn value(json: &Json) -> Value {
    serde_json::from_str(json.as_str()).unwrap_or_default()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateAgent {
    name: String,
    model: Value,
    description: Option<String>,
    system: Option<String>,
    #[serde(default, deserialize_with = "present")]
    tools: Option<Vec<Value>>,
    #[serde(default, deserialize_with = "present")]
    mcp_servers: Option<Vec<Value>>,
    #[serde(default, deserialize_with = "present")]
    skills: Option<Vec<Value>>,
    multiagent: Option<Value>,
    execution_identity: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    metadata: Option<Pairs<String>>,
}

impl CreateAgent {
    pub fn checked(self) -> Result<NewAgent> {
        Ok(NewAgent {
            config: Config {
                name: text::name("name", self.name)?,
                description: described(self.description)?,
                system: instructed("system", self.system)?,
                model: model("model", self.model)?,
                tools: tools("tools", self.tools)?,
                mcp_servers: mcp_servers("mcp_servers", self.mcp_servers)?,
                skills: skills("skills", self.skills)?,
                multiagent: multiagent(self.multiagent)?,
                execution_identity: identity(self.execution_identity)?,
            },
            metadata: text::coded(text::metadata(self.metadata.unwrap_or_default().0))?,
        })
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::option_option, reason = "absent, null and a value are three things here")]
pub struct UpdateAgent {
    #[serde(default, deserialize_with = "present")]
    version: Option<i64>,
    #[serde(default, deserialize_with = "present")]
    name: Option<String>,
    #[serde(default, deserialize_with = "present")]
    model: Option<Value>,
    #[serde(default, deserialize_with = "nullable")]
    description: Option<Option<String>>,
    #[serde(default, deserialize_with = "nullable")]
    system: Option<Option<String>>,
    #[serde(default, deserialize_with = "nullable")]
    tools: Option<Option<Vec<Value>>>,
    #[serde(default, deserialize_with = "nullable")]
    mcp_servers: Option<Option<Vec<Value>>>,
    #[serde(default, deserialize_with = "nullable")]
    skills: Option<Option<Vec<Value>>>,
    #[serde(default, deserialize_with = "nullable")]
    multiagent: Option<Option<Value>>,
    #[serde(default, deserialize_with = "nullable")]
    execution_identity: Option<Option<Value>>,
    metadata: Option<Pairs<Option<String>>>,
}

impl UpdateAgent {
    pub fn checked(self) -> Result<AgentPatch> {
        if self.version.is_some_and(|version| version < 1) {
            return Err(Error::invalid("version must be at least 1"));
        }
        Ok(AgentPatch {
            config: Overrides {
                name: self.name.map(|name| text::name("name", name)).transpose()?,
                description: self.description.map(described).transpose()?,
                system: self.system.map(|given| instructed("system", given)).transpose()?,
                model: self.model.map(|given| model("model", given)).transpose()?,
                tools: self.tools.map(|given| tools("tools", given)).transpose()?,
                mcp_servers: self
                    .mcp_servers
                    .map(|given| mcp_servers("mcp_servers", given))
                    .transpose()?,
                skills: self.skills.map(|given| skills("skills", given)).transpose()?,
                multiagent: self.multiagent.map(multiagent).transpose()?,
                execution_identity: self.execution_identity.map(identity).transpose()?,
            },
            metadata: text::coded(
                self.metadata.map(|Pairs(patch)| text::metadata_patch(patch)).transpose(),
            )?,
            version: self.version,
        })
    }
}

fn json(value: &Value) -> Json {
    Json::parsed(value.to_string())
}

fn described(given: Option<String>) -> Result<Option<String>> {
    let given = given.filter(|text| !text.is_empty());
    given.map(|text| text::free("description", text, DESCRIPTION_CHARS)).transpose()
}

/// A system prompt; an empty one is none.
pub fn instructed(at: &str, given: Option<String>) -> Result<Option<String>> {
    let given = given.filter(|text| !text.is_empty());
    given.map(|text| text::free(at, text, SYSTEM_CHARS)).transpose()
}

/// A model's name or its object, as the object with every key.
pub fn model(at: &str, given: Value) -> Result<Json> {
    let given = match given {
        Value::String(id) => json!({ "id": id }),
        given => given,
    };
    schema::check(&given, &MODEL, at)?;
    if given["id"].as_str().is_some_and(str::is_empty) {
        return Err(Error::Invalid(format!("{at}: minimum string length is 1")));
    }
    let or = |value: &Value, default: Value| if value.is_null() { default } else { value.clone() };
    Ok(json(&json!({
        "id": given["id"],
        "effort": effort(&format!("{at}.effort"), &given["effort"])?,
        "inference_geo": given["inference_geo"],
        "speed": or(&given["speed"], "standard".into()),
    })))
}

fn effort(at: &str, given: &Value) -> Result<Value> {
    let level = match given {
        Value::Null => return Ok(Value::Null),
        Value::String(level) => level.as_str(),
        given => {
            let (object, level) = schema::tagged(given, at)?;
            schema::check_variant(object, &[], at)?;
            level
        }
    };
    if !EFFORTS.contains(&level) {
        return Err(schema::not_one_of(EFFORTS.iter().copied(), level, at));
    }
    Ok(json!({ "type": level }))
}

/// Tools, which are not interpreted.
pub fn tools(at: &str, given: Option<Vec<Value>>) -> Result<Json> {
    listed(at, given.unwrap_or_default(), TOOLS, |tool, at| schema::tagged(tool, at).map(drop))
}

/// Servers, each with its own name.
pub fn mcp_servers(at: &str, given: Option<Vec<Value>>) -> Result<Json> {
    let mut names = BTreeSet::new();
    listed(at, given.unwrap_or_default(), MCP_SERVERS, |server, at| {
        schema::check(server, &MCP_SERVER, at)?;
        if !names.insert(server["name"].to_string()) {
            return Err(Error::Invalid(format!("{at}.name: another server has this name")));
        }
        Ok(())
    })
}

/// References to skills; a version that is not given is the latest.
pub fn skills(at: &str, given: Option<Vec<Value>>) -> Result<Json> {
    let mut given = given.unwrap_or_default();
    listed(at, given.clone(), usize::MAX, |skill, at| schema::check(skill, &SKILL, at))?;
    for skill in given.iter_mut().filter_map(Value::as_object_mut) {
        let version = skill.entry("version").or_insert(Value::Null);
        if version.is_null() {
            *version = "latest".into();
        }
    }
    Ok(json(&given.into()))
}

fn multiagent(given: Option<Value>) -> Result<Option<Json>> {
    let Some(given) = given.filter(|given| !given.is_null()) else { return Ok(None) };
    schema::tagged(&given, "multiagent")?;
    Ok(Some(json(&given)))
}

fn identity(given: Option<Value>) -> Result<Json> {
    let given = given.filter(|given| !given.is_null());
    let given = given.unwrap_or_else(|| json!({ "type": "service_account" }));
    schema::check(&given, &EXECUTION_IDENTITY, "execution_identity")?;
    Ok(json(&given))
}

fn listed(
    at: &str,
    given: Vec<Value>,
    most: usize,
    mut check: impl FnMut(&Value, &str) -> Result<()>,
) -> Result<Json> {
    if given.len() > most {
        return Err(Error::Invalid(format!(
            "{at} must have at most {most} items; these are {}",
            given.len()
        )));
    }
    for (number, item) in given.iter().enumerate() {
        check(item, &format!("{at}.{number}"))?;
    }
    Ok(json(&given.into()))
}
