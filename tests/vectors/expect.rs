//! What a picture of given members must hold, worked out without the code
//! under test, and what a reader finds in it, in the same form.

use std::collections::{BTreeMap, HashMap};

use pxfs::fs::{FileKind, FsError, PixelTree, ROOT_INO, Seek, Step, Tree, Volume, walk};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::source::{Member, What};

/// The entries that a reader must find, by path.
pub fn expected(members: &[Member], root_owner: (u32, u32)) -> Value {
    let mut ids = Ids::default();
    let mut entries = Map::new();
    let mut all = vec![];
    if !members.iter().any(|member| member.path.is_empty()) {
        all.push(Member { owner: root_owner, mtime: (0, 0), ..Member::dir("") });
    }
    all.extend_from_slice(members);
    for member in &all {
        let data = target_of(member, &all);
        let mut entry = entry_of(data, &all, &mut ids);
        entry["pixel_type"] = json!(pixel_type(&data.path));
        entries.insert(shown(&member.path), entry);
    }
    Value::Object(sorted(entries))
}

/// A member, or the one that it is another name of.
fn target_of<'a>(member: &'a Member, all: &'a [Member]) -> &'a Member {
    match &member.what {
        What::Link(target) => all.iter().find(|other| other.path == *target).unwrap(),
        _ => member,
    }
}

fn entry_of(member: &Member, all: &[Member], ids: &mut Ids) -> Value {
    let kind = match &member.what {
        What::Dir => "directory",
        What::File(_) | What::Sparse(..) => "file",
        What::Symlink(_) => "symlink",
        What::Char(..) => "char_device",
        What::Block(..) => "block_device",
        What::Fifo => "fifo",
        What::Socket => "socket",
        What::Link(_) => unreachable!(),
    };
    let mut entry = json!({
        "type": kind, "mode": format!("{:04o}", member.mode), "uid": member.owner.0,
        "gid": member.owner.1, "mtime": [member.mtime.0, member.mtime.1],
        "nlink": links(member, all),
    });
    match &member.what {
        What::File(data) => file_fields(&mut entry, data, &[(0, data.len() as u64)], ids),
        What::Sparse(size, segments) => {
            let mut data = vec![0; *size as usize];
            let mut spans = Vec::new();
            for (offset, bytes) in segments {
                data[*offset as usize..][..bytes.len()].copy_from_slice(bytes);
                spans.push((*offset, bytes.len() as u64));
            }
            file_fields(&mut entry, &data, &spans, ids);
        }
        What::Symlink(target) => entry["target"] = json!(shown(target)),
        What::Char(major, minor) | What::Block(major, minor) => {
            entry["device"] = json!([major, minor]);
        }
        _ => {}
    }
    if !member.xattrs.is_empty() {
        let xattrs = member.xattrs.iter().map(|(name, value)| (name.clone(), xattr(value)));
        entry["xattrs"] = Value::Object(sorted(xattrs.collect()));
    }
    entry
}

fn file_fields(entry: &mut Value, data: &[u8], segments: &[(u64, u64)], ids: &mut Ids) {
    let sha256: [u8; 32] = Sha256::digest(data).into();
    entry["size"] = json!(data.len());
    if !data.is_empty() {
        entry["sha256"] = json!(hex(&sha256));
        entry["id"] = json!(hex(&ids.id_of(sha256)));
        entry["segments"] = json!(segments);
    }
}

/// An attribute's value: in hexadecimal, or its length and digest if it is long.
fn xattr(value: &[u8]) -> Value {
    if value.len() <= 64 {
        return json!(hex(value));
    }
    json!({"size": value.len(), "sha256": hex(&Sha256::digest(value))})
}

/// Rule F19: ids in the order in which contents come.
#[derive(Default)]
struct Ids {
    by_digest: HashMap<[u8; 32], [u8; 4]>,
    taken: Vec<[u8; 4]>,
}

impl Ids {
    fn id_of(&mut self, digest: [u8; 32]) -> [u8; 4] {
        if let Some(id) = self.by_digest.get(&digest) {
            return *id;
        }
        let mut windows = digest.as_chunks::<4>().0.iter();
        let id = *windows.find(|id| !self.taken.contains(id)).unwrap();
        self.taken.push(id);
        self.by_digest.insert(digest, id);
        id
    }
}

fn links(member: &Member, all: &[Member]) -> usize {
    let dirs = |other: &&Member| {
        let parent = other.path.iter().rposition(|&b| b == b'/').map_or(0, |at| at);
        matches!(other.what, What::Dir)
            && !other.path.is_empty()
            && other.path[..parent] == member.path
    };
    let names = |other: &&Member| matches!(&other.what, What::Link(to) if *to == member.path);
    match member.what {
        What::Dir => 2 + all.iter().filter(dirs).count(),
        _ => 1 + all.iter().filter(names).count(),
    }
}

/// What PixelFS takes a file for, by the directory of the root that it is in.
fn pixel_type(path: &[u8]) -> &'static str {
    match path.split(|&b| b == b'/').next().unwrap() {
        b"worlds" => "world",
        b"models" => "model",
        b"config" => "config",
        b"boot" | b"apps" => "pxi_module",
        b"system" => "py",
        _ => "data",
    }
}

/// What the reader finds, in the form of [`expected`]; where it fails, the error.
pub fn found(volume: &Volume) -> BTreeMap<String, Result<Value, FsError>> {
    let mut entries = BTreeMap::from([("/".to_owned(), found_entry(volume, ROOT_INO))]);
    walk(volume, ROOT_INO, &mut |step| {
        let (path, entry) = match step {
            Step::Entry(path, attr) => (path, found_entry(volume, attr.ino)),
            Step::Failed(path, error) => (path, Err(error)),
        };
        // A directory that was found may fail when it is listed.
        entries.insert(shown(path), entry);
        Ok(true)
    })
    .unwrap();
    entries
}

/// What the reader finds in a picture that is whole.
pub fn found_whole(volume: &Volume) -> Value {
    let entries = found(volume).into_iter().map(|(path, entry)| {
        let entry = entry.unwrap_or_else(|error| panic!("{path}: {error}"));
        (path, entry)
    });
    Value::Object(entries.collect())
}

fn found_entry(volume: &Volume, ino: u64) -> Result<Value, FsError> {
    let attr = volume.attr(ino)?;
    let kind = match attr.kind {
        FileKind::Regular => "file",
        FileKind::Directory => "directory",
        FileKind::Symlink => "symlink",
        FileKind::CharDevice => "char_device",
        FileKind::BlockDevice => "block_device",
        FileKind::Fifo => "fifo",
        FileKind::Socket => "socket",
    };
    let mut entry = json!({
        "type": kind, "mode": format!("{:04o}", attr.perm), "uid": attr.uid, "gid": attr.gid,
        "mtime": [attr.mtime.secs, attr.mtime.nanos], "nlink": attr.nlink,
    });
    if attr.kind == FileKind::Regular {
        let data = read_all(volume, ino, attr.size)?;
        entry["size"] = json!(attr.size);
        if attr.size > 0 {
            entry["sha256"] = json!(hex(&Sha256::digest(&data)));
            // There is one if there is content.
            entry["id"] = json!(hex(&volume.pixel(ino)?.id));
            entry["segments"] = json!(segments(volume, ino, attr.size)?);
        }
    }
    if attr.kind == FileKind::Symlink {
        entry["target"] = json!(shown(&volume.read_link(ino)?));
    }
    if matches!(attr.kind, FileKind::CharDevice | FileKind::BlockDevice) {
        entry["device"] = json!([attr.rdev.0, attr.rdev.1]);
    }
    let mut xattrs = Map::new();
    for name in volume.xattr_names(ino)? {
        let value = volume.xattr(ino, &name)?;
        xattrs.insert(String::from_utf8_lossy(&name).into_owned(), xattr(&value));
    }
    if !xattrs.is_empty() {
        entry["xattrs"] = Value::Object(sorted(xattrs));
    }
    entry["pixel_type"] = json!(volume.pixel_type(ino)?.name());
    Ok(entry)
}

/// No vector holds more; a forged picture may claim to.
const MAX_READ: u64 = 64 << 20;

/// A whole file, read in pieces of odd sizes.
pub fn read_all(tree: &dyn Tree, ino: u64, size: u64) -> pxfs::fs::Result<Vec<u8>> {
    if size > MAX_READ {
        return Err(FsError::Corrupt(format!("{size} bytes are too many to be read here")));
    }
    let mut data = Vec::new();
    let mut piece = 1;
    while (data.len() as u64) < size {
        let mut buf = vec![0xEE; piece];
        let len = tree.read(ino, data.len() as u64, &mut buf)?;
        assert!(len > 0, "a read within the file gives something");
        data.extend_from_slice(&buf[..len]);
        piece = (piece * 3 + 1) % 70_001;
    }
    Ok(data)
}

fn segments(volume: &Volume, ino: u64, size: u64) -> Result<Vec<(u64, u64)>, FsError> {
    let mut segments = Vec::new();
    let mut at = 0;
    while at < size {
        let start = match volume.seek(ino, at, Seek::Data) {
            Err(FsError::BeyondEnd) => break,
            other => other?,
        };
        let end = volume.seek(ino, start, Seek::Hole)?;
        segments.push((start, end - start));
        at = end;
    }
    Ok(segments)
}

/// A path as JSON has it: from the root, bytes that are not UTF-8 escaped.
pub fn shown(path: &[u8]) -> String {
    let mut text = String::from(if path.first() == Some(&b'/') { "" } else { "/" });
    for chunk in path.utf8_chunks() {
        text.push_str(chunk.valid());
        chunk.invalid().iter().for_each(|byte| text.push_str(&format!("\\x{byte:02x}")));
    }
    text
}

fn sorted(map: Map<String, Value>) -> Map<String, Value> {
    let mut pairs: Vec<_> = map.into_iter().collect();
    pairs.sort_by(|a, b| a.0.cmp(&b.0));
    pairs.into_iter().collect()
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
