//! Making a picture from a source tree.
//!
//! In: a directory, a tar stream, a tree of ours or nothing. Out: a picture, whole or not at
//! all, the same bytes for the same input and options however many threads
//! work. Memory is bounded, whatever the source: what grows with it is in a
//! `Table`, a `Tape` or a `Sorter`, which spill to files without names.
//!
//! ```text
//! walk / tar_source / tree_source -> contents (digest, dedupe, pack) -> pool (encode) -> spool
//!                  \-> records (inodes, names)          -> sorters      -> assemble
//! ```

mod assemble;
mod child;
mod contents;
mod cover;
mod error;
mod exclude;
mod hash_file;
mod key_filter;
mod large;
mod output;
mod pixels;
pub(crate) mod pool;
mod read;
mod records;
mod scratch;
mod sorter;
mod spool;
mod table;
mod tape;
pub mod tar;
mod tar_emit;
mod tar_source;
mod tar_stream;
mod tar_tree;
mod tree_source;
mod walk;
mod xattr;

pub use assemble::format_uuid;
pub use error::{MkfsError, Result};
pub use exclude::Excludes;
pub(crate) use scratch::{Unpublished, temporary_stem};
pub use tar_source::Limits;
pub use xattr::XattrChoice;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::format::{InodeData, PixelType};
use crate::fs::{PixelTree, ROOT_INO};
use crate::picture::Channels;
use crate::store::{Encoder, Encoding};
use contents::{ContentWriter, Sizes};
use pool::Pool;
use records::{FileBytes, Meta, NewInode, Records};
use scratch::Scratch;

/// The longest path in a source. Those in a tree may be longer than what a
/// system call takes, but not by that much.
const MAX_PATH: u64 = 1 << 16;

/// What becomes of several names for one inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HardLinks {
    /// They stay names of one inode.
    #[default]
    Keep,
    /// Each becomes a file of its own (the content is stored once all the same).
    Dissolve,
}

/// How much is made of the source: what `mkfs.pxfs` sets unless told in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Effort {
    /// As fast as the files can be read, or nearly.
    Fast,
    /// Small and quick.
    #[default]
    Usual,
    /// As small as can be had within minutes.
    Best,
}

impl Effort {
    /// The level of zstd.
    pub fn level(self) -> i32 {
        match self {
            Self::Fast => 1,
            Self::Usual => 8,
            Self::Best => 16,
        }
    }

    /// log2 of the size of the blocks.
    pub fn block_log(self) -> u8 {
        match self {
            Self::Fast => 20,
            Self::Usual => 22,
            Self::Best => 24,
        }
    }
}

/// How a picture is made.
#[derive(Debug, Clone)]
pub struct Options {
    /// Label, at most 64 bytes.
    pub label: String,
    /// UUID; derived from the content if not given.
    pub uuid: Option<[u8; 16]>,
    /// Codec and level.
    pub encoding: Encoding,
    /// log2 of the size of blocks that small files are packed in: 15 to 24.
    pub block_log: u8,
    /// Worker threads.
    pub threads: usize,
    /// Bytes a pixel carries.
    pub channels: Channels,
    /// A picture to show on top.
    pub cover: Option<PathBuf>,
    /// Width in pixels; near-square if not given.
    pub width: Option<u32>,
    /// What is left out.
    pub excludes: Excludes,
    /// Everything belongs to root.
    pub all_root: bool,
    /// Which extended attributes are kept.
    pub xattrs: XattrChoice,
    /// Hard links.
    pub hard_links: HardLinks,
    /// Do not enter other file systems.
    pub one_file_system: bool,
    /// Time of creation; the newest modification time in the tree if not given.
    pub created: Option<(i64, u32)>,
    /// What has the picture's name by the time it is complete is replaced.
    pub replace: bool,
    /// Device and inode numbers of files to leave out: the picture that is replaced.
    pub skip_inodes: Vec<(u64, u64)>,
}

impl Options {
    /// log2 of the size of the chunks that large binaries are cut into: an eighth
    /// of a block and at most 128 KiB, so that a random read decodes little, or
    /// 256 KiB where size counts for more.
    pub fn chunk_log(&self) -> u8 {
        let most = if self.encoding.is_thorough() { 18 } else { 17 };
        self.block_log.saturating_sub(3).clamp(12, most)
    }
}

/// Where the files come from.
pub enum Source {
    /// A directory.
    Directory(PathBuf),
    /// A tar stream.
    Tar(Box<dyn Read>),
    /// A tar stream from somebody who is not trusted.
    Archive(Box<dyn Read>, Limits),
    /// A tree of ours: contents must be those of their pixels.
    Tree(Arc<dyn PixelTree>),
    /// Nowhere: an empty root directory.
    Empty,
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Directory(path) => f.debug_tuple("Directory").field(path).finish(),
            Self::Tar(_) => f.write_str("Tar"),
            Self::Archive(_, limits) => f.debug_tuple("Archive").field(limits).finish(),
            Self::Tree(tree) => f.debug_tuple("Tree").field(tree).finish(),
            Self::Empty => f.write_str("Empty"),
        }
    }
}

/// Is told how far the work is.
pub trait Progress {
    /// A file is taken up.
    fn file(&mut self, path: &Path);
    /// That many bytes of files are done.
    fn bytes(&mut self, bytes: u64);
    /// Reading is over; the picture is being written.
    fn writing(&mut self);
}

/// What was made.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct Summary {
    /// Regular files.
    pub files: u64,
    /// Directories.
    pub directories: u64,
    /// Symlinks, devices, fifos and sockets.
    pub others: u64,
    /// Names beyond the first of hard-linked files.
    pub hard_links: u64,
    /// Different contents, which is the number of sub-boot pixels.
    pub pixels: u64,
    /// Bytes in regular files.
    pub bytes_in: u64,
    /// Bytes of the picture file.
    pub bytes_out: u64,
    /// Bytes that were not stored again.
    pub deduplicated_bytes: u64,
    /// Files that were not stored again.
    pub deduplicated_files: u64,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// UUID.
    pub uuid: String,
    /// Digest that pins the whole tree (`-o digest=`).
    pub digest: String,
    /// Seconds of work.
    pub seconds: f64,
}

/// Makes the picture `image` from `source`. It appears under its name only
/// when it is complete and on the disk.
///
/// # Errors
/// The first thing that went wrong, with the file it was.
pub fn make(
    image: &Path,
    source: Source,
    options: &Options,
    progress: &mut dyn Progress,
) -> Result<Summary> {
    let dir = match image.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    make_in(dir, &Scratch::new(dir), image, source, options, progress)
}

fn make_in(
    dir: &Path,
    scratch: &Scratch,
    image: &Path,
    source: Source,
    options: &Options,
    progress: &mut dyn Progress,
) -> Result<Summary> {
    let start = Instant::now();
    let failed = |source| MkfsError::output(image.display().to_string(), source);
    let target = Unpublished::create(dir, image).map_err(failed)?;
    let mut summary = Summary::default();
    let file = fill(&target, scratch, source, options, progress, &mut summary)?;
    file.sync_all().map_err(failed)?;
    summary.bytes_out = file.metadata().map_err(failed)?.len();
    target.publish(image, options.replace).map_err(failed)?;
    summary.seconds = rounded(start.elapsed());
    Ok(summary)
}

/// Makes a picture that has no name and is gone when it is closed; its temporary
/// files are in `dir`.
///
/// # Errors
/// As [`make`].
pub fn make_nameless(
    dir: &Path,
    source: Source,
    options: &Options,
    progress: &mut dyn Progress,
) -> Result<(File, Summary)> {
    let failed = |source| MkfsError::output(dir.display().to_string(), source);
    let target = Unpublished::create(dir, Path::new("picture")).map_err(failed)?;
    let mut summary = Summary::default();
    let file = fill(&target, &Scratch::new(dir), source, options, progress, &mut summary)?;
    Ok((file, summary))
}

fn rounded(elapsed: Duration) -> f64 {
    (elapsed.as_secs_f64() * 1000.0).round() / 1000.0
}

fn fill(
    target: &Unpublished,
    scratch: &Scratch,
    source: Source,
    options: &Options,
    progress: &mut dyn Progress,
    summary: &mut Summary,
) -> Result<File> {
    let pool = Pool::new(options.threads, || Encoder::new(options.encoding))
        .map_err(|source| MkfsError::output("compressed blocks", source))?;
    let (block_log, chunk_log) = (options.block_log, options.chunk_log());
    let sizes = Sizes { block_log, chunk_log, pixel: options.channels.bytes() };
    let mut contents = ContentWriter::new(&pool, options.threads, sizes, scratch)?;
    let mut records = Records::new(scratch);
    match source {
        Source::Directory(path) => {
            // The picture may have a temporary name in what is read.
            let own = target.identity().map_err(|e| MkfsError::output("picture", e))?;
            let mut options = options.clone();
            options.skip_inodes.push(own);
            walk::walk(&path, scratch, &options, &pool, &mut records, &mut contents, progress)?;
        }
        Source::Tar(input) => {
            let (records, contents) = (&mut records, &mut contents);
            tar_source::read_tar(input, None, options, scratch, records, contents, progress)?;
        }
        Source::Archive(input, limits) => {
            let (limits, records, contents) = (Some(limits), &mut records, &mut contents);
            tar_source::read_tar(input, limits, options, scratch, records, contents, progress)?;
        }
        Source::Tree(tree) => {
            let (records, contents) = (&mut records, &mut contents);
            tree_source::read_tree(&tree, options, scratch, records, contents, progress)?;
        }
        Source::Empty => {
            let mtime = options.created.unwrap_or_default();
            let meta = Meta { perm: 0o755, mtime, ..Meta::default() };
            let data = InodeData::Directory { parent: ROOT_INO };
            let (bytes, pixel_type) = (FileBytes::default(), PixelType::Data);
            let new = NewInode { meta: &meta, nlink: 2, bytes, pixel_type, data };
            records.inode(ROOT_INO, new, &mut contents)?;
        }
    }
    progress.writing();
    contents.flush()?;
    let (stats, content_stats) = (records.stats, contents.stats);
    summary.files = stats.files;
    summary.directories = stats.directories;
    summary.others = stats.others;
    summary.hard_links = stats.hard_links;
    summary.bytes_in = stats.file_bytes;
    summary.pixels = contents.pixels.len();
    summary.deduplicated_bytes = content_stats.deduplicated;
    summary.deduplicated_files = content_stats.duplicate_files;
    let file = target.file().try_clone().map_err(|source| MkfsError::output("picture", source))?;
    assemble::assemble(file, options, contents, records, summary)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
