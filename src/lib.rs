//! memstored: the self-hosted server for the memory stores of Claude Managed Agents.
//!
//! `ARCHITECTURE.md` has the map. In short: [`domain`] holds the rules, [`db`] the SQL, [`app`] one
//! function an operation, [`wire`] the shapes, [`http`] the door; [`fuse`] is the mount, a client;
//! [`cli`] starts it all.

pub mod app;
pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod db;
pub mod domain;
pub mod fuse;
pub mod history;
pub mod http;
pub mod shutdown;
pub mod spell;
pub mod telemetry;
pub mod wire;
