//! A list, page by page. The token of the next page stands at the end of a page, so pages come one
//! after the other; but the next may be under way while the present one is read.

use std::collections::VecDeque;
use std::marker::PhantomData;

use reqwest::Method;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use tokio_util::task::AbortOnDropHandle;

use super::{Client, ClientError};
use crate::wire::page::Page;

/// The largest pages (contract 1.11, 3.3).
pub const MOST: usize = 100;
pub const MOST_FULL: usize = 20;

type Fetched = Result<Vec<u8>, ClientError>;

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
    Coming(AbortOnDropHandle<Fetched>),
    None,
}

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
        let body = match std::mem::replace(&mut self.next, Next::None) {
            Next::None => return Ok(None),
            Next::First => self.fetch(None).await?,
            Next::Token(token) => self.fetch(Some(token)).await?,
            Next::Coming(task) => match task.await {
                Ok(body) => body?,
                Err(error) => return Err(ClientError::Setup(error.to_string())),
            },
        };
        if self.ahead {
            self.next = match read::<Tail>(&body)?.next_page {
                Some(token) => self.coming(token),
                None => Next::None,
            };
            return Ok(Some(read::<Page<T>>(&body)?.data));
        }
        let page: Page<T> = read(&body)?;
        self.next = page.next_page.map_or(Next::None, Next::Token);
        Ok(Some(page.data))
    }

    fn fetch(&self, token: Option<String>) -> impl Future<Output = Fetched> + Send + use<T> {
        let mut query = self.query.clone();
        query.extend(token.map(|token| ("page".to_owned(), token)));
        fetch(self.client.clone(), self.path.clone(), query)
    }

    fn coming(&self, token: String) -> Next {
        Next::Coming(AbortOnDropHandle::new(tokio::spawn(self.fetch(Some(token)))))
    }
}

async fn fetch(client: Client, path: String, query: Vec<(String, String)>) -> Fetched {
    let query: Vec<_> = query.iter().map(|(name, value)| (&**name, &**value)).collect();
    let response = client.answer(Method::GET, &path, &query, None::<&()>).await?;
    Ok(response.bytes().await.map_err(ClientError::Unreadable)?.into())
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
