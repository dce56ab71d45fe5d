//! Real mounts of a tree in memory: what the kernel makes of what the adapter
//! answers. A missing /dev/fuse fails these tests; they never skip.
// A file whose data is one range is what `single_range_in_vec_init` takes for a slip.
#![allow(clippy::unwrap_used, clippy::single_range_in_vec_init, missing_docs)]

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{Read, Seek as _, SeekFrom, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use pxfs::fs::{
    Attr, DirEntry, FileKind, FsError, Ino, ROOT_INO, Result, Seek, Time, Tree, TreeStat,
};
use pxfs::fuse::{
    Audience, KernelFlags, MountConfig, Overrides, Served, UnmountError, mountinfo, serve,
};

const KB: u64 = 1024;

#[derive(Clone)]
enum Body {
    Dir(Vec<(Vec<u8>, Ino)>),
    /// Size, and the ranges that hold data; byte i of data is `pattern(i)`.
    File(u64, Vec<std::ops::Range<u64>>),
    Link(Vec<u8>),
    Device(FileKind, (u32, u32)),
    Corrupt,
    Panics,
}

#[derive(Clone)]
struct Node {
    body: Body,
    perm: u32,
    time: Time,
    parent: Ino,
    xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// Inode i is node i - 1.
#[derive(Clone)]
struct MemTree {
    nodes: Vec<Node>,
    lookups: Arc<AtomicU64>,
}

fn pattern(at: u64) -> u8 {
    (at.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8
}

impl MemTree {
    fn new() -> Self {
        let mut tree = Self { nodes: Vec::new(), lookups: Arc::default() };
        tree.push(Body::Dir(Vec::new()), 0o755, ROOT_INO);
        tree
    }

    fn push(&mut self, body: Body, perm: u32, parent: Ino) -> Ino {
        let time = Time { secs: 1_700_000_000, nanos: 123_456_789 };
        self.nodes.push(Node { body, perm, time, parent, xattrs: BTreeMap::new() });
        self.nodes.len() as Ino
    }

    fn add(&mut self, dir: Ino, name: impl AsRef<[u8]>, body: Body, perm: u32) -> Ino {
        let ino = self.push(body, perm, dir);
        match &mut self.nodes[dir as usize - 1].body {
            Body::Dir(entries) => entries.push((name.as_ref().to_vec(), ino)),
            _ => panic!("not a directory"),
        }
        ino
    }

    fn file(&mut self, dir: Ino, name: &str, size: u64) -> Ino {
        self.add(dir, name, Body::File(size, vec![0..size]), 0o644)
    }

    fn node_mut(&mut self, ino: Ino) -> &mut Node {
        &mut self.nodes[ino as usize - 1]
    }

    fn node(&self, ino: Ino) -> Result<&Node> {
        ino.checked_sub(1).and_then(|at| self.nodes.get(at as usize)).ok_or(FsError::NotFound)
    }

    fn entries(&self, dir: Ino) -> Result<&[(Vec<u8>, Ino)]> {
        match &self.node(dir)?.body {
            Body::Dir(entries) => Ok(entries),
            _ => Err(FsError::NotADirectory(dir)),
        }
    }

    fn kind(&self, ino: Ino) -> Result<FileKind> {
        Ok(match self.node(ino)?.body {
            Body::Dir(_) => FileKind::Directory,
            Body::Link(_) => FileKind::Symlink,
            Body::Device(kind, _) => kind,
            Body::File(..) | Body::Corrupt | Body::Panics => FileKind::Regular,
        })
    }
}

impl Tree for MemTree {
    fn lookup(&self, dir: Ino, name: &[u8]) -> Result<Attr> {
        self.lookups.fetch_add(1, Ordering::Relaxed);
        let found = self.entries(dir)?.iter().find(|(known, _)| known == name);
        self.attr(found.ok_or(FsError::NotFound)?.1)
    }

    fn attr(&self, ino: Ino) -> Result<Attr> {
        let node = self.node(ino)?;
        let (size, data) = match &node.body {
            Body::File(size, ranges) => (*size, ranges.iter().map(|r| r.end - r.start).sum()),
            Body::Link(target) => (target.len() as u64, 0),
            Body::Corrupt | Body::Panics => (10_000, 10_000),
            _ => (0, 0),
        };
        let rdev = if let Body::Device(_, rdev) = node.body { rdev } else { (0, 0) };
        Ok(Attr {
            ino,
            kind: self.kind(ino)?,
            perm: node.perm,
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev,
            size,
            blocks: u64::div_ceil(data, 512),
            mtime: node.time,
            ctime: node.time,
        })
    }

    fn parent(&self, dir: Ino) -> Result<Ino> {
        Ok(self.node(dir)?.parent)
    }

    fn read_dir(
        &self,
        dir: Ino,
        from: u64,
        visit: &mut dyn FnMut(DirEntry<'_>) -> bool,
    ) -> Result<()> {
        for (at, (name, ino)) in self.entries(dir)?.iter().enumerate().skip(from as usize) {
            let entry = DirEntry { ino: *ino, kind: self.kind(*ino)?, name, next: at as u64 + 1 };
            if !visit(entry) {
                break;
            }
        }
        Ok(())
    }

    fn read_link(&self, ino: Ino) -> Result<Vec<u8>> {
        match &self.node(ino)?.body {
            Body::Link(target) => Ok(target.clone()),
            _ => Err(FsError::WrongType(ino, "not a link")),
        }
    }

    fn read(&self, ino: Ino, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let (size, ranges) = match &self.node(ino)?.body {
            Body::File(size, ranges) => (*size, ranges),
            Body::Panics => panic!("a bug in the tree"),
            _ => return Err(FsError::Corrupt(format!("inode {ino}: wrong checksum"))),
        };
        let len = size.saturating_sub(offset).min(buf.len() as u64);
        for at in offset..offset + len {
            let is_data = ranges.iter().any(|range| range.contains(&at));
            buf[(at - offset) as usize] = if is_data { pattern(at) } else { 0 };
        }
        Ok(len as usize)
    }

    fn seek(&self, ino: Ino, offset: u64, what: Seek) -> Result<u64> {
        let Body::File(size, ranges) = &self.node(ino)?.body else {
            return Err(FsError::WrongType(ino, "not a file"));
        };
        let inside = ranges.iter().find(|range| range.contains(&offset));
        let next = ranges.iter().find(|range| range.start > offset);
        match (what, inside) {
            _ if offset >= *size => Err(FsError::BeyondEnd),
            (Seek::Data, Some(_)) | (Seek::Hole, None) => Ok(offset),
            (Seek::Data, None) => next.map(|range| range.start).ok_or(FsError::BeyondEnd),
            (Seek::Hole, Some(range)) => Ok(range.end),
        }
    }

    fn xattr(&self, ino: Ino, name: &[u8]) -> Result<Vec<u8>> {
        self.node(ino)?.xattrs.get(name).cloned().ok_or(FsError::NoXattr)
    }

    fn xattr_names(&self, ino: Ino) -> Result<Vec<Vec<u8>>> {
        Ok(self.node(ino)?.xattrs.keys().cloned().collect())
    }

    fn stat(&self) -> Result<TreeStat> {
        let inodes = self.nodes.len() as u64;
        Ok(TreeStat { total_bytes: 10_000 * 4096 - 1, free_bytes: 4096 * 7 + 5, inodes })
    }
}

/// A mount in a temporary directory, unmounted before the directory is removed.
struct Mounted {
    served: Option<Served>,
    ended: mpsc::Receiver<std::io::Result<()>>,
    dir: tempfile::TempDir,
}

impl Mounted {
    fn new(tree: MemTree) -> Self {
        Self::with(tree, MountConfig::default())
    }

    fn with(tree: MemTree, config: MountConfig) -> Self {
        assert!(fs::exists("/dev/fuse").unwrap(), "/dev/fuse is missing: these tests need it");
        let dir = tempfile::tempdir().unwrap();
        let config = MountConfig { source: "memory,tree".into(), threads: 2, ..config };
        let (send, ended) = mpsc::channel();
        let on_end = move |result| send.send(result).unwrap();
        let served = serve(Arc::new(tree), dir.path(), &config, on_end).unwrap();
        Self { served: Some(served), ended, dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn served(&self) -> &Served {
        self.served.as_ref().unwrap()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        drop(self.served.take());
    }
}

fn errno(error: std::io::Error) -> i32 {
    error.raw_os_error().unwrap()
}

#[test]
fn stat_gives_times_before_1970_and_after_2038_modes_and_devices() {
    let mut tree = MemTree::new();
    let times = [
        ("in1901", Time { secs: -2_177_452_800, nanos: 1 }),
        ("in1969", Time { secs: -1, nanos: 500_000_000 }),
        ("in2200", Time { secs: 7_258_118_400, nanos: 999_999_999 }),
    ];
    for (name, time) in times {
        let ino = tree.file(ROOT_INO, name, 1);
        tree.node_mut(ino).time = time;
    }
    tree.add(ROOT_INO, "setuid", Body::File(0, vec![]), 0o6755);
    tree.add(ROOT_INO, "tty", Body::Device(FileKind::CharDevice, (4, 300)), 0o620);
    tree.add(ROOT_INO, "disk", Body::Device(FileKind::BlockDevice, (259, 70_000)), 0o660);
    tree.add(ROOT_INO, "pipe", Body::Device(FileKind::Fifo, (0, 0)), 0o600);
    tree.add(ROOT_INO, "sock", Body::Device(FileKind::Socket, (0, 0)), 0o600);
    let mounted = Mounted::new(tree);
    // Once by lookup, once after a listing has told the attributes.
    for _ in 0..2 {
        for (name, time) in times {
            let stat = fs::metadata(mounted.path(name)).unwrap();
            assert_eq!((stat.mtime(), stat.mtime_nsec()), (time.secs, time.nanos.into()), "{name}");
            assert_eq!((stat.ctime(), stat.ctime_nsec()), (time.secs, time.nanos.into()), "{name}");
            assert_eq!((stat.atime(), stat.atime_nsec()), (time.secs, time.nanos.into()), "{name}");
        }
        assert_eq!(fs::metadata(mounted.path("setuid")).unwrap().mode(), 0o106_755);
        for (name, dev) in [("tty", (4, 300)), ("disk", (259, 70_000))] {
            let rdev = fs::metadata(mounted.path(name)).unwrap().rdev();
            assert_eq!((libc::major(rdev), libc::minor(rdev)), dev);
        }
        assert!(fs::metadata(mounted.path("pipe")).unwrap().file_type().is_fifo());
        assert!(fs::metadata(mounted.path("sock")).unwrap().file_type().is_socket());
        assert_eq!(fs::read_dir(mounted.dir.path()).unwrap().count(), 8);
    }
}

#[test]
fn listing_of_5000_entries_is_complete_and_can_be_continued_anywhere() {
    let mut tree = MemTree::new();
    let big = tree.add(ROOT_INO, "big", Body::Dir(Vec::new()), 0o755);
    let names: BTreeSet<OsString> =
        (0..5000).map(|i| OsString::from(format!("entry-{i:04}-with-a-name"))).collect();
    for name in &names {
        tree.add(big, name.as_bytes(), Body::File(3, vec![0..3]), 0o644);
    }
    let lookups = Arc::clone(&tree.lookups);
    let mounted = Mounted::new(tree);
    let mut seen = BTreeSet::new();
    for entry in fs::read_dir(mounted.path("big")).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().size(), 3);
        seen.insert(entry.file_name());
    }
    assert_eq!(seen, names);
    // "big" itself: the listing told the attributes of all the others.
    assert_eq!(lookups.load(Ordering::Relaxed), 1);

    let open = || File::open(mounted.path("big")).unwrap();
    let read = |dir: rustix::fs::Dir| -> Vec<(Vec<u8>, i64, u64)> {
        dir.map(|entry| entry.unwrap())
            .map(|e| (e.file_name().to_bytes().to_vec(), e.offset(), e.ino()))
            .collect()
    };
    let all = read(rustix::fs::Dir::read_from(open()).unwrap());
    assert_eq!(all.len(), 5002);
    assert_eq!((all[0].0.as_slice(), all[1].0.as_slice()), (&b"."[..], &b".."[..]));
    assert_eq!((all[0].2, all[1].2), (big, ROOT_INO));
    for at in [0, 1, 2, 63, 64, 65, 1000, 4999, 5001] {
        let mut dir = rustix::fs::Dir::read_from(open()).unwrap();
        dir.seek(all[at].1).unwrap();
        assert_eq!(read(dir), all[at + 1..], "continued after entry {at}");
    }
}

#[test]
fn names_of_any_bytes_and_of_255_bytes_are_listed_and_found() {
    let mut tree = MemTree::new();
    let names: Vec<Vec<u8>> =
        vec![vec![0xff, 0xfe, b'\n'], vec![b'x'; 255], b"a b\\c".to_vec(), b"...".to_vec()];
    for name in &names {
        tree.add(ROOT_INO, name, Body::File(1, vec![0..1]), 0o644);
    }
    let mounted = Mounted::new(tree);
    for name in &names {
        fs::metadata(mounted.dir.path().join(OsStr::from_bytes(name))).unwrap();
    }
    let listed: BTreeSet<Vec<u8>> = fs::read_dir(mounted.dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_vec())
        .collect();
    assert_eq!(listed, names.into_iter().collect());
    let too_long = fs::metadata(mounted.path(&"y".repeat(256))).unwrap_err();
    assert_eq!(errno(too_long), libc::ENAMETOOLONG);
}

#[test]
fn reads_at_random_offsets_give_the_right_bytes() {
    let mut tree = MemTree::new();
    let size = 3_000_017;
    let ranges = vec![4096..100_000, 1_000_000..2_500_001];
    tree.add(ROOT_INO, "sparse", Body::File(size, ranges.clone()), 0o644);
    let mounted = Mounted::new(tree);
    let file = File::open(mounted.path("sparse")).unwrap();
    let expected = |from: u64, to: u64| -> Vec<u8> {
        let byte = |at| if ranges.iter().any(|r| r.contains(&at)) { pattern(at) } else { 0 };
        (from..to).map(byte).collect()
    };
    let mut random = 1_u64;
    for _ in 0..300 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let from = (random >> 33) % (size + 1000);
        let mut buf = vec![0; (random >> 20) as usize % 9000];
        let got = file.read_at(&mut buf, from).unwrap();
        let to = size.min(from + buf.len() as u64).max(from);
        assert_eq!(buf[..got], expected(from, to), "at {from}");
    }
    assert!(fs::read(mounted.path("sparse")).unwrap() == expected(0, size));
    let mut last = Vec::new();
    let mut file = file;
    file.seek(SeekFrom::Start(size - 1)).unwrap();
    file.read_to_end(&mut last).unwrap();
    assert_eq!(last.len(), 1);
}

#[test]
fn holes_are_found_by_seek_data_and_seek_hole_and_counted_in_blocks() {
    use rustix::fs::{SeekFrom as At, seek};
    let mut tree = MemTree::new();
    let size = 3 << 30;
    let ranges = vec![64 * KB..128 * KB, (2 << 30)..(2 << 30) + 4 * KB];
    tree.add(ROOT_INO, "sparse", Body::File(size, ranges), 0o644);
    let mounted = Mounted::new(tree);
    let file = File::open(mounted.path("sparse")).unwrap();
    assert_eq!(file.metadata().unwrap().blocks(), 68 * KB / 512);
    for (from, expected) in [
        (At::Data(0), Ok(64 * KB)),
        (At::Hole(0), Ok(0)),
        (At::Data(64 * KB + 5), Ok(64 * KB + 5)),
        (At::Hole(64 * KB), Ok(128 * KB)),
        (At::Data(128 * KB), Ok(2 << 30)),
        (At::Hole((2 << 30) + 1), Ok((2 << 30) + 4 * KB)),
        (At::Data((2 << 30) + 4 * KB), Err(rustix::io::Errno::NXIO)),
        (At::Hole(size), Err(rustix::io::Errno::NXIO)),
        (At::End(-1), Ok(size - 1)),
    ] {
        assert_eq!(seek(&file, from), expected, "{from:?}");
    }
}

#[test]
fn symlinks_of_any_bytes_are_read_and_followed() {
    let mut tree = MemTree::new();
    tree.file(ROOT_INO, "file", 5);
    tree.add(ROOT_INO, "good", Body::Link(b"file".to_vec()), 0o777);
    tree.add(ROOT_INO, "odd", Body::Link(vec![0xff; 4095]), 0o777);
    let mounted = Mounted::new(tree);
    for _ in 0..2 {
        assert_eq!(fs::read_link(mounted.path("good")).unwrap(), PathBuf::from("file"));
        assert_eq!(fs::read_link(mounted.path("odd")).unwrap().as_os_str().len(), 4095);
    }
    assert_eq!(fs::metadata(mounted.path("good")).unwrap().size(), 5);
}

#[test]
fn xattrs_answer_size_probes_small_buffers_and_missing_names() {
    use rustix::fs::{getxattr, getxattr_query, listxattr, listxattr_query};
    let mut tree = MemTree::new();
    let ino = tree.file(ROOT_INO, "file", 5);
    let xattrs = [("user.small", 3), ("user.empty", 0), ("user.large", 65_536), ("trusted.x", 1)];
    for (name, size) in xattrs {
        tree.node_mut(ino).xattrs.insert(name.into(), vec![b'v'; size]);
    }
    tree.file(ROOT_INO, "bare", 1);
    let mounted = Mounted::new(tree);
    let path = mounted.path("file");
    for (name, size) in xattrs {
        assert_eq!(getxattr_query(&path, name).unwrap(), size, "{name}");
        let mut buf = vec![0_u8; 65_536];
        assert_eq!(getxattr(&path, name, &mut buf[..]).unwrap(), size, "{name}");
        assert!(buf[..size].iter().all(|&byte| byte == b'v'));
    }
    let too_small = getxattr(&path, "user.small", &mut [0_u8; 2]).unwrap_err();
    assert_eq!(too_small, rustix::io::Errno::RANGE);
    assert_eq!(getxattr(&path, "user.none", &mut [0_u8; 9]), Err(rustix::io::Errno::NODATA));
    let mut list = [0_u8; 200];
    let got = listxattr(&path, &mut list[..]).unwrap();
    assert_eq!(&list[..got], b"trusted.x\0user.empty\0user.large\0user.small\0");
    assert_eq!(listxattr_query(&path).unwrap(), got);
    assert_eq!(listxattr(&path, &mut [0_u8; 5]), Err(rustix::io::Errno::RANGE));
    assert_eq!(listxattr(mounted.path("bare"), &mut [0_u8; 9]).unwrap(), 0);
}

#[test]
fn statfs_tells_blocks_of_4096_bytes() {
    let mounted = Mounted::new(MemTree::new());
    let stat = rustix::fs::statvfs(mounted.dir.path()).unwrap();
    assert_eq!((stat.f_bsize, stat.f_frsize), (4096, 4096));
    assert_eq!((stat.f_blocks, stat.f_bfree, stat.f_bavail), (10_000, 7, 7));
    assert_eq!((stat.f_files, stat.f_ffree, stat.f_namemax), (1, 0, 255));
}

#[test]
fn a_missing_name_is_asked_for_once() {
    let tree = MemTree::new();
    let lookups = Arc::clone(&tree.lookups);
    let mounted = Mounted::new(tree);
    for _ in 0..5 {
        let error = fs::metadata(mounted.path("missing")).unwrap_err();
        assert_eq!(errno(error), libc::ENOENT);
    }
    assert_eq!(lookups.load(Ordering::Relaxed), 1);
}

#[test]
fn a_corrupt_file_and_a_panic_are_eio_and_other_files_go_on() {
    let mut tree = MemTree::new();
    tree.add(ROOT_INO, "corrupt", Body::Corrupt, 0o644);
    tree.add(ROOT_INO, "panics", Body::Panics, 0o644);
    tree.file(ROOT_INO, "good", 5000);
    let mounted = Mounted::new(tree);
    for _ in 0..10 {
        assert_eq!(errno(fs::read(mounted.path("corrupt")).unwrap_err()), libc::EIO);
        assert_eq!(errno(fs::read(mounted.path("panics")).unwrap_err()), libc::EIO);
        assert_eq!(fs::read(mounted.path("good")).unwrap().len(), 5000);
    }
}

#[test]
fn a_file_without_inode_is_listed_and_its_stat_fails() {
    let mut tree = MemTree::new();
    tree.file(ROOT_INO, "good", 1);
    let bad = tree.add(ROOT_INO, "bad", Body::File(1, vec![]), 0o644);
    /// A tree that cannot read one inode, though it can list it.
    struct Damaged(MemTree, Ino);
    impl Tree for Damaged {
        fn lookup(&self, dir: Ino, name: &[u8]) -> Result<Attr> {
            self.attr(self.0.lookup(dir, name)?.ino)
        }
        fn attr(&self, ino: Ino) -> Result<Attr> {
            if ino == self.1 {
                return Err(FsError::Corrupt("inode block 3: wrong checksum".into()));
            }
            self.0.attr(ino)
        }
        fn parent(&self, dir: Ino) -> Result<Ino> {
            self.0.parent(dir)
        }
        fn read_dir(
            &self,
            dir: Ino,
            from: u64,
            visit: &mut dyn FnMut(DirEntry<'_>) -> bool,
        ) -> Result<()> {
            self.0.read_dir(dir, from, visit)
        }
        fn read_link(&self, ino: Ino) -> Result<Vec<u8>> {
            self.0.read_link(ino)
        }
        fn read(&self, ino: Ino, offset: u64, buf: &mut [u8]) -> Result<usize> {
            self.0.read(ino, offset, buf)
        }
        fn seek(&self, ino: Ino, offset: u64, what: Seek) -> Result<u64> {
            self.0.seek(ino, offset, what)
        }
        fn xattr(&self, ino: Ino, name: &[u8]) -> Result<Vec<u8>> {
            self.0.xattr(ino, name)
        }
        fn xattr_names(&self, ino: Ino) -> Result<Vec<Vec<u8>>> {
            self.0.xattr_names(ino)
        }
        fn stat(&self) -> Result<TreeStat> {
            self.0.stat()
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let config = MountConfig { threads: 2, ..MountConfig::default() };
    let served = serve(Arc::new(Damaged(tree, bad)), dir.path(), &config, |_| ()).unwrap();
    for _ in 0..2 {
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
        assert_eq!(errno(fs::metadata(dir.path().join("bad")).unwrap_err()), libc::EIO);
        assert_eq!(fs::metadata(dir.path().join("good")).unwrap().size(), 1);
    }
    drop(served);
}

#[test]
fn owners_and_masks_of_the_mount_replace_those_of_the_tree() {
    let mut tree = MemTree::new();
    let ino = tree.add(ROOT_INO, "file", Body::File(0, vec![]), 0o4777);
    tree.node_mut(ino).xattrs.insert(b"system.posix_acl_access".to_vec(), vec![2, 0, 0, 0]);
    tree.add(ROOT_INO, "dir", Body::Dir(Vec::new()), 0o777);
    let overrides =
        Overrides { uid: Some(1234), gid: Some(4321), file_mask: 0o137, dir_mask: 0o027 };
    let mounted = Mounted::with(tree, MountConfig { overrides, ..MountConfig::default() });
    let file = fs::metadata(mounted.path("file")).unwrap();
    assert_eq!((file.mode(), file.uid(), file.gid()), (0o104_640, 1234, 4321));
    assert_eq!(fs::metadata(mounted.path("dir")).unwrap().mode(), 0o40_750);
    assert_eq!(rustix::fs::listxattr(mounted.path("file"), &mut [0_u8; 99]).unwrap(), 0);
}

#[test]
fn allow_root_closes_the_root_directory_to_everyone_else() {
    let config = MountConfig { audience: Audience::OwnerAndRoot, ..MountConfig::default() };
    let mounted = Mounted::with(MemTree::new(), config);
    assert_eq!(fs::metadata(mounted.dir.path()).unwrap().mode(), 0o40_700);
}

#[test]
fn the_mount_is_read_only_and_named_in_mountinfo() {
    let mut tree = MemTree::new();
    tree.file(ROOT_INO, "file", 1);
    let flags = KernelFlags { exec: false, ..KernelFlags::default() };
    let mounted = Mounted::with(tree, MountConfig { flags, ..MountConfig::default() });
    assert_eq!(errno(File::create(mounted.path("new")).unwrap_err()), libc::EROFS);
    let append = File::options().append(true).open(mounted.path("file"));
    assert_eq!(errno(append.unwrap_err()), libc::EROFS);
    let entry = mountinfo::top_at(mounted.served().dir()).unwrap().unwrap();
    assert!(entry.is_pxfs());
    assert_eq!(entry.source, "memory,tree");
    let stat = rustix::fs::statvfs(mounted.dir.path()).unwrap();
    use rustix::fs::StatVfsMountFlags as Flag;
    assert!(stat.f_flag.contains(Flag::RDONLY | Flag::NODEV | Flag::NOSUID | Flag::NOEXEC));
}

#[test]
fn dropping_a_mount_unmounts_it_and_reports_its_end() {
    let mut mounted = Mounted::new(MemTree::new());
    let dir = mounted.served().dir().to_owned();
    drop(mounted.served.take());
    assert_eq!(mountinfo::top_at(&dir).unwrap(), None);
    mounted.ended.recv_timeout(Duration::from_secs(10)).unwrap().unwrap();
}

#[test]
fn a_busy_mount_stays_unless_unmounted_lazily_and_is_served_to_its_last_user() {
    let mut tree = MemTree::new();
    tree.file(ROOT_INO, "file", 100_000);
    let mounted = Mounted::new(tree);
    let file = File::open(mounted.path("file")).unwrap();
    assert!(matches!(mounted.served().unmount(false), Err(UnmountError::Busy)));
    mounted.served().unmount(true).unwrap();
    assert_eq!(errno(fs::metadata(mounted.path("file")).unwrap_err()), libc::ENOENT);
    let mut buf = [0; 10];
    file.read_exact_at(&mut buf, 50_000).unwrap();
    assert_eq!(buf[0], pattern(50_000));
    drop(file);
    mounted.ended.recv_timeout(Duration::from_secs(10)).unwrap().unwrap();
}

#[test]
fn a_mount_on_top_of_ours_is_never_unmounted_in_its_place() {
    let below = Mounted::new(MemTree::new());
    let dir = below.served().dir().to_owned();
    let above = serve(Arc::new(MemTree::new()), &dir, &MountConfig::default(), |_| ()).unwrap();
    assert!(matches!(below.served().unmount(true), Err(UnmountError::Gone)));
    drop(above);
    below.served().unmount(false).unwrap();
}

#[test]
fn idle_time_starts_anew_with_each_request() {
    let mounted = Mounted::new(MemTree::new());
    std::thread::sleep(Duration::from_millis(60));
    assert!(mounted.served().idle() >= Duration::from_millis(50));
    fs::metadata(mounted.path("missing")).unwrap_err();
    assert!(mounted.served().idle() < Duration::from_millis(50));
}

#[test]
fn four_readers_at_once_get_the_same_bytes() {
    let mut tree = MemTree::new();
    tree.file(ROOT_INO, "file", 400_000);
    let mounted = Mounted::new(tree);
    let path = &mounted.path("file");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(move || {
                let mut sum = std::io::sink();
                let bytes = fs::read(path).unwrap();
                sum.write_all(&bytes).unwrap();
                assert!(bytes.iter().enumerate().all(|(at, &b)| b == pattern(at as u64)));
            });
        }
    });
}
