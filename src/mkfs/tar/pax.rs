//! The records of pax extended headers.
//!
//! A record is its own length in decimal, a blank, a key, `=`, the value and a
//! newline. Only the length says where it ends: values are any bytes, also
//! newlines and NULs.

use std::collections::BTreeMap;

use super::number::{parse_decimal, parse_time};
use super::sparse::SparseKeys;

/// The longest extended header, and the most that several for one member have
/// together. The attributes of a file may take 16 MiB in a picture; a mebibyte
/// is for their encoding and for everything else. Linux keeps to 64 KiB a value
/// and 64 KiB of names, few file systems to more than that for all together.
pub(super) const MAX_PAX: u64 = crate::format::MAX_XATTR_SET + (1 << 20);

/// The longest global header. Short, since each member after it may get a copy
/// of what is in it; it usually holds a comment.
pub(super) const MAX_GLOBAL: u64 = 1 << 16;

/// What the records said so far. A record that comes later counts, and an empty
/// value takes an earlier one back.
#[derive(Debug, Clone, Default)]
pub(super) struct Records {
    pub path: Option<Vec<u8>>,
    pub link: Option<Vec<u8>>,
    pub size: Option<u64>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub mtime: Option<(i64, u32)>,
    pub major: Option<u32>,
    pub minor: Option<u32>,
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    pub acl_access: Option<Vec<u8>>,
    pub acl_default: Option<Vec<u8>>,
    pub sparse: SparseKeys,
    /// The member is the rest of one that began on another volume.
    pub is_continued: bool,
}

impl Records {
    /// Takes up the records of a header; an error is the end of a sentence about it.
    pub(super) fn read(&mut self, mut bytes: &[u8]) -> Result<(), String> {
        // GNU tar takes a NUL for the end, and there are writers that count on it.
        while bytes.iter().any(|&byte| byte != 0) {
            let ((key, value), rest) = split_record(bytes)?;
            self.take(key, value).ok_or_else(|| {
                format!("the value of {} cannot be understood", super::shown(key))
            })?;
            bytes = rest;
        }
        Ok(())
    }

    /// Takes up a record; `None` if its value is not what it must be.
    fn take(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        match key {
            b"path" => self.path = text(value),
            b"linkpath" => self.link = text(value),
            b"size" => self.size = number(value)?,
            b"uid" => self.uid = number(value)?,
            b"gid" => self.gid = number(value)?,
            b"mtime" if value.is_empty() => self.mtime = None,
            b"mtime" => self.mtime = Some(parse_time(value)?),
            b"SCHILY.devmajor" => self.major = number(value)?,
            b"SCHILY.devminor" => self.minor = number(value)?,
            b"SCHILY.acl.access" => self.acl_access = text(value),
            b"SCHILY.acl.default" => self.acl_default = text(value),
            b"GNU.volume.offset" => self.is_continued = number::<u64>(value)? != Some(0),
            _ => {
                if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                    self.xattrs.insert(decode_xattr_name(name), value.to_vec());
                } else if let Some(key) = key.strip_prefix(b"GNU.sparse.") {
                    self.sparse.take(key, value)?;
                }
                // What is left are comments, names of users, times of access
                // and change, and `hdrcharset`: names are any bytes here.
            }
        }
        Some(())
    }
}

/// Key and value.
type Record<'a> = (&'a [u8], &'a [u8]);

/// The first record, and what follows it.
fn split_record(bytes: &[u8]) -> Result<(Record<'_>, &[u8]), String> {
    // More digits than these are no length of anything that is in memory.
    let digits = bytes.iter().take(20).position(|&byte| byte == b' ');
    let len = digits.and_then(|digits| parse_decimal(&bytes[..digits]));
    let (Some(digits), Some(len)) = (digits, len) else {
        return Err("a record does not begin with its length".into());
    };
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    if len > bytes.len() || len < digits + 2 {
        return Err(format!("a record cannot be {len} bytes long"));
    }
    let (record, rest) = bytes.split_at(len);
    let Some(record) = record[digits + 1..].strip_suffix(b"\n") else {
        return Err("a record does not end where its length says".into());
    };
    match record.iter().position(|&byte| byte == b'=') {
        Some(equals) if equals > 0 => Ok(((&record[..equals], &record[equals + 1..]), rest)),
        _ => Err("a record has no key".into()),
    }
}

fn text(value: &[u8]) -> Option<Vec<u8>> {
    (!value.is_empty()).then(|| value.to_vec())
}

/// A number that fits its type; the outer `None` if it is none.
pub(super) fn number<T: TryFrom<u64>>(value: &[u8]) -> Option<Option<T>> {
    if value.is_empty() {
        return Some(None);
    }
    T::try_from(parse_decimal(value)?).ok().map(Some)
}

/// A key ends at its first equals sign, so that names are written with `%3D` for
/// it and `%25` for the percent sign. bsdtar writes other bytes like that, too.
fn decode_xattr_name(name: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (mut out, mut at) = (Vec::new(), 0);
    while let Some(&byte) = name.get(at) {
        let code = match name[at..] {
            [b'%', high, low, ..] => digit(high).zip(digit(low)),
            _ => None,
        };
        out.push(code.map_or(byte, |(high, low)| (high * 16 + low) as u8));
        at += if code.is_some() { 3 } else { 1 };
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn record(key: &str, value: &[u8]) -> Vec<u8> {
        let rest = key.len() + value.len() + 3;
        let mut len = rest;
        while len != rest + len.to_string().len() {
            len = rest + len.to_string().len();
        }
        [format!("{len} {key}=").as_bytes(), value, b"\n"].concat()
    }

    #[test]
    fn values_are_any_bytes() {
        let value = b"\n12 path=no\n\0=";
        let mut records = Records::default();
        let bytes = [record("SCHILY.xattr.user.a", value), record("path", b"a\nb=c")].concat();
        records.read(&bytes).unwrap();
        assert_eq!(records.xattrs[&b"user.a"[..]], value);
        assert_eq!(records.path.as_deref(), Some(&b"a\nb=c"[..]));
        records.read(&record("path", b"")).unwrap();
        assert_eq!(records.path, None);
    }

    #[test]
    fn every_cut_and_every_wrong_length_is_noticed() {
        let good = record("path", b"some name");
        for len in 1..good.len() {
            assert!(Records::default().read(&good[..len]).is_err(), "{len}");
        }
        let bad: [&[u8]; 9] = [
            b"0 path=x\n",
            b"3 path=x\n",
            b"8 path=x\n",
            b"11 path=x\n",
            b"-9 path=x\n",
            b" 9 path=x\n",
            b"99999999999999999999 path=x\n",
            b"5 =x\n",
            b"4 x\n",
        ];
        for bytes in bad {
            assert!(Records::default().read(bytes).is_err(), "{bytes:?}");
        }
        Records::default().read(b"9 path=x\n\0\0\0").unwrap();
    }

    #[test]
    fn numbers_must_fit() {
        for (key, value) in [
            ("uid", "4294967296"),
            ("uid", "-1"),
            ("size", "18446744073709551616"),
            ("size", "0x10"),
            ("mtime", "now"),
            ("SCHILY.devmajor", "x"),
            ("GNU.sparse.offset", "-1"),
        ] {
            let bytes = record(key, value.as_bytes());
            assert!(Records::default().read(&bytes).is_err(), "{key}={value}");
        }
    }

    #[test]
    fn names_of_attributes_are_decoded_once() {
        assert_eq!(decode_xattr_name(b"user.50%25%3Dx%253D%"), b"user.50%=x%3D%");
        assert_eq!(decode_xattr_name(b"user.a%20b%e9%zz%4"), b"user.a b\xe9%zz%4");
    }
}
