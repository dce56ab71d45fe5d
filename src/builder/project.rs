//! Making a project pixel: a tree becomes a tar.gz, that a blob, and the blob a
//! colour. The same tree gives the same colour: no time of packing, no order of
//! a directory, no user's name goes in.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use flate2::{Compression, GzBuilder};
use serde::Serialize;
use sha2::Digest as _;

use super::blob::{Counted, Hashed};
use super::document::Document;
use super::error::{BuildError, Result};
use super::files::{Wait, lock, own_directory, publish_as, write_file};
use super::unpack::{nameless_volume, quick_options};
use super::zlib::Stock;
use crate::extract::{ExtractError, Observer, TarOptions, write_tar};
use crate::format::Digest;
use crate::fs::{ROOT_INO, Tree};
use crate::legacy::pixel_png::pixel_png;
use crate::legacy::project::PROJECT_REGISTRY;
use crate::legacy::root::{DirFiles, RootError, id_text, read_json};
use crate::mkfs::{Excludes, Progress, Source, Unpublished};

/// Where the blobs of projects lie.
const BLOBS: &str = "project_blobs";

/// What belongs to this machine or to packing itself, and into no project.
const NOT_PACKED: [&str; 6] = [
    ".git/",
    "__pycache__/",
    "*.pyc",
    "project_blobs/",
    "/project_boot_registry.json",
    "*.boot.png",
];

/// How to make a project pixel.
#[derive(Debug, Clone)]
pub struct ProjectOptions {
    /// The project's name.
    pub name: String,
    /// What it is.
    pub description: String,
    /// What is left out beside what no project needs.
    pub excludes: Vec<String>,
    /// Leave nothing else out.
    pub pack_all: bool,
    /// Times later than this, in seconds since 1970, become this.
    pub newest: Option<i64>,
}

/// A project pixel that was made.
#[derive(Debug, Clone, Serialize)]
pub struct MadeProject {
    /// The pixel.
    pub id: String,
    /// Its colour.
    pub rgba: [u8; 4],
    /// The 1x1 picture.
    pub pixel_file: PathBuf,
    /// The blob.
    pub blob: PathBuf,
    /// Bytes of the blob.
    pub size: u64,
    /// SHA-256 of the blob.
    pub sha256: String,
}

/// An entry of the registry, with the fields and the order of the Python tools.
#[derive(Debug, Serialize)]
struct Entry<'e> {
    name: &'e str,
    description: &'e str,
    root: &'e str,
    blob: &'e str,
    pixel: [u8; 4],
    id: String,
    hash: String,
    size: u64,
    original_size: u64,
}

/// Makes a pixel of a directory of this machine.
///
/// # Errors
/// When something in it cannot be read, or `store` cannot be written.
pub fn pack_directory(
    source: &Path,
    store: &Path,
    options: &ProjectOptions,
    mem: u64,
    progress: &mut dyn Progress,
) -> Result<MadeProject> {
    let mut picture = quick_options()?;
    let own = NOT_PACKED.iter().filter(|_| !options.pack_all).map(|pattern| (*pattern).to_owned());
    let patterns: Vec<String> = own.chain(options.excludes.iter().cloned()).collect();
    picture.excludes = Excludes::new(source, &patterns)?;
    // Who packed it is no part of a project.
    picture.all_root = true;
    let from = Source::Directory(source.to_owned());
    let (volume, _) = nameless_volume(from, &picture, mem, progress)?;
    pack_tree(&volume, &source.display().to_string(), store, options)
}

/// Makes a pixel of a tree; `root` is recorded as where it came from.
///
/// # Errors
/// As [`pack_directory`].
pub fn pack_tree(
    tree: &dyn Tree,
    root: &str,
    store: &Path,
    options: &ProjectOptions,
) -> Result<MadeProject> {
    std::fs::create_dir_all(store).map_err(BuildError::file(store))?;
    let blobs = own_directory(store, BLOBS)?;
    let blob =
        Unpublished::create(&blobs, &blobs.join("blob")).map_err(BuildError::file(&blobs))?;
    let sums = write_blob(tree, options.newest, blob.file()).map_err(BuildError::file(&blobs))?;
    let id = u32::from_be_bytes([sums.sha256[0], sums.sha256[1], sums.sha256[2], sums.sha256[3]]);
    // The Python tools have lower-case digits here.
    let name = format!("{BLOBS}/project_{id:08x}.bin");
    let path = store.join(&name);
    publish_as(blob, &path).map_err(BuildError::file(&path))?;
    let hash = crate::store::hex(&sums.sha256);
    let entry = Entry {
        name: &options.name,
        description: &options.description,
        root,
        blob: &name,
        pixel: id.to_be_bytes(),
        id: id_text(id),
        hash: hash.clone(),
        size: sums.blob,
        original_size: sums.archive,
    };
    register(store, PROJECT_REGISTRY, id, &entry)?;
    let stem: String = options.name.to_lowercase().replace([' ', '/'], "_");
    let pixel = format!("project_{stem}.boot.png");
    let png = pixel_png(id).map_err(BuildError::file(&pixel))?;
    write_file(store, &pixel, &png)?;
    Ok(MadeProject {
        id: id_text(id),
        rgba: id.to_be_bytes(),
        pixel_file: store.join(pixel),
        blob: path,
        size: sums.blob,
        sha256: hash,
    })
}

/// Enters something under its colour in a registry of `store`.
pub(super) fn register(
    store: &Path,
    registry: &'static str,
    id: u32,
    entry: &impl Serialize,
) -> Result<()> {
    let _lock = lock(store, Wait::Forever)?;
    let files = DirFiles::open(store).map_err(BuildError::file(store))?;
    let mut document = match read_json(&files, registry) {
        Err(RootError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Document::default()
        }
        text => Document::parse(registry, &text?)?,
    };
    let [red, green, blue, alpha] = id.to_be_bytes();
    document.set(&format!("{red},{green},{blue},{alpha}"), entry, 0)?;
    let mut text = String::new();
    document.write(&mut text, 0);
    write_file(store, registry, text.as_bytes())
}

/// What is known of a blob when it is written.
struct Sums {
    sha256: Digest,
    blob: u64,
    archive: u64,
}

/// tar, in gzip, in zlib: gzip without a time or a name.
fn write_blob(tree: &dyn Tree, newest: Option<i64>, out: &File) -> io::Result<Sums> {
    let hashed = Hashed::new(BufWriter::new(out));
    let archive = Counted { out: Stock::new(hashed)?, len: 0 };
    let mut gzip = GzBuilder::new().mtime(0).write(archive, Compression::best());
    let options = TarOptions { newest, ..TarOptions::default() };
    let observer = FirstFailure::default();
    let top = tree.attr(ROOT_INO).map_err(|error| io::Error::other(error.to_string()))?;
    write_tar(tree, &top, b".", &options, &mut gzip, &observer)?;
    if let Some(failure) = observer.0.into_inner() {
        return Err(io::Error::other(failure));
    }
    let archive = gzip.finish()?;
    let mut hashed = archive.out.finish()?;
    hashed.out.flush()?;
    let sha256 = hashed.hasher.finalize().into();
    Ok(Sums { sha256, blob: hashed.len, archive: archive.len })
}

/// A project is packed whole or not at all.
#[derive(Default)]
struct FirstFailure(parking_lot::Mutex<Option<String>>);

impl Observer for FirstFailure {
    fn copied(&self, _source: &[u8], _dest: &[u8]) {}

    fn failed(&self, path: &[u8], error: &ExtractError) {
        let path = String::from_utf8_lossy(path);
        self.0.lock().get_or_insert_with(|| format!("{path}: {error}"));
    }

    fn warning(&self, text: &str) {
        log::warn!("{text}");
    }
}
