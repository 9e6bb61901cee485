//! Carrying out a plan: each step guarded by the hash that it was planned over.

use std::collections::VecDeque;

use serde::Serialize;

use super::files::same_hash;
use super::{Done, Failure, array, output};
use crate::client::ClientError;
use crate::client::store::StoreApi;
use crate::history::plan::{Conflict, Head, Plan, Step};
use crate::history::text::{grouped, one_line};
use crate::wire::Deleted;
use crate::wire::memory::Item;
use crate::wire::version::Version;

/// An object of the API that a step left behind, or would go back to.
#[derive(Serialize)]
#[serde(untagged)]
enum Left {
    Item(Item),
    Deleted(Deleted),
    Version(Version),
}

/// How to carry a plan out, and what to print.
pub struct Way {
    pub dry_run: bool,
    pub json: bool,
    /// What is said where there is nothing to do.
    pub nothing: &'static str,
}

/// Does what the plan says, or with `dry_run` only says it. Conflicts are listed and left alone.
pub async fn carry_out(store: &StoreApi, plan: Plan, way: &Way) -> Done {
    let Plan { steps, mut conflicts } = plan;
    let count = steps.len();
    let mut left = Vec::new();
    let mut ended = None;
    if way.dry_run {
        for step in steps {
            say(way, &format!("would {}", told(&step, "delete", "write", "create")))?;
            left.push(target(step));
        }
    } else {
        let bar = output::bar(count, "restoring");
        // A path may be free only when another step was done, so what is in the way is tried again
        // as long as that helps.
        let mut waiting: VecDeque<_> = steps.into();
        let mut refused = Vec::new();
        while let Some(step) = waiting.pop_front() {
            match done(store, &step).await {
                Ok(object) => {
                    bar.inc(1);
                    bar.suspend(|| say(way, &told(&step, "deleted", "wrote", "created")))?;
                    left.push(object);
                    waiting.extend(refused.drain(..).map(|(step, _)| step));
                }
                Err(error) => match as_conflict(error) {
                    Ok(why) => refused.push((step, why)),
                    Err(error) => {
                        ended = Some(error);
                        break;
                    }
                },
            }
        }
        bar.finish_and_clear();
        conflicts.extend(
            refused.into_iter().map(|(step, why)| Conflict { path: step.path().to_owned(), why }),
        );
    }
    if way.json {
        // Also where it ends early: what was done is done.
        array(left)?;
    } else if count == 0 && conflicts.is_empty() {
        output::print(way.nothing)?;
    }
    let finished = finish(&conflicts);
    ended.map_or(finished, Err)
}

fn finish(conflicts: &[Conflict]) -> Done {
    for Conflict { path, why } in conflicts {
        output::say(&format!("left alone: {}: {}", one_line(path), one_line(why)));
    }
    match conflicts.len() {
        0 => Ok(()),
        count => Err(left_alone(count)),
    }
}

/// How a command ends that has left something alone.
pub fn left_alone(count: usize) -> Failure {
    let memories =
        if count == 1 { "1 memory was".to_owned() } else { format!("{count} memories were") };
    Failure::Conflict(format!("{memories} left alone"))
}

fn say(way: &Way, text: &str) -> Done {
    if way.json { Ok(()) } else { output::print(text) }
}

/// What a step would leave, or go back to.
fn target(step: Step) -> Left {
    match step {
        Step::Delete { head } => Left::Deleted(Deleted::new(&head.memory, "memory")),
        Step::Change { to, .. } | Step::Create { to, .. } => Left::Version(to),
    }
}

/// A step in words.
fn told(step: &Step, delete: &str, write: &str, create: &str) -> String {
    let size = |version: &Version| grouped(version.content_size_bytes.unwrap_or_default());
    match step {
        Step::Delete { head } => {
            format!("{delete} {} ({} bytes)", one_line(&head.path), grouped(head.size))
        }
        Step::Create { path, to } => {
            format!("{create} {}: {} bytes of {}", one_line(path), size(to), to.id)
        }
        Step::Change { head, to } => {
            let path = to.path.as_deref().unwrap_or(&head.path);
            let moved = if path == head.path {
                String::new()
            } else {
                format!(", moved from {}", one_line(&head.path))
            };
            let (is, was) = (size(to), grouped(head.size));
            format!("{write} {}: {is} bytes of {} (were {was}){moved}", one_line(path), to.id)
        }
    }
}

async fn done(store: &StoreApi, step: &Step) -> Result<Left, Failure> {
    match step {
        Step::Delete { head: Head { memory, sha256, .. } } => {
            Ok(Left::Deleted(store.delete(memory, sha256).await?))
        }
        Step::Create { path, to } => {
            let content = content(store, to).await?;
            let memory = store.create(path, &content).await?;
            same_hash(&memory, &content)?;
            Ok(Left::Item(Item::Memory(memory)))
        }
        Step::Change { head, to } => {
            let is_same = to.content_sha256.as_ref() == Some(&head.sha256);
            let content = if is_same { None } else { Some(content(store, to).await?) };
            let path = to.path.as_deref().filter(|path| *path != head.path);
            let memory = store.update(&head.memory, content.as_deref(), path, &head.sha256).await?;
            if let Some(content) = &content {
                same_hash(&memory, content)?;
            }
            Ok(Left::Item(Item::Memory(memory)))
        }
    }
}

/// The content of a version, which is what its hash says.
async fn content(store: &StoreApi, version: &Version) -> Result<String, Failure> {
    let content = match &version.content {
        Some(content) => Some(content.clone()),
        None => store.version(&version.id).await?.content,
    };
    content.ok_or_else(|| Failure::Conflict(format!("the content of {} was redacted", version.id)))
}

/// What is in the way of one step and of no other; everything else ends the work.
fn as_conflict(error: Failure) -> Result<String, Failure> {
    match error {
        Failure::Client(ClientError::Refused { ref kind, ref message, status, .. })
            if matches!(status.as_u16(), 404 | 409 | 412) =>
        {
            Ok(match &**kind {
                "memory_precondition_failed_error" => "it was changed just now".to_owned(),
                "not_found_error" => "it was deleted just now".to_owned(),
                _ => message.clone(),
            })
        }
        Failure::Conflict(why) => Ok(why),
        error => Err(error),
    }
}
