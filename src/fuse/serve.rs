//! Mounting a tree and serving it from threads of this process until it is
//! unmounted, by us or by anyone else.

use std::ffi::OsString;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use fuser::{Session, SessionACL};

use super::activity::Activity;
use super::adapter::Adapter;
use super::ahead;
use super::attr::{Overrides, View};
use super::awake::Awake;
use super::device::{self, MountError, MountPoint, UnmountError};
use super::xattr;
use crate::fs::Tree;

/// Kernel read-ahead in KiB; FUSE's default of 128 leaves one request in flight
/// where a sequential reader could have several decoded ahead of it.
const READ_AHEAD_KB: u32 = 1024;

/// Who may use the mount.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Audience {
    /// The user who mounts it, and nobody else, not even root.
    #[default]
    Owner,
    /// The user who mounts it, and root.
    OwnerAndRoot,
    /// Everyone, as the permissions of the files allow.
    Everyone,
}

/// What the kernel lets be done with the files, beside permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KernelFlags {
    /// Device files work (only root can ask for it).
    pub dev: bool,
    /// Setuid and setgid bits and file capabilities work (only root can ask for it).
    pub suid: bool,
    /// Programs can be run.
    pub exec: bool,
    /// Shown in /proc/mounts; a read-only mount never updates access times.
    pub noatime: bool,
}

impl Default for KernelFlags {
    fn default() -> Self {
        Self { dev: false, suid: false, exec: true, noatime: false }
    }
}

/// How a tree is mounted.
#[derive(Debug, Clone)]
pub struct MountConfig {
    /// What /proc/mounts shows as the source; the kernel refuses an empty one.
    pub source: OsString,
    /// Serving threads; 0 is taken as 1.
    pub threads: usize,
    /// Who may use the mount.
    pub audience: Audience,
    /// What may be done with the files.
    pub flags: KernelFlags,
    /// Owners and permissions to show instead of the tree's.
    pub overrides: Overrides,
    /// Whether idle processors are kept awake while requests come in bursts.
    pub low_latency: bool,
}

impl Default for MountConfig {
    fn default() -> Self {
        Self {
            source: "pxfs".into(),
            threads: 1,
            audience: Audience::default(),
            flags: KernelFlags::default(),
            overrides: Overrides::default(),
            low_latency: false,
        }
    }
}

/// A mounted tree. Dropping it unmounts.
#[derive(Debug)]
pub struct Served {
    point: MountPoint,
    activity: Arc<Activity>,
    session: Option<JoinHandle<()>>,
}

/// Mounts `tree` on the directory `dir` and serves it; when this returns, the
/// root directory has answered a stat. `ended` is called, in another thread,
/// when the last user of the mount is gone, whoever unmounted it.
///
/// # Errors
/// [`MountError`]; nothing stays mounted then.
pub fn serve(
    tree: Arc<dyn Tree>,
    dir: &Path,
    config: &MountConfig,
    ended: impl FnOnce(io::Result<()>) + Send + 'static,
) -> Result<Served, MountError> {
    let dir = dir.canonicalize().map_err(MountError::Kernel)?;
    let activity = Arc::new(Activity::new());
    let (view, policy) = presentation(config);
    let (pusher, pushes) = ahead::channel();
    let awake = Awake::new(Arc::clone(&activity), config.low_latency);
    let adapter = Adapter::new(Arc::clone(&tree), view, policy, awake, pusher);
    let (device, point) = device::mount(&dir, config)?;
    // From here on dropping `served` takes the mount away again.
    let mut served = Served { point, activity, session: None };
    let session = Session::from_fd(adapter, device, acl(config), fuser_config(config))
        .map_err(MountError::Session)?;
    let notifier = session.notifier();
    // It ends by itself when the adapter, which holds the other end, is dropped.
    std::thread::Builder::new()
        .name("pxfs-push".into())
        .spawn(move || pushes.run(&tree, &notifier))
        .map_err(MountError::Session)?;
    let thread = std::thread::Builder::new()
        .name("pxfs-session".into())
        .spawn(move || ended(session.run()))
        .map_err(MountError::Session)?;
    served.session = Some(thread);
    served.check_root().map_err(MountError::Session)?;
    served.raise_read_ahead();
    Ok(served)
}

/// What of the tree's owners, permissions and ACLs is shown, and how.
fn presentation(config: &MountConfig) -> (View, xattr::Policy) {
    let owner = rustix::process::getuid().as_raw();
    let private_to = (config.audience == Audience::OwnerAndRoot).then_some(owner);
    let policy = match (config.overrides.are_set(), config.audience) {
        (true, _) => xattr::Policy::Hidden,
        (false, Audience::Everyone) => xattr::Policy::Enforced,
        (false, _) => xattr::Policy::Shown,
    };
    let is_everyones = config.audience == Audience::Everyone;
    (View { overrides: config.overrides, private_to, is_everyones }, policy)
}

fn acl(config: &MountConfig) -> SessionACL {
    match config.audience {
        Audience::Owner => SessionACL::Owner,
        // The kernel keeps others out by the root directory's permissions.
        Audience::OwnerAndRoot | Audience::Everyone => SessionACL::All,
    }
}

fn fuser_config(config: &MountConfig) -> fuser::Config {
    let threads = config.threads.max(1);
    let mut fuser_config = fuser::Config::default();
    fuser_config.n_threads = Some(threads);
    // A descriptor a thread spares them the lock of a shared one; the user whom
    // only the helper can open the device for goes without.
    fuser_config.clone_fd = threads > 1 && device::can_open_device();
    fuser_config
}

impl Served {
    /// The directory it is mounted on, absolute and without links.
    pub fn dir(&self) -> &Path {
        self.point.dir()
    }

    /// How long ago the last request came. What the kernel answers from its
    /// caches does not count, so idle does not mean unused.
    pub fn idle(&self) -> Duration {
        self.activity.idle()
    }

    /// Unmounts if nobody uses the mount, or whoever uses it if `lazy`: it then
    /// leaves the file tree at once and is served until its last user is gone.
    ///
    /// # Errors
    /// [`UnmountError::Busy`] if it is in use and not `lazy`.
    pub fn unmount(&self, lazy: bool) -> Result<(), UnmountError> {
        self.point.unmount(lazy)
    }

    fn check_root(&self) -> io::Result<()> {
        let root = std::fs::symlink_metadata(self.dir())?;
        let dev = (libc::major(root.dev()), libc::minor(root.dev()));
        match dev == self.point.dev() {
            true => Ok(()),
            false => Err(io::Error::other("another file system covers the mount point")),
        }
    }

    /// The protocol can only lower the kernel's read-ahead; sysfs can raise it,
    /// for root. Others live with the default, so a failure is no error.
    fn raise_read_ahead(&self) {
        let (major, minor) = self.point.dev();
        let path = format!("/sys/class/bdi/{major}:{minor}/read_ahead_kb");
        if let Err(error) = std::fs::write(&path, READ_AHEAD_KB.to_string()) {
            log::debug!("{path}: {error}");
        }
    }

    fn join(&mut self) {
        if let Some(thread) = self.session.take() {
            // The session thread only panics if `ended` does.
            let _ = thread.join();
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if self.session.as_ref().is_some_and(JoinHandle::is_finished) {
            return self.join();
        }
        match self.unmount(false) {
            Ok(()) => self.join(),
            // Its users may stay for ever: serve them, but wait for nobody.
            Err(UnmountError::Busy) => {
                let _ = self.unmount(true);
            }
            Err(error) => log::debug!("unmount of {}: {error}", self.dir().display()),
        }
    }
}
