//! Every setting, once: flag, environment variable, help and default.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};

use clap::Args;
use clap::builder::{BoolishValueParser, TypedValueParser};
use secrecy::SecretString;

use crate::db::{Durability, Location};
use crate::domain::limits::Limits;

pub const DATABASE_URL: &str = "sqlite:memstored.db";

/// The settings of `memstored serve`. The comments of its fields are the help as it is printed.
#[expect(clippy::doc_markdown, reason = "help is printed as it stands, without markup")]
#[derive(Args, Debug)]
pub struct Serve {
    /// Address and port to listen on; port 0 takes a free one
    #[arg(
        long,
        env = "MEMSTORED_LISTEN",
        value_name = "ADDRESS",
        default_value = "127.0.0.1:8780"
    )]
    pub listen: SocketAddr,

    /// Database: sqlite:PATH (made where missing), sqlite::memory: (private, gone at exit), or
    /// postgres://USER@HOST:PORT/DATABASE
    ///
    /// A password is better given as PGPASSWORD or in ~/.pgpass than in a flag, which other users of
    /// the machine can read.
    #[arg(long, env = "MEMSTORED_DATABASE_URL", value_name = "URL", default_value = DATABASE_URL)]
    #[arg(hide_env_values = true, value_parser = DatabaseUrl)]
    pub database_url: Location,

    /// API key of any form that is valid while configured, with all scopes in the first workspace
    ///
    /// With it no first key is made.
    #[arg(long, env = "MEMSTORED_API_KEY", value_name = "KEY", hide_env_values = true)]
    #[arg(value_parser = secret)]
    pub api_key: Option<SecretString>,

    /// Accept any API key, each unknown one as a workspace of its own with all scopes
    ///
    /// For tests that isolate themselves by key; only on a loopback address.
    #[arg(long, env = "MEMSTORED_DEV", value_parser = BoolishValueParser::new())]
    pub dev: bool,

    /// Accept requests without the anthropic-beta header, and unknown anthropic-version values
    #[arg(long, env = "MEMSTORED_LENIENT_HEADERS", value_parser = BoolishValueParser::new())]
    pub lenient_headers: bool,

    /// Host name that requests may use; may be repeated
    ///
    /// On a loopback address and with --dev, localhost, 127.0.0.1 and ::1 are always allowed and
    /// others must be named; elsewhere any is allowed until one is named.
    #[arg(long, env = "MEMSTORED_ALLOWED_HOST", value_name = "HOST", value_delimiter = ',')]
    #[arg(value_parser = host)]
    pub allowed_host: Vec<String>,

    /// Whether an answered write is synced to disk; relaxed is for tests
    #[arg(
        long,
        env = "MEMSTORED_DURABILITY",
        value_name = "LEVEL",
        value_enum,
        default_value = "full"
    )]
    pub durability: Durability,

    /// Address of the Prometheus figures, at /metrics; off where not given
    #[arg(long, env = "MEMSTORED_METRICS_LISTEN", value_name = "ADDRESS")]
    pub metrics_listen: Option<SocketAddr>,

    /// Least severe log level: error, warn, info, debug or trace
    #[arg(long, env = "MEMSTORED_LOG", value_name = "LEVEL", default_value = "info")]
    #[arg(value_parser = ["error", "warn", "info", "debug", "trace"])]
    pub log: String,

    #[command(flatten)]
    pub limits: LimitFlags,
}

/// Limits; the defaults are those of the contract, where it has one.
#[derive(Args, Debug)]
#[command(next_help_heading = "Limits")]
pub struct LimitFlags {
    /// Live memories in one store
    #[arg(
        long,
        env = "MEMSTORED_MAX_MEMORIES_PER_STORE",
        value_name = "N",
        default_value_t = 10_000
    )]
    pub max_memories_per_store: u64,

    /// Stores in one workspace; no limit where not given
    #[arg(long, env = "MEMSTORED_MAX_STORES", value_name = "N")]
    pub max_stores: Option<u64>,

    /// Bytes of one memory's content
    #[arg(long, env = "MEMSTORED_MAX_CONTENT_BYTES", value_name = "N", default_value_t = 102_400)]
    pub max_content_bytes: usize,

    /// Bytes of a request body
    #[arg(long, env = "MEMSTORED_MAX_BODY_BYTES", value_name = "N", default_value_t = 33_554_432)]
    pub max_body_bytes: usize,

    /// Connections at one time; more wait to be accepted [default: 20000, or as many as the system
    /// allows]
    #[arg(long, env = "MEMSTORED_MAX_CONNECTIONS", value_name = "N")]
    pub max_connections: Option<NonZeroUsize>,

    /// Connections to Postgres at one time; requests that find none free wait
    #[arg(
        long,
        env = "MEMSTORED_MAX_DATABASE_CONNECTIONS",
        value_name = "N",
        default_value = "16"
    )]
    pub max_database_connections: NonZeroUsize,

    /// Requests a minute for one API key; no limit where not given
    #[arg(long, env = "MEMSTORED_RATE_LIMIT", value_name = "N")]
    pub rate_limit: Option<NonZeroU32>,
}

impl LimitFlags {
    pub fn domain(&self) -> Limits {
        Limits {
            memories_per_store: self.max_memories_per_store,
            content_bytes: self.max_content_bytes,
            stores_per_workspace: self.max_stores,
        }
    }
}

/// Reads a database URL; a refusal does not repeat it, since it may hold a password.
#[derive(Clone)]
pub struct DatabaseUrl;

impl TypedValueParser for DatabaseUrl {
    type Value = Location;

    fn parse_ref(
        &self,
        command: &clap::Command,
        _: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<Location, clap::Error> {
        let refused = |error: &dyn std::fmt::Display| {
            command.clone().error(clap::error::ErrorKind::ValueValidation, error)
        };
        let text = value.to_str().ok_or_else(|| refused(&"database URL must be UTF-8"))?;
        text.parse().map_err(|error| refused(&error))
    }
}

/// Takes a host name as `Host` has it, and none where nothing is given.
fn host(text: &str) -> Result<String, &'static str> {
    let name = text.trim();
    if name.contains(|char: char| matches!(char, '/' | '*' | '@') || char.is_whitespace()) {
        return Err("a host is named by itself, as in localhost: no scheme, path or pattern");
    }
    Ok(name.to_owned())
}

/// Takes any text, so that no refusal of the parser prints a key.
#[expect(clippy::unnecessary_wraps, reason = "clap's parsers answer a result")]
fn secret(text: &str) -> Result<SecretString, std::convert::Infallible> {
    Ok(text.to_owned().into())
}
