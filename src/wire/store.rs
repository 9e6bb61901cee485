//! Stores (contract 2.1, 2.2).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::shape::{Pairs, nullable, present};
use crate::domain::store::{NewStore, StorePatch};
use crate::domain::text;
use crate::domain::{Error, Result, store};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Store {
    #[serde(rename = "type")]
    pub kind: String,
    pub id: String,
    pub name: String,
    pub description: String,
    pub metadata: BTreeMap<String, String>,
    pub created_at: String,
    pub updated_at: String,
    pub archived_at: Option<String>,
}

impl From<store::Store> for Store {
    fn from(store: store::Store) -> Self {
        Self {
            kind: "memory_store".into(),
            id: store.id.to_string(),
            name: store.name,
            description: store.description,
            metadata: store.metadata,
            created_at: store.created_at.to_string(),
            updated_at: store.updated_at.to_string(),
            archived_at: store.archived_at.map(|at| at.to_string()),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateStore {
    name: String,
    #[serde(default, deserialize_with = "present")]
    description: Option<String>,
    #[serde(default, deserialize_with = "present")]
    metadata: Option<Pairs<String>>,
}

impl CreateStore {
    pub fn checked(self) -> Result<NewStore> {
        Ok(NewStore {
            name: text::name("name", self.name)?,
            description: text::description(self.description.unwrap_or_default())?,
            metadata: text::metadata(self.metadata.unwrap_or_default().0)?,
        })
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::option_option, reason = "absent, null and a value are three things here")]
pub struct UpdateStore {
    #[serde(default, deserialize_with = "nullable")]
    name: Option<Option<String>>,
    #[serde(default, deserialize_with = "nullable")]
    description: Option<Option<String>>,
    #[serde(default, deserialize_with = "nullable")]
    metadata: Option<Option<Pairs<Option<String>>>>,
}

impl UpdateStore {
    /// A null description clears it; a null name or null metadata is refused.
    pub fn checked(self) -> Result<StorePatch> {
        if self.name.is_none() && self.description.is_none() && self.metadata.is_none() {
            return Err(Error::invalid(
                "at least one of name, description, or metadata must be provided",
            ));
        }
        let name = match self.name {
            Some(name) => match name.filter(|name| !name.is_empty()) {
                Some(name) => Some(text::name("name", name)?),
                None => return Err(Error::invalid("name cannot be empty")),
            },
            None => None,
        };
        let description = self.description.map(Option::unwrap_or_default);
        let metadata = match self.metadata {
            Some(Some(Pairs(patch))) => Some(text::metadata_patch(patch)?),
            Some(None) => {
                return Err(Error::invalid(
                    "metadata cannot be null: to remove a key, set that key to null",
                ));
            }
            None => None,
        };
        Ok(StorePatch {
            name,
            description: description.map(text::description).transpose()?,
            metadata,
        })
    }
}
