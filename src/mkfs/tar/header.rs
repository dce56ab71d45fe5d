//! The header block of a member.
//!
//! ```text
//!   0 name 100   100 mode 8    108 uid 8     116 gid 8       124 size 12   136 mtime 12
//! 148 sum 8      156 type 1    157 link 100  257 magic 8     265 user 32   297 group 32
//! 329 major 8    337 minor 8   345 prefix 155 (POSIX), or in GNU's format at
//! 386 four segments of a sparse file, 482 whether more follow, 483 size of the file 12
//! ```

use super::BLOCK;
use super::number::parse_field;

/// What a field says, or the sentence that it says nothing.
type Field<T> = Result<T, String>;

/// A header whose checksum is right.
#[derive(Debug, Clone)]
pub(super) struct Header(pub [u8; BLOCK]);

impl Header {
    /// The header in `block`; `None` if its checksum is wrong.
    pub(super) fn new(block: [u8; BLOCK]) -> Option<Self> {
        let told = parse_field(&block[148..156])?;
        let is_sum = |at: usize| (148..156).contains(&at);
        let (mut sum, mut signed) = (0, 0);
        for (at, &byte) in block.iter().enumerate() {
            let byte = if is_sum(at) { b' ' } else { byte };
            sum += i64::from(byte);
            // Some old writers added up signed characters.
            signed += i64::from(byte as i8);
        }
        (told == sum || told == signed).then_some(Self(block))
    }

    /// The type of the member.
    pub(super) fn kind(&self) -> u8 {
        self.0[156]
    }

    /// The name, with the prefix that POSIX's format has.
    pub(super) fn name(&self) -> Vec<u8> {
        let name = until_nul(&self.0[..100]);
        // The format of star has times where the end of the prefix would be.
        let prefix_end = if &self.0[508..] == b"tar\0" { 476 } else { 500 };
        let prefix = until_nul(&self.0[345..prefix_end]);
        if &self.0[257..263] != b"ustar\0" || prefix.is_empty() {
            return name.to_vec();
        }
        [prefix, b"/", name].concat()
    }

    /// The target of a link.
    pub(super) fn link(&self) -> Vec<u8> {
        until_nul(&self.0[157..257]).to_vec()
    }

    /// The size of what follows the header.
    pub(super) fn size(&self) -> Field<u64> {
        self.number(124..136, "size")
    }

    /// The size of a sparse file in GNU's own format.
    pub(super) fn real_size(&self) -> Field<u64> {
        self.number(483..495, "size of the sparse file")
    }

    /// The permissions.
    pub(super) fn perm(&self) -> Field<u32> {
        // The type of file that some writers put here stands in `kind` too.
        self.number::<u32>(100..108, "mode").map(|mode| mode & 0o7777)
    }

    /// The owner's number.
    pub(super) fn uid(&self) -> Field<u32> {
        self.number(108..116, "owner")
    }

    /// The group's number.
    pub(super) fn gid(&self) -> Field<u32> {
        self.number(116..124, "group")
    }

    /// The time of modification.
    pub(super) fn mtime(&self) -> Field<i64> {
        self.number(136..148, "time")
    }

    /// Major and minor number of a device.
    pub(super) fn device(&self) -> (Field<u32>, Field<u32>) {
        let part = |range, what| {
            // Before POSIX there were no such fields.
            if self.0[257..262] == *b"ustar" { self.number(range, what) } else { Ok(0) }
        };
        (part(329..337, "device number"), part(337..345, "device number"))
    }

    fn number<T: TryFrom<i64>>(&self, field: std::ops::Range<usize>, what: &str) -> Field<T> {
        parse_field(&self.0[field])
            .and_then(|value| T::try_from(value).ok())
            .ok_or_else(|| format!("its {what} is no number or out of range"))
    }
}

/// The text in a field, which ends at a NUL unless it fills the field.
pub(super) fn until_nul(field: &[u8]) -> &[u8] {
    field.split(|&byte| byte == 0).next().unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn sealed(mut block: [u8; BLOCK], signed: bool) -> [u8; BLOCK] {
        block[148..156].fill(b' ');
        let value = |byte: u8| if signed { i64::from(byte as i8) } else { i64::from(byte) };
        let sum: i64 = block.iter().map(|&byte| value(byte)).sum();
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        block
    }

    #[test]
    fn a_prefix_counts_in_the_format_of_posix_only() {
        let mut block = [0; BLOCK];
        block[..1].copy_from_slice(b"n");
        block[345..347].copy_from_slice(b"dd");
        assert_eq!(Header::new(sealed(block, false)).unwrap().name(), b"n");
        block[257..265].copy_from_slice(b"ustar  \0");
        assert_eq!(Header::new(sealed(block, false)).unwrap().name(), b"n");
        block[257..265].copy_from_slice(b"ustar\x0000");
        assert_eq!(Header::new(sealed(block, false)).unwrap().name(), b"dd/n");
        block[345..500].fill(b'p');
        assert_eq!(Header::new(sealed(block, false)).unwrap().name().len(), 157);
    }

    #[test]
    fn checksums_count_bytes_or_signed_characters() {
        let mut block = [0; BLOCK];
        block[..2].copy_from_slice(b"\xe9a");
        let mut unsigned = sealed(block, false);
        assert!(Header::new(unsigned).is_some());
        assert!(Header::new(sealed(block, true)).is_some());
        unsigned[1] += 1;
        assert!(Header::new(unsigned).is_none());
    }
}
