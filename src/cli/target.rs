//! What the administrative commands work on: the database itself, or a running server.

use std::sync::Arc;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args};
use secrecy::SecretString;

use super::{Failure, output};
use crate::app::{App, Authority, Settings, upkeep};
use crate::client::Client;
use crate::clock::{SystemClock, SystemSource};
use crate::config::{DATABASE_URL, DatabaseUrl};
use crate::db::{Durability, Location};
use crate::domain::limits::Limits;

#[derive(Args, Debug)]
#[command(next_help_heading = "Where")]
pub struct TargetFlags {
    /// Database to work on directly; the default where no server is named
    #[arg(long, env = "MEMSTORED_DATABASE_URL", value_name = "URL", default_value = DATABASE_URL)]
    #[arg(hide_env_values = true, value_parser = DatabaseUrl)]
    database_url: Location,

    /// Running server to work through
    #[arg(long, env = "MEMSTORED_URL", value_name = "URL")]
    url: Option<String>,

    /// API key with the admin scope, for a server
    #[arg(long, env = "MEMSTORED_API_KEY", value_name = "KEY", hide_env_values = true)]
    api_key: Option<SecretString>,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// For commands that work on a database and nothing else.
#[derive(Args, Debug)]
pub struct DatabaseFlags {
    /// Database: sqlite:PATH or postgres://USER@HOST:PORT/DATABASE
    #[arg(long, env = "MEMSTORED_DATABASE_URL", value_name = "URL", default_value = DATABASE_URL)]
    #[arg(hide_env_values = true, value_parser = DatabaseUrl)]
    pub database_url: Location,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// A database opened here, or a server.
pub enum Target {
    Database(Box<App>),
    Server(Client),
}

impl TargetFlags {
    /// Flags beat the environment; a database and a server at once is an error.
    pub async fn open(&self, matches: &ArgMatches, create: bool) -> Result<Target, Failure> {
        let given = |name, source| matches.value_source(name) == Some(source);
        let by = |source| (given("url", source), given("database_url", source));
        let server = match (by(ValueSource::CommandLine), by(ValueSource::EnvVariable)) {
            ((true, true), _) => {
                return Err(Failure::Usage("give either --url or --database-url, not both".into()));
            }
            ((true, false), _) => true,
            ((false, true), _) => false,
            (_, (true, true)) => {
                return Err(Failure::Usage(
                    "MEMSTORED_URL and MEMSTORED_DATABASE_URL are both set: unset one, or give \
                     --url or --database-url"
                        .into(),
                ));
            }
            (_, (server, _)) => server,
        };
        match &self.url {
            Some(url) if server => self.server(url),
            _ => {
                let is_named = !given("database_url", ValueSource::DefaultValue);
                self.database(create, is_named).await
            }
        }
    }

    fn server(&self, url: &str) -> Result<Target, Failure> {
        let Some(key) = &self.api_key else {
            return Err(Failure::Usage(
                "a server needs a key with the admin scope: give --api-key or set \
                 MEMSTORED_API_KEY"
                    .into(),
            ));
        };
        Ok(Target::Server(Client::new(url, key.clone())?))
    }

    /// What nobody has named is not made by the way: it may be the wrong folder.
    async fn database(&self, create: bool, is_named: bool) -> Result<Target, Failure> {
        if matches!(self.database_url, Location::Memory) {
            return Err(Failure::Usage(
                "an in-memory database is private to its server: name the server with --url".into(),
            ));
        }
        if !create {
            upkeep::require_database(&self.database_url).await?;
        } else if self.database_url.is_missing() {
            if !is_named {
                let url = &self.database_url;
                return Err(Failure::Failed(format!(
                    "there is no database of memstored at {url}: name another, or give --database-url \
                     {url} to have this one made"
                )));
            }
            output::say(&format!("making a new database at {}", self.database_url));
        }
        let settings = Settings {
            location: self.database_url.clone(),
            durability: Durability::Full,
            limits: Limits::default(),
            api_key: None,
            dev: false,
        };
        let app = App::open(settings, Arc::new(SystemClock), Arc::new(SystemSource)).await?;
        Ok(Target::Database(Box::new(app)))
    }
}

/// The authority of whoever has the database.
pub fn operator(app: &App) -> Authority {
    Authority::operator(app.new_request())
}

/// The largest page, for walking a whole list.
pub fn first_page() -> crate::domain::page::Paging {
    crate::domain::page::Paging { limit: crate::domain::page::MAX_LIMIT, after: None }
}
