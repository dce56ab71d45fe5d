//! Owners, modes, times and extended attributes of what was written.
//!
//! The order matters: chown clears setuid and capabilities, an ACL changes the
//! mode, and everything changes the time.

use std::ffi::OsStr;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, CWD, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

use super::Observer;
use super::error::{ExtractError, Result};
use crate::fs::{Attr, FileKind, Tree};

/// ACLs, which a new file may have inherited from the directory it is in.
const ACLS: [&str; 2] = ["system.posix_acl_access", "system.posix_acl_default"];

/// Gives files the attributes they have in the tree.
pub(super) struct Keeper<'a> {
    tree: &'a dyn Tree,
    observer: &'a dyn Observer,
    warned: AtomicBool,
}

impl<'a> Keeper<'a> {
    /// For files of that tree.
    pub(super) fn new(tree: &'a dyn Tree, observer: &'a dyn Observer) -> Self {
        Self { tree, observer, warned: AtomicBool::new(false) }
    }

    /// All attributes of an open file or directory. `made`: the permission bits it
    /// has, if it was made here and has inherited nothing.
    pub(super) fn keep_open(&self, attr: &Attr, fd: &OwnedFd, made: Option<u32>) -> Result<()> {
        let (uid, gid) = owner(attr);
        let owned = chown(|uid, gid| rustix::fs::fchown(fd, uid, gid), uid, gid)?;
        let set = |name: &OsStr, value: &[u8]| {
            rustix::fs::fsetxattr(fd, name, value, XattrFlags::empty())
        };
        let names = self.tree.xattr_names(attr.ino);
        let mode = mode(attr, owned);
        // Two system calls that most of the files can be spared.
        let is_right = made == Some(mode.as_raw_mode()) && names.as_ref().is_ok_and(Vec::is_empty);
        if is_right {
            return set_times(fd, attr);
        }
        let kept = names.map_err(ExtractError::from).and_then(|names| {
            self.keep_xattrs(attr, &names, &set, &|name| rustix::fs::fremovexattr(fd, name))
        });
        rustix::fs::fchmod(fd, mode).map_err(ExtractError::write("cannot chmod it"))?;
        set_times(fd, attr)?;
        kept
    }

    /// All attributes of what cannot be opened: symlinks, devices, fifos, sockets.
    pub(super) fn keep_named(&self, attr: &Attr, dir: &OwnedFd, name: &OsStr) -> Result<()> {
        let (uid, gid) = owner(attr);
        let nofollow = AtFlags::SYMLINK_NOFOLLOW;
        let owned = chown(|u, g| rustix::fs::chownat(dir, name, u, g, nofollow), uid, gid)?;
        // There are no system calls for these that take a directory and a name.
        let mut path = PathBuf::from(format!("/proc/self/fd/{}", dir.as_raw_fd()));
        path.push(name);
        let set = |xattr: &OsStr, value: &[u8]| {
            rustix::fs::lsetxattr(&path, xattr, value, XattrFlags::empty())
        };
        let names = self.tree.xattr_names(attr.ino)?;
        let kept =
            self.keep_xattrs(attr, &names, &set, &|xattr| rustix::fs::lremovexattr(&path, xattr));
        if attr.kind != FileKind::Symlink {
            chmod_special(dir, name, mode(attr, owned))
                .map_err(ExtractError::write("cannot chmod it"))?;
        }
        rustix::fs::utimensat(dir, name, &times(attr), nofollow)
            .map_err(ExtractError::write("cannot set its times"))?;
        kept
    }

    fn keep_xattrs(
        &self,
        attr: &Attr,
        names: &[Vec<u8>],
        set: &dyn Fn(&OsStr, &[u8]) -> rustix::io::Result<()>,
        remove: &dyn Fn(&str) -> rustix::io::Result<()>,
    ) -> Result<()> {
        use std::os::unix::ffi::OsStrExt as _;
        if attr.kind != FileKind::Symlink {
            for acl in ACLS.iter().filter(|acl| !names.iter().any(|name| name == acl.as_bytes())) {
                // That it has none, or cannot have any, is what is wanted.
                let _ = remove(acl);
            }
        }
        for name in names {
            let value = self.tree.xattr(attr.ino, name)?;
            match set(OsStr::from_bytes(name), &value) {
                Ok(()) => {}
                Err(errno @ (Errno::PERM | Errno::OPNOTSUPP | Errno::ACCESS | Errno::NOENT)) => {
                    self.warn_once(name, errno);
                }
                Err(errno) => {
                    let doing = "cannot set its extended attributes";
                    return Err(ExtractError::Write { doing, errno });
                }
            }
        }
        Ok(())
    }

    fn warn_once(&self, name: &[u8], errno: Errno) {
        if self.warned.swap(true, Ordering::Relaxed) {
            return;
        }
        let (name, error) = (String::from_utf8_lossy(name), std::io::Error::from(errno));
        self.observer.warning(&format!(
            "extended attributes that cannot be set here are left out ({name}: {error})"
        ));
    }
}

/// The mode of a file whose owner is the right one, or without setuid and
/// setgid: they would give away the rights of somebody else.
fn mode(attr: &Attr, owned: bool) -> Mode {
    Mode::from_raw_mode(if owned { attr.perm } else { attr.perm & 0o1777 })
}

/// Owner and group; the number -1 stands for nobody in chown(2).
fn owner(attr: &Attr) -> (Option<Uid>, Option<Gid>) {
    let uid = (attr.uid != u32::MAX).then(|| Uid::from_raw(attr.uid));
    let gid = (attr.gid != u32::MAX).then(|| Gid::from_raw(attr.gid));
    (uid, gid)
}

/// Changes the owner; false if that is not permitted. The group alone may be.
fn chown(
    call: impl Fn(Option<Uid>, Option<Gid>) -> rustix::io::Result<()>,
    uid: Option<Uid>,
    gid: Option<Gid>,
) -> Result<bool> {
    match call(uid, gid) {
        Ok(()) => Ok(uid.is_some() && gid.is_some()),
        // EINVAL: the id means nothing in this user namespace.
        Err(Errno::PERM | Errno::INVAL) => {
            let _ = call(None, gid);
            Ok(false)
        }
        Err(errno) => Err(ExtractError::Write { doing: "cannot chown it", errno }),
    }
}

fn set_times(fd: &OwnedFd, attr: &Attr) -> Result<()> {
    rustix::fs::futimens(fd, &times(attr)).map_err(ExtractError::write("cannot set its times"))
}

/// Whether files made in this directory get an ACL of their own.
pub(super) fn gives_acls(dir: &OwnedFd) -> bool {
    // Nothing is read: its length is enough.
    !matches!(
        rustix::fs::fgetxattr(dir, ACLS[1], &mut [0_u8; 0][..]),
        Err(Errno::NODATA | Errno::OPNOTSUPP)
    )
}

/// The bits of `perm` that a file may have while it still has another owner and
/// group: no one may do more with it than whoever it may do least for.
pub(super) fn private_bits(perm: u32) -> u32 {
    let common = perm & perm >> 3 & perm >> 6 & 0o7;
    perm & 0o700 | common << 3 | common
}

/// chmod without following a symlink, which fchmodat(2) cannot do.
fn chmod_special(dir: &OwnedFd, name: &OsStr, mode: Mode) -> rustix::io::Result<()> {
    use rustix::fs::OFlags;
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(dir, name, flags, Mode::empty())?;
    let stat = rustix::fs::fstat(&fd)?;
    if FileKind::from_mode(stat.st_mode) == Some(FileKind::Symlink) {
        return Err(Errno::LOOP);
    }
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    rustix::fs::chmodat(CWD, path, mode, AtFlags::empty())
}

fn times(attr: &Attr) -> Timestamps {
    let time = Timespec { tv_sec: attr.mtime.secs, tv_nsec: attr.mtime.nanos.into() };
    Timestamps { last_access: time, last_modification: time }
}
