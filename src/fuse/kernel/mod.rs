//! The kernel's protocol, translated and nothing else: numbers and flags in, one call of [`Fs`], an
//! answer out. What is in memory is answered at once, on the kernel's thread; what may ask the server
//! is a task.

mod tell;
mod words;

use std::ffi::OsStr;
use std::future::Future;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fuser::{
    BsdFileFlags, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo,
    InitFlags, KernelConfig, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData,
    ReplyDirectory, ReplyDirectoryPlus, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite,
    Request, TimeOrNow, WriteFlags,
};
use rustix::fs::OFlags;
use tokio::runtime::Handle;

use super::errno::{FuseError, Result};
use super::fs::{Attr, Fs, Place, Rename};
pub use tell::tell;
pub use words::Look;
use words::{BLOCK, empty, errno, has, how, open_flags, opened, position, utf8};

/// What the kernel knows stays true until it is told otherwise.
const TTL: Duration = Duration::from_hours(24);
const GENERATION: Generation = Generation(0);
/// The longest name that the kernel takes from a FUSE file system.
const NAME_BYTES: u32 = 1024;

pub struct Kernel {
    fs: Arc<Fs>,
    runtime: Handle,
    look: Look,
}

impl Kernel {
    pub fn new(fs: Arc<Fs>, runtime: Handle, look: Look) -> Self {
        Self { fs, runtime, look }
    }

    fn attr(&self, attr: &Attr) -> FileAttr {
        self.look.attr(attr)
    }

    fn entry(&self, attr: Result<Attr>, reply: ReplyEntry) {
        match attr {
            Ok(attr) => reply.entry(&TTL, &self.attr(&attr), GENERATION),
            Err(error) => reply.error(errno(&error)),
        }
    }

    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(work);
    }

    /// Runs what answers nothing but its success.
    fn run<F: Future<Output = Result<()>> + Send + 'static>(
        &self,
        reply: ReplyEmpty,
        work: impl FnOnce(Arc<Fs>) -> F,
    ) {
        let work = work(Arc::clone(&self.fs));
        self.spawn(async move { empty(work.await, reply) });
    }
}

impl Filesystem for Kernel {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> io::Result<()> {
        // Each is taken where this kernel has it.
        for wish in [
            InitFlags::FUSE_ATOMIC_O_TRUNC,
            InitFlags::FUSE_EXPLICIT_INVAL_DATA,
            InitFlags::FUSE_DO_READDIRPLUS,
            InitFlags::FUSE_PARALLEL_DIROPS,
        ] {
            let _ = config.add_capabilities(wish);
        }
        Ok(())
    }

    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let found = name.to_str().ok_or(FuseError::NotFound);
        self.entry(found.and_then(|name| self.fs.lookup(parent.0, name)), reply);
    }

    fn forget(&self, _: &Request, ino: INodeNo, times: u64) {
        self.fs.forget(ino.0, times);
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.fs.attr(ino.0) {
            Ok(attr) => reply.attr(&TTL, &self.attr(&attr)),
            Err(error) => reply.error(errno(&error)),
        }
    }

    /// Only the length can be set. Mode, owner and times answer success and stay as they are.
    fn setattr(
        &self,
        request: &Request,
        ino: INodeNo,
        _: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        handle: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let Some(size) = size else { return self.getattr(request, ino, handle, reply) };
        let (fs, pid) = (Arc::clone(&self.fs), request.pid());
        let kernel = Self::new(Arc::clone(&self.fs), self.runtime.clone(), self.look);
        self.spawn(async move {
            let cut = fs.truncate(ino.0, handle.map(|handle| handle.0), size, pid).await;
            let cut = match cut {
                Ok(true) => fs.save_cut(ino.0).await,
                other => other.map(|_| ()),
            };
            match cut.and_then(|()| fs.attr(ino.0)) {
                Ok(attr) => reply.attr(&TTL, &kernel.attr(&attr)),
                Err(error) => reply.error(errno(&error)),
            }
        });
    }

    fn mknod(&self, _: &Request, _: INodeNo, _: &OsStr, _: u32, _: u32, _: u32, reply: ReplyEntry) {
        reply.error(errno(&FuseError::NoLinks));
    }

    fn mkdir(&self, _: &Request, parent: INodeNo, name: &OsStr, _: u32, _: u32, reply: ReplyEntry) {
        self.entry(utf8(name).and_then(|name| self.fs.make_folder(parent.0, name)), reply);
    }

    fn unlink(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let Some(name) = name.to_str().map(str::to_owned) else {
            return reply.error(errno(&FuseError::NotFound));
        };
        let pid = request.pid();
        self.run(reply, |fs| async move { fs.remove_file(parent.0, &name, pid).await });
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let name = name.to_str().ok_or(FuseError::NotFound);
        empty(name.and_then(|name| self.fs.remove_folder(parent.0, name)), reply);
    }

    fn symlink(&self, _: &Request, _: INodeNo, _: &OsStr, _: &Path, reply: ReplyEntry) {
        reply.error(errno(&FuseError::NoLinks));
    }

    fn link(&self, _: &Request, _: INodeNo, _: INodeNo, _: &OsStr, reply: ReplyEntry) {
        reply.error(errno(&FuseError::NoLinks));
    }

    fn rename(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let names = utf8(name).and_then(|name| Ok((name.to_owned(), utf8(new_name)?.to_owned())));
        let (name, new_name) = match names {
            Ok(_) if flags.intersects(!RenameFlags::RENAME_NOREPLACE) => {
                return reply.error(errno(&FuseError::NoExchange));
            }
            Ok(names) => names,
            Err(error) => return reply.error(errno(&error)),
        };
        let (keeps, pid) = (flags.contains(RenameFlags::RENAME_NOREPLACE), request.pid());
        self.run(reply, |fs| async move {
            let (from, to) = ((parent.0, name.as_str()), (new_parent.0, new_name.as_str()));
            fs.rename(Rename { from, to, keeps, pid }).await
        });
    }

    fn open(&self, request: &Request, ino: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        let (how, pid) = (how(flags), request.pid());
        if let Some(handle) = self.fs.open_now(ino.0, how, pid) {
            return opened(handle, open_flags(how), reply);
        }
        let fs = Arc::clone(&self.fs);
        self.spawn(async move {
            opened(fs.open(ino.0, how, pid).await, open_flags(how), reply);
        });
    }

    fn create(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        _: u32,
        _: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        let how = how(OpenFlags(flags));
        let made = utf8(name).and_then(|name| self.fs.create(parent.0, name, how, request.pid()));
        let made = made.and_then(|(ino, handle)| Ok((self.fs.attr(ino)?, handle)));
        match made {
            Ok((attr, handle)) => {
                let (attr, handle) = (self.attr(&attr), FileHandle(handle));
                reply.created(&TTL, &attr, GENERATION, handle, FopenFlags::FOPEN_KEEP_CACHE);
            }
            Err(error) => reply.error(errno(&error)),
        }
    }

    fn read(
        &self,
        _: &Request,
        ino: INodeNo,
        handle: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let answer = |read: Result<Vec<u8>>, reply: ReplyData| match read {
            Ok(bytes) => reply.data(&bytes),
            Err(error) => reply.error(errno(&error)),
        };
        if let Some(read) = self.fs.read_now(ino.0, handle.0, offset, size) {
            return answer(read, reply);
        }
        let fs = Arc::clone(&self.fs);
        self.spawn(async move {
            let read = fs.read(ino.0, handle.0, offset, size).await;
            answer(read, reply);
        });
    }

    fn write(
        &self,
        _: &Request,
        ino: INodeNo,
        handle: FileHandle,
        offset: u64,
        data: &[u8],
        write_flags: WriteFlags,
        flags: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        // Pages of a mapping have their place, whatever handle they come through.
        let mapped = write_flags.contains(WriteFlags::FUSE_WRITE_CACHE);
        let appends = has(flags.0, OFlags::APPEND) && !mapped;
        let (fs, data) = (Arc::clone(&self.fs), data.to_vec());
        self.spawn(async move {
            match fs.write(ino.0, handle.0, Place { offset, appends }, &data).await {
                Ok(()) => reply.written(u32::try_from(data.len()).unwrap_or(u32::MAX)),
                Err(error) => reply.error(errno(&error)),
            }
        });
    }

    fn flush(
        &self,
        request: &Request,
        ino: INodeNo,
        handle: FileHandle,
        _: LockOwner,
        reply: ReplyEmpty,
    ) {
        let pid = request.pid();
        self.run(reply, |fs| async move { fs.flush(ino.0, handle.0, pid).await });
    }

    fn release(
        &self,
        _: &Request,
        ino: INodeNo,
        handle: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        if self.fs.release_now(handle.0) {
            return reply.ok();
        }
        self.run(reply, |fs| async move {
            fs.release(ino.0, handle.0).await;
            Ok(())
        });
    }

    fn fsync(&self, _: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        self.run(reply, |fs| async move { fs.fsync(ino.0).await });
    }

    fn opendir(&self, _: &Request, ino: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        opened(self.fs.open_folder(ino.0), FopenFlags::empty(), reply);
    }

    fn readdir(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let listing = match self.fs.listing(handle.0) {
            Ok(listing) => listing,
            Err(error) => return reply.error(errno(&error)),
        };
        for (next, entry) in (1..).zip(listing.iter()).skip(position(offset)) {
            let kind = if entry.folder { FileType::Directory } else { FileType::RegularFile };
            if reply.add(INodeNo(entry.ino), next, kind, &entry.name) {
                break;
            }
        }
        reply.ok();
    }

    fn readdirplus(
        &self,
        _: &Request,
        ino: INodeNo,
        handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectoryPlus,
    ) {
        let listing = match self.fs.listing(handle.0) {
            Ok(listing) => listing,
            Err(error) => return reply.error(errno(&error)),
        };
        for (next, entry) in (1..).zip(listing.iter()).skip(position(offset)) {
            let Some(attr) = self.fs.listed(ino.0, entry) else { continue };
            let full = reply.add(
                INodeNo(entry.ino),
                next,
                &entry.name,
                &TTL,
                &self.attr(&attr),
                GENERATION,
            );
            // The kernel counts no look-up of the two that every folder has.
            if full || next <= 2 {
                self.fs.forget(entry.ino, 1);
            }
            if full {
                break;
            }
        }
        reply.ok();
    }

    fn releasedir(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        _: OpenFlags,
        reply: ReplyEmpty,
    ) {
        self.fs.close_folder(handle.0);
        reply.ok();
    }

    fn fsyncdir(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        reply.ok();
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        let limits = self.fs.limits();
        let files = limits.memories_per_store;
        let bytes = files.saturating_mul(limits.content_bytes as u64);
        let totals = self.fs.totals();
        let blocks = |bytes: u64| bytes.div_ceil(BLOCK.into());
        let used = blocks(totals.bytes);
        let free = blocks(bytes).saturating_sub(used);
        let free_files = files.saturating_sub(totals.files);
        reply.statfs(used + free, free, free, files, free_files, BLOCK, NAME_BYTES, BLOCK);
    }
}
