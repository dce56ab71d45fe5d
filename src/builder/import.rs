//! A pxOS root becomes a picture. What lies in a root beside its paths, such as
//! the registry of god pixels and their payloads, goes into the directory
//! `/.pxos` of the picture, from where an export puts it back.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::error::{BuildError, Result};
use super::overlay::{NewFile, Overlay};
use crate::format::PixelType;
use crate::fs::{FileKind, PixelTree, ROOT_INO, Step, Tree as _, walk};
use crate::legacy::god::{GOD_REGISTRY, read_gods};
use crate::legacy::root::{
    Level, PIXELFS, Root, RootFiles, RootTree, clean_path, each_member, read_json,
};
use crate::mkfs::{Options, Progress, Source, Summary, make};

/// The directory of a picture that holds a root's other files.
pub const COMPANIONS: &str = ".pxos";

/// Files that pxOS has beside a root's own, if it has them.
const NAMES: [&str; 6] = [
    "boot_sequence.json",
    "boot_sequence_template.json",
    LLM_REGISTRY,
    "infinite_map_state.json",
    "architect_state.json",
    GOD_REGISTRY,
];

/// The registry of PXDigest cartridges.
const LLM_REGISTRY: &str = "llm_pixel_registry.json";

/// The longest companion that is read to see what it names.
const MAX_NAMED: usize = 100_000;

/// What an import did.
#[derive(Debug)]
pub struct Imported {
    /// The picture.
    pub summary: Summary,
    /// Files of the root that are no paths and were kept all the same.
    pub companions: Vec<String>,
    /// What could not be imported, and why.
    pub left_out: Vec<String>,
    /// What is wrong but could be imported: its content was proven.
    pub taken: Vec<String>,
}

/// Makes the picture `image` of a root; every content is compared with its
/// SHA-256. With `skip` what is wrong is left out.
///
/// # Errors
/// Without `skip`, whatever is wrong with the root; when the picture cannot be
/// written.
pub fn import_root(
    root: Root,
    image: &Path,
    options: &Options,
    skip: bool,
    cache: u64,
    progress: &mut dyn Progress,
) -> Result<Imported> {
    let files = Arc::clone(&root.files);
    let tree = RootTree::new(root, cache);
    let mut left_out = Vec::new();
    let mut taken = Vec::new();
    let findings = tree.root().findings.iter().chain(tree.path_findings());
    for finding in findings.filter(|finding| finding.level == Level::Error) {
        match finding.slug {
            "id-disagrees" | "id-hash" => taken.push(finding.to_string()),
            _ => left_out.push(finding.to_string()),
        }
    }
    if let (Some(first), false) = (left_out.first().or(taken.first()), skip) {
        let more = left_out.len() + taken.len() - 1;
        let sentence = format!("{first}; {more} more such; 'pxfs check' lists them all");
        return Err(BuildError::refused(sentence));
    }
    let mut overlay = Overlay::new(Arc::new(tree));
    if skip {
        remove_unreadable(&mut overlay, &mut left_out)?;
    }
    let companions = add_companions(&*files, &mut overlay, &mut left_out)?;
    if let (Some(first), false) = (left_out.first(), skip) {
        return Err(BuildError::refused(first.clone()));
    }
    let summary = make(image, Source::Tree(Arc::new(overlay)), options, progress)?;
    Ok(Imported { summary, companions, left_out, taken })
}

/// Takes files out of the tree that cannot be read.
fn remove_unreadable(overlay: &mut Overlay, left_out: &mut Vec<String>) -> Result<()> {
    let mut bad = Vec::new();
    walk(overlay, ROOT_INO, &mut |step| {
        if let Step::Entry(path, attr) = step
            && attr.kind == FileKind::Regular
        {
            // The first read proves the whole content.
            let read = overlay.read(attr.ino, 0, &mut [0]);
            if let Err(error) = overlay.pixel(attr.ino).and(read) {
                bad.push((path.to_vec(), error.to_string()));
            }
        }
        Ok(true)
    })
    .map_err(BuildError::tree("/"))?;
    for (path, error) in bad {
        let shown = format!("/{}", String::from_utf8_lossy(&path));
        let (dir, name) = match path.iter().rposition(|&byte| byte == b'/') {
            Some(at) => (&path[..at], &path[at + 1..]),
            None => (&path[..0], &path[..]),
        };
        let dir = crate::fs::resolve(overlay, dir, false).map_err(BuildError::tree(&shown))?;
        overlay.remove(dir.ino, name);
        left_out.push(format!("{shown}: {error}"));
    }
    Ok(())
}

/// Lays a root's other files over the tree; gives their names.
fn add_companions(
    files: &dyn RootFiles,
    overlay: &mut Overlay,
    left_out: &mut Vec<String>,
) -> Result<Vec<String>> {
    let mut names: Vec<String> =
        NAMES.iter().filter(|name| files.open(name).is_ok()).map(|name| (*name).into()).collect();
    for (registry, named) in [(GOD_REGISTRY, gods(files)), (LLM_REGISTRY, cartridges(files))] {
        match named {
            Ok(named) => names.extend(named),
            Err(problem) => left_out.push(format!("{registry}: {problem}")),
        }
    }
    names.sort();
    names.dedup();
    let mut added = Vec::new();
    for name in names {
        let path = format!("/{COMPANIONS}/{name}");
        let found = clean_path(&path).map_err(str::to_owned).and_then(|parts| {
            let file = companion(files, &name).map_err(|error| error.to_string())?;
            Ok((parts, file))
        });
        match found {
            Err(problem) => left_out.push(format!("{name:?}: {problem}")),
            Ok((parts, file)) => {
                let (last, dirs) = parts.split_last().unwrap_or((&"", &[]));
                let dirs: Vec<&[u8]> = dirs.iter().map(|dir| dir.as_bytes()).collect();
                let failed = || BuildError::tree(&path);
                let dir = overlay.make_dirs(&dirs, file.mtime).map_err(failed())?;
                overlay.put_file(dir, last.as_bytes(), file).map_err(failed())?;
                added.push(name);
            }
        }
    }
    Ok(added)
}

/// The payloads that the registry of god pixels names.
fn gods(files: &dyn RootFiles) -> std::result::Result<Vec<String>, String> {
    if files.open(GOD_REGISTRY).is_err() {
        return Ok(Vec::new());
    }
    let (gods, faults) = read_gods(files).map_err(|error| error.to_string())?;
    match faults.into_iter().next() {
        Some(fault) => Err(fault),
        None => Ok(gods.into_iter().map(|god| god.payload).collect()),
    }
}

/// The pixels that the registry of cartridges names, as far as they are there.
fn cartridges(files: &dyn RootFiles) -> std::result::Result<Vec<String>, String> {
    if files.open(LLM_REGISTRY).is_err() {
        return Ok(Vec::new());
    }
    let text = read_json(files, LLM_REGISTRY).map_err(|error| error.to_string())?;
    let mut named = Vec::new();
    each_member(LLM_REGISTRY, &text, &mut |_, value| {
        let file = serde_json::from_str::<Value>(value.get()).ok();
        let file = file.and_then(|entry| entry.get("file")?.as_str().map(str::to_owned));
        named.extend(file.filter(|_| named.len() < MAX_NAMED));
    })
    .map_err(|error| error.to_string())?;
    named.retain(|name| files.open(name).is_ok());
    Ok(named)
}

fn companion(files: &dyn RootFiles, name: &str) -> std::io::Result<NewFile> {
    let content = files.open(name)?;
    let size = content.size()?;
    let mut hasher = Sha256::new();
    let mut piece = vec![0; 1 << 18];
    let mut at = 0;
    while at < size {
        let want = (size - at).min(piece.len() as u64) as usize;
        match content.read_at(at, &mut piece[..want])? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            read => {
                hasher.update(&piece[..read]);
                at += read as u64;
            }
        }
    }
    let origin = files.origin(PIXELFS).unwrap_or_default();
    Ok(NewFile {
        content,
        size,
        sha256: hasher.finalize().into(),
        kind: PixelType::Config,
        perm: 0o644,
        owner: (origin.uid, origin.gid),
        mtime: origin.mtime,
    })
}
