//! `memstored stores` and `memstored whoami`

use clap::Args;
use reqwest::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Done, Shared, array, output};
use crate::client::ClientError;
use crate::client::store::{BETA, STORES};
use crate::history::text::one_line;
use crate::wire::page::Page;
use crate::wire::store::Store;

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  memstored stores
  memstored stores --all --json")]
pub struct Stores {
    /// Archived stores, too
    #[arg(long)]
    all: bool,

    #[command(flatten)]
    shared: Shared,
}

impl Stores {
    pub async fn run(self) -> Done {
        let client = self.shared.client()?.with_beta(BETA);
        let all = [("include_archived", "true")];
        let query = if self.all { &all[..] } else { &[] };
        let stores: Vec<Store> = client.list(STORES, query).await?;
        if self.shared.json {
            return array(stores);
        }
        let row = |store: &Store| {
            let archived = if store.archived_at.is_some() { "archived" } else { "" };
            vec![
                store.id.clone(),
                one_line(&store.name).into_owned(),
                store.created_at.clone(),
                archived.to_owned(),
                one_line(&store.description).into_owned(),
            ]
        };
        let rows: Vec<_> = stores.iter().map(row).collect();
        output::rows(&["ID", "NAME", "CREATED", "", "DESCRIPTION"], &rows)
    }
}

#[derive(Args, Debug)]
#[command(after_help = "\
On a memstored it tells the key or token, its scopes, whom writes are attributed to, and the limits of
the server. On another server of the API it tells no more than that the credential is accepted.")]
pub struct Whoami {
    #[command(flatten)]
    shared: Shared,
}

/// What a server says of a credential: whatever fields there are.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
struct Caller(Map<String, Value>);

impl Whoami {
    pub async fn run(self) -> Done {
        let client = self.shared.client()?;
        let asked = client.call(Method::GET, "/x/v1/whoami", &[], None::<&()>).await;
        let caller = match asked {
            Ok(caller) => caller,
            Err(ClientError::Refused { status: StatusCode::NOT_FOUND, .. }) => {
                // No memstored: that a list is answered shows that the credential is accepted.
                let stores = client.with_beta(BETA);
                let query = [("limit", "1")];
                let _: Page<Store> = stores.call(Method::GET, STORES, &query, None::<&()>).await?;
                output::say("this server only says that the credential is accepted");
                Caller(Map::new())
            }
            Err(error) => return Err(error.into()),
        };
        if self.shared.json {
            return array([caller]);
        }
        let mut rows = vec![vec!["server".to_owned(), client.base().to_owned()]];
        for (name, value) in &caller.0 {
            if name != "type" && !value.is_null() {
                rows.push(vec![name.clone(), plain(value)]);
            }
        }
        output::rows(&["", ""], &rows)
    }
}

/// A field of an object. A number needs its name, an ID says what it is.
fn field((name, value): (&String, &Value)) -> String {
    if value.is_number() { format!("{name} {value}") } else { plain(value) }
}

/// A value on one line.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => one_line(text).into_owned(),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => fields.iter().map(field).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}
