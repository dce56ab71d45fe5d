//! A boot root with changes laid over it that nobody has written yet.
//!
//! What the architect wants to do is tried on such a root: it boots as the real
//! one will when the changes are kept, and is forgotten when they are not.

use sha2::{Digest as _, Sha256};

use crate::boot::{BootFile, BootRoot, Declared, Look, SourceError};
use crate::format::PixelType;
use crate::pxi::host::Stat;
use crate::pxi::{BlobReply, BlobRequest};

/// Parts of a path that are looked at one by one; no real one has so many.
const MAX_PARTS: usize = 64;

/// A file that is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its path: clean, and through no link.
    pub path: String,
    /// Its content.
    pub bytes: Vec<u8>,
    /// What PixelFS takes it for.
    pub kind: PixelType,
    /// What it is for.
    pub description: Option<String>,
    /// What is at the path now.
    pub old: Option<Vec<u8>>,
}

impl Change {
    fn sha256(&self) -> [u8; 32] {
        Sha256::digest(&self.bytes).into()
    }

    fn id(&self) -> u32 {
        let [r, g, b, a, ..] = self.sha256();
        u32::from_be_bytes([r, g, b, a])
    }

    fn look(&self) -> Look {
        let stat = Stat {
            kind: 1,
            size: self.bytes.len() as u64,
            id: self.id(),
            mode: 0o100_644,
            modified: 0,
            links: 1,
            pixel_type: self.kind as u32,
        };
        let word = |at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&self.sha256()[at..at + 8]);
            u64::from_le_bytes(bytes)
        };
        let key = [word(0), word(8), word(16), word(24)];
        Look { stat, declared: Declared::default(), key }
    }

    fn part(&self, offset: u64, len: usize) -> Vec<u8> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.bytes.len());
        let rest = &self.bytes[start..];
        rest[..len.min(rest.len())].to_vec()
    }
}

/// A root and the changes.
pub struct Staged<'a> {
    base: &'a dyn BootRoot,
    changes: &'a [Change],
}

impl std::fmt::Debug for Staged<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Staged").field("changes", &self.changes.len()).finish_non_exhaustive()
    }
}

impl<'a> Staged<'a> {
    /// Lays changes over a root.
    pub fn new(base: &'a dyn BootRoot, changes: &'a [Change]) -> Self {
        Self { base, changes }
    }

    fn change(&self, path: &str) -> Option<&'a Change> {
        let path = self.canonical(path).ok()?;
        self.changes.iter().find(|change| change.path == path)
    }

    /// Whether a path is that of a change or of a directory that one makes.
    fn is_made(&self, path: &str) -> bool {
        let is_above = |change: &Change| {
            change
                .path
                .strip_prefix(path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.changes.iter().any(is_above)
    }

    /// Names that changes add to a directory.
    fn names_in(&self, dir: &str) -> Vec<Vec<u8>> {
        let below = |change: &Change| {
            let rest = change.path.strip_prefix(dir.trim_end_matches('/'))?.strip_prefix('/')?;
            Some(rest.split('/').next()?.as_bytes().to_vec())
        };
        self.changes.iter().filter_map(below).collect()
    }
}

impl BootRoot for Staged<'_> {
    fn read_file(&self, path: &str, limit: u64) -> Result<BootFile, SourceError> {
        let Some(change) = self.change(path) else {
            return self.base.read_file(path, limit);
        };
        if change.bytes.len() as u64 > limit {
            return Err(SourceError::TooLong { limit });
        }
        let (declared, requires) = (Declared::default(), self.requires(path)?);
        Ok(BootFile { bytes: change.bytes.clone(), declared, requires })
    }

    /// What the attribute says stays when a file is replaced.
    fn requires(&self, path: &str) -> Result<Vec<String>, SourceError> {
        match (self.change(path), self.base.requires(path)) {
            (Some(_), Err(_)) => Ok(Vec::new()),
            (_, requires) => requires,
        }
    }

    /// Links are followed where the root has the path; what changes add lies
    /// below directories that it has, or that other changes make.
    fn canonical(&self, path: &str) -> Result<String, SourceError> {
        let mut at = String::from("/");
        for (count, part) in path.split('/').filter(|part| !part.is_empty()).enumerate() {
            if count >= MAX_PARTS {
                return self.base.canonical(path);
            }
            // What is behind has no links any more.
            if matches!(part, "." | "..") {
                let end = if part == "." { at.len() } else { at.rfind('/').unwrap_or(0).max(1) };
                at.truncate(end);
                continue;
            }
            let next = format!("{}/{part}", at.trim_end_matches('/'));
            at = match self.base.canonical(&next) {
                Err(SourceError::NotFound) if self.is_made(&next) => next,
                found => found?,
            };
        }
        Ok(at)
    }

    fn look(&self, path: &str) -> Result<Look, SourceError> {
        if let Some(change) = self.change(path) {
            return Ok(change.look());
        }
        match self.base.look(path) {
            Err(SourceError::NotFound) => {
                self.canonical(path)?;
                let stat = Stat { kind: 2, mode: 0o040_755, links: 2, ..Stat::default() };
                Ok(Look { stat, ..Look::default() })
            }
            look => look,
        }
    }

    fn list(&self, path: &str) -> Result<Vec<Vec<u8>>, SourceError> {
        if self.change(path).is_some() {
            return Err(SourceError::NotADirectory);
        }
        let dir = self.canonical(path)?;
        let mut names = match self.base.list(&dir) {
            Err(SourceError::NotFound) => Vec::new(),
            names => names?,
        };
        names.extend(self.names_in(&dir));
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    fn read_at(&self, path: &str, offset: u64, len: usize) -> Result<Vec<u8>, SourceError> {
        match self.change(path) {
            Some(change) => Ok(change.part(offset, len)),
            None => self.base.read_at(path, offset, len),
        }
    }

    fn blob(&self, request: &BlobRequest) -> BlobReply {
        match self.changes.iter().find(|change| change.id() == request.id) {
            Some(change) => {
                let bytes = change.part(0, request.max_len);
                BlobReply { cost: bytes.len() as u64, result: Ok(bytes) }
            }
            None => self.base.blob(request),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::boot::DirRoot;

    fn change(path: &str, text: &str) -> Change {
        Change {
            path: path.to_owned(),
            bytes: text.as_bytes().to_vec(),
            kind: PixelType::Data,
            description: None,
            old: None,
        }
    }

    fn read(root: &dyn BootRoot, path: &str) -> String {
        root.read_file(path, 99)
            .map_or_else(|error| error.to_string(), |file| String::from_utf8(file.bytes).unwrap())
    }

    #[test]
    fn changes_are_seen_and_the_rest_stays() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("boot")).unwrap();
        std::fs::write(dir.path().join("boot/a"), "old").unwrap();
        std::fs::write(dir.path().join("boot/b"), "stays").unwrap();
        std::os::unix::fs::symlink("/boot", dir.path().join("link")).unwrap();
        let base = DirRoot::open(dir.path()).unwrap();
        let changes = [change("/boot/a", "new"), change("/apps/x/y", "made")];
        let staged = Staged::new(&base, &changes);
        let cases = [
            ("/boot/a", "new"),
            ("/link/a", "new"),
            ("boot/../boot/a", "new"),
            ("/boot/b", "stays"),
            ("/apps/x/y", "made"),
            ("/apps/x/../x/y", "made"),
            ("/apps/x/z", "not found"),
            ("/apps/x", "not found"),
        ];
        for (path, expected) in cases {
            assert_eq!(read(&staged, path), expected, "{path}");
        }
        let names = |path| staged.list(path).unwrap();
        assert_eq!(names("/"), [&b"apps"[..], b"boot", b"link"]);
        assert_eq!(names("/link"), [b"a", b"b"]);
        assert_eq!(names("/apps"), [b"x"]);
        assert!(staged.list("/apps/x/y").is_err());
        assert_eq!(staged.look("/apps/x").unwrap().stat.kind, 2);
        assert_eq!(staged.look("/apps/x/y").unwrap().stat.size, 4);
        assert_eq!(staged.read_at("/apps/x/y", 1, 2).unwrap(), b"ad");
        let id = changes[1].id();
        let blob = staged.blob(&BlobRequest { id, max_len: 3, inflate: false });
        assert_eq!(blob.result.unwrap(), b"mad");
        // Nothing was written.
        assert_eq!(std::fs::read(dir.path().join("boot/a")).unwrap(), b"old");
        assert!(!dir.path().join("apps").exists());
    }
}
