//! Opening a picture for the tools.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;

use crate::format::Digest;
use crate::fs::{Subtree, Tree, Volume, WithHidden, resolve};
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
}

impl Default for OpenRequest {
    fn default() -> Self {
        Self { offset: 0, mem: 256 << 20, digest: None }
    }
}

/// A picture's tree with its hidden part.
pub(crate) type PictureTree = WithHidden<Volume>;

/// Opens the picture at `path`.
///
/// # Errors
/// One sentence on what is wrong with it.
pub(crate) fn open_picture(path: &Path, request: &OpenRequest) -> anyhow::Result<PictureTree> {
    let shown = || path.display().to_string();
    refuse_what_comes_later(path)?;
    let options = picture::OpenOptions { offset: request.offset, mem: request.mem };
    let picture = Picture::open(path, &options).with_context(shown)?;
    // What is decoded at the moment of a read is not in the cache yet: a
    // quarter of the budget is kept for it.
    let options =
        store::OpenOptions { cache: request.mem - request.mem / 4, digest: request.digest };
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
    let volume = Volume::new(store).with_context(shown)?;
    Ok(WithHidden::new(volume))
}

/// Sources that are planned, told from those that are wrong.
fn refuse_what_comes_later(path: &Path) -> anyhow::Result<()> {
    let shown = path.display();
    if path.to_string_lossy().contains("://") {
        anyhow::bail!("{shown}: pictures on a server cannot be read yet; copy it here first");
    }
    if path.is_dir() {
        let what = match path.join("pixelfs.json").exists() {
            true => "a pxOS root, which cannot be read yet",
            false => "a directory, not a picture",
        };
        anyhow::bail!("{shown}: is {what}; mkfs.pxfs makes a picture of a directory");
    }
    Ok(())
}

/// Opens what a tool was given, with the usual budget.
///
/// # Errors
/// As [`open_picture`].
pub(crate) fn open_tree(path: &Path) -> anyhow::Result<Box<dyn Tree>> {
    Ok(Box::new(open_picture(path, &OpenRequest::default())?))
}

/// Opens what is to be mounted: the picture's tree, or the one below `subdir`.
///
/// # Errors
/// As [`open_picture`]; and when `subdir` is no directory.
pub(crate) fn open_for_mount(
    path: &Path,
    request: &OpenRequest,
    subdir: Option<&Path>,
) -> anyhow::Result<Arc<dyn Tree>> {
    use std::os::unix::ffi::OsStrExt as _;
    let tree = open_picture(path, request)?;
    let Some(subdir) = subdir else {
        return Ok(Arc::new(tree));
    };
    let shown = || format!("{}: subdir={}", path.display(), subdir.display());
    let root = resolve(&tree, subdir.as_os_str().as_bytes(), true).with_context(shown)?;
    Ok(Arc::new(Subtree::new(tree, root.ino).with_context(shown)?))
}
