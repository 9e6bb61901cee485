//! Environments.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::agent::value;
use super::schema::{self, Shape, TEXT, list, nullable as nullable_field};
use super::shape::{Pairs, nullable, present};
use crate::domain::environment::{self, EnvironmentPatch, NewEnvironment, Place, PlacePatch};
use crate::domain::json::Json;
use crate::domain::text::MetadataPatch;
use crate::domain::{Error, Result, text};

const DESCRIPTION_CHARS: usize = 10_000;
const MANAGERS: [&str; 6] = ["apt", "cargo", "gem", "go", "npm", "pip"];

const NAMES: Shape = list(&TEXT);
const NETWORKING: Shape = Shape::Union(&[
    ("unrestricted", &[]),
    (
        "limited",
        &[
            nullable_field("allowed_hosts", NAMES),
            nullable_field("allow_mcp_servers", Shape::Bool),
            nullable_field("allow_package_managers", Shape::Bool),
        ],
    ),
]);
const PACKAGES: Shape = Shape::Object(&[
    nullable_field("type", Shape::OneOf(&["packages"])),
    nullable_field("apt", NAMES),
    nullable_field("cargo", NAMES),
    nullable_field("gem", NAMES),
    nullable_field("go", NAMES),
    nullable_field("npm", NAMES),
    nullable_field("pip", NAMES),
]);

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Environment {
    #[serde(rename = "type")]
    pub kind: String,
    pub id: String,
    pub name: String,
    pub description: Option<String>,
    pub config: Value,
    pub metadata: BTreeMap<String, String>,
    pub scope: String,
    pub created_at: String,
    pub updated_at: String,
    pub archived_at: Option<String>,
}

impl From<environment::Environment> for Environment {
    fn from(environment: environment::Environment) -> Self {
        Self {
            kind: "environment".into(),
            id: environment.id.to_string(),
            name: environment.name,
            description: environment.description,
            config: match &environment.place {
                Place::SelfHosted => json!({"type": "self_hosted"}),
                Place::Cloud { networking, packages } => json!({
                    "type": "cloud",
                    "networking": value(networking),
                    "packages": value(packages),
                }),
            },
            metadata: environment.metadata,
            scope: "organization".into(),
            created_at: environment.created_at.to_string(),
            updated_at: environment.updated_at.to_string(),
            archived_at: environment.archived_at.map(|at| at.to_string()),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(rename = "type")]
    kind: String,
    networking: Option<Value>,
    packages: Option<Value>,
}

impl Config {
    /// What is given of it; the rest is left as it is.
    fn checked(self) -> Result<PlacePatch> {
        match self.kind.as_str() {
            "cloud" => Ok(PlacePatch::Cloud {
                networking: self.networking.map(|given| networking(&given)).transpose()?,
                packages: self.packages.map(|given| packages(&given)).transpose()?,
            }),
            "self_hosted" if self.networking.is_some() || self.packages.is_some() => {
                Err(Error::invalid("config: networking and packages are of cloud environments"))
            }
            "self_hosted" => Ok(PlacePatch::SelfHosted),
            other => Err(Error::Invalid(format!(
                "config.type must be \"cloud\" or \"self_hosted\"; got {other:?}"
            ))),
        }
    }
}

/// With every key.
fn networking(given: &Value) -> Result<Json> {
    schema::check(given, &NETWORKING, "config.networking")?;
    let or = |key: &str, default: Value| match &given[key] {
        Value::Null => default,
        value => value.clone(),
    };
    let whole = match given["type"].as_str() {
        Some("limited") => json!({
            "type": "limited",
            "allowed_hosts": or("allowed_hosts", json!([])),
            "allow_mcp_servers": or("allow_mcp_servers", json!(false)),
            "allow_package_managers": or("allow_package_managers", json!(false)),
        }),
        _ => json!({"type": "unrestricted"}),
    };
    Ok(Json::parsed(whole.to_string()))
}

fn packages(given: &Value) -> Result<Json> {
    schema::check(given, &PACKAGES, "config.packages")?;
    let mut whole = Map::from_iter([("type".to_owned(), json!("packages"))]);
    for manager in MANAGERS {
        let names = Some(&given[manager]).filter(|names| !names.is_null());
        whole.insert(manager.to_owned(), names.cloned().unwrap_or_else(|| json!([])));
    }
    Ok(Json::parsed(Value::from(whole).to_string()))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateEnvironment {
    name: String,
    config: Option<Config>,
    description: Option<String>,
    #[serde(default, deserialize_with = "present")]
    metadata: Option<Pairs<String>>,
    scope: Option<String>,
}

impl CreateEnvironment {
    pub fn checked(self) -> Result<NewEnvironment> {
        check_scope(self.scope.as_deref())?;
        let config = self.config.map(Config::checked).transpose()?;
        let place = match config {
            Some(PlacePatch::SelfHosted) => Place::SelfHosted,
            Some(PlacePatch::Cloud { networking, packages }) => cloud(networking, packages)?,
            None => cloud(None, None)?,
        };
        Ok(NewEnvironment {
            name: text::name("name", self.name)?,
            description: self.description.map(described).transpose()?,
            place,
            metadata: text::coded(text::metadata(self.metadata.unwrap_or_default().0))?,
        })
    }
}

fn cloud(given: Option<Json>, wanted: Option<Json>) -> Result<Place> {
    Ok(Place::Cloud {
        networking: given.map_or_else(|| networking(&json!({"type": "unrestricted"})), Ok)?,
        packages: wanted.map_or_else(|| packages(&json!({})), Ok)?,
    })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::option_option, reason = "absent, null and a value are three things here")]
pub struct UpdateEnvironment {
    name: Option<String>,
    config: Option<Config>,
    #[serde(default, deserialize_with = "nullable")]
    description: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    metadata: Option<Pairs<Option<String>>>,
    scope: Option<String>,
}

impl UpdateEnvironment {
    pub fn checked(self) -> Result<EnvironmentPatch> {
        check_scope(self.scope.as_deref())?;
        let description = self.description.map(|given| given.map(described).transpose());
        Ok(EnvironmentPatch {
            name: self.name.map(|name| text::name("name", name)).transpose()?,
            description: description.transpose()?,
            place: self.config.map(Config::checked).transpose()?,
            metadata: self.metadata.map(|Pairs(given)| patch(given)).transpose()?,
        })
    }
}

/// An empty value removes a key here, as null does.
fn patch(given: MetadataPatch) -> Result<MetadataPatch> {
    let emptied = given
        .into_iter()
        .map(|(key, value)| (key, value.filter(|value| !value.is_empty())))
        .collect();
    text::coded(text::metadata_patch(emptied))
}

fn described(given: String) -> Result<String> {
    text::free("description", given, DESCRIPTION_CHARS)
}

fn check_scope(scope: Option<&str>) -> Result<()> {
    match scope {
        None | Some("organization") => Ok(()),
        Some(other) => Err(Error::Invalid(format!(
            "scope must be \"organization\", which every environment has here; got {other:?}"
        ))),
    }
}
