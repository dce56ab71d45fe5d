//! A directory as the source: walked depth first in the order of names, by
//! descriptors, so that neither long paths nor moving directories confuse it.
//! The files of a directory come before its subdirectories: they are packed side
//! by side, in the order of their inode numbers, for whoever lists the directory
//! and then reads them. Only the innermost directories are open; what was listed
//! in all of them and was not yet visited lies on a tape.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::child::{Child, Facts};
use super::contents::{ContentWriter, SmallContent, allocated, spill_error};
use super::error::{MkfsError, Result};
use super::large::{LargeContent, Layout};
use super::pool::{Pool, Ticket};
use super::read::read_small;
use super::records::{FileBytes, Meta, NewInode, Records};
use super::scratch::Scratch;
use super::sorter::{Sorted, Sorter};
use super::table::Table;
use super::tape::Tape;
use super::xattr::{XattrChoice, read_xattrs, read_xattrs_of};
use super::{HardLinks, MAX_PATH, Options, Progress};
use crate::format::{InodeData, PixelType, XattrSet};
use crate::fs::{FileKind, ROOT_INO};

/// Files that may be queued for reading. Each holds its directory open.
const MAX_QUEUED: usize = 256;

/// Small files that one job reads, and from how many bytes on fewer.
const BATCH: usize = 32;
const BATCH_BYTES: u64 = 1 << 19;

/// Bytes of small files that may be in memory at once.
const MAX_QUEUED_BYTES: u64 = 32 << 20;

/// Directories that are held open on the way down.
const MAX_OPEN: usize = 64;

/// Walks the directory `source` into `records` and `contents`.
pub(super) fn walk(
    source: &Path,
    scratch: &Scratch,
    options: &Options,
    pool: &Pool,
    records: &mut Records,
    contents: &mut ContentWriter<'_>,
    progress: &mut dyn Progress,
) -> Result<()> {
    raise_file_limit();
    let fd = open_dir(rustix::fs::CWD, source.as_os_str())
        .map_err(|error| MkfsError::source(source, error))?;
    let root = Dir { fd, path: source.to_owned() };
    let facts = root.facts()?;
    let mut walker = Walker {
        options,
        scratch,
        pool,
        small: contents.small_limit(),
        records,
        contents,
        progress,
        root_device: facts.dev,
        open: VecDeque::new(),
        children: Tape::new(scratch),
        queue: VecDeque::new(),
        queued_bytes: 0,
        batch: Vec::new(),
        batch_bytes: 0,
        batches: VecDeque::new(),
        read: VecDeque::new(),
        links: Table::new(scratch),
    };
    walker.run(root, &facts)
}

/// An open directory, and its path for messages.
#[derive(Debug)]
struct Dir {
    fd: OwnedFd,
    path: PathBuf,
}

impl Dir {
    fn facts(&self) -> Result<Facts> {
        let stat = rustix::fs::fstat(&self.fd);
        stat.map(|stat| Facts::from(&stat)).map_err(|error| MkfsError::source(&self.path, error))
    }
}

/// A directory that is being walked: its children are the records on the tape
/// from `start` to `end`, of which `next` is the next one's. They are gone through
/// twice, for the files and then for the directories among them.
struct Frame {
    ino: u64,
    /// The PixelFS type of what is in it.
    area: PixelType,
    /// Device and inode number in the source.
    identity: (u64, u64),
    start: u64,
    next: u64,
    end: u64,
    files_done: bool,
}

/// A regular file waiting for its turn.
struct Queued {
    inode: Waiting,
    reading: Reading,
}

/// An inode that is not entered yet.
struct Waiting {
    ino: u64,
    meta: Meta,
    bytes: FileBytes,
    area: PixelType,
    data: InodeData,
}

enum Reading {
    /// The next one of the batches.
    Small,
    Large {
        dir: Arc<Dir>,
        name: Vec<u8>,
        facts: Facts,
    },
}

/// A small file to be read.
struct ToRead {
    dir: Arc<Dir>,
    name: Vec<u8>,
    facts: Facts,
}

/// A small file that was read.
type Read = (SmallContent, XattrSet);

struct Walker<'a, 'p> {
    options: &'a Options,
    scratch: &'a Scratch,
    pool: &'a Pool,
    small: u64,
    records: &'a mut Records,
    contents: &'a mut ContentWriter<'p>,
    progress: &'a mut dyn Progress,
    root_device: u64,
    /// The innermost directories, the one that is being walked at the end.
    open: VecDeque<Arc<Dir>>,
    /// What was listed in the directories from the root to that one.
    children: Tape,
    queue: VecDeque<Queued>,
    queued_bytes: u64,
    /// Small files that are to be read by the next job: one for each would take
    /// longer to hand over than to read.
    batch: Vec<ToRead>,
    batch_bytes: u64,
    batches: VecDeque<Ticket<Vec<Result<Read>>>>,
    /// What is left of the oldest batch that was read.
    read: VecDeque<Result<Read>>,
    /// Numbers of inodes with several names, by device and inode number.
    links: Table<16, 8>,
}

impl Walker<'_, '_> {
    fn run(&mut self, root: Dir, facts: &Facts) -> Result<()> {
        let mut stack = vec![self.enter(root, ROOT_INO, ROOT_INO, PixelType::Data, facts)?];
        while let (Some(frame), Some(dir)) = (stack.last_mut(), self.open.back()) {
            let dir = Arc::clone(dir);
            if frame.next == frame.end && !frame.files_done {
                frame.files_done = true;
                frame.next = frame.start;
            }
            if frame.next == frame.end {
                self.children.truncate(frame.start);
                stack.pop();
                self.leave(&dir, stack.last())?;
                continue;
            }
            let (record, next) = self.children.read(frame.next).map_err(spill_error)?;
            let child = Child::parse(record).map_err(spill_error)?;
            frame.next = next;
            let is_dir = child.facts.kind() == Some(FileKind::Directory);
            if is_dir != frame.files_done {
                continue;
            }
            let (parent, mut area) = (frame.ino, frame.area);
            if parent == ROOT_INO && is_dir {
                area = PixelType::of_area(&child.name);
            }
            if let Some(inner) = self.visit(&dir, parent, area, child)? {
                stack.push(inner);
            }
        }
        while !self.queue.is_empty() {
            self.finish_oldest()?;
        }
        Ok(())
    }

    /// Lists a directory, gives its children their inode numbers and enters it.
    fn enter(
        &mut self,
        dir: Dir,
        ino: u64,
        parent: u64,
        area: PixelType,
        facts: &Facts,
    ) -> Result<Frame> {
        let start = self.children.len();
        let mut nlink = 2;
        let mut names = list(&dir, self.scratch)?;
        while let Some((name, _)) = names.next().map_err(spill_error)? {
            if let Some(child) = self.stat_child(&dir, name)? {
                nlink += u32::from(child.facts.kind() == Some(FileKind::Directory));
                self.children.push(&child.to_bytes()).map_err(spill_error)?;
            }
        }
        let meta = self.meta(facts, || own_xattr_path(&dir), &dir.path)?;
        let data = InodeData::Directory { parent };
        let bytes = FileBytes::default();
        let new = NewInode { meta: &meta, nlink, bytes, pixel_type: area, data };
        self.records.inode(ino, new, self.contents)?;
        self.open.push_back(Arc::new(dir));
        if self.open.len() > MAX_OPEN {
            self.open.pop_front();
        }
        let (identity, end) = (facts.identity(), self.children.len());
        Ok(Frame { ino, area, identity, start, next: start, end, files_done: false })
    }

    /// Goes up from `dir` to the directory that it is in.
    fn leave(&mut self, dir: &Dir, to: Option<&Frame>) -> Result<()> {
        self.open.pop_back();
        let (Some(to), true) = (to, self.open.is_empty()) else {
            return Ok(());
        };
        let path = dir.path.parent().unwrap_or(&dir.path).to_owned();
        let fd =
            open_dir(&dir.fd, OsStr::new("..")).map_err(|error| MkfsError::source(&path, error))?;
        let above = Dir { fd, path };
        if above.facts()?.identity() != to.identity {
            let what = std::io::Error::other("was moved while it was read");
            return Err(MkfsError::source(&dir.path, what));
        }
        self.open.push_back(Arc::new(above));
        Ok(())
    }

    /// The child of that name with its number; `None` if it is left out.
    fn stat_child(&mut self, dir: &Dir, name: &[u8]) -> Result<Option<Child>> {
        let os_name = OsStr::from_bytes(name);
        let path = || dir.path.join(os_name);
        let facts = match rustix::fs::statat(&dir.fd, os_name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Facts::from(&stat),
            // It was there a moment ago; a live tree loses files while it is read.
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(MkfsError::source(path(), error)),
        };
        let is_dir = facts.kind() == Some(FileKind::Directory);
        let is_image = self.options.skip_inodes.contains(&facts.identity());
        // Of another file system the place where it is mounted stays.
        let is_elsewhere = self.is_elsewhere(&facts) && !is_dir;
        if is_image || is_elsewhere || self.options.excludes.matches(&path(), is_dir) {
            return Ok(None);
        }
        let known = self.number_of_link(&facts)?;
        let number = known.unwrap_or_else(|| self.records.take_ino());
        if known.is_none()
            && let Some(key) = self.link_key(&facts)
        {
            self.links.insert(&key, &number.to_le_bytes()).map_err(spill_error)?;
        }
        Ok(Some(Child { name: name.to_vec(), facts, number, is_link: known.is_some() }))
    }

    /// The number of an inode of which another name came before.
    fn number_of_link(&mut self, facts: &Facts) -> Result<Option<u64>> {
        let Some(key) = self.link_key(facts) else {
            return Ok(None);
        };
        Ok(self.links.get(&key).map_err(spill_error)?.map(u64::from_le_bytes))
    }

    /// What tells the names of one inode to be its own, if it has several.
    fn link_key(&self, facts: &Facts) -> Option<[u8; 16]> {
        let linked = facts.is_linked && facts.kind() != Some(FileKind::Directory);
        let keep = self.options.hard_links == HardLinks::Keep;
        (linked && keep).then(|| {
            let mut key = [0; 16];
            key[..8].copy_from_slice(&facts.dev.to_le_bytes());
            key[8..].copy_from_slice(&facts.ino.to_le_bytes());
            key
        })
    }

    /// Enters a child; a directory comes back to be walked next.
    fn visit(
        &mut self,
        dir: &Arc<Dir>,
        parent: u64,
        area: PixelType,
        child: Child,
    ) -> Result<Option<Frame>> {
        let name = OsStr::from_bytes(&child.name);
        let path = || dir.path.join(name);
        let failed = |error: Errno| MkfsError::source(path(), error);
        let Some(kind) = child.facts.kind() else {
            let what = format!("unknown file type {:o}", child.facts.mode);
            return Err(MkfsError::source(path(), std::io::Error::other(what)));
        };
        self.progress.file(&path());
        let (major, minor) =
            (rustix::fs::major(child.facts.rdev), rustix::fs::minor(child.facts.rdev));
        let data = match kind {
            FileKind::Regular => InodeData::Regular(0),
            FileKind::Directory => InodeData::Directory { parent },
            FileKind::Symlink => {
                let target = rustix::fs::readlinkat(&dir.fd, name, Vec::new()).map_err(failed)?;
                InodeData::Symlink(target.into_bytes())
            }
            FileKind::CharDevice => InodeData::CharDevice(major, minor),
            FileKind::BlockDevice => InodeData::BlockDevice(major, minor),
            FileKind::Fifo => InodeData::Fifo,
            FileKind::Socket => InodeData::Socket,
        };
        self.records.link(parent, &child.name, child.number, &data)?;
        if child.is_link {
            self.records.hard_link(child.number)?;
            return Ok(None);
        }
        if kind == FileKind::Directory && !self.is_elsewhere(&child.facts) {
            let inner = open_child_dir(dir, name, &child.facts)?;
            check_path(&inner.path)?;
            return self.enter(inner, child.number, parent, area, &child.facts).map(Some);
        }
        let bytes = FileBytes::default();
        if kind == FileKind::Regular && child.facts.size > 0 {
            // It is going to be opened, and its attributes read then.
            let meta = self.meta_without_xattrs(&child.facts);
            let inode = Waiting { ino: child.number, meta, bytes, area, data };
            self.queue_file(dir, child, inode)?;
            return Ok(None);
        }
        let meta = self.meta(&child.facts, || child_xattr_path(dir, name), &path())?;
        if kind == FileKind::Directory {
            let new = NewInode { meta: &meta, nlink: 2, bytes, pixel_type: area, data };
            self.records.inode(child.number, new, self.contents)?;
            return Ok(None);
        }
        self.record(Waiting { ino: child.number, meta, bytes, area, data })?;
        Ok(None)
    }

    /// Whether something is on a file system that is not to be entered.
    fn is_elsewhere(&self, facts: &Facts) -> bool {
        self.options.one_file_system && facts.dev != self.root_device
    }

    fn meta(&self, facts: &Facts, xattrs: impl Fn() -> PathBuf, path: &Path) -> Result<Meta> {
        let set = match self.options.xattrs {
            XattrChoice::None => XattrSet::default(),
            choice => {
                read_xattrs(&xattrs(), choice).map_err(|error| MkfsError::source(path, error))?
            }
        };
        Ok(Meta { xattrs: set, ..self.meta_without_xattrs(facts) })
    }

    fn meta_without_xattrs(&self, facts: &Facts) -> Meta {
        let (uid, gid) = if self.options.all_root { (0, 0) } else { (facts.uid, facts.gid) };
        let xattrs = XattrSet::default();
        Meta { perm: facts.mode & 0o7777, uid, gid, mtime: facts.mtime, xattrs }
    }

    fn queue_file(&mut self, dir: &Arc<Dir>, child: Child, mut inode: Waiting) -> Result<()> {
        let size = child.facts.size;
        inode.bytes.size = size;
        while self.queue.len() >= MAX_QUEUED || self.queued_bytes >= MAX_QUEUED_BYTES {
            self.finish_oldest()?;
        }
        let (dir, Child { name, facts, .. }) = (Arc::clone(dir), child);
        let reading = if size <= self.small {
            self.queued_bytes += size;
            self.batch_bytes += size;
            self.batch.push(ToRead { dir, name, facts });
            if self.batch.len() >= BATCH || self.batch_bytes >= BATCH_BYTES {
                self.send_batch();
            }
            Reading::Small
        } else {
            Reading::Large { dir, name, facts }
        };
        self.queue.push_back(Queued { inode, reading });
        Ok(())
    }

    fn send_batch(&mut self) {
        let (batch, choice) = (std::mem::take(&mut self.batch), self.options.xattrs);
        self.batch_bytes = 0;
        self.batches.push_back(
            self.pool.run(move |_| {
                batch.into_iter().map(|file| read_small_file(&file, choice)).collect()
            }),
        );
    }

    /// Waits for the small file queued first.
    fn next_read(&mut self) -> Result<Read> {
        let failed = |error| MkfsError::source("a source file", error);
        loop {
            if let Some(read) = self.read.pop_front() {
                return read;
            }
            if self.batches.is_empty() {
                self.send_batch();
            }
            if let Some(ticket) = self.batches.pop_front() {
                self.read = ticket.wait().map_err(failed)?.into();
            }
        }
    }

    /// Waits for the file queued first and stores it.
    fn finish_oldest(&mut self) -> Result<()> {
        let Some(Queued { mut inode, reading }) = self.queue.pop_front() else {
            return Ok(());
        };
        let size = inode.bytes.size;
        let number = match reading {
            Reading::Small => {
                self.queued_bytes -= size;
                let (small, xattrs) = self.next_read()?;
                inode.meta.xattrs = xattrs;
                inode.bytes.allocated = allocated(&small.segments);
                self.progress.bytes(size);
                self.contents.add_small(&small)?
            }
            Reading::Large { dir, name, facts } => {
                let path = dir.path.join(OsStr::from_bytes(&name));
                let file = open_file(&dir, &name, &facts)?;
                let xattrs = read_xattrs_of(&file, self.options.xattrs);
                inode.meta.xattrs = xattrs.map_err(|error| MkfsError::source(&path, error))?;
                // Most files have room for all their bytes, and so no holes.
                let is_dense = facts.allocated >= size;
                let layout = if is_dense { Layout::Dense } else { Layout::AskFile };
                let large = LargeContent { file: &file, size, layout, path: &path };
                let stored = self.contents.add_large(&large, self.progress)?;
                inode.bytes.allocated = stored.allocated;
                stored.number
            }
        };
        inode.data = InodeData::Regular(number);
        self.record(inode)
    }

    fn record(&mut self, inode: Waiting) -> Result<()> {
        let Waiting { ino, meta, bytes, area, data } = inode;
        let new = NewInode { meta: &meta, nlink: 1, bytes, pixel_type: area, data };
        self.records.inode(ino, new, self.contents)
    }
}

/// The names in a directory, sorted.
fn list(dir: &Dir, scratch: &Scratch) -> Result<Sorted> {
    let failed = |error: Errno| MkfsError::source(&dir.path, error);
    let mut names = Sorter::new(scratch);
    for entry in rustix::fs::Dir::read_from(&dir.fd).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(name, &[]).map_err(spill_error)?;
        }
    }
    names.finish().map_err(spill_error)
}

/// Bounds how deep a tree can be, and with it what its levels take in memory.
fn check_path(path: &Path) -> Result<()> {
    let len = path.as_os_str().len() as u64;
    if len > MAX_PATH {
        // All of it would fill the screen.
        let shown: PathBuf = path.iter().take(8).collect::<PathBuf>().join("...");
        let what = format!("a path below it is longer than {MAX_PATH} bytes");
        return Err(MkfsError::source(shown, std::io::Error::other(what)));
    }
    Ok(())
}

fn open_dir(at: impl std::os::fd::AsFd, name: &OsStr) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    open_quietly(&at, name, flags)
}

/// Opens a directory that was listed. Whatever has taken its place since, a link
/// to elsewhere perhaps, is not read in its stead.
fn open_child_dir(dir: &Dir, name: &OsStr, listed: &Facts) -> Result<Dir> {
    let path = dir.path.join(name);
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = match open_quietly(&dir.fd, name, flags) {
        Ok(fd) => fd,
        Err(Errno::LOOP | Errno::NOTDIR) => return Err(replaced(path)),
        Err(error) => return Err(MkfsError::source(path, error)),
    };
    let opened = Dir { fd, path };
    if opened.facts()?.identity() != listed.identity() {
        return Err(replaced(opened.path));
    }
    Ok(opened)
}

fn replaced(path: PathBuf) -> MkfsError {
    let what = std::io::Error::other("was replaced by another file while it was read");
    MkfsError::source(path, what)
}

/// Opens without leaving a trace in the time of last access, if that is allowed.
fn open_quietly(
    at: &impl std::os::fd::AsFd,
    name: &OsStr,
    flags: OFlags,
) -> rustix::io::Result<OwnedFd> {
    match rustix::fs::openat(at, name, flags | OFlags::NOATIME, Mode::empty()) {
        Err(Errno::PERM) => rustix::fs::openat(at, name, flags, Mode::empty()),
        other => other,
    }
}

fn open_file(dir: &Dir, name: &[u8], listed: &Facts) -> Result<File> {
    let os_name = OsStr::from_bytes(name);
    let failed = |error: Errno| MkfsError::source(dir.path.join(os_name), error);
    // O_NONBLOCK: what was a file when it was listed may be a fifo by now.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let fd = open_quietly(&dir.fd, os_name, flags).map_err(failed)?;
    let stat = rustix::fs::fstat(&fd).map_err(failed)?;
    if (stat.st_dev, stat.st_ino) != listed.identity() {
        return Err(replaced(dir.path.join(os_name)));
    }
    Ok(File::from(fd))
}

fn read_small_file(file: &ToRead, choice: XattrChoice) -> Result<Read> {
    let ToRead { dir, name, facts } = file;
    let file = open_file(dir, name, facts)?;
    let path = || dir.path.join(OsStr::from_bytes(name));
    let xattrs = read_xattrs_of(&file, choice).map_err(|error| MkfsError::source(path(), error))?;
    Ok((read_small(&file, facts.size, facts.allocated, path)?, xattrs))
}

/// Paths for the xattr system calls that take no descriptor of a symlink or a
/// device: through /proc, so that the length of the real path does not matter.
fn own_xattr_path(dir: &Dir) -> PathBuf {
    format!("/proc/self/fd/{}/.", dir.fd.as_raw_fd()).into()
}

fn child_xattr_path(dir: &Dir, name: &OsStr) -> PathBuf {
    let mut path = PathBuf::from(format!("/proc/self/fd/{}", dir.fd.as_raw_fd()));
    path.push(name);
    path
}

/// Queued files keep their directories open, spilled records are files.
fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // With the limit as it was, all but very large trees can be read.
    let _ = setrlimit(Resource::Nofile, limit);
}
