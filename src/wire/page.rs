//! Pages and their tokens: `page_` and a list of version, list, owner and key as URL-safe base64.
//! Clients treat a token as opaque.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::domain::Result;
use crate::domain::page::{self, Cursor, Key, List};
use crate::domain::time::Timestamp;

const PREFIX: &str = "page_";
const VERSION: u8 = 1;

#[derive(Debug, Serialize, Deserialize)]
pub struct Page<T> {
    pub data: Vec<T>,
    /// Null on the last page.
    pub next_page: Option<String>,
}

impl<T> Page<T> {
    pub fn new<U>(page: page::Page<U>, item: impl FnMut(U) -> T) -> Self {
        Self {
            data: page.items.into_iter().map(item).collect(),
            next_page: page.next.as_ref().map(token),
        }
    }
}

/// A page of a list that is walked both ways.
#[derive(Debug, Serialize, Deserialize)]
pub struct TwoWayPage<T> {
    #[serde(flatten)]
    pub page: Page<T>,
    /// Null on the first page.
    pub prev_page: Option<String>,
}

impl<T> TwoWayPage<T> {
    pub fn empty() -> Self {
        Self { page: Page { data: Vec::new(), next_page: None }, prev_page: None }
    }

    pub fn new<U>(page: page::TwoWayPage<U>, item: impl FnMut(U) -> T) -> Self {
        let prev_page = page.previous.as_ref().map(token);
        let page = page::Page { items: page.items, next: page.next };
        Self { page: Page::new(page, item), prev_page }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum TokenKey {
    Time(i64, String),
    Path(String),
    Number(i64),
}

pub fn token(cursor: &Cursor) -> String {
    let key = match &cursor.key {
        Key::Path(path) => TokenKey::Path(path.clone()),
        Key::Time(at, id) => TokenKey::Time(at.micros(), id.clone()),
        Key::Number(number) => TokenKey::Number(*number),
    };
    let text = serde_json::json!((VERSION, cursor.list.as_str(), &cursor.owner, key)).to_string();
    format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(text))
}

pub fn cursor(token: &str) -> Result<Cursor> {
    read(token).ok_or_else(page::bad)
}

fn read(token: &str) -> Option<Cursor> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(token.strip_prefix(PREFIX)?).ok()?;
    let (version, list, owner, key): (u8, String, String, TokenKey) =
        serde_json::from_slice(&bytes).ok()?;
    let list = List::ALL.into_iter().find(|known| known.as_str() == list)?;
    // Postgres takes no U+0000 in text, and no key of a row has one.
    if let TokenKey::Path(text) | TokenKey::Time(_, text) = &key
        && text.contains('\0')
    {
        return None;
    }
    let key = match key {
        TokenKey::Path(path) => Key::Path(path),
        TokenKey::Time(at, id) => Key::Time(Timestamp::from_micros(at), id),
        TokenKey::Number(number) => Key::Number(number),
    };
    (version == VERSION).then_some(Cursor { list, owner, key })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_back() {
        for cursor in [
            Cursor::path(&"memstore_1", "/notes/é/"),
            Cursor::time(List::Versions, &"memstore_1", Timestamp::from_micros(7), &"memver_1"),
            Cursor::number(List::Resources, &"sesn_1", 3),
        ] {
            assert_eq!(super::cursor(&token(&cursor)).unwrap(), cursor);
        }
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let good = token(&Cursor::path(&"memstore_1", "/a"));
        let old = format!("page_{}", BASE64_URL_SAFE_NO_PAD.encode(r#"[0,"memories","s","/a"]"#));
        let nul = token(&Cursor::path(&"memstore_1", "/a\0"));
        for bad in ["", "page_", "page_!!", &good[5..], &good[..good.len() - 4], &old, &nul] {
            assert!(cursor(bad).is_err(), "{bad}");
        }
    }
}
