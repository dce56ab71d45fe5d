//! `project_files.bin`: blobs back to back, in the order of the registry.
//!
//! The pack and the registry are two files, and no crash may come between them:
//! packing only ever appends, and to compact the pack every content gets a blob
//! of its own first, on which the registry leans while the pack is replaced.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;

use super::add::BLOBS;
use super::error::{BuildError, Result};
use super::files::{own_directory, publish_as};
use super::root::RootBuilder;
use crate::legacy::root::{Content, PACK, ReadAt, id_text};
use crate::mkfs::Unpublished;

/// What packing did.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct PackSummary {
    /// Contents in the pack now.
    pub contents: usize,
    /// Those that were put into it.
    pub packed: usize,
    /// Bytes of all contents.
    pub original_bytes: u64,
    /// Bytes of the pack.
    pub pack_bytes: u64,
    /// Bytes in it that nothing leads to.
    pub unused_bytes: u64,
    /// Contents whose blobs cannot be read, and why: they stay as they are.
    pub failed: Vec<String>,
}

impl RootBuilder {
    /// Puts every content into the pack that is not there; with `compact` writes
    /// the pack anew, in the order of the registry and without gaps.
    ///
    /// # Errors
    /// When files cannot be written.
    pub fn pack(
        &mut self,
        compact: bool,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<PackSummary> {
        let mut contents: Vec<Content> = self.each_content().collect();
        let mut summary = PackSummary { contents: contents.len(), ..PackSummary::default() };
        let total = contents.iter().map(|content| content.original_size).sum();
        let mut done = 0;
        let mut good = Vec::new();
        for content in contents.drain(..) {
            done += content.original_size;
            if let Err(error) = crate::legacy::root::prove_content(&*self.files, &content) {
                summary.failed.push(format!("{}: {error}", id_text(content.id)));
            } else {
                good.push(content);
            }
            progress(done, total);
        }
        if compact {
            self.compact(&mut good, &mut summary)?;
        } else {
            self.append(&mut good, &mut summary)?;
        }
        summary.contents = good.len();
        summary.original_bytes = good.iter().map(|content| content.original_size).sum();
        let used: u64 = good.iter().filter_map(|content| content.packed).map(|(_, len)| len).sum();
        let pack = self.dir.join(PACK);
        summary.pack_bytes = std::fs::metadata(&pack).map(|found| found.len()).unwrap_or(0);
        summary.unused_bytes = summary.pack_bytes.saturating_sub(used);
        Ok(summary)
    }

    fn append(&mut self, contents: &mut [Content], summary: &mut PackSummary) -> Result<()> {
        if contents.iter().all(|content| content.packed.is_some()) {
            return Ok(());
        }
        let mut pack = PackWriter::open(self)?;
        for content in contents.iter_mut().filter(|content| content.packed.is_none()) {
            content.packed = Some(pack.copy(self, content)?);
            summary.packed += 1;
        }
        pack.finish()?;
        for content in contents.iter() {
            self.set_content(content)?;
        }
        self.save_registry()
    }

    fn compact(&mut self, contents: &mut [Content], summary: &mut PackSummary) -> Result<()> {
        // A content that cannot be read may still be somewhere in the pack.
        if !summary.failed.is_empty() || self.has_unknown_entries() {
            let sentence = "the pack is not compacted while some contents cannot be read";
            return Err(BuildError::refused(sentence));
        }
        let blobs = own_directory(&self.dir, BLOBS)?;
        let mut made = Vec::new();
        for content in contents.iter_mut() {
            let single = Content { packed: None, ..content.clone() };
            if content.packed.is_some() && !self.is_proven(&single) {
                content.blob_file = format!("{BLOBS}/file_{:08X}.bin", content.id);
                let path = self.dir.join(&content.blob_file);
                let mut options = OpenOptions::new();
                options.write(true).create(true).truncate(true).custom_flags(libc::O_NOFOLLOW);
                let file = options.open(&path).map_err(BuildError::file(&path))?;
                copy_blob(self, content, &file)?;
                made.push(path);
            }
            content.packed = None;
            self.set_content(content)?;
        }
        // All at once: one at a time takes a hundred times as long.
        let dir = File::open(&blobs).map_err(BuildError::file(&blobs))?;
        rustix::fs::syncfs(&dir).map_err(|error| BuildError::file(&blobs)(error.into()))?;
        self.save_registry()?;
        let path = self.dir.join(PACK);
        let new = Unpublished::create(&self.dir, &path).map_err(BuildError::file(&path))?;
        let mut at = 0;
        for content in contents.iter_mut() {
            let len = copy_blob(self, content, new.file())?;
            content.packed = Some((at, len));
            at += len;
        }
        publish_as(new, &path).map_err(BuildError::file(&path))?;
        for content in contents.iter() {
            self.set_content(content)?;
        }
        self.save_registry()?;
        summary.packed = contents.len();
        for path in made {
            let _ = std::fs::remove_file(path);
        }
        Ok(())
    }

    /// Whether the registry has entries that could not be understood.
    pub(super) fn has_unknown_entries(&self) -> bool {
        self.each_content().count() != self.registry.iter().count()
    }
}

/// Copies the blob of a content to where a file's cursor is; gives its length.
fn copy_blob(root: &RootBuilder, content: &Content, mut out: &File) -> Result<u64> {
    let (path, start, len) = match content.packed {
        Some((offset, len)) => (PACK, offset, Some(len)),
        None => (content.blob_file.as_str(), 0, None),
    };
    let failed = || BuildError::file(root.dir.join(path));
    let blob = root.files.open(path).map_err(failed())?;
    let len = match len {
        Some(len) => len,
        None => blob.size().map_err(failed())?,
    };
    let mut piece = vec![0; len.min(1 << 18) as usize];
    let mut done = 0;
    while done < len {
        let want = (len - done).min(piece.len() as u64) as usize;
        let read = ReadAt::read_at(&*blob, start + done, &mut piece[..want]).map_err(failed())?;
        if read == 0 {
            return Err(failed()(std::io::ErrorKind::UnexpectedEof.into()));
        }
        out.write_all(&piece[..read]).map_err(BuildError::file(&root.dir))?;
        done += read as u64;
    }
    Ok(len)
}

/// Appends to the pack.
#[derive(Debug)]
pub(super) struct PackWriter {
    path: std::path::PathBuf,
    out: BufWriter<Pack>,
    at: u64,
}

/// The file; what was appended goes away unless it is finished.
#[derive(Debug)]
struct Pack {
    file: File,
    first: u64,
    is_finished: bool,
}

impl std::io::Write for Pack {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl std::io::Seek for Pack {
    fn seek(&mut self, to: std::io::SeekFrom) -> std::io::Result<u64> {
        self.file.seek(to)
    }
}

impl Drop for Pack {
    fn drop(&mut self) {
        if !self.is_finished {
            // Nothing leads there; it would only take up room.
            let _ = self.file.set_len(self.first);
        }
    }
}

impl PackWriter {
    /// Opens the pack behind the last blob: what a crash may have left there is
    /// written over, unless the registry is not understood in full.
    pub(super) fn open(root: &RootBuilder) -> Result<Self> {
        let path = root.dir.join(PACK);
        let failed = || BuildError::file(&path);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(&path);
        let file = file.map_err(failed())?;
        let found = file.metadata().map_err(failed())?;
        if !found.is_file() {
            let sentence = format!("{}: is not a regular file", path.display());
            return Err(BuildError::refused(sentence));
        }
        let mut at = found.len();
        let ends = root.each_content().filter_map(|content| content.packed);
        let end = ends.map(|(offset, len)| offset.saturating_add(len)).max();
        // A pack of which the registry knows nothing belongs to another registry.
        if let (Some(end), false) = (end, root.has_unknown_entries()) {
            at = at.min(end);
            file.set_len(at).map_err(failed())?;
        }
        let pack = Pack { file, first: at, is_finished: false };
        let mut out = BufWriter::with_capacity(1 << 20, pack);
        std::io::Seek::seek(&mut out, std::io::SeekFrom::Start(at)).map_err(failed())?;
        Ok(Self { path, out, at })
    }

    /// Where the next blob begins.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// The file, to be synced meanwhile. What was appended last may not be in it yet.
    pub(super) fn file(&self) -> Result<File> {
        self.out.get_ref().file.try_clone().map_err(BuildError::file(&self.path))
    }

    /// Appends bytes.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).map_err(BuildError::file(&self.path))?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    /// Takes back what was appended from `at` on.
    pub(super) fn cut(&mut self, at: u64) -> Result<()> {
        let cut = self.out.flush().and_then(|()| self.out.get_ref().file.set_len(at));
        let back =
            cut.and_then(|()| std::io::Seek::seek(&mut self.out, std::io::SeekFrom::Start(at)));
        back.map_err(BuildError::file(&self.path))?;
        self.at = at;
        Ok(())
    }

    /// Appends the blob of a content; gives its offset and length.
    fn copy(&mut self, root: &RootBuilder, content: &Content) -> Result<(u64, u64)> {
        self.out.flush().map_err(BuildError::file(&self.path))?;
        let at = self.at;
        let len = copy_blob(root, content, &self.out.get_ref().file)?;
        self.at += len;
        Ok((at, len))
    }

    /// Everything is on the disk when this returns.
    pub(super) fn finish(mut self) -> Result<()> {
        let done = self.out.flush().and_then(|()| self.out.get_ref().file.sync_all());
        done.map_err(BuildError::file(&self.path))?;
        self.out.get_mut().is_finished = true;
        Ok(())
    }
}
