//! What the program is made of: where its dependencies come from, under which terms, and that none
//! of its own code is unsafe. The lists are those of `deny.toml`, which `scripts/supply-chain` gives
//! to cargo-deny; this asks less, but needs neither that program nor a network.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use serde_json::Value;

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// The packages of `Cargo.lock`, each with its keys.
fn locked() -> Vec<BTreeMap<String, String>> {
    let lock = fs::read_to_string("Cargo.lock").unwrap();
    let package = |text: &str| {
        let lines = text.lines().map_while(|line| line.split_once(" = "));
        lines.map(|(key, value)| (key.to_owned(), value.trim_matches('"').to_owned())).collect()
    };
    lock.split("[[package]]\n").skip(1).map(package).collect()
}

/// The texts of a list in `deny.toml`.
fn listed(name: &str) -> Vec<String> {
    let file = fs::read_to_string("deny.toml").unwrap();
    let list = file.split(&format!("\n{name} = [\n")).nth(1).expect(name);
    let items = list.lines().take_while(|line| *line != "]");
    items.map(|line| line.trim().trim_end_matches(',').trim_matches('"').to_owned()).collect()
}

/// All that is built for this machine, dependencies of tests included.
fn packages() -> Vec<Value> {
    let told = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let rustc = told("rustc", &["-vV"]);
    let host = rustc.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let arguments = ["metadata", "--locked", "--offline", "--format-version", "1"];
    let metadata = told(env!("CARGO"), &[&arguments[..], &["--filter-platform", host]].concat());
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let built = &metadata["resolve"]["nodes"];
    let built: Vec<_> = built.as_array().unwrap().iter().map(|node| &node["id"]).collect();
    let all = metadata["packages"].as_array().unwrap().iter();
    all.filter(|package| built.contains(&&package["id"])).cloned().collect()
}

/// Whether the terms can be met with what is allowed. `/` is an old `or`.
fn is_met(terms: &str, allowed: &[String]) -> bool {
    let spaced = terms.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    let met = any_is_met(&mut words, allowed);
    assert_eq!(words.next(), None, "{terms}");
    met
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any_is_met(words: &mut Words, allowed: &[String]) -> bool {
    let mut met = all_are_met(words, allowed);
    while words.next_if_eq(&"OR").is_some() {
        met |= all_are_met(words, allowed);
    }
    met
}

fn all_are_met(words: &mut Words, allowed: &[String]) -> bool {
    let mut met = one_is_met(words, allowed);
    while words.next_if_eq(&"AND").is_some() {
        met &= one_is_met(words, allowed);
    }
    met
}

fn one_is_met(words: &mut Words, allowed: &[String]) -> bool {
    let word = words.next().expect("a licence");
    if word == "(" {
        let met = any_is_met(words, allowed);
        assert_eq!(words.next(), Some(")"));
        return met;
    }
    let licence = match words.next_if_eq(&"WITH") {
        Some(_) => format!("{word} WITH {}", words.next().expect("an exception")),
        None => word.to_owned(),
    };
    allowed.contains(&licence)
}

#[test]
fn every_dependency_comes_from_the_registry_with_a_checksum() {
    let locked = locked();
    assert!(locked.len() > 100, "only {} packages were read", locked.len());

    for package in locked.iter().filter(|package| package["name"] != "memstored") {
        let source = package.get("source").map(String::as_str);
        assert_eq!(source, Some(REGISTRY), "{package:?}");
        assert_eq!(package.get("checksum").map(String::len), Some(64), "{package:?}");
    }
}

#[test]
fn no_dependency_is_banned() {
    let banned = listed("deny");
    assert!(banned.contains(&"openssl-sys".to_owned()), "{banned:?}");

    for package in locked() {
        assert!(!banned.contains(&package["name"]), "{package:?}");
    }
}

#[test]
fn the_terms_of_every_dependency_are_allowed() {
    let allowed = listed("allow");
    let packages = packages();
    assert!(packages.len() > 100, "only {} packages were read", packages.len());

    for package in packages {
        let terms = package["license"].as_str();
        let met = terms.is_some_and(|terms| is_met(terms, &allowed));
        assert!(met, "{} is under {terms:?}", package["id"]);
    }
}

#[test]
fn terms_are_met_by_one_of_several_or_by_all_that_hold_together() {
    let allowed = ["MIT".to_owned(), "Apache-2.0 WITH LLVM-exception".to_owned()];

    for terms in [
        "MIT",
        "GPL-3.0/MIT",
        "GPL-3.0 OR MIT",
        "MIT OR (GPL-3.0 AND ISC)",
        "MIT AND (GPL-3.0 OR Apache-2.0 WITH LLVM-exception)",
    ] {
        assert!(is_met(terms, &allowed), "{terms}");
    }
    for terms in ["GPL-3.0", "Apache-2.0", "MIT AND GPL-3.0", "GPL-3.0 OR MIT AND ISC"] {
        assert!(!is_met(terms, &allowed), "{terms}");
    }
}

#[test]
fn no_code_of_our_own_is_unsafe() {
    let manifest = fs::read_to_string("Cargo.toml").unwrap();
    let lints = manifest.split("\n[lints.rust]\n").nth(1).expect("lints");
    let lints = lints.split("\n[").next().unwrap();

    assert!(lints.lines().any(|line| line == "unsafe_code = \"forbid\""), "{lints}");
}
