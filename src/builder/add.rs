//! Adding a file to a root: packed if its content is new, then entered.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::blob::{Packed, pack_stock};
use super::entries::{lightly_normalised, ratio};
use super::error::{BuildError, Result};
use super::files::{BLOB, own_directory, publish_as, write_file};
use super::root::{Added, NewPath, RootBuilder};
use crate::format::PixelType;
use crate::legacy::pixel_png::{one_pixel, pixel_png};
use crate::legacy::root::Content;
use crate::mkfs::Unpublished;

/// Where single blobs lie.
pub(super) const BLOBS: &str = "file_blobs";

/// How the names of files with pixels of contents end.
pub(super) const PIXEL_END: &str = ".filepx.png";

impl RootBuilder {
    /// Adds a file of this machine under a path. `name` is what the registry
    /// calls a content that is new, by rule the file's stem.
    ///
    /// # Errors
    /// When the file cannot be read, the path cannot be, or the root cannot be
    /// written; the root is as it was then, but for a blob that nothing names.
    pub fn add_file(
        &mut self,
        new: &NewPath,
        name: Option<&str>,
        file: &Path,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Added> {
        self.check_new(new, None)?;
        let mut input = open_source(file)?;
        if let Some(id) = self.stands_for(file) {
            return self.add_id(new, id);
        }
        self.add_input(new, name, &mut input, file, progress)
    }

    /// Adds bytes under a path, as [`Self::add_file`] does a file.
    pub(super) fn add_bytes(&mut self, new: &NewPath, mut bytes: &[u8]) -> Result<Added> {
        self.check_new(new, None)?;
        // There is no file that they came from: the path stands for it.
        let file = Path::new(new.path.trim_start_matches('/')).to_owned();
        self.add_input(new, None, &mut bytes, &file, &mut |_| {})
    }

    /// Packs what is new, and enters it.
    fn add_input(
        &mut self,
        new: &NewPath,
        name: Option<&str>,
        input: &mut dyn Read,
        file: &Path,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Added> {
        let blobs = own_directory(&self.dir, BLOBS)?;
        let blob =
            Unpublished::create(&blobs, &blobs.join(BLOB)).map_err(BuildError::file(&blobs))?;
        let packed = pack_stock(input, file, blob.file(), progress)?;
        let (id, known) = self.id_for(&packed.sha256)?;
        self.check_new(new, Some(id))?;
        let is_good = known.as_ref().is_some_and(|known| self.is_proven(known));
        if !is_good {
            let fresh = self.fresh_content(id, known, &packed, name, file, new)?;
            let path = self.dir.join(&fresh.blob_file);
            publish_as(blob, &path).map_err(BuildError::file(&path))?;
            self.set_content(&fresh)?;
            self.save_registry()?;
        }
        let original_path = Some(new.original_path.clone().unwrap_or_else(|| shown(file)));
        let added = self.enter(&NewPath { original_path, ..new.clone() }, id, !is_good)?;
        self.save_paths()?;
        Ok(added)
    }

    /// The registered content that a pixel file, `x.filepx.png`, stands for.
    fn stands_for(&self, file: &Path) -> Option<u32> {
        let name = file.file_name()?.to_str()?;
        let id = name.ends_with(PIXEL_END).then(|| one_pixel(file).ok().flatten())??;
        self.content(id).map(|content| content.id)
    }

    /// The entry of a content that is new, or whose blob was lost.
    fn fresh_content(
        &self,
        id: u32,
        known: Option<Content>,
        packed: &Packed,
        name: Option<&str>,
        file: &Path,
        new: &NewPath,
    ) -> Result<Content> {
        let blob_file = format!("{BLOBS}/file_{id:08X}.bin");
        let (compressed_size, ratio) = (packed.compressed, ratio(packed.size, packed.compressed));
        if let Some(known) = known {
            log::warn!("{}: the blob of its content was lost and is packed anew", shown(file));
            let packed = None;
            return Ok(Content { compressed_size, ratio, blob_file, packed, ..known });
        }
        let stem = stem(file);
        let kind = new.kind.unwrap_or_else(|| type_of_path(&new.path));
        Ok(Content {
            id,
            name: name.map_or_else(|| stem.clone(), str::to_owned),
            kind: kind.name().to_owned(),
            original_path: lightly_normalised(&shown(file)),
            original_size: packed.size,
            compressed_size,
            ratio,
            pixel_file: self.write_pixel(&stem, id)?,
            blob_file,
            sha256: packed.sha256,
            packed: None,
            extra: Default::default(),
        })
    }

    /// Writes the 1x1 picture of a content beside the registry. (The Python tools
    /// write over the one of another file with the same stem.)
    fn write_pixel(&self, stem: &str, id: u32) -> Result<String> {
        let png = pixel_png(id).map_err(BuildError::file("a pixel"))?;
        let name = format!("{stem}{PIXEL_END}");
        let name = match std::fs::symlink_metadata(self.dir.join(&name)) {
            Ok(_) if one_pixel(&self.dir.join(&name)).ok().flatten() == Some(id) => {
                return Ok(name);
            }
            Ok(_) => format!("{stem}.{id:08X}{PIXEL_END}"),
            Err(_) => name,
        };
        write_file(&self.dir, &name, &png)?;
        Ok(name)
    }
}

/// Opens a regular file to be added.
pub(super) fn open_source(path: &Path) -> Result<File> {
    // Opening a fifo must not wait for a writer.
    let file = std::fs::OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path);
    let file = file.map_err(BuildError::file(path))?;
    let kind = file.metadata().map_err(BuildError::file(path))?.file_type();
    if kind.is_dir() {
        let sentence = format!("{}: is a directory; auto-add takes directories", shown(path));
        return Err(BuildError::refused(sentence));
    }
    if !kind.is_file() {
        return Err(BuildError::refused(format!("{}: is not a regular file", shown(path))));
    }
    Ok(file)
}

/// A path in words; what is no UTF-8 in it is lost.
pub(super) fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// A file's name without its last ending, as Python's `Path.stem`.
pub(super) fn stem(file: &Path) -> String {
    file.file_stem().unwrap_or(file.as_os_str()).to_string_lossy().into_owned()
}

/// The type that the area of a path is for: `/worlds` holds worlds.
fn type_of_path(path: &str) -> PixelType {
    let area = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    PixelType::of_area(area.as_bytes())
}
