//! Where a database is, and how durable its commits are.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;

use crate::domain::{Error, Result};

/// Where a database is, as given by `--database-url`.
#[derive(Clone, Debug)]
pub enum Location {
    File(PathBuf),
    /// Private to the process and gone at its end.
    Memory,
    Postgres(Box<Server>),
}

/// A database of a Postgres server. Its password is never shown.
#[derive(Clone)]
pub struct Server {
    pub(super) options: PgConnectOptions,
    /// Most connections at one time.
    pub(super) connections: usize,
}

impl Location {
    pub const CONNECTIONS: usize = 16;

    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Memory | Self::Postgres(_) => None,
        }
    }

    /// Whether this is a file that is not there.
    pub fn is_missing(&self) -> bool {
        self.file().is_some_and(|path| !path.exists())
    }

    /// Whether both are one and the same database, as far as their names tell.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::File(one), Self::File(other)) => {
                one == other
                    || one
                        .canonicalize()
                        .is_ok_and(|one| other.canonicalize().is_ok_and(|other| one == other))
            }
            (Self::Postgres(one), Self::Postgres(other)) => one.place() == other.place(),
            _ => false,
        }
    }

    /// With at most so many connections to Postgres; a file has its own.
    #[must_use]
    pub fn with_connections(mut self, connections: usize) -> Self {
        if let Self::Postgres(server) = &mut self {
            server.connections = connections;
        }
        self
    }
}

impl FromStr for Location {
    type Err = Error;

    /// A refusal repeats nothing that may be a part of a password.
    fn from_str(url: &str) -> Result<Self> {
        if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            return Ok(Self::Postgres(Box::new(url.parse()?)));
        }
        let refuse = || {
            Error::Invalid(format!(
                "database URL must be sqlite:PATH, sqlite::memory: or postgres://…{}",
                without_secrets(url)
            ))
        };
        let path = url.strip_prefix("sqlite:").ok_or_else(refuse)?;
        let path = path.strip_prefix("//").unwrap_or(path);
        match path {
            "" => Err(refuse()),
            ":memory:" => Ok(Self::Memory),
            path if path.contains('?') => Err(Error::invalid(
                "database URL sqlite:PATH takes no parameters, so PATH has no question mark",
            )),
            path => Ok(Self::File(path.into())),
        }
    }
}

/// What is said of a text that is no URL of a database: a plain path as it is, of a URL its scheme.
fn without_secrets(url: &str) -> String {
    let of_scheme = |byte: u8| byte.is_ascii_lowercase();
    if !url.contains([':', '@', '?', '=']) {
        return format!("; got {url:?}");
    }
    match url.split_once("://") {
        Some((scheme, _)) if scheme.len() <= 20 && scheme.bytes().all(of_scheme) => {
            format!("; got {scheme}://…")
        }
        _ => String::new(),
    }
}

/// Whether an unknown parameter is what it looks like, and not the rest of a password with a `?`.
fn may_be_shown(name: &str, query: &str) -> bool {
    let of_name = |byte: u8| byte.is_ascii_lowercase() || matches!(byte, b'_' | b'-');
    (1..=30).contains(&name.len()) && name.bytes().all(of_name) && !query.contains('@')
}

/// Whether a password that is not percent-encoded made the rest of it look like a database's name.
fn is_cut(url: &str) -> bool {
    let (_, rest) = url.split_once("://").unwrap_or_default();
    let place = rest.split_once('?').map_or(rest, |(place, _)| place);
    place.contains('#') || place.split_once('/').is_some_and(|(_, name)| name.contains('@'))
}

/// The driver's names of what a URL may set. It ignores any other, a mistyped `sslmode` too.
const PARAMETERS: [&str; 18] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "ssl-ca",
    "ssl-cert",
    "ssl-key",
    "ssl-mode",
    "ssl-root-cert",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "statement-cache-capacity",
    "user",
];

const MODES: [&str; 5] = ["disable", "prefer", "require", "verify-ca", "verify-full"];

impl Server {
    /// What tells one database of Postgres from another.
    fn place(&self) -> impl PartialEq + '_ {
        let options = &self.options;
        let host = options.get_socket().is_none().then(|| options.get_host());
        let database = options.get_database().unwrap_or_else(|| options.get_username());
        (options.get_socket(), host, options.get_port(), database, options.get_options())
    }
}

impl FromStr for Server {
    type Err = Error;

    fn from_str(url: &str) -> Result<Self> {
        if is_cut(url) {
            return Err(Error::invalid(
                "database URL has a # or, after a /, an @: in a password write # as %23, / as %2F \
                 and @ as %40, or give it as PGPASSWORD",
            ));
        }
        let (_, query) = url.split_once('?').unwrap_or_default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if !PARAMETERS.contains(&&*name) && !name.starts_with("options[") {
                let shown = may_be_shown(&name, query).then(|| format!(" {name:?}"));
                return Err(Error::Invalid(format!(
                    "database URL has an unknown parameter{}; known are {}",
                    shown.unwrap_or_default(),
                    PARAMETERS.join(", ")
                )));
            }
            // With `allow` the driver would connect without TLS; what it does not know it repeats.
            let mode = value.to_ascii_lowercase();
            if matches!(&*name, "sslmode" | "ssl-mode") && !MODES.contains(&&*mode) {
                let allow = if mode == "allow" { "=allow" } else { "" };
                return Err(Error::Invalid(format!(
                    "sslmode{allow} is not supported: use one of {}",
                    MODES.join(", ")
                )));
            }
        }
        let options = url.parse().map_err(|error| {
            Error::Invalid(format!(
                "database URL must be postgres://USER:PASSWORD@HOST:PORT/DATABASE; this one can't \
                 be read: {error}"
            ))
        })?;
        Ok(Self { options, connections: Location::CONNECTIONS })
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "sqlite:{}", path.display()),
            Self::Memory => f.write_str("sqlite::memory:"),
            Self::Postgres(server) => server.fmt(f),
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = self.options.get_username();
        let database = self.options.get_database().unwrap_or(user);
        if let Some(folder) = self.options.get_socket() {
            return write!(f, "postgres://{user}@localhost/{database}?host={}", folder.display());
        }
        let (host, port) = (self.options.get_host(), self.options.get_port());
        write!(f, "postgres://{user}@{host}:{port}/{database}")
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a database is opened for.
#[derive(Clone, Copy, Debug)]
pub enum Purpose {
    /// Statements are bounded in time, so that nothing holds a store for long.
    Serve(Durability),
    /// Statements take what time they need.
    Upkeep,
    /// As `Upkeep`, and only to read: a file, its log and its folder stay as they are.
    Read,
}

impl Purpose {
    pub const fn durability(self) -> Durability {
        match self {
            Self::Serve(durability) => durability,
            Self::Upkeep | Self::Read => Durability::Full,
        }
    }
}

/// Whether an acknowledged write survives a power failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Durability {
    /// Every commit is synced to disk before it is answered.
    Full,
    /// Commits are not synced: for tests.
    Relaxed,
}

impl Durability {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Relaxed => "relaxed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(url: &str) -> Option<String> {
        url.parse::<Location>().ok().map(|location| location.to_string())
    }

    #[test]
    fn a_url_names_a_file_or_memory() {
        assert_eq!(shown("sqlite::memory:").unwrap(), "sqlite::memory:");
        assert_eq!(shown("sqlite:notes.db").unwrap(), "sqlite:notes.db");
        assert_eq!(shown("sqlite:///var/notes.db").unwrap(), "sqlite:/var/notes.db");
        for bad in [
            "",
            "sqlite:",
            "sqlite:notes.db?mode=ro",
            "notes.db",
            "mysql://db",
            "postgres",
            "postgres://a:b:c",
        ] {
            assert_eq!(shown(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_postgres_url_is_shown_without_its_password() {
        let url = "postgresql://ann:secret@db.example:6543/notes?sslmode=require";
        assert_eq!(shown(url).unwrap(), "postgres://ann@db.example:6543/notes");
        let url = "postgres://ann:secret@localhost/notes?host=%2Frun%2Fpg";
        assert_eq!(shown(url).unwrap(), "postgres://ann@localhost/notes?host=/run/pg");
        assert!(!format!("{:?}", url.parse::<Location>()).contains("secret"));
        let refusal = "postgres://ann:secret@host:port/notes".parse::<Location>().unwrap_err();
        assert!(!refusal.to_string().contains("secret"), "{refusal}");
        let refusal = "mysql://ann:secret@db/notes".parse::<Location>().unwrap_err();
        assert!(!refusal.to_string().contains("secret"), "{refusal}");
    }

    #[test]
    fn a_refusal_repeats_no_part_of_a_password() {
        for url in [
            "postgres://ann:12/kret@host/db",
            "postgres://ann:12#kret@host/db",
            "postgres://ann:12/se?kret@host/db",
            "postgres://ann:se?kret7@host/db",
            "postgres://ann:se?kret@host/db",
            "postgres://ann:se?x&kret@host/db",
            "postgres://ann:se?kret&host@x/db",
            "postgres://ann:x@host/db?pass word=kret",
            "postgres://ann:x@host/db?sslmode=kret",
            "postgres://ann:x@host/db?hostaddr=kret",
            "postgres://ann:x@host/db?port=kret",
            "mysql://db/x?user=a&password=kret8",
            "host=db password=kret",
            "kret:5432",
            "kret@db",
            "kret7://db",
        ] {
            let refusal = url.parse::<Location>().unwrap_err().to_string();
            assert!(!refusal.contains("kret"), "{url}: {refusal}");
        }
        for (url, said) in [("mysql://db", "got mysql://…"), ("notes.db", "got \"notes.db\"")] {
            let refusal = url.parse::<Location>().unwrap_err().to_string();
            assert!(refusal.contains(said), "{refusal}");
        }
    }

    #[test]
    fn the_same_database_is_told_whatever_else_its_url_says() {
        let same = |one: &str, other: &str| {
            one.parse::<Location>().unwrap().is_same(&other.parse().unwrap())
        };
        assert!(same("postgres://ann@db/x?sslmode=require", "postgres://bob:y@db:5432/x"));
        assert!(same("sqlite:Cargo.toml", "sqlite:src/../Cargo.toml"));
        assert!(same("sqlite:none.db", "sqlite:none.db"));
        for other in ["postgres://db/y", "postgres://db:1/x", "postgres://d/x", "sqlite:x"] {
            assert!(!same("postgres://db/x", other), "{other}");
        }
        assert!(!same("postgres://db/x", "postgres://db/x?options=-csearch_path%3Dy"));
        assert!(!same("sqlite:Cargo.toml", "sqlite:Cargo.lock"));
    }

    #[test]
    fn a_parameter_that_would_be_ignored_is_refused() {
        for (query, reason) in [("sslmod=require", "sslmod"), ("sslmode=allow", "prefer")] {
            let url = format!("postgres://ann@db/notes?{query}");
            let refusal = url.parse::<Location>().unwrap_err().to_string();
            assert!(refusal.contains(reason), "{refusal}");
        }
        assert!(shown("postgres://db/notes?sslmode=require&options=-csearch_path%3Dx").is_some());
    }
}
