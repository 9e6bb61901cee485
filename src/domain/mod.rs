//! The rules of the contract: paths, overlap, preconditions, versions, redaction and limits.
//!
//! Everything here is pure: no I/O, no `async`, no clock, no other module of the crate. What has to
//! be known is read beforehand, handed in as values, and the decision comes back as values; so that
//! one set of rules serves every database and every door, and can be tested in one sitting.

pub mod access;
pub mod actor;
pub mod agent;
pub mod attachment;
pub mod content;
pub mod environment;
pub mod error;
pub mod event;
pub mod git;
pub mod id;
pub mod journal;
pub mod json;
pub mod key;
pub mod limits;
pub mod memory;
pub mod occupied;
pub mod page;
pub mod path;
pub mod plan;
pub mod session;
pub mod store;
pub mod text;
pub mod time;
pub mod token;
pub mod version;
pub mod work;
pub mod workspace;

pub use error::{Error, Result};
