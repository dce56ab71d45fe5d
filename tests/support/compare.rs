//! Two directory trees compared through system calls only: types, modes, owners,
//! times in nanoseconds, link groups, sizes, contents, holes, devices, symlinks, xattrs.

use std::collections::BTreeMap;
use std::ffi::{CString, OsString};
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{SeekFrom, lgetxattr, llistxattr, seek};
use sha2::{Digest, Sha256};

/// All that is seen of one file.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    mode: u32,
    owner: (u32, u32),
    mtime: (i64, i64),
    links: Option<u64>,
    /// The first path of the same inode.
    same_as: PathBuf,
    device: Option<u64>,
    target: Option<PathBuf>,
    content: Option<(u64, [u8; 32])>,
    data: Vec<(u64, u64)>,
    xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// Asserts that two trees are the same.
#[track_caller]
pub fn assert_same_tree(a: &Path, b: &Path) {
    let (a, b) = (scan(a), scan(b));
    for (path, seen) in &a {
        assert_eq!(b.get(path), Some(seen), "{}", path.display());
    }
    let more: Vec<_> = b.keys().filter(|path| !a.contains_key(*path)).collect();
    assert!(more.is_empty(), "only in the second tree: {more:?}");
    assert!(a.len() > 1, "there was nothing to compare");
}

fn scan(root: &Path) -> BTreeMap<PathBuf, Seen> {
    let mut paths = vec![PathBuf::new()];
    let mut next = 0;
    while next < paths.len() {
        let path = root.join(&paths[next]);
        if fs::symlink_metadata(&path).unwrap().is_dir() {
            let names = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name());
            let mut names: Vec<OsString> = names.collect();
            names.sort();
            paths.extend(names.iter().map(|name| paths[next].join(name)).collect::<Vec<_>>());
        }
        next += 1;
    }
    let mut first_of = BTreeMap::new();
    let seen = |path: PathBuf| {
        let found = fs::symlink_metadata(root.join(&path)).unwrap();
        let same_as = first_of.entry(found.ino()).or_insert_with(|| path.clone()).clone();
        let seen = see(&root.join(&path), &found, same_as);
        (path, seen)
    };
    paths.into_iter().map(seen).collect()
}

fn see(path: &Path, found: &fs::Metadata, same_as: PathBuf) -> Seen {
    let kind = found.file_type();
    let is_device = kind.is_char_device() || kind.is_block_device();
    Seen {
        mode: found.mode(),
        owner: (found.uid(), found.gid()),
        mtime: (found.mtime(), found.mtime_nsec()),
        links: (!kind.is_dir()).then(|| found.nlink()),
        same_as,
        device: is_device.then(|| found.rdev()),
        target: kind.is_symlink().then(|| fs::read_link(path).unwrap()),
        content: kind.is_file().then(|| (found.len(), digest(path))),
        data: if kind.is_file() { data_ranges(path, found.len()) } else { Vec::new() },
        xattrs: xattrs(path),
    }
}

fn digest(path: &Path) -> [u8; 32] {
    let mut file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer).unwrap_or_else(|error| panic!("{}: {error}", path.display())) {
            0 => return hash.finalize().into(),
            read => hash.update(&buffer[..read]),
        }
    }
}

fn data_ranges(path: &Path, size: u64) -> Vec<(u64, u64)> {
    let file = File::open(path).unwrap();
    let (mut ranges, mut at) = (Vec::new(), 0);
    while at < size {
        match seek(&file, SeekFrom::Data(at)) {
            Ok(start) => {
                at = seek(&file, SeekFrom::Hole(start)).unwrap();
                ranges.push((start, at));
            }
            Err(rustix::io::Errno::NXIO) => break,
            Err(error) => panic!("{}: SEEK_DATA from {at}: {error}", path.display()),
        }
    }
    ranges
}

fn xattrs(path: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut names = vec![0_u8; 1 << 16];
    let length = llistxattr(path, &mut names[..]).unwrap();
    let mut all = BTreeMap::new();
    for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        all.insert(name.to_vec(), xattr(path, name).unwrap());
    }
    all
}

/// The value of one xattr.
pub fn xattr(path: &Path, name: &[u8]) -> Result<Vec<u8>, rustix::io::Errno> {
    let name = CString::new(name).unwrap();
    let path = CString::new(path.as_os_str().as_bytes()).unwrap();
    let mut value = vec![0_u8; 1 << 16];
    let length = lgetxattr(&path, &name, &mut value[..])?;
    value.truncate(length);
    Ok(value)
}
