//! Telling the kernel what it must forget.

use std::ffi::OsStr;
use std::sync::mpsc;

use fuser::{INodeNo, Notifier};

use crate::fuse::fs::Stale;
use crate::fuse::inode::Ino;

/// Tells the kernel what it must forget, on threads of their own. To forget a name it waits for the
/// lock of the folder, which an operation may hold that waits for us; to forget content only for the
/// file's pages. So a save may wait for the second, and must never for the first.
pub fn tell(notifier: &Notifier, stale: &mpsc::Receiver<Stale>) {
    let (names, forgotten) = mpsc::channel();
    let by_name = notifier.clone();
    std::thread::spawn(move || forget_names(&by_name, &forgotten));
    for stale in stale {
        match stale {
            Stale::Content(ino, done) => {
                // What fails is no longer known to the kernel, or the mount has ended.
                let _ = notifier.inval_inode(INodeNo(ino), 0, 0);
                if let Some(done) = done {
                    let _ = done.send(());
                }
            }
            Stale::Entry(parent, name) => {
                let _ = names.send((parent, name));
            }
        }
    }
}

fn forget_names(notifier: &Notifier, names: &mpsc::Receiver<(Ino, String)>) {
    for (parent, name) in names {
        let _ = notifier.inval_entry(INodeNo(parent), OsStr::new(&name));
    }
}
