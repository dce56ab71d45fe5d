//! Opening pictures and pxOS roots for the tools.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;

use crate::builder::{COMPANIONS, Silent, Unpacked, project_tree, unpack_project};
use crate::format::Digest;
use crate::fs::{PixelTree, Subtree, Tree, Volume, WithHidden, resolve};
use crate::legacy::GodWorlds;
use crate::legacy::god::GOD_REGISTRY;
use crate::legacy::pixel_png::{PixelFault, read_pixel};
use crate::legacy::project::PROJECT_REGISTRY;
use crate::legacy::root::{DirFiles, PIXELFS, Root, RootFiles, RootTree, TreeFiles, id_text};
use crate::picture::{self, Picture};
use crate::store::{self, Store};

/// How a picture is to be opened.
#[derive(Debug, Clone)]
pub(crate) struct OpenRequest {
    /// Where in the file the picture starts.
    pub offset: u64,
    /// Budget of memory for everything, in bytes.
    pub mem: u64,
    /// The digest that it must have.
    pub digest: Option<Digest>,
    /// Where registry and blob of a project pixel lie; beside it if not given.
    pub store: Option<PathBuf>,
}

impl Default for OpenRequest {
    fn default() -> Self {
        Self { offset: 0, mem: 256 << 20, digest: None, store: None }
    }
}

/// Opens the picture at `path`.
///
/// # Errors
/// One sentence on what is wrong with it.
pub(crate) fn open_picture(path: &Path, request: &OpenRequest) -> anyhow::Result<Volume> {
    let shown = || path.display().to_string();
    refuse_what_is_no_picture(path)?;
    let options = picture::OpenOptions { offset: request.offset, mem: request.mem };
    let picture = Picture::open(path, &options).with_context(shown)?;
    let options = store::OpenOptions { cache: cache_budget(request), digest: request.digest };
    let store = Store::open(picture, &options).with_context(shown)?;
    let picture = store.picture();
    if !picture.is_seekable() {
        let container = picture.container();
        log::warn!(
            "{}: is a {container} that had to be decoded whole; make it seekable again with: \
             pxfs convert {} NEW.png",
            shown(),
            shown()
        );
    }
    Volume::new(store).with_context(shown)
}

/// What is decoded at the moment of a read is not in the cache yet: a quarter
/// of the budget is kept for it.
fn cache_budget(request: &OpenRequest) -> u64 {
    request.mem - request.mem / 4
}

/// Opens the pxOS root at `path`, a directory.
///
/// # Errors
/// One sentence on what is wrong with it; faults of single entries are no error.
pub(crate) fn open_root(path: &Path, request: &OpenRequest) -> anyhow::Result<RootTree> {
    let shown = || path.display().to_string();
    // Nothing of a root is pinned by a digest: to ignore one would be to defeat it.
    if request.digest.is_some() || request.offset != 0 {
        anyhow::bail!("{}: is a pxOS root; a digest or an offset is of a picture", shown());
    }
    let tree = RootTree::new(open_root_files(path)?, cache_budget(request));
    let found = tree.root().findings.len() + tree.path_findings().len();
    if found > 0 {
        log::warn!("{}: {found} findings; 'pxfs check {}' lists them", shown(), shown());
    }
    Ok(tree)
}

/// Reads the entries of the pxOS root at `path`.
///
/// # Errors
/// As [`open_root`].
pub(crate) fn open_root_files(path: &Path) -> anyhow::Result<Root> {
    let shown = || path.display().to_string();
    if !std::fs::metadata(path).with_context(shown)?.is_dir() {
        anyhow::bail!(
            "{}: is a file, and a pxOS root is a directory; of pictures --image is told, or \
             pxfs verify",
            shown()
        );
    }
    if !path.join(PIXELFS).exists() {
        anyhow::bail!(
            "{}: is a directory without a {PIXELFS}, so no pxOS root; mkfs.pxfs makes a picture \
             of a directory",
            shown()
        );
    }
    let files = DirFiles::open(path).with_context(shown)?;
    Root::read(Arc::new(files)).with_context(shown)
}

/// Opens whatever can be a SOURCE: a picture, a pxOS root or a project pixel, with
/// the hidden part.
///
/// # Errors
/// One sentence on what is wrong with it.
pub(crate) fn open_source(path: &Path, request: &OpenRequest) -> anyhow::Result<WithHidden> {
    let shown = || path.display().to_string();
    if path.is_dir() {
        let tree = open_root(path, request)?;
        let files = Arc::new(DirFiles::open(path).with_context(shown)?);
        return with_worlds(Arc::new(tree), files, &shown());
    }
    let Some(id) = project_pixel(path)? else {
        let picture = Arc::new(open_picture(path, request)?);
        let tree = Arc::clone(&picture) as Arc<dyn PixelTree>;
        return match beside_of(&picture) {
            Some(files) => with_worlds(tree, files, &shown()),
            None => Ok(WithHidden::new(tree)),
        };
    };
    if request.digest.is_some() || request.offset != 0 {
        anyhow::bail!("{}: is one pixel; a digest or an offset is of a picture", shown());
    }
    let unpacked = open_project(path, id, request)?;
    let tree = project_tree(&unpacked, cache_budget(request)).with_context(shown)?;
    // A project made of a picture has the files beside a root where the picture has them.
    let beside = match resolve(&*unpacked.files, GOD_REGISTRY.as_bytes(), false) {
        Ok(_) => None,
        Err(_) => beside_of(&unpacked.files),
    };
    with_worlds(tree, beside.unwrap_or_else(|| Arc::new(TreeFiles(unpacked.files))), &shown())
}

/// The files that lay beside a root before it became a picture.
fn beside_of(picture: &Arc<Volume>) -> Option<Arc<dyn RootFiles>> {
    let beside = resolve(&**picture, COMPANIONS.as_bytes(), false).ok()?;
    let subtree = Subtree::new(Arc::clone(picture), beside.ino).ok()?;
    Some(Arc::new(TreeFiles(Arc::new(subtree))))
}

/// Adds the hidden part, with the worlds that `files` tells of.
fn with_worlds(
    tree: Arc<dyn PixelTree>,
    files: Arc<dyn RootFiles>,
    shown: &str,
) -> anyhow::Result<WithHidden> {
    let worlds = GodWorlds::new(files, &*tree);
    let hidden = WithHidden::new(tree);
    Ok(match worlds {
        Ok(Some(worlds)) => hidden.with_worlds(Box::new(worlds)),
        Ok(None) => hidden,
        Err(error) => {
            log::warn!("{shown}: {error}: there are no worlds");
            hidden
        }
    })
}

/// The id of a picture that is one pixel; none of any other file.
///
/// # Errors
/// When the pixel has no alpha channel; when it cannot be read.
pub(crate) fn project_pixel(path: &Path) -> anyhow::Result<Option<u32>> {
    let shown = || path.display().to_string();
    if path.to_string_lossy().contains("://") {
        return Ok(None);
    }
    match read_pixel(path).with_context(shown)? {
        Ok(id) => Ok(Some(id)),
        Err(PixelFault::Other) => Ok(None),
        Err(PixelFault::NoAlpha) => anyhow::bail!(
            "{}: is one pixel without an alpha channel: a fourth of its colour is missing; \
             something that does not keep RGBA has saved it anew",
            shown()
        ),
    }
}

/// Unpacks the project that the pixel in the file at `path` stands for.
///
/// # Errors
/// One sentence on what is wrong with it, or with what its colour leads to.
pub(crate) fn open_project(
    path: &Path,
    id: u32,
    request: &OpenRequest,
) -> anyhow::Result<Unpacked> {
    let store = store_of(path, request);
    if !store.join(PROJECT_REGISTRY).exists() {
        anyhow::bail!(
            "{}: is one pixel, {}, and there is no {PROJECT_REGISTRY} in {}; -o store=DIR (without \
             a mount --store DIR) says where it is",
            path.display(),
            id_text(id),
            store.display()
        );
    }
    let unpacked = unpack_project(&store, id, request.mem, &mut Silent);
    unpacked.with_context(|| format!("{}: is one pixel, {}", path.display(), id_text(id)))
}

/// The directory of a pixel's registry.
pub(crate) fn store_of(path: &Path, request: &OpenRequest) -> PathBuf {
    let beside = || match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir.to_owned(),
        _ => PathBuf::from("."),
    };
    request.store.clone().unwrap_or_else(beside)
}

/// Sources that are planned, or of another kind, told from those that are wrong.
pub(super) fn refuse_what_is_no_picture(path: &Path) -> anyhow::Result<()> {
    let shown = path.display();
    if path.to_string_lossy().contains("://") {
        anyhow::bail!("{shown}: pictures on a server cannot be read yet; copy it here first");
    }
    if path.is_dir() {
        let what = match path.join(PIXELFS).exists() {
            true => "a pxOS root, not a picture",
            false => "a directory, not a picture; mkfs.pxfs makes a picture of it",
        };
        anyhow::bail!("{shown}: is {what}");
    }
    Ok(())
}

/// Opens what a tool was given, with the usual budget.
///
/// # Errors
/// As [`open_source`].
pub(crate) fn open_tree(path: &Path) -> anyhow::Result<Box<dyn Tree>> {
    Ok(Box::new(open_source(path, &OpenRequest::default())?))
}

/// Opens what is to be mounted: the source's tree, or the one below `subdir`.
///
/// # Errors
/// As [`open_source`]; and when `subdir` is no directory.
pub(crate) fn open_for_mount(
    path: &Path,
    request: &OpenRequest,
    subdir: Option<&Path>,
) -> anyhow::Result<Arc<dyn Tree>> {
    use std::os::unix::ffi::OsStrExt as _;
    let tree = open_source(path, request)?;
    let Some(subdir) = subdir else {
        return Ok(Arc::new(tree));
    };
    let shown = || format!("{}: subdir={}", path.display(), subdir.display());
    let root = resolve(&tree, subdir.as_os_str().as_bytes(), true).with_context(shown)?;
    Ok(Arc::new(Subtree::new(tree, root.ino).with_context(shown)?))
}
