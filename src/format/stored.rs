//! References to stored bytes: where in the stream, how long, how encoded, and their checksums.

use super::bytes::Fields;
use super::{Digest, FormatError, INCOMPAT_X86, INCOMPAT_ZSTD};

/// Number of a data block.
pub type BlockNo = u64;

/// The largest block, raw or stored, that a reader accepts: 16 MiB.
///
/// It bounds what one reference read from a picture can make a reader allocate.
pub const MAX_BLOCK: u32 = 16 << 20;

/// How bytes are encoded in the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Codec {
    /// As they are.
    None = 0,
    /// One zstd frame (RFC 8878).
    Zstd = 1,
    /// One zstd frame of bytes that went through the x86 filter.
    ZstdX86 = 2,
}

impl Codec {
    /// The incompatible features that a picture with such blocks must have.
    pub fn features(self) -> u64 {
        match self {
            Self::None => 0,
            Self::Zstd => INCOMPAT_ZSTD,
            Self::ZstdX86 => INCOMPAT_ZSTD | INCOMPAT_X86,
        }
    }

    fn from_byte(byte: u8) -> Result<Self, FormatError> {
        match byte {
            0 => Ok(Self::None),
            1 => Ok(Self::Zstd),
            2 => Ok(Self::ZstdX86),
            _ => Err(FormatError::field("block reference", "codec", byte)),
        }
    }
}

/// A reference to a stored block or node: 60 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredRef {
    /// Payload offset of the first stored byte.
    pub offset: u64,
    /// Stored (encoded) bytes, 1..=[`MAX_BLOCK`].
    pub stored: u32,
    /// Raw (decoded) bytes, 1..=[`MAX_BLOCK`].
    pub raw: u32,
    /// Encoding.
    pub codec: Codec,
    /// XXH3-64 of the stored bytes, checked on every read.
    pub xxh3: u64,
    /// SHA-256 of the stored bytes, checked on every read of a picture mounted
    /// with a pinned digest.
    pub sha256: Digest,
}

impl StoredRef {
    /// Encoded length in bytes.
    pub const LEN: usize = 60;

    /// Parses a reference; offsets are checked against the stream by the store.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        const WHAT: &str = "block reference";
        let mut fields = Fields::new(WHAT, bytes);
        let parsed = Self {
            offset: fields.u64()?,
            stored: fields.u32()?,
            raw: fields.u32()?,
            codec: Codec::from_byte(fields.u8()?)?,
            xxh3: {
                fields.reserved(3)?;
                fields.u64()?
            },
            sha256: fields.array()?,
        };
        fields.end()?;
        if parsed.stored == 0 || parsed.stored > MAX_BLOCK {
            return Err(FormatError::field(WHAT, "stored length", parsed.stored));
        }
        if parsed.raw == 0 || parsed.raw > MAX_BLOCK {
            return Err(FormatError::field(WHAT, "raw length", parsed.raw));
        }
        if parsed.codec == Codec::None && parsed.raw != parsed.stored {
            return Err(FormatError::field(WHAT, "raw length", parsed.raw));
        }
        Ok(parsed)
    }

    /// The 60 bytes of the reference.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::LEN);
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.extend_from_slice(&self.stored.to_le_bytes());
        out.extend_from_slice(&self.raw.to_le_bytes());
        out.extend_from_slice(&[self.codec as u8, 0, 0, 0]);
        out.extend_from_slice(&self.xxh3.to_le_bytes());
        out.extend_from_slice(&self.sha256);
        out
    }
}

/// A reference to a tree node, with the number of entries in the leaves below it: 68 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeRef {
    /// Entries in all leaves under the node.
    pub entries: u64,
    /// Where the node is.
    pub at: StoredRef,
}

impl NodeRef {
    /// Encoded length in bytes.
    pub const LEN: usize = 8 + StoredRef::LEN;

    /// Parses a node reference.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut fields = Fields::new("node reference", bytes);
        let entries = fields.u64()?;
        Ok(Self { entries, at: StoredRef::parse(fields.rest())? })
    }

    /// The 68 bytes of the reference.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = self.entries.to_le_bytes().to_vec();
        out.extend_from_slice(&self.at.to_bytes());
        out
    }
}

/// The root of a tree in the superblock: 72 bytes, all zero for an empty tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeRoot {
    /// Level of the root node: 0 is a leaf.
    pub level: u8,
    /// The root node.
    pub node: NodeRef,
}

impl TreeRoot {
    /// Encoded length in bytes.
    pub const LEN: usize = 4 + NodeRef::LEN;

    /// The deepest tree a reader accepts. With two entries a node, which is the
    /// least, sixteen levels hold more than a picture of the largest size.
    pub const MAX_LEVEL: u8 = 16;

    /// Parses a root; `None` is the empty tree.
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>, FormatError> {
        if bytes.iter().all(|&byte| byte == 0) {
            return Ok(None);
        }
        let mut fields = Fields::new("tree root", bytes);
        let level = fields.u8()?;
        fields.reserved(3)?;
        if level > Self::MAX_LEVEL {
            return Err(FormatError::field("tree root", "level", level));
        }
        Ok(Some(Self { level, node: NodeRef::parse(fields.rest())? }))
    }

    /// The 72 bytes of a root.
    pub fn to_bytes(root: Option<&Self>) -> Vec<u8> {
        let Some(root) = root else {
            return vec![0; Self::LEN];
        };
        let mut out = vec![root.level, 0, 0, 0];
        out.extend_from_slice(&root.node.to_bytes());
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference() -> StoredRef {
        StoredRef {
            offset: 12288,
            stored: 100,
            raw: 4096,
            codec: Codec::Zstd,
            xxh3: 0x0123_4567_89ab_cdef,
            sha256: [7; 32],
        }
    }

    #[test]
    fn references_round_trip() {
        let node = NodeRef { entries: 12, at: reference() };
        let root = TreeRoot { level: 2, node };
        assert_eq!(StoredRef::parse(&reference().to_bytes()), Ok(reference()));
        assert_eq!(reference().to_bytes().len(), StoredRef::LEN);
        assert_eq!(TreeRoot::parse(&TreeRoot::to_bytes(Some(&root))), Ok(Some(root)));
        assert_eq!(TreeRoot::parse(&TreeRoot::to_bytes(None)), Ok(None));
    }

    #[test]
    fn absurd_references_are_refused() {
        let cases: [(&str, StoredRef); 4] = [
            ("stored", StoredRef { stored: 0, ..reference() }),
            ("stored", StoredRef { stored: MAX_BLOCK + 1, ..reference() }),
            ("raw", StoredRef { raw: u32::MAX, ..reference() }),
            ("raw", StoredRef { codec: Codec::None, ..reference() }),
        ];
        for (word, bad) in cases {
            let error = StoredRef::parse(&bad.to_bytes()).expect_err("refused");
            assert!(error.to_string().contains(word), "{error}");
        }
        let mut unknown_codec = reference().to_bytes();
        unknown_codec[16] = 9;
        assert!(StoredRef::parse(&unknown_codec).is_err());
        assert!(StoredRef::parse(&unknown_codec[..59]).is_err());
    }
}
