//! A tree of ours as the source: a picture that is made anew, or a pxOS root.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;

use super::contents::{ContentWriter, SmallContent, allocated, spill_error};
use super::error::{MkfsError, Result};
use super::large::{LargeContent, Layout};
use super::records::{FileBytes, Meta, NewInode, Records};
use super::scratch::Scratch;
use super::spool::spool_segments;
use super::table::Table;
use super::{HardLinks, Options, Progress};
use crate::format::{Digest, InodeData, PixelType, XattrSet};
use crate::fs::{Attr, FileKind, FsError, PixelTree, ROOT_INO, Seek, Step, walk};

/// Reads a tree into `records` and `contents`.
pub(super) fn read_tree(
    tree: &Arc<dyn PixelTree>,
    options: &Options,
    scratch: &Scratch,
    records: &mut Records,
    contents: &mut ContentWriter<'_>,
    progress: &mut dyn Progress,
) -> Result<()> {
    let tree = &**tree;
    let links = Table::new(scratch);
    let failed = |error| from_tree(b"", error);
    let root = tree.attr(ROOT_INO).map_err(failed)?;
    let mut reader = Reader { tree, options, scratch, records, contents, progress, links };
    let data = InodeData::Directory { parent: ROOT_INO };
    reader.record(ROOT_INO, b"", &root, data, FileBytes::default())?;
    // Numbers of the directories on the way to an entry, the root's first.
    let mut dirs = vec![ROOT_INO];
    let mut failure = None;
    let walked = walk(tree, ROOT_INO, &mut |step| {
        let done = match step {
            Step::Entry(path, attr) => reader.enter(path, attr, &mut dirs),
            Step::Failed(path, error) => Err(from_tree(path, error)),
        };
        done.map_err(|error| {
            failure = Some(error);
            // Only to end the walk.
            FsError::NotFound
        })
    });
    match failure {
        Some(failure) => Err(failure),
        None => walked.map_err(failed),
    }
}

fn from_tree(path: &[u8], error: FsError) -> MkfsError {
    let error = match error {
        FsError::Io(error) => error,
        other => std::io::Error::other(other.to_string()),
    };
    MkfsError::source(Path::new("/").join(OsStr::from_bytes(path)), error)
}

struct Reader<'a, 'p> {
    tree: &'a dyn PixelTree,
    options: &'a Options,
    scratch: &'a Scratch,
    records: &'a mut Records,
    contents: &'a mut ContentWriter<'p>,
    progress: &'a mut dyn Progress,
    /// Numbers of inodes with several names, by their numbers in the tree.
    links: Table<8, 8>,
}

impl Reader<'_, '_> {
    /// Enters what the walk found; tells whether to go into it.
    fn enter(&mut self, path: &[u8], attr: &Attr, dirs: &mut Vec<u64>) -> Result<bool> {
        let shown = Path::new(OsStr::from_bytes(path));
        let is_dir = attr.kind == FileKind::Directory;
        if self.options.excludes.matches(shown, is_dir) {
            return Ok(false);
        }
        self.progress.file(shown);
        let depth = path.iter().filter(|&&byte| byte == b'/').count();
        dirs.truncate(depth + 1);
        let parent = dirs.last().copied().unwrap_or(ROOT_INO);
        let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or(path);
        let known = self.number_of_link(attr)?;
        let ino = known.unwrap_or_else(|| self.records.take_ino());
        let data = self.data_of(path, attr, parent)?;
        self.records.link(parent, name, ino, &data)?;
        if known.is_some() {
            self.records.hard_link(ino)?;
            return Ok(false);
        }
        if self.is_linked(attr) {
            let number = ino.to_le_bytes();
            self.links.insert(&attr.ino.to_le_bytes(), &number).map_err(spill_error)?;
        }
        let (data, bytes) = match attr.kind {
            FileKind::Regular if attr.size > 0 => self.store(path, attr)?,
            _ => (data, FileBytes::default()),
        };
        self.record(ino, path, attr, data, bytes)?;
        if is_dir {
            dirs.push(ino);
        }
        Ok(is_dir)
    }

    fn is_linked(&self, attr: &Attr) -> bool {
        let keep = self.options.hard_links == HardLinks::Keep;
        keep && attr.nlink > 1 && attr.kind != FileKind::Directory
    }

    fn number_of_link(&mut self, attr: &Attr) -> Result<Option<u64>> {
        if !self.is_linked(attr) {
            return Ok(None);
        }
        let known = self.links.get(&attr.ino.to_le_bytes()).map_err(spill_error)?;
        Ok(known.map(u64::from_le_bytes))
    }

    /// What an inode is; the content of a file is not stored yet.
    fn data_of(&self, path: &[u8], attr: &Attr, parent: u64) -> Result<InodeData> {
        let (major, minor) = attr.rdev;
        Ok(match attr.kind {
            FileKind::Regular => InodeData::Regular(0),
            FileKind::Directory => InodeData::Directory { parent },
            FileKind::Symlink => {
                let target = self.tree.read_link(attr.ino);
                InodeData::Symlink(target.map_err(|error| from_tree(path, error))?)
            }
            FileKind::CharDevice => InodeData::CharDevice(major, minor),
            FileKind::BlockDevice => InodeData::BlockDevice(major, minor),
            FileKind::Fifo => InodeData::Fifo,
            FileKind::Socket => InodeData::Socket,
        })
    }

    fn record(
        &mut self,
        ino: u64,
        path: &[u8],
        attr: &Attr,
        data: InodeData,
        bytes: FileBytes,
    ) -> Result<()> {
        let meta = self.meta(path, attr)?;
        let (nlink, pixel_type) = match attr.kind {
            FileKind::Directory => (attr.nlink, self.area(path)),
            FileKind::Regular => {
                let kind = self.tree.pixel_type(attr.ino);
                (1, kind.map_err(|error| from_tree(path, error))?)
            }
            _ => (1, self.area(path)),
        };
        let new = NewInode { meta: &meta, nlink, bytes, pixel_type, data };
        self.records.inode(ino, new, self.contents)
    }

    fn area(&self, path: &[u8]) -> PixelType {
        PixelType::of_area(path.split(|&byte| byte == b'/').next().unwrap_or_default())
    }

    fn meta(&self, path: &[u8], attr: &Attr) -> Result<Meta> {
        let failed = |error| from_tree(path, error);
        let mut set = Vec::new();
        for name in self.tree.xattr_names(attr.ino).map_err(failed)? {
            if self.options.xattrs.wants(&name) {
                let value = self.tree.xattr(attr.ino, &name).map_err(failed)?;
                set.push((name, value));
            }
        }
        set.sort();
        let (uid, gid) = if self.options.all_root { (0, 0) } else { (attr.uid, attr.gid) };
        let mtime = (attr.mtime.secs, attr.mtime.nanos);
        Ok(Meta { perm: attr.perm, uid, gid, mtime, xattrs: XattrSet(set) })
    }

    /// Stores a file's content.
    fn store(&mut self, path: &[u8], attr: &Attr) -> Result<(InodeData, FileBytes)> {
        let size = attr.size;
        let expected = self.tree.pixel(attr.ino).map_err(|error| from_tree(path, error))?.sha256;
        let segments = self.segments(path, attr)?;
        let (tree, ino) = (self.tree, attr.ino);
        let mut fill = |at: u64, buf: &mut [u8]| read_exact(tree, ino, path, at, buf);
        if size <= self.contents.small_limit() {
            let bytes = FileBytes { size, allocated: allocated(&segments) };
            let small = SmallContent::read(size, segments, fill)?;
            compare(path, &small.digest, &expected)?;
            self.progress.bytes(size);
            return Ok((InodeData::Regular(self.contents.add_small(&small)?), bytes));
        }
        let file = self.scratch.file().map_err(spill_error)?;
        spool_segments(&segments, &file, &mut fill)?;
        let shown = Path::new(OsStr::from_bytes(path));
        let layout = Layout::Segments(segments);
        let large = LargeContent { file: &file, size, layout, path: shown };
        let stored = self.contents.add_large(&large, self.progress)?;
        compare(path, &stored.sha256, &expected)?;
        let bytes = FileBytes { size, allocated: stored.allocated };
        Ok((InodeData::Regular(stored.number), bytes))
    }

    /// The parts of a file that are no holes.
    fn segments(&self, path: &[u8], attr: &Attr) -> Result<Vec<(u64, u64)>> {
        if attr.blocks.saturating_mul(512) >= attr.size {
            return Ok(vec![(0, attr.size)]);
        }
        let mut segments = Vec::new();
        let mut at = 0;
        while at < attr.size {
            let start = match self.tree.seek(attr.ino, at, Seek::Data) {
                Ok(start) => start,
                Err(FsError::BeyondEnd) => break,
                Err(error) => return Err(from_tree(path, error)),
            };
            let end = self.tree.seek(attr.ino, start, Seek::Hole);
            let end = end.map_err(|error| from_tree(path, error))?.min(attr.size);
            if start < at || end <= start {
                let what = FsError::Corrupt("its holes contradict each other".into());
                return Err(from_tree(path, what));
            }
            segments.push((start, end - start));
            at = end;
        }
        Ok(segments)
    }
}

fn compare(path: &[u8], digest: &Digest, expected: &Digest) -> Result<()> {
    if digest == expected {
        return Ok(());
    }
    Err(from_tree(path, FsError::Corrupt("its content has not the SHA-256 of its pixel".into())))
}

fn read_exact(tree: &dyn PixelTree, ino: u64, path: &[u8], at: u64, buf: &mut [u8]) -> Result<()> {
    let mut done = 0;
    while done < buf.len() {
        match tree.read(ino, at + done as u64, &mut buf[done..]) {
            Ok(0) => {
                let found = at + done as u64;
                let (path, expected) = (OsStr::from_bytes(path).into(), at + buf.len() as u64);
                return Err(MkfsError::Shrank { path, expected, found });
            }
            Ok(read) => done += read,
            Err(error) => return Err(from_tree(path, error)),
        }
    }
    Ok(())
}
