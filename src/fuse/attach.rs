//! What to mount where: the stores of a session, or one store by its name or ID.

use std::path::{Path, PathBuf};

use reqwest::Method;
use secrecy::SecretString;
use serde::Deserialize;

use super::MountError;
use crate::client::store::{self, FindError, SESSIONS_BETA};
use crate::client::{Client, ClientError};

/// Where a session's mount paths begin (contract 5.3).
pub const ROOT: &str = "/mnt/memory";

/// One store at its place.
#[derive(Clone, Debug)]
pub struct Attachment {
    pub store: String,
    pub name: String,
    pub at: PathBuf,
    pub read_only: bool,
}

/// What a mount needs of a session (contract 5.2); other resources are no business of it.
#[derive(Deserialize)]
struct Session {
    resources: Vec<Resource>,
}

#[derive(Deserialize)]
struct Resource {
    #[serde(rename = "type")]
    kind: String,
    memory_store_id: Option<String>,
    name: Option<String>,
    access: Option<String>,
    mount_path: Option<String>,
}

#[derive(Deserialize)]
struct Token {
    token: String,
}

/// A token for a session, from a memstored whose admin key the client has.
pub async fn token(client: &Client, session: &str) -> Result<SecretString, MountError> {
    let path = format!("/x/v1/sessions/{}/tokens", named(session, "sesn_", "session")?);
    let made: Result<Token, _> =
        client.call(Method::POST, &path, &[], Some(&serde_json::json!({}))).await;
    Ok(made.map_err(|error| unknown(error, "session", session))?.token.into())
}

/// The stores of a session below `root`.
pub async fn of_session(
    client: &Client,
    session: &str,
    root: &Path,
) -> Result<Vec<Attachment>, MountError> {
    let path = format!("/v1/sessions/{}", named(session, "sesn_", "session")?);
    let client = client.with_beta(SESSIONS_BETA);
    let found: Result<Session, _> = client.call(Method::GET, &path, &[], None::<&()>).await;
    let found = found.map_err(|error| unknown(error, "session", session))?;
    let resources = found.resources.into_iter();
    let attachments: Vec<_> = resources.filter_map(|resource| attachment(resource, root)).collect();
    if attachments.is_empty() {
        return Err(MountError::Unknown(format!("no memory store is attached to {session}")));
    }
    Ok(attachments)
}

fn attachment(resource: Resource, root: &Path) -> Option<Attachment> {
    let Resource { kind, memory_store_id, name, access, mount_path } = resource;
    let path = PathBuf::from(mount_path.filter(|_| kind == "memory_store")?);
    let place = path.strip_prefix(ROOT).ok().or_else(|| path.file_name().map(Path::new))?;
    // A server that says `..` must not choose where on this machine something is mounted.
    let plain = place.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    let store = memory_store_id?;
    Some(Attachment {
        name: name.unwrap_or_else(|| store.clone()),
        at: plain.then(|| root.join(place))?,
        read_only: access.as_deref() == Some("read_only"),
        store,
    })
}

/// One store, by its ID or by a name that only one store has.
pub async fn of_store(
    client: &Client,
    wanted: &str,
    at: &Path,
    read_only: bool,
) -> Result<Attachment, MountError> {
    let store = store::find(client, wanted).await.map_err(|error| match error {
        FindError::Unknown(text) => MountError::Unknown(text),
        FindError::Ambiguous(text) => MountError::Ambiguous(text),
        FindError::Client(error) => error.into(),
    })?;
    Ok(Attachment { store: store.id, name: store.name, at: at.into(), read_only })
}

/// An identifier that may stand in a URL's path.
fn named<'a>(id: &'a str, prefix: &str, what: &str) -> Result<&'a str, MountError> {
    if store::is_id(id, prefix) {
        return Ok(id);
    }
    Err(MountError::Unknown(format!("the ID of a {what} is {prefix}…; got {id:?}")))
}

fn unknown(error: ClientError, what: &str, id: &str) -> MountError {
    match error {
        ClientError::Refused { status, .. } if status == reqwest::StatusCode::NOT_FOUND => {
            MountError::Unknown(format!("there is no {what} {id}"))
        }
        error => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(json: &serde_json::Value) -> Option<Attachment> {
        attachment(serde_json::from_value(json.clone()).unwrap(), Path::new("/root"))
    }

    #[test]
    fn a_mount_path_is_moved_below_the_root_and_never_out_of_it() {
        let mut json = serde_json::json!({
            "type": "memory_store", "memory_store_id": "memstore_1", "name": "Notes",
            "access": "read_only", "mount_path": "/mnt/memory/notes"
        });
        let found = resource(&json).unwrap();
        assert_eq!((found.at.to_str(), found.read_only), (Some("/root/notes"), true));

        for (path, at) in [
            ("/elsewhere/notes", Some("/root/notes")),
            ("/mnt/memory/../notes", None),
            ("/mnt/memory/a/../../notes", None),
            ("/", None),
        ] {
            json["mount_path"] = path.into();
            let found = resource(&json);
            assert_eq!(found.as_ref().and_then(|found| found.at.to_str()), at, "{path}");
        }
        json["type"] = "file".into();
        assert!(resource(&json).is_none());
    }
}
