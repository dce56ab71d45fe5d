//! Copying part of a tree to the disk.
//!
//! One thread walks and makes directories, in the order of the tree; others
//! write files in about that order, so that a block with many small files is
//! decoded once. A directory gets its attributes when its last file is done:
//! whoever gives back the last reference to it sets them.

use std::collections::{HashMap, HashSet};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use parking_lot::Mutex;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::Observer;
use super::attrs::Keeper;
use super::error::{ExtractError, Result};
use super::file::PIECE;
use super::label::{DIR_FLAGS, Label};
use crate::format::is_valid_name;
use crate::fs::{Attr, FileKind, FsError, Ino, Tree};

/// Entries of a directory that are read at a time.
const BATCH: usize = 1024;

/// Files that may wait to be written. Each may hold a directory open.
const MAX_QUEUED: usize = 64;

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
    /// The umask, for what is made without `keep`.
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

/// A directory that is being walked.
struct Frame {
    dir: Arc<Dir>,
    next: u64,
    batch: std::vec::IntoIter<Vec<u8>>,
    /// Directories in it that were entered: a forged one may have many names.
    entered: HashSet<Ino>,
}

/// A file to be written by whoever is free.
struct Job {
    dir: Arc<Dir>,
    label: Arc<Label>,
    attr: Attr,
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
        let (links, stop) = (Mutex::default(), AtomicBool::new(false));
        Self { tree, options, observer, keeper, links, stop }
    }

    /// Copies `attr`, which the user called `source`, into `dir` as `name`;
    /// `dest` is the path that the user knows it by.
    pub fn copy_as(&self, attr: &Attr, source: &[u8], dir: &DestDir, name: &[u8], dest: &[u8]) {
        let label = self.top(source, dest, dir, Some(name));
        if attr.kind == FileKind::Directory {
            match self.make_dir(&dir.fd, attr, &label) {
                Ok(made) => self.copy_dir(made),
                Err(error) => self.failed(&label.dest(), &error),
            }
        } else {
            let mut piece = vec![0; attr.size.min(PIECE as u64) as usize];
            self.copy_file(&dir.fd, attr, &label, &mut piece);
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

    fn top(&self, source: &[u8], dest: &[u8], dir: &DestDir, name: Option<&[u8]>) -> Arc<Label> {
        Arc::new(Label::Top {
            source: source.to_vec(),
            dest: dest.to_vec(),
            anchor: Arc::clone(&dir.fd),
            name: name.map(<[u8]>::to_vec),
        })
    }

    fn copy_dir(&self, dir: Dir) {
        let (sender, receiver) = sync_channel(MAX_QUEUED);
        let receiver = Mutex::new(receiver);
        std::thread::scope(|scope| {
            for _ in 0..self.options.threads.max(1) {
                scope.spawn(|| self.write_files(&receiver));
            }
            self.walk(dir, &sender);
            drop(sender);
        });
    }

    /// What the threads do.
    fn write_files(&self, jobs: &Mutex<Receiver<Job>>) {
        let mut piece = vec![0; PIECE];
        loop {
            // The lock is given back before the job is done.
            let job = jobs.lock().recv();
            let Ok(Job { dir, label, attr }) = job else {
                return;
            };
            if !self.has_stopped() {
                self.copy_file(&dir.fd, &attr, &label, &mut piece);
            }
            self.release(dir);
        }
    }

    fn walk(&self, top: Dir, jobs: &SyncSender<Job>) {
        let frame = |dir| Frame {
            dir: Arc::new(dir),
            next: 0,
            batch: Vec::new().into_iter(),
            entered: HashSet::new(),
        };
        let mut stack = vec![frame(top)];
        loop {
            let depth = stack.len();
            let Some(at) = stack.last_mut() else { return };
            if self.has_stopped() {
                return;
            }
            let name = match at.batch.next() {
                Some(name) => name,
                None => match self.read_batch(at) {
                    Ok(true) => continue,
                    done => {
                        if let Err(error) = done {
                            self.failed(&at.dir.label.source(), &error.into());
                        }
                        if let Some(done) = stack.pop() {
                            self.release(done.dir);
                        }
                        continue;
                    }
                },
            };
            let dir = Arc::clone(&at.dir);
            let label = Label::below(&dir.label, &name);
            match self.visit(&dir, &label, &name, depth, &mut at.entered, jobs) {
                Ok(Some(inner)) => stack.push(frame(inner)),
                Ok(None) => {}
                Err(error) => self.failed(&label.source(), &error),
            }
            self.release(dir);
        }
    }

    /// Reads the next names of a directory; false when there are none.
    fn read_batch(&self, frame: &mut Frame) -> Result<bool, FsError> {
        let mut names = Vec::new();
        let mut next = frame.next;
        self.tree.read_dir(frame.dir.attr.ino, frame.next, &mut |entry| {
            names.push(entry.name.to_vec());
            next = entry.next;
            names.len() < BATCH
        })?;
        frame.next = next;
        frame.batch = names.into_iter();
        Ok(frame.batch.len() > 0)
    }

    /// Copies an entry or has it copied; a directory comes back to be walked.
    fn visit(
        &self,
        dir: &Arc<Dir>,
        label: &Arc<Label>,
        name: &[u8],
        depth: usize,
        entered: &mut HashSet<Ino>,
        jobs: &SyncSender<Job>,
    ) -> Result<Option<Dir>> {
        // A name like ".." would lead out of the destination.
        if !is_valid_name(name) {
            return Err(FsError::Corrupt("is no file name".into()).into());
        }
        let attr = self.tree.lookup(dir.attr.ino, name)?;
        if attr.kind == FileKind::Directory {
            if depth >= MAX_DEPTH {
                return Err(FsError::Corrupt("lies too deep".into()).into());
            }
            if !entered.insert(attr.ino) {
                return Err(
                    FsError::Corrupt("is a directory with more than one name".into()).into()
                );
            }
            return self.make_dir(&dir.fd, &attr, label).map(Some);
        }
        // Names after the first wait for the first: here, as there are few.
        if attr.kind != FileKind::Regular || self.is_linked(&attr) {
            let mut piece = vec![0; attr.size.min(PIECE as u64) as usize];
            self.copy_file(&dir.fd, &attr, label, &mut piece);
        } else {
            let (dir, label) = (Arc::clone(dir), Arc::clone(label));
            // The threads outlive the walk.
            let _ = jobs.send(Job { dir, label, attr });
        }
        Ok(None)
    }

    fn make_dir(&self, parent: &OwnedFd, attr: &Attr, label: &Arc<Label>) -> Result<Dir> {
        let name = std::ffi::OsStr::from_bytes(label.name().unwrap_or(b"."));
        let fresh = match rustix::fs::mkdirat(parent, name, Mode::RWXU) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(errno) => {
                return Err(ExtractError::Write { doing: "cannot make the directory", errno });
            }
        };
        let fd =
            rustix::fs::openat(parent, name, DIR_FLAGS, Mode::empty()).map_err(
                |errno| match errno {
                    Errno::NOTDIR | Errno::LOOP => {
                        ExtractError::InTheWay("cannot overwrite a file with a directory")
                    }
                    errno => ExtractError::Write { doing: "cannot open the directory", errno },
                },
            )?;
        if fresh {
            self.observer.copied(&label.source(), &label.dest());
        }
        Ok(Dir { fd, label: Arc::clone(label), attr: attr.clone(), fresh })
    }

    /// Gives back a directory; its attributes are set by whoever had it last.
    fn release(&self, dir: Arc<Dir>) {
        let Some(dir) = Arc::into_inner(dir) else {
            return;
        };
        let settled = if self.options.keep {
            self.keeper.keep_open(&dir.attr, &dir.fd)
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
