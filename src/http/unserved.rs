//! What the hosted service has and memstored does not, and what is mistaken for a route: the refusal says so.

use axum::http::Method;

use crate::domain::Error;

/// Beginnings of paths, and what lies there.
const ELSEWHERE: &[(&str, &str)] = &[
    ("/v1/deployment_runs", "deployments"),
    ("/v1/deployments", "deployments"),
    ("/v1/dreams", "dreams"),
    ("/v1/files", "files"),
    ("/v1/messages", "models"),
    ("/v1/models", "models"),
    ("/v1/organizations", "the administration of organizations"),
    ("/v1/skills", "skills"),
    ("/v1/tunnels", "tunnels"),
    ("/v1/user_profiles", "user profiles"),
    ("/v1/vaults", "vaults"),
    ("/v1/webhooks", "webhooks"),
];

/// The refusal of a path that no route has.
pub fn refusal(path: &str) -> Error {
    let lies_below = |beginning: &str| {
        path.strip_prefix(beginning).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let elsewhere = ELSEWHERE.iter().find(|(beginning, _)| lies_below(beginning));
    let what = match elsewhere {
        Some((_, what)) => *what,
        None if is_of_session(path, "threads") => "the threads of sessions",
        None if is_of_session(path, "resources") => {
            "single resources of sessions: stores are attached when a session is made, and listed \
             under its resources"
        }
        None => return Error::NoRoute(format!("no such route: {path}{}", hint(path))),
    };
    Error::NoRoute(format!(
        "no such route: {path}; memstored serves memory stores, and agents, environments and \
         sessions as far as memory needs them, but not {what}"
    ))
}

/// The refusal of a method that a route does not have.
pub fn wrong_method(method: &Method) -> Error {
    let hint = match *method {
        Method::PATCH | Method::PUT => ": updates are POST",
        _ => "",
    };
    Error::WrongMethod(format!("this route does not answer {method}{hint}"))
}

/// What is mostly wrong with such a path.
fn hint(path: &str) -> &'static str {
    if path.starts_with("/v1/v1/") {
        "; a client's base URL ends before /v1"
    } else if path.len() > 1 && path.ends_with('/') {
        "; paths end without a slash"
    } else {
        ""
    }
}

fn is_of_session(path: &str, part: &str) -> bool {
    let parts: Vec<_> = path.split('/').collect();
    matches!(parts.as_slice(), ["", "v1", "sessions", _, found, ..] if *found == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_elsewhere_is_named() {
        for (path, what) in [
            ("/v1/files", "files"),
            ("/v1/vaults/vlt_1/credentials", "vaults"),
            ("/v1/skills/skill_1/versions/latest", "skills"),
            ("/v1/sessions/sesn_1/threads/sthr_1/events", "the threads of sessions"),
        ] {
            let refusal = refusal(path).to_string();
            assert!(refusal.ends_with(&format!("but not {what}")), "{refusal}");
        }
    }

    #[test]
    fn what_lies_nowhere_is_not() {
        for path in ["/v1/filesystem", "/v2/files", "/v1/sessions/sesn_1/thread"] {
            assert_eq!(refusal(path).to_string(), format!("no such route: {path}"));
        }
    }

    #[test]
    fn a_common_mistake_is_named() {
        for (path, hint) in [
            ("/v1/v1/memory_stores", "a client's base URL ends before /v1"),
            ("/v1/memory_stores/", "paths end without a slash"),
        ] {
            assert_eq!(refusal(path).to_string(), format!("no such route: {path}; {hint}"));
        }
    }
}
