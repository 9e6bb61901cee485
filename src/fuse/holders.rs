//! Whether a close is the last one.
//!
//! The kernel tells of each close of a descriptor, and a file that was opened once may have many:
//! the shell opens `f` for `{ date; uptime; } > f`, duplicates the descriptor, closes the original,
//! and each program closes its copy when it ends. A save must happen at the last of these, since
//! before it the text is not whole, and *in* it, so that close(2) can answer an error. Only the
//! tables of descriptors under /proc say which one that is: `fdinfo` gives inode and access mode,
//! and reading it asks nothing of the file system that is described.
//!
//! Inode numbers of a mount begin at a random place (`inode.rs`), so one number is enough to
//! recognize its file, through other mount namespaces too.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

/// How long the tables are waited for. They are read in a few milliseconds where nothing is in the way.
const PATIENCE: Duration = Duration::from_millis(300);

/// What a close means for the text that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// Nobody else can write any more: now is the time to save.
    Last,
    /// Another descriptor is open for writing; its close will come.
    Early,
    /// Can't be told; the release of the file, which the kernel sends after the last one, will do.
    Unknown,
}

/// The table of descriptors of one process, as far as this file goes.
enum Table {
    Writes,
    Closed,
    /// The process is ending, or has ended.
    Gone,
    /// The process belongs to somebody else.
    Hidden,
}

/// Judges a close, within `PATIENCE`. A program that is being replaced (exec) closes what it does
/// not hand over while the kernel holds its entry under /proc, and waits for the answer to the close
/// meanwhile: whoever waited for the entry would wait for ever.
pub async fn judge_soon(closer: u32, opener: u32, ino: u64) -> Close {
    let judged = tokio::task::spawn_blocking(move || judge(closer, opener, ino));
    match tokio::time::timeout(PATIENCE, judged).await {
        Ok(Ok(close)) => close,
        _ => Close::Unknown,
    }
}

/// Judges a close by the process `closer` of a file that the process `opener` has opened. The
/// descriptor that is being closed is out of its table already.
pub fn judge(closer: u32, opener: u32, ino: u64) -> Close {
    if closer == 0 {
        // A process of a namespace that is not seen from here.
        return Close::Unknown;
    }
    let all = match table(closer, ino) {
        Table::Writes => return Close::Early,
        Table::Hidden if closer == opener => return Close::Last,
        Table::Hidden => return Close::Unknown,
        // Who has inherited from a process that is gone is no longer found as its child.
        Table::Closed => opener != closer && matches!(table(opener, ino), Table::Gone),
        Table::Gone => true,
    };
    let mut others = if all { everybody() } else { descendants([closer, opener]) };
    others.insert(opener);
    others.remove(&closer);
    let writes = |pid: &u32| matches!(table(*pid, ino), Table::Writes);
    if others.iter().any(writes) { Close::Early } else { Close::Last }
}

fn table(pid: u32, ino: u64) -> Table {
    let entries = match fs::read_dir(format!("/proc/{pid}/fdinfo")) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return Table::Hidden,
        Err(_) => return Table::Gone,
    };
    let mut any = false;
    for entry in entries {
        let Ok(entry) = entry else { return Table::Gone };
        any = true;
        if is_no_file(pid, &entry.file_name()) {
            continue;
        }
        let text = fs::read_to_string(entry.path()).unwrap_or_default();
        if writes(&text, ino) {
            return Table::Writes;
        }
    }
    if any { Table::Closed } else { Table::Gone }
}

/// Says whether a descriptor is a socket, a pipe or the like, which most are. Reading the link is one
/// call where reading `fdinfo` is three, and it asks nothing of the file system either.
fn is_no_file(pid: u32, number: &OsStr) -> bool {
    let link = fs::read_link(Path::new("/proc").join(pid.to_string()).join("fd").join(number));
    link.is_ok_and(|link| !link.is_absolute() || link.starts_with("/dev"))
}

/// Reads one `fdinfo`: is it this file, open for writing?
fn writes(text: &str, ino: u64) -> bool {
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let flags = field("flags:").and_then(|flags| u32::from_str_radix(flags, 8).ok());
    let ours = field("ino:").is_some_and(|number| number.parse() == Ok(ino));
    // The access mode: 0 reads only.
    ours && flags.is_some_and(|flags| flags & 3 != 0)
}

fn descendants(of: [u32; 2]) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    let mut wanted: Vec<_> = BTreeSet::from(of).into_iter().collect();
    while let Some(pid) = wanted.pop() {
        for child in children(pid) {
            if found.insert(child) {
                wanted.push(child);
            }
        }
    }
    found
}

fn children(pid: u32) -> Vec<u32> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let lists = tasks.flatten().map(|task| fs::read_to_string(task.path().join("children")));
    let lists: Vec<_> = lists.map(Result::unwrap_or_default).collect();
    lists.iter().flat_map(|list| list.split_whitespace()).flat_map(str::parse).collect()
}

fn everybody() -> BTreeSet<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return BTreeSet::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use std::fs::{File, OpenOptions};
    use std::os::unix::fs::MetadataExt;
    use std::process::{Command, Stdio};

    use super::*;

    fn file() -> (tempfile::TempDir, File, u64) {
        let folder = tempfile::tempdir().unwrap();
        let file = File::create(folder.path().join("f")).unwrap();
        let ino = file.metadata().unwrap().ino();
        (folder, file, ino)
    }

    #[test]
    fn a_duplicate_that_writes_makes_a_close_early() {
        let own = std::process::id();
        let (folder, file, ino) = file();
        let duplicate = file.try_clone().unwrap();
        drop(file);
        assert_eq!(judge(own, own, ino), Close::Early);

        drop(duplicate);
        let reader = OpenOptions::new().read(true).open(folder.path().join("f")).unwrap();
        assert_eq!(judge(own, own, ino), Close::Last);
        drop(reader);
    }

    #[test]
    fn a_child_that_inherited_it_makes_a_close_early() {
        let own = std::process::id();
        let (_folder, file, ino) = file();
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(file).spawn().unwrap();

        assert_eq!(judge(own, own, ino), Close::Early);
        drop(child.stdin.take());
        child.wait().unwrap();
        assert_eq!(judge(own, own, ino), Close::Last);
    }

    #[test]
    fn the_end_of_a_process_is_the_last_close_unless_anybody_holds_on() {
        let (_folder, file, ino) = file();
        let mut ended = Command::new("true").spawn().unwrap();
        let pid = ended.id();
        ended.wait().unwrap();

        assert_eq!(judge(pid, pid, ino), Close::Early);
        drop(file);
        assert_eq!(judge(pid, pid, ino), Close::Last);
    }

    #[test]
    fn a_process_that_can_not_be_seen_decides_nothing() {
        assert_eq!(judge(0, 0, 1), Close::Unknown);
    }
}
