//! What JSON may look like, as tables, and the check of a value against one.
//!
//! For JSON that is kept as it came, where serde's derive would write out every shape of the hosted
//! service as types that nothing reads. The refusals have the words of a body's: they name the path
//! and what would be accepted, never the content. Text may hold any character.

use serde_json::{Map, Value};

use crate::domain::{Error, Result};

/// The longest value that a refusal repeats, in characters.
const REPEATED: usize = 64;
/// The digits of an amount of money at most.
const AMOUNT_CHARS: usize = 30;

#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// `min` and `max` are in characters.
    Text {
        min: usize,
        max: usize,
    },
    /// Money in minor units, as text: `"2500"` is $25.00.
    Amount,
    Bool,
    Integer {
        min: i64,
        max: i64,
    },
    /// A number of at least 0.
    Number,
    OneOf(&'static [&'static str]),
    List {
        of: &'static Shape,
        max: usize,
    },
    /// An object with keys of the sender's choice.
    Map(&'static Shape),
    /// What is checked elsewhere.
    Any,
    /// An object that may hold anything.
    AnyObject,
    /// A closed object.
    Object(&'static [Field]),
    /// Closed objects, told apart by `type`, which is not among their fields.
    Union(&'static [Variant]),
}

/// The `type` of an object and its other fields.
pub type Variant = (&'static str, &'static [Field]);

#[derive(Clone, Copy, Debug)]
pub struct Field {
    pub name: &'static str,
    pub need: Need,
    pub shape: Shape,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    Required,
    /// May be absent, but not null.
    Optional,
    /// May be absent or null.
    Nullable,
}

pub const TEXT: Shape = text(0, usize::MAX);
/// Text that is not empty.
pub const NAMED: Shape = text(1, usize::MAX);
/// How many of something there are, or the place of one.
pub const COUNT: Shape = Shape::Integer { min: 0, max: i64::MAX };

pub const fn text(min: usize, max: usize) -> Shape {
    Shape::Text { min, max }
}

pub const fn list(of: &'static Shape) -> Shape {
    Shape::List { of, max: usize::MAX }
}

pub const fn required(name: &'static str, shape: Shape) -> Field {
    Field { name, need: Need::Required, shape }
}

pub const fn optional(name: &'static str, shape: Shape) -> Field {
    Field { name, need: Need::Optional, shape }
}

pub const fn nullable(name: &'static str, shape: Shape) -> Field {
    Field { name, need: Need::Nullable, shape }
}

/// `at` is the path of `value`, for the refusal.
pub fn check(value: &Value, shape: &Shape, at: &str) -> Result<()> {
    find(value, shape).map_err(|fault| fault.at(at))
}

/// The object that `value` is, and its `type`.
pub fn tagged<'a>(value: &'a Value, at: &str) -> Result<(&'a Map<String, Value>, &'a str)> {
    tag(value).map_err(|fault| fault.at(at))
}

/// Checks what `object` has beside its `type`, which is known.
pub fn check_variant(object: &Map<String, Value>, fields: &[Field], at: &str) -> Result<()> {
    find_in_fields(object, fields, &["type"]).map_err(|fault| fault.at(at))
}

/// The refusal of `got`, a text at `at` that is none of `names`.
pub fn not_one_of<'a>(names: impl IntoIterator<Item = &'a str>, got: &str, at: &str) -> Error {
    unlisted(names, got).at(at)
}

/// A mistake and where it is. The path grows on the way out, so that what is right costs nothing.
struct Fault {
    /// Innermost first.
    path: Vec<String>,
    text: String,
}

impl Fault {
    fn new(text: impl Into<String>) -> Self {
        Self { path: Vec::new(), text: text.into() }
    }

    fn inside(mut self, segment: &(impl ToString + ?Sized)) -> Self {
        self.path.push(segment.to_string());
        self
    }

    fn at(self, at: &str) -> Error {
        let path = self.path.iter().rev().map(String::as_str);
        let path: Vec<_> = std::iter::once(at).chain(path).collect();
        Error::Invalid(format!("{}: {}", path.join("."), self.text))
    }
}

fn find(value: &Value, shape: &Shape) -> Result<(), Fault> {
    match shape {
        Shape::Text { min, max } => find_in_text(value, *min, *max),
        Shape::Amount => find_in_amount(value),
        Shape::Bool if value.is_boolean() => Ok(()),
        Shape::Bool => Err(wrong(value, "a boolean")),
        Shape::Integer { min, max } => find_in_integer(value, *min, *max),
        Shape::Number => match value.as_f64() {
            None => Err(wrong(value, "a number")),
            Some(number) if number < 0.0 => {
                Err(Fault::new(format!("must be a number of at least 0; got {value}")))
            }
            Some(_) => Ok(()),
        },
        Shape::OneOf(texts) => match value.as_str() {
            None => Err(wrong(value, "a string")),
            Some(text) if texts.contains(&text) => Ok(()),
            Some(text) => Err(unlisted(texts.iter().copied(), text)),
        },
        Shape::List { of, max } => find_in_list(value, of, *max),
        Shape::Map(of) => (object(value)?.iter())
            .try_for_each(|(key, value)| find(value, of).map_err(|fault| fault.inside(key))),
        Shape::Any => Ok(()),
        Shape::AnyObject => object(value).map(|_| ()),
        Shape::Object(fields) => find_in_fields(object(value)?, fields, &[]),
        Shape::Union(variants) => {
            let (object, kind) = tag(value)?;
            match variants.iter().find(|(name, _)| *name == kind) {
                Some((_, fields)) => find_in_fields(object, fields, &["type"]),
                None => Err(unlisted(variants.iter().map(|(name, _)| *name), kind).inside("type")),
            }
        }
    }
}

fn find_in_text(value: &Value, min: usize, max: usize) -> Result<(), Fault> {
    match value.as_str().map(|text| text.chars().count()) {
        None => Err(wrong(value, "a string")),
        Some(length) if length < min => Err(Fault::new(format!("minimum string length is {min}"))),
        Some(length) if length > max => {
            Err(Fault::new(format!("must be at most {max} characters; this one has {length}")))
        }
        Some(_) => Ok(()),
    }
}

fn find_in_amount(value: &Value) -> Result<(), Fault> {
    find_in_text(value, 0, AMOUNT_CHARS)?;
    let text = value.as_str().unwrap_or_default();
    let whole =
        text == "0" || !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    if text.is_empty() || !whole {
        return Err(Fault::new("must be a whole number of minor units, such as \"2500\""));
    }
    Ok(())
}

fn find_in_integer(value: &Value, min: i64, max: i64) -> Result<(), Fault> {
    if !(value.is_i64() || value.is_u64()) {
        return Err(wrong(value, "a whole number"));
    }
    match value.as_i64() {
        Some(number) if (min..=max).contains(&number) => Ok(()),
        _ if max == i64::MAX => {
            Err(Fault::new(format!("must be a whole number of at least {min}; got {value}")))
        }
        _ => {
            Err(Fault::new(format!("must be a whole number between {min} and {max}; got {value}")))
        }
    }
}

fn find_in_list(value: &Value, of: &Shape, max: usize) -> Result<(), Fault> {
    let Value::Array(items) = value else { return Err(wrong(value, "an array")) };
    if items.len() > max {
        let length = items.len();
        return Err(Fault::new(format!("must have at most {max} items; these are {length}")));
    }
    (items.iter().enumerate())
        .try_for_each(|(at, item)| find(item, of).map_err(|fault| fault.inside(&at)))
}

/// `beside` are names that `object` may have and that are checked already.
fn find_in_fields(
    object: &Map<String, Value>,
    fields: &[Field],
    beside: &[&str],
) -> Result<(), Fault> {
    let names = || beside.iter().copied().chain(fields.iter().map(|field| field.name));
    if let Some(name) = object.keys().find(|key| names().all(|name| name != key.as_str())) {
        let names: Vec<_> = names().map(|name| format!("`{name}`")).collect();
        let expected = match &names[..] {
            [] => "there are no fields".to_owned(),
            names => format!("expected {}", alternatives(names)),
        };
        return Err(Fault::new(format!("unknown field `{name}`, {expected}")).inside(name));
    }
    for field in fields {
        match (object.get(field.name), field.need) {
            (None, Need::Required) => {
                return Err(Fault::new("Field required").inside(field.name));
            }
            (None, _) | (Some(Value::Null), Need::Nullable) => {}
            (Some(value), _) => {
                find(value, &field.shape).map_err(|fault| fault.inside(field.name))?;
            }
        }
    }
    Ok(())
}

fn object(value: &Value) -> Result<&Map<String, Value>, Fault> {
    value.as_object().ok_or_else(|| wrong(value, "an object"))
}

fn tag(value: &Value) -> Result<(&Map<String, Value>, &str), Fault> {
    let object = object(value)?;
    match object.get("type") {
        None => Err(Fault::new("Field required").inside("type")),
        Some(Value::String(kind)) => Ok((object, kind)),
        Some(other) => Err(wrong(other, "a string").inside("type")),
    }
}

fn wrong(value: &Value, expected: &str) -> Fault {
    let found = match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => format!("boolean `{value}`"),
        Value::Number(number) if number.is_f64() => format!("floating point `{number}`"),
        Value::Number(number) => format!("integer `{number}`"),
        Value::String(_) => "string".to_owned(),
        Value::Array(_) => "sequence".to_owned(),
        Value::Object(_) => "map".to_owned(),
    };
    Fault::new(format!("invalid type: {found}, expected {expected}"))
}

fn unlisted<'a>(names: impl IntoIterator<Item = &'a str>, got: &str) -> Fault {
    let names: Vec<_> = names.into_iter().map(|name| format!("{name:?}")).collect();
    let got = match got.chars().count() {
        0..=REPEATED => format!("{got:?}"),
        length => format!("a text of {length} characters"),
    };
    Fault::new(format!("must be {}; got {got}", alternatives(&names)))
}

fn alternatives(names: &[String]) -> String {
    match names {
        [name] => name.clone(),
        [one, other] => format!("{one} or {other}"),
        names => format!("one of {}", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    const POINT: &[Field] = &[required("x", COUNT), nullable("label", text(0, 3))];
    const SIZE: &[Field] = &[required("x", COUNT), optional("y", COUNT), optional("z", COUNT)];
    const FORM: Shape = Shape::Union(&[
        ("empty", &[]),
        ("dot", &[required("at", Shape::Object(POINT))]),
        ("path", &[required("points", Shape::List { of: &Shape::Object(POINT), max: 2 })]),
    ]);

    const MINOR: &str = "must be a whole number of minor units, such as \"2500\"";

    fn refusal(value: &Value, shape: &Shape) -> String {
        check(value, shape, "at").map_or_else(|error| error.to_string(), |()| "accepted".into())
    }

    #[rstest]
    #[case(json!(""), TEXT)]
    #[case(json!("\0\u{7f}"), TEXT)]
    #[case(json!("äöü"), text(3, 3))]
    #[case(json!("0"), Shape::Amount)]
    #[case(json!("2500"), Shape::Amount)]
    #[case(json!(0), Shape::Number)]
    #[case(json!(true), Shape::Bool)]
    #[case(json!(0), COUNT)]
    #[case(json!(i64::MAX), COUNT)]
    #[case(json!(20), Shape::Integer { min: 1, max: 20 })]
    #[case(json!(1.5), Shape::Number)]
    #[case(json!(1), Shape::Number)]
    #[case(json!("b"), Shape::OneOf(&["a", "b"]))]
    #[case(json!([]), list(&TEXT))]
    #[case(json!(["a", "b"]), Shape::List { of: &TEXT, max: 2 })]
    #[case(json!({"a": "b"}), Shape::Map(&TEXT))]
    #[case(json!({"a": [null]}), Shape::AnyObject)]
    #[case(json!({"x": 1}), Shape::Object(POINT))]
    #[case(json!({"x": 1, "label": null}), Shape::Object(POINT))]
    #[case(json!({"x": 1}), Shape::Object(SIZE))]
    #[case(json!({"type": "empty"}), FORM)]
    #[case(json!({"type": "dot", "at": {"x": 1, "label": "abc"}}), FORM)]
    #[case(json!({"type": "path", "points": [{"x": 1}, {"x": 2}]}), FORM)]
    fn a_value_of_the_shape_is_accepted(#[case] value: Value, #[case] shape: Shape) {
        assert_eq!(refusal(&value, &shape), "accepted");
    }

    #[rstest]
    #[case(json!(5), TEXT, "invalid type: integer `5`, expected a string")]
    #[case(json!(null), TEXT, "invalid type: null, expected a string")]
    #[case(
        json!("äöüß"),
        text(0, 3),
        "must be at most 3 characters; this one has 4"
    )]
    #[case(json!(""), text(1, 3), "minimum string length is 1")]
    #[case(json!(2500), Shape::Amount, "invalid type: integer `2500`, expected a string")]
    #[case(
        json!("9".repeat(31)),
        Shape::Amount,
        "must be at most 30 characters; this one has 31"
    )]
    #[case(json!(""), Shape::Amount, MINOR)]
    #[case(json!("025"), Shape::Amount, MINOR)]
    #[case(json!("2.5"), Shape::Amount, MINOR)]
    #[case(json!("-1"), Shape::Amount, MINOR)]
    #[case(json!(-0.5), Shape::Number, "must be a number of at least 0; got -0.5")]
    #[case(json!("secret"), Shape::Bool, "invalid type: string, expected a boolean")]
    #[case(json!(1.5), COUNT, "invalid type: floating point `1.5`, expected a whole number")]
    #[case(json!("1"), COUNT, "invalid type: string, expected a whole number")]
    #[case(json!(-1), COUNT, "must be a whole number of at least 0; got -1")]
    #[case(
        json!(u64::MAX),
        COUNT,
        "must be a whole number of at least 0; got 18446744073709551615"
    )]
    #[case(
        json!(21),
        Shape::Integer { min: 1, max: 20 },
        "must be a whole number between 1 and 20; got 21"
    )]
    #[case(json!(true), Shape::Number, "invalid type: boolean `true`, expected a number")]
    #[case(json!([]), Shape::OneOf(&["a"]), "invalid type: sequence, expected a string")]
    #[case(json!("c"), Shape::OneOf(&["a"]), "must be \"a\"; got \"c\"")]
    #[case(json!("c"), Shape::OneOf(&["a", "b"]), "must be \"a\" or \"b\"; got \"c\"")]
    #[case(
        json!("c".repeat(65)),
        Shape::OneOf(&["a", "b", "d"]),
        "must be one of \"a\", \"b\", \"d\"; got a text of 65 characters"
    )]
    #[case(json!({}), list(&TEXT), "invalid type: map, expected an array")]
    #[case(
        json!(["", "", ""]),
        Shape::List { of: &TEXT, max: 2 },
        "must have at most 2 items; these are 3"
    )]
    #[case(json!([]), Shape::Map(&TEXT), "invalid type: sequence, expected an object")]
    #[case(json!("{}"), Shape::AnyObject, "invalid type: string, expected an object")]
    #[case(json!([]), FORM, "invalid type: sequence, expected an object")]
    fn the_refusal_says_what_is_wrong(
        #[case] value: Value,
        #[case] shape: Shape,
        #[case] text: &str,
    ) {
        assert_eq!(refusal(&value, &shape), format!("at: {text}"));
    }

    #[rstest]
    #[case(json!({}), FORM, "at.type: Field required")]
    #[case(json!({"type": 1}), FORM, "at.type: invalid type: integer `1`, expected a string")]
    #[case(
        json!({"type": "line"}),
        FORM,
        "at.type: must be one of \"empty\", \"dot\", \"path\"; got \"line\""
    )]
    #[case(
        json!({"type": "empty", "at": 1}),
        FORM,
        "at.at: unknown field `at`, expected `type`"
    )]
    #[case(
        json!({"type": "dot", "color": 1}),
        FORM,
        "at.color: unknown field `color`, expected `type` or `at`"
    )]
    #[case(json!({"type": "dot"}), FORM, "at.at: Field required")]
    #[case(json!({"type": "dot", "at": {}}), FORM, "at.at.x: Field required")]
    #[case(
        json!({"type": "path", "points": [{"x": 1}, {"x": null}]}),
        FORM,
        "at.points.1.x: invalid type: null, expected a whole number"
    )]
    #[case(json!({"a": 1}), Shape::Map(&TEXT), "at.a: invalid type: integer `1`, expected a string")]
    #[case(
        json!({"a": 1}),
        Shape::Object(&[]),
        "at.a: unknown field `a`, there are no fields"
    )]
    #[case(
        json!({"x": 1, "y": null}),
        Shape::Object(SIZE),
        "at.y: invalid type: null, expected a whole number"
    )]
    #[case(
        json!({"w": 1}),
        Shape::Object(SIZE),
        "at.w: unknown field `w`, expected one of `x`, `y`, `z`"
    )]
    fn the_refusal_names_the_path(#[case] value: Value, #[case] shape: Shape, #[case] text: &str) {
        assert_eq!(refusal(&value, &shape), text);
    }
}
