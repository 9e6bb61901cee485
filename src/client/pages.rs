//! A list, page by page. The token of the next page stands in a page, so pages come one after the
//! other; but the next may be under way while the present one is read.

use std::collections::VecDeque;
use std::marker::PhantomData;

use hyper::body::Bytes;
use reqwest::Method;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::{Client, ClientError};
use crate::wire::page::Page;

/// The largest pages (contract 1.11, 3.3).
pub const MOST: usize = 100;
pub const MOST_FULL: usize = 20;

type Fetched = Result<Bytes, ClientError>;

/// The pages of one list, in the order of the server.
pub struct Pages<T> {
    client: Client,
    path: String,
    query: Vec<(String, String)>,
    /// Whether the next page is asked for before it is wanted.
    ahead: bool,
    next: Next,
    items: PhantomData<fn() -> T>,
}

enum Next {
    First,
    Token(String),
    /// Pages that a task of their own asks for.
    Coming {
        pages: mpsc::Receiver<Fetched>,
        _task: AbortOnDropHandle<()>,
    },
    None,
}

/// Pages that wait to be read; more would only take memory.
const WAITING: usize = 2;

/// Where the next page is, without reading the items.
#[derive(Deserialize)]
struct Tail {
    #[serde(rename = "data")]
    _data: IgnoredAny,
    next_page: Option<String>,
}

impl<T: DeserializeOwned + 'static> Pages<T> {
    pub fn new(client: &Client, path: &str, query: &[(&str, &str)], limit: usize) -> Self {
        let query = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut query: Vec<_> = query.collect();
        query.push(("limit".to_owned(), limit.to_string()));
        let (client, path) = (client.clone(), path.to_owned());
        Self { client, path, query, ahead: false, next: Next::First, items: PhantomData }
    }

    /// Asks for each page as soon as its token is known: for lists that are read to their end.
    #[must_use]
    pub fn ahead(self) -> Self {
        Self { ahead: true, ..self }
    }

    /// The items of the next page; nothing after the last.
    pub async fn next(&mut self) -> Result<Option<Vec<T>>, ClientError> {
        if self.ahead && matches!(self.next, Next::First) {
            self.next = self.walk();
        }
        let token = match &mut self.next {
            Next::None => return Ok(None),
            Next::First => None,
            Next::Token(token) => Some(std::mem::take(token)),
            Next::Coming { pages, .. } => match pages.recv().await {
                Some(body) => return Ok(Some(read::<Page<T>>(&body?)?.data)),
                None => return Ok(None),
            },
        };
        let body = fetch(self.client.clone(), &self.path, &self.query, token).await?;
        let page: Page<T> = read(&body)?;
        self.next = page.next_page.map_or(Next::None, Next::Token);
        Ok(Some(page.data))
    }

    fn walk(&self) -> Next {
        let (client, path, query) = (self.client.clone(), self.path.clone(), self.query.clone());
        let (sender, pages) = mpsc::channel(WAITING);
        let task = tokio::spawn(async move {
            let mut token = None;
            loop {
                let fetched = fetch(client.clone(), &path, &query, token).await;
                let next = fetched.as_ref().map(|body| next_token(body));
                let (next, page) = match next {
                    Ok(Ok(next)) => (next, fetched),
                    Ok(Err(error)) => (None, Err(error)),
                    Err(_) => (None, fetched),
                };
                if sender.send(page).await.is_err() || next.is_none() {
                    return;
                }
                token = next;
            }
        });
        Next::Coming { pages, _task: AbortOnDropHandle::new(task) }
    }
}

async fn fetch(
    client: Client,
    path: &str,
    query: &[(String, String)],
    token: Option<String>,
) -> Fetched {
    let query = query.iter().map(|(name, value)| (&**name, &**value));
    let query: Vec<_> = query.chain(token.as_deref().map(|token| ("page", token))).collect();
    let response = client.answer(Method::GET, path, &query, None::<&()>).await?;
    response.bytes().await.map_err(ClientError::Unreadable)
}

/// The token of the next page. Most servers write it last, where it is found without reading the items:
/// a quote within a text would be escaped, and within an object there would be more behind it.
fn next_token(body: &[u8]) -> Result<Option<String>, ClientError> {
    let last = || {
        let tail = std::str::from_utf8(&body[body.len().saturating_sub(1000)..]).ok()?;
        let (_, tail) = tail.rsplit_once("\"next_page\":")?;
        serde_json::from_str::<Option<String>>(tail.trim_end().strip_suffix('}')?).ok()
    };
    match last() {
        Some(token) => Ok(token),
        None => Ok(read::<Tail>(body)?.next_page),
    }
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, ClientError> {
    serde_json::from_slice(body).map_err(|error| ClientError::Garbled(error.to_string()))
}

/// Items of a list, one at a time.
pub struct Items<T> {
    pages: Pages<T>,
    page: VecDeque<T>,
}

impl<T: DeserializeOwned + 'static> Items<T> {
    pub async fn next(&mut self) -> Result<Option<T>, ClientError> {
        while self.page.is_empty() {
            match self.pages.next().await? {
                Some(page) => self.page = page.into(),
                None => return Ok(None),
            }
        }
        Ok(self.page.pop_front())
    }
}

impl<T: DeserializeOwned + 'static> From<Pages<T>> for Items<T> {
    fn from(pages: Pages<T>) -> Self {
        Self { pages, page: VecDeque::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_found_wherever_it_stands() {
        for (body, token) in [
            (r#"{"data":[],"next_page":"page_1"}"#, Some("page_1")),
            (r#"{"data":[{"next_page":"page_0"}], "next_page" : "page_1"}"#, Some("page_1")),
            (r#"{"data":[{"a":"\"next_page\":\"page_0\"}"}],"next_page":null}"#, None),
            (r#"{"next_page":"page_1","data":[{"next_page":"page_0"}]}"#, Some("page_1")),
            (
                r#"{"next_page":"page_1","data":[{"a":"\"next_page\":\"page_0\"}"}]}"#,
                Some("page_1"),
            ),
            (r#"{"data":[]}"#, None),
            ("{\"data\":[],\"next_page\":\"page_1\"}\n", Some("page_1")),
        ] {
            assert_eq!(next_token(body.as_bytes()).unwrap().as_deref(), token, "{body}");
        }
        assert!(next_token(b"<html>").is_err());
    }
}
