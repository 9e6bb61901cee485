//! Versions beside their predecessors: what each changed.
//!
//! A list gives versions newest first, so a version is complete when an older one of its memory has
//! come by. Lists may be long, so steps are handed on as soon as they and all before them are complete.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::{CREATED, DELETED};
use crate::wire::version::Version;

/// A version, and the one before it of the same memory.
#[derive(Clone, Debug)]
pub struct Step {
    pub version: Arc<Version>,
    /// Nothing for the first version of a memory, or where it is not known.
    pub before: Option<Arc<Version>>,
}

impl Step {
    /// By how many bytes the memory's content grew; nothing after or at a redaction.
    pub fn growth(&self) -> Option<i64> {
        let is = match &*self.version.operation {
            DELETED => 0,
            _ => self.version.content_size_bytes?,
        };
        let was = match &*self.version.operation {
            CREATED => 0,
            _ => self.before.as_ref()?.content_size_bytes?,
        };
        Some(is - was)
    }

    /// Whether the content shrank by more than half.
    pub fn is_cliff(&self) -> bool {
        let sizes = self.version.content_size_bytes.zip(self.size_before());
        sizes.is_some_and(|(is, was)| is * 2 < was)
    }

    fn size_before(&self) -> Option<i64> {
        self.before.as_ref()?.content_size_bytes
    }

    /// The path before, where the memory was moved.
    pub fn moved_from(&self) -> Option<&str> {
        let was = self.before.as_ref()?.path.as_deref()?;
        let is = self.version.path.as_deref()?;
        (was != is).then_some(was)
    }
}

/// Pairs the versions of a list that has all versions of its memories between two moments.
#[derive(Default)]
pub struct Pairing {
    /// Steps that were not handed on yet, and whether each is complete.
    queue: VecDeque<(Step, bool)>,
    handed_on: usize,
    /// Where the step of each memory stands that waits for its predecessor.
    waiting: HashMap<String, usize>,
}

impl Pairing {
    /// Takes the next older version.
    pub fn push(&mut self, version: Version) {
        let version = Arc::new(version);
        if let Some(at) = self.waiting.remove(&version.memory_id)
            && let Some((step, complete)) = self.queue.get_mut(at - self.handed_on)
        {
            step.before = Some(Arc::clone(&version));
            *complete = true;
        }
        let first = version.operation == CREATED;
        if !first {
            self.waiting.insert(version.memory_id.clone(), self.handed_on + self.queue.len());
        }
        self.queue.push_back((Step { version, before: None }, first));
    }

    /// The next step, newest first, if it is complete.
    pub fn take(&mut self) -> Option<Step> {
        let (step, _) = self.queue.pop_front_if(|(_, complete)| *complete)?;
        self.handed_on += 1;
        Some(step)
    }

    /// What is left when the list has ended; the predecessors of some are unknown.
    pub fn rest(self) -> impl Iterator<Item = Step> {
        self.queue.into_iter().map(|(step, _)| step)
    }
}

#[cfg(test)]
mod tests {
    use super::super::examples::{created, redacted, version};
    use super::*;

    fn paired(versions: Vec<Version>) -> Vec<Step> {
        let mut pairing = Pairing::default();
        let mut steps = Vec::new();
        for version in versions {
            pairing.push(version);
            steps.extend(std::iter::from_fn(|| pairing.take()));
        }
        steps.extend(pairing.rest());
        steps
    }

    #[test]
    fn each_version_finds_the_one_before_it_and_their_order_stays() {
        let steps = paired(vec![
            version(5, "mem_a", "/a", "sesn_1", None),
            version(4, "mem_b", "/b2", "sesn_1", Some("b")),
            version(3, "mem_a", "/a", "sesn_1", Some("aaa")),
            created(2, "mem_b", "/b", "sesn_1", "b"),
            created(1, "mem_a", "/a", "sesn_1", "a"),
        ]);

        let ids: Vec<_> = steps.iter().map(|step| &*step.version.id).collect();
        assert_eq!(ids, ["memver_5", "memver_4", "memver_3", "memver_2", "memver_1"]);
        let growth: Vec<_> = steps.iter().map(Step::growth).collect();
        assert_eq!(growth, [Some(-3), Some(0), Some(2), Some(1), Some(1)]);
        assert_eq!(steps[1].moved_from(), Some("/b"));
        assert_eq!(steps[0].moved_from(), None);
    }

    #[test]
    fn a_step_is_handed_on_when_all_before_it_are_complete() {
        let mut pairing = Pairing::default();
        pairing.push(version(3, "mem_a", "/a", "sesn_1", Some("a")));
        pairing.push(created(2, "mem_b", "/b", "sesn_1", "b"));
        assert!(pairing.take().is_none());
        pairing.push(created(1, "mem_a", "/a", "sesn_1", ""));
        assert_eq!(std::iter::from_fn(|| pairing.take()).count(), 3);
    }

    #[test]
    fn a_cliff_is_a_loss_of_more_than_half() {
        let is_cliff = |was: usize, is: usize| {
            let before = created(1, "mem_a", "/a", "sesn_1", &"x".repeat(was));
            let after = version(2, "mem_a", "/a", "sesn_1", Some(&"x".repeat(is)));
            paired(vec![after, before])[0].is_cliff()
        };
        assert!(is_cliff(7285, 1509));
        assert!(is_cliff(3, 1));
        assert!(!is_cliff(2, 1));
        assert!(!is_cliff(0, 0));
        assert!(!is_cliff(1, 2));
    }

    #[test]
    fn what_was_redacted_has_no_growth() {
        let steps = paired(vec![
            version(2, "mem_a", "/a", "sesn_1", Some("a")),
            redacted(created(1, "mem_a", "/a", "sesn_1", "a")),
        ]);
        assert_eq!(steps[0].growth(), None);
        assert!(!steps[0].is_cliff());
    }
}
