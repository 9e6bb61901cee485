//! `memstored redact` and `memstored journal`

use clap::Args;
use reqwest::StatusCode;
use serde_json::Value;

use super::{Done, Failure, Shared, array, confirm, find, output, time};
use crate::client::store::{StoreApi, find as find_store, is_id};
use crate::client::{Client, ClientError};
use crate::domain::time::Timestamp;
use crate::history::text::{grouped, one_line};
use crate::wire::version::Version;

#[derive(Args, Debug)]
#[command(after_help = "\
Redaction erases content, path, size and hash of a version for good. ID, operation, time and author
stay. The reason goes into the journal of a memstored, where a redaction does not reach it: name no
secret in it.

The newest version of a memory that lives can't be redacted. Write another content first, or delete
the memory, and then redact.

Examples:
  memstored redact --store notes memver_01K… --reason 'held an API key'
  memstored redact --store notes memver_01K… memver_01M… --reason GDPR-2026-117 --yes")]
pub struct Redact {
    /// Versions, by their IDs or abbreviations
    #[arg(value_name = "VERSION", required = true)]
    versions: Vec<String>,

    /// Why, for the journal of a memstored
    #[arg(long, value_name = "TEXT")]
    reason: String,

    /// Ask no questions
    #[arg(short, long)]
    yes: bool,

    #[command(flatten)]
    place: super::InStore,
}

impl Redact {
    pub async fn run(self) -> Done {
        let store = self.place.open().await?.with_reason(&self.reason)?;
        let mut versions = Vec::new();
        for text in &self.versions {
            versions.push(find::version(&store, text).await?);
        }
        for version in &versions {
            refuse_head(&store, version).await?;
        }
        for version in &versions {
            output::say(&told(version));
        }
        if !self.yes {
            let what = match versions.len() {
                1 => "this version".to_owned(),
                count => format!("these {count} versions"),
            };
            confirm(&format!("Redact {what}?"), "redact", "nothing was redacted")?;
        }
        let mut redacted = Vec::new();
        for version in &versions {
            redacted.push(store.redact(&version.id).await?);
            if !self.place.json() {
                output::print(&format!("redacted {}", version.id))?;
            }
        }
        if self.place.json() { array(redacted) } else { Ok(()) }
    }
}

/// What will be gone.
fn told(version: &Version) -> String {
    let path = one_line(version.path.as_deref().unwrap_or("-"));
    match (&version.redacted_at, version.content_size_bytes) {
        (Some(at), _) => format!("{}: was redacted at {at}", version.id),
        (None, Some(size)) => format!(
            "{}: {} bytes of {path}, written at {}, will be gone for good",
            version.id,
            grouped(size),
            version.created_at
        ),
        (None, None) => format!("{}: the path {path} will be gone for good", version.id),
    }
}

async fn refuse_head(store: &StoreApi, version: &Version) -> Done {
    if version.redacted_at.is_some() {
        return Ok(());
    }
    let head = store.memory(&version.memory_id).await?;
    match head.filter(|memory| memory.memory_version_id == version.id) {
        None => Ok(()),
        Some(memory) => {
            let path = one_line(&memory.path).into_owned();
            Err(Failure::Failed(format!(
                "{} is what {path} holds now, and can't be redacted. Write other content \
                 (memstored put {path}) or delete it (memstored rm {path}), then redact it",
                version.id
            )))
        }
    }
}

#[derive(Args, Debug)]
#[command(after_help = "\
Only a memstored has a journal, and only a key with the admin scope reads it: every change, by whom,
with which key or token, by which request, and why. A store's journal outlives the store, by its ID.

Examples:
  memstored journal --store notes
  memstored journal --store memstore_01K… --kind version_redacted --json
  memstored journal                             keys, sessions and other changes of the workspace")]
pub struct Journal {
    /// Store, by its ID, or by a name that only one store has; the workspace where not given
    #[arg(long, env = "MEMSTORED_STORE", value_name = "NAME_OR_ID")]
    store: Option<String>,

    /// The workspace, whatever store is named
    #[arg(long)]
    workspace: bool,

    /// Only entries of this kind
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,

    /// Only changes of this version, key, session …
    #[arg(long, value_name = "ID")]
    subject: Option<String>,

    /// Only from this time on
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Timestamp>,

    /// Only until this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,

    #[command(flatten)]
    shared: Shared,
}

impl Journal {
    pub async fn run(self) -> Done {
        let client = self.shared.client()?;
        let store = match self.store.as_ref().filter(|_| !self.workspace) {
            Some(store) => Some(id(&client, store).await?),
            None => None,
        };
        let times = [self.since, self.until].map(|at| at.map(|at| at.to_string()));
        let fields = [
            ("store_id", &store),
            ("kind", &self.kind),
            ("subject", &self.subject),
            ("created_at[gte]", &times[0]),
            ("created_at[lte]", &times[1]),
        ];
        let given = fields.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?)));
        let query: Vec<_> = given.collect();
        let entries = client.list::<Value>("/x/v1/journal", &query).await;
        let entries = entries.map_err(|error| elsewhere(error, store.is_some()))?;
        if self.shared.json {
            return array(entries);
        }
        let head = ["SEQ", "TIME", "KIND", "SUBJECT", "BY", "CREDENTIAL", "REQUEST", "REASON"];
        output::rows(&head, &entries.iter().map(row).collect::<Vec<_>>())
    }
}

/// The ID of a store; one that was deleted has no name any more.
async fn id(client: &Client, wanted: &str) -> Result<String, Failure> {
    if is_id(wanted, "memstore_") {
        return Ok(wanted.to_owned());
    }
    Ok(find_store(client, wanted).await?.id)
}

fn elsewhere(error: ClientError, has_store: bool) -> Failure {
    match &error {
        ClientError::Refused { status: StatusCode::NOT_FOUND, .. } if !has_store => {
            Failure::Failed("this server has no journal: only a memstored has one".into())
        }
        _ => error.into(),
    }
}

fn row(entry: &Value) -> Vec<String> {
    let text = |value: &Value| match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => one_line(text).into_owned(),
        other => other.to_string(),
    };
    let by = entry["created_by"]
        .as_object()
        .and_then(|by| by.iter().find(|(name, _)| *name != "type").map(|(_, id)| text(id)));
    let mut row: Vec<_> =
        ["seq", "created_at", "kind", "subject"].iter().map(|name| text(&entry[*name])).collect();
    row.push(by.unwrap_or_else(|| "-".to_owned()));
    row.extend(["credential_id", "request_id", "reason"].iter().map(|name| text(&entry[*name])));
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_a_row_whatever_is_missing() {
        let entry = serde_json::json!({
            "seq": 3, "created_at": "t", "kind": "version_redacted", "subject": "memver_1",
            "created_by": {"type": "api_actor", "api_key_id": "apikey_1"},
            "credential_id": null, "request_id": "req_1", "reason": "a\u{1b}b"
        });
        let expected =
            ["3", "t", "version_redacted", "memver_1", "apikey_1", "-", "req_1", "a\\u{1b}b"];
        assert_eq!(row(&entry), expected);
    }
}
