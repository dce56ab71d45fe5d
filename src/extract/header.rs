//! The header of a tar member: ustar, with a pax extended header before it for
//! whatever ustar cannot say.

use super::acl::acl_record;
use crate::fs::{Attr, FileKind, Time};

/// Tar is made of blocks of this many bytes.
pub(super) const BLOCK: usize = 512;

/// The most that eleven octal digits say.
const OCTAL_11: u64 = (1 << 33) - 1;
/// The most that seven octal digits say.
const OCTAL_7: u64 = (1 << 21) - 1;

/// A member.
pub(super) struct Member<'a> {
    /// Its path; ends with a slash if it is a directory.
    pub path: &'a [u8],
    /// Its attributes.
    pub attr: &'a Attr,
    /// Target of a symbolic link, or the path of the member that this is another name of.
    pub link: Option<(LinkType, &'a [u8])>,
    /// Names of user and group, empty if not told.
    pub owner: (&'a [u8], &'a [u8]),
    /// Extended attributes.
    pub xattrs: &'a [(Vec<u8>, Vec<u8>)],
}

/// What a link member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LinkType {
    /// Another name.
    Hard,
    /// A symbolic link.
    Symbolic,
}

impl Member<'_> {
    /// Bytes of content that follow the header.
    pub(super) fn size(&self) -> u64 {
        let has_content = self.attr.kind == FileKind::Regular && self.link.is_none();
        if has_content { self.attr.size } else { 0 }
    }

    /// The header's blocks.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut pax = Vec::new();
        let mut header = [0; BLOCK];
        // First the numbers: there are readers that stop at a value with a
        // newline in it, and without a size they would lose their way.
        self.put_numbers(&mut header, &mut pax);
        self.put_names(&mut header, &mut pax);
        for (name, value) in self.xattrs {
            // As text too: that is what tar programs take for an ACL when they
            // are asked to restore ACLs rather than attributes.
            if let Some((key, text)) = acl_record(name, value) {
                record(&mut pax, key, text.as_bytes());
            }
            let mut key = b"SCHILY.xattr.".to_vec();
            key.extend(encode_xattr_name(name));
            record(&mut pax, &key, value);
        }
        seal(&mut header);
        let mut out = Vec::new();
        if !pax.is_empty() {
            out.extend_from_slice(&pax_header(self.path, pax.len()));
            out.extend_from_slice(&pax);
            out.resize(out.len().next_multiple_of(BLOCK), 0);
        }
        out.extend_from_slice(&header);
        out
    }

    fn put_numbers(&self, header: &mut [u8; BLOCK], pax: &mut Vec<u8>) {
        let attr = self.attr;
        octal(&mut header[100..108], u64::from(attr.perm));
        if !octal(&mut header[124..136], self.size()) {
            record(pax, b"size", self.size().to_string().as_bytes());
        }
        for (key, id, field) in [(&b"uid"[..], attr.uid, 108), (b"gid", attr.gid, 116)] {
            if !octal(&mut header[field..field + 8], u64::from(id)) {
                record(pax, key, id.to_string().as_bytes());
            }
        }
        let Time { secs, nanos } = attr.mtime;
        let plain = u64::try_from(secs).is_ok_and(|secs| octal(&mut header[136..148], secs));
        if !plain {
            octal(&mut header[136..148], 0);
        }
        if !plain || nanos > 0 {
            record(pax, b"mtime", time_text(attr.mtime).as_bytes());
        }
        header[156] = match (self.link, attr.kind) {
            (Some((LinkType::Hard, _)), _) => b'1',
            (_, FileKind::Symlink) => b'2',
            (_, FileKind::CharDevice) => b'3',
            (_, FileKind::BlockDevice) => b'4',
            (_, FileKind::Directory) => b'5',
            (_, FileKind::Fifo) => b'6',
            _ => b'0',
        };
        let devices = [(&b"SCHILY.devmajor"[..], attr.rdev.0), (b"SCHILY.devminor", attr.rdev.1)];
        for ((key, number), field) in devices.into_iter().zip([329, 337]) {
            if !octal(&mut header[field..field + 8], u64::from(number)) {
                record(pax, key, number.to_string().as_bytes());
            }
        }
    }

    fn put_names(&self, header: &mut [u8; BLOCK], pax: &mut Vec<u8>) {
        let target = self.link.map_or(&b""[..], |(_, target)| target);
        let is_odd = |name: &[u8]| std::str::from_utf8(name).is_err();
        // Said only where it matters: GNU tar warns of a key it does not know.
        if split_path(self.path).is_none() && is_odd(self.path)
            || target.len() > 100 && is_odd(target)
        {
            record(pax, b"hdrcharset", b"BINARY");
        }
        match split_path(self.path) {
            Some((prefix, name)) => {
                header[..name.len()].copy_from_slice(name);
                header[345..345 + prefix.len()].copy_from_slice(prefix);
            }
            None => {
                put_cut(&mut header[..100], self.path);
                record(pax, b"path", self.path);
            }
        }
        put_cut(&mut header[157..257], target);
        if target.len() > 100 {
            record(pax, b"linkpath", target);
        }
        // Longer names are left out: the numbers are there.
        for (name, field) in [(self.owner.0, 265), (self.owner.1, 297)] {
            if name.len() < 32 {
                header[field..field + name.len()].copy_from_slice(name);
            }
        }
    }
}

/// The header of the extended header of the member at `path`.
fn pax_header(path: &[u8], len: usize) -> [u8; BLOCK] {
    let mut header = [0; BLOCK];
    let last = path.split(|&byte| byte == b'/').rfind(|part| !part.is_empty());
    let mut name = b"PaxHeaders/".to_vec();
    name.extend_from_slice(last.unwrap_or(b"."));
    put_cut(&mut header[..100], &name);
    octal(&mut header[100..108], 0o644);
    octal(&mut header[108..116], 0);
    octal(&mut header[116..124], 0);
    octal(&mut header[124..136], len as u64);
    octal(&mut header[136..148], 0);
    octal(&mut header[329..337], 0);
    octal(&mut header[337..345], 0);
    header[156] = b'x';
    seal(&mut header);
    header
}

/// Magic, version and checksum.
fn seal(header: &mut [u8; BLOCK]) {
    header[257..263].copy_from_slice(b"ustar\0");
    header[263..265].copy_from_slice(b"00");
    header[148..156].fill(b' ');
    let sum: u64 = header.iter().map(|&byte| u64::from(byte)).sum();
    octal(&mut header[148..155], sum);
}

/// Writes a number in octal with a NUL at the end; 0 and false if it has no room.
fn octal(field: &mut [u8], value: u64) -> bool {
    let digits = field.len() - 1;
    let fits = match digits {
        11 => value <= OCTAL_11,
        7 => value <= OCTAL_7,
        _ => true,
    };
    let text = format!("{:0digits$o}", if fits { value } else { 0 });
    field[..digits].copy_from_slice(&text.as_bytes()[..digits]);
    fits
}

/// Writes what there is room for.
fn put_cut(field: &mut [u8], bytes: &[u8]) {
    let len = bytes.len().min(field.len());
    field[..len].copy_from_slice(&bytes[..len]);
}

/// Cuts a path at a slash into what ustar's prefix and name have room for.
fn split_path(path: &[u8]) -> Option<(&[u8], &[u8])> {
    if path.len() <= 100 {
        return Some((b"", path));
    }
    let first = path.len() - 101;
    // The slash at the end of a directory's name belongs to the name.
    let at = (first..path.len() - 1).find(|&at| path[at] == b'/')?;
    (1..=155).contains(&at).then(|| (&path[..at], &path[at + 1..]))
}

/// Appends a pax record, which begins with its own length.
fn record(pax: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    // A blank, an equals sign and a newline.
    let rest = key.len() + value.len() + 3;
    let mut len = rest;
    while len != rest + len.to_string().len() {
        len = rest + len.to_string().len();
    }
    pax.extend_from_slice(len.to_string().as_bytes());
    pax.push(b' ');
    pax.extend_from_slice(key);
    pax.push(b'=');
    pax.extend_from_slice(value);
    pax.push(b'\n');
}

/// A key ends at its first equals sign; GNU tar writes those of a name in this way.
fn encode_xattr_name(name: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for &byte in name {
        match byte {
            b'%' => out.extend_from_slice(b"%25"),
            b'=' => out.extend_from_slice(b"%3D"),
            byte => out.push(byte),
        }
    }
    out
}

/// Decimal seconds with a fraction; before 1970 both are counted backwards.
fn time_text(Time { secs, nanos }: Time) -> String {
    let text = match (secs, nanos) {
        (secs, 0) => return secs.to_string(),
        (..0, nanos) => format!("-{}.{:09}", (secs + 1).unsigned_abs(), 1_000_000_000 - nanos),
        (secs, nanos) => format!("{secs}.{nanos:09}"),
    };
    text.trim_end_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_decimal_on_both_sides_of_1970() {
        let cases = [
            (1_700_000_000, 0, "1700000000"),
            (1, 500_000_000, "1.5"),
            (-1, 999_999_999, "-0.000000001"),
            (-2_208_988_801, 750_000_000, "-2208988800.25"),
            (-3, 0, "-3"),
            (9, 123_456_789, "9.123456789"),
        ];
        for (secs, nanos, text) in cases {
            assert_eq!(time_text(Time { secs, nanos }), text);
        }
    }

    #[test]
    fn a_record_counts_its_own_length() {
        for (value, expected) in [(3, 10), (89, 96), (90, 97), (91, 98), (92, 100), (93, 101)] {
            let mut pax = Vec::new();
            record(&mut pax, b"k", &vec![b'v'; value]);
            let text = String::from_utf8_lossy(&pax).into_owned();
            let told: usize = text.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0);
            assert_eq!((told, pax.len()), (pax.len(), pax.len()), "{value} {expected}");
        }
    }

    #[test]
    fn long_paths_are_cut_at_a_slash_or_not_at_all() {
        let long = [vec![b'd'; 120], vec![b'/'], vec![b'f'; 100]].concat();
        assert_eq!(split_path(&long).map(|(prefix, _)| prefix.len()), Some(120));
        let dir = [vec![b'd'; 101], vec![b'/']].concat();
        assert_eq!(split_path(&dir), None);
        let deep = [vec![b'd'; 156], vec![b'/'], vec![b'f'; 100]].concat();
        assert_eq!(split_path(&deep), None);
        assert_eq!(split_path(b"a/b"), Some((&b""[..], &b"a/b"[..])));
    }
}
