//! The thin layer between fuser and a [`Tree`]: unpacks a request, calls the
//! tree, packs the reply. It keeps no state per file or directory: the kernel
//! is told not to ask for opens at all, and to cache whatever it learns, since
//! a mounted tree never changes.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use fuser::{
    AccessFlags, Errno, FileAttr, FileHandle, Filesystem, FopenFlags, Generation, INodeNo,
    InitFlags, IoctlFlags, KernelConfig, LockOwner, OpenFlags, PollEvents, PollFlags, PollNotifier,
    ReplyAttr, ReplyData, ReplyDirectory, ReplyDirectoryPlus, ReplyEmpty, ReplyEntry, ReplyIoctl,
    ReplyLseek, ReplyOpen, ReplyPoll, ReplyStatfs, ReplyXattr, Request,
};

use super::acl;
use super::ahead::{Pusher, SMALL_FILE};
use super::attr::{BLOCK_SIZE, View, file_type, placeholder};
use super::awake::Awake;
use super::listing::list;
use super::trouble::Trouble;
use super::xattr;
use crate::fs::{self, Attr, FileKind, FsError, Ino, Seek, Tree};

/// How long the kernel may keep what it is told: longer than any machine runs,
/// short enough that the kernel's clock arithmetic cannot overflow.
const TTL: Duration = Duration::from_secs(10 * 365 * 86_400);

/// Inode numbers are never reused, so their generation never changes; NFS
/// handles stay valid from one mount of the same picture to the next.
const GENERATION: Generation = Generation(1);

/// Longest name in a directory, as statfs tells; longer ones cannot exist.
const NAME_MAX: usize = 255;

/// Longest target of a symbolic link that the kernel takes, without its NUL.
const LINK_MAX: usize = 4095;

/// Requests that the kernel may have in flight for read-ahead. The default of
/// 16 leaves threads without work when several files are read at once.
const MAX_BACKGROUND: u16 = 64;

/// Largest transfer in bytes: fuser derives the pages of a read from it, and
/// 1 MiB (256 pages) is what the kernel allows unless told otherwise.
const MAX_TRANSFER: u32 = 1 << 20;

/// Reads of so many bytes are no read-ahead: somebody reads here and there.
const FEW_PAGES: usize = 16 << 10;

/// What is asked of the kernel, each where it knows it. READDIRPLUS without its
/// automatic mode: the mode falls back to plain READDIR after the first reply
/// and then looks up every further name by itself, which made `find` over a
/// large tree several times slower; attributes next to names cost us little.
const WISHES: &[InitFlags] = &[
    InitFlags::FUSE_ASYNC_READ,
    InitFlags::FUSE_PARALLEL_DIROPS,
    InitFlags::FUSE_DO_READDIRPLUS,
    InitFlags::FUSE_CACHE_SYMLINKS,
    InitFlags::FUSE_NO_OPEN_SUPPORT,
    InitFlags::FUSE_NO_OPENDIR_SUPPORT,
    InitFlags::FUSE_AUTO_INVAL_DATA,
    InitFlags::FUSE_EXPORT_SUPPORT,
    InitFlags::FUSE_MAX_PAGES,
];

thread_local! {
    /// The serving thread's read buffer, at most as large as the largest read:
    /// allocating and zeroing it anew would cost as much as reading.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A tree as fuser serves it.
pub(super) struct Adapter {
    tree: Arc<dyn Tree>,
    view: View,
    awake: Awake,
    trouble: Trouble,
    xattrs: xattr::Policy,
    pusher: Pusher,
    no_open: bool,
    no_opendir: bool,
}

impl Adapter {
    pub(super) fn new(
        tree: Arc<dyn Tree>,
        view: View,
        xattrs: xattr::Policy,
        awake: Awake,
        pusher: Pusher,
    ) -> Self {
        let trouble = Trouble::new();
        Self { tree, view, awake, trouble, xattrs, pusher, no_open: false, no_opendir: false }
    }

    /// Calls the tree for operation `op` on `ino`; a panic becomes EIO.
    fn call<T>(
        &self,
        op: &str,
        ino: Ino,
        run: impl FnOnce(&dyn Tree) -> fs::Result<T>,
    ) -> Result<T, Errno> {
        self.awake.request();
        // AssertUnwindSafe: the tree's locks are parking_lot's, which a panic
        // releases, and nothing of ours outlives the closure.
        match catch_unwind(AssertUnwindSafe(|| run(&*self.tree))) {
            Ok(result) => result.map_err(|error| self.trouble.errno(op, ino, &error)),
            Err(panic) => Err(self.trouble.panicked(op, ino, &*panic)),
        }
    }

    /// What the kernel is told of a file. Where the mount is everyone's and shows
    /// other permissions than the tree's, its ACLs are not enforced: then nobody
    /// but the owner is granted more than every entry of the file's ACL grants.
    fn shown(&self, attr: &Attr) -> FileAttr {
        let mut attr = attr.clone();
        if self.view.is_everyones && self.xattrs == xattr::Policy::Hidden {
            let acl = self.call("getxattr", attr.ino, |tree| {
                match tree.xattr(attr.ino, b"system.posix_acl_access") {
                    Err(FsError::NoXattr) => Ok(None),
                    found => found.map(Some),
                }
            });
            let granted = match acl {
                Ok(None) => 0o7,
                Ok(Some(acl)) => acl::granted_to_all(&acl),
                Err(_) => 0,
            };
            attr.perm &= !0o77 | granted << 3 | granted;
        }
        self.view.show(&attr)
    }

    /// The entry for `name` in `dir`; None if there is none.
    fn find(&self, dir: Ino, name: &[u8]) -> Result<Option<Attr>, Errno> {
        if name.len() > NAME_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        self.call("lookup", dir, |tree| {
            let found = match name {
                // NFS handles are resolved by "." of any inode and ".." of a directory.
                b"." => tree.attr(dir),
                b".." => tree.parent(dir).and_then(|parent| tree.attr(parent)),
                name => tree.lookup(dir, name),
            };
            match found {
                Err(FsError::NotFound) => Ok(None),
                found => found.map(Some),
            }
        })
    }

    /// How long the kernel may keep what it learns of an inode. A volatile one
    /// has a new mtime each time it is asked for, at which the kernel drops the
    /// pages it has of it (FUSE_AUTO_INVAL_DATA).
    fn ttl(&self, ino: Ino) -> Duration {
        if self.tree.is_volatile(ino) { Duration::ZERO } else { TTL }
    }

    /// What readdirplus says of a listed file, and for how long. A file whose
    /// inode cannot be read, or that a lookup would refuse, is still listed: the
    /// kernel is given its type for no time at all, so that whoever stats it asks
    /// again and gets the error.
    fn listed_attr(&self, dir: Ino, ino: Ino, kind: FileKind) -> (FileAttr, Duration) {
        let read = self.call("readdirplus", ino, |tree| {
            let attr = tree.attr(ino)?;
            let is_here = attr.kind != FileKind::Directory || tree.parent(ino)? == dir;
            Ok((attr.kind == kind && is_here).then_some(attr))
        });
        match read {
            Ok(Some(attr)) => (self.shown(&attr), self.ttl(ino)),
            _ => (placeholder(ino, kind), Duration::ZERO),
        }
    }
}

/// Consecutive inode numbers of a listing, told of as one.
#[derive(Default)]
struct Run(Option<(Ino, Ino)>);

impl Run {
    fn add(&mut self, ino: Ino, tell: impl FnOnce(Ino, Ino)) {
        self.0 = match self.0 {
            Some((first, last)) if last.checked_add(1) == Some(ino) => Some((first, ino)),
            before => {
                Self(before).end(tell);
                Some((ino, ino))
            }
        };
    }

    fn end(self, tell: impl FnOnce(Ino, Ino)) {
        if let Some((first, last)) = self.0 {
            tell(first, last);
        }
    }
}

impl Filesystem for Adapter {
    fn init(&mut self, _req: &Request, config: &mut KernelConfig) -> io::Result<()> {
        for &wish in WISHES {
            // The error is the part the kernel does not know: we do without.
            let _ = config.add_capabilities(wish);
        }
        if self.xattrs.enforces_acls() {
            let _ = config.add_capabilities(InitFlags::FUSE_POSIX_ACL);
        }
        let known = config.capabilities();
        self.no_open = known.contains(InitFlags::FUSE_NO_OPEN_SUPPORT);
        self.no_opendir = known.contains(InitFlags::FUSE_NO_OPENDIR_SUPPORT);
        // Both values are within what these setters accept.
        let _ = config.set_max_background(MAX_BACKGROUND);
        let _ = config.set_max_write(MAX_TRANSFER);
        Ok(())
    }

    fn lookup(&self, _req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        match self.find(parent.0, name.as_bytes()) {
            Ok(Some(attr)) => reply.entry(&self.ttl(attr.ino), &self.shown(&attr), GENERATION),
            // Inode 0 says "no such file" and, unlike ENOENT, may be cached.
            Ok(None) => reply.entry(&TTL, &placeholder(0, FileKind::Regular), GENERATION),
            Err(errno) => reply.error(errno),
        }
    }

    fn getattr(&self, _req: &Request, ino: INodeNo, _fh: Option<FileHandle>, reply: ReplyAttr) {
        match self.call("getattr", ino.0, |tree| tree.attr(ino.0)) {
            Ok(attr) => reply.attr(&self.ttl(ino.0), &self.shown(&attr)),
            Err(errno) => reply.error(errno),
        }
    }

    fn readlink(&self, _req: &Request, ino: INodeNo, reply: ReplyData) {
        match self.call("readlink", ino.0, |tree| tree.read_link(ino.0)) {
            Ok(target) if target.len() > LINK_MAX => reply.error(Errno::ENAMETOOLONG),
            Ok(target) => reply.data(&target),
            Err(errno) => reply.error(errno),
        }
    }

    /// ENOSYS tells the kernel never to ask again; it then keeps the page cache
    /// from one open to the next, as FOPEN_KEEP_CACHE does.
    fn open(&self, _req: &Request, _ino: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        match self.no_open {
            true => reply.error(Errno::ENOSYS),
            false => reply.opened(FileHandle(0), FopenFlags::FOPEN_KEEP_CACHE),
        }
    }

    /// As `open`; without opendir the kernel caches listings (FOPEN_CACHE_DIR).
    fn opendir(&self, _req: &Request, _ino: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        let cached = FopenFlags::FOPEN_KEEP_CACHE | FopenFlags::FOPEN_CACHE_DIR;
        match self.no_opendir {
            true => reply.error(Errno::ENOSYS),
            false => reply.opened(FileHandle(0), cached),
        }
    }

    fn read(
        &self,
        _req: &Request,
        ino: INodeNo,
        _fh: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let size = size.min(MAX_TRANSFER) as usize;
        BUFFER.with_borrow_mut(|buffer| {
            if buffer.len() < size {
                buffer.resize(size, 0);
            }
            let buffer = &mut buffer[..size];
            match self.call("read", ino.0, |tree| tree.read(ino.0, offset, buffer)) {
                Ok(got) => {
                    reply.data(&buffer[..got.min(size)]);
                    // A small file is read whole, a large one's read-ahead is longer.
                    if offset == 0 && (got as u64) < SMALL_FILE {
                        self.pusher.was_read(ino.0);
                    } else if offset > 0 && size <= FEW_PAGES {
                        self.pusher.was_read_at(ino.0, offset);
                    }
                }
                Err(errno) => reply.error(errno),
            }
        });
    }

    fn readdir(
        &self,
        _req: &Request,
        ino: INodeNo,
        _fh: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let mut added = false;
        let listed = self.call("readdir", ino.0, |tree| {
            list(tree, ino.0, offset, &mut |entry| {
                let name = OsStr::from_bytes(entry.name);
                let kind = file_type(entry.kind);
                let full = reply.add(INodeNo(entry.ino), entry.offset, kind, name);
                added |= !full;
                full
            })
        });
        match listed {
            // What was listed before the error is given; the next call gives the error.
            Err(errno) if !added => reply.error(errno),
            _ => reply.ok(),
        }
    }

    fn readdirplus(
        &self,
        _req: &Request,
        ino: INodeNo,
        _fh: FileHandle,
        offset: u64,
        mut reply: ReplyDirectoryPlus,
    ) {
        let mut added = false;
        let mut run = Run::default();
        let listed = self.call("readdirplus", ino.0, |tree| {
            list(tree, ino.0, offset, &mut |entry| {
                let (attr, ttl) = match entry.is_dot() {
                    true => (placeholder(entry.ino, entry.kind), Duration::ZERO),
                    false => self.listed_attr(ino.0, entry.ino, entry.kind),
                };
                let name = OsStr::from_bytes(entry.name);
                let full = reply.add(attr.ino, entry.offset, name, &ttl, &attr, GENERATION);
                added |= !full;
                if !full && !entry.is_dot() {
                    run.add(entry.ino, |first, last| self.pusher.was_listed(first, last));
                }
                full
            })
        });
        run.end(|first, last| self.pusher.was_listed(first, last));
        match listed {
            Err(errno) if !added => reply.error(errno),
            Ok(()) if !added && offset > 0 => self.pusher.was_listed_whole(ino.0, reply),
            _ => reply.ok(),
        }
    }

    fn statfs(&self, _req: &Request, ino: INodeNo, reply: ReplyStatfs) {
        match self.call("statfs", ino.0, |tree| tree.stat()) {
            Ok(stat) => {
                let unit = u64::from(BLOCK_SIZE);
                let (total, free) = (stat.total_bytes.div_ceil(unit), stat.free_bytes / unit);
                let names = NAME_MAX as u32;
                reply.statfs(total, free, free, stat.inodes, 0, BLOCK_SIZE, names, BLOCK_SIZE);
            }
            Err(errno) => reply.error(errno),
        }
    }

    fn getxattr(&self, req: &Request, ino: INodeNo, name: &OsStr, size: u32, reply: ReplyXattr) {
        let name = name.as_bytes();
        if !self.xattrs.shows(name, req.uid()) {
            return reply.error(Errno::NO_XATTR);
        }
        match self.call("getxattr", ino.0, |tree| tree.xattr(ino.0, name)) {
            Ok(value) => xattr::send(reply, size, &value),
            Err(errno) => reply.error(errno),
        }
    }

    fn listxattr(&self, req: &Request, ino: INodeNo, size: u32, reply: ReplyXattr) {
        match self.call("listxattr", ino.0, |tree| tree.xattr_names(ino.0)) {
            Ok(names) => xattr::send(reply, size, &self.xattrs.name_list(&names, req.uid())),
            Err(errno) => reply.error(errno),
        }
    }

    fn lseek(
        &self,
        _req: &Request,
        ino: INodeNo,
        _fh: FileHandle,
        offset: i64,
        whence: i32,
        reply: ReplyLseek,
    ) {
        let what = match whence {
            libc::SEEK_DATA => Seek::Data,
            libc::SEEK_HOLE => Seek::Hole,
            _ => return reply.error(Errno::EINVAL),
        };
        // lseek(2): a negative offset is beyond the end, not invalid.
        let Ok(offset) = u64::try_from(offset) else { return reply.error(Errno::ENXIO) };
        match self.call("lseek", ino.0, |tree| tree.seek(ino.0, offset, what)) {
            Ok(found) => match i64::try_from(found) {
                Ok(found) => reply.offset(found),
                Err(_) => reply.error(Errno::EOVERFLOW),
            },
            Err(errno) => reply.error(errno),
        }
    }

    /// The kernel checks permissions itself (default_permissions is always set);
    /// ENOSYS makes it stop asking should it ever start.
    fn access(&self, _req: &Request, _ino: INodeNo, _mask: AccessFlags, reply: ReplyEmpty) {
        reply.error(Errno::ENOSYS);
    }

    fn flush(
        &self,
        _req: &Request,
        _ino: INodeNo,
        _fh: FileHandle,
        _lock_owner: LockOwner,
        reply: ReplyEmpty,
    ) {
        // "Not needed", once and for all: the kernel then answers close(2) itself.
        reply.error(Errno::ENOSYS);
    }

    fn fsync(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        reply.error(Errno::ENOSYS);
    }

    fn fsyncdir(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        reply.error(Errno::ENOSYS);
    }

    fn ioctl(
        &self,
        _req: &Request,
        _ino: INodeNo,
        _fh: FileHandle,
        _flags: IoctlFlags,
        _cmd: u32,
        _in_data: &[u8],
        _out_size: u32,
        reply: ReplyIoctl,
    ) {
        reply.error(Errno::ENOTTY);
    }

    fn poll(
        &self,
        _req: &Request,
        _ino: INodeNo,
        _fh: FileHandle,
        _notifier: PollNotifier,
        _events: PollEvents,
        _flags: PollFlags,
        reply: ReplyPoll,
    ) {
        reply.error(Errno::ENOSYS);
    }
}
