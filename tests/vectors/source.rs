//! Members of a source tree, and the two forms mkfs takes them in: a tar
//! stream and a directory.

use std::io::Cursor;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps};

/// A file, directory or other thing to be put into a picture.
#[derive(Debug, Clone)]
pub struct Member {
    pub path: Vec<u8>,
    pub mode: u32,
    pub owner: (u32, u32),
    pub mtime: (i64, u32),
    pub xattrs: Vec<(String, Vec<u8>)>,
    pub what: What,
}

#[derive(Debug, Clone)]
pub enum What {
    Dir,
    File(Vec<u8>),
    /// Size and the segments that are not holes.
    Sparse(u64, Vec<(u64, Vec<u8>)>),
    Symlink(Vec<u8>),
    /// Another name of a member before it.
    Link(Vec<u8>),
    Char(u32, u32),
    Block(u32, u32),
    Fifo,
    Socket,
}

impl Member {
    pub fn new(path: impl AsRef<[u8]>, what: What) -> Self {
        let mode = match what {
            What::Dir => 0o755,
            What::Symlink(_) => 0o777,
            _ => 0o644,
        };
        let path = path.as_ref().to_vec();
        let mtime = (1_700_000_000, 0);
        Self { path, mode, owner: (0, 0), mtime, xattrs: Vec::new(), what }
    }

    pub fn dir(path: impl AsRef<[u8]>) -> Self {
        Self::new(path, What::Dir)
    }

    pub fn file(path: impl AsRef<[u8]>, data: impl AsRef<[u8]>) -> Self {
        Self::new(path, What::File(data.as_ref().to_vec()))
    }
}

/// Bytes that do not compress and are the same everywhere.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// The members as a tar stream: pax records for what ustar cannot say, GNU
/// sparse headers for holes.
pub fn tar_of(members: &[Member]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for member in members {
        let records = pax_records(member);
        if !records.is_empty() {
            let mut header = tar::Header::new_ustar();
            header.set_entry_type(tar::EntryType::XHeader);
            header.set_path("pax").unwrap();
            header.set_size(records.len() as u64);
            header.set_cksum();
            tar.append(&header, Cursor::new(records)).unwrap();
        }
        let (header, data) = tar_header(member);
        tar.append(&header, Cursor::new(data)).unwrap();
    }
    tar.into_inner().unwrap()
}

fn tar_header(member: &Member) -> (tar::Header, Vec<u8>) {
    use tar::EntryType;
    let mut header = tar::Header::new_gnu();
    put(&mut header.as_gnu_mut().unwrap().name, &member.path);
    header.set_mode(member.mode);
    header.set_uid(member.owner.0.into());
    header.set_gid(member.owner.1.into());
    header.set_mtime(member.mtime.0.max(0) as u64);
    let mut data = Vec::new();
    let kind = match &member.what {
        What::Dir => EntryType::Directory,
        What::File(bytes) => {
            data.clone_from(bytes);
            EntryType::Regular
        }
        What::Sparse(size, segments) => {
            data = sparse_header(&mut header, *size, segments);
            EntryType::GNUSparse
        }
        What::Symlink(target) => {
            put(&mut header.as_gnu_mut().unwrap().linkname, target);
            EntryType::Symlink
        }
        What::Link(target) => {
            put(&mut header.as_gnu_mut().unwrap().linkname, target);
            EntryType::Link
        }
        What::Char(major, minor) | What::Block(major, minor) => {
            header.set_device_major(*major).unwrap();
            header.set_device_minor(*minor).unwrap();
            if let What::Char(..) = member.what { EntryType::Char } else { EntryType::Block }
        }
        What::Fifo => EntryType::Fifo,
        What::Socket => panic!("tar has no sockets"),
    };
    header.set_entry_type(kind);
    header.set_size(data.len() as u64);
    header.set_cksum();
    (header, data)
}

/// Fills in the sparse map, at most three segments; gives the stored bytes.
fn sparse_header(header: &mut tar::Header, size: u64, segments: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let gnu = header.as_gnu_mut().unwrap();
    let mut data = Vec::new();
    let end = [(size, Vec::new())];
    for (slot, (offset, bytes)) in gnu.sparse.iter_mut().zip(segments.iter().chain(&end)) {
        assert!(bytes.len() % 512 == 0, "segments are whole tar blocks");
        put(&mut slot.offset, format!("{offset:011o}").as_bytes());
        put(&mut slot.numbytes, format!("{:011o}", bytes.len()).as_bytes());
        data.extend_from_slice(bytes);
    }
    put(&mut gnu.realsize, format!("{size:011o}").as_bytes());
    data
}

/// What fits of `bytes`; the rest comes in a pax record.
fn put(field: &mut [u8], bytes: &[u8]) {
    let len = bytes.len().min(field.len());
    field[..len].copy_from_slice(&bytes[..len]);
}

fn pax_records(member: &Member) -> Vec<u8> {
    let mut records = Vec::new();
    if member.path.len() > 100 {
        push_record(&mut records, "path", &member.path);
    }
    if let What::Symlink(target) | What::Link(target) = &member.what
        && target.len() > 100
    {
        push_record(&mut records, "linkpath", target);
    }
    let (secs, nanos) = member.mtime;
    if nanos != 0 || !(0..1 << 33).contains(&secs) {
        push_record(&mut records, "mtime", pax_time(secs, nanos).as_bytes());
    }
    for (name, value) in &member.xattrs {
        push_record(&mut records, &format!("SCHILY.xattr.{name}"), value);
    }
    records
}

fn pax_time(secs: i64, nanos: u32) -> String {
    match (secs < 0, nanos) {
        (true, 1..) => format!("-{}.{:09}", -(secs + 1), 1_000_000_000 - nanos),
        _ => format!("{secs}.{nanos:09}"),
    }
}

fn push_record(records: &mut Vec<u8>, key: &str, value: &[u8]) {
    // The length counts its own digits.
    let rest = key.len() + value.len() + 3;
    let len = (1..).map(|digits| rest + digits).find(|len| len.to_string().len() + rest == *len);
    records.extend_from_slice(format!("{} {key}=", len.unwrap()).as_bytes());
    records.extend_from_slice(value);
    records.push(b'\n');
}

/// The members as a directory; owners are whoever runs this.
pub fn directory_of(root: &Path, members: &[Member]) {
    for member in members {
        let path = root.join(std::ffi::OsStr::from_bytes(&member.path));
        match &member.what {
            What::Dir if member.path.is_empty() => {}
            What::Dir => std::fs::create_dir(&path).unwrap(),
            What::File(data) => std::fs::write(&path, data).unwrap(),
            What::Sparse(size, segments) => {
                let file = std::fs::File::create(&path).unwrap();
                file.set_len(*size).unwrap();
                for (offset, bytes) in segments {
                    file.write_all_at(bytes, *offset).unwrap();
                }
            }
            What::Symlink(target) => {
                std::os::unix::fs::symlink(std::ffi::OsStr::from_bytes(target), &path).unwrap();
            }
            What::Link(target) => {
                let target = root.join(std::ffi::OsStr::from_bytes(target));
                std::fs::hard_link(target, &path).unwrap();
            }
            What::Fifo => make_node(&path, FileType::Fifo),
            What::Socket => make_node(&path, FileType::Socket),
            What::Char(..) | What::Block(..) => panic!("devices need root"),
        }
        if !matches!(member.what, What::Symlink(_) | What::Link(_)) {
            let mode = std::fs::Permissions::from_mode(member.mode);
            std::fs::set_permissions(&path, mode).unwrap();
        }
    }
    // Last, and from the inside out: making files changes the time of their directory.
    for member in members.iter().rev() {
        let path = root.join(std::ffi::OsStr::from_bytes(&member.path));
        let time = Timespec { tv_sec: member.mtime.0, tv_nsec: member.mtime.1.into() };
        let times = Timestamps { last_access: time, last_modification: time };
        rustix::fs::utimensat(CWD, &path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
    }
}

fn make_node(path: &Path, kind: FileType) {
    rustix::fs::mknodat(CWD, path, kind, Mode::RUSR | Mode::WUSR, 0).unwrap();
}
