//! Project boot pixels: a project's files as one pixel, whose blob, the zlib
//! stream of a tar.gz, a registry leads to. Format: PXOS.md, section (a).

use std::io::{self, Read};
use std::sync::Arc;

use flate2::read::ZlibDecoder;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::god::{parse_colour, parse_digest};
use super::root::{ReadAt, RootError, RootFiles, each_member, id_text, read_json};
use crate::format::Digest;

/// The registry of project pixels.
pub const PROJECT_REGISTRY: &str = "project_boot_registry.json";

/// A project that became a pixel.
#[derive(Debug, Clone)]
pub struct Project {
    /// The pixel: red is the first byte; the first bytes of the hash.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// What it is.
    pub description: String,
    /// Where the blob lies, beside the registry.
    pub blob: String,
    /// SHA-256 of the blob.
    pub sha256: Digest,
    /// Bytes of the tar.gz; 0 if it is not said.
    pub original_size: u64,
}

/// Why a project pixel leads nowhere.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// The registry cannot be read.
    #[error(transparent)]
    Registry(#[from] RootError),
    /// No entry has this colour.
    #[error("the colour of {0} is not in {PROJECT_REGISTRY}")]
    Unknown(String),
    /// The entry makes no sense.
    #[error("{PROJECT_REGISTRY} {0}: {1}")]
    Entry(String, &'static str),
    /// The blob cannot be read, or is another one.
    #[error("{path:?}: {problem}")]
    Blob {
        /// The file.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// Finds the project that a pixel stands for.
///
/// # Errors
/// Every [`ProjectError`] but those of the blob.
pub fn find_project(files: &dyn RootFiles, id: u32) -> Result<Project, ProjectError> {
    let text = read_json(files, PROJECT_REGISTRY)?;
    let mut found = None;
    each_member(PROJECT_REGISTRY, &text, &mut |key, value| {
        if parse_colour(&key) == Some(id) {
            found = Some(entry(id, value.get()));
        }
    })?;
    let found = found.ok_or_else(|| ProjectError::Unknown(id_text(id)))?;
    found.map_err(|problem| ProjectError::Entry(id_text(id), problem))
}

fn entry(id: u32, text: &str) -> Result<Project, &'static str> {
    let value: Value = serde_json::from_str(text).map_err(|_| "is no object")?;
    let field = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let sha256 = field("hash").as_deref().and_then(parse_digest);
    let sha256 = sha256.ok_or("hash is missing or is not 64 hexadecimal digits")?;
    if sha256[..4] != id.to_be_bytes() {
        return Err("its colour is not the beginning of its hash");
    }
    if field("id").is_some_and(|said| !said.eq_ignore_ascii_case(&id_text(id))) {
        return Err("id says something else than the colour");
    }
    Ok(Project {
        id,
        name: field("name").unwrap_or_else(|| "project".into()),
        description: field("description").unwrap_or_default(),
        blob: field("blob").ok_or("blob is missing or is no path")?,
        sha256,
        original_size: value.get("original_size").and_then(Value::as_u64).unwrap_or(0),
    })
}

impl Project {
    /// The tar.gz in the blob, which is proven against its hash first. At most
    /// `limit` bytes of it are read.
    ///
    /// # Errors
    /// [`ProjectError::Blob`].
    pub fn archive(
        &self,
        files: &dyn RootFiles,
        limit: u64,
    ) -> Result<Box<dyn Read>, ProjectError> {
        let failed = |problem: String| ProjectError::Blob { path: self.blob.clone(), problem };
        let file = files.open(&self.blob).map_err(|error| {
            failed(match error.kind() {
                io::ErrorKind::CrossesDevices => "leads out of the store and is not read".into(),
                _ => error.to_string(),
            })
        })?;
        let mut hasher = Sha256::new();
        let mut reader = Whole { file: Arc::clone(&file), at: 0 };
        let mut piece = vec![0; 1 << 18];
        loop {
            match reader.read(&mut piece).map_err(|error| failed(error.to_string()))? {
                0 => break,
                read => hasher.update(&piece[..read]),
            }
        }
        if hasher.finalize()[..] != self.sha256 {
            return Err(failed("its SHA-256 is not the one that the pixel stands for".into()));
        }
        let stream = ZlibDecoder::new(Whole { file, at: 0 });
        Ok(Box::new(AtMost { input: stream, left: limit }))
    }
}

/// A file from its beginning on, which it keeps open.
struct Whole {
    file: Arc<dyn ReadAt>,
    at: u64,
}

impl Read for Whole {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(self.at, buf)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// Passes so many bytes on and then fails: the end would look like a whole file.
pub(crate) struct AtMost<R> {
    pub(crate) input: R,
    pub(crate) left: u64,
}

impl<R: Read> Read for AtMost<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buf)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| {
            io::Error::new(io::ErrorKind::FileTooLarge, "it unpacks to more than is allowed")
        })?;
        Ok(read)
    }
}
