//! docker-compose.yml, without Docker: the program with exactly the settings that the file gives it,
//! but for the host of the database.

use std::collections::HashMap;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::program::command;
use crate::support::{Database, Program};

const KEY: &str = "a-long-random-text";

/// What the file sets for a service, with variables put in as compose does.
fn environment(service: &str, given: &HashMap<&str, &str>) -> Vec<(String, String)> {
    let file = std::fs::read_to_string("docker-compose.yml").unwrap();
    let mut file: serde_norway::Value = serde_norway::from_str(&file).unwrap();
    file.apply_merge().unwrap();
    let environment = file["services"][service]["environment"].as_mapping().unwrap().clone();
    let text = |value: serde_norway::Value| value.as_str().unwrap().to_owned();
    let pairs =
        environment.into_iter().map(|(name, value)| (text(name), fill(&text(value), given)));
    pairs.collect()
}

/// Puts `${NAME:-default}` and `${NAME:?why}` in.
fn fill(text: &str, given: &HashMap<&str, &str>) -> String {
    let Some((before, rest)) = text.split_once("${") else { return text.to_owned() };
    let (variable, after) = rest.split_once('}').unwrap();
    let (name, default) = variable.split_once(':').unwrap();
    let value = match (given.get(name), default.strip_prefix('-')) {
        (Some(value), _) => value,
        (None, Some(default)) => default,
        (None, None) => panic!("{name} is required"),
    };
    format!("{before}{value}{}", fill(after, given))
}

fn serve(service: &str, database: &Database) -> Program {
    let given = HashMap::from([("POSTGRES_PASSWORD", "secret"), ("MEMSTORED_API_KEY", KEY)]);
    let folder = TempDir::new().unwrap();
    let mut command = command(folder.path(), &["serve"]);
    for (name, value) in environment(service, &given) {
        command.env(name, value);
    }
    // Dockerfile listens on all addresses, so that a key is required here as there.
    command.env("MEMSTORED_LISTEN", "0.0.0.0:0").env("MEMSTORED_DATABASE_URL", database.url());
    let mut server = Program::spawn(&mut command);
    server.address = server.address.replace("0.0.0.0", "127.0.0.1");
    server
}

#[test]
fn the_url_of_the_file_names_its_database() {
    let given = HashMap::from([("POSTGRES_PASSWORD", "Secret7"), ("MEMSTORED_API_KEY", KEY)]);

    let environment: HashMap<_, _> = environment("memstored", &given).into_iter().collect();

    let location: memstored::db::Location = environment["MEMSTORED_DATABASE_URL"].parse().unwrap();
    assert_eq!(location.to_string(), "postgres://memstored@postgres:5432/memstored");
    assert_eq!(environment["MEMSTORED_API_KEY"], KEY);
}

#[test]
fn two_replicas_with_its_settings_serve_one_database() {
    let database = Database::postgres();
    let (one, two) = (serve("memstored-1", &database), serve("memstored-2", &database));

    let (status, store) =
        one.call(KEY, "POST", "/v1/memory_stores", Some(&json!({"name": "team"})));
    let path = format!("/v1/memory_stores/{}", store["id"].as_str().unwrap());

    assert_eq!(status, 200);
    assert_eq!(two.call(KEY, "GET", &path, None), (200, store));
    assert_eq!(one.key(), None, "a key is configured, so none is made");
    assert_eq!(two.call("another", "GET", &path, None).0, 401);
    let foreign = two.raw(
        format!("GET {path} HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n")
            .as_bytes(),
    );
    assert!(foreign.starts_with("HTTP/1.1 403"), "{foreign}");
    let (status, health) = two.call(KEY, "GET", "/health", None);
    assert_eq!((status, &health["ready"]), (200, &Value::Bool(true)));
}
