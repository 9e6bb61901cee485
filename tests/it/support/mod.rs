//! What tests stand on: a server in this process with a fixed clock and counted identifiers, a
//! client that holds every answer to `openapi.yaml`, and the real program.

pub mod database;
pub mod old;
pub mod openapi;
pub mod program;
pub mod server;
pub mod soak;
pub mod stage;
pub mod trap;

pub use database::{Database, Direct};
pub use program::Program;
pub use server::{Answer, Server};
pub use soak::{Soak, numbers};
pub use stage::Stage;
pub use trap::Trap;
