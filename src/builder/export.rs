//! A tree becomes a pxOS root that the Python tools load.

use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::entries::ratio;
use super::error::{BuildError, Result};
use super::files::write_file;
use super::import::COMPANIONS;
use super::pack::PackWriter;
use super::root::{RootBuilder, init};
use super::zlib::{END, Fast, HEADER, STRETCH, stretch};
use crate::fs::{FileKind, Ino, Pixel, PixelTree, ROOT_INO, Step, walk};
use crate::legacy::root::{
    Content, DESCRIPTION, ORIGINAL, PACK, PIXELFS, PathEntry, REGISTRY, REQUIRES, root_path,
};

/// Contents up to this size are compressed in one piece.
const SMALL: u64 = 8 << 20;

/// What an export did.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Exported {
    /// Paths.
    pub paths: u64,
    /// Different contents.
    pub contents: u64,
    /// Bytes of the contents.
    pub bytes: u64,
    /// Files that went beside the root's own.
    pub companions: u64,
    /// What a root cannot hold, or what could not be read, and why.
    pub left_out: Vec<String>,
}

/// Writes the regular files of a tree into a new root in `dir`. `progress` is
/// told the bytes done.
///
/// # Errors
/// When there is a root already, or it cannot be written.
pub fn export_root(
    tree: &dyn PixelTree,
    dir: &Path,
    progress: &mut dyn FnMut(u64),
) -> Result<Exported> {
    init(dir)?;
    let root = RootBuilder::open(dir)?;
    let pack = PackWriter::open(&root)?;
    let mut export = Export { tree, root, pack, fast: Fast::default(), done: Exported::default() };
    let mut failure = None;
    walk(tree, ROOT_INO, &mut |step| {
        let (path, attr) = match step {
            Step::Entry(path, attr) => (path, attr),
            Step::Failed(path, error) => {
                let path = String::from_utf8_lossy(path);
                export.done.left_out.push(format!("/{path}: {error}"));
                return Ok(true);
            }
        };
        match attr.kind {
            FileKind::Directory => {}
            FileKind::Regular => {
                if let Err(error) = export.enter(path, attr.ino) {
                    failure = Some(error);
                    // Only to end the walk.
                    return Err(crate::fs::FsError::NotFound);
                }
                progress(export.done.bytes);
            }
            _ => {
                let path = String::from_utf8_lossy(path);
                export.done.left_out.push(format!("/{path}: a root holds regular files only"));
            }
        }
        Ok(true)
    })
    .map_err(|error| failure.unwrap_or_else(|| BuildError::tree("/")(error)))?;
    let Export { root, pack, done, .. } = export;
    pack.finish()?;
    root.save_registry()?;
    root.save_paths()?;
    Ok(done)
}

struct Export<'t> {
    tree: &'t dyn PixelTree,
    root: RootBuilder,
    pack: PackWriter,
    fast: Fast,
    done: Exported,
}

impl Export<'_> {
    fn enter(&mut self, path: &[u8], ino: Ino) -> Result<()> {
        let Ok(inside) = std::str::from_utf8(path) else {
            let path = String::from_utf8_lossy(path);
            self.done.left_out.push(format!("/{path}: a path in a root is UTF-8, and this is not"));
            return Ok(());
        };
        let shown = format!("/{inside}");
        if let Some(name) = inside.strip_prefix(COMPANIONS).and_then(|rest| rest.strip_prefix('/'))
        {
            return self.write_companion(name, ino);
        }
        let pixel = match self.tree.pixel(ino) {
            Ok(pixel) => pixel,
            Err(error) => {
                self.done.left_out.push(format!("{shown}: {error}"));
                return Ok(());
            }
        };
        if root_path(&shown).is_err() {
            self.done.left_out.push(format!("{shown}: can be no path in a root"));
            return Ok(());
        }
        let text = |name: &[u8]| {
            let value = self.tree.xattr(ino, name).unwrap_or_default();
            String::from_utf8_lossy(&value).into_owned()
        };
        let (description, original) = (text(DESCRIPTION), text(ORIGINAL));
        let requires = text(REQUIRES).lines().map(str::to_owned).collect();
        let original_path = if original.is_empty() { inside.to_owned() } else { original };
        let id = u32::from_be_bytes(pixel.id);
        let kind = self.tree.pixel_type(ino).map_err(BuildError::tree(&shown))?.name();
        let name = super::add::stem(Path::new(&original_path));
        if self.root.content(id).is_none() {
            let at = self.pack.at();
            if let Err(problem) = self.store(ino, &pixel)? {
                self.pack.cut(at)?;
                self.done.left_out.push(format!("{shown}: {problem}"));
                return Ok(());
            }
            let len = self.pack.at() - at;
            self.root.set_content(&Content {
                id,
                name: name.clone(),
                kind: kind.to_owned(),
                original_path: original_path.clone(),
                original_size: pixel.size,
                compressed_size: len,
                ratio: ratio(pixel.size, len),
                pixel_file: format!("{name}{}", super::add::PIXEL_END),
                blob_file: format!("{}/file_{id:08X}.bin", super::add::BLOBS),
                sha256: pixel.sha256,
                packed: Some((at, len)),
                extra: Default::default(),
            })?;
            self.done.contents += 1;
            self.done.bytes += pixel.size;
        }
        self.root.set_path(&PathEntry {
            path: shown,
            id,
            kind: kind.to_owned(),
            description: if description.is_empty() { name } else { description },
            original_path,
            size: pixel.size,
            requires,
            extra: Default::default(),
        })?;
        self.done.paths += 1;
        Ok(())
    }

    /// Appends the blob of a content to the pack; a sentence if it cannot be read.
    fn store(&mut self, ino: Ino, pixel: &Pixel) -> Result<std::result::Result<(), String>> {
        let mut hasher = Sha256::new();
        let mut adler = simd_adler32::Adler32::new();
        let is_small = pixel.size <= SMALL;
        let mut part = vec![0; if is_small { pixel.size as usize } else { STRETCH }];
        let failed = || BuildError::file(PACK);
        if !is_small {
            self.pack.write(&HEADER)?;
        }
        let mut at = 0;
        while at < pixel.size || at == 0 {
            let want = (pixel.size - at).min(part.len() as u64) as usize;
            let part = &mut part[..want];
            if let Err(problem) = read_exact(self.tree, ino, at, part) {
                return Ok(Err(problem));
            }
            hasher.update(&*part);
            if is_small {
                let blob = self.fast.compress(part).map_err(failed())?;
                self.pack.write(&blob)?;
                break;
            }
            adler.write(part);
            self.pack.write(&stretch(part).map_err(failed())?)?;
            at += want as u64;
        }
        if !is_small {
            self.pack.write(&END)?;
            self.pack.write(&adler.finish().to_be_bytes())?;
        }
        Ok(match hasher.finalize()[..] == pixel.sha256 {
            true => Ok(()),
            false => Err("its content has not the SHA-256 of its pixel".into()),
        })
    }

    /// Writes a file that was beside a root's own when it was imported.
    fn write_companion(&mut self, name: &str, ino: Ino) -> Result<()> {
        let is_own = [PIXELFS, REGISTRY, PACK, super::add::BLOBS].contains(&name);
        let attr = self.tree.attr(ino).map_err(BuildError::tree(name))?;
        if is_own || name.contains('/') || attr.size > 1 << 30 {
            self.done.left_out.push(format!("/{COMPANIONS}/{name}: is no file beside a root"));
            return Ok(());
        }
        let mut bytes = vec![0; attr.size as usize];
        if let Err(problem) = read_exact(self.tree, ino, 0, &mut bytes) {
            self.done.left_out.push(format!("/{COMPANIONS}/{name}: {problem}"));
            return Ok(());
        }
        write_file(&self.root.dir, name, &bytes)?;
        self.done.companions += 1;
        Ok(())
    }
}

fn read_exact(
    tree: &dyn PixelTree,
    ino: Ino,
    at: u64,
    buf: &mut [u8],
) -> std::result::Result<(), String> {
    let mut done = 0;
    while done < buf.len() {
        match tree.read(ino, at + done as u64, &mut buf[done..]) {
            Ok(0) => return Err("ends early".into()),
            Ok(read) => done += read,
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(())
}
