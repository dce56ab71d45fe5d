//! The file tree of a picture.

use crate::format::{
    ContentNo, ContentRecord, DirentRecord, Extent, ExtentKind, Extents, FormatError, InodeData,
    InodeRecord, TreeKind, XattrSet, XattrStorage, dir_prefix, dirent_key, extent_key,
    is_valid_name, number_key,
};
use crate::fs::{
    Attr, DirEntry, FileKind, FsError, Ino, ROOT_INO, Result, Seek, Time, Tree, TreeStat,
};
use crate::store::{Cursor, Store, StoreError};

/// A picture's file system, read-only.
#[derive(Debug)]
pub struct Volume {
    store: Store,
}

impl From<StoreError> for FsError {
    fn from(error: StoreError) -> Self {
        Self::Corrupt(error.to_string())
    }
}

impl Volume {
    /// The file system in `store`.
    ///
    /// # Errors
    /// When the root directory cannot be read.
    pub fn new(store: Store) -> Result<Self> {
        let volume = Self { store };
        match volume.inode(ROOT_INO).map(|root| root.data) {
            Ok(InodeData::Directory { parent: ROOT_INO }) => Ok(volume),
            Ok(_) => Err(FsError::Corrupt("the root inode is not a directory".into())),
            Err(FsError::NotFound) => Err(FsError::Corrupt("there is no root directory".into())),
            Err(error) => Err(error),
        }
    }

    /// The store below.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The record of an inode.
    pub fn inode(&self, ino: Ino) -> Result<InodeRecord> {
        let Some(entry) = self.store.get(TreeKind::Inodes, &number_key(ino))? else {
            return Err(FsError::NotFound);
        };
        InodeRecord::parse(entry.value()).map_err(|error| corrupt_inode(ino, &error))
    }

    /// The content of a regular file; `None` if it is empty.
    pub fn content_of(&self, ino: Ino) -> Result<Option<(ContentNo, ContentRecord)>> {
        let record = self.inode(ino)?;
        match record.data {
            InodeData::Regular(0) => Ok(None),
            InodeData::Regular(number) => {
                let content = self.store.content(number)?;
                if content.size != record.size {
                    let what = format!(
                        "inode {ino}: has {} bytes, its content {}",
                        record.size, content.size
                    );
                    return Err(FsError::Corrupt(what));
                }
                Ok(Some((number, content)))
            }
            InodeData::Directory { .. } => Err(FsError::IsADirectory(ino)),
            _ => Err(FsError::WrongType(ino, "has no content")),
        }
    }

    /// Reads from a content; fewer bytes than asked only at its end.
    pub fn read_content(
        &self,
        number: ContentNo,
        content: &ContentRecord,
        offset: u64,
        buf: &mut [u8],
    ) -> Result<usize> {
        if offset >= content.size {
            return Ok(0);
        }
        let len = (buf.len() as u64).min(content.size - offset) as usize;
        let buf = &mut buf[..len];
        let mut extents = self.extents_from(number, content, offset)?;
        let mut effort = Effort::for_bytes(len);
        let mut at = offset;
        let end = offset + len as u64;
        while at < end {
            let rest = &mut buf[(at - offset) as usize..];
            match extents.next()? {
                Some(extent) if extent.logical < end => {
                    if extent.logical > at {
                        let hole = (extent.logical - at) as usize;
                        rest[..hole].fill(0);
                        at = extent.logical;
                        self.copy_extent(&extent, &mut at, end, &mut rest[hole..], &mut effort)?;
                    } else {
                        self.copy_extent(&extent, &mut at, end, rest, &mut effort)?;
                    }
                }
                _ => {
                    rest.fill(0);
                    at = end;
                }
            }
        }
        Ok(len)
    }

    /// Copies what `extent` has between `at` and `end` to the front of `rest`.
    fn copy_extent(
        &self,
        extent: &Extent,
        at: &mut u64,
        end: u64,
        rest: &mut [u8],
        effort: &mut Effort,
    ) -> Result<()> {
        let until = extent.end().min(end);
        let mut done = 0;
        while *at < until {
            let left = (until - *at) as usize;
            let copied = match extent.kind {
                ExtentKind::Zero => {
                    rest[done..done + left].fill(0);
                    left
                }
                ExtentKind::Data => {
                    let (number, within) = extent.locate(*at);
                    let block = match extent.chunk_log {
                        0 => self.store.block(number)?,
                        log => self.store.block_up_to(number, 1 << log)?,
                    };
                    effort.charge(number, block.len())?;
                    let available = block.get(within as usize..).unwrap_or_default();
                    if available.is_empty() {
                        let what = format!("block {number}: is shorter than an extent says");
                        return Err(FsError::Corrupt(what));
                    }
                    let len = left.min(available.len());
                    rest[done..done + len].copy_from_slice(&available[..len]);
                    len
                }
            };
            // Only the last block of a run may be short, so a short copy that is
            // not at the chunk's end is seen as an overlong extent above.
            *at += copied as u64;
            done += copied;
            if extent.chunk_log == 0 && *at < until && extent.kind == ExtentKind::Data {
                let what = format!("block {}: is shorter than an extent says", extent.block);
                return Err(FsError::Corrupt(what));
            }
        }
        Ok(())
    }

    /// The extents of a content from the one on that reaches beyond `offset`.
    pub fn extents_from(
        &self,
        number: ContentNo,
        content: &ContentRecord,
        offset: u64,
    ) -> Result<ExtentWalk<'_>> {
        let mut walk = ExtentWalk {
            number,
            size: content.size,
            from: offset,
            one: None,
            cursor: None,
            last_end: 0,
        };
        match content.extents {
            Extents::None => {}
            Extents::One(extent) => walk.one = Some(extent),
            Extents::Tree => {
                let key = extent_key(number, offset);
                let floor = self.store.floor(TreeKind::Extents, &key)?;
                let start = match &floor {
                    Some(entry) if entry.key().starts_with(&number_key(number)) => entry.key(),
                    _ => &key,
                };
                walk.cursor = Some(self.store.seek(TreeKind::Extents, start)?);
            }
        }
        Ok(walk)
    }

    /// The xattr set of an inode.
    pub fn xattrs_of(&self, ino: Ino) -> Result<XattrSet> {
        let set = self.inode(ino)?.xattrs;
        if set == 0 {
            return Ok(XattrSet::default());
        }
        let failed = |error: FormatError| FsError::Corrupt(format!("xattr set {set}: {error}"));
        let entry = self.store.need(TreeKind::Xattrs, set)?;
        let bytes = match XattrStorage::parse(entry.value()).map_err(failed)? {
            XattrStorage::Inline(bytes) => bytes,
            XattrStorage::Blocks { len, block, chunk_log } => {
                let mut bytes = Vec::new();
                for number in 0..len.div_ceil(1 << chunk_log) {
                    let number = block.saturating_add(number);
                    bytes.extend_from_slice(&self.store.block_up_to(number, 1 << chunk_log)?);
                }
                bytes.truncate(len as usize);
                bytes
            }
        };
        XattrSet::parse(&bytes).map_err(failed)
    }

    fn attr_of(ino: Ino, record: &InodeRecord) -> Result<Attr> {
        let kind = FileKind::from_mode(record.data.kind().mode_bits())
            .ok_or_else(|| FsError::Corrupt(format!("inode {ino}: unknown type")))?;
        let rdev = match record.data {
            InodeData::CharDevice(major, minor) | InodeData::BlockDevice(major, minor) => {
                (major, minor)
            }
            _ => (0, 0),
        };
        Ok(Attr {
            ino,
            kind,
            perm: record.perm,
            nlink: record.nlink,
            uid: record.uid,
            gid: record.gid,
            rdev,
            size: record.size,
            blocks: record.allocated.div_ceil(512),
            mtime: Time { secs: record.mtime.0, nanos: record.mtime.1 },
            ctime: Time { secs: record.ctime.0, nanos: record.ctime.1 },
        })
    }

    /// Size and extent of a file that lies whole in one block; `None` for all others.
    fn packed(&self, ino: Ino) -> Result<Option<(u64, Extent)>> {
        let record = self.inode(ino)?;
        let InodeData::Regular(number @ 1..) = record.data else {
            return Ok(None);
        };
        let content = self.store.content(number)?;
        // An error to whoever reads it.
        if content.size != record.size {
            return Ok(None);
        }
        Ok(match content.extents {
            Extents::One(extent)
                if extent.chunk_log == 0
                    && extent.kind == ExtentKind::Data
                    && (extent.logical, extent.len) == (0, content.size) =>
            {
                Some((content.size, extent))
            }
            _ => None,
        })
    }

    fn need_dir(&self, ino: Ino) -> Result<()> {
        match self.inode(ino)?.data {
            InodeData::Directory { .. } => Ok(()),
            _ => Err(FsError::NotADirectory(ino)),
        }
    }
}

/// Bytes that may be decoded for one read. Extents of a few bytes in blocks of
/// 16 MiB each would otherwise keep a serving thread busy for minutes.
struct Effort {
    left: u64,
    /// The block that was charged last: reading on in it is free.
    block: Option<u64>,
}

impl Effort {
    /// The allowance of docs/format.md, F24.
    fn for_bytes(len: usize) -> Self {
        Self { left: 64 * len as u64 + (64 << 20), block: None }
    }

    fn charge(&mut self, block: u64, raw: usize) -> Result<()> {
        if self.block.replace(block) == Some(block) {
            return Ok(());
        }
        let left = self.left.checked_sub(raw as u64);
        self.left = left.ok_or_else(|| {
            FsError::Corrupt("its extents are scattered over too many blocks".into())
        })?;
        Ok(())
    }
}

/// The extents of one content in order.
#[derive(Debug)]
pub struct ExtentWalk<'a> {
    number: ContentNo,
    size: u64,
    from: u64,
    one: Option<Extent>,
    cursor: Option<Cursor<'a>>,
    last_end: u64,
}

impl ExtentWalk<'_> {
    /// The next extent that reaches beyond the walk's start.
    #[allow(clippy::should_implement_trait)] // It is fallible.
    pub fn next(&mut self) -> Result<Option<Extent>> {
        if let Some(extent) = self.one.take() {
            return Ok(Some(extent).filter(|extent| extent.end() > self.from));
        }
        let Some(cursor) = &mut self.cursor else {
            return Ok(None);
        };
        while let Some(entry) = cursor.next()? {
            if !entry.key().starts_with(&number_key(self.number)) {
                break;
            }
            let bad = |what: &str| FsError::Corrupt(format!("content {}: {what}", self.number));
            let extent = Extent::parse(entry.value()).map_err(|error| bad(&error.to_string()))?;
            if entry.key() != extent_key(self.number, extent.logical) {
                return Err(bad("an extent is not where its key says"));
            }
            if extent.logical < self.last_end || extent.end() > self.size {
                return Err(bad("extents overlap or end after the content"));
            }
            self.last_end = extent.end();
            if extent.end() > self.from {
                return Ok(Some(extent));
            }
        }
        self.cursor = None;
        Ok(None)
    }
}

fn corrupt_inode(ino: Ino, error: &FormatError) -> FsError {
    FsError::Corrupt(format!("inode {ino}: {error}"))
}

impl Tree for Volume {
    fn lookup(&self, dir: Ino, name: &[u8]) -> Result<Attr> {
        let Some(entry) = self.store.get(TreeKind::Dirents, &dirent_key(dir, name))? else {
            self.need_dir(dir)?;
            return Err(FsError::NotFound);
        };
        let entry = DirentRecord::parse(entry.value())
            .map_err(|error| FsError::Corrupt(format!("directory {dir}: {error}")))?;
        let record = match self.inode(entry.ino) {
            Err(FsError::NotFound) => {
                let what = format!("directory {dir}: names inode {}, which is missing", entry.ino);
                return Err(FsError::Corrupt(what));
            }
            other => other?,
        };
        if record.data.kind() != entry.kind {
            let what = format!("directory {dir}: is wrong about the type of inode {}", entry.ino);
            return Err(FsError::Corrupt(what));
        }
        // A directory has one parent: two ways to it would be a loop or a hard link.
        if let InodeData::Directory { parent } = record.data
            && parent != dir
        {
            let what = format!("directory {}: is entered in {dir} and {parent}", entry.ino);
            return Err(FsError::Corrupt(what));
        }
        Self::attr_of(entry.ino, &record)
    }

    fn attr(&self, ino: Ino) -> Result<Attr> {
        Self::attr_of(ino, &self.inode(ino)?)
    }

    fn parent(&self, dir: Ino) -> Result<Ino> {
        match self.inode(dir)?.data {
            InodeData::Directory { parent } => Ok(parent),
            _ => Err(FsError::NotADirectory(dir)),
        }
    }

    fn read_dir(
        &self,
        dir: Ino,
        from: u64,
        visit: &mut dyn FnMut(DirEntry<'_>) -> bool,
    ) -> Result<()> {
        self.need_dir(dir)?;
        let prefix = dir_prefix(dir);
        let mut cursor = if from == 0 {
            self.store.seek(TreeKind::Dirents, &prefix)?
        } else {
            // Positions are ordinals within the directory, so any is valid
            // at any time and nothing is kept between calls.
            let first = self.store.rank(TreeKind::Dirents, &prefix)?;
            self.store.select(TreeKind::Dirents, first.saturating_add(from))?
        };
        let mut position = from;
        while let Some(entry) = cursor.next()? {
            let Some(name) = entry.key().strip_prefix(&prefix) else {
                break;
            };
            let bad = |what: String| FsError::Corrupt(format!("directory {dir}: {what}"));
            let record = DirentRecord::parse(entry.value()).map_err(|e| bad(e.to_string()))?;
            let kind = FileKind::from_mode(record.kind.mode_bits())
                .filter(|_| is_valid_name(name))
                .ok_or_else(|| bad("has an entry that is no file name".into()))?;
            position += 1;
            if !visit(DirEntry { ino: record.ino, kind, name, next: position }) {
                break;
            }
        }
        Ok(())
    }

    fn read_link(&self, ino: Ino) -> Result<Vec<u8>> {
        match self.inode(ino)?.data {
            InodeData::Symlink(target) => Ok(target),
            _ => Err(FsError::WrongType(ino, "is not a symbolic link")),
        }
    }

    fn read(&self, ino: Ino, offset: u64, buf: &mut [u8]) -> Result<usize> {
        match self.content_of(ino)? {
            Some((number, content)) => self.read_content(number, &content, offset, buf),
            None => Ok(0),
        }
    }

    fn seek(&self, ino: Ino, offset: u64, what: Seek) -> Result<u64> {
        let Some((number, content)) = self.content_of(ino)? else {
            return Err(FsError::BeyondEnd);
        };
        if offset >= content.size {
            return Err(FsError::BeyondEnd);
        }
        let mut extents = self.extents_from(number, &content, offset)?;
        let mut at = offset;
        while let Some(extent) = extents.next()? {
            match what {
                Seek::Data => return Ok(extent.logical.max(offset)),
                Seek::Hole if extent.logical > at => return Ok(at),
                Seek::Hole => at = extent.end(),
            }
        }
        match what {
            Seek::Data => Err(FsError::BeyondEnd),
            Seek::Hole => Ok(at.min(content.size)),
        }
    }

    fn xattr(&self, ino: Ino, name: &[u8]) -> Result<Vec<u8>> {
        self.xattrs_of(ino)?.get(name).map(<[u8]>::to_vec).ok_or(FsError::NoXattr)
    }

    fn xattr_names(&self, ino: Ino) -> Result<Vec<Vec<u8>>> {
        Ok(self.xattrs_of(ino)?.0.into_iter().map(|(name, _)| name).collect())
    }

    fn stat(&self) -> Result<TreeStat> {
        let superblock = self.store.superblock();
        let inodes = superblock.root(TreeKind::Inodes).map_or(0, |root| root.node.entries);
        Ok(TreeStat { total_bytes: superblock.stream_len, free_bytes: 0, inodes })
    }

    fn small_file(&self, ino: Ino, limit: u64, visit: &mut dyn FnMut(&[u8])) -> Result<()> {
        let Some((size, extent)) = self.packed(ino)?.filter(|&(size, _)| size < limit) else {
            return Ok(());
        };
        let block = self.store.block(extent.block)?;
        let start = extent.offset as usize;
        let content = start.checked_add(size as usize).and_then(|end| block.get(start..end));
        // One that ends outside its block is an error to whoever reads it.
        if let Some(content) = content {
            visit(content);
        }
        Ok(())
    }

    fn around(&self, ino: Ino, offset: u64, visit: &mut dyn FnMut(u64, &[u8])) -> Result<()> {
        let Some((number, content)) = self.content_of(ino)? else {
            return Ok(());
        };
        let Some(extent) = self.extents_from(number, &content, offset)?.next()? else {
            return Ok(());
        };
        let is_chunk = extent.chunk_log > 0 && extent.kind == ExtentKind::Data;
        if is_chunk && extent.logical <= offset {
            let (number, within) = extent.locate(offset);
            let block = self.store.block_up_to(number, 1 << extent.chunk_log)?;
            // What an extent has of its first chunk may begin within it.
            let skipped = within.saturating_sub(offset - extent.logical) as usize;
            let start = offset + skipped as u64 - within;
            let bytes = block.get(skipped..).unwrap_or_default();
            let len = (extent.end() - start).min(bytes.len() as u64);
            visit(start, &bytes[..len as usize]);
        }
        Ok(())
    }

    fn warm_after(&self, ino: Ino) -> Result<()> {
        // Contents are packed in the order of inode numbers, blocks numbered so.
        if let Some((_, extent)) = self.packed(ino)? {
            let next = extent.block.saturating_add(1);
            if self.store.get(TreeKind::Blocks, &number_key(next))?.is_some() {
                self.store.block(next)?;
            }
        }
        Ok(())
    }

    fn cached_bytes(&self) -> u64 {
        self.store.cache_stats().iter().map(|stats| stats.bytes).sum()
    }
}
