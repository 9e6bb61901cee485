//! Host and Origin checks against DNS rebinding: a web page must not reach a server on the
//! developer's own machine by a name that points there.

use std::net::{IpAddr, SocketAddr};

use axum::extract::Request;
use axum::http::header;
use axum::http::uri::Authority;

use crate::domain::{Error, Result};

const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// The host names that requests may use; `None` is any.
pub struct Hosts(Option<Vec<String>>);

impl Hosts {
    /// On the loopback address `listen` its names and the allowed ones; elsewhere the allowed ones,
    /// or any where none is given.
    pub fn new(allowed: &[String], listen: Option<IpAddr>) -> Self {
        let own = listen.map(|ip| host_of(&SocketAddr::new(ip, 0).to_string()));
        let loopback = listen.iter().flat_map(|_| LOOPBACK).map(str::to_owned).chain(own);
        let allowed = allowed.iter().map(|name| host_of(name)).filter(|name| !name.is_empty());
        let names: Vec<_> = loopback.chain(allowed).collect();
        Self((!names.is_empty()).then_some(names))
    }

    pub fn check(&self, request: &Request) -> Result<()> {
        let Some(names) = &self.0 else { return Ok(()) };
        if request.uri().path() == "/health" {
            return Ok(());
        }
        let known = |host: &str| names.contains(&host_of(host));
        let refuse = |what: &str| {
            Err(Error::Forbidden(format!(
                "this server does not answer to that {what}: it can be allowed with --allowed-host"
            )))
        };
        // Of several each has to be known: who reads behind this server may take another one.
        let all =
            |name| request.headers().get_all(name).iter().map(|value| value.to_str().unwrap_or(""));
        let authority = request.uri().authority().map(Authority::as_str);
        let mut hosts = all(header::HOST).chain(authority).peekable();
        if hosts.peek().is_none() {
            return Err(Error::Forbidden(
                "the request names no Host, which this server checks".into(),
            ));
        }
        if !hosts.all(known) {
            return refuse("Host");
        }
        let known = |origin: &str| origin.split_once("://").is_some_and(|(_, host)| known(host));
        if !all(header::ORIGIN).all(known) {
            return refuse("Origin");
        }
        Ok(())
    }
}

/// The name without its port, in lower case.
fn host_of(authority: &str) -> String {
    let name = match authority.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => authority,
    };
    name.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use rstest::rstest;

    use super::*;

    fn request(host: Option<&str>, origin: Option<&str>, path: &str) -> Request {
        let mut request = Request::builder().uri(path);
        for (name, value) in [(header::HOST, host), (header::ORIGIN, origin)] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        request.body(Body::empty()).unwrap()
    }

    #[rstest]
    #[case(Some("localhost:8780"), None, true)]
    #[case(Some("127.0.0.1"), None, true)]
    #[case(Some("127.0.0.2:8780"), None, true)]
    #[case(Some("127.0.0.3"), None, false)]
    #[case(Some("[::1]:8780"), None, true)]
    #[case(Some("LocalHost"), Some("http://localhost:3000"), true)]
    #[case(Some("evil.example"), None, false)]
    #[case(Some("localhost.evil.example"), None, false)]
    #[case(Some("localhost"), Some("http://evil.example"), false)]
    #[case(Some("localhost"), Some("null"), false)]
    #[case(None, None, false)]
    #[case(Some("memory.internal"), None, true)]
    fn on_loopback_only_known_names_are_answered(
        #[case] host: Option<&str>,
        #[case] origin: Option<&str>,
        #[case] answered: bool,
    ) {
        let hosts = Hosts::new(&["memory.internal".into()], Some([127, 0, 0, 2].into()));

        assert_eq!(hosts.check(&request(host, origin, "/v1")).is_ok(), answered);
        assert!(hosts.check(&request(host, origin, "/health")).is_ok());
    }

    #[rstest]
    #[case(header::HOST, "localhost", "evil.example", false)]
    #[case(header::HOST, "localhost", "127.0.0.1", true)]
    #[case(header::ORIGIN, "http://localhost", "http://evil.example", false)]
    fn of_several_each_has_to_be_known(
        #[case] name: header::HeaderName,
        #[case] first: &str,
        #[case] second: &str,
        #[case] answered: bool,
    ) {
        let hosts = Hosts::new(&[], Some([127, 0, 0, 1].into()));
        let mut request = request(Some("localhost"), None, "/v1");
        for value in [first, second] {
            request.headers_mut().append(&name, value.parse().unwrap());
        }

        assert_eq!(hosts.check(&request).is_ok(), answered);
    }

    #[test]
    fn elsewhere_names_are_checked_where_any_are_given() {
        let request = request(Some("127.0.0.1"), None, "/v1");

        assert!(Hosts::new(&[], None).check(&request).is_ok());
        assert!(Hosts::new(&["memory.internal:443".into()], None).check(&request).is_err());
    }
}
