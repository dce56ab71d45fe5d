//! A tree with one file, /models/m.gguf, in memory.

use pxfs::format::{PixelId, PixelType};
use pxfs::fs::{
    Attr, DirEntry, FileKind, FsError, Ino, Pixel, PixelTree, ROOT_INO, Result, Seek, Time, Tree,
    TreeStat,
};

#[derive(Debug)]
pub(crate) struct OneFile(pub(crate) Vec<u8>);

const MODELS: Ino = 2;
const FILE: Ino = 3;

impl Tree for OneFile {
    fn lookup(&self, dir: Ino, name: &[u8]) -> Result<Attr> {
        match (dir, name) {
            (ROOT_INO, b"models") => self.attr(MODELS),
            (MODELS, b"m.gguf") => self.attr(FILE),
            _ => Err(FsError::NotFound),
        }
    }

    fn attr(&self, ino: Ino) -> Result<Attr> {
        let (kind, size) = match ino {
            FILE => (FileKind::Regular, self.0.len() as u64),
            _ => (FileKind::Directory, 0),
        };
        let (mtime, ctime) = (Time::default(), Time::default());
        let (perm, nlink, uid, gid, rdev, blocks) = (0o755, 1, 0, 0, (0, 0), 0);
        Ok(Attr { ino, kind, perm, nlink, uid, gid, rdev, size, blocks, mtime, ctime })
    }

    fn parent(&self, _dir: Ino) -> Result<Ino> {
        Ok(ROOT_INO)
    }

    fn read_dir(
        &self,
        _dir: Ino,
        _from: u64,
        _visit: &mut dyn FnMut(DirEntry<'_>) -> bool,
    ) -> Result<()> {
        Ok(())
    }

    fn read_link(&self, ino: Ino) -> Result<Vec<u8>> {
        Err(FsError::WrongType(ino, "is no link"))
    }

    fn read(&self, _ino: Ino, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let rest = self.0.get(offset as usize..).unwrap_or_default();
        let len = rest.len().min(buf.len());
        buf[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }

    fn seek(&self, _ino: Ino, _offset: u64, _what: Seek) -> Result<u64> {
        Err(FsError::BeyondEnd)
    }

    fn xattr(&self, _ino: Ino, _name: &[u8]) -> Result<Vec<u8>> {
        Err(FsError::NoXattr)
    }

    fn xattr_names(&self, _ino: Ino) -> Result<Vec<Vec<u8>>> {
        Ok(Vec::new())
    }

    fn stat(&self) -> Result<TreeStat> {
        Ok(TreeStat::default())
    }
}

/// It knows no pixels, as a tree need not.
impl PixelTree for OneFile {
    fn pixel(&self, ino: Ino) -> Result<Pixel> {
        Err(FsError::WrongType(ino, "is no pixel here"))
    }

    fn pixel_type(&self, _ino: Ino) -> Result<PixelType> {
        Ok(PixelType::Model)
    }

    fn pixel_by_id(&self, _id: PixelId) -> Result<Option<Pixel>> {
        Ok(None)
    }

    fn read_pixel(&self, _pixel: &Pixel, _offset: u64, _buf: &mut [u8]) -> Result<usize> {
        Ok(0)
    }

    fn visit_ids(
        &self,
        _after: Option<PixelId>,
        _visit: &mut dyn FnMut(PixelId) -> bool,
    ) -> Result<()> {
        Ok(())
    }

    fn facts(&self) -> serde_json::Value {
        serde_json::Value::Null
    }
}
