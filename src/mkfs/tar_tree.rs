//! The tree that the members of a tar stream make: in any order, later ones
//! replacing earlier ones, as when they are unpacked one after the other.
//!
//! What is at each name is looked up in a table while members come, and entered
//! into a sorter as well, which gives the names of each directory in their order
//! when all have come; of several entries for one name the last counts. The
//! attributes are on a tape all the while.

use std::io;

use sha2::{Digest as _, Sha256};

use super::contents::{ContentWriter, spill_error};
use super::error::{MkfsError, Result};
use super::records::{FileBytes, Meta, Records, serialised_set};
use super::scratch::Scratch;
use super::sorter::Sorter;
use super::table::Table;
use super::tape::Tape;
use super::tar::shown;
use super::tar_emit::Emitter;
use crate::format::{InodeData, InodeRecord, MAX_NAME, PixelType, XattrSet, is_valid_name};
use crate::fs::ROOT_INO;

/// Why a member cannot be taken up.
#[derive(Debug)]
pub(super) enum TreeError {
    /// The end of a sentence about the member.
    Member(String),
    /// A temporary file could not be written or read.
    Scratch(io::Error),
}

impl From<String> for TreeError {
    fn from(tail: String) -> Self {
        Self::Member(tail)
    }
}

impl From<&str> for TreeError {
    fn from(tail: &str) -> Self {
        Self::Member(tail.into())
    }
}

impl From<io::Error> for TreeError {
    fn from(source: io::Error) -> Self {
        Self::Scratch(source)
    }
}

type Step<T> = std::result::Result<T, TreeError>;

/// What is at a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Node {
    /// Names of one file have the same number.
    pub id: u64,
    /// Where its attributes are.
    pub attrs: u64,
    pub is_dir: bool,
}

impl Node {
    /// Bytes of one.
    pub(super) const LEN: usize = 17;

    pub(super) fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..8].copy_from_slice(&self.id.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.attrs.to_le_bytes());
        bytes[16] = u8::from(self.is_dir);
        bytes
    }

    /// The node at the beginning of `bytes`, and what follows it.
    pub(super) fn parse(bytes: &[u8]) -> io::Result<(Self, &[u8])> {
        let damaged = || io::Error::from(io::ErrorKind::InvalidData);
        let (node, rest) = bytes.split_first_chunk::<{ Self::LEN }>().ok_or_else(damaged)?;
        let (words, kind) = node.as_chunks::<8>();
        let word = |index: usize| u64::from_le_bytes(words[index]);
        Ok((Self { id: word(0), attrs: word(1), is_dir: kind != [0] }, rest))
    }
}

/// The number of the root.
const ROOT: u64 = 0;

/// A tree in the making.
#[derive(Debug)]
pub(super) struct TarTree {
    scratch: Scratch,
    /// Nodes by directory and name.
    names: Table<16, { Node::LEN }>,
    /// The same: the directory's number, then the name.
    sorted: Sorter,
    /// Attributes of nodes.
    attrs: Tape,
    /// Those of the root.
    root: u64,
    /// Those of directories that members lie in but that are no members
    /// themselves (yet).
    implied: u64,
    /// Files with several names; 0 until they get their inode numbers.
    linked: Table<8, 8>,
    next_id: u64,
    /// The directory that the last member was in: the next one often is, too.
    last_dir: (Vec<Vec<u8>>, u64),
}

impl TarTree {
    /// An empty root directory.
    pub(super) fn new(scratch: &Scratch) -> Result<Self> {
        let mut attrs = Tape::new(scratch);
        let meta = Meta { perm: 0o755, ..Meta::default() };
        let data = InodeData::Directory { parent: ROOT_INO };
        let implied = push_attrs(&mut attrs, &meta, data, FileBytes::default())
            .map_err(|error| error.about(|tail| MkfsError::Tar(tail.into())))?;
        Ok(Self {
            scratch: scratch.clone(),
            names: Table::new(scratch),
            sorted: Sorter::new(scratch),
            attrs,
            root: implied,
            implied,
            linked: Table::new(scratch),
            next_id: ROOT + 1,
            last_dir: (Vec::new(), ROOT),
        })
    }

    /// Puts a file or a directory at a path, over what may be there.
    pub(super) fn add(
        &mut self,
        path: &[Vec<u8>],
        meta: &Meta,
        data: InodeData,
        bytes: FileBytes,
    ) -> Step<()> {
        let is_dir = matches!(data, InodeData::Directory { .. });
        let attrs = push_attrs(&mut self.attrs, meta, data, bytes)?;
        self.place(path, attrs, is_dir)
    }

    /// Makes `path` another name of what is at `target`, or with `keep` unset a
    /// file that is like it.
    pub(super) fn add_link(&mut self, path: &[Vec<u8>], target: &[u8], keep: bool) -> Step<()> {
        let found = self.find(target)?;
        if found.is_dir {
            return Err("it is a hard link to a directory".into());
        }
        if !keep {
            return self.place(path, found.attrs, false);
        }
        let (dir, name) = self.parent_of(path)?;
        self.check_no_dir(dir, name)?;
        self.linked.insert(&found.id.to_le_bytes(), &[0; 8])?;
        self.enter(dir, name, found)
    }

    /// What the target of a hard link names.
    fn find(&mut self, target: &[u8]) -> Step<Node> {
        let mut at = Node { id: ROOT, attrs: self.root, is_dir: true };
        for part in parse_path(target)? {
            at = self.look_up(at.id, &part)?.ok_or_else(|| {
                let target = shown(target);
                format!("it is a hard link to {target}, which did not come before it")
            })?;
        }
        Ok(at)
    }

    fn place(&mut self, path: &[Vec<u8>], attrs: u64, is_dir: bool) -> Step<()> {
        if path.is_empty() {
            if !is_dir {
                return Err("the root is not a directory".into());
            }
            self.root = attrs;
            return Ok(());
        }
        let (dir, name) = self.parent_of(path)?;
        if is_dir
            && let Some(old) = self.look_up(dir, name)?
            && old.is_dir
        {
            return self.enter(dir, name, Node { attrs, ..old });
        }
        self.check_no_dir(dir, name)?;
        let id = self.take_id();
        self.enter(dir, name, Node { id, attrs, is_dir })
    }

    /// A directory, and all that is in it, is not replaced by a file.
    fn check_no_dir(&mut self, dir: u64, name: &[u8]) -> Step<()> {
        match self.look_up(dir, name)? {
            Some(old) if old.is_dir => Err("it is both a directory and a file".into()),
            _ => Ok(()),
        }
    }

    /// The directory that a path's last name is in, made where it is missing.
    fn parent_of<'p>(&mut self, path: &'p [Vec<u8>]) -> Step<(u64, &'p [u8])> {
        let (name, dirs) = path.split_last().ok_or("the root is not a directory")?;
        if self.last_dir.0 == dirs {
            return Ok((self.last_dir.1, name));
        }
        let mut at = ROOT;
        for part in dirs {
            let next = match self.look_up(at, part)? {
                Some(next) => next,
                None => {
                    let next = Node { id: self.take_id(), attrs: self.implied, is_dir: true };
                    self.enter(at, part, next)?;
                    next
                }
            };
            if !next.is_dir {
                return Err(format!("{} is used as a directory but is none", shown(part)).into());
            }
            at = next.id;
        }
        self.last_dir = (dirs.to_vec(), at);
        Ok((at, name))
    }

    fn look_up(&mut self, dir: u64, name: &[u8]) -> Step<Option<Node>> {
        match self.names.get(&name_key(dir, name))? {
            Some(bytes) => Ok(Some(Node::parse(&bytes)?.0)),
            None => Ok(None),
        }
    }

    fn enter(&mut self, dir: u64, name: &[u8], node: Node) -> Step<()> {
        let bytes = node.to_bytes();
        self.names.insert(&name_key(dir, name), &bytes)?;
        let key = [&dir.to_be_bytes(), name].concat();
        Ok(self.sorted.push(&key, &bytes)?)
    }

    fn take_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id - 1
    }

    /// Numbers the nodes, children of a directory in a row, and enters them.
    pub(super) fn emit(
        self,
        records: &mut Records,
        contents: &mut ContentWriter<'_>,
    ) -> Result<()> {
        let Self { scratch, names, sorted, attrs, root, linked, .. } = self;
        drop(names);
        let mut emitter = Emitter::new(&scratch, attrs, linked, records, contents);
        emitter.list(sorted).map_err(spill_error)?;
        emitter.emit(Node { id: ROOT, attrs: root, is_dir: true })
    }
}

impl TreeError {
    /// The error, with a beginning for its sentence.
    pub(super) fn about(self, member: impl Fn(&str) -> MkfsError) -> MkfsError {
        match self {
            Self::Member(tail) => member(&tail),
            Self::Scratch(source) => spill_error(source),
        }
    }
}

/// What a name in a directory is looked up by. Nobody finds two with the same.
fn name_key(dir: u64, name: &[u8]) -> [u8; 16] {
    let digest = Sha256::new().chain_update(dir.to_le_bytes()).chain_update(name).finalize();
    let mut key = [0; 16];
    key.copy_from_slice(&digest[..16]);
    key
}

/// Puts attributes on a tape: an inode record and, if there are any, a set of
/// extended attributes. The length of the former is told first.
fn push_attrs(tape: &mut Tape, meta: &Meta, data: InodeData, bytes: FileBytes) -> Step<u64> {
    let FileBytes { size, allocated } = bytes.of(&data);
    let inode = InodeRecord {
        perm: meta.perm,
        uid: meta.uid,
        gid: meta.gid,
        nlink: 1,
        mtime: meta.mtime,
        ctime: meta.mtime,
        size,
        allocated,
        // Sets get their numbers when the tree is complete.
        xattrs: 0,
        pixel_type: PixelType::Data,
        data,
    };
    let inode = inode.to_bytes();
    let mut record = (inode.len() as u16).to_le_bytes().to_vec();
    record.extend_from_slice(&inode);
    if !meta.xattrs.0.is_empty() {
        record.extend_from_slice(&serialised_set(&meta.xattrs)?);
    }
    Ok(tape.push(&record)?)
}

/// The attributes at a place on a tape.
pub(super) fn read_attrs(tape: &mut Tape, at: u64) -> io::Result<(Meta, InodeData, FileBytes)> {
    let damaged = || io::Error::from(io::ErrorKind::InvalidData);
    let (record, _) = tape.read(at)?;
    let (len, rest) = record.split_first_chunk().ok_or_else(damaged)?;
    let len = usize::from(u16::from_le_bytes(*len));
    let (inode, set) = rest.split_at_checked(len).ok_or_else(damaged)?;
    let inode = InodeRecord::parse(inode).map_err(io::Error::other)?;
    let xattrs = match set {
        [] => XattrSet::default(),
        set => XattrSet::parse(set).map_err(io::Error::other)?,
    };
    let InodeRecord { perm, uid, gid, mtime, size, allocated, data, .. } = inode;
    Ok((Meta { perm, uid, gid, mtime, xattrs }, data, FileBytes { size, allocated }))
}

/// The components of a member's path.
pub(super) fn parse_path(path: &[u8]) -> std::result::Result<Vec<Vec<u8>>, String> {
    let mut parts = Vec::new();
    for part in path.split(|&byte| byte == b'/') {
        if part.is_empty() || part == b"." {
            continue;
        }
        if !is_valid_name(part) {
            return Err(match part.len() {
                len if len > MAX_NAME => format!("no file can have a name of {len} bytes"),
                _ => format!("{} cannot be a name in a tree", shown(part)),
            });
        }
        parts.push(part.to_vec());
    }
    Ok(parts)
}
