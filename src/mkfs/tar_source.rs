//! A tar stream as the source: members in any order, later ones replacing
//! earlier ones, as when they are unpacked one after the other.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use tar::{Archive, Entry, EntryType};

use super::contents::{
    ContentWriter, HoleHasher, LargeContent, SmallContent, allocated, spill_error,
};
use super::error::{MkfsError, Result};
use super::exclude::Excludes;
use super::read::data_segments;
use super::records::{FileBytes, Meta, NewInode, Records};
use super::scratch::scratch_file;
use super::tar_stream::{TarStream, pax_time};
use super::{HardLinks, Options, Progress};
use crate::format::{InodeData, PixelType, XattrSet, is_valid_name};
use crate::fs::ROOT_INO;

/// Reads the tar stream `input` into `records` and `contents`; large members
/// pass through unlinked files in `scratch`.
pub(super) fn read_tar(
    input: Box<dyn Read>,
    options: &Options,
    scratch: &Path,
    records: &mut Records,
    contents: &mut ContentWriter<'_>,
    progress: &mut dyn Progress,
) -> Result<()> {
    let mut stream = TarStream::new(input)?;
    let mut tree = TarTree::new(options);
    {
        let mut archive = Archive::new(&mut stream);
        for entry in archive.entries().map_err(tar_error)? {
            let mut entry = entry.map_err(tar_error)?;
            tree.add(&mut entry, scratch, contents, progress)?;
        }
    }
    if !stream.ended_properly() {
        return Err(MkfsError::Tar("ends before its end-of-archive mark: it is truncated".into()));
    }
    tree.emit(records, contents)
}

fn tar_error(error: std::io::Error) -> MkfsError {
    MkfsError::Tar(error.to_string())
}

/// Index of a node in the arena; 0 is the root.
type NodeId = usize;

#[derive(Debug)]
struct TarNode {
    meta: Meta,
    data: InodeData,
    bytes: FileBytes,
    nlink: u32,
    children: BTreeMap<Vec<u8>, NodeId>,
}

impl TarNode {
    fn is_dir(&self) -> bool {
        matches!(self.data, InodeData::Directory { .. })
    }

    /// A directory that members lie in but that is no member itself (yet).
    fn implied_dir() -> Self {
        let meta = Meta { perm: 0o755, ..Meta::default() };
        let data = InodeData::Directory { parent: ROOT_INO };
        Self { meta, data, bytes: FileBytes::default(), nlink: 1, children: BTreeMap::new() }
    }
}

struct TarTree<'a> {
    options: &'a Options,
    nodes: Vec<TarNode>,
}

impl<'a> TarTree<'a> {
    fn new(options: &'a Options) -> Self {
        Self { options, nodes: vec![TarNode::implied_dir()] }
    }

    fn add(
        &mut self,
        entry: &mut Entry<'_, impl Read>,
        scratch: &Path,
        contents: &mut ContentWriter<'_>,
        progress: &mut dyn Progress,
    ) -> Result<()> {
        let raw_path = entry.path_bytes().into_owned();
        let shown = PathBuf::from(String::from_utf8_lossy(&raw_path).into_owned());
        let kind = entry.header().entry_type();
        let path = parse_path(&raw_path)?;
        if matches!(kind, EntryType::XGlobalHeader)
            || excluded(&self.options.excludes, &path, kind == EntryType::Directory)
        {
            return Ok(());
        }
        progress.file(&shown);
        let (meta, xattr_sparse) = read_meta(entry, self.options)?;
        if xattr_sparse {
            let what = "sparse member in pax format; make the stream with tar --format=gnu";
            return Err(MkfsError::Tar(format!("{}: {what}", shown.display())));
        }
        if kind == EntryType::Link && self.options.hard_links == HardLinks::Keep {
            return self.add_link(entry, &path);
        }
        let mut bytes = FileBytes::default();
        let data = match kind {
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                let (number, stored) = store(entry, kind, scratch, contents, &shown)?;
                bytes = stored;
                progress.bytes(bytes.size);
                InodeData::Regular(number)
            }
            EntryType::Link => {
                let target = &self.nodes[self.link_target(entry)?];
                bytes = target.bytes;
                target.data.clone()
            }
            EntryType::Directory => InodeData::Directory { parent: ROOT_INO },
            EntryType::Symlink => InodeData::Symlink(link_name(entry)?),
            EntryType::Char => device(entry, InodeData::CharDevice)?,
            EntryType::Block => device(entry, InodeData::BlockDevice)?,
            EntryType::Fifo => InodeData::Fifo,
            other => {
                let what = format!("member type {:?}", char::from(other.as_byte()));
                return Err(MkfsError::Tar(format!("{}: unknown {what}", shown.display())));
            }
        };
        self.place(&path, TarNode { meta, data, bytes, nlink: 1, children: BTreeMap::new() })
    }

    fn add_link(&mut self, entry: &Entry<'_, impl Read>, path: &[Vec<u8>]) -> Result<()> {
        let target = self.link_target(entry)?;
        if self.nodes[target].is_dir() {
            return Err(MkfsError::Tar("a hard link to a directory".into()));
        }
        let (dir, name) = self.parent_of(path)?;
        self.nodes[target].nlink += 1;
        let replaced = self.nodes[dir].children.insert(name, target);
        self.unlink(replaced);
        Ok(())
    }

    fn link_target(&self, entry: &Entry<'_, impl Read>) -> Result<NodeId> {
        let name = link_name(entry)?;
        let mut at = 0;
        for part in parse_path(&name)? {
            at = *self.nodes[at].children.get(&part).ok_or_else(|| {
                let name = String::from_utf8_lossy(&name);
                MkfsError::Tar(format!("hard link to '{name}', which is not in the stream"))
            })?;
        }
        Ok(at)
    }

    /// Puts a node at a path, over what may be there.
    fn place(&mut self, path: &[Vec<u8>], node: TarNode) -> Result<()> {
        if path.is_empty() {
            if !node.is_dir() {
                return Err(MkfsError::Tar("the root is not a directory".into()));
            }
            self.nodes[0].meta = node.meta;
            return Ok(());
        }
        let (dir, name) = self.parent_of(path)?;
        if let Some(&old) = self.nodes[dir].children.get(&name)
            && self.nodes[old].is_dir()
        {
            if !node.is_dir() {
                let name = String::from_utf8_lossy(&name).into_owned();
                return Err(MkfsError::Tar(format!("'{name}' is both a directory and a file")));
            }
            self.nodes[old].meta = node.meta;
            return Ok(());
        }
        let id = self.nodes.len();
        self.nodes.push(node);
        let replaced = self.nodes[dir].children.insert(name, id);
        self.unlink(replaced);
        Ok(())
    }

    fn unlink(&mut self, replaced: Option<NodeId>) {
        if let Some(old) = replaced {
            self.nodes[old].nlink -= 1;
        }
    }

    /// The directory that a path's last name is in, made where it is missing.
    fn parent_of(&mut self, path: &[Vec<u8>]) -> Result<(NodeId, Vec<u8>)> {
        let Some((name, dirs)) = path.split_last() else {
            return Err(MkfsError::Tar("a member without a name".into()));
        };
        let mut at = 0;
        for part in dirs {
            at = match self.nodes[at].children.get(part) {
                Some(&next) => next,
                None => {
                    self.nodes.push(TarNode::implied_dir());
                    let next = self.nodes.len() - 1;
                    self.nodes[at].children.insert(part.clone(), next);
                    next
                }
            };
            if !self.nodes[at].is_dir() {
                let part = String::from_utf8_lossy(part);
                return Err(MkfsError::Tar(format!("'{part}' is used as a directory but is none")));
            }
        }
        Ok((at, name.clone()))
    }

    /// Numbers the nodes, children of a directory in a row, and enters them.
    fn emit(mut self, records: &mut Records, contents: &mut ContentWriter<'_>) -> Result<()> {
        let mut inos = vec![0; self.nodes.len()];
        inos[0] = ROOT_INO;
        let mut todo = vec![(0, ROOT_INO, PixelType::Data)];
        while let Some((id, parent, pixel_type)) = todo.pop() {
            let ino = inos[id];
            let children = std::mem::take(&mut self.nodes[id].children);
            let mut subdirs = Vec::new();
            for (name, child) in children {
                let is_first = inos[child] == 0;
                if is_first {
                    inos[child] = records.take_ino();
                }
                let node = &self.nodes[child];
                records.link(ino, &name, inos[child], &node.data)?;
                if node.is_dir() {
                    let is_area = ino == ROOT_INO;
                    let area = if is_area { PixelType::of_area(&name) } else { pixel_type };
                    subdirs.push((child, ino, area));
                } else if is_first {
                    let (data, bytes) = (node.data.clone(), node.bytes);
                    let (meta, nlink) = (&node.meta, node.nlink);
                    let new = NewInode { meta, nlink, bytes, pixel_type, data };
                    records.inode(inos[child], new, contents)?;
                } else {
                    records.stats.hard_links += 1;
                }
            }
            let nlink = 2 + subdirs.len() as u32;
            let data = InodeData::Directory { parent };
            let (meta, bytes) = (&self.nodes[id].meta, FileBytes::default());
            let new = NewInode { meta, nlink, bytes, pixel_type, data };
            records.inode(ino, new, contents)?;
            todo.extend(subdirs.into_iter().rev());
        }
        Ok(())
    }
}

fn excluded(excludes: &Excludes, path: &[Vec<u8>], is_dir: bool) -> bool {
    use std::os::unix::ffi::OsStrExt;
    let mut at = PathBuf::new();
    path.iter().enumerate().any(|(index, part)| {
        at.push(std::ffi::OsStr::from_bytes(part));
        excludes.matches(&at, is_dir || index + 1 < path.len())
    })
}

/// The components of a member's path.
fn parse_path(path: &[u8]) -> Result<Vec<Vec<u8>>> {
    let mut parts = Vec::new();
    for part in path.split(|&byte| byte == b'/') {
        if part.is_empty() || part == b"." {
            continue;
        }
        if !is_valid_name(part) {
            let path = String::from_utf8_lossy(path);
            return Err(MkfsError::Tar(format!("member '{path}' is not a path inside the tree")));
        }
        parts.push(part.to_vec());
    }
    Ok(parts)
}

fn link_name(entry: &Entry<'_, impl Read>) -> Result<Vec<u8>> {
    match entry.link_name_bytes() {
        Some(name) if !name.is_empty() => Ok(name.into_owned()),
        _ => Err(MkfsError::Tar("a link without a target".into())),
    }
}

fn device(entry: &Entry<'_, impl Read>, make: impl Fn(u32, u32) -> InodeData) -> Result<InodeData> {
    let header = entry.header();
    let major = header.device_major().map_err(tar_error)?.unwrap_or(0);
    let minor = header.device_minor().map_err(tar_error)?.unwrap_or(0);
    Ok(make(major, minor))
}

/// A member's attributes, and whether it is sparse in a way we cannot read.
fn read_meta(entry: &mut Entry<'_, impl Read>, options: &Options) -> Result<(Meta, bool)> {
    let header = entry.header();
    let mut meta = Meta {
        perm: header.mode().map_err(tar_error)? & 0o7777,
        uid: header.uid().map_err(tar_error)? as u32,
        gid: header.gid().map_err(tar_error)? as u32,
        mtime: (header.mtime().map_err(tar_error)? as i64, 0),
        xattrs: XattrSet::default(),
    };
    let mut is_pax_sparse = false;
    if let Some(extensions) = entry.pax_extensions().map_err(tar_error)? {
        for extension in extensions {
            let extension = extension.map_err(tar_error)?;
            let (key, value) = (extension.key_bytes(), extension.value_bytes());
            is_pax_sparse |= key.starts_with(b"GNU.sparse.");
            apply_pax(&mut meta, key, value, options)?;
        }
    }
    meta.xattrs.0.sort();
    meta.xattrs.0.dedup_by(|a, b| a.0 == b.0);
    if options.all_root {
        (meta.uid, meta.gid) = (0, 0);
    }
    Ok((meta, is_pax_sparse))
}

fn apply_pax(meta: &mut Meta, key: &[u8], value: &[u8], options: &Options) -> Result<()> {
    let number = |value: &[u8]| std::str::from_utf8(value).ok()?.parse::<u32>().ok();
    match key {
        b"mtime" => {
            meta.mtime = pax_time(value)
                .ok_or_else(|| MkfsError::Tar("a pax time that is no number".into()))?;
        }
        b"uid" => meta.uid = number(value).unwrap_or(meta.uid),
        b"gid" => meta.gid = number(value).unwrap_or(meta.gid),
        _ => {
            // GNU tar's way to have these two in a key, in its own order.
            let name = key
                .strip_prefix(b"SCHILY.xattr.")
                .map(|name| replace(&replace(name, b"%3D", b'='), b"%25", b'%'));
            if let Some(name) = name
                && options.xattrs.wants(&name)
                && (1..=255).contains(&name.len())
            {
                meta.xattrs.0.push((name, value.to_vec()));
            }
        }
    }
    Ok(())
}

/// `bytes` with `to` wherever `from` stood.
fn replace(bytes: &[u8], from: &[u8], to: u8) -> Vec<u8> {
    let (mut out, mut at) = (Vec::new(), 0);
    while let Some(&byte) = bytes.get(at) {
        let found = bytes[at..].starts_with(from);
        out.push(if found { to } else { byte });
        at += if found { from.len() } else { 1 };
    }
    out
}

/// Stores a regular member's content, 0 for an empty one; with its size.
fn store(
    entry: &mut Entry<'_, impl Read>,
    kind: EntryType,
    scratch: &Path,
    contents: &mut ContentWriter<'_>,
    path: &Path,
) -> Result<(u64, FileBytes)> {
    let size = entry.size();
    if size == 0 {
        return Ok((0, FileBytes::default()));
    }
    let failed = |error: std::io::Error| MkfsError::Tar(format!("{}: {error}", path.display()));
    if size <= contents.small_limit() && kind != EntryType::GNUSparse {
        let mut bytes = vec![0; size as usize];
        entry.read_exact(&mut bytes).map_err(failed)?;
        let mut hasher = HoleHasher::default();
        hasher.update(&bytes);
        let (segments, digest) = (vec![(0, size)], hasher.finish(size));
        let number = contents.add_small(&SmallContent { size, segments, bytes, digest })?;
        return Ok((number, FileBytes::dense(size)));
    }
    let file = spool_member(entry, kind, size, scratch).map_err(failed)?;
    let on_disk = match kind {
        EntryType::GNUSparse => file.metadata().map_err(spill_error)?.blocks() * 512,
        _ => size,
    };
    let segments = data_segments(&file, size, on_disk).map_err(spill_error)?;
    let bytes = FileBytes { size, allocated: allocated(&segments) };
    Ok((contents.add_large(&LargeContent { file: &file, size, segments, path })?, bytes))
}

/// Copies a member to an unlinked file; zero pages of a sparse one become holes.
fn spool_member(
    entry: &mut Entry<'_, impl Read>,
    kind: EntryType,
    size: u64,
    scratch: &Path,
) -> std::io::Result<File> {
    let mut file = scratch_file(scratch)?;
    let mut page = vec![0; 1 << 16];
    let mut at = 0u64;
    while at < size {
        let len = page.len().min((size - at) as usize);
        entry.read_exact(&mut page[..len])?;
        let is_hole = kind == EntryType::GNUSparse && page[..len].iter().all(|&byte| byte == 0);
        if !is_hole {
            file.write_all_at(&page[..len], at)?;
        }
        at += len as u64;
    }
    file.set_len(size)?;
    file.flush()?;
    Ok(file)
}
