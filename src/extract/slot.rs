//! Taking a name in a directory: made new, or made beside what has it and put
//! in its place when it is complete. Nothing that was there is written into,
//! so neither a symbolic link nor another name of it leads anywhere.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::AtFlags;
use rustix::io::Errno;

use super::error::{ExtractError, Result};
use crate::fs::FileKind;

/// A file that was made, perhaps under a temporary name so far.
#[derive(Debug)]
pub(super) struct Slot {
    /// The name it is to have.
    name: OsString,
    /// The name it has while another file has its own.
    temporary: Option<OsString>,
}

impl Slot {
    /// Makes something named `name` in `dir` with `make`, which must fail with
    /// EEXIST when the name it is given is taken. `None`: there is such a file
    /// and `no_clobber` keeps it.
    pub(super) fn make<T>(
        dir: &OwnedFd,
        name: &[u8],
        no_clobber: bool,
        doing: &'static str,
        mut make: impl FnMut(&OsStr) -> rustix::io::Result<T>,
    ) -> Result<Option<(Self, T)>> {
        let name = OsStr::from_bytes(name);
        match make(name) {
            Err(Errno::EXIST) => {}
            other => {
                let made = other.map_err(ExtractError::write(doing))?;
                return Ok(Some((Self { name: name.to_owned(), temporary: None }, made)));
            }
        }
        if no_clobber {
            return Ok(None);
        }
        let found = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW);
        if found.is_ok_and(|stat| FileKind::from_mode(stat.st_mode) == Some(FileKind::Directory)) {
            return Err(ExtractError::InTheWay("cannot overwrite a directory with a file"));
        }
        loop {
            let temporary = temporary_name();
            match make(&temporary) {
                Err(Errno::EXIST) => {}
                other => {
                    let made = other.map_err(ExtractError::write(doing))?;
                    let slot = Self { name: name.to_owned(), temporary: Some(temporary) };
                    return Ok(Some((slot, made)));
                }
            }
        }
    }

    /// The name that the file has now.
    pub(super) fn now(&self) -> &OsStr {
        self.temporary.as_deref().unwrap_or(&self.name)
    }

    /// Gives the file its name.
    pub(super) fn keep(self, dir: &OwnedFd) -> Result<()> {
        let Some(temporary) = &self.temporary else {
            return Ok(());
        };
        let renamed = rustix::fs::renameat(dir, temporary, dir, &self.name);
        // Also when it worked: renaming a file over another name of itself does nothing.
        let _ = rustix::fs::unlinkat(dir, temporary, AtFlags::empty());
        renamed.map_err(ExtractError::write("cannot replace what is there"))
    }

    /// Removes what was made.
    pub(super) fn discard(self, dir: &OwnedFd) {
        // There is nothing more to be done if even this fails.
        let _ = rustix::fs::unlinkat(dir, self.now(), AtFlags::empty());
    }
}

/// A name that nothing else is likely to have.
fn temporary_name() -> OsString {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!(".pxfs-cp.{}.{number}.tmp", std::process::id()).into()
}
