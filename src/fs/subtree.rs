//! A directory of a tree as a tree of its own.

use crate::fs::{Attr, DirEntry, FileKind, FsError, Ino, ROOT_INO, Result, Seek, Tree, TreeStat};

/// The tree below one directory of another; what is not below it cannot be named.
#[derive(Debug)]
pub struct Subtree<T> {
    inner: T,
    root: Ino,
}

impl<T: Tree> Subtree<T> {
    /// The tree below the directory `root` of `inner`.
    ///
    /// # Errors
    /// [`FsError::NotADirectory`] and whatever reading the inode gives.
    pub fn new(inner: T, root: Ino) -> Result<Self> {
        match inner.attr(root)?.kind {
            FileKind::Directory => Ok(Self { inner, root }),
            _ => Err(FsError::NotADirectory(root)),
        }
    }

    /// The inner tree's number for one of ours.
    fn inner_ino(&self, ino: Ino) -> Ino {
        if ino == ROOT_INO { self.root } else { ino }
    }

    /// Our number for one of the inner tree's.
    fn outer_ino(&self, ino: Ino) -> Ino {
        if ino == self.root { ROOT_INO } else { ino }
    }
}

impl<T: Tree> Tree for Subtree<T> {
    fn lookup(&self, dir: Ino, name: &[u8]) -> Result<Attr> {
        self.inner.lookup(self.inner_ino(dir), name)
    }

    fn attr(&self, ino: Ino) -> Result<Attr> {
        let attr = self.inner.attr(self.inner_ino(ino))?;
        Ok(Attr { ino: self.outer_ino(attr.ino), ..attr })
    }

    fn parent(&self, dir: Ino) -> Result<Ino> {
        if dir == ROOT_INO {
            return Ok(ROOT_INO);
        }
        Ok(self.outer_ino(self.inner.parent(dir)?))
    }

    fn read_dir(
        &self,
        dir: Ino,
        from: u64,
        visit: &mut dyn FnMut(DirEntry<'_>) -> bool,
    ) -> Result<()> {
        self.inner.read_dir(self.inner_ino(dir), from, visit)
    }

    fn read_link(&self, ino: Ino) -> Result<Vec<u8>> {
        self.inner.read_link(self.inner_ino(ino))
    }

    fn read(&self, ino: Ino, offset: u64, buf: &mut [u8]) -> Result<usize> {
        self.inner.read(self.inner_ino(ino), offset, buf)
    }

    fn seek(&self, ino: Ino, offset: u64, what: Seek) -> Result<u64> {
        self.inner.seek(self.inner_ino(ino), offset, what)
    }

    fn xattr(&self, ino: Ino, name: &[u8]) -> Result<Vec<u8>> {
        self.inner.xattr(self.inner_ino(ino), name)
    }

    fn xattr_names(&self, ino: Ino) -> Result<Vec<Vec<u8>>> {
        self.inner.xattr_names(self.inner_ino(ino))
    }

    fn stat(&self) -> Result<TreeStat> {
        self.inner.stat()
    }

    fn small_file(&self, ino: Ino, limit: u64, visit: &mut dyn FnMut(&[u8])) -> Result<()> {
        self.inner.small_file(self.inner_ino(ino), limit, visit)
    }

    fn around(&self, ino: Ino, offset: u64, visit: &mut dyn FnMut(u64, &[u8])) -> Result<()> {
        self.inner.around(self.inner_ino(ino), offset, visit)
    }

    fn warm_after(&self, ino: Ino) -> Result<()> {
        self.inner.warm_after(self.inner_ino(ino))
    }

    fn is_volatile(&self, ino: Ino) -> bool {
        self.inner.is_volatile(self.inner_ino(ino))
    }

    fn cached_bytes(&self) -> u64 {
        self.inner.cached_bytes()
    }
}
