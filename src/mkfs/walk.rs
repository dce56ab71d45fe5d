//! A directory as the source: walked depth first in the order of names, by
//! descriptors, so that neither long paths nor moving directories confuse it.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::contents::{ContentWriter, LargeContent, SmallContent, allocated};
use super::error::{MkfsError, Result};
use super::pool::{Pool, Ticket};
use super::read::{data_segments, read_small};
use super::records::{FileBytes, Meta, NewInode, Records};
use super::xattr::{XattrChoice, read_xattrs};
use super::{HardLinks, Options, Progress};
use crate::format::{InodeData, PixelType};
use crate::fs::{FileKind, ROOT_INO};

/// Files that may be queued for reading. Each holds its directory open.
const MAX_QUEUED: usize = 256;

/// Bytes of small files that may be in memory at once.
const MAX_QUEUED_BYTES: u64 = 32 << 20;

/// Walks the directory `source` into `records` and `contents`.
pub(super) fn walk(
    source: &Path,
    options: &Options,
    pool: &Pool,
    records: &mut Records,
    contents: &mut ContentWriter<'_>,
    progress: &mut dyn Progress,
) -> Result<()> {
    raise_file_limit();
    let fd = open_dir(rustix::fs::CWD, source.as_os_str())
        .map_err(|error| MkfsError::source(source, error))?;
    let root = Arc::new(Dir { fd, path: source.to_owned() });
    let stat = rustix::fs::fstat(&root.fd).map_err(|error| MkfsError::source(source, error))?;
    let mut walker = Walker {
        options,
        pool,
        records,
        contents,
        progress,
        root_device: stat.st_dev,
        queue: VecDeque::new(),
        queued_bytes: 0,
        small: 0,
        links: HashMap::new(),
    };
    walker.small = walker.contents.small_limit();
    walker.run(root, &stat)
}

/// An open directory, and its path for messages.
#[derive(Debug)]
struct Dir {
    fd: OwnedFd,
    path: PathBuf,
}

/// A directory entry that was listed.
struct Child {
    name: Vec<u8>,
    stat: Stat,
    ino: u64,
    /// Whether another name of the same inode came before.
    is_link: bool,
}

/// A directory that is being walked.
struct Frame {
    dir: Arc<Dir>,
    ino: u64,
    /// The PixelFS type of what is in it.
    area: PixelType,
    children: std::vec::IntoIter<Child>,
}

/// A regular file waiting for its turn.
struct Queued {
    inode: Waiting,
    key: Option<LinkKey>,
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
    Small(Ticket<Result<SmallContent>>),
    Large { dir: Arc<Dir>, name: Vec<u8>, stat: Box<Stat> },
}

type LinkKey = (u64, u64);

/// An inode with several names, until all of them were met.
struct Links {
    ino: u64,
    met: u32,
    /// What it is, once it is known; entered at the end, when `met` is final.
    inode: Option<Waiting>,
}

struct Walker<'a, 'p> {
    options: &'a Options,
    pool: &'a Pool,
    records: &'a mut Records,
    contents: &'a mut ContentWriter<'p>,
    progress: &'a mut dyn Progress,
    root_device: u64,
    queue: VecDeque<Queued>,
    queued_bytes: u64,
    small: u64,
    links: HashMap<LinkKey, Links>,
}

impl Walker<'_, '_> {
    fn run(&mut self, root: Arc<Dir>, stat: &Stat) -> Result<()> {
        let mut stack = vec![self.enter(root, ROOT_INO, ROOT_INO, PixelType::Data, stat)?];
        while let Some(frame) = stack.last_mut() {
            let Some(child) = frame.children.next() else {
                stack.pop();
                continue;
            };
            let (dir, parent, mut area) = (Arc::clone(&frame.dir), frame.ino, frame.area);
            if parent == ROOT_INO && kind_of(&child.stat) == Some(FileKind::Directory) {
                area = PixelType::of_area(&child.name);
            }
            if let Some(inner) = self.visit(&dir, parent, area, child)? {
                stack.push(inner);
            }
        }
        while !self.queue.is_empty() {
            self.finish_oldest()?;
        }
        self.enter_links()
    }

    /// Lists a directory, gives its children their inode numbers and enters it.
    fn enter(
        &mut self,
        dir: Arc<Dir>,
        ino: u64,
        parent: u64,
        area: PixelType,
        stat: &Stat,
    ) -> Result<Frame> {
        let mut children = Vec::new();
        for name in list(&dir)? {
            if let Some(child) = self.stat_child(&dir, name)? {
                children.push(child);
            }
        }
        let is_dir = |child: &&Child| kind_of(&child.stat) == Some(FileKind::Directory);
        let nlink = 2 + children.iter().filter(is_dir).count() as u32;
        let meta = self.meta(stat, || own_xattr_path(&dir), &dir.path)?;
        let data = InodeData::Directory { parent };
        let bytes = FileBytes::default();
        let new = NewInode { meta: &meta, nlink, bytes, pixel_type: area, data };
        self.records.inode(ino, new, self.contents)?;
        Ok(Frame { dir, ino, area, children: children.into_iter() })
    }

    /// The child of that name with its number; `None` if it is left out.
    fn stat_child(&mut self, dir: &Dir, name: Vec<u8>) -> Result<Option<Child>> {
        let os_name = OsStr::from_bytes(&name);
        let path = || dir.path.join(os_name);
        let stat = match rustix::fs::statat(&dir.fd, os_name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            // It was there a moment ago; a live tree loses files while it is read.
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(MkfsError::source(path(), error)),
        };
        let is_dir = kind_of(&stat) == Some(FileKind::Directory);
        let is_image = self.options.skip_inode == Some((stat.st_dev, stat.st_ino));
        let is_elsewhere = self.options.one_file_system && stat.st_dev != self.root_device;
        if is_image || is_elsewhere || self.options.excludes.matches(&path(), is_dir) {
            return Ok(None);
        }
        let mut ino = None;
        if let Some(key) = self.link_key(&stat) {
            let links = self.links.entry(key).or_insert(Links { ino: 0, met: 0, inode: None });
            links.met += 1;
            ino = (links.met > 1).then_some(links.ino);
        }
        let is_link = ino.is_some();
        let ino = ino.unwrap_or_else(|| self.records.take_ino());
        if let Some(links) = self.link_key(&stat).and_then(|key| self.links.get_mut(&key)) {
            links.ino = ino;
        }
        Ok(Some(Child { name, stat, ino, is_link }))
    }

    /// What tells the names of one inode to be its own, if it has several.
    fn link_key(&self, stat: &Stat) -> Option<LinkKey> {
        let linked = stat.st_nlink > 1 && kind_of(stat) != Some(FileKind::Directory);
        let keep = self.options.hard_links == HardLinks::Keep;
        (linked && keep).then_some((stat.st_dev, stat.st_ino))
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
        let Some(kind) = kind_of(&child.stat) else {
            let what = format!("unknown file type {:o}", child.stat.st_mode);
            return Err(MkfsError::source(path(), std::io::Error::other(what)));
        };
        self.progress.file(&path());
        let (major, minor) =
            (rustix::fs::major(child.stat.st_rdev), rustix::fs::minor(child.stat.st_rdev));
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
        self.records.link(parent, &child.name, child.ino, &data)?;
        if child.is_link {
            self.records.stats.hard_links += 1;
            return Ok(None);
        }
        if kind == FileKind::Directory {
            let fd = open_dir(&dir.fd, name).map_err(failed)?;
            let inner = Arc::new(Dir { fd, path: path() });
            return self.enter(inner, child.ino, parent, area, &child.stat).map(Some);
        }
        let meta = self.meta(&child.stat, || child_xattr_path(dir, name), &path())?;
        let key = self.link_key(&child.stat);
        let inode = Waiting { ino: child.ino, meta, bytes: FileBytes::default(), area, data };
        if kind == FileKind::Regular && child.stat.st_size > 0 {
            self.queue_file(dir, child, inode, key)?;
        } else {
            self.enter_inode(inode, key)?;
        }
        Ok(None)
    }

    fn meta(&self, stat: &Stat, xattrs: impl Fn() -> PathBuf, path: &Path) -> Result<Meta> {
        let (uid, gid) = if self.options.all_root { (0, 0) } else { (stat.st_uid, stat.st_gid) };
        let set = match self.options.xattrs {
            XattrChoice::None => Default::default(),
            choice => {
                read_xattrs(&xattrs(), choice).map_err(|error| MkfsError::source(path, error))?
            }
        };
        Ok(Meta {
            perm: stat.st_mode & 0o7777,
            uid,
            gid,
            mtime: (stat.st_mtime, stat.st_mtime_nsec as u32),
            xattrs: set,
        })
    }

    fn queue_file(
        &mut self,
        dir: &Arc<Dir>,
        child: Child,
        mut inode: Waiting,
        key: Option<LinkKey>,
    ) -> Result<()> {
        let size = child.stat.st_size as u64;
        inode.bytes.size = size;
        while self.queue.len() >= MAX_QUEUED || self.queued_bytes >= MAX_QUEUED_BYTES {
            self.finish_oldest()?;
        }
        let Child { name, stat, .. } = child;
        let reading = if size <= self.small {
            self.queued_bytes += size;
            let dir = Arc::clone(dir);
            Reading::Small(self.pool.read(move || read_small_file(&dir, &name, &stat)))
        } else {
            Reading::Large { dir: Arc::clone(dir), name, stat: Box::new(stat) }
        };
        self.queue.push_back(Queued { inode, key, reading });
        Ok(())
    }

    /// Waits for the file queued first and stores it.
    fn finish_oldest(&mut self) -> Result<()> {
        let Some(Queued { mut inode, key, reading }) = self.queue.pop_front() else {
            return Ok(());
        };
        let size = inode.bytes.size;
        let number = match reading {
            Reading::Small(ticket) => {
                self.queued_bytes -= size;
                let small =
                    ticket.wait().map_err(|error| MkfsError::source("a source file", error))??;
                inode.bytes.allocated = allocated(&small.segments);
                self.contents.add_small(&small)?
            }
            Reading::Large { dir, name, stat } => {
                let path = dir.path.join(OsStr::from_bytes(&name));
                let file = open_file(&dir, &name, &stat)?;
                let segments = data_segments(&file, size, stat.st_blocks as u64 * 512)
                    .map_err(|error| MkfsError::source(&path, error))?;
                inode.bytes.allocated = allocated(&segments);
                let large = LargeContent { file: &file, size, segments, path: &path };
                self.contents.add_large(&large)?
            }
        };
        self.progress.bytes(size);
        inode.data = InodeData::Regular(number);
        self.enter_inode(inode, key)
    }

    fn enter_inode(&mut self, inode: Waiting, key: Option<LinkKey>) -> Result<()> {
        match key.and_then(|key| self.links.get_mut(&key)) {
            Some(links) => {
                links.inode = Some(inode);
                Ok(())
            }
            None => self.record(inode, 1),
        }
    }

    fn record(&mut self, inode: Waiting, nlink: u32) -> Result<()> {
        let Waiting { ino, meta, bytes, area, data } = inode;
        let new = NewInode { meta: &meta, nlink, bytes, pixel_type: area, data };
        self.records.inode(ino, new, self.contents)
    }

    /// Enters the inodes with several names, now that all names are counted.
    fn enter_links(&mut self) -> Result<()> {
        let mut links: Vec<Links> = self.links.drain().map(|(_, links)| links).collect();
        // In the order of their numbers: xattr sets get theirs on the way.
        links.sort_by_key(|links| links.ino);
        for Links { met, inode, .. } in links {
            if let Some(inode) = inode {
                self.record(inode, met)?;
            }
        }
        Ok(())
    }
}

fn kind_of(stat: &Stat) -> Option<FileKind> {
    FileKind::from_mode(stat.st_mode)
}

/// The names in a directory, sorted.
fn list(dir: &Dir) -> Result<Vec<Vec<u8>>> {
    let failed = |error: Errno| MkfsError::source(&dir.path, error);
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(&dir.fd).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(name.to_vec());
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn open_dir(at: impl std::os::fd::AsFd, name: &OsStr) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    open_quietly(&at, name, flags)
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

fn open_file(dir: &Dir, name: &[u8], listed: &Stat) -> Result<File> {
    let os_name = OsStr::from_bytes(name);
    let failed = |error: Errno| MkfsError::source(dir.path.join(os_name), error);
    // O_NONBLOCK: what was a file when it was listed may be a fifo by now.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let fd = open_quietly(&dir.fd, os_name, flags).map_err(failed)?;
    let stat = rustix::fs::fstat(&fd).map_err(failed)?;
    if (stat.st_dev, stat.st_ino) != (listed.st_dev, listed.st_ino) {
        let what = std::io::Error::other("was replaced by another file while it was read");
        return Err(MkfsError::source(dir.path.join(os_name), what));
    }
    Ok(File::from(fd))
}

fn read_small_file(dir: &Dir, name: &[u8], stat: &Stat) -> Result<SmallContent> {
    let file = open_file(dir, name, stat)?;
    let path = || dir.path.join(OsStr::from_bytes(name));
    read_small(&file, stat.st_size as u64, stat.st_blocks as u64 * 512, path)
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

/// Deep trees keep a descriptor a level, queued files one each.
fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // With the limit as it was, all but very deep trees can be read.
    let _ = setrlimit(Resource::Nofile, limit);
}
