//! The three kinds of places, each with its lock, its changes and its tree.

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::error::{BuildError, Result};
use super::super::files::{Wait, lock, write_file};
use super::super::image::{ImageBuilder, open_volume};
use super::super::root::{Added, NewPath, RootBuilder};
use super::super::unpack::Silent;
use super::dir::DirPlace;
use super::{EditOptions, PlaceKind};
use crate::fs::{FileKind, PixelTree, Volume};
use crate::legacy::root::{
    DirFiles, PIXELFS, REGISTRY, Root, RootFiles as _, RootTree, files::read_whole,
};

/// A place of any kind.
#[derive(Debug)]
pub(super) enum Place {
    Picture(PicturePlace),
    Root(Box<RootPlace>),
    Directory(DirPlace),
}

impl Place {
    pub(super) fn open(path: &Path, options: &EditOptions) -> Result<Self> {
        let found = std::fs::metadata(path).map_err(BuildError::file(path))?;
        Ok(match found.is_dir() {
            true if path.join(PIXELFS).exists() => {
                Self::Root(Box::new(RootPlace::open(path, options)?))
            }
            true => Self::Directory(DirPlace::open(path)?),
            false => Self::Picture(PicturePlace::open(path, options)?),
        })
    }

    pub(super) fn kind(&self) -> PlaceKind {
        match self {
            Self::Picture(_) => PlaceKind::Picture,
            Self::Root(_) => PlaceKind::Root,
            Self::Directory(_) => PlaceKind::Directory,
        }
    }

    pub(super) fn tree(&self) -> Arc<dyn PixelTree> {
        match self {
            Self::Picture(place) => place.tree(),
            Self::Root(place) => Arc::clone(&place.tree) as Arc<dyn PixelTree>,
            Self::Directory(place) => place.tree(),
        }
    }

    pub(super) fn begin(&mut self, options: &EditOptions) -> Result<()> {
        match self {
            Self::Picture(place) => place.begin(options),
            Self::Root(place) => place.begin(options),
            Self::Directory(place) => {
                if place.lock.is_none() {
                    place.lock = Some(lock(&place.path, Wait::Within(options.wait))?);
                }
                Ok(())
            }
        }
    }

    pub(super) fn refresh(&mut self, options: &EditOptions) -> Result<bool> {
        match self {
            Self::Picture(place) => place.refresh(options),
            Self::Root(place) => place.refresh(options),
            Self::Directory(_) => Ok(false),
        }
    }

    pub(super) fn write(&mut self, new: &NewPath, bytes: &[u8]) -> Result<Added> {
        match self {
            Self::Picture(place) => place.builder()?.add_bytes(new, bytes.into()),
            Self::Root(place) => place.write(new, bytes),
            Self::Directory(place) => place.write(new, bytes),
        }
    }

    pub(super) fn remove(&mut self, path: &str, kind: FileKind) -> Result<()> {
        match self {
            Self::Picture(place) => place.builder()?.remove(&[path.to_owned()], true).map(drop),
            Self::Root(place) => place.change(|root| root.remove(&[path.to_owned()], true, true)),
            Self::Directory(place) => place.remove(path, kind),
        }
    }

    pub(super) fn rename(&mut self, old: &str, new: &str) -> Result<()> {
        match self {
            Self::Picture(place) => place.builder()?.rename(old, new).map(drop),
            Self::Root(place) => place.change(|root| root.rename(old, new)),
            Self::Directory(place) => place.rename(old, new),
        }
    }

    pub(super) fn make_dir(&mut self, path: &str) -> Result<()> {
        match self {
            Self::Picture(place) => place.builder()?.make_dir(path),
            Self::Root(_) => Err(BuildError::refused(format!(
                "{path:?}: a directory of a pxOS root is there when a file is in it"
            ))),
            Self::Directory(place) => place.make_dir(path),
        }
    }

    pub(super) fn save(&mut self, options: &EditOptions) -> Result<()> {
        match self {
            Self::Picture(place) => place.save(options),
            Self::Root(place) => {
                place.builder = None;
                Ok(())
            }
            Self::Directory(place) => {
                place.lock = None;
                Ok(())
            }
        }
    }

    pub(super) fn discard(&mut self) {
        match self {
            Self::Picture(place) => place.builder = None,
            Self::Root(place) => place.builder = None,
            Self::Directory(place) => place.lock = None,
        }
    }
}

/// What tells whether a file is another than before.
type Stamp = Option<(u64, u64, u64, i64, i64)>;

fn stamp(path: &Path) -> Stamp {
    let found = std::fs::metadata(path).ok()?;
    Some((found.dev(), found.ino(), found.len(), found.ctime(), found.ctime_nsec()))
}

/// A picture.
#[derive(Debug)]
pub(super) struct PicturePlace {
    path: PathBuf,
    /// The file that `volume` reads, as it was opened.
    stamp: Stamp,
    volume: Arc<Volume>,
    /// While it is changed.
    builder: Option<ImageBuilder>,
}

impl PicturePlace {
    fn open(path: &Path, options: &EditOptions) -> Result<Self> {
        let path = path.canonicalize().map_err(BuildError::file(path))?;
        let stamp = stamp(&path);
        let volume = Arc::new(open_named(&path, options)?);
        Ok(Self { path, stamp, volume, builder: None })
    }

    fn tree(&self) -> Arc<dyn PixelTree> {
        match &self.builder {
            Some(builder) => Arc::clone(&builder.tree) as Arc<dyn PixelTree>,
            None => Arc::clone(&self.volume) as Arc<dyn PixelTree>,
        }
    }

    fn begin(&mut self, options: &EditOptions) -> Result<()> {
        if self.builder.is_none() {
            let wait = Wait::Within(options.wait);
            self.builder = Some(ImageBuilder::open_within(&self.path, options.mem, wait)?);
        }
        Ok(())
    }

    /// The picture that `begin` opened.
    fn builder(&mut self) -> Result<&mut ImageBuilder> {
        self.builder.as_mut().ok_or_else(|| BuildError::refused("no change has begun"))
    }

    fn refresh(&mut self, options: &EditOptions) -> Result<bool> {
        let now = stamp(&self.path);
        if self.builder.is_some() || now == self.stamp {
            return Ok(false);
        }
        self.volume = Arc::new(open_named(&self.path, options)?);
        self.stamp = now;
        Ok(true)
    }

    fn save(&mut self, options: &EditOptions) -> Result<()> {
        let Some(builder) = &self.builder else { return Ok(()) };
        if builder.is_changed() {
            builder.write(options.threads, &mut Silent)?;
        }
        self.builder = None;
        self.refresh(options).map(drop)
    }
}

fn open_named(path: &Path, options: &EditOptions) -> Result<Volume> {
    // What is no file (a fifo would keep whoever opens it waiting) is no picture.
    let found = std::fs::metadata(path).map_err(BuildError::file(path))?;
    if !found.is_file() {
        let shown = path.display();
        let sentence = format!("{shown}: is neither a picture nor a directory");
        return Err(BuildError::refused(sentence));
    }
    open_volume(path, File::open(path).map_err(BuildError::file(path))?, options.mem)
}

/// A pxOS root.
#[derive(Debug)]
pub(super) struct RootPlace {
    path: PathBuf,
    stamps: [Stamp; 2],
    tree: Arc<RootTree>,
    mem: u64,
    /// While it is changed.
    builder: Option<RootBuilder>,
}

impl RootPlace {
    fn open(path: &Path, options: &EditOptions) -> Result<Self> {
        let path = path.canonicalize().map_err(BuildError::file(path))?;
        let stamps = root_stamps(&path);
        let tree = open_root(&path, options.mem)?;
        Ok(Self { path, stamps, tree, mem: options.mem, builder: None })
    }

    fn begin(&mut self, options: &EditOptions) -> Result<()> {
        if self.builder.is_none() {
            let wait = Wait::Within(options.wait);
            let builder = RootBuilder::open_within(&self.path, wait)?;
            self.refresh(options)?;
            self.builder = Some(builder);
        }
        Ok(())
    }

    fn refresh(&mut self, options: &EditOptions) -> Result<bool> {
        let now = root_stamps(&self.path);
        if self.builder.is_some() || now == self.stamps {
            return Ok(false);
        }
        self.tree = open_root(&self.path, options.mem)?;
        self.stamps = now;
        Ok(true)
    }

    /// Makes a change, and takes up what it made of the root.
    fn change<T>(&mut self, change: impl FnOnce(&mut RootBuilder) -> Result<T>) -> Result<()> {
        let refused = || BuildError::refused("no change has begun");
        change(self.builder.as_mut().ok_or_else(refused)?)?;
        let stamps = root_stamps(&self.path);
        self.tree = open_root(&self.path, self.mem)?;
        self.stamps = stamps;
        Ok(())
    }

    /// Writes a path. A content that no path leads to any more goes away, or each
    /// version of a file that is written often would stay for ever.
    fn write(&mut self, new: &NewPath, bytes: &[u8]) -> Result<Added> {
        let mut done = None;
        self.change(|root| {
            let old = root.path(&new.path).map(|old| old.id);
            let added = root.add_bytes(new, bytes)?;
            if let Some(old) = old.filter(|old| *old != added.id) {
                root.purge(&[old].into())?;
            }
            done = Some(added);
            Ok(())
        })?;
        done.ok_or_else(|| BuildError::refused("nothing was written"))
    }

    pub(super) fn read_beside(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let failed = || BuildError::file(self.path.join(name));
        let files = DirFiles::open(&self.path).map_err(failed())?;
        match files.open(name) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            file => Ok(Some(read_whole(&*file.map_err(failed())?, limit).map_err(failed())?)),
        }
    }

    pub(super) fn write_beside(&self, name: &str, bytes: &[u8]) -> Result<()> {
        write_file(&self.path, name, bytes)
    }

    pub(super) fn remove_beside(&self, name: &str) -> Result<bool> {
        let path = self.path.join(name);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            done => done.map(|()| true).map_err(BuildError::file(&path)),
        }
    }
}

fn root_stamps(path: &Path) -> [Stamp; 2] {
    [PIXELFS, REGISTRY].map(|name| stamp(&path.join(name)))
}

fn open_root(path: &Path, mem: u64) -> Result<Arc<RootTree>> {
    let files = DirFiles::open(path).map_err(BuildError::file(path))?;
    Ok(Arc::new(RootTree::new(Root::read(Arc::new(files))?, mem)))
}
