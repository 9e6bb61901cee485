//! What of a plan would be left alone, by the rule of paths that a server has (contract 3.4), so that
//! saying what would be done says no more than would be.

use std::collections::VecDeque;

use super::{Conflict, Head, Plan, Step};
use crate::domain::id::MemoryId;
use crate::domain::occupied::Occupied;
use crate::domain::path::MemoryPath;
use crate::domain::{Error, Result};

/// What stands where a message names the memory that is in the way, and the plan itself makes that.
const UNMADE: &str = "to be made";

impl Plan {
    /// The plan as it would be carried out over what is there now: its steps in the order in which
    /// they would be done, and as conflicts those that another memory is in the way of.
    #[must_use]
    pub fn foreseen(self, now: &[Head]) -> Self {
        let mut occupied = Occupied::default();
        for head in now {
            occupied.take(path(&head.path), id(&head.memory));
        }
        let mut plan = Self { steps: Vec::new(), conflicts: self.conflicts };
        let mut waiting: VecDeque<_> = self.steps.into();
        let mut refused: Vec<(Step, Error)> = Vec::new();
        while let Some(step) = waiting.pop_front() {
            match done(&step, &mut occupied) {
                Ok(()) => {
                    plan.steps.push(step);
                    waiting.extend(refused.drain(..).map(|(step, _)| step));
                }
                Err(error) => refused.push((step, error)),
            }
        }
        plan.conflicts.extend(refused.into_iter().map(|(step, error)| Conflict {
            path: step.path().to_owned(),
            why: error.to_string(),
        }));
        plan
    }
}

/// Does a step to the paths alone.
fn done(step: &Step, occupied: &mut Occupied) -> Result<()> {
    match step {
        Step::Delete { head } => occupied.free(&path(&head.path)),
        Step::Change { head, to } => {
            let moved = to.path.as_deref().filter(|path| *path != head.path);
            if let Some(to) = moved.map(path) {
                let memory = id(&head.memory);
                occupied.check(&to, Some(&memory))?;
                occupied.free(&path(&head.path));
                occupied.take(to, memory);
            }
        }
        Step::Create { path: wanted, .. } => {
            let wanted = path(wanted);
            occupied.check(&wanted, None)?;
            occupied.take(wanted, id(UNMADE));
        }
    }
    Ok(())
}

/// A path as the server said it.
fn path(text: &str) -> MemoryPath {
    MemoryPath::stored(text.to_owned())
}

fn id(text: &str) -> MemoryId {
    MemoryId::stored(text.to_owned())
}
