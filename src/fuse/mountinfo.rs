//! The kernel's list of mounts, /proc/self/mountinfo (proc(5)). Reading it never
//! touches a mounted file system, so it cannot hang on a dead one.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountEntry {
    /// Device number (major, minor), which stat(2) gives as st_dev.
    pub dev: (u32, u32),
    /// Where it is mounted.
    pub dir: PathBuf,
    /// Type, with subtype: `fuse.pxfs`.
    pub fs_type: String,
    /// What is mounted.
    pub source: OsString,
}

impl MountEntry {
    /// Whether a picture is mounted here.
    pub fn is_pxfs(&self) -> bool {
        self.fs_type == "fuse.pxfs"
    }
}

/// All mounts that this process sees, in the order of their mounting.
pub fn read() -> io::Result<Vec<MountEntry>> {
    let text = std::fs::read("/proc/self/mountinfo")?;
    Ok(text.split(|&byte| byte == b'\n').filter_map(parse_line).collect())
}

/// The mount that is on top at `dir`, if one is mounted there.
pub fn top_at(dir: &Path) -> io::Result<Option<MountEntry>> {
    Ok(read()?.into_iter().rfind(|entry| entry.dir == dir))
}

/// `36 35 98:0 /root /dir options [optional ...] - type source options`
fn parse_line(line: &[u8]) -> Option<MountEntry> {
    let mut fields = line.split(|&byte| byte == b' ');
    let dev = std::str::from_utf8(fields.nth(2)?).ok()?;
    let (major, minor) = dev.split_once(':')?;
    let dir = unescape(fields.nth(1)?);
    let mut last = fields.skip_while(|field| *field != b"-").skip(1);
    let fs_type = String::from_utf8_lossy(last.next()?).into_owned();
    let source = OsString::from_vec(unescape(last.next()?));
    Some(MountEntry {
        dev: (major.parse().ok()?, minor.parse().ok()?),
        dir: PathBuf::from(OsString::from_vec(dir)),
        fs_type,
        source,
    })
}

/// Undoes the kernel's escapes: a backslash and three octal digits.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, tail @ ..] = rest {
        let code = match (first, tail) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..]) => {
                Some((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'))
            }
            _ => None,
        };
        out.push(code.unwrap_or(*first));
        rest = if code.is_some() { &tail[3..] } else { tail };
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_line_with_escapes_and_optional_fields_is_read() {
        let line = b"36 35 0:98 / /mnt/a\\040b\\134c rw,noatime master:1 x:2 - fuse.pxfs /p\\054q.png rw,user_id=0";
        let entry = parse_line(line).unwrap();
        assert_eq!(entry.dev, (0, 98));
        assert_eq!(entry.dir, Path::new("/mnt/a b\\c"));
        assert_eq!(entry.source, "/p,q.png");
        assert!(entry.is_pxfs());
        assert_eq!(parse_line(b""), None);
        assert_eq!(parse_line(b"36 35 nonsense"), None);
    }
}
