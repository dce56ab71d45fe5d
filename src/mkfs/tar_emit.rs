//! The complete tree of a tar stream, walked depth first into the records.

use std::io;

use super::contents::{ContentWriter, spill_error};
use super::error::Result;
use super::records::{NewInode, Records};
use super::scratch::Scratch;
use super::sorter::Sorter;
use super::table::Table;
use super::tape::Tape;
use super::tar_tree::{Node, read_attrs};
use crate::format::{InodeData, PixelType};
use crate::fs::ROOT_INO;

/// Gives nodes their inode numbers and enters them.
pub(super) struct Emitter<'a, 'p> {
    attrs: Tape,
    linked: Table<8, 8>,
    /// Entries of all directories: number of the directory, node, name.
    entries: Tape,
    /// Where those of each directory begin.
    first: Table<8, 8>,
    /// Directories that were numbered and wait for their turn.
    waiting: Tape,
    records: &'a mut Records,
    contents: &'a mut ContentWriter<'p>,
}

/// A directory with its number and its place in the picture.
struct Place {
    node: Node,
    ino: u64,
    parent: u64,
    area: PixelType,
}

/// The subdirectories of a directory: records on the tape of those that wait,
/// from `start` to `end`, of which `next` is the next one's.
struct Frame {
    start: u64,
    next: u64,
    end: u64,
}

impl<'a, 'p> Emitter<'a, 'p> {
    /// For nodes with these attributes, of which the `linked` ones have several names.
    pub(super) fn new(
        scratch: &Scratch,
        attrs: Tape,
        linked: Table<8, 8>,
        records: &'a mut Records,
        contents: &'a mut ContentWriter<'p>,
    ) -> Self {
        let (entries, waiting) = (Tape::new(scratch), Tape::new(scratch));
        let first = Table::new(scratch);
        Self { attrs, linked, entries, first, waiting, records, contents }
    }

    /// Lists the directories: of several nodes for one name the last counts.
    pub(super) fn list(&mut self, sorted: Sorter) -> io::Result<()> {
        let mut sorted = sorted.finish()?;
        let mut last = (Vec::new(), Vec::new());
        while let Some((key, node)) = sorted.next()? {
            if last.0 != key {
                self.list_entry(&last.0, &last.1)?;
            }
            last = (key.to_vec(), node.to_vec());
        }
        self.list_entry(&last.0, &last.1)
    }

    fn list_entry(&mut self, key: &[u8], node: &[u8]) -> io::Result<()> {
        let Some((dir, name)) = key.split_first_chunk::<8>() else {
            return Ok(());
        };
        let at = self.entries.push(&[dir, node, name].concat())?;
        if self.first.get(dir)?.is_none() {
            self.first.insert(dir, &at.to_le_bytes())?;
        }
        Ok(())
    }

    /// Enters the root and all that is below it.
    pub(super) fn emit(&mut self, node: Node) -> Result<()> {
        let root = Place { node, ino: ROOT_INO, parent: ROOT_INO, area: PixelType::Data };
        let mut stack = vec![self.emit_dir(&root)?];
        while let Some(frame) = stack.last_mut() {
            if frame.next == frame.end {
                self.waiting.truncate(frame.start);
                stack.pop();
                continue;
            }
            let (record, next) = self.waiting.read(frame.next).map_err(spill_error)?;
            frame.next = next;
            let place = Place::parse(record).map_err(spill_error)?;
            stack.push(self.emit_dir(&place)?);
        }
        Ok(())
    }

    /// Numbers what is in a directory, enters it and the directory; leaves its
    /// subdirectories for later.
    fn emit_dir(&mut self, place: &Place) -> Result<Frame> {
        let start = self.waiting.len();
        let mut nlink = 2;
        let key = place.node.id.to_be_bytes();
        let mut at = self.first.get(&key).map_err(spill_error)?.map(u64::from_le_bytes);
        while let Some(entry) = at.filter(|&at| at < self.entries.len()) {
            let (record, next) = self.entries.read(entry).map_err(spill_error)?;
            let Some(entry) = record.strip_prefix(&key) else {
                break;
            };
            let (node, name) = Node::parse(entry).map_err(spill_error)?;
            let name = name.to_vec();
            nlink += u32::from(node.is_dir);
            self.emit_child(place, node, &name)?;
            at = Some(next);
        }
        let data = InodeData::Directory { parent: place.parent };
        let attrs = read_attrs(&mut self.attrs, place.node.attrs);
        let (meta, _, bytes) = attrs.map_err(spill_error)?;
        let new = NewInode { meta: &meta, nlink, bytes, pixel_type: place.area, data };
        self.records.inode(place.ino, new, self.contents)?;
        Ok(Frame { start, next: start, end: self.waiting.len() })
    }

    fn emit_child(&mut self, place: &Place, node: Node, name: &[u8]) -> Result<()> {
        let parent = place.ino;
        if node.is_dir {
            let ino = self.records.take_ino();
            let data = InodeData::Directory { parent };
            self.records.link(parent, name, ino, &data)?;
            let area = if parent == ROOT_INO { PixelType::of_area(name) } else { place.area };
            let inner = Place { node, ino, parent, area };
            self.waiting.push(&inner.to_bytes()).map_err(spill_error)?;
            return Ok(());
        }
        let (meta, data, bytes) = read_attrs(&mut self.attrs, node.attrs).map_err(spill_error)?;
        let known = self.number_of_link(node).map_err(spill_error)?;
        let ino = known.unwrap_or_else(|| self.records.take_ino());
        self.records.link(parent, name, ino, &data)?;
        if known.is_some() {
            return self.records.hard_link(ino);
        }
        if !self.linked.is_empty() {
            self.set_number_of_link(node, ino).map_err(spill_error)?;
        }
        let new = NewInode { meta: &meta, nlink: 1, bytes, pixel_type: place.area, data };
        self.records.inode(ino, new, self.contents)
    }

    /// The inode number of a file of which another name came before.
    fn number_of_link(&mut self, node: Node) -> io::Result<Option<u64>> {
        let number = self.linked.get(&node.id.to_le_bytes())?.map(u64::from_le_bytes);
        Ok(number.filter(|&number| number != 0))
    }

    /// Keeps the inode number of a file for its other names, if it has such.
    fn set_number_of_link(&mut self, node: Node, ino: u64) -> io::Result<()> {
        let key = node.id.to_le_bytes();
        if self.linked.get(&key)?.is_some() {
            self.linked.insert(&key, &ino.to_le_bytes())?;
        }
        Ok(())
    }
}

impl Place {
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.node.to_bytes().to_vec();
        bytes.extend_from_slice(&self.ino.to_le_bytes());
        bytes.extend_from_slice(&self.parent.to_le_bytes());
        bytes.push(self.area as u8);
        bytes
    }

    fn parse(record: &[u8]) -> io::Result<Self> {
        let (node, rest) = Node::parse(record)?;
        let (words, area) = rest.as_chunks::<8>();
        let ([ino, parent], [area]) = (words, area) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let area = PixelType::from_byte(*area).map_err(io::Error::other)?;
        let (ino, parent) = (u64::from_le_bytes(*ino), u64::from_le_bytes(*parent));
        Ok(Self { node, ino, parent, area })
    }
}
