//! A plain directory of this machine as a tree of pixels.
//!
//! Every path is opened by the kernel from the directory itself, with links refused
//! (openat2), so no link swapped in meanwhile leads out; links are followed by
//! whoever walks the tree, and end at its root as in a picture.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use lru::LruCache;
use parking_lot::Mutex;
use rustix::fs::{AtFlags, Dir, FileType, OFlags, Stat};
use rustix::io::Errno;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::format::{Digest, EMPTY_ID, PixelId, PixelType, is_valid_name};
use crate::fs::{
    Attr, DirEntry, FileKind, FsError, Ino, Pixel, PixelTree, ROOT_INO, Result, Seek, Step, Time,
    Tree, TreeStat, walk,
};
use crate::legacy::beneath::{self, Outside};

/// Names that are remembered under their numbers.
const MAX_NODES: usize = 4 << 20;
/// Names that a directory may have to be listed.
const MAX_NAMES: usize = 1 << 20;
/// Digests that are kept.
const MAX_DIGESTS: usize = 1 << 14;
/// Files, and bytes of them, that are hashed to find the one with an id.
const MAX_HASHED_FILES: usize = 100_000;
const MAX_HASHED: u64 = 1 << 30;
/// Bytes hashed at a time.
const PIECE: usize = 1 << 18;
/// The longest attribute.
const MAX_XATTR: usize = 1 << 16;

/// The attribute with a file's type.
pub(super) const TYPE: &str = "user.pxfs.type";

/// A directory of this machine.
#[derive(Debug)]
pub struct DirTree {
    root: Arc<File>,
    nodes: Mutex<Nodes>,
    digests: Mutex<LruCache<Version, Digest>>,
    /// The directory that was listed last: what is read of it in parts is one listing.
    listed: Mutex<Option<(Ino, Arc<Listing>)>>,
}

type Listing = Vec<(Vec<u8>, FileKind)>;

/// A file and its version: device, number, size, times of change.
type Version = (u64, u64, u64, i64, u64);

/// Names that were seen, and their numbers.
#[derive(Debug, Default)]
struct Nodes {
    /// Index: inode number less two. The directory that a name is in, and the name.
    places: Vec<(Ino, Box<[u8]>)>,
    numbers: HashMap<(Ino, Box<[u8]>), Ino>,
}

impl DirTree {
    /// Opens the directory at `path`.
    ///
    /// # Errors
    /// When it cannot be opened or is no directory.
    pub fn open(path: &Path) -> io::Result<Self> {
        let root = File::open(path)?;
        if !root.metadata()?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Self::of(Arc::new(root)))
    }

    /// The tree of an open directory.
    pub(super) fn of(root: Arc<File>) -> Self {
        let kept = std::num::NonZeroUsize::new(MAX_DIGESTS).unwrap_or(std::num::NonZeroUsize::MIN);
        Self {
            root,
            nodes: Mutex::default(),
            digests: Mutex::new(LruCache::new(kept)),
            listed: Mutex::default(),
        }
    }

    /// The number of a name in a directory.
    fn number(&self, dir: Ino, name: &[u8]) -> Result<Ino> {
        let key = (dir, Box::from(name));
        let mut nodes = self.nodes.lock();
        if let Some(ino) = nodes.numbers.get(&key) {
            return Ok(*ino);
        }
        if nodes.places.len() >= MAX_NODES {
            return Err(too_many("names were looked up"));
        }
        nodes.places.push(key.clone());
        let ino = nodes.places.len() as Ino + 1;
        nodes.numbers.insert(key, ino);
        Ok(ino)
    }

    /// Where a number is: the directory and the name.
    fn place(&self, ino: Ino) -> Result<(Ino, Box<[u8]>)> {
        let index = ino.checked_sub(2).and_then(|index| usize::try_from(index).ok());
        let nodes = self.nodes.lock();
        index.and_then(|index| nodes.places.get(index).cloned()).ok_or(FsError::NotFound)
    }

    /// The path of a number, from the directory.
    fn path(&self, mut ino: Ino) -> Result<Vec<u8>> {
        let mut names = Vec::new();
        while ino != ROOT_INO {
            let (dir, name) = self.place(ino)?;
            names.push(name);
            ino = dir;
        }
        names.reverse();
        let path = names.join(&b'/');
        Ok(if path.is_empty() { b".".to_vec() } else { path })
    }

    fn open_any(&self, ino: Ino, flags: OFlags) -> Result<OwnedFd> {
        let path = self.path(ino)?;
        beneath::open_any(&self.root, &*path, Outside::NoLinks, flags).map_err(failed)
    }

    /// Opens a directory, or a regular file.
    fn open_data(&self, ino: Ino) -> Result<(File, Stat)> {
        // NONBLOCK: opening a fifo must not wait for a writer.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW;
        let file = File::from(self.open_any(ino, flags)?);
        let stat = rustix::fs::fstat(&file).map_err(io::Error::from)?;
        Ok((file, stat))
    }

    fn open_file(&self, ino: Ino) -> Result<(File, Stat)> {
        let (file, stat) = self.open_data(ino)?;
        match FileKind::from_mode(stat.st_mode) {
            Some(FileKind::Regular) => Ok((file, stat)),
            Some(FileKind::Directory) => Err(FsError::IsADirectory(ino)),
            _ => Err(FsError::WrongType(ino, "is not a regular file")),
        }
    }

    /// The names in a directory, in order.
    fn listing(&self, dir: Ino) -> Result<Arc<Listing>> {
        let file = self.open_any(dir, OFlags::RDONLY | OFlags::DIRECTORY).map_err(|e| match e {
            FsError::NotADirectory(_) => FsError::NotADirectory(dir),
            other => other,
        })?;
        let mut names = Vec::new();
        for entry in Dir::read_from(&file).map_err(io::Error::from)? {
            let entry = entry.map_err(io::Error::from)?;
            let name = entry.file_name().to_bytes();
            if !is_valid_name(name) {
                continue;
            }
            let mut kind = entry.file_type();
            if kind == FileType::Unknown {
                let found = rustix::fs::statat(&file, name, AtFlags::SYMLINK_NOFOLLOW);
                kind = found.map_or(kind, |stat| FileType::from_raw_mode(stat.st_mode));
            }
            // What went away meanwhile, or is of no known type, is not there.
            if let Some(kind) = FileKind::from_mode(kind.as_raw_mode()) {
                names.push((name.to_vec(), kind));
            }
            if names.len() > MAX_NAMES {
                return Err(too_many("names are in one directory"));
            }
        }
        names.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        Ok(Arc::new(names))
    }

    /// The SHA-256 of a file, computed unless this very version of it was hashed before.
    fn digest(&self, file: &File, stat: &Stat) -> Result<Digest> {
        let version = version(stat);
        if let Some(digest) = self.digests.lock().get(&version) {
            return Ok(*digest);
        }
        let (mut hasher, mut at, mut piece) = (Sha256::new(), 0, vec![0; PIECE]);
        let size = stat.st_size as u64;
        // One that grows while it is read has an end all the same.
        while at < size {
            let most = piece.len().min((size - at) as usize);
            match file.read_at(&mut piece[..most], at)? {
                0 => break,
                read => {
                    hasher.update(&piece[..read]);
                    at += read as u64;
                }
            }
        }
        let digest = hasher.finalize().into();
        self.digests.lock().put(version, digest);
        Ok(digest)
    }

    fn pixel_of(&self, ino: Ino, file: &File, stat: &Stat) -> Result<Pixel> {
        if stat.st_size == 0 {
            return Ok(Pixel::EMPTY);
        }
        let sha256 = self.digest(file, stat)?;
        let id = [sha256[0], sha256[1], sha256[2], sha256[3]];
        Ok(Pixel { id, sha256, size: stat.st_size as u64, number: ino })
    }

    /// The pixels of all files, by id. (Of several with one id the first by path:
    /// nothing here says which one has the next bytes of its digest as its id.)
    fn pixels(&self) -> Result<BTreeMap<PixelId, Pixel>> {
        let (mut pixels, mut left) = (BTreeMap::new(), MAX_HASHED);
        walk(self, ROOT_INO, &mut |step| {
            let Step::Entry(_, attr) = step else { return Ok(true) };
            if attr.kind != FileKind::Regular {
                return Ok(true);
            }
            left = left.checked_sub(attr.size).ok_or_else(|| {
                too_many("bytes would be read to find a pixel by its id; ask by path")
            })?;
            // A file that may not be read has no pixel here.
            let Ok((file, stat)) = self.open_file(attr.ino) else { return Ok(true) };
            let pixel = self.pixel_of(attr.ino, &file, &stat)?;
            pixels.entry(pixel.id).or_insert(pixel);
            match pixels.len() > MAX_HASHED_FILES {
                true => Err(too_many("files would be read to find a pixel by its id")),
                false => Ok(true),
            }
        })?;
        Ok(pixels)
    }
}

fn too_many(what: &str) -> FsError {
    FsError::Io(io::Error::other(format!("too many {what}")))
}

/// A path that is not there any more, or leads over a link, has nothing.
fn failed(error: io::Error) -> FsError {
    match Errno::from_io_error(&error) {
        Some(Errno::NOENT | Errno::LOOP) => FsError::NotFound,
        Some(Errno::NOTDIR) => FsError::NotADirectory(0),
        _ => FsError::Io(error),
    }
}

fn version(stat: &Stat) -> Version {
    (stat.st_dev, stat.st_ino, stat.st_size as u64, stat.st_ctime, stat.st_ctime_nsec)
}

fn attr_of(ino: Ino, stat: &Stat) -> Result<Attr> {
    let kind =
        FileKind::from_mode(stat.st_mode).ok_or(FsError::WrongType(ino, "is of no known type"))?;
    let rdev = match kind {
        FileKind::CharDevice | FileKind::BlockDevice => {
            (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev))
        }
        _ => (0, 0),
    };
    Ok(Attr {
        ino,
        kind,
        perm: stat.st_mode & 0o7777,
        nlink: u32::try_from(stat.st_nlink).unwrap_or(u32::MAX),
        uid: stat.st_uid,
        gid: stat.st_gid,
        rdev,
        size: stat.st_size as u64,
        blocks: stat.st_blocks as u64,
        mtime: Time { secs: stat.st_mtime, nanos: stat.st_mtime_nsec as u32 },
        ctime: Time { secs: stat.st_ctime, nanos: stat.st_ctime_nsec as u32 },
    })
}

impl Tree for DirTree {
    fn lookup(&self, dir: Ino, name: &[u8]) -> Result<Attr> {
        if !is_valid_name(name) {
            return Err(FsError::NotFound);
        }
        let parent = self.open_any(dir, OFlags::PATH | OFlags::DIRECTORY)?;
        let stat = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW);
        let stat = stat.map_err(|error| failed(error.into()))?;
        attr_of(self.number(dir, name)?, &stat)
    }

    fn attr(&self, ino: Ino) -> Result<Attr> {
        let file = self.open_any(ino, OFlags::PATH | OFlags::NOFOLLOW)?;
        attr_of(ino, &rustix::fs::fstat(file).map_err(io::Error::from)?)
    }

    fn parent(&self, dir: Ino) -> Result<Ino> {
        match self.attr(dir)?.kind {
            FileKind::Directory if dir == ROOT_INO => Ok(ROOT_INO),
            FileKind::Directory => Ok(self.place(dir)?.0),
            _ => Err(FsError::NotADirectory(dir)),
        }
    }

    fn read_dir(
        &self,
        dir: Ino,
        from: u64,
        visit: &mut dyn FnMut(DirEntry<'_>) -> bool,
    ) -> Result<()> {
        let kept = self.listed.lock().clone().filter(|(listed, _)| from > 0 && *listed == dir);
        let names = match kept {
            Some((_, names)) => names,
            None => {
                let names = self.listing(dir)?;
                *self.listed.lock() = Some((dir, Arc::clone(&names)));
                names
            }
        };
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        for (index, (name, kind)) in names.iter().enumerate().skip(from) {
            let ino = self.number(dir, name)?;
            if !visit(DirEntry { ino, kind: *kind, name, next: index as u64 + 1 }) {
                break;
            }
        }
        Ok(())
    }

    fn read_link(&self, ino: Ino) -> Result<Vec<u8>> {
        let file = self.open_any(ino, OFlags::PATH | OFlags::NOFOLLOW)?;
        match rustix::fs::readlinkat(file, "", Vec::new()) {
            Ok(target) => Ok(target.into_bytes()),
            Err(Errno::NOENT | Errno::INVAL) => {
                Err(FsError::WrongType(ino, "is not a symbolic link"))
            }
            Err(error) => Err(failed(error.into())),
        }
    }

    fn read(&self, ino: Ino, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let (file, _) = self.open_file(ino)?;
        let mut done = 0;
        while done < buf.len() {
            match file.read_at(&mut buf[done..], offset.saturating_add(done as u64)) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(done)
    }

    fn seek(&self, ino: Ino, offset: u64, what: Seek) -> Result<u64> {
        let size = self.open_file(ino)?.1.st_size as u64;
        match what {
            _ if offset >= size => Err(FsError::BeyondEnd),
            Seek::Data => Ok(offset),
            Seek::Hole => Ok(size),
        }
    }

    fn xattr(&self, ino: Ino, name: &[u8]) -> Result<Vec<u8>> {
        // What cannot be opened to be read (links, devices) has none here.
        let Ok((file, _)) = self.open_data(ino) else { return Err(FsError::NoXattr) };
        let mut value = vec![0; MAX_XATTR];
        match rustix::fs::fgetxattr(file, name, &mut value[..]) {
            Ok(len) => {
                value.truncate(len);
                Ok(value)
            }
            Err(_) => Err(FsError::NoXattr),
        }
    }

    fn xattr_names(&self, ino: Ino) -> Result<Vec<Vec<u8>>> {
        let Ok((file, _)) = self.open_data(ino) else { return Ok(Vec::new()) };
        let mut list = vec![0u8; MAX_XATTR];
        let len = rustix::fs::flistxattr(file, &mut list[..]).unwrap_or(0);
        let names = list[..len].split(|byte| *byte == 0).filter(|name| !name.is_empty());
        Ok(names.map(<[u8]>::to_vec).collect())
    }

    fn stat(&self) -> Result<TreeStat> {
        let stat = rustix::fs::fstatvfs(&self.root).map_err(io::Error::from)?;
        Ok(TreeStat {
            total_bytes: stat.f_blocks.saturating_mul(stat.f_frsize),
            free_bytes: stat.f_bavail.saturating_mul(stat.f_frsize),
            inodes: stat.f_files,
        })
    }

    fn is_volatile(&self, _ino: Ino) -> bool {
        true
    }
}

impl PixelTree for DirTree {
    fn pixel(&self, ino: Ino) -> Result<Pixel> {
        let (file, stat) = self.open_file(ino)?;
        self.pixel_of(ino, &file, &stat)
    }

    fn pixel_type(&self, ino: Ino) -> Result<PixelType> {
        let said = self.xattr(ino, TYPE.as_bytes()).unwrap_or_default();
        let known = PixelType::ALL.into_iter().find(|(_, name)| name.as_bytes() == said);
        if let Some((kind, _)) = known {
            return Ok(kind);
        }
        let path = self.path(ino)?;
        let area = path.split(|byte| *byte == b'/').next().filter(|area| *area != path);
        Ok(PixelType::of_area(area.unwrap_or_default()))
    }

    fn pixel_by_id(&self, id: PixelId) -> Result<Option<Pixel>> {
        if id == EMPTY_ID {
            return Ok(Some(Pixel::EMPTY));
        }
        Ok(self.pixels()?.remove(&id))
    }

    fn read_pixel(&self, pixel: &Pixel, offset: u64, buf: &mut [u8]) -> Result<usize> {
        match pixel.size {
            0 => Ok(0),
            _ => self.read(pixel.number, offset, buf),
        }
    }

    fn visit_ids(
        &self,
        after: Option<PixelId>,
        visit: &mut dyn FnMut(PixelId) -> bool,
    ) -> Result<()> {
        let is_later = |id: &PixelId| after.is_none_or(|after| *id > after);
        for id in self.pixels()?.into_keys().filter(is_later) {
            if !visit(id) {
                break;
            }
        }
        Ok(())
    }

    fn facts(&self) -> serde_json::Value {
        json!({ "container": "directory" })
    }
}
