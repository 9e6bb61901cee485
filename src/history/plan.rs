//! What it takes to go back: to a moment, or to before a session.
//!
//! A plan says what to do to each memory, from versions and the present state alone. It is carried out
//! with the present hash as the precondition of each step, so what changes meanwhile is a conflict
//! and never lost. A plan over the state that it has brought about is empty: going back is safe to
//! repeat.

mod foresee;

use std::collections::{HashMap, HashSet};

use super::moment::{Near, is_within};
use super::{CREATED, DELETED, author};
use crate::domain::time::Timestamp;
use crate::wire::memory::Memory;
use crate::wire::version::Version;

/// A memory as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    pub memory: String,
    pub path: String,
    pub sha256: String,
    pub size: i64,
}

impl From<&Memory> for Head {
    fn from(memory: &Memory) -> Self {
        Self {
            memory: memory.id.clone(),
            path: memory.path.clone(),
            sha256: memory.content_sha256.clone(),
            size: memory.content_size_bytes,
        }
    }
}

impl Head {
    /// What a memory's newest version says of it; nothing where it is gone.
    fn of(newest: &Version) -> Option<Self> {
        Some(Self {
            memory: newest.memory_id.clone(),
            path: newest.path.clone()?,
            sha256: newest.content_sha256.clone()?,
            size: newest.content_size_bytes?,
        })
    }

    fn is(&self, version: &Version) -> bool {
        version.path.as_ref() == Some(&self.path)
            && version.content_sha256.as_ref() == Some(&self.sha256)
    }
}

/// One change on the way back.
#[derive(Clone, Debug)]
pub enum Step {
    Delete {
        head: Head,
    },
    /// Writes content, path or both of `to`, as far as they differ.
    Change {
        head: Head,
        to: Version,
    },
    Create {
        path: String,
        to: Version,
    },
}

impl Step {
    /// The path that is left, or made.
    pub fn path(&self) -> &str {
        match self {
            Self::Delete { head } | Self::Change { head, .. } => &head.path,
            Self::Create { path, .. } => path,
        }
    }
}

/// Something that is left alone, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    pub path: String,
    pub why: String,
}

#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Deletions, then changes, then creations: what frees a path before what takes one.
    pub steps: Vec<Step>,
    pub conflicts: Vec<Conflict>,
}

impl Plan {
    fn conflict(&mut self, path: &str, why: impl Into<String>) {
        self.conflicts.push(Conflict { path: path.to_owned(), why: why.into() });
    }

    fn sorted(mut self) -> Self {
        self.steps.sort_by_key(|step| match step {
            Step::Delete { .. } => 0,
            Step::Change { .. } => 1,
            Step::Create { .. } => 2,
        });
        self
    }
}

/// Writes the content of one version back: into its memory, or where that is gone into the memory at
/// its path, or a new one there. The path of a memory that lives stays. Nothing where all is so.
pub fn to_version(version: &Version, own: Option<&Head>, at_path: Option<&Head>) -> Option<Step> {
    let path = version.path.as_ref()?;
    let Some(head) = own.or(at_path) else {
        return Some(Step::Create { path: path.clone(), to: version.clone() });
    };
    let stays = Version { path: Some(head.path.clone()), ..version.clone() };
    (!head.is(&stays)).then(|| Step::Change { head: head.clone(), to: stays })
}

/// Back to the state `then`, within the wanted paths where there are any. Memories that are newer
/// stay unless `delete`. A redacted version is meant where a path `near` it is wanted.
pub fn to_moment(
    then: &[Version],
    near: &Near,
    now: &[Head],
    wanted: &[String],
    delete: bool,
) -> Plan {
    let is_wanted = |path: &str| wanted.is_empty() || wanted.iter().any(|one| is_within(path, one));
    let by_id: HashMap<_, _> = now.iter().map(|head| (&*head.memory, head)).collect();
    let by_path: HashMap<_, _> = now.iter().map(|head| (&*head.path, head)).collect();
    let were: HashSet<_> = then.iter().map(|version| &*version.memory_id).collect();
    let mut taken_over = HashSet::new();
    let mut plan = Plan::default();
    for version in then {
        let own = by_id.get(&*version.memory_id).copied();
        let Some(path) = version.path.as_deref() else {
            let mut near = near.get(&version.id).into_iter().flatten();
            let near = near.find(|path| is_wanted(path));
            if wanted.is_empty() || near.is_some() || own.is_some_and(|own| is_wanted(&own.path)) {
                plan.conflicts.push(lost(version, own, near));
            }
            continue;
        };
        if !is_wanted(path) {
            continue;
        }
        // Whatever stands there now and was not there then makes room by becoming it.
        let stranger = || by_path.get(path).copied().filter(|head| !were.contains(&*head.memory));
        match own.or_else(stranger) {
            Some(head) if head.is(version) => {
                taken_over.insert(&*head.memory);
            }
            Some(head) => {
                taken_over.insert(&*head.memory);
                plan.steps.push(Step::Change { head: head.clone(), to: version.clone() });
            }
            None => plan.steps.push(Step::Create { path: path.to_owned(), to: version.clone() }),
        }
    }
    let newer = now.iter().filter(|head| !were.contains(&*head.memory) && is_wanted(&head.path));
    for head in newer.filter(|head| delete && !taken_over.contains(&*head.memory)) {
        plan.steps.push(Step::Delete { head: head.clone() });
    }
    settle(plan, now).sorted()
}

/// That a redacted version does not come back. Where its memory is gone, a path that is known `near` it
/// says which one is meant.
fn lost(version: &Version, own: Option<&Head>, near: Option<&String>) -> Conflict {
    let id = &version.id;
    let (path, why) = match (own, near) {
        (Some(own), _) => (&own.path, "its content of that time was redacted".to_owned()),
        (None, Some(path)) => (path, format!("its version of that time, {id}, was redacted")),
        (None, None) => (id, "its content and path of that time were redacted".to_owned()),
    };
    Conflict { path: path.clone(), why }
}

/// Back to before a session. A history has the versions of one memory that the session changed,
/// newest first, as far as the one before the session's first. `now` may be empty as long as the
/// plan makes or moves nothing.
pub fn before_session(session: &str, histories: &[Vec<Version>], now: &[Head]) -> Plan {
    let mut plan = Plan::default();
    let mut unclear = Vec::new();
    for history in histories {
        let Some((newest, first)) = ends(history, session) else { continue };
        let before = history.get(first + 1);
        if before.is_none() && history[first].operation != CREATED {
            plan.conflict(shown(history), "what it was before is no longer kept");
            continue;
        }
        if before.is_some_and(|before| before.content_sha256.is_none()) {
            plan.conflict(shown(history), "what it was before was redacted");
            continue;
        }
        let head = Head::of(newest);
        let other = history[..=first].iter().find(|version| author(version) != Some(session));
        match (before, head) {
            (None, None) => {}
            (Some(before), Some(head)) if head.is(before) => {}
            (before, head) if other.is_some() && !is_left_by(session, history, head.as_ref()) => {
                unclear.push((before, head, history, other));
            }
            (None, Some(head)) => plan.steps.push(Step::Delete { head }),
            (Some(before), Some(head)) => {
                plan.steps.push(Step::Change { head, to: before.clone() });
            }
            (Some(before), None) => plan.steps.push(Step::Create {
                path: before.path.clone().unwrap_or_default(),
                to: before.clone(),
            }),
        }
    }
    for (before, head, history, other) in unclear {
        // An earlier undo has made this memory of the session's into the one that was there before.
        let stands_in = |head: &Head| {
            plan.steps.iter().any(|step| matches!(step, Step::Create { to, .. } if head.is(to)))
        };
        if before.is_none() && head.as_ref().is_some_and(stands_in) {
            continue;
        }
        plan.conflict(shown(history), other.map_or_else(String::new, changed_since));
    }
    settle(plan, now).sorted()
}

/// Whose change stands in the way, and what shows it.
fn changed_since(other: &Version) -> String {
    let by = author(other).unwrap_or("somebody");
    format!("changed since by {by} at {}: memstored show {}", other.created_at, other.id)
}

/// Whether what is there now is what the session left at some time, whoever has put it back.
fn is_left_by(session: &str, history: &[Version], head: Option<&Head>) -> bool {
    let mut left = history.iter().filter(|version| author(version) == Some(session));
    left.any(|version| match head {
        Some(head) => head.is(version),
        None => version.operation == DELETED,
    })
}

impl Plan {
    /// Leaves alone what has come back already and was deleted again. `deletions` are those of the
    /// store since the session's first change.
    #[must_use]
    pub fn without_deleted_again(mut self, deletions: &[Version]) -> Self {
        let is_again = |path: &str, to: &Version| {
            deletions.iter().any(|deletion| {
                deletion.path.as_deref() == Some(path)
                    && deletion.memory_id != to.memory_id
                    && Timestamp::parse(&deletion.created_at) > Timestamp::parse(&to.created_at)
            })
        };
        let again: Vec<_> = self
            .steps
            .extract_if(.., |step| matches!(step, Step::Create { path, to } if is_again(path, to)))
            .collect();
        for step in again {
            self.conflict(step.path(), "it had come back, and was deleted again");
        }
        self
    }
}

/// The newest version, and where the oldest of the session stands.
fn ends<'a>(history: &'a [Version], session: &str) -> Option<(&'a Version, usize)> {
    let first = history.iter().rposition(|version| author(version) == Some(session))?;
    Some((history.first()?, first))
}

/// What to call a memory: its newest path that is known.
fn shown(history: &[Version]) -> &str {
    let known = history.iter().find_map(|version| version.path.as_deref());
    known.unwrap_or_else(|| history.first().map_or("", |version| &version.memory_id))
}

/// Finds room for what is made or moved.
fn settle(plan: Plan, now: &[Head]) -> Plan {
    let by_path: HashMap<_, _> = now.iter().map(|head| (&*head.path, head)).collect();
    let leaving = |step: &Step| match step {
        Step::Delete { head } => Some(head.memory.clone()),
        Step::Change { head, to } if to.path.as_ref() != Some(&head.path) => {
            Some(head.memory.clone())
        }
        _ => None,
    };
    let leaving: HashSet<_> = plan.steps.iter().filter_map(leaving).collect();
    let mut settled = Plan { steps: Vec::new(), conflicts: plan.conflicts };
    let mut became = HashSet::new();
    for step in plan.steps {
        let target = match &step {
            Step::Create { path, .. } => path.clone(),
            Step::Change { head, to } if to.path.as_ref() != Some(&head.path) => {
                to.path.clone().unwrap_or_default()
            }
            _ => {
                settled.steps.push(step);
                continue;
            }
        };
        let Some(occupant) = by_path.get(&*target).copied() else {
            settled.steps.push(step);
            continue;
        };
        match step {
            Step::Create { to, .. } if occupant.is(&to) => {}
            Step::Create { to, .. } if leaving.contains(&occupant.memory) => {
                became.insert(occupant.memory.clone());
                settled.steps.push(Step::Change { head: occupant.clone(), to });
            }
            Step::Change { head, .. } if !leaving.contains(&occupant.memory) => {
                settled.conflict(&head.path, format!("its path {target} is taken now"));
            }
            Step::Create { .. } => settled.conflict(&target, "its path is taken now"),
            step => settled.steps.push(step),
        }
    }
    let stays =
        |step: &Step| !matches!(step, Step::Delete { head } if became.contains(&head.memory));
    settled.steps.retain(stays);
    settled
}

/// Whether a plan makes or moves anything, so that it has to be seen what is there.
pub fn needs_room(plan: &Plan) -> bool {
    plan.steps.iter().any(|step| match step {
        Step::Create { .. } => true,
        Step::Change { head, to } => to.path.as_ref() != Some(&head.path),
        Step::Delete { .. } => false,
    })
}

#[cfg(test)]
mod tests;
