//! Pages: keyset only. A cursor names its list and its owner and holds the key of the last item;
//! it is bound to nothing else, so that `limit` and filters may change between pages.

use super::time::Timestamp;
use super::{Error, Result};

pub const DEFAULT_LIMIT: usize = 20;
pub const MAX_LIMIT: usize = 100;
/// Items of a page of events, or of a session's resources.
pub const MAX_LONG: usize = 1000;
/// Items of a page that carries content, whatever the limit says.
pub const MAX_FULL: usize = 20;

#[derive(Clone, Debug)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub next: Option<Cursor>,
}

/// A page of a list that is walked both ways.
#[derive(Clone, Debug)]
pub struct TwoWayPage<T> {
    pub items: Vec<T>,
    pub next: Option<Cursor>,
    pub previous: Option<Cursor>,
}

impl<T> Page<T> {
    /// Cuts `items`, of which one more than `limit` was asked for, and points behind the last.
    pub fn cut(mut items: Vec<T>, limit: usize, cursor: impl Fn(&T) -> Cursor) -> Self {
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(cursor);
        Self { items, next }
    }
}

/// Which list a cursor belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    Stores,
    Memories,
    Versions,
    Workspaces,
    ApiKeys,
    Agents,
    AgentVersions,
    Environments,
    Sessions,
    Resources,
    Events,
    Work,
    Journal,
}

impl List {
    pub const ALL: [Self; 13] = [
        Self::Stores,
        Self::Memories,
        Self::Versions,
        Self::Workspaces,
        Self::ApiKeys,
        Self::Agents,
        Self::AgentVersions,
        Self::Environments,
        Self::Sessions,
        Self::Resources,
        Self::Events,
        Self::Work,
        Self::Journal,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stores => "stores",
            Self::Memories => "memories",
            Self::Versions => "versions",
            Self::Workspaces => "workspaces",
            Self::ApiKeys => "api_keys",
            Self::Agents => "agents",
            Self::AgentVersions => "agent_versions",
            Self::Environments => "environments",
            Self::Sessions => "sessions",
            Self::Resources => "resources",
            Self::Events => "events",
            Self::Work => "work",
            Self::Journal => "journal",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub list: List,
    /// The store, workspace, session or journal that is listed; and the order, where there are two.
    pub owner: String,
    pub key: Key,
}

/// The sort key of the last item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    Path(String),
    Time(Timestamp, String),
    Number(i64),
}

impl Cursor {
    pub fn path(owner: &impl ToString, path: &str) -> Self {
        Self { list: List::Memories, owner: owner.to_string(), key: Key::Path(path.to_owned()) }
    }

    pub fn time(list: List, owner: &impl ToString, at: Timestamp, id: &impl ToString) -> Self {
        Self { list, owner: owner.to_string(), key: Key::Time(at, id.to_string()) }
    }

    pub fn number(list: List, owner: &impl ToString, number: i64) -> Self {
        Self { list, owner: owner.to_string(), key: Key::Number(number) }
    }

    fn check(&self, list: List, owner: &impl ToString) -> Result<()> {
        if self.list != list {
            return Err(Error::Invalid(format!(
                "page belongs to a list of {}, not of {}",
                self.list.as_str(),
                list.as_str()
            )));
        }
        if self.owner != owner.to_string() {
            return Err(Error::invalid(
                "page belongs to another list: take next_page from an answer of this one",
            ));
        }
        Ok(())
    }

    /// The path to resume behind.
    pub fn after_path(&self, owner: &impl ToString) -> Result<&str> {
        self.check(List::Memories, owner)?;
        match &self.key {
            Key::Path(path) => Ok(path),
            Key::Time(..) | Key::Number(_) => Err(bad()),
        }
    }

    /// The number to resume behind.
    pub fn after_number(&self, list: List, owner: &impl ToString) -> Result<i64> {
        self.check(list, owner)?;
        match self.key {
            Key::Number(number) => Ok(number),
            Key::Path(_) | Key::Time(..) => Err(bad()),
        }
    }

    /// The time and ID to resume behind in a list that is newest first.
    pub fn after_time(&self, list: List, owner: &impl ToString) -> Result<(Timestamp, &str)> {
        self.check(list, owner)?;
        match &self.key {
            Key::Time(at, id) => Ok((*at, id)),
            Key::Path(_) | Key::Number(_) => Err(bad()),
        }
    }
}

/// What is said of a token that can't be read.
pub fn bad() -> Error {
    Error::invalid("page is not a page token of this server: pass next_page on unchanged")
}

/// The page that a request asks for.
#[derive(Clone, Debug)]
pub struct Paging {
    pub limit: usize,
    pub after: Option<Cursor>,
}

impl Paging {
    pub fn check_limit(limit: i64, most: usize) -> Result<usize> {
        usize::try_from(limit).ok().filter(|limit| (1..=most).contains(limit)).ok_or_else(|| {
            Error::Invalid(format!("limit must be between 1 and {most}; got {limit}"))
        })
    }

    /// Where to resume in a list that is newest first; inside `range`, or the request is at odds
    /// with itself.
    pub fn resume(
        &self,
        list: List,
        owner: &impl ToString,
        range: TimeRange,
    ) -> Result<Option<(Timestamp, &str)>> {
        let Some(cursor) = &self.after else { return Ok(None) };
        let (at, id) = cursor.after_time(list, owner)?;
        if range.from.is_some_and(|from| at < from) || range.to.is_some_and(|to| at > to) {
            return Err(Error::invalid(
                "page lies outside the created_at range: repeat the range that the page came from",
            ));
        }
        Ok(Some((at, id)))
    }
}

/// Both bounds are inclusive.
#[derive(Clone, Copy, Debug, Default)]
pub struct TimeRange {
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor() -> Cursor {
        Cursor::time(List::Versions, &"memstore_1", Timestamp::from_micros(5), &"memver_1")
    }

    #[test]
    fn a_cursor_serves_only_its_own_list_and_owner() {
        assert!(cursor().after_time(List::Versions, &"memstore_1").is_ok());
        assert!(cursor().after_time(List::Versions, &"memstore_2").is_err());
        assert!(cursor().after_time(List::Stores, &"memstore_1").is_err());
        assert!(cursor().after_path(&"memstore_1").is_err());
    }

    #[test]
    fn a_cursor_outside_the_range_is_refused() {
        let paging = Paging { limit: 1, after: Some(cursor()) };
        let at = |micros| Some(Timestamp::from_micros(micros));
        let resume =
            |from, to| paging.resume(List::Versions, &"memstore_1", TimeRange { from, to }).is_ok();

        assert!(resume(at(5), at(5)));
        assert!(!resume(at(6), None));
        assert!(!resume(None, at(4)));
    }

    #[test]
    fn the_limit_is_1_to_100() {
        for bad in [-1, 0, 101, i64::MAX] {
            assert!(Paging::check_limit(bad, MAX_LIMIT).is_err());
        }
        assert_eq!(Paging::check_limit(100, MAX_LIMIT).unwrap(), 100);
    }

    #[test]
    fn a_page_is_followed_only_when_there_is_more() {
        let page = |n| Page::cut((0..n).collect(), 2, |_| cursor()).next.is_some();
        assert!(!page(2));
        assert!(page(3));
    }
}
