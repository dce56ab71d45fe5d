//! The file tree of a picture that is not mounted, as a boot root.

use super::{
    BootFile, BootRoot, DIGEST_XATTR, Declared, ID_XATTR, Look, Names, REQUIRES_XATTR, SourceError,
    TYPE_XATTR, delivered, failed, list_of, pixel_path, text_of, type_code,
};
use crate::fs::{Attr, FileKind, FsError, Ino, ROOT_INO, Tree, resolve};
use crate::pxi::host::Stat;
use crate::pxi::{BlobError, BlobReply, BlobRequest};

/// Links that a path may lead through, as everywhere.
const MAX_LINKS: usize = 40;

/// The file tree of a picture that is not mounted.
#[derive(Clone, Copy)]
pub struct TreeRoot<'a>(pub &'a dyn Tree);

impl std::fmt::Debug for TreeRoot<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TreeRoot")
    }
}

impl TreeRoot<'_> {
    fn any(&self, path: &str) -> Result<Attr, SourceError> {
        resolve(self.0, path.as_bytes(), true).map_err(opening)
    }

    /// The inode and size of a regular file.
    fn find(&self, path: &str) -> Result<(u64, u64), SourceError> {
        let attr = self.any(path)?;
        if attr.kind == FileKind::Regular {
            Ok((attr.ino, attr.size))
        } else {
            Err(SourceError::NotAFile)
        }
    }

    fn xattr(&self, ino: u64, name: &str) -> Result<Option<Vec<u8>>, SourceError> {
        match self.0.xattr(ino, name.as_bytes()) {
            Ok(value) => Ok(Some(value)),
            Err(FsError::NoXattr) => Ok(None),
            Err(error) => Err(SourceError::Tree(error)),
        }
    }

    fn declared(&self, ino: u64) -> Result<Declared, SourceError> {
        Ok(Declared {
            sha256: self.xattr(ino, DIGEST_XATTR)?.map(|value| text_of(&value)),
            id: self.xattr(ino, ID_XATTR)?.map(|value| text_of(&value)),
        })
    }

    fn requires_of(&self, ino: u64) -> Result<Vec<String>, SourceError> {
        Ok(self.xattr(ino, REQUIRES_XATTR)?.map(|value| list_of(&value)).unwrap_or_default())
    }

    /// At most `len` bytes from `start` on, of a file of `size` bytes.
    fn read(&self, (ino, size): (u64, u64), start: u64, len: u64) -> Result<Vec<u8>, SourceError> {
        let len = usize::try_from(size.saturating_sub(start).min(len)).unwrap_or(0);
        let mut bytes = vec![0; len];
        let mut filled = 0;
        while filled < len {
            match self.0.read(ino, start + filled as u64, &mut bytes[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) => return Err(SourceError::Tree(error)),
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }
}

fn opening(error: FsError) -> SourceError {
    match error {
        FsError::NotFound | FsError::NotADirectory(_) => SourceError::NotFound,
        other => SourceError::Tree(other),
    }
}

impl BootRoot for TreeRoot<'_> {
    fn read_file(&self, path: &str, limit: u64) -> Result<BootFile, SourceError> {
        let (ino, size) = self.find(path)?;
        if size > limit {
            return Err(SourceError::TooLong { limit });
        }
        let declared = self.declared(ino)?;
        let requires = self.requires_of(ino)?;
        Ok(BootFile { bytes: self.read((ino, size), 0, limit)?, declared, requires })
    }

    fn requires(&self, path: &str) -> Result<Vec<String>, SourceError> {
        self.requires_of(self.find(path)?.0)
    }

    fn canonical(&self, path: &str) -> Result<String, SourceError> {
        let names = Canonical::new(self.0).walk(path).map_err(opening)?;
        let mut text = String::new();
        for name in names {
            text.push('/');
            text.push_str(&String::from_utf8(name).map_err(|_| SourceError::NoText)?);
        }
        Ok(if text.is_empty() { "/".to_owned() } else { text })
    }

    fn look(&self, path: &str) -> Result<Look, SourceError> {
        let attr = self.any(path)?;
        let kind = match attr.kind {
            FileKind::Regular => 1,
            FileKind::Directory => 2,
            _ => 3,
        };
        let mut look = Look {
            stat: Stat {
                kind,
                size: attr.size,
                id: 0,
                mode: attr.kind.mode_bits() | attr.perm,
                modified: u32::try_from(attr.mtime.secs).unwrap_or(0),
                links: attr.nlink,
                pixel_type: 0,
            },
            declared: Declared::default(),
            key: [0, attr.ino, attr.size, attr.mtime.secs as u64],
        };
        if kind == 1 {
            look.declared = self.declared(attr.ino)?;
            let name = self.xattr(attr.ino, TYPE_XATTR)?;
            look.stat.pixel_type = name.map_or(0, |name| type_code(&name));
        }
        Ok(look)
    }

    fn list(&self, path: &str) -> Result<Vec<Vec<u8>>, SourceError> {
        let attr = self.any(path)?;
        if attr.kind != FileKind::Directory {
            return Err(SourceError::NotADirectory);
        }
        let (mut names, mut fits) = (Names::default(), true);
        let mut keep = |name: &[u8]| {
            fits = names.push(name);
            fits
        };
        self.0.read_dir(attr.ino, 0, &mut |entry| keep(entry.name)).map_err(SourceError::Tree)?;
        if fits { Ok(names.names) } else { Err(SourceError::TooManyNames) }
    }

    fn read_at(&self, path: &str, offset: u64, len: usize) -> Result<Vec<u8>, SourceError> {
        self.read(self.find(path)?, offset, len as u64)
    }

    fn blob(&self, request: &BlobRequest) -> BlobReply {
        match self.read_at(&pixel_path(request.id), 0, request.max_len) {
            Ok(bytes) => delivered(bytes),
            Err(SourceError::NotFound) => {
                BlobReply { result: Err(BlobError::NotFound(request.id)), cost: 0 }
            }
            Err(error) => failed(request.id, &error),
        }
    }
}

/// A walk along a path that keeps the names it comes through.
struct Canonical<'t> {
    tree: &'t dyn Tree,
    /// From the root to where it is, with the inode of each.
    names: Vec<(Vec<u8>, Ino)>,
    links: usize,
}

impl<'t> Canonical<'t> {
    fn new(tree: &'t dyn Tree) -> Self {
        Self { tree, names: Vec::new(), links: 0 }
    }

    fn walk(mut self, path: &str) -> Result<Vec<Vec<u8>>, FsError> {
        let mut todo = parts(path.as_bytes());
        while let Some(name) = todo.pop() {
            match name.as_slice() {
                b"." => {}
                b".." => drop(self.names.pop()),
                name => self.step(name, &mut todo)?,
            }
        }
        Ok(self.names.into_iter().map(|(name, _)| name).collect())
    }

    fn step(&mut self, name: &[u8], todo: &mut Vec<Vec<u8>>) -> Result<(), FsError> {
        let at = self.names.last().map_or(ROOT_INO, |(_, ino)| *ino);
        let next = self.tree.lookup(at, name)?;
        if next.kind != FileKind::Symlink {
            self.names.push((name.to_vec(), next.ino));
            return Ok(());
        }
        self.links += 1;
        if self.links > MAX_LINKS {
            return Err(FsError::TooManyLinks);
        }
        let target = self.tree.read_link(next.ino)?;
        if target.first() == Some(&b'/') {
            self.names.clear();
        }
        todo.extend(parts(&target));
        Ok(())
    }
}

/// The parts of a path, last first.
fn parts(path: &[u8]) -> Vec<Vec<u8>> {
    let parts = path.split(|&byte| byte == b'/').filter(|part| !part.is_empty());
    parts.rev().map(<[u8]>::to_vec).collect()
}
