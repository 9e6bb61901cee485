//! Words of the kernel in ours and back.

use std::ffi::OsStr;
use std::time::{Duration, UNIX_EPOCH};

use fuser::{
    Errno, FileAttr, FileHandle, FileType, FopenFlags, INodeNo, OpenAccMode, OpenFlags, ReplyEmpty,
    ReplyOpen,
};
use rustix::fs::OFlags;

use crate::fuse::errno::{FuseError, Result};
use crate::fuse::fs::{Attr, How};

pub const BLOCK: u32 = 4096;

/// How files look to programs.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    pub uid: u32,
    pub gid: u32,
    pub read_only: bool,
}

impl Look {
    pub fn attr(&self, attr: &Attr) -> FileAttr {
        let micros = u64::try_from(attr.changed.micros()).unwrap_or_default();
        let time = UNIX_EPOCH + Duration::from_micros(micros);
        let (kind, mode) =
            if attr.folder { (FileType::Directory, 0o755) } else { (FileType::RegularFile, 0o644) };
        FileAttr {
            ino: INodeNo(attr.ino),
            size: attr.size,
            blocks: attr.size.div_ceil(512),
            atime: time,
            mtime: time,
            ctime: time,
            crtime: time,
            kind,
            perm: if self.read_only { mode & 0o555 } else { mode },
            nlink: if attr.folder { 2 } else { 1 },
            uid: self.uid,
            gid: self.gid,
            rdev: 0,
            blksize: BLOCK,
            flags: 0,
        }
    }
}

pub fn errno(error: &FuseError) -> Errno {
    Errno::from_i32(error.errno().raw_os_error())
}

pub fn opened(handle: Result<u64>, flags: FopenFlags, reply: ReplyOpen) {
    match handle {
        Ok(handle) => reply.opened(FileHandle(handle), flags),
        Err(error) => reply.error(errno(&error)),
    }
}

pub fn empty(done: Result<()>, reply: ReplyEmpty) {
    match done {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(errno(&error)),
    }
}

/// A name that a memory can have is UTF-8; the rest of its rules are the domain's.
pub fn utf8(name: &OsStr) -> Result<&str> {
    name.to_str().ok_or_else(|| FuseError::BadName("a path must be UTF-8".into()))
}

pub fn has(flags: i32, flag: OFlags) -> bool {
    flags.cast_unsigned() & flag.bits() != 0
}

pub fn how(flags: OpenFlags) -> How {
    let mode = flags.acc_mode();
    How {
        reads: mode != OpenAccMode::O_WRONLY,
        writes: mode != OpenAccMode::O_RDONLY,
        truncates: has(flags.0, OFlags::TRUNC),
    }
}

/// The kernel's pages stay right while nobody tells it otherwise; a reader's close is no news.
pub fn open_flags(how: How) -> FopenFlags {
    if how.writes {
        return FopenFlags::FOPEN_KEEP_CACHE;
    }
    FopenFlags::FOPEN_KEEP_CACHE | FopenFlags::FOPEN_NOFLUSH
}

pub fn position(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}
