//! Query parameters. Unknown ones are ignored; a known one may come once.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use percent_encoding::percent_decode_str;

use super::Http;
use crate::domain::memory::View;
use crate::domain::page::{self, Paging, TimeRange};
use crate::domain::time::Timestamp;
use crate::domain::{Error, Result};
use crate::wire;

/// The decoded parameters of a query; `None` where what they decode to is no text.
pub struct Params(Option<Vec<(String, String)>>);

impl FromRequestParts<Arc<Http>> for Params {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Http>) -> Result<Self, Infallible> {
        Ok(Self::parse(parts.uri.query().unwrap_or_default()))
    }
}

impl Params {
    fn parse(query: &str) -> Self {
        // The parser itself puts U+FFFD in the place of what is no UTF-8: another value.
        let is_text = percent_decode_str(query).decode_utf8().is_ok();
        Self(is_text.then(|| form_urlencoded::parse(query.as_bytes()).into_owned().collect()))
    }

    fn parameters(&self) -> Result<&[(String, String)]> {
        let not_text = || Error::invalid("the query must be UTF-8, percent-encoded");
        self.0.as_deref().ok_or_else(not_text)
    }

    /// The value of `name`.
    pub fn get(&self, name: &str) -> Result<Option<&str>> {
        let mut values = self.parameters()?.iter().filter(|(known, _)| known == name);
        let value = values.next().map(|(_, value)| value.as_str());
        match (value, values.next()) {
            (_, Some(_)) => Err(Error::Invalid(format!("{name} must be given at most once"))),
            // Nothing that can be asked for has one, and Postgres takes none.
            (Some(value), None) if value.contains('\0') => {
                Err(Error::Invalid(format!("{name} must not contain U+0000")))
            }
            (value, None) => Ok(value),
        }
    }

    pub fn view(&self, default: View) -> Result<View> {
        match self.get("view")? {
            None => Ok(default),
            Some("basic") => Ok(View::Basic),
            Some("full") => Ok(View::Full),
            Some(other) => {
                Err(Error::Invalid(format!("view must be \"basic\" or \"full\"; got {other:?}")))
            }
        }
    }

    pub fn paging(&self) -> Result<Paging> {
        self.paging_of(page::DEFAULT_LIMIT, page::MAX_LIMIT)
    }

    /// A page of `default` items, or of as many as asked for, up to `most`.
    pub fn paging_of(&self, default: usize, most: usize) -> Result<Paging> {
        let limit = match self.get("limit")? {
            Some(text) => {
                let limit = text.parse().map_err(|_| {
                    Error::Invalid(format!(
                        "limit must be a whole number between 1 and {most}; got {text:?}"
                    ))
                });
                Paging::check_limit(limit?, most)?
            }
            None => default,
        };
        let token = self.get("page")?.filter(|token| !token.is_empty());
        Ok(Paging { limit, after: token.map(wire::page::cursor).transpose()? })
    }

    /// The same, with at most 20 items where they carry content.
    pub fn paging_for(&self, view: View) -> Result<Paging> {
        let paging = self.paging()?;
        let limit = match view {
            View::Basic => paging.limit,
            View::Full => paging.limit.min(page::MAX_FULL),
        };
        Ok(Paging { limit, ..paging })
    }

    pub fn created(&self) -> Result<TimeRange> {
        Ok(TimeRange {
            from: self.time("created_at[gte]", Timestamp::parse_ceil)?,
            to: self.time("created_at[lte]", Timestamp::parse)?,
        })
    }

    /// The same, with exclusive bounds, too.
    pub fn created_within(&self) -> Result<TimeRange> {
        let given = self.created()?;
        let after = self.time("created_at[gt]", Timestamp::parse)?.map(Timestamp::next);
        let before = self.time("created_at[lt]", Timestamp::parse_ceil)?.map(Timestamp::previous);
        Ok(TimeRange {
            from: given.from.max(after),
            to: match (given.to, before) {
                (Some(to), Some(before)) => Some(to.min(before)),
                (to, before) => to.or(before),
            },
        })
    }

    /// All values of a parameter that may be repeated, with or without `[]` behind its name.
    pub fn all(&self, name: &str) -> Result<Vec<&str>> {
        let is_of = |known: &str| known.strip_suffix("[]").unwrap_or(known) == name;
        let values = self.parameters()?.iter().filter(|(known, _)| is_of(known));
        let values: Vec<_> = values.map(|(_, value)| value.as_str()).collect();
        if values.iter().any(|value| value.contains('\0')) {
            return Err(Error::Invalid(format!("{name} must not contain U+0000")));
        }
        Ok(values)
    }

    /// Whether `order` asks for the newest first, or whether it does where it is not given.
    pub fn newest_first(&self, default: bool) -> Result<bool> {
        match self.get("order")? {
            None => Ok(default),
            Some("desc") => Ok(true),
            Some("asc") => Ok(false),
            Some(other) => {
                Err(Error::Invalid(format!("order must be \"asc\" or \"desc\"; got {other:?}")))
            }
        }
    }

    /// A whole number of at least `least`, of which `i64::MIN` asks nothing.
    pub fn number(&self, name: &str, least: i64) -> Result<Option<i64>> {
        let read = |text: &str| {
            text.parse().ok().filter(|number| *number >= least).ok_or_else(|| {
                let which = match least {
                    i64::MIN => "of 64 bits".to_owned(),
                    least => format!("of at least {least}"),
                };
                Error::Invalid(format!("{name} must be a whole number {which}; got {text:?}"))
            })
        };
        self.get(name)?.map(read).transpose()
    }

    fn time(&self, name: &str, read: fn(&str) -> Option<Timestamp>) -> Result<Option<Timestamp>> {
        let parse = |text: &str| {
            read(text).ok_or_else(|| {
                Error::Invalid(format!(
                    "{name} must be an RFC 3339 time with an offset, such as \
                     2026-11-22T10:00:00Z; got {text:?}"
                ))
            })
        };
        self.get(name)?.map(parse).transpose()
    }

    pub fn flag(&self, name: &str) -> Result<bool> {
        match self.get(name)? {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => {
                Err(Error::Invalid(format!("{name} must be \"true\" or \"false\"; got {other:?}")))
            }
        }
    }

    pub fn text(&self, name: &str) -> Result<Option<String>> {
        Ok(self.get(name)?.map(str::to_owned))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bracketed_names_may_be_encoded() {
        for query in [
            "created_at[gte]=2026-01-01T00:00:00+01:00",
            "created_at%5Bgte%5D=2025-12-31T23:00:00Z",
        ] {
            let from = Params::parse(query).created().unwrap().from;
            assert_eq!(from, Timestamp::parse("2025-12-31T23:00:00Z"), "{query}");
        }
    }

    #[test]
    fn a_known_parameter_comes_once() {
        let params = Params::parse("limit=1&limit=2&color=1&color=2");
        assert_eq!(params.paging().unwrap_err().to_string(), "limit must be given at most once");
        let nul = Params::parse("memory_id=mem_%00");
        assert!(nul.text("memory_id").unwrap_err().to_string().contains("U+0000"));
    }

    #[test]
    fn a_whole_number_has_its_least_and_64_bits() {
        let params = Params::parse("few=0&many=9223372036854775808&least=-9223372036854775808");
        let message = |name, least| params.number(name, least).unwrap_err().to_string();

        assert_eq!(message("few", 1), "few must be a whole number of at least 1; got \"0\"");
        assert_eq!(
            message("many", i64::MIN),
            "many must be a whole number of 64 bits; got \"9223372036854775808\""
        );
        assert_eq!(params.number("least", i64::MIN).unwrap(), Some(i64::MIN));
    }

    #[test]
    fn the_limit_of_a_full_view_is_capped_not_refused() {
        assert_eq!(Params::parse("limit=100").paging_for(View::Full).unwrap().limit, 20);
        assert_eq!(Params::parse("limit=5").paging_for(View::Full).unwrap().limit, 5);
        for bad in ["limit=0", "limit=101", "limit=-1", "limit=ten", "limit=", "limit=1.5"] {
            assert!(Params::parse(bad).paging_for(View::Full).is_err(), "{bad}");
        }
    }
}
