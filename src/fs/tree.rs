//! The contract between file trees and those who serve or walk them.
//!
//! A [`Tree`] is a read-only POSIX file tree with stable inode numbers. The
//! FUSE adapter, the unmounted commands and the boot helper see only this
//! trait, so a picture, a pxOS root and a test's tree are served alike.

use crate::fs::{FsError, Result};

/// Inode number; 1 is the root directory, 0 is never used.
pub type Ino = u64;

/// The root directory's inode number.
pub const ROOT_INO: Ino = 1;

/// The type of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// Regular file.
    Regular,
    /// Directory.
    Directory,
    /// Symbolic link.
    Symlink,
    /// Character device.
    CharDevice,
    /// Block device.
    BlockDevice,
    /// Named pipe.
    Fifo,
    /// Unix domain socket.
    Socket,
}

impl FileKind {
    /// The kind that the S_IFMT bits of `mode` name, if they name one.
    pub fn from_mode(mode: u32) -> Option<Self> {
        Some(match mode & libc::S_IFMT {
            libc::S_IFREG => Self::Regular,
            libc::S_IFDIR => Self::Directory,
            libc::S_IFLNK => Self::Symlink,
            libc::S_IFCHR => Self::CharDevice,
            libc::S_IFBLK => Self::BlockDevice,
            libc::S_IFIFO => Self::Fifo,
            libc::S_IFSOCK => Self::Socket,
            _ => return None,
        })
    }

    /// The word for it in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Regular => "file",
            Self::Directory => "directory",
            Self::Symlink => "symlink",
            Self::CharDevice => "char_device",
            Self::BlockDevice => "block_device",
            Self::Fifo => "fifo",
            Self::Socket => "socket",
        }
    }

    /// The S_IFMT bits of this kind.
    pub fn mode_bits(self) -> u32 {
        match self {
            Self::Regular => libc::S_IFREG,
            Self::Directory => libc::S_IFDIR,
            Self::Symlink => libc::S_IFLNK,
            Self::CharDevice => libc::S_IFCHR,
            Self::BlockDevice => libc::S_IFBLK,
            Self::Fifo => libc::S_IFIFO,
            Self::Socket => libc::S_IFSOCK,
        }
    }
}

/// A point in time: seconds since 1970 (negative before) and nanoseconds 0..1e9.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Time {
    /// Seconds since the epoch.
    pub secs: i64,
    /// Nanoseconds within the second, below 1,000,000,000.
    pub nanos: u32,
}

/// The attributes of an inode, as stat(2) gives them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attr {
    /// Inode number.
    pub ino: Ino,
    /// File type.
    pub kind: FileKind,
    /// Permission bits with setuid, setgid and sticky: 0..0o7777.
    pub perm: u32,
    /// Number of hard links.
    pub nlink: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Device numbers of a device file, 0 otherwise.
    pub rdev: (u32, u32),
    /// Size in bytes.
    pub size: u64,
    /// Bytes that are not holes, in units of 512 (st_blocks).
    pub blocks: u64,
    /// Last modification; also given as the time of last access.
    pub mtime: Time,
    /// Last status change.
    pub ctime: Time,
}

/// One entry of a directory listing, without `.` and `..`.
#[derive(Debug, Clone, Copy)]
pub struct DirEntry<'a> {
    /// Inode number.
    pub ino: Ino,
    /// File type.
    pub kind: FileKind,
    /// Name: any bytes but `/` and NUL, 1 to 255 of them.
    pub name: &'a [u8],
    /// Pass this to [`Tree::read_dir`] to continue after this entry; above 0.
    pub next: u64,
}

/// Where [`Tree::seek`] looks for: SEEK_DATA or SEEK_HOLE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seek {
    /// The next byte that is data.
    Data,
    /// The next byte that is in a hole; the end of the file counts as one.
    Hole,
}

/// Totals of a file tree, for statfs(2) and `df`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TreeStat {
    /// Size of the medium in bytes.
    pub total_bytes: u64,
    /// Bytes of the medium that hold nothing.
    pub free_bytes: u64,
    /// Number of inodes.
    pub inodes: u64,
}

/// A read-only file tree. All methods may be called from several threads at once.
pub trait Tree: Send + Sync {
    /// The inode that `name` means in the directory `dir`.
    fn lookup(&self, dir: Ino, name: &[u8]) -> Result<Attr>;

    /// The attributes of an inode.
    fn attr(&self, ino: Ino) -> Result<Attr>;

    /// The directory that holds the directory `dir`; the root holds itself.
    fn parent(&self, dir: Ino) -> Result<Ino>;

    /// Calls `visit` for the entries of `dir` from position `from` on (0 is the
    /// start, else the `next` of an entry seen before), until it returns false.
    fn read_dir(
        &self,
        dir: Ino,
        from: u64,
        visit: &mut dyn FnMut(DirEntry<'_>) -> bool,
    ) -> Result<()>;

    /// The target of a symbolic link.
    fn read_link(&self, ino: Ino) -> Result<Vec<u8>>;

    /// Fills `buf` from `offset`; fewer bytes than asked only at the end of the file.
    fn read(&self, ino: Ino, offset: u64, buf: &mut [u8]) -> Result<usize>;

    /// The next data or hole at or after `offset`.
    ///
    /// # Errors
    /// [`FsError::BeyondEnd`] when there is none (lseek(2)'s ENXIO).
    fn seek(&self, ino: Ino, offset: u64, what: Seek) -> Result<u64>;

    /// The value of an extended attribute.
    fn xattr(&self, ino: Ino, name: &[u8]) -> Result<Vec<u8>>;

    /// The names of all extended attributes.
    fn xattr_names(&self, ino: Ino) -> Result<Vec<Vec<u8>>>;

    /// Totals for statfs.
    fn stat(&self) -> Result<TreeStat>;

    /// Calls `visit` with the whole content of a file below `limit` bytes that is
    /// decoded together with others, so that giving it ahead of time costs little.
    /// A hint: no file need be such a one.
    fn small_file(&self, _ino: Ino, _limit: u64, _visit: &mut dyn FnMut(&[u8])) -> Result<()> {
        Ok(())
    }

    /// Calls `visit` with the stretch of a large file that was decoded to read at
    /// `offset`, and where it begins in the file. A hint.
    fn around(&self, _ino: Ino, _offset: u64, _visit: &mut dyn FnMut(u64, &[u8])) -> Result<()> {
        Ok(())
    }

    /// Decodes what a reader who goes on after the small file `ino` needs next.
    /// A hint.
    fn warm_after(&self, _ino: Ino) -> Result<()> {
        Ok(())
    }

    /// Whether a file changes by itself, so that nothing about it may be cached.
    fn is_volatile(&self, _ino: Ino) -> bool {
        false
    }

    /// Bytes of memory that the tree's caches hold now.
    fn cached_bytes(&self) -> u64 {
        0
    }
}

/// A tree that several own.
impl<T: Tree + ?Sized> Tree for std::sync::Arc<T> {
    fn lookup(&self, dir: Ino, name: &[u8]) -> Result<Attr> {
        (**self).lookup(dir, name)
    }

    fn attr(&self, ino: Ino) -> Result<Attr> {
        (**self).attr(ino)
    }

    fn parent(&self, dir: Ino) -> Result<Ino> {
        (**self).parent(dir)
    }

    fn read_dir(
        &self,
        dir: Ino,
        from: u64,
        visit: &mut dyn FnMut(DirEntry<'_>) -> bool,
    ) -> Result<()> {
        (**self).read_dir(dir, from, visit)
    }

    fn read_link(&self, ino: Ino) -> Result<Vec<u8>> {
        (**self).read_link(ino)
    }

    fn read(&self, ino: Ino, offset: u64, buf: &mut [u8]) -> Result<usize> {
        (**self).read(ino, offset, buf)
    }

    fn seek(&self, ino: Ino, offset: u64, what: Seek) -> Result<u64> {
        (**self).seek(ino, offset, what)
    }

    fn xattr(&self, ino: Ino, name: &[u8]) -> Result<Vec<u8>> {
        (**self).xattr(ino, name)
    }

    fn xattr_names(&self, ino: Ino) -> Result<Vec<Vec<u8>>> {
        (**self).xattr_names(ino)
    }

    fn stat(&self) -> Result<TreeStat> {
        (**self).stat()
    }

    fn small_file(&self, ino: Ino, limit: u64, visit: &mut dyn FnMut(&[u8])) -> Result<()> {
        (**self).small_file(ino, limit, visit)
    }

    fn around(&self, ino: Ino, offset: u64, visit: &mut dyn FnMut(u64, &[u8])) -> Result<()> {
        (**self).around(ino, offset, visit)
    }

    fn warm_after(&self, ino: Ino) -> Result<()> {
        (**self).warm_after(ino)
    }

    fn is_volatile(&self, ino: Ino) -> bool {
        (**self).is_volatile(ino)
    }

    fn cached_bytes(&self) -> u64 {
        (**self).cached_bytes()
    }
}

/// Resolves `path` (components split at `/`, `.` and `..` understood) from the
/// root. Symbolic links are followed, the last component's only if `follow`;
/// absolute targets start at the tree's root.
///
/// # Errors
/// [`FsError::TooManyLinks`] after 40 links, else as [`Tree::lookup`].
pub fn resolve(tree: &dyn Tree, path: &[u8], follow: bool) -> Result<Attr> {
    let mut todo: Vec<Vec<u8>> = components(path);
    // A slash at the end asks for a directory, as everywhere.
    let wants_dir = path.ends_with(b"/");
    let follow = follow || wants_dir;
    let mut at = tree.attr(ROOT_INO)?;
    let mut links = 0;
    while let Some(name) = todo.pop() {
        if at.kind != FileKind::Directory {
            return Err(FsError::NotADirectory(at.ino));
        }
        let next = match name.as_slice() {
            b"." => continue,
            b".." => tree.attr(tree.parent(at.ino)?)?,
            name => tree.lookup(at.ino, name)?,
        };
        if next.kind == FileKind::Symlink && (follow || !todo.is_empty()) {
            links += 1;
            if links > 40 {
                return Err(FsError::TooManyLinks);
            }
            let target = tree.read_link(next.ino)?;
            if target.first() == Some(&b'/') {
                at = tree.attr(ROOT_INO)?;
            }
            todo.extend(components(&target));
        } else {
            at = next;
        }
    }
    if wants_dir && at.kind != FileKind::Directory {
        return Err(FsError::NotADirectory(at.ino));
    }
    Ok(at)
}

/// The non-empty components of a path, last first (a stack of what is left to walk).
fn components(path: &[u8]) -> Vec<Vec<u8>> {
    let parts = path.split(|&b| b == b'/').filter(|part| !part.is_empty());
    parts.rev().map(<[u8]>::to_vec).collect()
}
