//! The superblock: the first thing read, twice in every picture.
//!
//! ```text
//! 0    [4]  "PXFS"                   168  i64, u32, u32  time of creation: seconds,
//! 4    u16  major version                                nanoseconds, zero
//! 6    u16  minor version            184  i64, u32, u32  time of this commit
//! 8    u32  1024, this length        200  u64  stream length
//! 12   [32] canary pixels            208  u64  next inode number
//! 44   u32  channels: 4 or 3         216  u64  next content number
//! 48   u32  width in pixels          224  u64  next block number
//! 52   u32  zero                     232  u64  next xattr set number
//! 56   u64  compatible features      240  u64  bytes in regular files
//! 64   u64  read-only compatible     248  u64  zero
//! 72   u64  incompatible features    256  u8   log2 of the pack block size
//! 80   [16] UUID                     257  u8   log2 of the chunk size
//! 96   [64] label, UTF-8, zero-filled 258 [6]  zero
//! 160  u64  generation               264  8 x [72] tree roots, in order of TreeKind
//! 840  [144] zero
//! 984  [32] SHA-256 of bytes 0..984: the digest that pins the whole tree
//! 1016 u64  XXH3-64 of bytes 0..1016
//! ```

use sha2::{Digest as _, Sha256};
use xxhash_rust::xxh3::xxh3_64;

use super::bytes::Fields;
use super::{Digest, FormatError, TreeRoot, check_features};
use crate::picture::Channels;

/// The first four payload bytes.
pub const MAGIC: [u8; 4] = *b"PXFS";

/// Format version that this program writes; a reader accepts any minor of the same major.
pub const VERSION_MAJOR: u16 = 1;
/// See [`VERSION_MAJOR`].
pub const VERSION_MINOR: u16 = 0;

/// Length of a superblock in bytes.
pub const SUPERBLOCK_LEN: usize = 1024;

/// Payload offsets of the two slots. They are further apart than a page and a
/// sector, so that no single torn write reaches both.
pub const SLOT_OFFSETS: [u64; 2] = [0, 8192];

/// Bytes at the start of the stream that belong to the superblocks.
pub const HEADER_LEN: u64 = 12_288;

/// Number of tree roots in a superblock.
pub const TREE_COUNT: usize = 8;

/// Where the canary pixels are: a whole number of pixels of three and of four bytes.
pub const CANARY_OFFSET: usize = 12;
const CANARY_LEN: usize = 32;
const LABEL_LEN: usize = 64;
const RESERVED_LEN: usize = 144;
/// Where the generation stands.
const GENERATION_OFFSET: usize = 160;
const DIGEST_OFFSET: usize = 984;
const CHECKSUM_OFFSET: usize = DIGEST_OFFSET + 32;

const WHAT: &str = "superblock";

/// The trees, by their place in the superblock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum TreeKind {
    /// Inode number -> inode record.
    Inodes = 0,
    /// Directory number and name -> directory entry.
    Dirents = 1,
    /// Content number -> content record.
    Contents = 2,
    /// Pixel id -> content number (u64).
    Ids = 3,
    /// Block number -> block reference.
    Blocks = 4,
    /// Content number and logical offset -> extent.
    Extents = 5,
    /// Xattr set number -> xattr set.
    Xattrs = 6,
    /// Name -> what is known about the picture (`plane`, `cover`).
    Info = 7,
}

impl TreeKind {
    /// All trees in the order of the superblock.
    pub const ALL: [Self; TREE_COUNT] = [
        Self::Inodes,
        Self::Dirents,
        Self::Contents,
        Self::Ids,
        Self::Blocks,
        Self::Extents,
        Self::Xattrs,
        Self::Info,
    ];
}

/// A parsed superblock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Superblock {
    /// Bytes a pixel carries.
    pub channels: Channels,
    /// Width of the picture in pixels.
    pub width: u32,
    /// Incompatible features in use.
    pub incompat: u64,
    /// The file system's UUID.
    pub uuid: [u8; 16],
    /// The label: UTF-8, at most 64 bytes, may be empty.
    pub label: String,
    /// Number of the commit that wrote this superblock; the first is 1.
    pub generation: u64,
    /// Time of creation: seconds and nanoseconds.
    pub created: (i64, u32),
    /// Time of this commit.
    pub committed: (i64, u32),
    /// Payload bytes in use; everything referred to lies below.
    pub stream_len: u64,
    /// The lowest inode number never used.
    pub next_ino: u64,
    /// The lowest content number never used.
    pub next_content: u64,
    /// The lowest block number never used.
    pub next_block: u64,
    /// The lowest xattr set number never used.
    pub next_xattr: u64,
    /// Sum of the sizes of all regular files.
    pub file_bytes: u64,
    /// log2 of the size of blocks that small files are packed in.
    pub block_log: u8,
    /// log2 of the size of the chunks of large files.
    pub chunk_log: u8,
    /// The roots, in the order of [`TreeKind`].
    pub roots: [Option<TreeRoot>; TREE_COUNT],
    /// SHA-256 of everything above; as roots hold digests, of the whole tree.
    pub digest: Digest,
}

/// Whether `bytes` begin as a superblock does.
fn looks_like_superblock(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

impl Superblock {
    /// Parses and checks one slot.
    ///
    /// # Errors
    /// [`FormatError::NoMagic`] when it is none at all, [`FormatError::Checksum`]
    /// when it is damaged; version and features are judged only after that.
    pub fn parse(bytes: &[u8; SUPERBLOCK_LEN]) -> Result<Self, FormatError> {
        if !looks_like_superblock(bytes) {
            return Err(FormatError::NoMagic);
        }
        check_checksum(bytes)?;
        let mut fields = Fields::new(WHAT, bytes);
        fields.take(MAGIC.len())?;
        let (major, minor) = (fields.u16()?, fields.u16()?);
        if major != VERSION_MAJOR {
            return Err(FormatError::Version { major, minor });
        }
        let len = fields.u32()?;
        if len as usize != SUPERBLOCK_LEN {
            return Err(FormatError::field(WHAT, "length", len));
        }
        fields.take(CANARY_LEN)?;
        let channels = match fields.u32()? {
            4 => Channels::Rgba,
            3 => Channels::Rgb,
            other => return Err(FormatError::field(WHAT, "channels", other)),
        };
        let width = fields.u32()?;
        fields.take(4 + 8 + 8)?;
        let incompat = fields.u64()?;
        check_features(incompat)?;
        let parsed = Self {
            channels,
            width,
            incompat,
            uuid: fields.array()?,
            label: parse_label(fields.take(LABEL_LEN)?)?,
            generation: fields.u64()?,
            created: parse_time(&mut fields)?,
            committed: parse_time(&mut fields)?,
            stream_len: fields.u64()?,
            next_ino: fields.u64()?,
            next_content: fields.u64()?,
            next_block: fields.u64()?,
            next_xattr: fields.u64()?,
            file_bytes: fields.u64()?,
            block_log: {
                fields.take(8)?;
                parse_log(&mut fields, "block size")?
            },
            chunk_log: parse_log(&mut fields, "chunk size")?,
            roots: {
                fields.take(6)?;
                parse_roots(&mut fields)?
            },
            digest: {
                fields.take(RESERVED_LEN)?;
                fields.array()?
            },
        };
        Ok(parsed)
    }

    /// The generation of a slot whose magic and checksum are right, whatever else
    /// is in it: that field stays where it is in every version, as it tells which
    /// slot is in force.
    pub fn generation_of(bytes: &[u8; SUPERBLOCK_LEN]) -> Option<u64> {
        if !looks_like_superblock(bytes) || check_checksum(bytes).is_err() {
            return None;
        }
        let field = bytes[GENERATION_OFFSET..].first_chunk()?;
        Some(u64::from_le_bytes(*field))
    }

    /// The bytes of a slot, digest and checksum computed afresh.
    pub fn to_bytes(&self) -> [u8; SUPERBLOCK_LEN] {
        let mut out = Vec::with_capacity(SUPERBLOCK_LEN);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION_MAJOR.to_le_bytes());
        out.extend_from_slice(&VERSION_MINOR.to_le_bytes());
        out.extend_from_slice(&(SUPERBLOCK_LEN as u32).to_le_bytes());
        out.extend_from_slice(&canary_bytes(self.channels));
        for word in [self.channels.bytes() as u32, self.width, 0] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        for word in [0, 0, self.incompat] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.extend_from_slice(&self.uuid);
        let mut label = self.label.as_bytes().to_vec();
        label.resize(LABEL_LEN, 0);
        out.extend_from_slice(&label);
        out.extend_from_slice(&self.generation.to_le_bytes());
        for (secs, nanos) in [self.created, self.committed] {
            out.extend_from_slice(&secs.to_le_bytes());
            out.extend_from_slice(&u64::from(nanos).to_le_bytes());
        }
        let counters = [
            self.stream_len,
            self.next_ino,
            self.next_content,
            self.next_block,
            self.next_xattr,
            self.file_bytes,
            0,
        ];
        for word in counters {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.extend_from_slice(&[self.block_log, self.chunk_log, 0, 0, 0, 0, 0, 0]);
        for root in &self.roots {
            out.extend_from_slice(&TreeRoot::to_bytes(root.as_ref()));
        }
        out.resize(DIGEST_OFFSET, 0);
        let digest = Sha256::digest(&out);
        out.extend_from_slice(&digest);
        let checksum = xxh3_64(&out);
        out.extend_from_slice(&checksum.to_le_bytes());
        let mut bytes = [0; SUPERBLOCK_LEN];
        bytes.copy_from_slice(&out);
        bytes
    }

    /// The root of a tree; `None` is an empty tree.
    pub fn root(&self, tree: TreeKind) -> Option<&TreeRoot> {
        self.roots[tree as usize].as_ref()
    }
}

/// The canary as payload bytes: eight pixels of the picture whatever its channels.
fn canary_bytes(channels: Channels) -> [u8; CANARY_LEN] {
    let mut out = [0; CANARY_LEN];
    match channels {
        Channels::Rgba => out.copy_from_slice(crate::picture::CANARY.as_flattened()),
        Channels::Rgb => out[..24].copy_from_slice(crate::picture::CANARY_RGB.as_flattened()),
    }
    out
}

fn check_checksum(bytes: &[u8; SUPERBLOCK_LEN]) -> Result<(), FormatError> {
    let mut stored = [0; 8];
    stored.copy_from_slice(&bytes[CHECKSUM_OFFSET..]);
    let expected = u64::from_le_bytes(stored);
    let found = xxh3_64(&bytes[..CHECKSUM_OFFSET]);
    if found != expected {
        return Err(FormatError::Checksum { what: WHAT.into(), found, expected });
    }
    // The checksum guards against accidents, the digest against a superblock
    // made to fit: whoever pins it must find it computed, not merely claimed.
    if Sha256::digest(&bytes[..DIGEST_OFFSET])[..] != bytes[DIGEST_OFFSET..CHECKSUM_OFFSET] {
        return Err(FormatError::field(WHAT, "digest", 0u64));
    }
    Ok(())
}

fn parse_label(bytes: &[u8]) -> Result<String, FormatError> {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    match std::str::from_utf8(&bytes[..end]) {
        Ok(label) => Ok(label.to_owned()),
        Err(error) => Err(FormatError::field(WHAT, "label", error.valid_up_to() as u64)),
    }
}

fn parse_time(fields: &mut Fields<'_>) -> Result<(i64, u32), FormatError> {
    let (secs, nanos) = (fields.i64()?, fields.u64()?);
    if nanos >= 1_000_000_000 {
        return Err(FormatError::field(WHAT, "nanoseconds", nanos));
    }
    Ok((secs, nanos as u32))
}

fn parse_log(fields: &mut Fields<'_>, name: &'static str) -> Result<u8, FormatError> {
    let log = fields.u8()?;
    if (12..=24).contains(&log) { Ok(log) } else { Err(FormatError::field(WHAT, name, log)) }
}

fn parse_roots(fields: &mut Fields<'_>) -> Result<[Option<TreeRoot>; TREE_COUNT], FormatError> {
    let mut roots = [None; TREE_COUNT];
    for root in &mut roots {
        *root = TreeRoot::parse(fields.take(TreeRoot::LEN)?)?;
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{Codec, INCOMPAT_ZSTD, NodeRef, StoredRef};

    fn superblock() -> Superblock {
        let at = StoredRef {
            offset: 20_000,
            stored: 70,
            raw: 90,
            codec: Codec::Zstd,
            xxh3: 5,
            sha256: [3; 32],
        };
        let mut roots = [None; TREE_COUNT];
        roots[2] = Some(TreeRoot { level: 1, node: NodeRef { entries: 4, at } });
        Superblock {
            channels: Channels::Rgba,
            width: 64,
            incompat: INCOMPAT_ZSTD,
            uuid: [1; 16],
            label: "a world".into(),
            generation: 1,
            created: (1_700_000_000, 5),
            committed: (-3, 999_999_999),
            stream_len: 30_000,
            next_ino: 2,
            next_content: 3,
            next_block: 4,
            next_xattr: 5,
            file_bytes: 6,
            block_log: 20,
            chunk_log: 17,
            roots,
            digest: [0; 32],
        }
    }

    #[test]
    fn superblocks_round_trip() {
        for channels in [Channels::Rgba, Channels::Rgb] {
            let written = Superblock { channels, ..superblock() };
            let read = Superblock::parse(&written.to_bytes()).expect("a good superblock");
            assert_ne!(read.digest, [0; 32]);
            assert_eq!(Superblock { digest: [0; 32], ..read }, written);
        }
    }

    #[test]
    fn every_flipped_bit_is_seen() {
        let good = superblock().to_bytes();
        for byte in 0..SUPERBLOCK_LEN {
            let mut bad = good;
            bad[byte] ^= 1 << (byte % 8);
            assert!(Superblock::parse(&bad).is_err(), "byte {byte}");
        }
    }

    /// Recomputes digest and checksum after `change`, as an attacker would.
    fn forged(change: impl Fn(&mut [u8])) -> [u8; SUPERBLOCK_LEN] {
        let mut bytes = superblock().to_bytes();
        change(&mut bytes);
        let digest = Sha256::digest(&bytes[..DIGEST_OFFSET]);
        bytes[DIGEST_OFFSET..CHECKSUM_OFFSET].copy_from_slice(&digest);
        let checksum = xxh3_64(&bytes[..CHECKSUM_OFFSET]);
        bytes[CHECKSUM_OFFSET..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    #[test]
    fn the_future_is_refused_by_name() {
        let error = Superblock::parse(&forged(|bytes| bytes[4] = 2)).expect_err("version 2");
        assert!(error.to_string().contains("version 2.0"), "{error}");
        let error = Superblock::parse(&forged(|bytes| bytes[72] |= 0x20)).expect_err("feature");
        assert!(error.to_string().contains("incompat-5"), "{error}");
        assert!(Superblock::parse(&forged(|bytes| bytes[6] = 9)).is_ok(), "a newer minor reads");
        assert!(Superblock::parse(&forged(|bytes| bytes[56] = 9)).is_ok(), "compatible features");
    }

    #[test]
    fn a_checksum_without_its_digest_is_refused() {
        let mut bytes = superblock().to_bytes();
        bytes[100] ^= 1;
        let checksum = xxh3_64(&bytes[..CHECKSUM_OFFSET]);
        bytes[CHECKSUM_OFFSET..].copy_from_slice(&checksum.to_le_bytes());
        assert!(Superblock::parse(&bytes).is_err());
    }
}
