//! The mount: memory stores as folders that ordinary programs work on.
//!
//! It is a client. It speaks HTTP and nothing else, so it mounts the stores of any server of the
//! contract. `kernel` translates the kernel's protocol, `fs` decides, `inode` holds the tree, `errno`
//! says what a program sees of an error; `remote` asks the server, `spool` keeps on disk what no
//! server has yet, `holders` tells the last close from the others, `guard` a reader from a search.
//! docs/mount.md is what all of it promises.

pub mod attach;
pub mod cache;
pub mod errno;
pub mod fs;
pub mod guard;
mod holders;
pub mod inode;
mod kernel;
pub mod remote;
pub mod spool;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use fuser::{BackgroundSession, Config, MountOption, SessionACL};
use rustix::mount::{UnmountFlags, unmount};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use crate::client::limits::standing;
use crate::client::{Client, ClientError};
use crate::clock::{Clock, Source};
use crate::domain::content::Sha256;
use attach::Attachment;
use errno::FuseError;
use fs::{Fs, Settings};
use kernel::{Kernel, Look};
use remote::Remote;
use spool::Spool;

/// The kernel's requests are read by so many threads.
const THREADS: usize = 2;
/// Whose texts are those of a credential of whom the server does not say who it is.
const ANYBODY: &str = "anybody";
/// How long a new file waits after its close for a rename.
const SPOOL_WAIT: Duration = Duration::from_secs(1);

/// Why a store can't be mounted.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A store or session that is not there.
    #[error("{0}")]
    Unknown(String),
    #[error("{0}")]
    Ambiguous(String),
    #[error("can't mount at {at}: {why}")]
    Place { at: String, why: String },
    #[error("can't list the store: {0}")]
    Listing(FuseError),
    #[error("can't use the state directory {at}: {error}")]
    State { at: String, error: io::Error },
}

/// How stores are mounted.
#[derive(Clone, Debug)]
pub struct Options {
    pub guard: guard::Guard,
    pub poll: Duration,
    pub cache_bytes: usize,
    /// Where texts are kept that no server has yet.
    pub state: PathBuf,
    /// Other users than the one who mounts may use it.
    pub allow_other: bool,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
}

/// A mounted store.
pub struct Mounted {
    fs: Arc<Fs>,
    session: BackgroundSession,
    follows: [AbortHandle; 2],
    at: PathBuf,
    pub read_only: bool,
}

/// Mounts a store and answers when programs can use it.
pub async fn mount(
    client: &Client,
    attachment: &Attachment,
    options: &Options,
    clock: Arc<dyn Clock>,
    source: &dyn Source,
) -> Result<Mounted, MountError> {
    check_place(&attachment.at)?;
    let standing = standing(client).await?;
    if standing.only_reads && !attachment.read_only {
        tracing::warn!("the key lacks the scope \"write\": mounted read-only");
    }
    let read_only = attachment.read_only || standing.only_reads;
    // What a server says must not lead out of the state directory.
    let plain = |id: &&str| id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let writer = standing.writer.as_deref().filter(plain).unwrap_or(ANYBODY);
    let spool = (!read_only).then(|| open_spool(client, &attachment.store, writer, &options.state));
    let spool = spool.transpose()?;
    let (stale, told) = mpsc::channel();
    let settings = Settings {
        guard: options.guard,
        cache_bytes: options.cache_bytes,
        spool_wait: SPOOL_WAIT,
        poll: options.poll,
        limits: standing.limits,
    };
    let remote = Remote::new(client, &attachment.store);
    let fs = Arc::new(Fs::new(remote, spool, stale, settings, clock, source));
    fs.load().await.map_err(MountError::Listing)?;
    // The kernel knows nothing yet that it could forget.
    while told.try_recv().is_ok() {}
    let look = Look {
        uid: options.uid.unwrap_or_else(|| rustix::process::getuid().as_raw()),
        gid: options.gid.unwrap_or_else(|| rustix::process::getgid().as_raw()),
        read_only,
    };
    let kernel = Kernel::new(Arc::clone(&fs), Handle::current(), look);
    let session =
        fuser::spawn_mount(kernel, &attachment.at, &config(attachment, read_only, options));
    let session = session.map_err(|error| place(&attachment.at, &why(&error)))?;
    let notifier = session.notifier();
    std::thread::spawn(move || kernel::tell(&notifier, &told));
    let follows = [
        tokio::spawn(Arc::clone(&fs).follow()).abort_handle(),
        tokio::spawn(Arc::clone(&fs).prefetch()).abort_handle(),
    ];
    Ok(Mounted { fs, session, follows, at: attachment.at.clone(), read_only })
}

impl Mounted {
    /// Uploads what waits, and unmounts; answers the paths of what could not be uploaded. Where programs still use
    /// the mount, it vanishes under them.
    pub async fn unmount(self) -> Vec<String> {
        for follow in &self.follows {
            follow.abort();
        }
        self.fs.drain().await;
        let (session, at) = (self.session, self.at);
        let ended = tokio::task::spawn_blocking(move || {
            session.umount_and_join().or_else(|error| {
                tracing::warn!(at = %at.display(), "still in use: {error}");
                unmount(&at, UnmountFlags::DETACH).map_err(io::Error::from)
            })
        });
        if let Ok(Err(error)) = ended.await {
            tracing::error!("can't unmount: {error}");
        }
        // What was closed while it ended.
        self.fs.drain().await;
        self.fs.waiting()
    }

    /// Whether somebody else has unmounted it.
    pub fn has_ended(&self) -> bool {
        self.session.guard.is_finished()
    }
}

fn config(attachment: &Attachment, read_only: bool, options: &Options) -> Config {
    let mut config = Config::default();
    config.mount_options = vec![
        MountOption::FSName(format!("memstored:{}", attachment.store)),
        MountOption::Subtype("memstored".into()),
        MountOption::DefaultPermissions,
        MountOption::NoAtime,
        if read_only { MountOption::RO } else { MountOption::RW },
    ];
    config.acl = if options.allow_other { SessionACL::All } else { SessionACL::Owner };
    config.n_threads = Some(THREADS);
    config
}

/// One folder for each store of each server, and in it one for each actor: what one has left is not uploaded as
/// another's.
fn open_spool(
    client: &Client,
    store: &str,
    writer: &str,
    state: &Path,
) -> Result<Spool, MountError> {
    let server = Sha256::of(client.base().as_bytes()).to_string();
    let folder = state.join("mounts").join(&server[..16]).join(store);
    let opened = spool::of_others(&folder, writer).and_then(|others| {
        for (other, texts) in others {
            tracing::warn!(
                texts,
                folder = %folder.join(&other).display(),
                "left by {other}: uploaded when {other} mounts the store again"
            );
        }
        Spool::open(&folder.join(writer))
    });
    opened.map_err(|error| MountError::State { at: folder.display().to_string(), error })
}

fn check_place(at: &Path) -> Result<(), MountError> {
    if !Path::new("/dev/fuse").exists() {
        return Err(place(at, "this machine has no /dev/fuse"));
    }
    let entries = std::fs::read_dir(at).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => place(at, "there is no such folder"),
        io::ErrorKind::NotADirectory => place(at, "it is no folder"),
        io::ErrorKind::NotConnected => {
            place(at, "a mount that has died is still there: run `umount` on it first")
        }
        _ => place(at, &error.to_string()),
    })?;
    match entries.count() {
        0 => Ok(()),
        _ => Err(place(at, "the folder is not empty")),
    }
}

fn place(at: &Path, why: &str) -> MountError {
    MountError::Place { at: at.display().to_string(), why: why.into() }
}

fn why(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            format!(
                "{error}: without root it needs the program fusermount3 (package fuse3), and a \
                 /dev/fuse that everybody may open"
            )
        }
        _ => error.to_string(),
    }
}
