//! Request bodies: JSON, whatever the content type says, with every refusal in our own words.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;

use super::{ApiError, Http};
use crate::domain::{Error, Result};
use crate::wire::shape::{Object, Unique};

/// How much of a body that is too large is read before it is refused, so that a client still
/// sending gets the answer instead of a broken connection.
const DISCARDED: usize = 2 * 33_554_432;
/// How long such a body may pause before the refusal is sent.
const DISCARD_PAUSE: Duration = Duration::from_millis(500);

/// What the parser says of an escape like `\ud800` that stands alone.
const HALF_A_PAIR: [&str; 2] =
    ["unexpected end of hex escape", "lone leading surrogate in hex escape"];

/// A request body, read as JSON into `T`.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Arc<Http>> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, http: &Arc<Http>) -> Result<Self, ApiError> {
        Ok(Self(parse(&receive(request, http).await?)?))
    }
}

/// A request body with values that are not interpreted: in none of them may a key come twice.
pub struct FreeJson<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Arc<Http>> for FreeJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, http: &Arc<Http>) -> Result<Self, ApiError> {
        Ok(Self(parse_free(&receive(request, http).await?)?))
    }
}

/// A request body that may be left out.
pub struct MaybeJson<T>(pub T);

impl<T: DeserializeOwned + Default> FromRequest<Arc<Http>> for MaybeJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, http: &Arc<Http>) -> Result<Self, ApiError> {
        let bytes = receive(request, http).await?;
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self(T::default()));
        }
        Ok(Self(parse(&bytes)?))
    }
}

async fn receive(request: Request, http: &Http) -> Result<Vec<u8>> {
    check_headers(request.headers())?;
    let declared = request.headers().get(header::CONTENT_LENGTH);
    let declared = declared.and_then(|value| value.to_str().ok()?.parse().ok());
    if declared.is_some_and(|length: usize| length > http.settings.body_limit)
        && request.headers().contains_key(header::EXPECT)
    {
        return Err(Error::TooLarge { limit: http.settings.body_limit });
    }
    read(request.into_body(), declared, http).await
}

fn check_headers(headers: &HeaderMap) -> Result<()> {
    let mut encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    if encodings.any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(Error::BadBody {
            code: "request_body_encoding_unsupported",
            message: "the request body must not be compressed: send it without content-encoding"
                .into(),
        });
    }
    let kinds = headers.get_all(header::CONTENT_TYPE).iter().filter_map(|kind| kind.to_str().ok());
    let is_utf8 = |charset: &str| matches!(&*charset.to_ascii_lowercase(), "utf-8" | "utf8");
    match kinds.filter_map(charset).find(|charset| !is_utf8(charset)) {
        Some(charset) => Err(Error::BadBody {
            code: "unsupported_charset",
            message: format!("the request body must be UTF-8, not {charset:?}"),
        }),
        None => Ok(()),
    }
}

/// The charset that a content type names.
fn charset(kind: &str) -> Option<&str> {
    let mut parameters = kind.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let (_, charset) = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))?;
    Some(charset.trim().trim_matches('"'))
}

async fn read(mut body: Body, declared: Option<usize>, http: &Http) -> Result<Vec<u8>> {
    let limit = http.settings.body_limit;
    let patience = http.settings.timeouts.body;
    let mut bytes = Vec::new();
    if declared.is_some_and(|length| length > limit) {
        return Err(refuse(body, limit).await);
    }
    loop {
        let frame = tokio::time::timeout(patience, body.frame()).await;
        let Some(frame) = frame.map_err(|_| stalled(patience.as_secs()))? else {
            return Ok(bytes);
        };
        let frame = frame.map_err(|error| Error::Invalid(format!("request body: {error}")))?;
        if let Ok(data) = frame.into_data() {
            bytes.extend_from_slice(&data);
        }
        if bytes.len() > limit {
            drop(bytes);
            return Err(refuse(body, limit).await);
        }
    }
}

/// Reads on for a while what will be refused, as long as it comes.
async fn refuse(mut body: Body, limit: usize) -> Error {
    let mut discarded = 0;
    while discarded <= DISCARDED
        && let Ok(Some(Ok(frame))) = tokio::time::timeout(DISCARD_PAUSE, body.frame()).await
    {
        discarded += frame.data_ref().map_or(0, Bytes::len);
    }
    Error::TooLarge { limit }
}

fn stalled(seconds: u64) -> Error {
    Error::BadBody {
        code: "request_body_timeout",
        message: format!("the request body made no progress for {seconds} seconds"),
    }
}

fn parse_free<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let value = parse(bytes)?;
    parse::<Unique>(bytes)?;
    Ok(value)
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(Error::invalid("the request body must be a JSON object; it is empty"));
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let Object(value) = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        explain(&path, error.inner())
    })?;
    json.end().map_err(|error| explain(".", &error))?;
    Ok(value)
}

/// Says in which field the body is wrong, in words that do not depend on the parser's.
fn explain(path: &str, error: &serde_json::Error) -> Error {
    let text = error.to_string();
    if HALF_A_PAIR.iter().any(|half| text.starts_with(half)) {
        // A name that can't be read is a question mark.
        let place = match path.strip_suffix('?').unwrap_or(path).trim_end_matches('.') {
            "" => "request body",
            place => place,
        };
        return Error::Invalid(format!(
            "{place}: a \\u escape is half of a surrogate pair, which is no character without the other"
        ));
    }
    if !error.is_data() {
        return Error::Invalid(format!("the request body is not valid JSON: {text}"));
    }
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    let field = |name: &str| match path {
        "." => name.to_owned(),
        path => format!("{path}.{name}"),
    };
    let quoted = |start: &str| text.strip_prefix(start).and_then(|rest| rest.split('`').next());
    if let Some(name) = quoted("missing field `") {
        return Error::Invalid(format!("{}: Field required", field(name)));
    }
    if let Some(name) = quoted("duplicate field `") {
        return Error::Invalid(format!("{}: given more than once", field(name)));
    }
    match path {
        "." => Error::Invalid(format!("request body: {text}")),
        path => Error::Invalid(format!("{path}: {text}")),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::wire::agent::CreateAgent;
    use crate::wire::memory::{CreateMemory, UpdateMemory};
    use crate::wire::store::{CreateStore, UpdateStore};

    fn refusal<T: DeserializeOwned>(body: &str) -> String {
        match parse::<T>(body.as_bytes()) {
            Ok(_) => "accepted".into(),
            Err(error) => error.to_string(),
        }
    }

    #[rstest]
    #[case("", "the request body must be a JSON object; it is empty")]
    #[case(
        "{",
        "the request body is not valid JSON: EOF while parsing an object at line 1 column 1"
    )]
    #[case("{}", "name: Field required")]
    #[case(
        r#"{"name": "a\ud800b"}"#,
        "name: a \\u escape is half of a surrogate pair, which is no character without the other"
    )]
    #[case(
        r#"{"\ud800": 1}"#,
        "request body: a \\u escape is half of a surrogate pair, which is no character without the other"
    )]
    #[case(
        r#"{"name":"a","metadata":{"\ud800":"x"}}"#,
        "metadata: a \\u escape is half of a surrogate pair, which is no character without the other"
    )]
    #[case(
        r#"{"name": "\udc00"}"#,
        "name: a \\u escape is half of a surrogate pair, which is no character without the other"
    )]
    #[case("[]", "request body: invalid type: sequence, expected a JSON object")]
    #[case(r#"["n"]"#, "request body: invalid type: sequence, expected a JSON object")]
    #[case("5", "request body: invalid type: integer `5`, expected a JSON object")]
    #[case(r#"{"name":5}"#, "name: invalid type: integer `5`, expected a string")]
    #[case(r#"{"name":"a","name":"b"}"#, "name: given more than once")]
    #[case(
        r#"{"name":"a"} x"#,
        "the request body is not valid JSON: trailing characters at line 1 column 14"
    )]
    #[case(r#"{"name":"a","metadata":{"k":"1","k":"2"}}"#, "metadata: duplicate key `k`")]
    #[case(
        r#"{"name":"a","metadata":{"k":1}}"#,
        "metadata.k: invalid type: integer `1`, expected a string"
    )]
    #[case(
        r#"{"name":"a","metadata":null}"#,
        "metadata: invalid type: null, expected an object of strings"
    )]
    #[case(
        r#"{"name":"a","description":null}"#,
        "description: invalid type: null, expected a string"
    )]
    #[case(
        r#"{"name":"a","color":1}"#,
        "color: unknown field `color`, expected one of `name`, `description`, `metadata`"
    )]
    fn the_refusal_of_a_store_names_the_field(#[case] body: &str, #[case] message: &str) {
        assert_eq!(refusal::<CreateStore>(body), message);
    }

    #[rstest]
    #[case(r#"{"path":"/a"}"#, "content: Field required")]
    #[case(r#"{"path":"/a","content":null}"#, "content: invalid type: null, expected a string")]
    #[case(
        r#"{"path":"/a","content":"\ud800"}"#,
        "content: a \\u escape is half of a surrogate pair, which is no character without the other"
    )]
    fn the_refusal_of_a_memory_names_the_field(#[case] body: &str, #[case] message: &str) {
        assert_eq!(refusal::<CreateMemory>(body), message);
    }

    #[rstest]
    #[case(r#"{"precondition":null}"#)]
    #[case(r#"{"precondition":["content_sha256","a"]}"#)]
    #[case(r#"{"precondition":{}}"#)]
    #[case(r#"{"precondition":{"type":"content_sha256"}}"#)]
    #[case(r#"{"precondition":{"type":"content_sha256","content_sha256":null}}"#)]
    #[case(r#"{"precondition":{"content_sha256":"a"}}"#)]
    #[case(r#"{"precondition":{"type":"other","content_sha256":"a"}}"#)]
    #[case(r#"{"precondition":{"type":"content_sha256","content_sha256":"a","more":1}}"#)]
    fn the_refusal_of_a_precondition_names_it(#[case] body: &str) {
        let message = refusal::<UpdateMemory>(body);
        assert!(message.starts_with("precondition"), "{message}");
    }

    #[rstest]
    #[case(r#"[{"type":"a","type":"b"}]"#, "tools[0].type: given more than once")]
    #[case(r#"[{"type":"a","s":{"x":{"y":1,"y":1}}}]"#, "tools[0].s.x.y: given more than once")]
    #[case(r#"[{"type":"a","b":{"type":1},"c":[null,true,-1,1.5,"a"]}]"#, "accepted")]
    fn a_key_comes_once_in_what_is_not_interpreted_too(#[case] tools: &str, #[case] message: &str) {
        let body = format!(r#"{{"name":"a","model":"m","tools":{tools}}}"#);
        let refused = parse_free::<CreateAgent>(body.as_bytes()).err();
        assert_eq!(refused.map_or("accepted".into(), |error| error.to_string()), message);
    }

    #[test]
    fn values_are_nested_127_deep_with_the_body_itself() {
        let accepts = |lists: usize| {
            let value = "[".repeat(lists) + &"]".repeat(lists);
            let body = format!(r#"{{"name":"a","model":"m","multiagent":{{"x":{value}}}}}"#);
            parse_free::<CreateAgent>(body.as_bytes()).is_ok()
        };
        assert_eq!((accepts(125), accepts(126)), (true, false));
    }

    #[test]
    fn null_and_absent_are_told_apart_where_that_matters() {
        assert_eq!(refusal::<UpdateStore>(r#"{"name":null,"metadata":null}"#), "accepted");
        assert_eq!(refusal::<UpdateMemory>(r#"{"content":null,"path":"/a"}"#), "accepted");
    }
}
