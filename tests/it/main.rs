//! One binary for all integration tests: one link, one start.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panic")]
#![allow(clippy::similar_names, clippy::assigning_clones, reason = "tests read like prose")]
#![allow(clippy::too_many_lines, reason = "snapshots stand in the function")]

mod access;
mod admin;
mod agreement;
mod api;
mod battery;
mod cli;
mod contract;
mod copy;
mod falsified;
mod figures;
mod foreign;
mod fuse;
mod inspect;
mod network;
mod postgres;
mod schema;
mod sessions;
mod sqlite;
mod supply;
mod support;
mod tenants;
mod tidy;
mod upkeep;
