//! `memstored key`

use clap::{ArgMatches, Args, Subcommand};
use reqwest::Method;
use secrecy::ExposeSecret;

use super::target::{Target, TargetFlags, first_page, operator};
use super::why::Why;
use super::{Done, Failure, output};
use crate::app::{App, KeyRequest};
use crate::domain::id::{ApiKeyId, WorkspaceId};
use crate::history::text::one_line;
use crate::wire::admin::{ApiKey, CreateKey};

const PATH: &str = "/x/v1/api_keys";

#[derive(Subcommand, Debug)]
pub enum Key {
    /// Make an API key and print it, once
    #[command(after_help = "\
A database that is not there is made where --database-url or its variable names it.

Examples:
  memstored key create --name ci
  memstored key create --name auditor --scope read --expires 2027-01-31T00:00:00Z
  memstored key create --name backup --as-service nightly-backup --json
  memstored key create --name workers --environment env_01K… --json")]
    Create(Create),
    /// List API keys, newest first
    List(List),
    /// Revoke an API key; it stops working within a second
    Revoke(Revoke),
}

#[derive(Args, Debug)]
pub struct Create {
    /// What to call the key
    #[arg(long, value_name = "NAME", default_value = "key")]
    name: String,

    /// Scopes; may be repeated or separated by commas
    ///
    /// read is GET, write the other calls of the API, redact the redaction of a version and the
    /// deletion of a store, admin the management of keys and workspaces. None implies another.
    #[arg(long = "scope", visible_alias = "scopes", value_name = "SCOPE", value_delimiter = ',')]
    #[arg(default_values = ["read", "write"], value_parser = ["read", "write", "redact", "admin"])]
    scopes: Vec<String>,

    /// When the key stops working, as an RFC 3339 time; never where not given
    #[arg(long = "expires", visible_alias = "expires-at", value_name = "TIME")]
    expires_at: Option<String>,

    /// Workspace of the key; your own where not given (the first one, on a database)
    #[arg(long = "workspace", value_name = "ID")]
    workspace_id: Option<String>,

    /// Make the key of this self-hosted environment, with which its workers claim work and nothing else
    #[arg(long = "environment", value_name = "ID", conflicts_with_all = ["scopes", "as_service", "as_user"])]
    environment_id: Option<String>,

    /// Act as the service account of this name, which is made where it is new
    #[arg(long, value_name = "NAME", conflicts_with = "as_user")]
    as_service: Option<String>,

    /// Act as the user of this name, who is made where new
    #[arg(long, value_name = "NAME")]
    as_user: Option<String>,

    #[command(flatten)]
    why: Why,

    #[command(flatten)]
    target: TargetFlags,
}

#[derive(Args, Debug)]
pub struct List {
    /// Only keys of this workspace
    #[arg(long = "workspace", value_name = "ID")]
    workspace_id: Option<String>,

    #[command(flatten)]
    target: TargetFlags,
}

#[derive(Args, Debug)]
pub struct Revoke {
    /// ID of the key (apikey_…)
    id: String,

    #[command(flatten)]
    why: Why,

    #[command(flatten)]
    target: TargetFlags,
}

pub async fn run(command: Key, matches: &ArgMatches) -> Done {
    match command {
        Key::Create(create) => create.run(matches).await,
        Key::List(list) => list.run(matches).await,
        Key::Revoke(revoke) => revoke.run(matches).await,
    }
}

impl Create {
    async fn run(self, matches: &ArgMatches) -> Done {
        let target = self.target.open(matches, true).await?;
        let json = self.target.json;
        let body = CreateKey {
            name: self.name,
            scopes: self.environment_id.is_none().then_some(self.scopes),
            environment_id: self.environment_id,
            expires_at: self.expires_at,
            workspace_id: self.workspace_id,
            as_service: self.as_service,
            as_user: self.as_user,
        };
        let key = match target {
            Target::Server(client) => {
                let client = self.why.client(client)?;
                client.call(Method::POST, PATH, &[], Some(&body)).await?
            }
            Target::Database(app) => {
                let made = create(&app, body, self.why).await;
                app.close().await;
                made?
            }
        };
        if json {
            return output::json(&key);
        }
        output::say(&format!("made {} ({}); the key is shown this once:", key.id, key.name));
        output::print(key.key.as_deref().unwrap_or_default())
    }
}

async fn create(app: &App, mut body: CreateKey, why: Why) -> Result<ApiKey, Failure> {
    let workspace = body.workspace_id.take();
    let workspace = workspace.as_deref().map(WorkspaceId::parse).transpose()?;
    let request = KeyRequest { workspace, new: body.parsed()? };
    let (key, secret) = app.create_key(operator(app).because(why.reason), request).await?;
    Ok(ApiKey { key: Some(secret.expose_secret().to_owned()), ..ApiKey::from(key) })
}

impl List {
    async fn run(self, matches: &ArgMatches) -> Done {
        let keys = match self.target.open(matches, false).await? {
            Target::Server(client) => {
                let query = self.workspace_id.as_deref().map(|id| ("workspace_id", id));
                client.list(PATH, query.as_slice()).await?
            }
            Target::Database(app) => {
                let listed = list(&app, self.workspace_id.as_deref()).await;
                app.close().await;
                listed?
            }
        };
        if self.target.json {
            return output::json(&keys);
        }
        let head = [
            "ID",
            "NAME",
            "KEY",
            "SCOPES",
            "ACTS AS",
            "WORKSPACE",
            "CREATED",
            "EXPIRES",
            "REVOKED",
        ];
        output::rows(&head, &keys.into_iter().map(row).collect::<Vec<_>>())
    }
}

fn row(key: ApiKey) -> Vec<String> {
    let absent = || "-".to_owned();
    vec![
        key.id,
        one_line(&key.name).into_owned(),
        key.hint,
        key.scopes.join(","),
        key.actor_name.map_or_else(absent, |name| one_line(&name).into_owned()),
        key.workspace_id,
        key.created_at,
        key.expires_at.unwrap_or_else(absent),
        key.revoked_at.unwrap_or_else(absent),
    ]
}

async fn list(app: &App, workspace: Option<&str>) -> Result<Vec<ApiKey>, Failure> {
    let workspace = workspace.map(WorkspaceId::parse).transpose()?;
    let authority = operator(app);
    let mut paging = first_page();
    let mut keys = Vec::new();
    loop {
        let page = app.keys(&authority, workspace.clone(), &paging).await?;
        keys.extend(page.items.into_iter().map(ApiKey::from));
        paging.after = page.next;
        if paging.after.is_none() {
            return Ok(keys);
        }
    }
}

impl Revoke {
    async fn run(self, matches: &ArgMatches) -> Done {
        let key: ApiKey = match self.target.open(matches, false).await? {
            Target::Server(client) => {
                let path = format!("{PATH}/{}/revoke", ApiKeyId::parse(&self.id)?);
                self.why.client(client)?.call(Method::POST, &path, &[], None::<&()>).await?
            }
            Target::Database(app) => {
                let revoked = revoke(&app, &self.id, self.why).await;
                app.close().await;
                revoked?
            }
        };
        if self.target.json {
            return output::json(&key);
        }
        output::print(&format!("revoked {} ({})", key.id, one_line(&key.name)))
    }
}

async fn revoke(app: &App, id: &str, why: Why) -> Result<ApiKey, Failure> {
    let authority = operator(app).because(why.reason);
    Ok(app.revoke_key(authority, ApiKeyId::parse(id)?).await?.into())
}
