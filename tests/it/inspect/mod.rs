//! The inspector as a person uses it, on a running server.

mod back;
mod differences;
mod door;
mod files;
mod history;
mod outside;
mod races;
mod repository;
mod stage;
mod tour;
mod transfer;
