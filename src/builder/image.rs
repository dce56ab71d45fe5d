//! A picture that is changed: the changes are laid over its tree, and a new
//! picture is made of both that takes its place.

use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::bulk::{BulkOptions, BulkSummary, area_of, type_of_name};
use super::error::{BuildError, Result};
use super::files::{Wait, lock};
use super::new_file::now;
use super::overlay::{NewFile, Overlay};
use super::root::{Added, NewPath, bad_path, check_circle};
use super::sources::{Found, list_sources};
use crate::format::{Codec, Digest, PixelType, TreeKind};
use crate::fs::{
    Attr, FileKind, FsError, HIDDEN_DIR, Ino, Pixel, PixelTree, ROOT_INO, Step, Tree, Volume,
    resolve, walk,
};
use crate::legacy::root::{DESCRIPTION, REQUIRES, clean_path};
use crate::mkfs::{
    Effort, Excludes, HardLinks, MkfsError, Options, Progress, Source, Summary, XattrChoice, make,
};
use crate::picture::{Container, OpenOptions, Picture};
use crate::store::{Encoding, Store};

/// A picture that is open for changes; no other pxfs changes it meanwhile.
#[derive(Debug)]
pub struct ImageBuilder {
    image: PathBuf,
    volume: Arc<Volume>,
    /// Who looks at it meanwhile has it as it was then.
    pub(super) tree: Arc<Overlay>,
    /// Held, and so is the lock.
    lock: File,
}

impl ImageBuilder {
    /// Opens the picture at `image`; reading it takes at most `mem` bytes.
    ///
    /// # Errors
    /// When it is no picture with a file system.
    pub fn open(image: &Path, mem: u64) -> Result<Self> {
        Self::open_within(image, mem, Wait::Forever)
    }

    /// The same, but others who change it are waited for only so long.
    pub(super) fn open_within(image: &Path, mem: u64, wait: Wait) -> Result<Self> {
        // A link stays a link: what it leads to is replaced.
        let image = &image.canonicalize().map_err(BuildError::file(image))?;
        let lock = lock_name(image, wait)?;
        let file = lock.try_clone().map_err(BuildError::file(image))?;
        let volume = Arc::new(open_volume(image, file, mem)?);
        let tree = Arc::new(Overlay::new(Arc::clone(&volume) as Arc<dyn PixelTree>));
        Ok(Self { image: image.to_owned(), volume, tree, lock })
    }

    /// The changes, to make more.
    fn changes(&mut self) -> &mut Overlay {
        Arc::make_mut(&mut self.tree)
    }

    /// Adds a file of this machine under a path; directories on the way are made.
    ///
    /// # Errors
    /// When the file cannot be read, or the path cannot be.
    pub fn add_file(&mut self, new: &NewPath, file: &Path) -> Result<Added> {
        self.add_new(new, NewFile::of(file)?)
    }

    /// Adds bytes under a path, as [`Self::add_file`] does a file. Mode and owner of
    /// what is there stay.
    pub(super) fn add_bytes(&mut self, new: &NewPath, bytes: Arc<[u8]>) -> Result<Added> {
        let mut source = NewFile::of_bytes(bytes);
        if let Ok(old) = resolve(&*self.tree, new.path.as_bytes(), false) {
            (source.perm, source.owner) = (old.perm, (old.uid, old.gid));
        }
        self.add_new(new, source)
    }

    fn add_new(&mut self, new: &NewPath, source: NewFile) -> Result<Added> {
        let old = self.check_new(new, &source.sha256)?;
        let (dir, name) = self.place(&new.path)?;
        let area = new.path.split('/').nth(1).unwrap_or_default();
        let kind = new.kind.unwrap_or_else(|| PixelType::of_area(area.as_bytes()));
        let (size, sha256) = (source.size, source.sha256);
        let ino = match &old {
            Some((ino, true)) => *ino,
            _ => self
                .changes()
                .put_file(dir, name.as_bytes(), source)
                .map_err(BuildError::tree(&new.path))?,
        };
        if new.kind.is_some() || old.is_none() {
            self.changes().set_kind(ino, kind);
        }
        self.label(ino, new);
        let kind = self.tree.pixel_type(ino).map_err(BuildError::tree(&new.path))?;
        let id =
            self.tree.pixel(ino).map_or([sha256[0], sha256[1], sha256[2], sha256[3]], |p| p.id);
        Ok(Added {
            path: new.path.clone(),
            id: u32::from_be_bytes(id),
            kind: kind.name().to_owned(),
            size,
            packed: !matches!(old, Some((_, true))),
            replaced: old.is_some(),
        })
    }

    pub(super) fn label(&mut self, ino: Ino, new: &NewPath) {
        if let Some(description) = &new.description {
            self.changes().set_xattr(ino, DESCRIPTION, description.as_bytes());
        }
        if !new.requires.is_empty() {
            self.changes().set_xattr(ino, REQUIRES, new.requires.join("\n").as_bytes());
        }
    }

    /// What is at a path already, and whether it has this content.
    fn check_new(&self, new: &NewPath, sha256: &Digest) -> Result<Option<(Ino, bool)>> {
        clean_path(&new.path).map_err(|problem| bad_path(&new.path, problem))?;
        for required in &new.requires {
            clean_path(required).map_err(|problem| bad_path(required, problem))?;
            check_circle(&new.path, required, |path| self.requires(path))?;
            if resolve(&*self.tree, required.as_bytes(), true).is_err() {
                log::warn!("{:?} requires {required:?}, which is not there (yet)", new.path);
            }
        }
        let old = match resolve(&*self.tree, new.path.as_bytes(), false) {
            Err(FsError::NotFound) => return Ok(None),
            found => found.map_err(BuildError::tree(&new.path))?,
        };
        let path = &new.path;
        if old.kind != FileKind::Regular {
            return Err(BuildError::refused(format!("{path:?} is there and is no regular file")));
        }
        let pixel = self.tree.pixel(old.ino).map_err(BuildError::tree(path))?;
        let is_same = pixel.sha256 == *sha256;
        if !is_same && !new.replace {
            let id = Pixel::id_text(pixel.id);
            let sentence = format!("{path:?} is there with another content, {id}; use --force");
            return Err(BuildError::refused(sentence));
        }
        Ok(Some((old.ino, is_same)))
    }

    /// What a path requires.
    fn requires(&self, path: &str) -> Vec<String> {
        let found = resolve(&*self.tree, path.as_bytes(), true);
        let text = found.and_then(|found| self.tree.xattr(found.ino, REQUIRES));
        let text = String::from_utf8(text.unwrap_or_default()).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// The directory that a path lies in, made if it is missing, and its name in it.
    pub(super) fn place<'p>(&mut self, path: &'p str) -> Result<(Ino, &'p str)> {
        let parts = clean_path(path).map_err(|problem| bad_path(path, problem))?;
        if parts.first().is_some_and(|first| first.as_bytes() == HIDDEN_DIR) {
            return Err(bad_path(path, "is in a directory that pxfs has for itself"));
        }
        let Some((name, dirs)) = parts.split_last() else {
            return Err(bad_path(path, "is the root"));
        };
        let dirs: Vec<&[u8]> = dirs.iter().map(|dir| dir.as_bytes()).collect();
        let dir = self.changes().make_dirs(&dirs, now()).map_err(BuildError::tree(path))?;
        Ok((dir, name))
    }

    /// Makes a directory, with those it lies in; one that is there is fine.
    pub(super) fn make_dir(&mut self, path: &str) -> Result<()> {
        let (dir, name) = self.place(path)?;
        match self.tree.lookup(dir, name.as_bytes()) {
            Ok(found) if found.kind == FileKind::Directory => Ok(()),
            Ok(_) => Err(BuildError::refused(format!("{path:?} is there and is no directory"))),
            Err(_) => {
                let parts = clean_path(path).map_err(|problem| bad_path(path, problem))?;
                let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
                let made = self.changes().make_dirs(&parts, now());
                made.map(drop).map_err(BuildError::tree(path))
            }
        }
    }

    /// Whether anything was changed.
    pub(super) fn is_changed(&self) -> bool {
        self.tree.is_changed()
    }

    fn find(&self, path: &str) -> Result<(Ino, Vec<u8>, Attr)> {
        let trimmed = path.trim_end_matches('/');
        let (dir, name) = trimmed.rsplit_once('/').unwrap_or(("", trimmed));
        let failed = || BuildError::tree(format!("{path:?}"));
        let dir = resolve(&*self.tree, dir.as_bytes(), true).map_err(failed())?;
        let found = self.tree.lookup(dir.ino, name.as_bytes()).map_err(failed())?;
        Ok((dir.ino, name.as_bytes().to_vec(), found))
    }

    /// Adds all files in `sources`, as [`super::RootBuilder::add_many`] does.
    ///
    /// # Errors
    /// What is wrong with single files is in the summary.
    pub fn add_many(&mut self, sources: &[PathBuf], options: &BulkOptions) -> Result<BulkSummary> {
        let start = std::time::Instant::now();
        let (mut summary, image) = (BulkSummary::default(), self.image.clone());
        for source in sources {
            let excludes = Excludes::new(source, &options.excludes)?;
            list_sources(source, &image, &excludes, &mut |step| {
                match step {
                    Ok(None) => summary.passed_over += 1,
                    Err(sentence) => summary.failed.push(sentence),
                    Ok(Some(found)) => {
                        if let Err(error) = self.add_found(&found, options, &mut summary) {
                            summary.failed.push(error.to_string());
                        }
                    }
                }
                Ok(())
            })?;
        }
        summary.seconds = (start.elapsed().as_secs_f64() * 1000.0).round() / 1000.0;
        Ok(summary)
    }

    fn add_found(
        &mut self,
        found: &Found,
        options: &BulkOptions,
        summary: &mut BulkSummary,
    ) -> Result<()> {
        let kind = options.kind.unwrap_or_else(|| type_of_name(&found.inside));
        let under = options.under.as_deref().unwrap_or_else(|| area_of(kind));
        let path = format!("{under}/{}", found.inside);
        // A picture does not say where a file came from: a file at its path is
        // taken for an older version of it.
        let new = NewPath { path, kind: Some(kind), replace: true, ..NewPath::default() };
        let added = self.add_file(&new, &found.file)?;
        match (added.replaced, added.packed) {
            (false, _) => summary.added += 1,
            (true, true) => summary.updated += 1,
            (true, false) => summary.unchanged += 1,
        }
        summary.packed += u64::from(added.packed);
        summary.bytes_in += added.size;
        Ok(())
    }

    /// Removes paths; a directory only if `recursive`. Gives back the files.
    ///
    /// # Errors
    /// When one of them is not there.
    pub fn remove(&mut self, paths: &[String], recursive: bool) -> Result<Vec<String>> {
        let mut gone = Vec::new();
        for path in paths {
            let (dir, name, found) = self.find(path)?;
            if found.kind == FileKind::Directory && !recursive {
                return Err(BuildError::refused(format!("{path:?} is a directory; use -r")));
            }
            gone.extend(self.files_below(path, &found)?);
            self.changes().remove(dir, &name);
        }
        Ok(gone)
    }

    /// Gives a path another name, or moves it into a directory; `requires` that
    /// name what was moved follow. Gives back old and new paths.
    ///
    /// # Errors
    /// When `old` is not there, or something is at the new place.
    pub fn rename(&mut self, old: &str, new: &str) -> Result<Vec<(String, String)>> {
        let (from_dir, from_name, found) = self.find(old)?;
        let old = old.trim_end_matches('/');
        let target = resolve(&*self.tree, new.as_bytes(), true).ok();
        let last = old.rsplit('/').next().unwrap_or(old);
        let new = match target {
            Some(target) if target.kind == FileKind::Directory => {
                format!("{}/{last}", new.trim_end_matches('/'))
            }
            _ => new.to_owned(),
        };
        if super::root::is_below(&new, old) {
            return Err(BuildError::refused(format!("{new:?} lies in {old:?} itself")));
        }
        if resolve(&*self.tree, new.as_bytes(), false).is_ok() {
            return Err(BuildError::refused(format!("{new:?} is there already")));
        }
        let files = self.files_below(old, &found)?;
        let (dir, name) = self.place(&new)?;
        self.changes()
            .rename((from_dir, &from_name), (dir, name.as_bytes()))
            .map_err(BuildError::tree(old))?;
        let moved = |path: &str| match path == old {
            true => Some(new.clone()),
            false if super::root::is_below(path, old) => {
                Some(format!("{new}{}", &path[old.len()..]))
            }
            false => None,
        };
        self.follow(&moved)?;
        Ok(files.into_iter().filter_map(|path| Some((path.clone(), moved(&path)?))).collect())
    }

    /// Changes requirements that name what was moved.
    fn follow(&mut self, moved: &dyn Fn(&str) -> Option<String>) -> Result<()> {
        let mut changed = Vec::new();
        walk(&*self.tree, ROOT_INO, &mut |step| {
            if let Step::Entry(_, attr) = step
                && attr.kind == FileKind::Regular
                && let Ok(old) = self.tree.xattr(attr.ino, REQUIRES)
                && let Ok(old) = String::from_utf8(old)
            {
                let lines = old.lines();
                let new: Vec<String> =
                    lines.map(|path| moved(path).unwrap_or_else(|| path.to_owned())).collect();
                let new = new.join("\n");
                if new != old {
                    changed.push((attr.ino, new));
                }
            }
            Ok(true)
        })
        .map_err(BuildError::tree("/"))?;
        for (ino, requires) in changed {
            self.changes().set_xattr(ino, REQUIRES, requires.as_bytes());
        }
        Ok(())
    }

    /// Paths of the files in a directory, or of the one file.
    fn files_below(&self, path: &str, found: &Attr) -> Result<Vec<String>> {
        let path = path.trim_end_matches('/');
        if found.kind != FileKind::Directory {
            return Ok(vec![path.to_owned()]);
        }
        let mut files = Vec::new();
        walk(&*self.tree, found.ino, &mut |step| {
            if let Step::Entry(inside, attr) = step
                && attr.kind != FileKind::Directory
            {
                files.push(format!("{path}/{}", String::from_utf8_lossy(inside)));
            }
            Ok(true)
        })
        .map_err(BuildError::tree(path))?;
        Ok(files)
    }

    /// Makes the picture anew, with the changes, in the place of the old one.
    ///
    /// # Errors
    /// When something in it cannot be read, or the new one cannot be written; the
    /// old one is there as it was then.
    pub fn save(self, threads: usize, progress: &mut dyn Progress) -> Result<Summary> {
        self.write(threads, progress)
    }

    /// Makes the picture anew. What is open here goes on showing the old one.
    pub(super) fn write(&self, threads: usize, progress: &mut dyn Progress) -> Result<Summary> {
        let superblock = self.volume.store().superblock();
        let cover = cover_of(&self.volume).map_err(BuildError::file(&self.image))?;
        let mut options = plain_options(threads)?;
        options.label = superblock.label.clone();
        options.uuid = Some(superblock.uuid);
        options.channels = superblock.channels;
        options.block_log = superblock.block_log;
        options.created = Some(superblock.created);
        options.replace = true;
        options.cover =
            cover.as_ref().map(|file| format!("/proc/self/fd/{}", file.as_raw_fd()).into());
        let old = self.lock.metadata().map_err(BuildError::file(&self.image))?;
        let tree = Arc::clone(&self.tree) as Arc<dyn PixelTree>;
        let summary = make(&self.image, Source::Tree(tree), &options, progress)?;
        let kept = std::fs::set_permissions(&self.image, old.permissions());
        kept.map_err(BuildError::file(&self.image))?;
        // Only root may give files away; to others their own files are fine.
        let _ = std::os::unix::fs::chown(&self.image, Some(old.uid()), Some(old.gid()));
        Ok(summary)
    }
}

/// Opens a picture's file tree; reading it takes at most `mem` bytes.
pub(super) fn open_volume(image: &Path, file: File, mem: u64) -> Result<Volume> {
    let failed = |error: &dyn std::fmt::Display| {
        BuildError::refused(format!("{}: {error}", image.display()))
    };
    let found = file.metadata().map_err(BuildError::file(image))?;
    if !found.is_file() {
        return Err(failed(&"is no regular file, and only such a one can be replaced"));
    }
    let picture = Picture::from_file(file, &OpenOptions { offset: 0, mem });
    let picture = picture.map_err(|error| failed(&error))?;
    if !matches!(picture.container(), Container::Png | Container::SeekablePng) {
        return Err(failed(&"is no PNG, which it would become; use 'pxfs convert' first"));
    }
    let options = crate::store::OpenOptions { cache: mem / 4 * 3, digest: None };
    let store = Store::open(picture, &options).map_err(|error| failed(&error))?;
    Volume::new(store).map_err(|error| failed(&error))
}

/// Options for making a picture of a tree of ours: all of it is kept.
pub(crate) fn plain_options(threads: usize) -> Result<Options, MkfsError> {
    Ok(Options {
        label: String::new(),
        uuid: None,
        encoding: Encoding { codec: Codec::Zstd, level: Effort::default().level() },
        block_log: Effort::default().block_log(),
        threads,
        channels: crate::picture::Channels::Rgba,
        cover: None,
        width: None,
        excludes: Excludes::new(Path::new(""), &[])?,
        all_root: false,
        xattrs: XattrChoice::All,
        hard_links: HardLinks::Keep,
        one_file_system: false,
        created: None,
        replace: false,
        skip_inodes: Vec::new(),
    })
}

/// Locks the file that has a name, also if another took its place meanwhile.
fn lock_name(path: &Path, wait: Wait) -> Result<File> {
    loop {
        let file = lock(path, wait)?;
        let held = file.metadata().map_err(BuildError::file(path))?;
        let named = std::fs::metadata(path).map_err(BuildError::file(path))?;
        if (held.dev(), held.ino()) == (named.dev(), named.ino()) {
            return Ok(file);
        }
    }
}

/// The cover of a picture as a PNG without a name.
fn cover_of(volume: &Volume) -> io::Result<Option<File>> {
    let store = volume.store();
    let Some(entry) = store.get(TreeKind::Info, b"cover").map_err(io::Error::other)? else {
        return Ok(None);
    };
    let damaged = || io::Error::from(io::ErrorKind::InvalidData);
    let (words, []) = entry.value().as_chunks::<8>() else { return Err(damaged()) };
    let [start, len] = words else { return Err(damaged()) };
    let (start, len) = (u64::from_le_bytes(*start), u64::from_le_bytes(*len));
    let superblock = store.superblock();
    let bytes = superblock.channels.bytes();
    let row = u64::from(superblock.width) * bytes;
    let rows = u32::try_from(len / row).map_err(|_| damaged())?;
    if rows == 0 || start.checked_add(len).is_none_or(|end| end > superblock.stream_len) {
        return Err(damaged());
    }
    let mut file = tempfile_in_memory()?;
    let mut encoder = png::Encoder::new(&mut file, superblock.width, rows);
    encoder.set_color(if bytes == 4 { png::ColorType::Rgba } else { png::ColorType::Rgb });
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header().map_err(io::Error::other)?;
    let mut out = writer.stream_writer().map_err(io::Error::other)?;
    let mut line = vec![0; row as usize];
    for index in 0..u64::from(rows) {
        store.read_stream(start + index * row, &mut line).map_err(io::Error::other)?;
        out.write_all(&line)?;
    }
    out.finish().map_err(io::Error::other)?;
    drop(writer);
    file.rewind()?;
    Ok(Some(file))
}

/// A file that only memory holds: a cover is small.
fn tempfile_in_memory() -> io::Result<File> {
    let flags = rustix::fs::MemfdFlags::CLOEXEC;
    Ok(File::from(rustix::fs::memfd_create("cover", flags)?))
}
