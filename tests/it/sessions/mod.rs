//! The session side: agents, environments, sessions, their events and the work queue. What SDKs do
//! with it is tested in tests/sdk.

mod agents;
mod environments;
mod events;
mod lifecycle;
pub mod stream;
mod tokens;
mod work;
