//! `openapi.yaml` as the judge of answers.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

use axum::http::HeaderMap;
use jsonschema::Validator;
use serde_json::{Value, json};

pub static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    serde_norway::from_str(include_str!("../../../openapi.yaml")).expect("openapi.yaml is YAML")
});

type Key = (String, String, u16);
static VALIDATORS: LazyLock<Mutex<HashMap<Key, &'static Validator>>> =
    LazyLock::new(Mutex::default);

/// Follows a `$ref` within the document.
pub fn resolve(value: &'static Value) -> &'static Value {
    match value.get("$ref").and_then(Value::as_str) {
        Some(reference) => {
            let pointer = reference.strip_prefix('#').expect("a local reference");
            resolve(DOCUMENT.pointer(pointer).unwrap_or_else(|| panic!("no {reference}")))
        }
        None => value,
    }
}

/// All operations as (method, path, operation).
pub fn operations() -> impl Iterator<Item = (String, &'static str, &'static Value)> {
    const METHODS: [&str; 7] = ["get", "post", "delete", "put", "patch", "head", "options"];
    DOCUMENT["paths"].as_object().unwrap().iter().flat_map(|(path, item)| {
        METHODS.iter().filter_map(move |method| {
            item.get(method).map(|operation| (method.to_uppercase(), path.as_str(), operation))
        })
    })
}

/// A schema of the document as a schema of its own.
pub fn standalone(schema: &Value) -> Value {
    json!({"allOf": [schema], "components": DOCUMENT["components"]})
}

fn response(method: &str, path: Option<&str>, status: u16) -> &'static Value {
    let shared = |name: &str| &DOCUMENT["components"]["responses"][name];
    let operation = path.and_then(|path| DOCUMENT["paths"][path].get(method.to_lowercase()));
    match (operation, status) {
        (None, 404) => shared("UnknownRoute"),
        (_, 405) => shared("MethodNotAllowed"),
        (Some(operation), _) => operation["responses"]
            .get(status.to_string())
            .map_or_else(|| panic!("{method} {path:?} does not document {status}"), resolve),
        (None, _) => panic!("{method} {path:?} is not in openapi.yaml, and answered {status}"),
    }
}

/// The path of the document that a request's path belongs to.
pub fn template(path: &str) -> Option<&'static str> {
    let parts: Vec<_> = path.split('/').collect();
    let fits = |template: &&str| {
        let wanted: Vec<_> = template.split('/').collect();
        wanted.len() == parts.len()
            && wanted.iter().zip(&parts).all(|(want, part)| want.starts_with('{') || want == part)
    };
    let paths = DOCUMENT["paths"].as_object().unwrap();
    paths.keys().map(String::as_str).find(fits)
}

/// Holds an answer to the document: its status, its headers and its body.
pub fn check(method: &str, path: &str, status: u16, headers: &HeaderMap, body: &[u8]) {
    let template = template(path);
    let response = response(method, template, status);
    if let Some(documented) = response.get("headers").and_then(Value::as_object) {
        for (name, header) in documented {
            let required = resolve(header)["required"] == json!(true);
            assert!(!required || headers.contains_key(name), "{method} {path}: no {name}");
        }
    }
    let kind = headers["content-type"].to_str().unwrap();
    let media = &response["content"][kind];
    assert!(media.is_object(), "{method} {path} {status}: {kind} is not documented");
    if kind != "application/json" {
        return;
    }
    let key = (method.to_owned(), template.unwrap_or_default().to_owned(), status);
    let validator = *VALIDATORS.lock().unwrap().entry(key).or_insert_with(|| {
        let schema = standalone(&media["schema"]);
        Box::leak(Box::new(jsonschema::validator_for(&schema).expect("a valid schema")))
    });
    let body: Value = serde_json::from_slice(body).expect("a JSON body");
    let errors: Vec<_> = validator.iter_errors(&body).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{method} {path} {status}: {errors:#?}\n{body:#}");
}
