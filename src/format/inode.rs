//! Inode records: the value of the inode tree, keyed by inode number.
//!
//! ```text
//! 0   u32  mode (type and permissions)   40  u64  size
//! 4   u32  uid                           48  u64  data, by type:
//! 8   u32  gid                                    regular: content number, 0 is the empty file
//! 12  u32  nlink                                  directory: parent's inode number
//! 16  i64  mtime seconds                          device: major in the low, minor in the high half
//! 24  i64  ctime seconds                          else 0
//! 32  u32  mtime nanoseconds             56  u64  xattr set number, 0 is none
//! 36  u32  ctime nanoseconds             64  u64  bytes that are not holes
//!                                        72  u8   PixelFS type, then 7 zero bytes
//!                                        80  ...  symlink: the target, `size` bytes
//! ```

use super::FormatError;
use super::bytes::Fields;
use super::content::ContentNo;
use super::pixel_type::PixelType;
use crate::format::dirent::KindByte;

const WHAT: &str = "inode";

/// Bytes before a symlink's target.
const FIXED_LEN: usize = 80;

/// S_IFMT.
const TYPE_MASK: u32 = 0o170_000;

/// What an inode is, with what belongs to that type alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InodeData {
    /// Regular file and its content; 0 is the empty content.
    Regular(ContentNo),
    /// Directory and the inode number of the directory it is in.
    Directory {
        /// The directory that holds this one; the root holds itself.
        parent: u64,
    },
    /// Symbolic link and its target.
    Symlink(Vec<u8>),
    /// Character device: major, minor.
    CharDevice(u32, u32),
    /// Block device: major, minor.
    BlockDevice(u32, u32),
    /// Named pipe.
    Fifo,
    /// Unix domain socket.
    Socket,
}

impl InodeData {
    /// The type as directory entries store it.
    pub fn kind(&self) -> KindByte {
        match self {
            Self::Regular(_) => KindByte::REGULAR,
            Self::Directory { .. } => KindByte::DIRECTORY,
            Self::Symlink(_) => KindByte::SYMLINK,
            Self::CharDevice(..) => KindByte::CHAR_DEVICE,
            Self::BlockDevice(..) => KindByte::BLOCK_DEVICE,
            Self::Fifo => KindByte::FIFO,
            Self::Socket => KindByte::SOCKET,
        }
    }
}

/// The largest major number of a device: Linux has 12 bits for it.
pub const MAX_MAJOR: u32 = (1 << 12) - 1;
/// The largest minor number: 20 bits.
pub const MAX_MINOR: u32 = (1 << 20) - 1;

/// An inode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InodeRecord {
    /// Permission bits with setuid, setgid and sticky.
    pub perm: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Number of directory entries that name it (a directory: 2 and its subdirectories).
    pub nlink: u32,
    /// Modification time: seconds and nanoseconds.
    pub mtime: (i64, u32),
    /// Change time: seconds and nanoseconds.
    pub ctime: (i64, u32),
    /// Size in bytes.
    pub size: u64,
    /// Bytes of a regular file that are not holes: what st_blocks counts.
    pub allocated: u64,
    /// Xattr set, 0 for none.
    pub xattrs: u64,
    /// What PixelFS takes the file for.
    pub pixel_type: PixelType,
    /// Type and what belongs to it.
    pub data: InodeData,
}

impl InodeRecord {
    /// Parses a record.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut fields = Fields::new(WHAT, bytes);
        let mode = fields.u32()?;
        let (uid, gid, nlink) = (fields.u32()?, fields.u32()?, fields.u32()?);
        let (mtime_s, ctime_s) = (fields.i64()?, fields.i64()?);
        let (mtime, ctime) = ((mtime_s, fields.u32()?), (ctime_s, fields.u32()?));
        let (size, data, xattrs) = (fields.u64()?, fields.u64()?, fields.u64()?);
        let allocated = fields.u64()?;
        let pixel_type = PixelType::from_byte(fields.u8()?)?;
        fields.reserved(7)?;
        let target = fields.rest();
        for (_, nanos) in [mtime, ctime] {
            if nanos >= 1_000_000_000 {
                return Err(FormatError::field(WHAT, "nanoseconds", nanos));
            }
        }
        let data = parse_data(mode, data, size, target)?;
        check_sizes(&data, size, allocated)?;
        Ok(Self {
            perm: mode & 0o7777,
            uid,
            gid,
            nlink,
            mtime,
            ctime,
            size,
            allocated,
            xattrs,
            pixel_type,
            data,
        })
    }

    /// The record's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let device = |major: u32, minor: u32| u64::from(major) | u64::from(minor) << 32;
        let (data, target): (u64, &[u8]) = match &self.data {
            InodeData::Regular(content) => (*content, b""),
            InodeData::Directory { parent } => (*parent, b""),
            InodeData::Symlink(target) => (0, target),
            InodeData::CharDevice(major, minor) | InodeData::BlockDevice(major, minor) => {
                (device(*major, *minor), b"")
            }
            InodeData::Fifo | InodeData::Socket => (0, b""),
        };
        let mode = self.perm & 0o7777 | self.data.kind().mode_bits();
        let mut out = Vec::with_capacity(FIXED_LEN + target.len());
        for word in [mode, self.uid, self.gid, self.nlink] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.extend_from_slice(&self.mtime.0.to_le_bytes());
        out.extend_from_slice(&self.ctime.0.to_le_bytes());
        out.extend_from_slice(&self.mtime.1.to_le_bytes());
        out.extend_from_slice(&self.ctime.1.to_le_bytes());
        for word in [self.size, data, self.xattrs, self.allocated, self.pixel_type as u64] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.extend_from_slice(target);
        out
    }
}

fn parse_data(mode: u32, data: u64, size: u64, target: &[u8]) -> Result<InodeData, FormatError> {
    let kind = KindByte::from_mode(mode);
    let Some(kind) = kind.filter(|_| mode & !(TYPE_MASK | 0o7777) == 0) else {
        return Err(FormatError::field(WHAT, "mode", mode));
    };
    if kind == KindByte::SYMLINK {
        if data != 0 {
            return Err(FormatError::field(WHAT, "data", data));
        }
        if target.is_empty() || target.len() as u64 != size || target.contains(&0) {
            return Err(FormatError::field(WHAT, "symlink size", size));
        }
        return Ok(InodeData::Symlink(target.to_vec()));
    }
    if !target.is_empty() {
        return Err(FormatError::Length {
            what: WHAT,
            have: FIXED_LEN + target.len(),
            need: FIXED_LEN,
        });
    }
    let (major, minor) = (data as u32, (data >> 32) as u32);
    if matches!(kind, KindByte::CHAR_DEVICE | KindByte::BLOCK_DEVICE)
        && (major > MAX_MAJOR || minor > MAX_MINOR)
    {
        return Err(FormatError::field(WHAT, "device", data));
    }
    let unused = match data {
        0 => Ok(()),
        _ => Err(FormatError::field(WHAT, "data", data)),
    };
    Ok(match kind {
        KindByte::REGULAR => {
            if (data == 0) != (size == 0) {
                return Err(FormatError::field(WHAT, "content number", data));
            }
            InodeData::Regular(data)
        }
        KindByte::DIRECTORY => InodeData::Directory { parent: data },
        KindByte::CHAR_DEVICE => InodeData::CharDevice(major, minor),
        KindByte::BLOCK_DEVICE => InodeData::BlockDevice(major, minor),
        KindByte::FIFO => unused.map(|()| InodeData::Fifo)?,
        _ => unused.map(|()| InodeData::Socket)?,
    })
}

/// Sizes are of contents and of targets; nothing else has any.
fn check_sizes(data: &InodeData, size: u64, allocated: u64) -> Result<(), FormatError> {
    let (size_is_right, allocated_is_right) = match data {
        InodeData::Regular(_) => (true, allocated <= size),
        InodeData::Symlink(_) => (true, allocated == size),
        _ => (size == 0, allocated == 0),
    };
    if !size_is_right {
        return Err(FormatError::field(WHAT, "size", size));
    }
    if !allocated_is_right {
        return Err(FormatError::field(WHAT, "allocated bytes", allocated));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(size: u64, data: InodeData) -> InodeRecord {
        InodeRecord {
            perm: 0o4755,
            uid: 1000,
            gid: 5,
            nlink: 2,
            mtime: (-5, 999_999_999),
            ctime: (1 << 40, 1),
            size,
            allocated: if matches!(data, InodeData::Symlink(_)) { size } else { size / 2 },
            xattrs: 3,
            pixel_type: PixelType::World,
            data,
        }
    }

    #[test]
    fn every_type_round_trips() {
        let records = [
            record(0, InodeData::Regular(0)),
            record(9, InodeData::Regular(77)),
            record(0, InodeData::Directory { parent: 1 }),
            record(3, InodeData::Symlink(b"a/b".to_vec())),
            record(0, InodeData::CharDevice(4, 0xfffff)),
            record(0, InodeData::BlockDevice(259, 1)),
            record(0, InodeData::Fifo),
            record(0, InodeData::Socket),
        ];
        for record in records {
            assert_eq!(InodeRecord::parse(&record.to_bytes()), Ok(record));
        }
    }

    #[test]
    fn contradictions_are_refused() {
        let bad_size = record(5, InodeData::Symlink(b"abc".to_vec())).to_bytes();
        let no_content = record(5, InodeData::Regular(0)).to_bytes();
        let far_device = record(0, InodeData::CharDevice(1 << 12, 0)).to_bytes();
        let mut bad_mode = record(0, InodeData::Fifo).to_bytes();
        bad_mode[1] = 0xf0;
        let with_byte = |data: InodeData, at: usize, byte: u8| {
            let mut bytes = record(0, data).to_bytes();
            bytes[at] = byte;
            bytes
        };
        let bad_nanos = with_byte(InodeData::Fifo, 35, 0xff);
        let dir = InodeData::Directory { parent: 1 };
        let large_dir = with_byte(dir.clone(), 40, 1);
        let allocated_dir = with_byte(dir, 64, 1);
        let fifo_of_something = with_byte(InodeData::Fifo, 48, 1);
        let socket_of_something = with_byte(InodeData::Socket, 55, 1);
        let mut link_of_something = record(3, InodeData::Symlink(b"a/b".to_vec())).to_bytes();
        link_of_something[48] = 1;
        let bad = [bad_size, no_content, bad_mode, bad_nanos, large_dir, allocated_dir];
        let more = [fifo_of_something, socket_of_something, link_of_something, far_device];
        for bytes in bad.into_iter().chain(more) {
            assert!(InodeRecord::parse(&bytes).is_err());
        }
    }
}
