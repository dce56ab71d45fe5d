//! One file of a copy: written, or made another name of one that was.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::Arc;

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::attrs::private_bits;
use super::copy::{Copier, FirstName};
use super::error::{ExtractError, Result};
use super::file::copy_content;
use super::label::Label;
use super::slot::Slot;
use super::special::make_special;
use crate::fs::{Attr, FileKind};

/// A directory to write files into.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) fd: &'a OwnedFd,
    /// Whether what is made in it inherits an ACL; without `keep` nobody asks.
    pub(super) gives_acls: bool,
}

impl Copier<'_> {
    /// Whether other names of the inode are to become names of the copy.
    pub(super) fn is_linked(&self, attr: &Attr) -> bool {
        self.options.links && attr.nlink > 1
    }

    /// Copies what is no directory, and tells the observer.
    pub(super) fn copy_file(
        &self,
        dir: Place<'_>,
        attr: &Attr,
        label: &Arc<Label>,
        piece: &mut [u8],
    ) {
        let done = match self.link_to_first(dir.fd, attr, label) {
            Ok(false) => self.write_file(dir, attr, label, piece),
            done => done,
        };
        match done {
            Ok(true) => self.observer.copied(&label.source(), &label.dest()),
            Ok(false) => {}
            Err(error @ ExtractError::Read(_)) => self.failed(&label.source(), &error),
            Err(error) => self.failed(&label.dest(), &error),
        }
    }

    /// Makes another name of a file that was copied before; false if none was.
    fn link_to_first(&self, dir: &OwnedFd, attr: &Attr, label: &Label) -> Result<bool> {
        let first = match self.links.lock().get(&attr.ino) {
            Some(first) if self.is_linked(attr) => Arc::clone(&first.label),
            _ => return Ok(false),
        };
        let doing = "cannot make the hard link";
        let parent = first.open_parent().map_err(ExtractError::write(doing))?;
        let old = OsStr::from_bytes(first.name().unwrap_or_default());
        let name = label.name().unwrap_or_default();
        let linked = Slot::make(dir, name, self.options.no_clobber, doing, |name| {
            rustix::fs::linkat(&parent, old, dir, name, AtFlags::empty())
        });
        match linked {
            Ok(Some((slot, ()))) => slot.keep(dir)?,
            Ok(None) => {}
            // That many names one file cannot have here: begin another.
            Err(ExtractError::Write { errno: Errno::MLINK, .. }) => return Ok(false),
            Err(error) => return Err(error),
        }
        let mut links = self.links.lock();
        if let Some(first) = links.get_mut(&attr.ino) {
            first.left = first.left.saturating_sub(1);
            if first.left == 0 {
                links.remove(&attr.ino);
            }
        }
        Ok(true)
    }

    /// Writes a file of its own; false if one that is there was kept.
    fn write_file(
        &self,
        dir: Place<'_>,
        attr: &Attr,
        label: &Arc<Label>,
        piece: &mut [u8],
    ) -> Result<bool> {
        let name = label.name().unwrap_or_default();
        let made = match attr.kind {
            FileKind::Regular => self.write_regular(dir, attr, name, piece)?,
            _ => self.write_special(dir.fd, attr, name)?,
        };
        // With attributes that could not be kept the file is there all the same.
        let Some(kept) = made else {
            return Ok(false);
        };
        if self.is_linked(attr) {
            let first = FirstName { label: Arc::clone(label), left: attr.nlink - 1 };
            self.links.lock().insert(attr.ino, first);
        }
        kept.map(|()| true)
    }

    fn write_regular(
        &self,
        dir: Place<'_>,
        attr: &Attr,
        name: &[u8],
        piece: &mut [u8],
    ) -> Result<Option<Result<()>>> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // Private until its owner is known to be right.
        let mode = if self.options.keep { private_bits(attr.perm) } else { attr.perm & 0o777 };
        let doing = "cannot make the file";
        let made = Slot::make(dir.fd, name, self.options.no_clobber, doing, |name| {
            rustix::fs::openat(dir.fd, name, flags, Mode::from_raw_mode(mode))
        })?;
        let Some((slot, fd)) = made else {
            return Ok(None);
        };
        let file = File::from(fd);
        if let Err(error) = copy_content(self.tree, attr, &file, piece) {
            slot.discard(dir.fd);
            return Err(error);
        }
        let kept = match self.options.keep {
            true => {
                let made = (!dir.gives_acls).then_some(mode & !self.options.umask);
                self.keeper.keep_open(attr, &OwnedFd::from(file), made)
            }
            false => Ok(()),
        };
        slot.keep(dir.fd)?;
        Ok(Some(kept))
    }

    fn write_special(&self, dir: &OwnedFd, attr: &Attr, name: &[u8]) -> Result<Option<Result<()>>> {
        let mode = Mode::from_raw_mode(if self.options.keep { 0o600 } else { attr.perm & 0o777 });
        let made = make_special(self.tree, attr, dir, name, self.options.no_clobber, mode)?;
        let Some(slot) = made else {
            return Ok(None);
        };
        let kept = match self.options.keep {
            true => self.keeper.keep_named(attr, dir, slot.now()),
            false => Ok(()),
        };
        slot.keep(dir)?;
        Ok(Some(kept))
    }
}
