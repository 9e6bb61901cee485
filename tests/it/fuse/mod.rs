//! The mount, with the kernel and ordinary programs. The server's versions are the judge.

mod away;
mod decisions;
mod follow;
mod git;
mod guard;
mod model;
mod names;
mod new_files;
mod programs;
mod races;
mod refusals;
mod saves;
mod sessions;
mod stage;
