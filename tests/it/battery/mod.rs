//! The battery: what holds up under kills, faults, races and random use. Each part runs a bounded
//! share in every run of the tests, and for as long as it is told under `scripts/soak`.

mod backup;
mod client;
mod clocks;
mod hostile;
mod kill;
mod linear;
mod model;
mod there;
mod walk;
