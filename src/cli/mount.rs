//! `memstored mount`

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use secrecy::SecretString;

use super::server::ServerFlags;
use super::{Done, Failure, output};
use crate::client::Client;
use crate::clock::{SystemClock, SystemSource};
use crate::fuse::attach::{self, Attachment};
use crate::fuse::guard::Guard;
use crate::fuse::{self, Mounted, Options};
use crate::history::text::one_line;
use crate::{shutdown, telemetry};

/// How often it is looked whether somebody else has unmounted.
const LOOK: Duration = Duration::from_millis(200);
const MIB: usize = 1 << 20;

/// The settings of `memstored mount`. The comments of its fields are the help as it is printed.
#[expect(clippy::doc_markdown, reason = "help is printed as it stands, without markup")]
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  memstored mount --store notes ./notes        one store, by its name or ID, at a folder
  memstored mount --store notes ./notes --read-only
  memstored mount --session sesn_…             all stores of a session, below /mnt/memory
  memstored mount --session sesn_… --root ./memory --guard deny

It stays in the foreground and prints a line for each store when programs can use it. Ctrl-C, or
SIGTERM, uploads what waits and unmounts; a second one ends it at once.")]
pub struct Mount {
    /// Session whose attached stores are mounted
    #[arg(long, value_name = "SESSION", required_unless_present_any = ["store", "usual_store"])]
    session: Option<String>,

    /// Folder that stands for /mnt/memory
    #[arg(long, value_name = "DIR", default_value = attach::ROOT, conflicts_with = "store")]
    root: PathBuf,

    /// Store to mount, by its name or its ID; MEMSTORED_STORE where neither it nor a session is given
    #[arg(long, value_name = "NAME_OR_ID", conflicts_with = "session", requires = "dir")]
    store: Option<String>,

    /// Empty folder for the store
    #[arg(value_name = "DIR", conflicts_with = "session")]
    dir: Option<PathBuf>,

    /// Let nothing be changed
    #[arg(long, conflicts_with = "session")]
    read_only: bool,

    /// What to do when a program replaces content that nothing has read through this mount
    #[arg(long, value_name = "WHAT", value_enum, default_value = "warn")]
    guard: Guard,

    /// Seconds between two looks at what was changed elsewhere; 0 never looks
    #[arg(long, value_name = "SECONDS", default_value = "0.5", value_parser = super::seconds)]
    poll: Duration,

    /// Contents that are kept in memory, in MiB
    #[arg(long, value_name = "N", default_value_t = 64)]
    cache_mib: usize,

    /// Where texts are kept that no server has yet; below $XDG_STATE_HOME or ~/.local/state where
    /// not given
    #[arg(long, env = "MEMSTORED_STATE_DIR", value_name = "DIR")]
    state_dir: Option<PathBuf>,

    /// Let other users use the mount
    #[arg(long)]
    allow_other: bool,

    /// Owner that files show; yourself where not given
    #[arg(long, value_name = "UID")]
    uid: Option<u32>,

    /// Group that files show; your own where not given
    #[arg(long, value_name = "GID")]
    gid: Option<u32>,

    /// File for the log, instead of stderr
    #[arg(long, value_name = "FILE")]
    log_file: Option<PathBuf>,

    /// Least severe log level: error, warn, info, debug or trace
    #[arg(long, env = "MEMSTORED_LOG", value_name = "LEVEL", default_value = "info")]
    #[arg(value_parser = ["error", "warn", "info", "debug", "trace"])]
    log: String,

    #[command(flatten)]
    server: ServerFlags,

    /// Token of the session; made with the key, which then needs the admin scope, where not given
    #[arg(long, env = "MEMSTORED_SESSION_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    #[arg(help_heading = "Server")]
    session_token: Option<SecretString>,

    // Not of `store`: a variable would be in conflict with a session.
    #[arg(long, env = "MEMSTORED_STORE", hide = true)]
    usual_store: Option<String>,

    #[arg(long, env = "XDG_STATE_HOME", hide = true)]
    xdg_state_home: Option<PathBuf>,

    #[arg(long, env = "HOME", hide = true)]
    home: Option<PathBuf>,
}

pub async fn run(mount: Mount) -> Done {
    let _log = mount.start_log()?;
    let stop = shutdown::on_signal();
    let stop = stop.map_err(|error| Failure::Failed(format!("can't handle signals: {error}")))?;
    let (client, attachments) = mount.attachments().await?;
    let options = mount.options()?;
    let made = make_folders(&mount, &attachments)?;
    let mut mounted = Vec::new();
    let mut done = Ok(());
    for attachment in &attachments {
        let clock = Arc::new(SystemClock);
        match fuse::mount(&client, attachment, &options, clock, &SystemSource).await {
            Ok(mount) => mounted.push(mount),
            Err(error) => {
                done = Err(error.into());
                break;
            }
        }
    }
    if done.is_ok() {
        let mut mounted = attachments.iter().zip(&mounted);
        done = mounted.try_for_each(|(attachment, mounted)| greet(attachment, mounted.read_only));
    }
    if done.is_ok() {
        tokio::select! {
            () = stop.cancelled() => {}
            () = ended(&mounted) => tracing::info!("unmounted by somebody else"),
        }
    }
    let mut waiting = Vec::new();
    for mount in mounted {
        waiting.extend(mount.unmount().await);
    }
    for folder in made {
        let _ = fs::remove_dir(folder);
    }
    if done.is_ok() && !waiting.is_empty() {
        let paths: Vec<_> = waiting.iter().map(|path| one_line(path)).collect();
        return Err(Failure::Failed(format!(
            "not uploaded: {}; it is kept below {}, and uploaded when the same is mounted again with this state \
             directory",
            paths.join(", "),
            options.state.display()
        )));
    }
    done
}

fn greet(attachment: &Attachment, read_only: bool) -> Done {
    let read_only = if read_only { ", read-only" } else { "" };
    let at = attachment.at.display();
    output::print(&format!("mounted {} at {at}{read_only}", attachment.name))
}

async fn ended(mounted: &[Mounted]) {
    while !mounted.iter().all(Mounted::has_ended) {
        tokio::time::sleep(LOOK).await;
    }
}

/// A session's folders are made where they are missing; those are removed at the end.
fn make_folders(mount: &Mount, attachments: &[Attachment]) -> Result<Vec<PathBuf>, Failure> {
    let mut made = Vec::new();
    for Attachment { at, .. } in attachments.iter().filter(|_| mount.session.is_some()) {
        if !at.exists() {
            fs::create_dir_all(at).map_err(|error| {
                Failure::Failed(format!("can't make the folder {}: {error}", at.display()))
            })?;
            made.push(at.clone());
        }
    }
    Ok(made)
}

impl Mount {
    async fn attachments(&self) -> Result<(Client, Vec<Attachment>), Failure> {
        let Some(session) = &self.session else {
            let (wanted, at) = self.store_and_folder()?;
            let client = self.server.client(self.server.key()?)?;
            let one = attach::of_store(&client, wanted, at, self.read_only).await?;
            return Ok((client, vec![one]));
        };
        let token = if let Some(token) = &self.session_token {
            token.clone()
        } else {
            let admin = self.server.client(self.server.key()?)?;
            attach::token(&admin, session).await?
        };
        let client = self.server.client(token)?;
        let all = attach::of_session(&client, session, &self.root).await?;
        Ok((client, all))
    }

    fn store_and_folder(&self) -> Result<(&str, &Path), Failure> {
        let mut given = [&self.store, &self.usual_store].into_iter().flatten();
        // A variable that is set to nothing is not set.
        let store = given.find(|store| !store.is_empty()).ok_or_else(|| {
            Failure::Usage("nothing to mount: give --store, MEMSTORED_STORE or --session".into())
        })?;
        let folder = self.dir.as_deref().ok_or_else(|| {
            Failure::Usage("a store is mounted at a folder of its own: give DIR".into())
        })?;
        Ok((store, folder))
    }

    fn options(&self) -> Result<Options, Failure> {
        Ok(Options {
            guard: self.guard,
            poll: self.poll,
            cache_bytes: self.cache_mib.saturating_mul(MIB),
            state: self.state_folder()?,
            allow_other: self.allow_other,
            uid: self.uid,
            gid: self.gid,
        })
    }

    fn state_folder(&self) -> Result<PathBuf, Failure> {
        let own = |folder: &PathBuf| folder.join("memstored");
        let below_home = || self.home.as_ref().map(|home| own(&home.join(".local/state")));
        let state = self.state_dir.clone().or_else(|| self.xdg_state_home.as_ref().map(own));
        state.or_else(below_home).ok_or_else(|| {
            Failure::Usage("no home is set: give --state-dir, where unsaved texts are kept".into())
        })
    }

    fn start_log(&self) -> Result<telemetry::WorkerGuard, Failure> {
        let Some(path) = &self.log_file else { return Ok(telemetry::start_log(&self.log)?) };
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path);
        let file = file.map_err(|error| {
            Failure::Failed(format!("can't write the log {}: {error}", path.display()))
        })?;
        Ok(telemetry::start_log_on(&self.log, file, false)?)
    }
}
