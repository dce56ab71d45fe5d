//! Copying part of a tree to the disk.
//!
//! Threads take directories from a stack, so about in the order of the tree: a
//! block with many small files is decoded once. One thread makes all that is in
//! a directory, as the kernel lets only one at a time: others would wait, and
//! use a processor for it. A directory gets its attributes when all in it is
//! done: whoever gives back the last reference to it sets them.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::Observer;
use super::attrs::{Keeper, gives_acls};
use super::error::{ExtractError, Result};
use super::file::PIECE;
use super::label::{DIR_FLAGS, Label};
use super::tasks::Tasks;
use super::write::Place;
use crate::format::is_valid_name;
use crate::fs::{Attr, FileKind, FsError, Ino, Tree};

/// Entries of a directory that are read at a time.
const BATCH: usize = 1024;

/// Files of a directory are written by another thread beyond so many bytes.
const SHARE: u64 = 4 << 20;

/// The deepest directory that is entered: a damaged tree must come to an end.
const MAX_DEPTH: usize = 10_000;

/// How to copy.
#[derive(Debug, Clone, Copy)]
pub struct CopyOptions {
    /// Keep owners, modes, times and extended attributes.
    pub keep: bool,
    /// Names of one file stay names of one file.
    pub links: bool,
    /// Leave files alone that are there already.
    pub no_clobber: bool,
    /// The umask of this process.
    pub umask: u32,
    /// Threads that write files.
    pub threads: usize,
}

/// A directory that is copied into.
#[derive(Debug, Clone)]
pub struct DestDir {
    fd: Arc<OwnedFd>,
}

impl DestDir {
    /// Opens the directory; the user's own path may lead through symlinks.
    ///
    /// # Errors
    /// As open(2).
    pub fn open(path: &Path) -> std::io::Result<Self> {
        let flags = DIR_FLAGS.difference(OFlags::NOFOLLOW);
        let fd = rustix::fs::open(path, flags, Mode::empty())?;
        Ok(Self { fd: Arc::new(fd) })
    }
}

/// A directory that is being written.
struct Dir {
    fd: OwnedFd,
    label: Arc<Label>,
    attr: Attr,
    /// Whether it was made here.
    fresh: bool,
}

/// A directory of which entries are left.
struct Walk {
    dir: Arc<Dir>,
    next: u64,
    /// Directories above it.
    depth: usize,
    /// Directories in it that were seen: a forged one may have many names.
    entered: HashSet<Ino>,
}

/// A directory that was made and not yet opened.
struct Made {
    /// The one it is in, kept as it is until this one is open.
    parent: Arc<Dir>,
    label: Arc<Label>,
    attr: Attr,
    fresh: bool,
    depth: usize,
}

/// Files to be written into a directory.
struct Files {
    dir: Arc<Dir>,
    files: Vec<(Arc<Label>, Attr)>,
}

enum Task {
    Walk(Walk),
    Open(Made),
    Files(Files),
}

/// An inode of which a name was copied.
pub(super) struct FirstName {
    pub(super) label: Arc<Label>,
    /// Names that may still come.
    pub(super) left: u32,
}

/// Copies files out of a tree.
pub struct Copier<'a> {
    pub(super) tree: &'a dyn Tree,
    pub(super) options: CopyOptions,
    pub(super) observer: &'a dyn Observer,
    pub(super) keeper: Keeper<'a>,
    pub(super) links: Mutex<HashMap<Ino, FirstName>>,
    /// Held while a file with more names is copied: the next name needs the first.
    linking: Mutex<()>,
    /// Set when it is of no use to go on.
    stop: AtomicBool,
}

impl std::fmt::Debug for Copier<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Copier").field("options", &self.options).finish_non_exhaustive()
    }
}

impl<'a> Copier<'a> {
    /// Hard links are kept among all that one copier copies.
    pub fn new(tree: &'a dyn Tree, options: CopyOptions, observer: &'a dyn Observer) -> Self {
        let keeper = Keeper::new(tree, observer);
        let (links, linking, stop) = (Mutex::default(), Mutex::default(), AtomicBool::new(false));
        Self { tree, options, observer, keeper, links, linking, stop }
    }

    /// Copies `attr`, which the user called `source`, into `dir` as `name`;
    /// `dest` is the path that the user knows it by.
    pub fn copy_as(&self, attr: &Attr, source: &[u8], dir: &DestDir, name: &[u8], dest: &[u8]) {
        let label = self.top(source, dest, dir, Some(name));
        if attr.kind == FileKind::Directory {
            let opened = self
                .make_dir(&dir.fd, &label)
                .and_then(|fresh| self.open_dir(&dir.fd, attr, &label, fresh));
            match opened {
                Ok(made) => self.copy_dir(made),
                Err(error) => self.failed(&label.dest(), &error),
            }
        } else {
            let mut piece = vec![0; attr.size.min(PIECE as u64) as usize];
            self.copy_file(self.place(&dir.fd), attr, &label, &mut piece);
        }
    }

    /// Copies what is in the directory `attr` into `dir`, which takes its attributes.
    pub fn copy_into(&self, attr: &Attr, source: &[u8], dir: &DestDir, dest: &[u8]) {
        let label = self.top(source, dest, dir, None);
        match dir.fd.try_clone() {
            Ok(fd) => self.copy_dir(Dir { fd, label, attr: attr.clone(), fresh: false }),
            Err(error) => self.failed(dest, &error.into()),
        }
    }

    /// Whether something happened that leaves nothing to be done.
    pub fn has_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn place<'d>(&self, fd: &'d OwnedFd) -> Place<'d> {
        Place { fd, gives_acls: self.options.keep && gives_acls(fd) }
    }

    fn top(&self, source: &[u8], dest: &[u8], dir: &DestDir, name: Option<&[u8]>) -> Arc<Label> {
        Arc::new(Label::Top {
            source: source.to_vec(),
            dest: dest.to_vec(),
            anchor: Arc::clone(&dir.fd),
            name: name.map(<[u8]>::to_vec),
        })
    }

    fn copy_dir(&self, dir: Dir) {
        let top = Walk { dir: Arc::new(dir), next: 0, depth: 1, entered: HashSet::new() };
        let tasks = Tasks::new(Task::Walk(top));
        std::thread::scope(|scope| {
            for _ in 0..self.options.threads.max(1) {
                scope.spawn(|| {
                    let mut piece = vec![0; PIECE];
                    tasks.work(|task| self.perform(task, &tasks, &mut piece));
                });
            }
        });
    }

    fn perform(&self, task: Task, tasks: &Tasks<Task>, piece: &mut [u8]) {
        match task {
            // Given back all the same, so that directories get their attributes.
            Task::Walk(Walk { dir, .. }) | Task::Files(Files { dir, .. }) if self.has_stopped() => {
                self.release(dir);
            }
            Task::Open(Made { parent, .. }) if self.has_stopped() => self.release(parent),
            Task::Walk(walk) => self.walk(walk, tasks, piece),
            Task::Files(files) => self.write_files(files, piece),
            Task::Open(made) => {
                let opened = self.open_dir(&made.parent.fd, &made.attr, &made.label, made.fresh);
                self.release(made.parent);
                match opened {
                    Ok(dir) => {
                        let (dir, entered) = (Arc::new(dir), HashSet::new());
                        let walk = Walk { dir, next: 0, depth: made.depth, entered };
                        self.walk(walk, tasks, piece);
                    }
                    Err(error) => self.failed(&made.label.dest(), &error),
                }
            }
        }
    }

    /// Copies the next entries of a directory: files now, directories later.
    fn walk(&self, mut walk: Walk, tasks: &Tasks<Task>, piece: &mut [u8]) {
        let names = match self.read_batch(&mut walk) {
            Ok(names) => names,
            Err(error) => {
                self.failed(&walk.dir.label.source(), &error.into());
                return self.release(walk.dir);
            }
        };
        let dir = Arc::clone(&walk.dir);
        let (mut files, mut dirs) = (Vec::new(), Vec::new());
        for name in &names {
            let label = Label::below(&dir.label, name);
            match self.entry(&mut walk, name) {
                Ok(attr) if attr.kind == FileKind::Directory => dirs.push((label, attr)),
                Ok(attr) => files.push((label, attr)),
                Err(error) => self.failed(&label.source(), &error),
            }
        }
        let mut shared = self.share(&dir, &mut files);
        let made = dirs.into_iter().filter_map(|(label, attr)| self.made(&walk, label, attr));
        let mut later: Vec<Task> = made.map(Task::Open).collect();
        // The first of them is the next.
        later.reverse();
        later.append(&mut shared);
        match names.len() {
            BATCH.. => later.insert(0, Task::Walk(walk)),
            _ => self.release(walk.dir),
        }
        tasks.add(later);
        self.write_files(Files { dir, files }, piece);
    }

    /// The next names of a directory: [`BATCH`] of them, or the last.
    fn read_batch(&self, walk: &mut Walk) -> Result<Vec<Vec<u8>>, FsError> {
        let (mut names, mut next) = (Vec::new(), walk.next);
        self.tree.read_dir(walk.dir.attr.ino, walk.next, &mut |entry| {
            names.push(entry.name.to_vec());
            next = entry.next;
            names.len() < BATCH
        })?;
        walk.next = next;
        Ok(names)
    }

    /// The attributes of an entry that may be copied.
    fn entry(&self, walk: &mut Walk, name: &[u8]) -> Result<Attr> {
        // A name like ".." would lead out of the destination.
        if !is_valid_name(name) {
            return Err(FsError::Corrupt("is no file name".into()).into());
        }
        let attr = self.tree.lookup(walk.dir.attr.ino, name)?;
        if attr.kind == FileKind::Directory {
            if walk.depth >= MAX_DEPTH {
                return Err(FsError::Corrupt("lies too deep".into()).into());
            }
            if !walk.entered.insert(attr.ino) {
                let why = "is a directory with more than one name";
                return Err(FsError::Corrupt(why.into()).into());
            }
        }
        Ok(attr)
    }

    /// Leaves the first files, and makes tasks of those beyond [`SHARE`] bytes.
    fn share(&self, dir: &Arc<Dir>, files: &mut Vec<(Arc<Label>, Attr)>) -> Vec<Task> {
        let mut tasks = Vec::new();
        let mut bytes = 0;
        // From the end: what is taken first is added last.
        for at in (1..files.len()).rev() {
            bytes += files[at].1.size;
            if bytes >= SHARE {
                let files = files.split_off(at);
                tasks.push(Task::Files(Files { dir: Arc::clone(dir), files }));
                bytes = 0;
            }
        }
        tasks
    }

    fn write_files(&self, Files { dir, files }: Files, piece: &mut [u8]) {
        let place = self.place(&dir.fd);
        for (label, attr) in files {
            if self.has_stopped() {
                break;
            }
            let _one = self.is_linked(&attr).then(|| self.linking.lock());
            self.copy_file(place, &attr, &label, piece);
        }
        self.release(dir);
    }

    fn made(&self, walk: &Walk, label: Arc<Label>, attr: Attr) -> Option<Made> {
        match self.make_dir(&walk.dir.fd, &label) {
            Ok(fresh) => {
                let (parent, depth) = (Arc::clone(&walk.dir), walk.depth + 1);
                Some(Made { parent, label, attr, fresh, depth })
            }
            Err(error) => {
                self.failed(&label.source(), &error);
                None
            }
        }
    }

    /// Makes a directory; false if there is something of that name.
    fn make_dir(&self, parent: &OwnedFd, label: &Label) -> Result<bool> {
        let made = rustix::fs::mkdirat(parent, dir_name(label), Mode::RWXU);
        match made {
            Ok(()) => {
                self.observer.copied(&label.source(), &label.dest());
                Ok(true)
            }
            Err(Errno::EXIST) => Ok(false),
            Err(errno) => Err(ExtractError::Write { doing: "cannot make the directory", errno }),
        }
    }

    fn open_dir(
        &self,
        parent: &OwnedFd,
        attr: &Attr,
        label: &Arc<Label>,
        fresh: bool,
    ) -> Result<Dir> {
        let opened = rustix::fs::openat(parent, dir_name(label), DIR_FLAGS, Mode::empty());
        let fd = opened.map_err(|errno| match errno {
            Errno::NOTDIR | Errno::LOOP => {
                ExtractError::InTheWay("cannot overwrite a file with a directory")
            }
            errno => ExtractError::Write { doing: "cannot open the directory", errno },
        })?;
        Ok(Dir { fd, label: Arc::clone(label), attr: attr.clone(), fresh })
    }

    /// Gives back a directory; its attributes are set by whoever had it last.
    fn release(&self, dir: Arc<Dir>) {
        let Some(dir) = Arc::into_inner(dir) else {
            return;
        };
        let settled = if self.options.keep {
            self.keeper.keep_open(&dir.attr, &dir.fd, None)
        } else if dir.fresh {
            self.plain_mode(&dir)
        } else {
            Ok(())
        };
        if let Err(error) = settled {
            self.failed(&dir.label.dest(), &error);
        }
    }

    /// The mode that mkdir(2) would have given, had it not to be writable till now.
    fn plain_mode(&self, dir: &Dir) -> Result<()> {
        let failed = ExtractError::write("cannot chmod it");
        // A directory in a setgid directory is one itself.
        let setgid = rustix::fs::fstat(&dir.fd).map_err(&failed)?.st_mode & 0o2000;
        let mode = dir.attr.perm & 0o777 & !self.options.umask | setgid;
        rustix::fs::fchmod(&dir.fd, Mode::from_raw_mode(mode)).map_err(failed)
    }

    pub(super) fn failed(&self, path: &[u8], error: &ExtractError) {
        if error.is_final() {
            // Only the first of the threads that meet a full disk says so.
            if self.stop.swap(true, Ordering::Relaxed) {
                return;
            }
        }
        self.observer.failed(path, error);
    }
}

fn dir_name(label: &Label) -> &OsStr {
    OsStr::from_bytes(label.name().unwrap_or(b"."))
}
