//! How a tree's attributes become FUSE's: times, device numbers, and the owner
//! and permission overrides that mount options ask for.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fuser::{FileAttr, FileType, INodeNo};

use crate::fs::{Attr, FileKind, Ino, ROOT_INO, Time};

/// Unit of statfs and of st_blksize; st_blocks counts 512 bytes whatever this is.
pub(super) const BLOCK_SIZE: u32 = 4096;

/// Owners and permissions that a mount shows instead of the tree's own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Owner of every file.
    pub uid: Option<u32>,
    /// Group of every file.
    pub gid: Option<u32>,
    /// Permission bits taken away from everything but directories and links.
    pub file_mask: u32,
    /// Permission bits taken away from directories.
    pub dir_mask: u32,
}

impl Overrides {
    /// Whether what the mount shows differs from what the tree says.
    pub fn are_set(&self) -> bool {
        *self != Self::default()
    }

    fn perm(&self, attr: &Attr) -> u32 {
        match attr.kind {
            FileKind::Directory => attr.perm & !self.dir_mask,
            // Nobody checks a link's permissions, and tools expect 0777.
            FileKind::Symlink => attr.perm,
            _ => attr.perm & !self.file_mask,
        }
    }
}

/// Turns a tree's attributes into what the kernel is told.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct View {
    pub(super) overrides: Overrides,
    /// Only this user (and root) may enter the root directory. `allow_root` is
    /// kept this way: the kernel answers from its caches without asking us, so
    /// a check of the caller in each request would keep nobody out.
    pub(super) private_to: Option<u32>,
    /// Whether users other than the one who mounted it reach the mount.
    pub(super) is_everyones: bool,
}

impl View {
    pub(super) fn show(&self, attr: &Attr) -> FileAttr {
        let mtime = system_time(attr.mtime);
        let mut shown = FileAttr {
            ino: INodeNo(attr.ino),
            size: attr.size,
            blocks: attr.blocks,
            atime: mtime,
            mtime,
            ctime: system_time(attr.ctime),
            crtime: UNIX_EPOCH,
            kind: file_type(attr.kind),
            // 0o7777 fits; bits above are not permissions.
            perm: (self.overrides.perm(attr) & 0o7777) as u16,
            nlink: attr.nlink,
            uid: self.overrides.uid.unwrap_or(attr.uid),
            gid: self.overrides.gid.unwrap_or(attr.gid),
            rdev: encode_dev(attr.rdev),
            blksize: BLOCK_SIZE,
            flags: 0,
        };
        if let (ROOT_INO, Some(owner)) = (attr.ino, self.private_to) {
            shown.uid = owner;
            shown.perm &= 0o7700;
        }
        shown
    }
}

/// Attributes for an inode of which only the type is known: a negative entry
/// (inode 0), or a listed file whose inode cannot be read.
pub(super) fn placeholder(ino: Ino, kind: FileKind) -> FileAttr {
    let nothing = Time::default();
    View::default().show(&Attr {
        ino,
        kind,
        perm: 0,
        nlink: 1,
        uid: 0,
        gid: 0,
        rdev: (0, 0),
        size: 0,
        blocks: 0,
        mtime: nothing,
        ctime: nothing,
    })
}

pub(super) fn file_type(kind: FileKind) -> FileType {
    match kind {
        FileKind::Regular => FileType::RegularFile,
        FileKind::Directory => FileType::Directory,
        FileKind::Symlink => FileType::Symlink,
        FileKind::CharDevice => FileType::CharDevice,
        FileKind::BlockDevice => FileType::BlockDevice,
        FileKind::Fifo => FileType::NamedPipe,
        FileKind::Socket => FileType::Socket,
    }
}

/// fuser takes times as SystemTime, which on Linux holds 64-bit seconds of either
/// sign, so every time of a tree fits; the fallback is for other platforms.
fn system_time(time: Time) -> SystemTime {
    let secs = Duration::from_secs(time.secs.unsigned_abs());
    let whole = match time.secs {
        0.. => UNIX_EPOCH.checked_add(secs),
        _ => UNIX_EPOCH.checked_sub(secs),
    };
    // Nanoseconds count forward from the second also before 1970.
    let nanos = Duration::from_nanos(u64::from(time.nanos));
    whole.and_then(|whole| whole.checked_add(nanos)).unwrap_or(UNIX_EPOCH)
}

/// The kernel's `new_encode_dev`: 12 bits of major and 20 of minor in 32.
fn encode_dev((major, minor): (u32, u32)) -> u32 {
    (minor & 0xff) | ((major & 0xfff) << 8) | ((minor & 0xfff00) << 12)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn file(kind: FileKind, perm: u32) -> Attr {
        Attr {
            ino: 7,
            kind,
            perm,
            nlink: 1,
            uid: 10,
            gid: 20,
            rdev: (0, 0),
            size: 0,
            blocks: 0,
            mtime: Time::default(),
            ctime: Time::default(),
        }
    }

    #[test]
    fn masks_take_bits_from_files_and_directories_but_not_from_links() {
        let overrides = Overrides { uid: Some(1), gid: None, file_mask: 0o133, dir_mask: 0o022 };
        let view = View { overrides, private_to: None, is_everyones: false };
        for (kind, perm, expected) in [
            (FileKind::Regular, 0o4777, 0o4644),
            (FileKind::Directory, 0o1777, 0o1755),
            (FileKind::Symlink, 0o777, 0o777),
            (FileKind::Fifo, 0o666, 0o644),
        ] {
            let shown = view.show(&file(kind, perm));
            assert_eq!((shown.perm, shown.uid, shown.gid), (expected, 1, 20), "{kind:?}");
        }
    }

    #[test]
    fn a_private_mount_closes_only_its_root() {
        let view = View { private_to: Some(1000), ..View::default() };
        let mut root = file(FileKind::Directory, 0o755);
        assert_eq!(view.show(&root).perm, 0o755);
        root.ino = ROOT_INO;
        let shown = view.show(&root);
        assert_eq!((shown.uid, shown.perm), (1000, 0o700));
    }

    #[test]
    fn times_of_any_sign_keep_their_nanoseconds() {
        for (secs, nanos) in [(-1, 500_000_000), (0, 1), (-2_177_452_800, 1), (7_258_118_400, 0)] {
            let shown = system_time(Time { secs, nanos });
            let back = match shown.duration_since(UNIX_EPOCH) {
                Ok(after) => i128::try_from(after.as_nanos()).unwrap(),
                Err(before) => -i128::try_from(before.duration().as_nanos()).unwrap(),
            };
            assert_eq!(back, i128::from(secs) * 1_000_000_000 + i128::from(nanos));
        }
        system_time(Time { secs: i64::MIN, nanos: 0 });
        system_time(Time { secs: i64::MAX, nanos: 999_999_999 });
    }

    #[test]
    fn device_numbers_are_encoded_as_the_kernel_decodes_them() {
        assert_eq!(encode_dev((1, 3)), 0x103);
        assert_eq!(encode_dev((0xfff, 0xfffff)), 0xffff_ffff);
        assert_eq!(encode_dev((8, 0x12345)), 0x1230_0845);
    }
}
