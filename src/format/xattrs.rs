//! Sets of extended attributes, shared by all inodes that have the same ones.
//!
//! ```text
//! record (key: set number)                a set, serialised
//! 0  u8  0 inline: the set follows        u32  count, then each attribute, sorted by name:
//!        1 in blocks:                     u8 name length, u32 value length, name, value
//! 1  u64 length of the set
//! 9  u64 first block, u8 chunk log2
//! ```

use super::FormatError;
use super::bytes::Fields;

const WHAT: &str = "xattr set";

/// The largest serialised set a reader accepts: 16 MiB.
pub const MAX_XATTR_SET: u64 = 16 << 20;

/// The longest list of names a reader accepts, a byte after each counted: no
/// more can be given out by listxattr(2). It bounds the number of attributes,
/// each of which takes more memory than it does bytes.
pub const MAX_XATTR_NAMES: usize = 1 << 16;

/// One attribute: name and value.
pub type Xattr = (Vec<u8>, Vec<u8>);

/// The attributes of an inode, sorted by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct XattrSet(pub Vec<Xattr>);

impl XattrSet {
    /// Parses a serialised set.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut fields = Fields::new(WHAT, bytes);
        let count = fields.u32()?;
        let mut set: Vec<Xattr> = Vec::new();
        let mut names_len = 0;
        for _ in 0..count {
            let name_len = fields.u8()?;
            names_len += usize::from(name_len) + 1;
            if names_len > MAX_XATTR_NAMES {
                return Err(FormatError::field(WHAT, "length of all names", names_len as u64));
            }
            let value_len = fields.u32()? as usize;
            let name = fields.take(usize::from(name_len))?.to_vec();
            let value = fields.take(value_len)?.to_vec();
            if name.is_empty() || name.contains(&0) {
                return Err(FormatError::field(WHAT, "name length", name_len));
            }
            if set.last().is_some_and(|(last, _)| *last >= name) {
                return Err(FormatError::field(WHAT, "order of names", set.len() as u64));
            }
            set.push((name, value));
        }
        fields.end()?;
        Ok(Self(set))
    }

    /// Serialises the set; names are 1 to 255 bytes, sorted.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = (self.0.len() as u32).to_le_bytes().to_vec();
        for (name, value) in &self.0 {
            out.push(name.len() as u8);
            out.extend_from_slice(&(value.len() as u32).to_le_bytes());
            out.extend_from_slice(name);
            out.extend_from_slice(value);
        }
        out
    }

    /// Bytes of all names, one after each counted.
    pub fn names_len(&self) -> usize {
        self.0.iter().map(|(name, _)| name.len() + 1).sum()
    }

    /// The value of `name`.
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        let index = self.0.binary_search_by(|(have, _)| have.as_slice().cmp(name)).ok()?;
        Some(&self.0[index].1)
    }
}

/// The record of a set: the set itself, or the blocks it lies in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum XattrStorage {
    /// The serialised set.
    Inline(Vec<u8>),
    /// A run of blocks of 2^chunk_log raw bytes, the last one shorter.
    Blocks {
        /// Length of the serialised set.
        len: u64,
        /// First block.
        block: u64,
        /// log2 of the raw length of each block but the last.
        chunk_log: u8,
    },
}

impl XattrStorage {
    /// The longest set that is stored in the record itself.
    pub const MAX_INLINE: usize = 8192;

    /// Parses a record.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut fields = Fields::new(WHAT, bytes);
        match fields.u8()? {
            0 => Ok(Self::Inline(fields.rest().to_vec())),
            1 => {
                let (len, block, chunk_log) = (fields.u64()?, fields.u64()?, fields.u8()?);
                fields.end()?;
                if len > MAX_XATTR_SET {
                    return Err(FormatError::field(WHAT, "length", len));
                }
                if !(12..=24).contains(&chunk_log) {
                    return Err(FormatError::field(WHAT, "chunk size", chunk_log));
                }
                Ok(Self::Blocks { len, block, chunk_log })
            }
            other => Err(FormatError::field(WHAT, "kind", other)),
        }
    }

    /// The record's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Inline(set) => [&[0][..], set].concat(),
            Self::Blocks { len, block, chunk_log } => {
                let mut out = vec![1];
                out.extend_from_slice(&len.to_le_bytes());
                out.extend_from_slice(&block.to_le_bytes());
                out.push(*chunk_log);
                out
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_round_trip_and_find_names() {
        let set = XattrSet(vec![
            (b"security.capability".to_vec(), vec![1, 0, 0, 2]),
            (b"user.a".to_vec(), vec![]),
        ]);
        assert_eq!(XattrSet::parse(&set.to_bytes()), Ok(set.clone()));
        assert_eq!(set.get(b"user.a"), Some(&b""[..]));
        assert_eq!(set.get(b"user.b"), None);
    }

    #[test]
    fn bad_sets_are_refused() {
        let unsorted = XattrSet(vec![(b"b".to_vec(), vec![]), (b"a".to_vec(), vec![])]);
        assert!(XattrSet::parse(&unsorted.to_bytes()).is_err());
        let many = (0..20_000u32).map(|n| (format!("{n:05}").into_bytes(), vec![])).collect();
        assert!(XattrSet::parse(&XattrSet(many).to_bytes()).is_err());
        // A count far above what the bytes can hold must not be allocated for.
        assert!(XattrSet::parse(&[0xff, 0xff, 0xff, 0xff, 1]).is_err());
    }

    #[test]
    fn storage_round_trips() {
        for storage in [
            XattrStorage::Inline(vec![1, 2, 3]),
            XattrStorage::Blocks { len: 70_000, block: 4, chunk_log: 17 },
        ] {
            assert_eq!(XattrStorage::parse(&storage.to_bytes()), Ok(storage));
        }
    }
}
