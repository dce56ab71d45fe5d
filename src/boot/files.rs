//! The files of a boot root as programs see them: by path or pixel id, checked
//! against what the root declares.
//!
//! What must be hashed or decoded to answer costs the program, so that a loop of
//! questions ends as a loop of reads does.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use sha2::{Digest, Sha256};

use super::source::{BootRoot, Declared, Look, SourceError, pixel_path};
use crate::pxi::host::{Stat, Which};
use crate::pxi::module::Program;
use crate::pxi::raster::MAX_PNG_BYTES;
use crate::pxi::{BlobError, BlobRequest, CallError, Files, Raster};
use crate::store::hex;

/// How a PNG begins.
const PNG: [u8; 8] = *b"\x89PNG\r\n\x1a\n";
/// Bytes hashed at a time.
const PIECE: usize = 1 << 20;
/// Longest file that is hashed to know its id.
const MAX_HASHED: u64 = 1 << 30;
/// Files whose ids are kept.
const MAX_KNOWN: usize = 4096;
/// Longest blob of a registry: it is inflated whole, whatever part is wanted.
const MAX_BLOB: usize = 256 << 20;
/// Longest blob that is kept for the next question.
const MAX_KEPT: usize = 16 << 20;

/// A boot root for programs.
pub struct BootFiles<'r> {
    root: &'r dyn BootRoot,
    cost: Cell<u64>,
    /// Ids that were found by hashing.
    known: RefCell<HashMap<[u64; 4], u32>>,
    /// The registry's blob that was asked for last.
    blob: RefCell<Option<(u32, Vec<u8>)>>,
}

impl std::fmt::Debug for BootFiles<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BootFiles").field("cost", &self.cost).finish_non_exhaustive()
    }
}

/// Why a content is not what its file system says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the module's {what} is {found}, but the file system declares {declared}")]
pub struct Mismatch {
    /// SHA-256 or pixel id.
    pub what: &'static str,
    /// Declared by the file system.
    pub declared: String,
    /// Of the bytes read.
    pub found: String,
}

/// The pixel id of a content that is what the file system declares it to be.
///
/// # Errors
/// [`Mismatch`] when it is not.
pub fn check_content(bytes: &[u8], declared: &Declared) -> Result<u32, Mismatch> {
    check_digest(&Sha256::digest(bytes).into(), declared)
}

fn check_digest(digest: &[u8; 32], declared: &Declared) -> Result<u32, Mismatch> {
    let found = hex(digest);
    if let Some(declared) = declared.sha256.as_ref().filter(|declared| **declared != found) {
        return Err(Mismatch { what: "SHA-256", declared: declared.clone(), found });
    }
    // On a clash of ids the later content has the next four bytes, and so on.
    let mut ids = digest.as_chunks::<4>().0.iter().map(|bytes| u32::from_be_bytes(*bytes));
    let Some(declared) = &declared.id else {
        return Ok(first_id(digest));
    };
    let wanted = id_of(declared);
    ids.find(|id| Some(*id) == wanted).ok_or_else(|| Mismatch {
        what: "pixel id",
        declared: declared.clone(),
        found: format!("0x{:08X}", first_id(digest)),
    })
}

fn first_id(digest: &[u8; 32]) -> u32 {
    let [r, g, b, a, ..] = *digest;
    u32::from_be_bytes([r, g, b, a])
}

/// An id written as 0x499602D2.
pub(super) fn id_of(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("0x").filter(|digits| digits.len() == 8)?;
    let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| u32::from_str_radix(digits, 16).ok())?
}

/// Adds paths that are not there yet.
pub(super) fn add_requires(all: &mut Vec<String>, more: &[String]) {
    for path in more {
        if !all.contains(path) {
            all.push(path.clone());
        }
    }
}

fn told(error: SourceError) -> CallError {
    error.call_error()
}

impl<'r> BootFiles<'r> {
    /// The files of a root.
    pub fn new(root: &'r dyn BootRoot) -> Self {
        let (known, blob) = (RefCell::default(), RefCell::default());
        Self { root, cost: Cell::new(0), known, blob }
    }

    /// The root.
    pub(super) fn root(&self) -> &'r dyn BootRoot {
        self.root
    }

    /// What the attribute and, of a module, the header say it requires.
    ///
    /// # Errors
    /// When there is no file of that path. A header that cannot be read requires nothing.
    pub(super) fn requires_of(&self, path: &str) -> Result<Vec<String>, SourceError> {
        let mut requires = self.root.requires(path)?;
        if self.root.read_at(path, 0, PNG.len())? == PNG
            && let Ok(file) = self.root.read_file(path, MAX_PNG_BYTES)
        {
            self.count(file.bytes.len());
            let Ok(raster) = Raster::from_png(&file.bytes) else {
                return Ok(requires);
            };
            self.count(raster.pixels().len() * 4);
            let program = Program::parse(raster).ok();
            if let Some(header) = program.as_ref().and_then(Program::header) {
                add_requires(&mut requires, &header.requires);
            }
        }
        Ok(requires)
    }

    fn count(&self, bytes: usize) {
        self.cost.set(self.cost.get().saturating_add(bytes as u64));
    }

    /// The id that a root declares, else that of the content.
    fn id(&self, path: &str, look: &Look) -> Result<u32, CallError> {
        if let Some(id) = look.declared.id.as_deref().and_then(id_of) {
            return Ok(id);
        }
        let digits = look.declared.sha256.as_deref().and_then(|digits| digits.get(..8));
        if let Some(id) = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()) {
            return Ok(id);
        }
        if let Some(id) = self.known.borrow().get(&look.key) {
            return Ok(*id);
        }
        let id = first_id(&self.hash(path, look, MAX_HASHED)?);
        let mut known = self.known.borrow_mut();
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        known.insert(look.key, id);
        Ok(id)
    }

    fn hash(&self, path: &str, look: &Look, limit: u64) -> Result<[u8; 32], CallError> {
        if look.stat.size > limit {
            return Err(CallError::Io);
        }
        let (mut hasher, mut offset) = (Sha256::new(), 0);
        loop {
            let piece = self.root.read_at(path, offset, PIECE).map_err(told)?;
            self.count(piece.len());
            hasher.update(&piece);
            offset += piece.len() as u64;
            if piece.len() < PIECE {
                return Ok(hasher.finalize().into());
            }
            // It grows while it is read.
            if offset > limit {
                return Err(CallError::Io);
            }
        }
    }

    /// A blob of a registry, which has no path: whole, and the part wanted of it.
    fn registry_blob(&self, id: u32, offset: u64, len: usize) -> Result<Vec<u8>, CallError> {
        let part = |bytes: &[u8]| {
            let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
            bytes[start..start.saturating_add(len).min(bytes.len())].to_vec()
        };
        if let Some((_, bytes)) = self.blob.borrow().as_ref().filter(|(kept, _)| *kept == id) {
            return Ok(part(bytes));
        }
        let request = BlobRequest { id, max_len: MAX_BLOB, inflate: false };
        let reply = self.root.blob(&request);
        self.cost.set(self.cost.get().saturating_add(reply.cost));
        let bytes = reply.result.map_err(|error| match error {
            BlobError::NotFound(_) => CallError::NotFound,
            BlobError::Unreadable { .. } => CallError::Io,
        })?;
        let found = part(&bytes);
        if bytes.len() <= MAX_KEPT {
            *self.blob.borrow_mut() = Some((id, bytes));
        }
        Ok(found)
    }
}

impl Files for BootFiles<'_> {
    fn canonical(&self, path: &str) -> Result<String, CallError> {
        self.root.canonical(path).map_err(told)
    }

    fn stat(&self, path: &str) -> Result<Stat, CallError> {
        let look = self.root.look(path).map_err(told)?;
        let id = if look.stat.kind == 1 { self.id(path, &look).unwrap_or(0) } else { 0 };
        Ok(Stat { id, ..look.stat })
    }

    fn resolve(&self, path: &str) -> Result<u32, CallError> {
        let look = self.root.look(path).map_err(told)?;
        if look.stat.kind != 1 {
            return Err(CallError::WrongKind);
        }
        self.id(path, &look)
    }

    fn list(&self, path: &str) -> Result<Vec<Vec<u8>>, CallError> {
        let mut names = self.root.list(path).map_err(told)?;
        self.count(names.iter().map(Vec::len).sum());
        names.sort_unstable();
        Ok(names)
    }

    fn read(&self, which: Which<'_>, offset: u64, len: usize) -> Result<Vec<u8>, CallError> {
        let id = match which {
            Which::Path(path) => return self.root.read_at(path, offset, len).map_err(told),
            Which::Id(id) => id,
        };
        match self.root.read_at(&pixel_path(id), offset, len) {
            Err(SourceError::NotFound) => self.registry_blob(id, offset, len),
            result => result.map_err(told),
        }
    }

    fn checked(&self, which: Which<'_>, limit: u64) -> Result<(Vec<u8>, u32), CallError> {
        let file = match which {
            Which::Path(path) => self.root.read_file(path, limit),
            Which::Id(id) => self.root.read_file(&pixel_path(id), limit),
        };
        match (file, which) {
            (Ok(file), _) => {
                self.count(file.bytes.len());
                let id = check_content(&file.bytes, &file.declared);
                let id = id.map_err(|_| CallError::Digest)?;
                let is_asked = !matches!(which, Which::Id(asked) if asked != id);
                if is_asked { Ok((file.bytes, id)) } else { Err(CallError::Digest) }
            }
            (Err(SourceError::NotFound), Which::Id(id)) => {
                let len = usize::try_from(limit).unwrap_or(MAX_BLOB).min(MAX_BLOB);
                let bytes = self.registry_blob(id, 0, len)?;
                let declared = Declared { sha256: None, id: Some(format!("0x{id:08X}")) };
                let id = check_content(&bytes, &declared).map_err(|_| CallError::Digest)?;
                Ok((bytes, id))
            }
            (Err(error), _) => Err(told(error)),
        }
    }

    fn check(&self, path: &str, limit: u64) -> Result<u32, CallError> {
        let look = self.root.look(path).map_err(told)?;
        if look.stat.kind != 1 {
            return Err(CallError::WrongKind);
        }
        let digest = self.hash(path, &look, limit)?;
        check_digest(&digest, &look.declared).map_err(|_| CallError::Digest)
    }

    fn requires(&self, path: &str) -> Result<Vec<String>, CallError> {
        self.requires_of(path).map_err(told)
    }

    fn spend(&self, bytes: usize) {
        self.count(bytes);
    }

    fn take_cost(&self) -> u64 {
        self.cost.take()
    }
}
