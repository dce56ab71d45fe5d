//! The tree in a project pixel: its archive, from whoever made it, is unpacked
//! into a picture without a name, where no member can lead out of anything.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use super::error::{BuildError, Result};
use super::image::plain_options;
use crate::fs::{Attr, FileKind, PixelTree, Volume, resolve};
use crate::legacy::project::find_project;
use crate::legacy::root::{DirFiles, PIXELFS, Root, RootTree, TreeFiles};
use crate::mkfs::{Limits, Options, Progress, Source, make_nameless};
use crate::picture::{OpenOptions, Picture};
use crate::store::{Encoding, Store};

/// What an archive may hold: more than any project, less than a disk.
const LIMITS: Limits = Limits { members: 1_000_000, bytes: 16 << 30 };

/// A project that was unpacked.
#[derive(Debug)]
pub struct Unpacked {
    /// Its name.
    pub name: String,
    /// Its files.
    pub files: Arc<Volume>,
}

/// Unpacks the project that a pixel stands for; registry and blob are in the
/// directory `store`.
///
/// # Errors
/// A colour that is not known, a blob that is missing, another one or damaged,
/// and every member that an honest archive does not have.
pub fn unpack_project(
    store: &Path,
    id: u32,
    mem: u64,
    progress: &mut dyn Progress,
) -> Result<Unpacked> {
    let shown = store.display();
    let refused = |error: &dyn std::fmt::Display| BuildError::refused(format!("{shown}: {error}"));
    let files = DirFiles::open(store).map_err(BuildError::file(store))?;
    let project = find_project(&files, id).map_err(|error| refused(&error))?;
    let archive = project.archive(&files, LIMITS.bytes).map_err(|error| refused(&error))?;
    let source = Source::Archive(archive, LIMITS);
    let (volume, _) = nameless_volume(source, &quick_options()?, mem, progress)?;
    Ok(Unpacked { name: project.name, files: Arc::new(volume) })
}

/// The tree that a project shows: the paths of PixelFS if it is a pxOS root, else
/// its files.
///
/// # Errors
/// When it is a root whose entries cannot be read.
pub fn project_tree(unpacked: &Unpacked, cache: u64) -> Result<Arc<dyn PixelTree>> {
    Ok(match project_root(unpacked)? {
        Some(root) => Arc::new(RootTree::new(root, cache)),
        None => Arc::clone(&unpacked.files) as Arc<dyn PixelTree>,
    })
}

/// The root that a project is, if it is one.
///
/// # Errors
/// When its entries cannot be read.
pub fn project_root(unpacked: &Unpacked) -> Result<Option<Root>> {
    let found = resolve(&*unpacked.files, PIXELFS.as_bytes(), true);
    let is_root = matches!(found, Ok(Attr { kind: FileKind::Regular, .. }));
    let files = || Arc::new(TreeFiles(Arc::clone(&unpacked.files)));
    Ok(if is_root { Some(Root::read(files())?) } else { None })
}

/// Options for a picture that is soon gone.
pub(super) fn quick_options() -> Result<Options> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut options = plain_options(threads)?;
    options.encoding = Encoding { level: 1, ..options.encoding };
    Ok(options)
}

/// Makes a picture without a name and opens it.
pub(super) fn nameless_volume(
    source: Source,
    options: &Options,
    mem: u64,
    progress: &mut dyn Progress,
) -> Result<(Volume, File)> {
    let dir = std::env::temp_dir();
    let (file, _) = make_nameless(&dir, source, options, progress)?;
    let keep = file.try_clone().map_err(BuildError::file(&dir))?;
    let failed = |error: &dyn std::fmt::Display| BuildError::refused(error.to_string());
    let picture = Picture::from_file(file, &OpenOptions { offset: 0, mem });
    let picture = picture.map_err(|error| failed(&error))?;
    let options = crate::store::OpenOptions { cache: mem / 4 * 3, digest: None };
    let store = Store::open(picture, &options).map_err(|error| failed(&error))?;
    Ok((Volume::new(store).map_err(|error| failed(&error))?, keep))
}

/// Progress of nothing.
#[derive(Debug)]
pub struct Silent;

impl Progress for Silent {
    fn file(&mut self, _path: &Path) {}
    fn bytes(&mut self, _bytes: u64) {}
    fn writing(&mut self) {}
}
