//! The files of this machine that are to be added.

use std::ffi::OsString;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::add::PIXEL_END;
use super::error::{BuildError, Result};
use crate::legacy::root::{PACK, PIXELFS, REGISTRY};
use crate::mkfs::Excludes;

/// A file to be added.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// Where it is.
    pub(super) file: PathBuf,
    /// Its path inside the source; for a source that is a file, its name.
    pub(super) inside: String,
    /// Its size when it was listed.
    pub(super) size: u64,
}

/// A file, something that a root cannot hold, or a sentence on what failed.
type Step = std::result::Result<Option<Found>, String>;

/// Calls `visit` for what is in `source`, by name. Links are not followed. What
/// makes up the target itself is left out: a root's own files in its directory,
/// a picture.
pub(super) fn list_sources(
    source: &Path,
    target: &Path,
    excludes: &Excludes,
    visit: &mut dyn FnMut(Step) -> Result<()>,
) -> Result<()> {
    let own = identity(&std::fs::metadata(target).map_err(BuildError::file(target))?);
    // The user's own path may be a link.
    let found = match std::fs::metadata(source) {
        Ok(found) => found,
        Err(error) => return visit(Err(format!("{}: {error}", source.display()))),
    };
    if !found.is_dir() && identity(&found) == own {
        return Ok(());
    }
    if !found.is_dir() {
        let name = source.file_name().unwrap_or(source.as_os_str());
        return visit(step(source.to_owned(), name.to_str().map(str::to_owned), &found));
    }
    let mut stack = vec![(source.to_owned(), Some(String::new()))];
    while let Some((path, inside)) = stack.pop() {
        let found = match inside.as_deref() {
            Some("") => std::fs::metadata(&path),
            _ => std::fs::symlink_metadata(&path),
        };
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                visit(Err(format!("{}: {error}", path.display())))?;
                continue;
            }
        };
        let is_own = identity(&found) == own;
        if !found.is_dir() {
            if !is_own {
                visit(step(path, inside, &found))?;
            }
            continue;
        }
        let mut names = match names_in(&path) {
            Ok(names) => names,
            Err(error) => {
                visit(Err(format!("{}: {error}", path.display())))?;
                continue;
            }
        };
        names.sort_unstable();
        // The last one is taken up first.
        for (name, is_dir) in names.into_iter().rev() {
            let child = path.join(&name);
            if excludes.matches(&child, is_dir) || is_own && is_of_root(&name) {
                continue;
            }
            let inside = inside.as_deref().zip(name.to_str()).map(|(dir, name)| match dir {
                "" => name.to_owned(),
                dir => format!("{dir}/{name}"),
            });
            stack.push((child, inside));
        }
    }
    Ok(())
}

fn identity(found: &std::fs::Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}

fn names_in(dir: &Path) -> std::io::Result<Vec<(OsString, bool)>> {
    let entries = std::fs::read_dir(dir)?;
    entries.map(|entry| entry.and_then(|e| Ok((e.file_name(), e.file_type()?.is_dir())))).collect()
}

fn step(file: PathBuf, inside: Option<String>, found: &std::fs::Metadata) -> Step {
    if !found.is_file() {
        return Ok(None);
    }
    match inside {
        Some(inside) => Ok(Some(Found { file, inside, size: found.len() })),
        None => Err(format!("{}: a path in a root is UTF-8, and this is not", file.display())),
    }
}

/// Whether a name in the root's directory is one of the root's own files.
fn is_of_root(name: &OsString) -> bool {
    let Some(name) = name.to_str() else { return false };
    [PIXELFS, REGISTRY, PACK, super::add::BLOBS].contains(&name) || name.ends_with(PIXEL_END)
}
