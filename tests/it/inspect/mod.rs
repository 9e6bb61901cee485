//! The inspector as a person uses it, on a running server.

mod back;
mod differences;
mod door;
mod exports;
mod files;
mod history;
mod outside;
mod races;
mod stage;
mod tour;
mod transfer;
