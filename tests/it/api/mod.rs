//! Every operation through the router: status line, the headers that the contract names, the body.

mod errors;
mod headers;
mod journal;
mod keys;
mod listings;
mod memories;
mod reasons;
mod redaction;
mod stores;
mod versions;
mod whoami;
