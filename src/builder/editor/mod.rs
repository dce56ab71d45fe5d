//! One place that is changed: a picture, a pxOS root or a plain directory.
//!
//! In: paths from `/` and bytes. Out: the changed place, and its tree. Never: a
//! file outside of it, whatever a path or a link says.
//!
//! ```no_run
//! # fn main() -> pxfs::builder::Result<()> {
//! use pxfs::builder::{EditOptions, Editor};
//! let mut editor = Editor::open("world.png".as_ref(), &EditOptions::default())?;
//! editor.begin()?; // from here on nobody else changes it
//! let old = editor.read("/notes.txt", 1 << 20)?.unwrap_or_default();
//! editor.write("/notes.txt", &[&old[..], b"more\n"].concat(), None, None)?;
//! editor.save()?; // on the disk, and free for others
//! # Ok(())
//! # }
//! ```
//!
//! The first change (or [`Editor::begin`]) locks the place and takes up what others
//! saved before; [`Editor::save`] and [`Editor::discard`] let it go. Whoever waits too
//! long for another gets one sentence. A picture's changes are staged, and all appear
//! at once with `save`; those of a root or directory appear one by one, each whole.

mod dir;
mod dir_tree;
mod place;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::error::{BuildError, Result};
use super::root::{Added, NewPath, bad_path};
use crate::format::PixelType;
use crate::fs::{Attr, FileKind, FsError, PixelTree, Tree, resolve};
use crate::legacy::root::{DESCRIPTION, REQUIRES, root_path};
use place::Place;

pub use dir_tree::DirTree;

/// The directory of a picture that has the files beside a root it was made of.
const BESIDE: &str = super::import::COMPANIONS;

/// How a place is opened.
#[derive(Debug, Clone)]
pub struct EditOptions {
    /// Bytes of memory for reading it.
    pub mem: u64,
    /// Threads that work when a picture is made anew.
    pub threads: usize,
    /// How long others who change it are waited for.
    pub wait: Duration,
    /// Bytes that one change may have, and all staged changes of a picture together.
    pub most: u64,
}

impl Default for EditOptions {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self { mem: 256 << 20, threads, wait: Duration::from_secs(30), most: 256 << 20 }
    }
}

/// What kind of place is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaceKind {
    /// A picture: changes are staged, `save` makes it anew.
    Picture,
    /// A pxOS root: each change is on the disk when it returns.
    Root,
    /// A directory: each change is on the disk when it returns.
    Directory,
}

/// A place that can be changed.
#[derive(Debug)]
pub struct Editor {
    place: Place,
    options: EditOptions,
    /// Bytes that are staged.
    staged: u64,
}

impl Editor {
    /// Opens the picture, pxOS root or directory at `path`. Nothing is locked yet.
    ///
    /// # Errors
    /// When it is none of them, or cannot be read.
    pub fn open(path: &Path, options: &EditOptions) -> Result<Self> {
        Ok(Self { place: Place::open(path, options)?, options: options.clone(), staged: 0 })
    }

    /// What kind of place it is.
    pub fn kind(&self) -> PlaceKind {
        self.place.kind()
    }

    /// The files as they are, with the staged changes. What is given out stays as it
    /// is when more is changed (but for a directory, which is always seen as it is).
    pub fn tree(&self) -> Arc<dyn PixelTree> {
        self.place.tree()
    }

    /// Reads a file, links within the place followed; `None` if there is none.
    ///
    /// # Errors
    /// When it is no regular file, has more than `limit` bytes, or cannot be read.
    pub fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        read_whole(&*self.tree(), path, limit)
    }

    /// Locks the place until `save` or `discard`, and takes up what others changed
    /// since it was opened: what is read from here on is what is changed.
    ///
    /// # Errors
    /// When another has it for too long, or it cannot be read any more.
    pub fn begin(&mut self) -> Result<()> {
        self.place.begin(&self.options)
    }

    /// Takes up what others saved meanwhile, without a lock; tells whether there
    /// was something. While changes are open there is nothing.
    ///
    /// # Errors
    /// When it cannot be read any more; what was read before stays.
    pub fn refresh(&mut self) -> Result<bool> {
        self.place.refresh(&self.options)
    }

    /// Writes a file, in place of the one that is there; directories on the way are
    /// made. Type and description stay if they are not given, those of a new file are
    /// by its place (`/models/x` is a model) and none.
    ///
    /// # Errors
    /// When the path can be none, something else is there, a link is on the way, or
    /// it is too much; nothing is changed then.
    pub fn write(
        &mut self,
        path: &str,
        bytes: &[u8],
        kind: Option<PixelType>,
        description: Option<&str>,
    ) -> Result<Added> {
        check_path(path)?;
        let staged = match self.kind() {
            PlaceKind::Picture => self.staged,
            _ => 0,
        };
        let staged = staged.saturating_add(bytes.len() as u64);
        if staged > self.options.most {
            let (len, most) = (bytes.len(), self.options.most);
            let sentence = format!("{path:?}: {len} bytes are too many, {most} at a time are not");
            return Err(BuildError::refused(sentence));
        }
        self.begin()?;
        let tree = self.tree();
        let old = self.at(&*tree, path)?;
        let new = NewPath {
            path: path.to_owned(),
            kind: kind.or_else(|| Some(self.kind_of(&*tree, old.as_ref(), path))),
            description: description
                .map(str::to_owned)
                .or_else(|| text_of(&*tree, old.as_ref(), DESCRIPTION)),
            requires: text_of(&*tree, old.as_ref(), REQUIRES)
                .map(|text| text.lines().map(str::to_owned).collect())
                .unwrap_or_default(),
            original_path: None,
            replace: true,
        };
        let added = self.place.write(&new, bytes)?;
        self.staged = staged;
        Ok(added)
    }

    /// What is at a path to be.
    fn at(&self, tree: &dyn PixelTree, path: &str) -> Result<Option<Attr>> {
        match resolve(tree, path.as_bytes(), false) {
            Ok(found) => Ok(Some(found)),
            Err(FsError::NotFound) => Ok(None),
            // A directory says itself what is on the way, a file or a link.
            Err(FsError::NotADirectory(_)) if self.kind() == PlaceKind::Directory => Ok(None),
            Err(FsError::NotADirectory(_)) => {
                Err(BuildError::refused(format!("{path:?} cannot be: a file is on the way")))
            }
            Err(error) => Err(in_tree(path)(error)),
        }
    }

    fn kind_of(&self, tree: &dyn PixelTree, old: Option<&Attr>, path: &str) -> PixelType {
        let old = old.filter(|old| old.kind == FileKind::Regular);
        let known = old.and_then(|old| tree.pixel_type(old.ino).ok());
        let area = path.split('/').nth(1).unwrap_or_default();
        known.unwrap_or_else(|| PixelType::of_area(area.as_bytes()))
    }

    /// Removes a file, or a directory: with what is in it only if `recursive`.
    ///
    /// # Errors
    /// When there is no such thing, or the directory is not empty.
    pub fn remove(&mut self, path: &str, recursive: bool) -> Result<()> {
        check_path(path)?;
        self.begin()?;
        let tree = self.tree();
        let found = resolve(&*tree, path.as_bytes(), false).map_err(in_tree(path))?;
        if found.kind == FileKind::Directory && !recursive && !is_empty(&*tree, &found, path)? {
            return Err(BuildError::refused(format!("{path:?} is a directory that is not empty")));
        }
        self.place.remove(path, found.kind)
    }

    /// Gives a file or directory another path; directories on the way are made.
    ///
    /// # Errors
    /// When there is no such thing, or something is at the new path.
    pub fn rename(&mut self, old: &str, new: &str) -> Result<()> {
        check_path(old)?;
        check_path(new)?;
        if super::root::is_below(new, old) {
            return Err(BuildError::refused(format!("{new:?} lies in {old:?} itself")));
        }
        self.begin()?;
        let tree = self.tree();
        resolve(&*tree, old.as_bytes(), false).map_err(in_tree(old))?;
        match self.at(&*tree, new)? {
            None => self.place.rename(old, new),
            Some(_) => Err(BuildError::refused(format!("{new:?} is there already"))),
        }
    }

    /// Makes a directory, with those it lies in; one that is there is fine.
    ///
    /// # Errors
    /// When something else is there; in a root, where a directory is there when a
    /// file is in it.
    pub fn make_dir(&mut self, path: &str) -> Result<()> {
        check_path(path)?;
        self.begin()?;
        self.place.make_dir(path)
    }

    /// Ends the changes: all of them are on the disk when this returns, and others
    /// may make theirs.
    ///
    /// # Errors
    /// When a picture cannot be written: the old one is there as it was, the changes
    /// stay staged, and `save` may be called again, or `discard`.
    pub fn save(&mut self) -> Result<()> {
        self.place.save(&self.options)?;
        self.staged = 0;
        Ok(())
    }

    /// Ends the changes without those that are staged. (Those of a root or directory
    /// are made already.)
    pub fn discard(&mut self) {
        self.place.discard();
        self.staged = 0;
    }

    /// Reads a file that lies beside the paths: of a root in its directory (`name`
    /// is a plain name), of a picture that was made of one in `/.pxos`. `None` if
    /// there is none, as in a plain directory.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_beside(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let name = beside_name(name)?;
        match &self.place {
            Place::Root(root) => root.read_beside(name, limit),
            Place::Picture(_) => self.read(&format!("/{BESIDE}/{name}"), limit),
            Place::Directory(_) => Ok(None),
        }
    }

    /// Writes a file beside the paths of a root, whole or not at all.
    ///
    /// # Errors
    /// When it is no root, the name is one of the root's own files, or it cannot be
    /// written.
    pub fn write_beside(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let name = beside_name(name)?;
        self.begin()?;
        self.root_place(name)?.write_beside(name, bytes)
    }

    /// Removes a file beside the paths of a root; tells whether it was there.
    ///
    /// # Errors
    /// As [`Self::write_beside`].
    pub fn remove_beside(&mut self, name: &str) -> Result<bool> {
        let name = beside_name(name)?;
        self.begin()?;
        self.root_place(name)?.remove_beside(name)
    }

    fn root_place(&self, name: &str) -> Result<&place::RootPlace> {
        match &self.place {
            Place::Root(root) => Ok(root),
            _ => {
                let sentence = format!("{name:?}: only a pxOS root has files beside its paths");
                Err(BuildError::refused(sentence))
            }
        }
    }
}

/// Refuses what can be no path of a place.
fn check_path(path: &str) -> Result<()> {
    root_path(path).map(drop).map_err(|problem| bad_path(path, problem))
}

/// Refuses what is no plain name, or one of a root's own files.
fn beside_name(name: &str) -> Result<&str> {
    use crate::legacy::root::{PACK, PIXELFS, REGISTRY};
    let is_own = [PACK, PIXELFS, REGISTRY, super::add::BLOBS].contains(&name);
    match crate::format::is_valid_name(name.as_bytes()) && !is_own {
        true => Ok(name),
        false => Err(BuildError::refused(format!("{name:?} can be no file beside a root"))),
    }
}

fn in_tree(path: &str) -> impl FnOnce(FsError) -> BuildError {
    BuildError::tree(format!("{path:?}"))
}

fn text_of(tree: &dyn PixelTree, old: Option<&Attr>, name: &[u8]) -> Option<String> {
    let value = tree.xattr(old?.ino, name).ok()?;
    String::from_utf8(value).ok().filter(|text| !text.is_empty())
}

fn is_empty(tree: &dyn PixelTree, dir: &Attr, path: &str) -> Result<bool> {
    let mut is_empty = true;
    let seen = tree.read_dir(dir.ino, 0, &mut |_| {
        is_empty = false;
        false
    });
    seen.map_err(in_tree(path))?;
    Ok(is_empty)
}

/// Reads a whole file of a tree, links followed; `None` if there is none.
///
/// # Errors
/// When it is no regular file, has more than `limit` bytes, or cannot be read.
fn read_whole(tree: &dyn Tree, path: &str, limit: u64) -> Result<Option<Vec<u8>>> {
    let found = match resolve(tree, path.as_bytes(), true) {
        Err(FsError::NotFound | FsError::NotADirectory(_)) => return Ok(None),
        found => found.map_err(in_tree(path))?,
    };
    if found.kind != FileKind::Regular {
        return Err(BuildError::refused(format!("{path:?} is no regular file")));
    }
    if found.size > limit {
        let size = found.size;
        let sentence = format!("{path:?} has {size} bytes, more than the {limit} that are read");
        return Err(BuildError::refused(sentence));
    }
    let mut bytes = vec![0; found.size as usize];
    let mut filled = 0;
    while filled < bytes.len() {
        match tree.read(found.ino, filled as u64, &mut bytes[filled..]).map_err(in_tree(path))? {
            0 => break,
            read => filled += read,
        }
    }
    bytes.truncate(filled);
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests;
