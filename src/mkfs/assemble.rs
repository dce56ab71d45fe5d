//! The picture itself: header, cover, plane of pixels, blocks, trees, superblocks.

use std::collections::VecDeque;
use std::fs::File;

use sha2::{Digest as _, Sha256};

use super::contents::ContentWriter;
use super::cover::Cover;
use super::error::{MkfsError, Result};
use super::output::Output;
use super::pool::{Pool, Ticket};
use super::records::{Records, visit_inodes};
use super::sorter::Sorter;
use super::{Options, Summary};
use crate::format::{
    HEADER_LEN, INCOMPAT_ZSTD, SLOT_OFFSETS, StoredRef, Superblock, TREE_COUNT, TreeKind, TreeRoot,
};
use crate::picture::{Channels, Geometry, PngWriter};
use crate::store::{Encoded, Nature, NodeSink, TreeWriter, hex};

/// Writes the picture into `file` from everything collected; returns the file
/// and the superblock that was written.
pub(super) fn assemble(
    file: File,
    options: &Options,
    contents: ContentWriter<'_>,
    records: Records,
    summary: &mut Summary,
) -> Result<File> {
    let cover = options.cover.as_deref().map(Cover::load).transpose()?;
    let next_block = contents.next_block();
    let features = contents.features;
    let ContentWriter { pool, pixels, spool, contents, ids, extents, blocks, .. } = contents;
    let counters = Counters {
        next_ino: records.next_ino(),
        next_content: pixels.len() + 1,
        next_block,
        next_xattr: records.next_xattr(),
    };
    let stats = records.stats;
    let sorters = [&contents, &ids, &extents, &blocks, &records.inodes, &records.dirents];
    // Half of the records' raw size is what trees take, give or take: it only
    // decides how square the picture is.
    let trees: u64 = sorters.iter().map(|sorter| sorter.bytes() / 2).sum();
    // What counts the names of an inode goes into the inode's own record.
    let trees = trees - 4 * stats.hard_links;
    let plane = pixels.len() * options.channels.bytes();
    let geometry = choose_geometry(options, cover.as_ref(), plane + spool.len() + trees)?;
    let mut out = PngWriter::create(file, geometry)?;
    out.write(&vec![0; HEADER_LEN as usize])?;
    let mut info = Vec::new();

    if let Some(cover) = cover {
        out.pad_to_row()?;
        let start = out.position();
        cover.write(geometry, &mut out)?;
        info.push((b"cover".to_vec(), span(start, out.position() - start)));
    }
    out.pad_to_row()?;
    info.push((b"plane".to_vec(), span(out.position(), pixels.len())));
    let mut trees = TreeBuilder::new(pool, Output::new(out)?);
    let built = (|| {
        let out = &mut trees.sink.out;
        out.write_spool(pixels.into_plane())?;
        out.pad_to_row()?;
        let blocks_start = out.position();
        out.write_spool(spool)?;
        // Written after the blocks, but built while those are being written.
        trees.build_moved(TreeKind::Blocks, blocks, blocks_start)?;
        trees.build(TreeKind::Contents, contents)?;
        trees.build(TreeKind::Ids, ids)?;
        trees.build(TreeKind::Extents, extents)?;
        trees.build(TreeKind::Xattrs, records.xattrs)?;
        trees.build(TreeKind::Dirents, records.dirents)?;
        trees.build_inodes(records.inodes)?;
        trees.build_info(&info)
    })();
    let TreeBuilder { roots, sink } = trees;
    let mut out = match built {
        Ok(()) => sink.out.finish()?,
        Err(error) => return Err(sink.out.explain(error)),
    };

    let created = options.created.or(stats.newest).unwrap_or_default();
    let superblock = Superblock {
        channels: options.channels,
        width: geometry.width(),
        incompat: INCOMPAT_ZSTD | features,
        uuid: options.uuid.unwrap_or_else(|| derived_uuid(&roots)),
        label: options.label.clone(),
        generation: 1,
        created,
        committed: created,
        stream_len: out.position(),
        next_ino: counters.next_ino,
        next_content: counters.next_content,
        next_block: counters.next_block,
        next_xattr: counters.next_xattr,
        file_bytes: stats.file_bytes,
        block_log: options.block_log,
        chunk_log: options.chunk_log(),
        roots,
        digest: [0; 32],
    };
    let bytes = superblock.to_bytes();
    for slot in SLOT_OFFSETS {
        out.patch(slot, &bytes)?;
    }
    summary.digest = Superblock::parse(&bytes).map(|read| hex(&read.digest)).unwrap_or_default();
    summary.uuid = format_uuid(&superblock.uuid);
    summary.width = geometry.width();
    summary.height = geometry.rows_for(out.position())?;
    Ok(out.finish()?)
}

struct Counters {
    next_ino: u64,
    next_content: u64,
    next_block: u64,
    next_xattr: u64,
}

/// An entry of the info tree: a payload offset and a length or count.
fn span(offset: u64, len: u64) -> Vec<u8> {
    [offset.to_le_bytes(), len.to_le_bytes()].concat()
}

/// Widths are rounded up to this, for looks and for decoders' sake.
const WIDTH_STEP: u32 = 16;

/// The geometry asked for, or the one that makes `payload` bytes and the cover
/// near-square.
fn choose_geometry(options: &Options, cover: Option<&Cover>, payload: u64) -> Result<Geometry> {
    let channels = options.channels;
    if let Some(width) = options.width {
        return Ok(Geometry::new(width, channels)?);
    }
    let max = Geometry::max_width(channels) / WIDTH_STEP * WIDTH_STEP;
    let mut width = Geometry::MIN_WIDTH;
    // The cover's height depends on the width and the width on the height: a
    // few rounds settle it.
    for _ in 0..8 {
        let rows = cover.map_or(0, |cover| u64::from(cover.rows(width)));
        let pixels = (HEADER_LEN + payload) / channels.bytes() + rows * u64::from(width);
        let side = (pixels as f64).sqrt().ceil().min(f64::from(max)) as u32;
        let least = cover.map_or(0, Cover::least_width).max(Geometry::MIN_WIDTH);
        width = side.max(least).next_multiple_of(WIDTH_STEP).min(max);
    }
    Ok(Geometry::new(width, channels)?)
}

/// A UUID (version 8) from the digests of all trees: the same input gives the same.
fn derived_uuid(roots: &[Option<TreeRoot>; TREE_COUNT]) -> [u8; 16] {
    let mut hasher = Sha256::new();
    hasher.update(b"pxfs uuid");
    for root in roots {
        hasher.update(TreeRoot::to_bytes(root.as_ref()));
    }
    let digest = hasher.finalize();
    let mut uuid = [0; 16];
    uuid.copy_from_slice(&digest[..16]);
    uuid[6] = 0x80 | uuid[6] & 0x0f;
    uuid[8] = 0x80 | uuid[8] & 0x3f;
    uuid
}

/// The usual form of a UUID.
pub fn format_uuid(uuid: &[u8; 16]) -> String {
    let hex = hex(uuid);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// Writes trees to the end of the picture.
struct TreeBuilder<'a> {
    sink: PictureSink<'a>,
    roots: [Option<TreeRoot>; TREE_COUNT],
}

/// Has nodes encoded by the pool.
struct PictureSink<'a> {
    pool: &'a Pool,
    out: Output,
    begun: VecDeque<Ticket<std::io::Result<Encoded>>>,
}

impl NodeSink for PictureSink<'_> {
    fn begin(&mut self, raw: Vec<u8>) -> std::io::Result<()> {
        self.begun.push_back(self.pool.encode(Nature::Node, raw));
        Ok(())
    }

    fn place(&mut self) -> std::io::Result<StoredRef> {
        let ticket = self.begun.pop_front();
        let encoded = ticket.ok_or_else(|| std::io::Error::other("no node to place"))?.wait()??;
        let at = encoded.placed_at(self.out.position());
        self.out.write(encoded.bytes).map_err(std::io::Error::other)?;
        Ok(at)
    }
}

impl<'a> TreeBuilder<'a> {
    fn new(pool: &'a Pool, out: Output) -> Self {
        let sink = PictureSink { pool, out, begun: VecDeque::new() };
        Self { sink, roots: [None; TREE_COUNT] }
    }

    fn build(&mut self, tree: TreeKind, sorter: Sorter) -> Result<()> {
        self.build_with(tree, sorter, |value| value.to_vec())
    }

    /// Builds the block tree: offsets in the spool become offsets in the stream.
    fn build_moved(&mut self, tree: TreeKind, sorter: Sorter, start: u64) -> Result<()> {
        self.build_with(tree, sorter, |value| match StoredRef::parse(value) {
            Ok(at) => StoredRef { offset: at.offset + start, ..at }.to_bytes(),
            Err(_) => value.to_vec(),
        })
    }

    /// Builds the inode tree, in which all names of an inode are counted.
    fn build_inodes(&mut self, sorter: Sorter) -> Result<()> {
        let mut writer = TreeWriter::new(TreeKind::Inodes);
        let sink = &mut self.sink;
        visit_inodes(sorter, |key, value| writer.push(key, value, sink))
            .map_err(|source| MkfsError::output("metadata", source))?;
        self.finish(TreeKind::Inodes, writer)
    }

    fn build_with(
        &mut self,
        tree: TreeKind,
        sorter: Sorter,
        map: impl Fn(&[u8]) -> Vec<u8>,
    ) -> Result<()> {
        let failed = |source| MkfsError::output("metadata", source);
        let mut writer = TreeWriter::new(tree);
        let mut sorted = sorter.finish().map_err(failed)?;
        while let Some((key, value)) = sorted.next().map_err(failed)? {
            let value = map(value);
            writer.push(key, &value, &mut self.sink).map_err(failed)?;
        }
        self.finish(tree, writer)
    }

    fn finish(&mut self, tree: TreeKind, writer: TreeWriter) -> Result<()> {
        let root = writer.finish(&mut self.sink);
        self.roots[tree as usize] = root.map_err(|source| MkfsError::output("metadata", source))?;
        Ok(())
    }

    fn build_info(&mut self, entries: &[(Vec<u8>, Vec<u8>)]) -> Result<()> {
        let failed = |source| MkfsError::output("metadata", source);
        let mut writer = TreeWriter::new(TreeKind::Info);
        for (key, value) in entries {
            writer.push(key, value, &mut self.sink).map_err(failed)?;
        }
        self.finish(TreeKind::Info, writer)
    }
}

/// Whether alpha carries payload.
pub(super) fn has_alpha(channels: Channels) -> bool {
    channels == Channels::Rgba
}
