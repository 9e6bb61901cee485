//! Every operation through the router: status line, the headers that the contract names, the body.

mod errors;
mod headers;
mod keys;
mod listings;
mod memories;
mod redaction;
mod stores;
mod versions;
