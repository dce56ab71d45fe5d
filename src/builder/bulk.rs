//! Adding many files in one go.
//!
//! ```text
//! walk -> queue -> workers (read, hash, compress) -> in order: dedupe, pack, enter
//! ```
//!
//! Blobs go straight to the end of the pack, and both JSON files are written once:
//! a crash before that leaves the root as it was.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::add::{open_source, shown, stem};
use super::blob::Packed;
use super::entries::{lightly_normalised, ratio};
use super::error::{BuildError, Result};
use super::pack::PackWriter;
use super::root::{Added, NewPath, RootBuilder, bad_path};
use super::sources::{Found, list_sources};
use super::zlib::{END, Fast, HEADER, STRETCH, Stock, stretch};
use crate::format::{Digest, PixelType};
use crate::legacy::root::{Content, PACK, clean_path, id_text, pixel_type, root_path};
use crate::mkfs::Excludes;
use crate::mkfs::pool::{Pool, Ticket};

/// Files up to this size are read whole by a worker.
const SMALL: u64 = 8 << 20;

/// Files that may wait, and bytes of them.
const MAX_QUEUED: usize = 256;
const MAX_QUEUED_BYTES: u64 = 32 << 20;

/// Bytes of the pack that go to the disk at a time, while more are made; else all
/// of it would be waited for at the end.
const SYNC: u64 = 32 << 20;

/// How to add many files.
#[derive(Debug, Clone)]
pub struct BulkOptions {
    /// The directory that they go into; by rule the one for their type.
    pub under: Option<String>,
    /// Their type; by rule what their names say.
    pub kind: Option<PixelType>,
    /// What is left out.
    pub excludes: Vec<String>,
    /// Compress as the Python tools do: a third smaller, 15 times slower.
    pub best: bool,
    /// Threads that read and compress.
    pub threads: usize,
}

/// What adding many files did.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
pub struct BulkSummary {
    /// Paths that are new.
    pub added: u64,
    /// Paths of which the content changed.
    pub updated: u64,
    /// Paths that were there with this content.
    pub unchanged: u64,
    /// Contents that were packed.
    pub packed: u64,
    /// Bytes read.
    pub bytes_in: u64,
    /// Bytes added to the pack.
    pub bytes_out: u64,
    /// Links, devices and the like, which a root cannot hold.
    pub passed_over: u64,
    /// Files that got another path than they should have, as that was taken.
    pub renamed: Vec<(String, String)>,
    /// Files that could not be added, and why.
    pub failed: Vec<String>,
    /// Seconds of work.
    pub seconds: f64,
}

/// A small file's sums and blob.
type PackedSmall = Result<(Packed, Vec<u8>)>;

/// A file on its way.
struct Queued {
    found: Found,
    /// None for a large file, which is packed when its turn comes.
    ticket: Option<Ticket<PackedSmall>>,
}

struct Bulk<'a> {
    root: &'a mut RootBuilder,
    options: &'a BulkOptions,
    pool: Pool<Worker>,
    pack: PackWriter,
    /// Ids by digest, and whether the blob is known to be good.
    known: HashMap<Digest, (u32, bool)>,
    /// Directories of all paths.
    dirs: HashSet<String>,
    queue: VecDeque<Queued>,
    queued_bytes: u64,
    /// How much of the pack was sent to the disk, and whether it has arrived.
    synced: u64,
    syncing: Option<Ticket<std::io::Result<()>>>,
    summary: BulkSummary,
}

impl RootBuilder {
    /// Adds all files in `sources`: files, and directories with what is in them.
    /// `progress` is told the files and bytes done.
    ///
    /// # Errors
    /// When the root cannot be written. What is wrong with single files is in
    /// the summary.
    pub fn add_many(
        &mut self,
        sources: &[PathBuf],
        options: &BulkOptions,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<BulkSummary> {
        let start = std::time::Instant::now();
        if let Some(under) = &options.under {
            clean_path(under).map_err(|problem| bad_path(under, problem))?;
        }
        let pool = Pool::new(options.threads, || Ok(Worker::default()))
            .map_err(BuildError::file("worker threads"))?;
        let pack = PackWriter::open(self)?;
        let first = pack.at();
        let known =
            self.each_content().map(|content| (content.sha256, (content.id, false))).collect();
        let mut dirs = HashSet::new();
        for (path, _) in self.paths.iter() {
            enter_dirs(&mut dirs, path);
        }
        let dir = self.dir.clone();
        let (queue, summary) = (VecDeque::new(), BulkSummary::default());
        let mut bulk = Bulk {
            root: self,
            options,
            pool,
            pack,
            known,
            dirs,
            queue,
            queued_bytes: 0,
            synced: first,
            syncing: None,
            summary,
        };
        for source in sources {
            let excludes = Excludes::new(source, &options.excludes)?;
            list_sources(source, &dir, &excludes, &mut |step| match step {
                Ok(Some(found)) => bulk.push(found, progress),
                Ok(None) => {
                    bulk.summary.passed_over += 1;
                    Ok(())
                }
                Err(sentence) => {
                    bulk.summary.failed.push(sentence);
                    Ok(())
                }
            })?;
        }
        while !bulk.queue.is_empty() {
            bulk.finish_oldest(progress)?;
        }
        bulk.wait_for_disk()?;
        let Bulk { pack, mut summary, .. } = bulk;
        summary.bytes_out = pack.at() - first;
        pack.finish()?;
        if summary.packed > 0 {
            self.save_registry()?;
        }
        if summary.added + summary.updated > 0 {
            self.save_paths()?;
        }
        summary.seconds = (start.elapsed().as_secs_f64() * 1000.0).round() / 1000.0;
        Ok(summary)
    }
}

/// Enters the directories that a path lies in.
fn enter_dirs(dirs: &mut HashSet<String>, path: &str) {
    for (at, _) in path.match_indices('/').skip(1) {
        if !dirs.contains(&path[..at]) {
            dirs.insert(path[..at].to_owned());
        }
    }
}

impl Bulk<'_> {
    /// Queues a file; when the queue is full the oldest is finished first.
    fn push(&mut self, found: Found, progress: &mut dyn FnMut(u64, u64)) -> Result<()> {
        while self.queue.len() >= MAX_QUEUED || self.queued_bytes >= MAX_QUEUED_BYTES {
            self.finish_oldest(progress)?;
        }
        let ticket = (found.size <= SMALL).then(|| {
            self.queued_bytes += found.size;
            let (path, best) = (found.file.clone(), self.options.best);
            self.pool.run(move |worker| pack_small(&path, best, worker))
        });
        self.queue.push_back(Queued { found, ticket });
        Ok(())
    }

    fn finish_oldest(&mut self, progress: &mut dyn FnMut(u64, u64)) -> Result<()> {
        let Some(Queued { found, ticket }) = self.queue.pop_front() else {
            return Ok(());
        };
        let (files, bytes) = (self.summary.added, self.summary.bytes_in);
        let packed = match ticket {
            Some(ticket) => {
                self.queued_bytes -= found.size;
                let done = ticket.wait().map_err(BuildError::file(&found.file))?;
                match done {
                    Ok((packed, blob)) => self.store_small(&packed, &blob).map(|at| (packed, at)),
                    Err(error) => {
                        self.summary.failed.push(error.to_string());
                        return Ok(());
                    }
                }
            }
            None => {
                let at = self.pack.at();
                match self.store_large(&found.file, &mut |done| progress(files, bytes + done)) {
                    // What was written of it is of no use.
                    Err(BuildError::File { path, source }) if path == shown(&found.file) => {
                        self.pack.cut(at)?;
                        self.summary.failed.push(format!("{path}: {source}"));
                        return Ok(());
                    }
                    other => other,
                }
            }
        };
        let (packed, place) = packed?;
        self.summary.bytes_in += packed.size;
        self.enter(&found, &packed, place)?;
        progress(self.summary.added, self.summary.bytes_in);
        if self.pack.at().saturating_sub(self.synced) >= SYNC {
            self.wait_for_disk()?;
            self.synced = self.pack.at();
            let file = self.pack.file()?;
            self.syncing = Some(self.pool.run_urgent(move |_| file.sync_data()));
        }
        Ok(())
    }

    /// Waits until what was sent to the disk is there. A failure is told only once,
    /// so it must not get lost here.
    fn wait_for_disk(&mut self) -> Result<()> {
        let Some(ticket) = self.syncing.take() else { return Ok(()) };
        let path = self.root.dir.join(PACK);
        ticket.wait().and_then(|done| done).map_err(BuildError::file(path))
    }

    /// Writes a blob unless its content is known; where it is, if it is new.
    fn store_small(&mut self, packed: &Packed, blob: &[u8]) -> Result<Option<(u64, u64)>> {
        if self.is_known(&packed.sha256) {
            return Ok(None);
        }
        let at = self.pack.at();
        self.pack.write(blob)?;
        Ok(Some((at, blob.len() as u64)))
    }

    /// Whether a content is registered and its blob can be read; of those that
    /// were there before, nobody knows until it was tried.
    fn is_known(&mut self, sha256: &Digest) -> bool {
        match self.known.get(sha256) {
            None => false,
            Some((_, true)) => true,
            Some(&(id, false)) => {
                let content = self.root.content(id);
                let is_good = content.is_some_and(|content| self.root.is_proven(&content));
                self.known.insert(*sha256, (id, is_good));
                is_good
            }
        }
    }

    /// Reads, hashes and compresses a large file stretch by stretch, the latter
    /// by all workers.
    fn store_large(
        &mut self,
        path: &Path,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(Packed, Option<(u64, u64)>)> {
        let at = self.pack.at();
        let mut file = open_source(path)?;
        let (mut hasher, mut adler) = (Sha256::new(), simd_adler32::Adler32::new());
        let mut size = 0;
        let mut stock = match self.options.best {
            true => Some(Stock::new(Vec::new()).map_err(BuildError::file(path))?),
            false => None,
        };
        if stock.is_none() {
            self.pack.write(&HEADER)?;
        }
        let mut tickets: VecDeque<Ticket<std::io::Result<Vec<u8>>>> = VecDeque::new();
        loop {
            let mut part = Vec::with_capacity(STRETCH);
            let read = (&mut file).take(STRETCH as u64).read_to_end(&mut part);
            if read.map_err(BuildError::file(path))? == 0 {
                break;
            }
            hasher.update(&part);
            size += part.len() as u64;
            progress(size);
            if let Some(stock) = &mut stock {
                stock.write_all(&part).map_err(BuildError::file(path))?;
                let made = stock.take_output();
                self.pack.write(&made)?;
                continue;
            }
            adler.write(&part);
            tickets.push_back(self.pool.run_urgent(move |_| stretch(&part)));
            if tickets.len() > 2 * self.options.threads + 2 {
                self.write_stretch(tickets.pop_front(), path)?;
            }
        }
        while !tickets.is_empty() {
            self.write_stretch(tickets.pop_front(), path)?;
        }
        match stock {
            Some(stock) => {
                let rest = stock.finish().map_err(BuildError::file(path))?;
                self.pack.write(&rest)?;
            }
            None => {
                self.pack.write(&END)?;
                self.pack.write(&adler.finish().to_be_bytes())?;
            }
        }
        let compressed = self.pack.at() - at;
        let packed = Packed { sha256: hasher.finalize().into(), size, compressed };
        if self.is_known(&packed.sha256) {
            self.pack.cut(at)?;
            return Ok((packed, None));
        }
        Ok((packed, Some((at, compressed))))
    }

    fn write_stretch(
        &mut self,
        ticket: Option<Ticket<std::io::Result<Vec<u8>>>>,
        path: &Path,
    ) -> Result<()> {
        let Some(ticket) = ticket else { return Ok(()) };
        let made = ticket.wait().and_then(|made| made).map_err(BuildError::file(path))?;
        self.pack.write(&made)
    }
}

impl Bulk<'_> {
    /// Enters a file of which the content is in the root, or at `place` in the pack.
    fn enter(&mut self, found: &Found, packed: &Packed, place: Option<(u64, u64)>) -> Result<()> {
        let (id, known) = self.root.id_for(&packed.sha256)?;
        let kind = self.options.kind.unwrap_or_else(|| type_of_name(&found.inside));
        if place.is_some() {
            let content = Content {
                id,
                name: stem(&found.file),
                kind: kind.name().to_owned(),
                original_path: lightly_normalised(&shown(&found.file)),
                original_size: packed.size,
                compressed_size: packed.compressed,
                ratio: ratio(packed.size, packed.compressed),
                pixel_file: format!("{}{}", stem(&found.file), super::add::PIXEL_END),
                blob_file: format!("{}/file_{id:08X}.bin", super::add::BLOBS),
                sha256: packed.sha256,
                packed: place,
                extra: known.map(|known| known.extra).unwrap_or_default(),
            };
            self.root.set_content(&content)?;
            self.known.insert(packed.sha256, (id, true));
            self.summary.packed += 1;
        }
        let wanted = match &self.options.under {
            Some(under) => format!("{under}/{}", found.inside),
            None => format!("{}/{}", area_of(kind), found.inside),
        };
        let source = lightly_normalised(&shown(&found.file));
        match self.free_path(&wanted, id, &source) {
            Err(sentence) => {
                self.summary.failed.push(format!("{}: {sentence}", shown(&found.file)))
            }
            Ok(None) => self.summary.unchanged += 1,
            Ok(Some(path)) => {
                if path != wanted {
                    self.summary.renamed.push((wanted, path.clone()));
                }
                let (kind, original_path) = (Some(kind), Some(source));
                let new = NewPath { path, kind, original_path, ..NewPath::default() };
                enter_dirs(&mut self.dirs, &new.path);
                let added = self.root.enter(&new, id, place.is_some())?;
                match added.replaced {
                    true => self.summary.updated += 1,
                    false => self.summary.added += 1,
                }
            }
        }
        Ok(())
    }

    /// Where a file can be: where it should be or, if something else is there,
    /// beside it, with its id at the end. `None` if it is there already.
    fn free_path(&self, wanted: &str, id: u32, source: &str) -> Result<Option<String>, String> {
        root_path(wanted).map_err(|problem| format!("{wanted:?} can be no path: it {problem}"))?;
        for (at, _) in wanted.match_indices('/').skip(1) {
            if self.root.paths.get(&wanted[..at]).is_some() {
                return Err(format!("{wanted:?} cannot be: {:?} is a file", &wanted[..at]));
            }
        }
        let beside = format!("{wanted}.{id:08X}");
        for path in [wanted, &beside] {
            if self.dirs.contains(path) {
                continue;
            }
            match self.root.path(path) {
                None if self.root.paths.get(path).is_none() => return Ok(Some(path.to_owned())),
                Some(old) if old.id == id => return Ok(None),
                // The file itself changed.
                Some(old) if old.original_path == source => return Ok(Some(path.to_owned())),
                _ => {}
            }
        }
        Err(format!("{wanted:?} is taken, and so is {beside:?}"))
    }
}

/// Where the Python tools put contents of a type.
pub(super) fn area_of(kind: PixelType) -> &'static str {
    match kind.name() {
        "py" => "/system",
        "pxi_module" => "/apps",
        "world" => "/worlds",
        "model" => "/models",
        "config" => "/config",
        _ => "/data",
    }
}

/// The type that a file's name tells.
pub(super) fn type_of_name(name: &str) -> PixelType {
    const ENDS: &[(&str, &str)] = &[
        (".pxi.png", "pxi_module"),
        (".py", "py"),
        (".gguf", "model"),
        (".onnx", "model"),
        (".safetensors", "model"),
        (".cfg", "config"),
        (".conf", "config"),
        (".ini", "config"),
        (".json", "config"),
        (".toml", "config"),
        (".yaml", "config"),
        (".yml", "config"),
    ];
    let found = ENDS.iter().find(|(end, _)| name.ends_with(end));
    pixel_type(found.map_or("data", |(_, kind)| kind))
}

impl RootBuilder {
    /// Registered contents that no path leads to, and the path that each would
    /// get: the directory for its type, then its name.
    pub fn unlisted(&self) -> Vec<(String, Content)> {
        let listed: HashSet<u32> = self.each_path().map(|path| path.id).collect();
        let (mut taken, mut dirs) = (HashSet::new(), HashSet::new());
        for (path, _) in self.paths.iter() {
            enter_dirs(&mut dirs, path);
        }
        let mut found = Vec::new();
        for content in self.each_content().filter(|content| !listed.contains(&content.id)) {
            let area = area_of(pixel_type(&content.kind));
            let mut path = format!("{area}/{}", content.name);
            if root_path(&path).is_err() {
                path = format!("{area}/{:08X}", content.id);
            }
            let is_taken = |path: &str| self.paths.get(path).is_some() || taken.contains(path);
            let is_free = |path: &String| {
                let mut above = path.match_indices('/').skip(1).map(|(at, _)| &path[..at]);
                !is_taken(path) && !dirs.contains(path) && !above.any(is_taken)
            };
            if !is_free(&path) {
                path = format!("{path}.{:08X}", content.id);
            }
            if is_free(&path) && root_path(&path).is_ok() {
                enter_dirs(&mut dirs, &path);
                taken.insert(path.clone());
                found.push((path, content));
            } else {
                log::warn!("{}: no path is free for {:?}", id_text(content.id), content.name);
            }
        }
        found
    }

    /// Gives all registered contents a path that have none.
    ///
    /// # Errors
    /// When the root cannot be written.
    pub fn add_unlisted(&mut self) -> Result<Vec<Added>> {
        let mut added = Vec::new();
        for (path, content) in self.unlisted() {
            let new = NewPath { path, ..NewPath::default() };
            added.push(self.enter(&new, content.id, false)?);
        }
        if !added.is_empty() {
            self.save_paths()?;
        }
        Ok(added)
    }
}

/// What a worker works with: memory that is not asked for again for every file.
#[derive(Debug, Default)]
struct Worker {
    fast: Fast,
    input: Vec<u8>,
}

/// A file read whole, hashed and compressed.
fn pack_small(path: &Path, best: bool, worker: &mut Worker) -> PackedSmall {
    let failed = || BuildError::file(path);
    let Worker { fast, input } = worker;
    input.clear();
    let file = open_source(path)?;
    // It may have grown since it was listed, but not without end.
    file.take(4 * SMALL).read_to_end(input).map_err(failed())?;
    if input.len() as u64 == 4 * SMALL {
        let sentence = format!("{}: grows while it is read", path.display());
        return Err(BuildError::refused(sentence));
    }
    let blob = match best {
        true => {
            let mut stock = Stock::new(Vec::new()).map_err(failed())?;
            stock.write_all(input).and_then(|()| stock.finish())
        }
        false => fast.compress(input),
    };
    let blob = blob.map_err(failed())?;
    let (size, compressed) = (input.len() as u64, blob.len() as u64);
    Ok((Packed { sha256: Sha256::digest(&*input).into(), size, compressed }, blob))
}
