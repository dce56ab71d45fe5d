//! The mount itself: getting a /dev/fuse that the kernel has tied to a directory,
//! and giving the directory back. Root asks the kernel, others fuse3's helper.

use std::ffi::{CString, OsString};
use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags};

use super::serve::{Audience, KernelFlags, MountConfig};
use super::{fusermount, mountinfo};

/// The device that FUSE servers talk to the kernel through.
const DEV_FUSE: &str = "/dev/fuse";

/// Type in /proc/mounts: the part after the dot is FUSE's subtype.
const FS_TYPE: &str = "fuse.pxfs";

/// Why a mount did not come about; each says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MountError {
    /// The kernel has no FUSE, or the container no device.
    #[error("/dev/fuse is missing: load it with 'modprobe fuse' (a container needs the device)")]
    NoDevice,
    /// Root may not open the device: a container without the right.
    #[error("/dev/fuse cannot be opened ({0}): give this user or container access to it")]
    DeviceDenied(#[source] io::Error),
    /// Not root, and no helper.
    #[error("only root can mount without fusermount3: install it with 'apt install fuse3'")]
    NoHelper,
    /// The helper could not be run or spoken with.
    #[error("fusermount3 failed: {0}")]
    Helper(#[source] io::Error),
    /// The helper said no.
    #[error("fusermount3 refused: {0}")]
    HelperRefused(String),
    /// The helper opens the device with the user's rights, which do not suffice.
    #[error("fusermount3: {0}: root must let users open it, 'chmod 666 /dev/fuse'")]
    HelperDenied(String),
    /// The kernel said no.
    #[error("the kernel refused the mount: {0}")]
    Kernel(#[source] io::Error),
    /// The kernel and fuser did not come to terms.
    #[error("the kernel mounted it, but serving failed: {0}")]
    Session(#[source] io::Error),
}

/// Why a mount is still there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnmountError {
    /// Files are open in it, or a process has its working directory there.
    #[error("it is in use")]
    Busy,
    /// It was unmounted, moved, or covered by another mount.
    #[error("it is no longer what is mounted there")]
    Gone,
    /// Not root, and no helper.
    #[error("only root can unmount without fusermount3: install it with 'apt install fuse3'")]
    NoHelper,
    /// Anything else.
    #[error("{0}")]
    Failed(#[source] io::Error),
}

/// A directory that one of our mounts is on.
#[derive(Debug)]
pub(super) struct MountPoint {
    dir: PathBuf,
    dev: (u32, u32),
}

impl MountPoint {
    /// Device number of the mount: its st_dev, and its name in /sys/class/bdi.
    pub(super) fn dev(&self) -> (u32, u32) {
        self.dev
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Unmounts, unless something else has been mounted there meanwhile.
    pub(super) fn unmount(&self, lazy: bool) -> Result<(), UnmountError> {
        match mountinfo::top_at(&self.dir).map_err(UnmountError::Failed)? {
            Some(entry) if entry.dev == self.dev => unmount(&self.dir, lazy),
            _ => Err(UnmountError::Gone),
        }
    }
}

/// Unmounts what is mounted at `dir`; `lazy` takes it out of the file tree
/// at once even if it is in use, and the rest follows when the last user ends.
pub fn unmount(dir: &Path, lazy: bool) -> Result<(), UnmountError> {
    let mut flags = UnmountFlags::NOFOLLOW;
    flags.set(UnmountFlags::DETACH, lazy);
    match rustix::mount::unmount(dir, flags) {
        Ok(()) => Ok(()),
        Err(Errno::BUSY) => Err(UnmountError::Busy),
        Err(Errno::INVAL) => Err(UnmountError::Gone),
        Err(Errno::PERM) => fusermount::unmount(dir, lazy),
        Err(errno) => Err(UnmountError::Failed(errno.into())),
    }
}

/// Mounts a FUSE file system on `dir`, an absolute path without links.
pub(super) fn mount(dir: &Path, config: &MountConfig) -> Result<(OwnedFd, MountPoint), MountError> {
    let device = match mount_as_root(dir, config)? {
        Some(device) => device,
        None => fusermount::mount(dir, &helper_options(config))?,
    };
    // From here on the directory is ours: find out which mount it is, so that
    // no other is ever unmounted in its place.
    match mountinfo::top_at(dir) {
        Ok(Some(entry)) => Ok((device, MountPoint { dir: dir.to_owned(), dev: entry.dev })),
        Ok(None) => Err(MountError::Kernel(io::Error::other("it vanished at once"))),
        Err(error) => {
            let _ = unmount(dir, true);
            Err(MountError::Kernel(error))
        }
    }
}

/// Whether this process may open /dev/fuse, which cloned descriptors need.
pub(super) fn can_open_device() -> bool {
    open_device().is_ok()
}

fn open_device() -> io::Result<std::fs::File> {
    OpenOptions::new().read(true).write(true).open(DEV_FUSE)
}

/// None if this process may not mount at all, so that the helper must.
fn mount_as_root(dir: &Path, config: &MountConfig) -> Result<Option<OwnedFd>, MountError> {
    let euid = rustix::process::geteuid();
    if !Path::new(DEV_FUSE).exists() {
        return Err(MountError::NoDevice);
    }
    if !euid.is_root() {
        return Ok(None);
    }
    let device = open_device().map_err(|error| match error.raw_os_error() {
        // The node is there, but no driver answers behind it.
        Some(libc::ENODEV | libc::ENXIO) => MountError::NoDevice,
        _ => MountError::DeviceDenied(error),
    })?;
    // rootmode says only that the root is a directory; its real mode is asked for.
    let mut data = format!(
        "fd={},rootmode=40000,user_id={},group_id={},default_permissions",
        device.as_raw_fd(),
        rustix::process::getuid().as_raw(),
        rustix::process::getgid().as_raw(),
    );
    if config.audience != Audience::Owner {
        data.push_str(",allow_other");
    }
    let data = CString::new(data).map_err(|error| MountError::Kernel(error.into()))?;
    let flags = mount_flags(&config.flags);
    match rustix::mount::mount(&config.source, dir, FS_TYPE, flags, data.as_c_str()) {
        Ok(()) => Ok(Some(device.into())),
        // Root of a container without the right to mount: the helper may have it.
        Err(Errno::PERM) => Ok(None),
        Err(errno) => Err(MountError::Kernel(errno.into())),
    }
}

fn mount_flags(flags: &KernelFlags) -> MountFlags {
    let mut bits = MountFlags::RDONLY;
    bits.set(MountFlags::NODEV, !flags.dev);
    bits.set(MountFlags::NOSUID, !flags.suid);
    bits.set(MountFlags::NOEXEC, !flags.exec);
    bits.set(MountFlags::NOATIME, flags.noatime);
    bits
}

/// The same as words for the helper. It sets nodev and nosuid by itself.
fn helper_options(config: &MountConfig) -> OsString {
    let mut options = OsString::from("ro,default_permissions,subtype=pxfs");
    if config.audience != Audience::Owner {
        options.push(",allow_other");
    }
    if !config.flags.exec {
        options.push(",noexec");
    }
    if config.flags.noatime {
        options.push(",noatime");
    }
    options.push(",fsname=");
    options.push(fusermount::escape(&config.source));
    options
}
