//! Files as sub-boot pixels: what PixelFS adds to a file tree.

use crate::format::{
    ContentNo, ContentRecord, Digest, EMPTY_ID, EMPTY_SHA256, PixelId, PixelType, TreeKind,
};
use crate::fs::{FsError, Ino, Result, Tree, Volume};

/// A content as PixelFS knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pixel {
    /// The pixel: red, green, blue, alpha.
    pub id: PixelId,
    /// SHA-256 of the content.
    pub sha256: Digest,
    /// Size in bytes.
    pub size: u64,
    /// What the tree knows it by.
    pub number: ContentNo,
}

impl Pixel {
    /// The pixel of every empty file.
    pub const EMPTY: Self = Self { id: EMPTY_ID, sha256: EMPTY_SHA256, size: 0, number: 0 };

    /// The id as pxOS writes it: `0x` and eight upper-case digits.
    pub fn id_text(id: PixelId) -> String {
        format!("0x{:08X}", u32::from_be_bytes(id))
    }

    /// The colour as `R,G,B,A` in decimal.
    pub fn rgba_text([red, green, blue, alpha]: PixelId) -> String {
        format!("{red},{green},{blue},{alpha}")
    }
}

/// A tree whose files are pixels.
pub trait PixelTree: Tree + std::fmt::Debug {
    /// The pixel of a regular file.
    ///
    /// # Errors
    /// [`FsError::WrongType`] or [`FsError::IsADirectory`] for what is no
    /// regular file; whatever reading its records gives.
    fn pixel(&self, ino: Ino) -> Result<Pixel>;

    /// What PixelFS takes a file for.
    fn pixel_type(&self, ino: Ino) -> Result<PixelType>;

    /// The pixel that has an id.
    fn pixel_by_id(&self, id: PixelId) -> Result<Option<Pixel>>;

    /// Reads a pixel's content as [`Tree::read`] does a file's.
    fn read_pixel(&self, pixel: &Pixel, offset: u64, buf: &mut [u8]) -> Result<usize>;

    /// Ids in ascending order, from the one after `after` on, until `visit` returns false.
    fn visit_ids(
        &self,
        after: Option<PixelId>,
        visit: &mut dyn FnMut(PixelId) -> bool,
    ) -> Result<()>;

    /// What is known about the medium and its caches, for `stats.json`.
    fn facts(&self) -> serde_json::Value;
}

impl Volume {
    fn pixel_of(number: ContentNo, content: &ContentRecord) -> Pixel {
        Pixel { id: content.id, sha256: content.sha256, size: content.size, number }
    }
}

impl PixelTree for Volume {
    fn pixel(&self, ino: Ino) -> Result<Pixel> {
        let content = self.content_of(ino)?;
        Ok(content.map_or(Pixel::EMPTY, |(number, content)| Self::pixel_of(number, &content)))
    }

    fn pixel_type(&self, ino: Ino) -> Result<PixelType> {
        Ok(self.inode(ino)?.pixel_type)
    }

    fn pixel_by_id(&self, id: PixelId) -> Result<Option<Pixel>> {
        if id == EMPTY_ID {
            return Ok(Some(Pixel::EMPTY));
        }
        let Some(entry) = self.store().get(TreeKind::Ids, &id)? else {
            return Ok(None);
        };
        let number = id_value(id, entry.value())?;
        let content = self.store().content(number)?;
        if content.id != id {
            let what = format!("id {}: leads to another pixel", Pixel::id_text(id));
            return Err(FsError::Corrupt(what));
        }
        Ok(Some(Self::pixel_of(number, &content)))
    }

    fn read_pixel(&self, pixel: &Pixel, offset: u64, buf: &mut [u8]) -> Result<usize> {
        if pixel.size == 0 {
            return Ok(0);
        }
        let content = self.store().content(pixel.number)?;
        self.read_content(pixel.number, &content, offset, buf)
    }

    fn visit_ids(
        &self,
        after: Option<PixelId>,
        visit: &mut dyn FnMut(PixelId) -> bool,
    ) -> Result<()> {
        let start = after.unwrap_or_default();
        let mut cursor = self.store().seek(TreeKind::Ids, &start)?;
        while let Some(entry) = cursor.next()? {
            let Ok(id) = PixelId::try_from(entry.key()) else {
                return Err(FsError::Corrupt("id tree: a key is not four bytes long".into()));
            };
            if Some(id) != after && !visit(id) {
                break;
            }
        }
        Ok(())
    }

    fn facts(&self) -> serde_json::Value {
        let superblock = self.store().superblock();
        let picture = self.store().picture();
        let [nodes, blocks] = self.store().cache_stats();
        let cache = |stats: crate::store::CacheStats| {
            serde_json::json!({
                "hits": stats.hits, "misses": stats.misses,
                "bytes": stats.bytes, "budget": stats.budget,
            })
        };
        let entries = |tree| superblock.root(tree).map_or(0, |root| root.node.entries);
        serde_json::json!({
            "label": superblock.label,
            "generation": superblock.generation,
            "container": picture.container().to_string(),
            "picture": {"width": picture.width(), "height": picture.rows()},
            "inodes": entries(TreeKind::Inodes),
            "pixels": entries(TreeKind::Ids),
            "blocks": entries(TreeKind::Blocks),
            "file_bytes": superblock.file_bytes,
            "stream_bytes": superblock.stream_len,
            "cache": {"metadata": cache(nodes), "data": cache(blocks)},
        })
    }
}

fn id_value(id: PixelId, value: &[u8]) -> Result<ContentNo> {
    let bytes: [u8; 8] = value.try_into().map_err(|_| {
        FsError::Corrupt(format!("id {}: its entry is not eight bytes long", Pixel::id_text(id)))
    })?;
    Ok(ContentNo::from_le_bytes(bytes))
}
