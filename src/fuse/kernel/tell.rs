//! Telling the kernel what it must forget.

use std::ffi::OsStr;
use std::sync::mpsc;

use fuser::{INodeNo, Notifier};

use crate::fuse::fs::Stale;

/// Tells the kernel what it must forget, on a thread of its own: it may have to wait for locks that
/// an operation holds which waits for us.
pub fn tell(notifier: &Notifier, stale: &mpsc::Receiver<Stale>) {
    for stale in stale {
        // What fails is no longer known to the kernel, or the mount has ended.
        match stale {
            Stale::Content(ino, done) => {
                let _ = notifier.inval_inode(INodeNo(ino), 0, 0);
                if let Some(done) = done {
                    let _ = done.send(());
                }
            }
            Stale::Entry(parent, name) => {
                let _ = notifier.inval_entry(INodeNo(parent), OsStr::new(&name));
            }
        }
    }
}
