//! Making a god pixel of a picture: the method "hash" of the Python tools.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use image::{ImageReader, Limits};
use serde::Serialize;
use sha2::Digest as _;

use super::blob::Hashed;
use super::error::{BuildError, Result};
use super::files::{publish_as, write_file};
use super::project::register;
use super::zlib::Stock;
use crate::format::Digest;
use crate::legacy::god::GOD_REGISTRY;
use crate::legacy::pixel_png::pixel_png;
use crate::legacy::root::id_text;
use crate::mkfs::Unpublished;

/// Memory that decoding a picture may take.
const MAX_DECODED: u64 = 2 << 30;

/// A picture as pixels: width, height and raw RGBA, row by row.
#[derive(Debug)]
pub struct Raster {
    /// Width and height.
    pub size: (u32, u32),
    /// Four bytes a pixel.
    pub rgba: Vec<u8>,
}

/// Decodes a picture of any usual kind; what has no alpha is opaque.
///
/// # Errors
/// When it is no picture, or an absurdly large one.
pub fn decode_picture(path: &Path) -> Result<Raster> {
    let reader = ImageReader::open(path).and_then(ImageReader::with_guessed_format);
    let mut reader = reader.map_err(BuildError::file(path))?;
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_DECODED);
    reader.limits(limits);
    let image = reader
        .decode()
        .map_err(|error| BuildError::refused(format!("{}: {error}", path.display())))?;
    let image = image.into_rgba8();
    Ok(Raster { size: image.dimensions(), rgba: image.into_raw() })
}

/// A god pixel that was made.
#[derive(Debug, Clone, Serialize)]
pub struct MadeGod {
    /// The pixel.
    pub id: String,
    /// Its colour.
    pub rgba: [u8; 4],
    /// SHA-256 of the payload.
    pub sha256: String,
    /// Bytes of the payload.
    pub size: u64,
    /// Width and height of the picture.
    pub original_size: (u32, u32),
    /// What was written, unless only the colour was asked for.
    pub files: Vec<PathBuf>,
}

/// An entry of the registry, with the fields and the order of the Python tools.
#[derive(Debug, Serialize)]
struct Entry<'e> {
    method: &'e str,
    hash: &'e str,
    size: u64,
    original_size: (u32, u32),
    compressed_path: &'e str,
    name: &'e str,
    description: &'e str,
}

/// How a god pixel is recorded.
#[derive(Debug, Clone)]
pub struct GodOptions {
    /// Where registry, payload and pixel go; nowhere if only the colour is wanted.
    pub store: Option<PathBuf>,
    /// Its name.
    pub name: String,
    /// What it is.
    pub description: String,
}

/// Makes the god pixel of a picture.
///
/// # Errors
/// When the picture cannot be decoded, or the store cannot be written.
pub fn make_god(raster: &Raster, options: &GodOptions) -> Result<MadeGod> {
    if let Some(store) = &options.store {
        std::fs::create_dir_all(store).map_err(BuildError::file(store))?;
    }
    let dir = options.store.clone().unwrap_or_else(std::env::temp_dir);
    let payload =
        Unpublished::create(&dir, &dir.join("compressed")).map_err(BuildError::file(&dir))?;
    let (digest, size) =
        write_payload(&raster.rgba, payload.file()).map_err(BuildError::file(&dir))?;
    let id = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
    let sha256 = crate::store::hex(&digest);
    let mut files = Vec::new();
    if let Some(store) = &options.store {
        let name = format!("compressed_{}.bin", &sha256[..16]);
        let path = store.join(&name);
        publish_as(payload, &path).map_err(BuildError::file(&path))?;
        let entry = Entry {
            method: "hash",
            hash: &sha256,
            size,
            original_size: raster.size,
            compressed_path: &name,
            name: &options.name,
            description: &options.description,
        };
        register(store, GOD_REGISTRY, id, &entry)?;
        let pixel = format!("god_{}.png", options.name.replace(['/', ' '], "_"));
        let png = pixel_png(id).map_err(BuildError::file(&pixel))?;
        write_file(store, &pixel, &png)?;
        files = vec![store.join(pixel), path, store.join(GOD_REGISTRY)];
    }
    let (rgba, original_size) = (id.to_be_bytes(), raster.size);
    Ok(MadeGod { id: id_text(id), rgba, sha256, size, original_size, files })
}

/// Writes the zlib stream of raw RGBA; gives its SHA-256 and its length.
fn write_payload(rgba: &[u8], file: &File) -> io::Result<(Digest, u64)> {
    let mut stream = Stock::new(Hashed::new(BufWriter::new(file)))?;
    stream.write_all(rgba)?;
    let mut hashed = stream.finish()?;
    hashed.out.flush()?;
    Ok((hashed.hasher.finalize().into(), hashed.len))
}
