//! Environments: where a session's tools run. Only a self-hosted one has a queue of work here.

use super::id::{EnvironmentId, WorkspaceId};
use super::json::Json;
use super::text::{self, Metadata, MetadataPatch};
use super::time::Timestamp;
use super::{Error, Result};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    pub id: EnvironmentId,
    pub workspace: WorkspaceId,
    pub name: String,
    pub description: Option<String>,
    pub place: Place,
    pub metadata: Metadata,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub archived_at: Option<Timestamp>,
}

/// Where tools run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the hosted service's containers, which are not here: kept, not interpreted.
    Cloud { networking: Json, packages: Json },
    /// With workers that ask for work.
    SelfHosted,
}

#[derive(Clone, Debug)]
pub struct NewEnvironment {
    pub name: String,
    pub description: Option<String>,
    pub place: Place,
    pub metadata: Metadata,
}

/// `None` leaves a field as it is.
#[derive(Clone, Debug)]
pub struct EnvironmentPatch {
    pub name: Option<String>,
    pub description: Option<Option<String>>,
    pub place: Option<PlacePatch>,
    pub metadata: Option<MetadataPatch>,
}

#[derive(Clone, Debug)]
pub enum PlacePatch {
    Cloud { networking: Option<Json>, packages: Option<Json> },
    SelfHosted,
}

impl Place {
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Cloud { .. } => "cloud",
            Self::SelfHosted => "self_hosted",
        }
    }

    fn patched(&self, patch: PlacePatch) -> Result<Self> {
        match (self, patch) {
            (Self::SelfHosted, PlacePatch::SelfHosted) => Ok(Self::SelfHosted),
            (
                Self::Cloud { networking: n, packages: p },
                PlacePatch::Cloud { networking, packages },
            ) => Ok(Self::Cloud {
                networking: networking.unwrap_or_else(|| n.clone()),
                packages: packages.unwrap_or_else(|| p.clone()),
            }),
            (old, _) => Err(Error::Coded {
                code: "invalid_config_type_change",
                message: format!(
                    "config.type: this environment is {}, which can't be changed: make another",
                    old.as_str()
                ),
            }),
        }
    }
}

impl Environment {
    pub fn is_self_hosted(&self) -> bool {
        self.place == Place::SelfHosted
    }

    /// Refuses one whose tools run elsewhere: it has no work queue.
    pub fn require_queue(&self) -> Result<()> {
        if self.is_self_hosted() {
            return Ok(());
        }
        Err(Error::Invalid(format!(
            "environment {} is {}: only a self_hosted one has a work queue",
            self.id,
            self.place.as_str()
        )))
    }

    /// The environment after the patch, but for `updated_at`; `None` where nothing would change.
    pub fn updated(&self, patch: EnvironmentPatch) -> Result<Option<Self>> {
        if self.archived_at.is_some() {
            return Err(Error::Coded {
                code: "environment_archived",
                message: format!("cannot modify archived resource: environment {}", self.id),
            });
        }
        let mut next = self.clone();
        if let Some(name) = patch.name {
            next.name = name;
        }
        if let Some(description) = patch.description {
            next.description = description;
        }
        if let Some(place) = patch.place {
            next.place = self.place.patched(place)?;
        }
        if let Some(patch) = &patch.metadata {
            next.metadata = text::coded(text::patched(&self.metadata, patch))?;
        }
        Ok((next != *self).then_some(next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Json {
        Json::parsed(text.into())
    }

    fn cloud() -> Environment {
        Environment {
            id: EnvironmentId::new("1"),
            workspace: WorkspaceId::new("1"),
            name: "e".into(),
            description: Some("d".into()),
            place: Place::Cloud { networking: json("1"), packages: json("2") },
            metadata: Metadata::new(),
            created_at: Timestamp::from_micros(1),
            updated_at: Timestamp::from_micros(1),
            archived_at: None,
        }
    }

    fn patch(place: PlacePatch) -> EnvironmentPatch {
        EnvironmentPatch { name: None, description: None, place: Some(place), metadata: None }
    }

    #[test]
    fn what_a_patch_leaves_out_stays() {
        let change = PlacePatch::Cloud { networking: None, packages: Some(json("3")) };
        let next = cloud().updated(patch(change)).unwrap().unwrap();
        assert_eq!(next.place, Place::Cloud { networking: json("1"), packages: json("3") });

        let same = PlacePatch::Cloud { networking: Some(json("1")), packages: None };
        assert_eq!(cloud().updated(patch(same)).unwrap(), None);
    }

    #[test]
    fn the_kind_of_an_environment_stays() {
        let refused = cloud().updated(patch(PlacePatch::SelfHosted));
        assert!(matches!(refused, Err(Error::Coded { code: "invalid_config_type_change", .. })));
    }
}
