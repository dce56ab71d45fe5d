//! Directory entries: keyed by the directory's number and the name, so that a
//! directory's entries stand together in name order.

use super::FormatError;
use super::bytes::Fields;

/// The longest file name in bytes.
pub const MAX_NAME: usize = 255;

/// A file type as its S_IFMT bits shifted down by 12 (what readdir calls DT_*).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KindByte(u8);

impl KindByte {
    pub(crate) const FIFO: Self = Self(1);
    pub(crate) const CHAR_DEVICE: Self = Self(2);
    pub(crate) const DIRECTORY: Self = Self(4);
    pub(crate) const BLOCK_DEVICE: Self = Self(6);
    pub(crate) const REGULAR: Self = Self(8);
    pub(crate) const SYMLINK: Self = Self(10);
    pub(crate) const SOCKET: Self = Self(12);

    const ALL: [Self; 7] = [
        Self::FIFO,
        Self::CHAR_DEVICE,
        Self::DIRECTORY,
        Self::BLOCK_DEVICE,
        Self::REGULAR,
        Self::SYMLINK,
        Self::SOCKET,
    ];

    /// The type in the S_IFMT bits of `mode`.
    pub fn from_mode(mode: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.mode_bits() == mode & 0o170_000)
    }

    /// The S_IFMT bits.
    pub fn mode_bits(self) -> u32 {
        u32::from(self.0) << 12
    }
}

/// The value of a directory entry: u64 inode number, u8 type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DirentRecord {
    /// Inode number: below 2^63, not 0 and not the root's.
    pub ino: u64,
    /// The inode's type.
    pub kind: KindByte,
}

impl DirentRecord {
    /// Parses the value of an entry.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        const WHAT: &str = "directory entry";
        let mut fields = Fields::new(WHAT, bytes);
        let (ino, kind) = (fields.u64()?, fields.u8()?);
        fields.end()?;
        // An entry that names the root would make the tree a loop, and numbers
        // from 2^63 on belong to what readers add to the tree.
        if ino < 2 || ino > i64::MAX as u64 {
            return Err(FormatError::field(WHAT, "inode number", ino));
        }
        match KindByte::ALL.into_iter().find(|known| known.0 == kind) {
            Some(kind) => Ok(Self { ino, kind }),
            None => Err(FormatError::field(WHAT, "type", kind)),
        }
    }

    /// The value's bytes.
    pub fn to_bytes(self) -> [u8; 9] {
        let mut out = [0; 9];
        out[..8].copy_from_slice(&self.ino.to_le_bytes());
        out[8] = self.kind.0;
        out
    }
}

/// The key of the entry `name` in the directory `dir`.
pub fn dirent_key(dir: u64, name: &[u8]) -> Vec<u8> {
    let mut key = dir.to_be_bytes().to_vec();
    key.extend_from_slice(name);
    key
}

/// What all keys of a directory's entries begin with.
pub fn dir_prefix(dir: u64) -> [u8; 8] {
    dir.to_be_bytes()
}

/// Whether `name` can name a file: 1 to 255 bytes, no `/`, no NUL, not `.` or `..`.
pub fn is_valid_name(name: &[u8]) -> bool {
    !name.is_empty()
        && name.len() <= MAX_NAME
        && name != b"."
        && name != b".."
        && !name.iter().any(|&byte| byte == b'/' || byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_round_trip_and_bad_ones_are_refused() {
        let entry = DirentRecord { ino: 99, kind: KindByte::SOCKET };
        assert_eq!(DirentRecord::parse(&entry.to_bytes()), Ok(entry));
        let root = DirentRecord { ino: 1, kind: KindByte::DIRECTORY };
        assert!(DirentRecord::parse(&root.to_bytes()).is_err());
        let hidden = DirentRecord { ino: 1 << 63 | 2, kind: KindByte::DIRECTORY };
        assert!(DirentRecord::parse(&hidden.to_bytes()).is_err());
        let mut unknown = entry.to_bytes();
        unknown[8] = 3;
        assert!(DirentRecord::parse(&unknown).is_err());
    }

    #[test]
    fn names_are_any_bytes_but_slash_and_nul() {
        for good in [&b"a"[..], b"\xff\xfe", b" ", b"...", &[b'x'; 255]] {
            assert!(is_valid_name(good));
        }
        for bad in [&b""[..], b".", b"..", b"a/b", b"a\0", &[b'x'; 256]] {
            assert!(!is_valid_name(bad));
        }
    }
}
