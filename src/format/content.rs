//! Contents: what files hold, each stored once, and the extents that map it to blocks.
//!
//! ```text
//! content record (key: content number)    extent (30 bytes)
//! 0   [4]   id: R G B A                   0   u64  length in bytes
//! 4   [32]  SHA-256 of the content        8   u64  first block (zero extent: 0)
//! 36  u64   size                          16  u32  offset in the first block
//! 44  u8    extents: 0 none, 1 one,       20  u8   log2 of the chunk size, 0: one block only
//!           2 in the extent tree          21  u8   0 data, 1 zeros
//! 45  ...   kind 1: the extent            22  u64  logical offset
//! ```

use super::bytes::Fields;
use super::{BlockNo, Digest, FormatError, PixelId};

/// Number of a content, from 1; 0 stands for the empty content.
pub type ContentNo = u64;

/// What an extent stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtentKind {
    /// Bytes of blocks.
    Data,
    /// Zeros that are data, not a hole, and take no block.
    Zero,
}

/// A run of a content's bytes. What no extent covers is a hole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Offset of the run in the content.
    pub logical: u64,
    /// Length in bytes, above 0.
    pub len: u64,
    /// First block.
    pub block: BlockNo,
    /// Offset of the first byte in the first block's raw bytes.
    pub offset: u32,
    /// log2 of the raw length of each block of the run but the last; 0 when the
    /// whole run lies in the first block.
    pub chunk_log: u8,
    /// Data or zeros.
    pub kind: ExtentKind,
}

impl Extent {
    /// Encoded length in bytes.
    pub const LEN: usize = 30;

    /// Parses an extent.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        const WHAT: &str = "extent";
        let mut fields = Fields::new(WHAT, bytes);
        let (len, block, offset) = (fields.u64()?, fields.u64()?, fields.u32()?);
        let (chunk_log, kind) = (fields.u8()?, fields.u8()?);
        let logical = fields.u64()?;
        fields.end()?;
        let kind = match kind {
            0 => ExtentKind::Data,
            1 => ExtentKind::Zero,
            other => return Err(FormatError::field(WHAT, "kind", other)),
        };
        if len == 0 || logical.checked_add(len).is_none_or(|end| end > i64::MAX as u64) {
            return Err(FormatError::field(WHAT, "length", len));
        }
        if chunk_log != 0 && !(12..=24).contains(&chunk_log) {
            return Err(FormatError::field(WHAT, "chunk size", chunk_log));
        }
        if chunk_log != 0 && offset >= 1 << chunk_log {
            return Err(FormatError::field(WHAT, "block offset", offset));
        }
        Ok(Self { logical, len, block, offset, chunk_log, kind })
    }

    /// The 30 bytes of the extent.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::LEN);
        out.extend_from_slice(&self.len.to_le_bytes());
        out.extend_from_slice(&self.block.to_le_bytes());
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.push(self.chunk_log);
        out.push(match self.kind {
            ExtentKind::Data => 0,
            ExtentKind::Zero => 1,
        });
        out.extend_from_slice(&self.logical.to_le_bytes());
        out
    }

    /// End of the run in the content; checked to fit when parsed.
    pub fn end(&self) -> u64 {
        self.logical + self.len
    }

    /// The block and the offset in it of the byte at `at` (between
    /// [`Extent::logical`] and [`Extent::end`]).
    pub fn locate(&self, at: u64) -> (BlockNo, u64) {
        let within = u64::from(self.offset) + (at - self.logical);
        if self.chunk_log == 0 {
            return (self.block, within);
        }
        let chunk = within >> self.chunk_log;
        (self.block.saturating_add(chunk), within & ((1 << self.chunk_log) - 1))
    }
}

/// Where the extents of a content are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extents {
    /// Nowhere: all of it is one hole.
    None,
    /// In the record itself: the only one.
    One(Extent),
    /// In the extent tree.
    Tree,
}

/// The record of a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentRecord {
    /// The sub-boot pixel: four bytes of the digest, the first four unless they were taken.
    pub id: PixelId,
    /// SHA-256 of the whole content, holes as zeros.
    pub sha256: Digest,
    /// Size in bytes, above 0.
    pub size: u64,
    /// The extents.
    pub extents: Extents,
}

impl ContentRecord {
    /// Parses a record.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        const WHAT: &str = "content record";
        let mut fields = Fields::new(WHAT, bytes);
        let (id, sha256) = (fields.array()?, fields.array()?);
        let size = fields.u64()?;
        let extents = match fields.u8()? {
            0 => Extents::None,
            1 => Extents::One(Extent::parse(fields.take(Extent::LEN)?)?),
            2 => Extents::Tree,
            other => return Err(FormatError::field(WHAT, "extent kind", other)),
        };
        fields.end()?;
        if size == 0 || size > i64::MAX as u64 {
            return Err(FormatError::field(WHAT, "size", size));
        }
        if let Extents::One(extent) = extents
            && extent.end() > size
        {
            return Err(FormatError::field(WHAT, "end of the extent", extent.end()));
        }
        Ok(Self { id, sha256, size, extents })
    }

    /// The record's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(45 + Extent::LEN);
        out.extend_from_slice(&self.id);
        out.extend_from_slice(&self.sha256);
        out.extend_from_slice(&self.size.to_le_bytes());
        match &self.extents {
            Extents::None => out.push(0),
            Extents::One(extent) => {
                out.push(1);
                out.extend_from_slice(&extent.to_bytes());
            }
            Extents::Tree => out.push(2),
        }
        out
    }
}

/// The key of an extent in the extent tree.
pub fn extent_key(content: ContentNo, logical: u64) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&content.to_be_bytes());
    key[8..].copy_from_slice(&logical.to_be_bytes());
    key
}

/// SHA-256 of no bytes at all.
pub const EMPTY_SHA256: Digest = [
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24,
    0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
];

/// The id of the empty content. It has no record, but no other content gets its id.
pub const EMPTY_ID: PixelId = [0xe3, 0xb0, 0xc4, 0x42];

/// The ids that a content may have, in order of preference: the eight aligned
/// words of its digest, then the words between them.
pub fn id_candidates(digest: &Digest) -> impl Iterator<Item = PixelId> {
    let aligned = (0..32).step_by(4);
    let between = (0..29).filter(|at| at % 4 != 0);
    let digest = *digest;
    aligned
        .chain(between)
        .map(move |at| [digest[at], digest[at + 1], digest[at + 2], digest[at + 3]])
        .filter(|id| *id != EMPTY_ID)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXTENT: Extent = Extent {
        logical: 4096,
        len: 300_000,
        block: 7,
        offset: 100,
        chunk_log: 17,
        kind: ExtentKind::Data,
    };

    #[test]
    fn a_run_of_chunks_is_located() {
        assert_eq!(EXTENT.locate(4096), (7, 100));
        assert_eq!(EXTENT.locate(4096 + (1 << 17) - 100), (8, 0));
        assert_eq!(EXTENT.locate(4096 + 299_999), (9, 100 + 299_999 - 2 * (1 << 17)));
        let single = Extent { chunk_log: 0, ..EXTENT };
        assert_eq!(single.locate(4096 + 299_999), (7, 300_099));
    }

    #[test]
    fn ids_are_windows_of_the_digest_each_once() {
        let digest = std::array::from_fn(|at| at as u8);
        let ids: Vec<PixelId> = id_candidates(&digest).collect();
        assert_eq!(ids.len(), 29);
        assert_eq!((ids[0], ids[1]), ([0, 1, 2, 3], [4, 5, 6, 7]));
        assert_eq!((ids[8], ids[28]), ([1, 2, 3, 4], [27, 28, 29, 30]));
    }

    #[test]
    fn the_id_of_the_empty_content_is_nobody_elses() {
        use sha2::Digest as _;
        assert_eq!(EMPTY_SHA256[..], sha2::Sha256::digest(b"")[..]);
        assert_eq!(EMPTY_ID, EMPTY_SHA256[..4]);
        let mut digest = [7; 32];
        digest[..4].copy_from_slice(&EMPTY_ID);
        assert_eq!(id_candidates(&digest).next(), Some([7; 4]));
    }

    #[test]
    fn records_round_trip() {
        for extents in [Extents::None, Extents::One(EXTENT), Extents::Tree] {
            let record =
                ContentRecord { id: [1, 2, 3, 4], sha256: [9; 32], size: 304_096, extents };
            assert_eq!(ContentRecord::parse(&record.to_bytes()), Ok(record));
        }
    }

    #[test]
    fn absurd_extents_are_refused() {
        let bad = [
            Extent { len: 0, ..EXTENT },
            Extent { len: u64::MAX, ..EXTENT },
            Extent { chunk_log: 40, ..EXTENT },
            Extent { offset: 1 << 17, ..EXTENT },
        ];
        for extent in bad {
            assert!(Extent::parse(&extent.to_bytes()).is_err(), "{extent:?}");
        }
    }
}
