//! Rules for names, descriptions and metadata; a "character" is a Unicode scalar value.

use std::collections::BTreeMap;

use super::{Error, Result};

pub const NAME_CHARS: usize = 255;
pub const DESCRIPTION_CHARS: usize = 1024;
pub const METADATA_PAIRS: usize = 16;
pub const METADATA_KEY_CHARS: usize = 64;
pub const METADATA_VALUE_CHARS: usize = 512;

pub type Metadata = BTreeMap<String, String>;
/// What an update does to metadata: a string sets a key, `None` removes it.
pub type MetadataPatch = BTreeMap<String, Option<String>>;

/// Checks a name of 1 to 255 characters without control characters.
pub fn name(field: &str, text: String) -> Result<String> {
    if text.is_empty() {
        return Err(Error::Invalid(format!("{field}: minimum string length is 1")));
    }
    at_most(field, &text, NAME_CHARS)?;
    no_control(field, &text, "a name has no control characters")?;
    Ok(text)
}

/// Checks a description of at most 1,024 characters on one line.
pub fn description(text: String) -> Result<String> {
    at_most("description", &text, DESCRIPTION_CHARS)?;
    no_control("description", &text, "a description is one line without control characters")?;
    Ok(text)
}

/// Checks a text of at most `most` characters that may have any but U+0000, which Postgres can't keep.
pub fn free(field: &str, text: String, most: usize) -> Result<String> {
    at_most(field, &text, most)?;
    no_nul(field, &text)?;
    Ok(text)
}

/// Checks the pairs given on create.
pub fn metadata(pairs: Metadata) -> Result<Metadata> {
    for (key, value) in &pairs {
        metadata_pair(key, value)?;
    }
    metadata_size(&pairs)?;
    Ok(pairs)
}

/// Checks a patch as far as that goes without the current pairs.
pub fn metadata_patch(patch: MetadataPatch) -> Result<MetadataPatch> {
    for (key, value) in &patch {
        match value {
            Some(value) => metadata_pair(key, value)?,
            None => metadata_key(key)?,
        }
    }
    Ok(patch)
}

/// Applies a patch; the result may have at most 16 pairs.
pub fn patched(current: &Metadata, patch: &MetadataPatch) -> Result<Metadata> {
    let mut pairs = current.clone();
    for (key, value) in patch {
        match value {
            Some(value) => pairs.insert(key.clone(), value.clone()),
            None => pairs.remove(key),
        };
    }
    metadata_size(&pairs)?;
    Ok(pairs)
}

/// The refusal of metadata with the code that the session side gives it. Routes of memory give none.
pub fn coded<T>(checked: Result<T>) -> Result<T> {
    checked.map_err(|error| match error {
        Error::Invalid(message) => Error::Coded { code: "invalid_metadata", message },
        other => other,
    })
}

fn metadata_size(pairs: &Metadata) -> Result<()> {
    if pairs.len() > METADATA_PAIRS {
        return Err(Error::Invalid(format!(
            "metadata must have at most {METADATA_PAIRS} pairs; these would be {}",
            pairs.len()
        )));
    }
    Ok(())
}

fn metadata_pair(key: &str, value: &str) -> Result<()> {
    metadata_key(key)?;
    let field = format!("metadata.{key}");
    at_most(&field, value, METADATA_VALUE_CHARS)?;
    no_nul(&field, value)
}

fn metadata_key(key: &str) -> Result<()> {
    if key.is_empty() {
        return Err(Error::invalid(format!(
            "metadata keys must have 1 to {METADATA_KEY_CHARS} characters; one is empty"
        )));
    }
    at_most("metadata key", key, METADATA_KEY_CHARS)?;
    no_nul("metadata key", key)
}

fn at_most(field: &str, text: &str, limit: usize) -> Result<()> {
    let length = text.chars().count();
    if length > limit {
        return Err(Error::Invalid(format!(
            "{field} must be at most {limit} characters; this one has {length}"
        )));
    }
    Ok(())
}

fn no_control(field: &str, text: &str, rule: &str) -> Result<()> {
    match text.chars().enumerate().find(|(_, char)| char.is_control()) {
        Some((at, char)) => Err(Error::Invalid(format!(
            "{field} must not contain {} at character {}: {rule}",
            named(char),
            at + 1
        ))),
        None => Ok(()),
    }
}

fn no_nul(field: &str, text: &str) -> Result<()> {
    match text.chars().position(|char| char == '\0') {
        Some(at) => {
            Err(Error::Invalid(format!("{field} must not contain U+0000 at character {}", at + 1)))
        }
        None => Ok(()),
    }
}

/// Names a character that can't be shown as itself.
pub fn named(char: char) -> String {
    let name = match char {
        '\0' => " (NUL)",
        '\t' => " (a tab)",
        '\n' => " (a line feed)",
        '\r' => " (a carriage return)",
        '\u{200d}' => " (a zero-width joiner)",
        '\u{2028}' => " (a line separator)",
        '\u{2029}' => " (a paragraph separator)",
        '\u{feff}' => " (a byte-order mark)",
        _ => "",
    };
    format!("U+{:04X}{name}", u32::from(char))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message<T: std::fmt::Debug>(result: Result<T>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn a_name_has_1_to_255_characters() {
        assert!(name("name", "ü".repeat(255)).is_ok());
        assert_eq!(message(name("name", String::new())), "name: minimum string length is 1");
        assert_eq!(
            message(name("name", "ü".repeat(256))),
            "name must be at most 255 characters; this one has 256"
        );
    }

    #[test]
    fn a_description_is_one_line() {
        assert_eq!(
            message(description("two\nlines".into())),
            "description must not contain U+000A (a line feed) at character 4: \
             a description is one line without control characters"
        );
        assert!(description(String::new()).is_ok());
        assert!(description("x".repeat(1025)).is_err());
    }

    #[test]
    fn metadata_is_16_short_pairs() {
        let pair = |n: usize| (format!("k{n}"), "v".to_owned());
        assert!(metadata((0..16).map(pair).collect()).is_ok());
        assert!(metadata((0..17).map(pair).collect()).is_err());
        assert!(metadata([("k".repeat(65), String::new())].into()).is_err());
        assert!(metadata([(String::new(), String::new())].into()).is_err());
        assert!(metadata([("k".into(), "v".repeat(513))].into()).is_err());
        assert!(metadata([("k".into(), "\0".into())].into()).is_err());
        assert!(metadata([("k".into(), "line\nline".into())].into()).is_ok());
    }

    #[test]
    fn a_patch_sets_removes_and_is_measured_by_its_result() {
        let current: Metadata = (0..16).map(|n| (format!("k{n}"), "v".into())).collect();
        let add = || [("new".to_owned(), Some("v".to_owned()))];
        assert!(patched(&current, &add().into()).is_err());

        let swap = add().into_iter().chain([("k0".to_owned(), None), ("gone".to_owned(), None)]);
        let after = patched(&current, &swap.collect()).unwrap();
        assert_eq!(after.len(), 16);
        assert!(!after.contains_key("k0"));
    }
}
