//! The layout of the file system in bytes (`docs/format.md`): parsing and writing, no I/O.
//!
//! In: untrusted bytes of a pixel stream. Out: records whose every field was
//! checked against its own rules. Never: files, caches, allocation sized by
//! anything but the bytes at hand.

mod bytes;
mod content;
mod dirent;
mod error;
mod features;
mod inode;
mod node;
mod pixel_type;
mod stored;
mod superblock;
mod xattrs;

pub use content::{
    ContentNo, ContentRecord, EMPTY_ID, EMPTY_SHA256, Extent, ExtentKind, Extents, extent_key,
    id_candidates,
};
pub use dirent::{DirentRecord, KindByte, MAX_NAME, dir_prefix, dirent_key, is_valid_name};
pub use error::FormatError;
pub use features::{INCOMPAT_X86, INCOMPAT_ZSTD, check_features};
pub use inode::{InodeData, InodeRecord, MAX_MAJOR, MAX_MINOR};
pub use node::{ENTRY_OVERHEAD, MAX_NODE, NODE_HEADER, Node, NodeBuilder};
pub use pixel_type::PixelType;
pub use stored::{BlockNo, Codec, MAX_BLOCK, NodeRef, StoredRef, TreeRoot};
pub use superblock::{
    CANARY_OFFSET, HEADER_LEN, MAGIC, SLOT_OFFSETS, SUPERBLOCK_LEN, Superblock, TREE_COUNT,
    TreeKind, VERSION_MAJOR, VERSION_MINOR,
};
pub use xattrs::{MAX_XATTR_NAMES, MAX_XATTR_SET, Xattr, XattrSet, XattrStorage};

/// A pixel's id: the four bytes of its colour, red first.
pub type PixelId = [u8; 4];

/// A SHA-256 digest.
pub type Digest = [u8; 32];

/// A key of the trees that count things: the number, most significant byte
/// first, so that the order of keys is the order of numbers.
pub fn number_key(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}
