//! What PixelFS shows beside the files: the xattrs `user.pxfs.*` of each file
//! and the directory `.pxfs` at the root.
//!
//! Both can be named but are not listed: a copy of the tree made with rsync or
//! tar is the tree, and nothing else.
//!
//! ```text
//! .pxfs/pixels/499602D2   content by id       .pxfs/desktop.png   a tile for each file
//! .pxfs/pixelfs.json      the tree as PixelFS knows it
//! .pxfs/stats.json        the medium and the caches, as they are now
//! .pxfs/worlds/NAME.png   the pictures that god pixels stand for, if there are any
//! ```

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

use super::desktop::draw_desktop;
use super::pixelfs_json::write_pixelfs_json;
use crate::fs::{
    Attr, DirEntry, FileKind, FsError, Ino, Pixel, PixelTree, ROOT_INO, Result, Seek, Time, Tree,
    TreeStat,
};

/// The xattrs that each file has, also where nothing has stored them.
pub const MADE_XATTRS: [&[u8]; 4] =
    [b"user.pxfs.id", b"user.pxfs.rgba", b"user.pxfs.sha256", b"user.pxfs.type"];

/// The name of the directory.
pub const HIDDEN_DIR: &[u8] = b".pxfs";

/// Inode numbers from here on are not the tree's own.
const OWN: Ino = 1 << 63;
const DIR: Ino = OWN + 1;
const PIXELS: Ino = OWN + 2;
const PIXELFS_JSON: Ino = OWN + 3;
const DESKTOP: Ino = OWN + 4;
const STATS: Ino = OWN + 5;
const WORLDS: Ino = OWN + 6;
/// A world's number is this and its place among the names.
const WORLD: Ino = OWN | 1 << 61;
/// A pixel's number is this and its id.
const PIXEL: Ino = OWN | 1 << 62;

/// In the order of their names; the worlds come last and only if there are any.
const FILES: [(&[u8], Ino, FileKind); 5] = [
    (b"desktop.png", DESKTOP, FileKind::Regular),
    (b"pixelfs.json", PIXELFS_JSON, FileKind::Regular),
    (b"pixels", PIXELS, FileKind::Directory),
    (b"stats.json", STATS, FileKind::Regular),
    (b"worlds", WORLDS, FileKind::Directory),
];

/// stats.json is always this long: its size must not change between a stat and
/// a read. Blanks fill it up.
const STATS_LEN: usize = 2048;

/// Pictures that pixels of the tree stand for.
pub trait Worlds: Send + Sync + std::fmt::Debug {
    /// Names of the pictures, in order.
    fn names(&self) -> Vec<String>;

    /// A picture, as a PNG; the same bytes each time.
    fn picture(&self, name: &str) -> Result<Vec<u8>>;
}

/// A tree of pixels with its hidden part.
#[derive(Debug)]
pub struct WithHidden {
    inner: Arc<dyn PixelTree>,
    /// Files that are made when they are first asked for.
    pixelfs_json: Mutex<Made>,
    desktop: Mutex<Made>,
    worlds: Option<Box<dyn Worlds>>,
    /// Names of the worlds, and the one that was looked at last.
    world_names: Vec<String>,
    last_world: Mutex<Option<(usize, Arc<Vec<u8>>)>>,
}

/// A file that is made once.
#[derive(Debug, Default)]
enum Made {
    #[default]
    NotYet,
    Ready(Arc<Vec<u8>>),
    /// It was found to be too large; to find that out again would take as long.
    TooLarge,
}

impl WithHidden {
    /// Adds the hidden part to a tree.
    pub fn new(inner: Arc<dyn PixelTree>) -> Self {
        Self {
            inner,
            pixelfs_json: Mutex::default(),
            desktop: Mutex::default(),
            worlds: None,
            world_names: Vec::new(),
            last_world: Mutex::default(),
        }
    }

    /// Shows worlds as well.
    #[must_use]
    pub fn with_worlds(mut self, worlds: Box<dyn Worlds>) -> Self {
        self.world_names = worlds.names();
        self.worlds = Some(worlds);
        self
    }

    /// What is in our directory.
    fn files(&self) -> &'static [(&'static [u8], Ino, FileKind)] {
        if self.worlds.is_some() { &FILES } else { &FILES[..FILES.len() - 1] }
    }

    fn world(&self, index: usize) -> Result<Arc<Vec<u8>>> {
        let name = self.world_names.get(index).ok_or(FsError::NotFound)?;
        let worlds = self.worlds.as_ref().ok_or(FsError::NotFound)?;
        let mut last = self.last_world.lock();
        match &*last {
            Some((known, png)) if *known == index => Ok(Arc::clone(png)),
            _ => {
                let png = Arc::new(worlds.picture(name)?);
                *last = Some((index, Arc::clone(&png)));
                Ok(png)
            }
        }
    }

    /// The tree without it.
    pub fn inner(&self) -> &dyn PixelTree {
        &*self.inner
    }

    /// The bytes of a file of ours.
    fn own_file(&self, ino: Ino) -> Result<Arc<Vec<u8>>> {
        match ino {
            PIXELFS_JSON => made_once(&self.pixelfs_json, || write_pixelfs_json(&*self.inner)),
            DESKTOP => made_once(&self.desktop, || draw_desktop(&*self.inner)),
            STATS => Ok(Arc::new(self.stats())),
            DIR | PIXELS | WORLDS => Err(FsError::IsADirectory(ino)),
            ino if ino & WORLD == WORLD => self.world((ino & !WORLD) as usize),
            _ => Err(FsError::NotFound),
        }
    }

    fn stats(&self) -> Vec<u8> {
        let mut text = format!("{:#}", self.inner.facts()).into_bytes();
        text.resize(STATS_LEN - 1, b' ');
        text.push(b'\n');
        text
    }

    fn own_attr(&self, ino: Ino) -> Result<Attr> {
        let root = self.inner.attr(ROOT_INO)?;
        let is_dir = matches!(ino, DIR | PIXELS | WORLDS);
        let size = match pixel_id(ino) {
            Some(id) => self.need_pixel(id)?.size,
            None if is_dir => 0,
            None => self.own_file(ino)?.len() as u64,
        };
        let mtime = if ino == STATS { now() } else { root.mtime };
        Ok(Attr {
            ino,
            kind: if is_dir { FileKind::Directory } else { FileKind::Regular },
            // Whoever may read the root may read what is said about it.
            perm: root.perm & 0o444 | if is_dir { root.perm & 0o111 } else { 0 },
            nlink: if is_dir { 2 } else { 1 },
            uid: root.uid,
            gid: root.gid,
            rdev: (0, 0),
            size,
            blocks: size.div_ceil(512),
            mtime,
            ctime: mtime,
        })
    }

    fn need_pixel(&self, id: [u8; 4]) -> Result<Pixel> {
        self.inner.pixel_by_id(id)?.ok_or(FsError::NotFound)
    }

    fn own_lookup(&self, dir: Ino, name: &[u8]) -> Result<Attr> {
        if dir == DIR {
            let found = self.files().iter().find(|(known, ..)| *known == name);
            return self.own_attr(found.ok_or(FsError::NotFound)?.1);
        }
        if dir == WORLDS {
            let index = self.world_names.iter().position(|known| known.as_bytes() == name);
            return self.own_attr(WORLD | index.ok_or(FsError::NotFound)? as Ino);
        }
        if dir == PIXELS {
            let id = parse_id(name).ok_or(FsError::NotFound)?;
            return self.own_attr(PIXEL | Ino::from(id));
        }
        Err(FsError::NotADirectory(dir))
    }

    fn own_read_dir(
        &self,
        dir: Ino,
        from: u64,
        visit: &mut dyn FnMut(DirEntry<'_>) -> bool,
    ) -> Result<()> {
        if dir == DIR {
            for (index, &(name, ino, kind)) in self.files().iter().enumerate().skip(from as usize) {
                if !visit(DirEntry { ino, kind, name, next: index as u64 + 1 }) {
                    break;
                }
            }
            return Ok(());
        }
        if dir == WORLDS {
            for (index, name) in self.world_names.iter().enumerate().skip(from as usize) {
                let (ino, name) = (WORLD | index as Ino, name.as_bytes());
                let (kind, next) = (FileKind::Regular, index as u64 + 1);
                if !visit(DirEntry { ino, kind, name, next }) {
                    break;
                }
            }
            return Ok(());
        }
        if dir != PIXELS {
            return Err(FsError::NotADirectory(dir));
        }
        // The position after an entry is its id and one: 0 is the start.
        let after = from.checked_sub(1).map(|id| (id as u32).to_be_bytes());
        self.inner.visit_ids(after, &mut |id| {
            let number = u32::from_be_bytes(id);
            let name = format!("{number:08X}");
            let (ino, next) = (PIXEL | Ino::from(number), u64::from(number) + 1);
            visit(DirEntry { ino, kind: FileKind::Regular, name: name.as_bytes(), next })
        })
    }

    /// An xattr of ours; `None` if the name is not one.
    fn own_xattr(&self, ino: Ino, name: &[u8]) -> Result<Option<Vec<u8>>> {
        let made = MADE_XATTRS.contains(&name).then_some(name);
        let Some(field) = made.and_then(|name| name.strip_prefix(b"user.pxfs.")) else {
            return Ok(None);
        };
        let is_own = ino & OWN != 0;
        if !is_own && self.inner.attr(ino)?.kind != FileKind::Regular {
            return Ok(None);
        }
        if field == b"type" {
            let name = if is_own { "data" } else { self.inner.pixel_type(ino)?.name() };
            return Ok(Some(name.into()));
        }
        let pixel = match pixel_id(ino) {
            Some(id) => Some(self.need_pixel(id)?),
            None if is_own => None,
            None => Some(self.inner.pixel(ino)?),
        };
        Ok(pixel.map(|pixel| match field {
            b"id" => Pixel::id_text(pixel.id).into(),
            b"rgba" => Pixel::rgba_text(pixel.id).into(),
            _ => crate::store::hex(&pixel.sha256).into(),
        }))
    }
}

fn made_once(slot: &Mutex<Made>, make: impl FnOnce() -> Result<Vec<u8>>) -> Result<Arc<Vec<u8>>> {
    use std::io::{Error, ErrorKind};
    let mut slot = slot.lock();
    match &*slot {
        Made::Ready(made) => return Ok(Arc::clone(made)),
        Made::TooLarge => return Err(Error::from(ErrorKind::FileTooLarge).into()),
        Made::NotYet => {}
    }
    match make() {
        Ok(made) => {
            let made = Arc::new(made);
            *slot = Made::Ready(Arc::clone(&made));
            Ok(made)
        }
        Err(error) => {
            if matches!(&error, FsError::Io(error) if error.kind() == ErrorKind::FileTooLarge) {
                *slot = Made::TooLarge;
            }
            Err(error)
        }
    }
}

fn pixel_id(ino: Ino) -> Option<[u8; 4]> {
    (ino & PIXEL == PIXEL).then(|| (ino as u32).to_be_bytes())
}

/// Eight hexadecimal digits, in either case, with or without `0x`.
fn parse_id(name: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(name).ok()?;
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let is_id = digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then(|| u32::from_str_radix(digits, 16).ok())?
}

fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time { secs: since.as_secs() as i64, nanos: since.subsec_nanos() }
}

impl Tree for WithHidden {
    fn lookup(&self, dir: Ino, name: &[u8]) -> Result<Attr> {
        if dir & OWN != 0 {
            return self.own_lookup(dir, name);
        }
        match self.inner.lookup(dir, name) {
            // A tree that has a file of that name keeps it.
            Err(FsError::NotFound) if dir == ROOT_INO && name == HIDDEN_DIR => self.own_attr(DIR),
            other => other,
        }
    }

    fn attr(&self, ino: Ino) -> Result<Attr> {
        if ino & OWN != 0 { self.own_attr(ino) } else { self.inner.attr(ino) }
    }

    fn parent(&self, dir: Ino) -> Result<Ino> {
        match dir {
            DIR => Ok(ROOT_INO),
            PIXELS | WORLDS => Ok(DIR),
            _ => self.inner.parent(dir),
        }
    }

    fn read_dir(
        &self,
        dir: Ino,
        from: u64,
        visit: &mut dyn FnMut(DirEntry<'_>) -> bool,
    ) -> Result<()> {
        if dir & OWN != 0 {
            return self.own_read_dir(dir, from, visit);
        }
        self.inner.read_dir(dir, from, visit)
    }

    fn read_link(&self, ino: Ino) -> Result<Vec<u8>> {
        self.inner.read_link(ino)
    }

    fn read(&self, ino: Ino, offset: u64, buf: &mut [u8]) -> Result<usize> {
        if ino & OWN == 0 {
            return self.inner.read(ino, offset, buf);
        }
        if let Some(id) = pixel_id(ino) {
            return self.inner.read_pixel(&self.need_pixel(id)?, offset, buf);
        }
        let file = self.own_file(ino)?;
        let rest = usize::try_from(offset).ok().and_then(|at| file.get(at..)).unwrap_or_default();
        let len = rest.len().min(buf.len());
        buf[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }

    fn seek(&self, ino: Ino, offset: u64, what: Seek) -> Result<u64> {
        if ino & OWN == 0 {
            return self.inner.seek(ino, offset, what);
        }
        let size = self.own_attr(ino)?.size;
        match what {
            _ if offset >= size => Err(FsError::BeyondEnd),
            Seek::Data => Ok(offset),
            Seek::Hole => Ok(size),
        }
    }

    fn xattr(&self, ino: Ino, name: &[u8]) -> Result<Vec<u8>> {
        let stored = match ino & OWN {
            0 => self.inner.xattr(ino, name),
            _ => Err(FsError::NoXattr),
        };
        match stored {
            Err(FsError::NoXattr) => self.own_xattr(ino, name)?.ok_or(FsError::NoXattr),
            other => other,
        }
    }

    fn xattr_names(&self, ino: Ino) -> Result<Vec<Vec<u8>>> {
        if ino & OWN == 0 { self.inner.xattr_names(ino) } else { Ok(Vec::new()) }
    }

    fn stat(&self) -> Result<TreeStat> {
        self.inner.stat()
    }

    fn cached_bytes(&self) -> u64 {
        self.inner.cached_bytes()
    }

    fn small_file(&self, ino: Ino, limit: u64, visit: &mut dyn FnMut(&[u8])) -> Result<()> {
        if ino & OWN == 0 { self.inner.small_file(ino, limit, visit) } else { Ok(()) }
    }

    fn around(&self, ino: Ino, offset: u64, visit: &mut dyn FnMut(u64, &[u8])) -> Result<()> {
        if ino & OWN == 0 { self.inner.around(ino, offset, visit) } else { Ok(()) }
    }

    fn warm_after(&self, ino: Ino) -> Result<()> {
        if ino & OWN == 0 { self.inner.warm_after(ino) } else { Ok(()) }
    }

    fn is_volatile(&self, ino: Ino) -> bool {
        ino == STATS
    }
}
