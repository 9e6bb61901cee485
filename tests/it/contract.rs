//! `openapi.yaml` and the routes are held to each other, both ways; every answer of every API test
//! is held to it by `support::openapi`.

use std::collections::BTreeSet;

use memstored::domain::access::Keys;
use memstored::http::routes;
use serde_json::{Value, json};

use crate::support::openapi::{DOCUMENT, operations, resolve, standalone};

#[test]
fn every_route_is_documented_and_nothing_else_is() {
    let routes: BTreeSet<_> = routes::table()
        .into_iter()
        .map(|route| (route.method.to_string(), route.path.to_owned()))
        .collect();
    let documented: BTreeSet<_> =
        operations().map(|(method, path, _)| (method, path.to_owned())).collect();

    assert_eq!(routes, documented);
}

#[test]
fn every_operation_names_the_credentials_and_the_scope_that_its_route_asks_for() {
    for route in routes::table() {
        let method = route.method.to_string().to_lowercase();
        let operation = &DOCUMENT["paths"][route.path][&method];
        let scope = route.allowed.and_then(|allowed| allowed.keys.scope());
        let scope = scope.map(|scope| scope.to_string());
        let kinds = route.allowed.map(|allowed| {
            [
                (allowed.keys != Keys::None, "api_key"),
                (allowed.session_token, "session_token"),
                (allowed.environment_key, "environment_key"),
            ]
        });
        let kinds = kinds.into_iter().flatten().filter_map(|(may, kind)| may.then_some(kind));

        let credentials = &operation["x-memstored-credentials"];
        assert_eq!(operation["x-memstored-scope"], json!(scope), "{method} {}", route.path);
        assert_eq!(*credentials, json!(kinds.collect::<Vec<_>>()), "{method} {}", route.path);
    }
}

#[test]
fn operation_ids_are_unique() {
    let ids: Vec<_> =
        operations().map(|(_, _, operation)| operation["operationId"].as_str().unwrap()).collect();

    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
}

#[test]
fn every_path_parameter_is_documented() {
    for (method, path, operation) in operations() {
        let shared = &DOCUMENT["paths"][path]["parameters"];
        let parameters = [shared, &operation["parameters"]].into_iter().filter_map(Value::as_array);
        let named: BTreeSet<_> = parameters
            .flatten()
            .map(resolve)
            .filter(|parameter| parameter["in"] == "path")
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        let wanted: BTreeSet<_> =
            path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();

        assert_eq!(named, wanted, "{method} {path}");
    }
}

#[test]
fn every_link_leads_to_an_operation_by_parameters_that_it_has() {
    let mut leading = 0;
    for (method, path, operation) in operations() {
        let links = operation["responses"]["200"].get("links").and_then(Value::as_object);
        for (name, link) in links.into_iter().flatten() {
            let link = resolve(link);
            let (_, there, target) = operations()
                .find(|(_, _, target)| target["operationId"] == link["operationId"])
                .unwrap_or_else(|| panic!("{method} {path}: {name} leads nowhere"));
            let shared = &DOCUMENT["paths"][there]["parameters"];
            let parameters =
                [shared, &target["parameters"]].into_iter().filter_map(Value::as_array);
            let known: BTreeSet<_> = parameters
                .flatten()
                .map(resolve)
                .map(|parameter| parameter["name"].as_str().unwrap())
                .collect();
            for given in link["parameters"].as_object().into_iter().flatten() {
                let given = given.0.strip_prefix("query.").unwrap_or(given.0);
                assert!(known.contains(given), "{method} {path}: {name} gives {given}");
            }
            leading += 1;
        }
    }
    assert!(leading > 50, "only {leading} links were checked");
}

#[test]
fn every_example_of_a_body_fits_its_schema() {
    let mut checked = 0;
    for (method, path, operation) in operations() {
        let responses = operation["responses"].as_object().unwrap().values().map(resolve);
        let bodies = operation.get("requestBody").map(resolve).into_iter().chain(responses);
        for media in bodies.filter_map(|body| body["content"].get("application/json")) {
            let examples = media.get("examples").and_then(Value::as_object).into_iter().flatten();
            let examples = examples.map(|(_, example)| &resolve(example)["value"]);
            let schema = standalone(&media["schema"]);
            let validator = jsonschema::validator_for(&schema).unwrap();
            for example in examples.chain(media.get("example")) {
                let errors: Vec<_> =
                    validator.iter_errors(example).map(|e| e.to_string()).collect();
                assert!(errors.is_empty(), "{method} {path}: {errors:?}\n{example:#}");
                checked += 1;
            }
        }
    }
    assert!(checked > 100, "only {checked} examples were checked");
}
