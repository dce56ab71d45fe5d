//! Reading and writing little-endian fields one after the other, checked.

use super::FormatError;

/// Takes fields off the front of a byte slice.
pub(super) struct Fields<'a> {
    what: &'static str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    /// Reads `bytes` as the structure `what` (named in errors).
    pub(super) fn new(what: &'static str, bytes: &'a [u8]) -> Self {
        Self { what, bytes, at: 0 }
    }

    /// The next `len` bytes.
    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], FormatError> {
        let end = self.at.saturating_add(len);
        let Some(taken) = self.bytes.get(self.at..end) else {
            return Err(FormatError::Length { what: self.what, have: self.bytes.len(), need: end });
        };
        self.at = end;
        Ok(taken)
    }

    /// The next `N` bytes as an array.
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(super) fn u8(&mut self) -> Result<u8, FormatError> {
        Ok(self.array::<1>()?[0])
    }

    pub(super) fn u16(&mut self) -> Result<u16, FormatError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(super) fn u32(&mut self) -> Result<u32, FormatError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64, FormatError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub(super) fn i64(&mut self) -> Result<i64, FormatError> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    /// Everything that is left.
    pub(super) fn rest(&mut self) -> &'a [u8] {
        let rest = &self.bytes[self.at..];
        self.at = self.bytes.len();
        rest
    }

    /// Fails if anything is left.
    pub(super) fn end(&self) -> Result<(), FormatError> {
        if self.at == self.bytes.len() {
            return Ok(());
        }
        Err(FormatError::Length { what: self.what, have: self.bytes.len(), need: self.at })
    }

    /// Fails unless the next `len` bytes, which are reserved, are zero.
    pub(super) fn reserved(&mut self, len: usize) -> Result<(), FormatError> {
        match self.take(len)?.iter().find(|&&byte| byte != 0) {
            None => Ok(()),
            Some(&byte) => Err(FormatError::field(self.what, "a reserved byte", byte)),
        }
    }
}
