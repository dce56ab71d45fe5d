//! A member: what its header and the records before it say together.

use super::header::Header;
use super::pax::Records;
use super::sparse::Segment;
use crate::format::Xattr;

/// What a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    Regular,
    /// Another name of a member before it.
    HardLink,
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A directory.
    Directory,
    /// A named pipe.
    Fifo,
}

/// A member. Names are any bytes, as they are in the stream.
#[derive(Debug)]
pub struct Member {
    /// Where it lies, as written: not normalised, perhaps with `..` in it.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// The target of a link; empty for what is none.
    pub link: Vec<u8>,
    /// Permission bits, the upper three among them.
    pub perm: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Time of modification, seconds and nanoseconds.
    pub mtime: (i64, u32),
    /// Major and minor number.
    pub device: (u32, u32),
    /// Extended attributes, sorted by name.
    pub xattrs: Vec<Xattr>,
    /// The access ACL as text.
    pub acl_access: Option<Vec<u8>>,
    /// The default ACL of a directory as text.
    pub acl_default: Option<Vec<u8>>,
    /// The size of a regular file.
    pub size: u64,
    /// What of a sparse file is in the stream; `None` for other files.
    pub segments: Option<Vec<Segment>>,
}

/// Long names from members of type `L` and `K`.
#[derive(Debug, Default)]
pub(super) struct LongNames {
    pub path: Option<Vec<u8>>,
    pub link: Option<Vec<u8>>,
}

impl Member {
    /// Puts together what is told of a member, all but its size and its holes.
    pub(super) fn new(
        header: &Header,
        path: Vec<u8>,
        records: Records,
        link: Vec<u8>,
    ) -> Result<Self, String> {
        let kind = kind_of(header.kind(), path.ends_with(b"/"))?;
        let device = match kind {
            Kind::CharDevice | Kind::BlockDevice => {
                let (major, minor) = header.device();
                (told(records.major, || major)?, told(records.minor, || minor)?)
            }
            _ => (0, 0),
        };
        Ok(Self {
            kind,
            device,
            link: check_link(kind, link)?,
            perm: header.perm()?,
            uid: told(records.uid, || header.uid())?,
            gid: told(records.gid, || header.gid())?,
            mtime: told(records.mtime, || header.mtime().map(|secs| (secs, 0)))?,
            xattrs: records.xattrs.into_iter().collect(),
            acl_access: records.acl_access,
            acl_default: records.acl_default,
            size: 0,
            segments: None,
            path,
        })
    }
}

/// What a record says, or else a header: that may have been too small for it.
fn told<T>(record: Option<T>, header: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    record.map_or_else(header, Ok)
}

/// The path of the member that follows.
pub(super) fn path_of(header: &Header, records: &Records, long: &mut LongNames) -> Vec<u8> {
    let record = records.sparse.name.as_ref().or(records.path.as_ref());
    record.cloned().or_else(|| long.path.take()).unwrap_or_else(|| header.name())
}

/// The target of the link that follows.
pub(super) fn link_of(header: &Header, records: &Records, long: &mut LongNames) -> Vec<u8> {
    records.link.clone().or_else(|| long.link.take()).unwrap_or_else(|| header.link())
}

fn kind_of(letter: u8, has_slash: bool) -> Result<Kind, String> {
    Ok(match letter {
        // Before there were types, a slash told directories from files.
        0 | b'0' | b'7' if has_slash => Kind::Directory,
        0 | b'0' | b'7' | b'S' => Kind::Regular,
        b'1' => Kind::HardLink,
        b'2' => Kind::Symlink,
        b'3' => Kind::CharDevice,
        b'4' => Kind::BlockDevice,
        // The list of names in a directory of an incremental archive (`D`) is
        // passed over: what is there follows as members.
        b'5' | b'D' => Kind::Directory,
        b'6' => Kind::Fifo,
        b'M' => return Err("it continues from another volume".into()),
        other => {
            let letter = char::from(other).escape_debug();
            return Err(format!("members of type '{letter}' are not understood"));
        }
    })
}

/// Whether content follows the header. POSIX knows none for types 1 to 6; there
/// are writers that tell a size all the same, and readers pass over it.
pub(super) fn has_content(letter: u8) -> bool {
    !(b'1'..=b'6').contains(&letter)
}

fn check_link(kind: Kind, link: Vec<u8>) -> Result<Vec<u8>, String> {
    /// Linux has no longer ones.
    const LONGEST: usize = 4095;
    match kind {
        Kind::HardLink | Kind::Symlink if link.is_empty() => {
            Err("it is a link without a target".into())
        }
        Kind::Symlink if link.len() > LONGEST || link.contains(&0) => {
            Err(format!("its target is longer than {LONGEST} bytes or has a NUL in it"))
        }
        Kind::HardLink | Kind::Symlink => Ok(link),
        _ => Ok(Vec::new()),
    }
}
