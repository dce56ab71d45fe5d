//! Paths that a client gives: clean, from `/`, and never out of the tree.

use super::text::{show, unshow};
use super::work::{Failure, Result};
use crate::fs::{Attr, FileKind, FsError, Tree, resolve};

/// The longest path of Linux.
const MAX_PATH: usize = 4096;

/// A path without `.`, `..` and empty parts. One that does not begin with `/` does
/// so from the root: there is no other place to begin.
///
/// # Errors
/// When `..` leads out of the tree, or it can be no path.
pub(super) fn clean(path: &str) -> Result<String> {
    if path.len() > MAX_PATH || path.contains('\0') {
        return Err(Failure::said("a path has at most 4096 bytes, and no NUL"));
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.pop().is_none() => {
                let path = show(path.as_bytes());
                return Err(Failure::said(format!("'{path}' leads out of the tree")));
            }
            ".." => {}
            part => parts.push(part),
        }
    }
    Ok(format!("/{}", parts.join("/")))
}

/// A path that was found.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// Its bytes, from `/`.
    pub(super) path: Vec<u8>,
    /// What it names, links followed.
    pub(super) attr: Attr,
}

impl Found {
    /// The path for people.
    pub(super) fn shown(&self) -> String {
        show(&self.path)
    }
}

/// A path and what is below it.
pub(super) fn join(dir: &[u8], name: &[u8]) -> Vec<u8> {
    let dir = dir.strip_suffix(b"/").unwrap_or(dir);
    [dir, b"/", name].concat()
}

/// Finds a path; as it is, else as [`show`] shows names.
///
/// # Errors
/// When there is nothing there.
pub(super) fn find(tree: &dyn Tree, path: &str) -> Result<Found> {
    find_with(tree, path, true)
}

/// The same, with the last link followed only if `follow`.
pub(super) fn find_with(tree: &dyn Tree, path: &str, follow: bool) -> Result<Found> {
    let path = clean(path)?;
    let mut bytes = path.clone().into_bytes();
    let mut attr = resolve(tree, &bytes, follow);
    if matches!(attr, Err(FsError::NotFound))
        && let Some(meant) = unshow(&path)
        && let Ok(found) = resolve(tree, &meant, follow)
    {
        (bytes, attr) = (meant, Ok(found));
    }
    let attr = attr.map_err(Failure::at(&bytes))?;
    Ok(Found { path: bytes, attr })
}

/// Finds a directory.
///
/// # Errors
/// When it is none.
pub(super) fn find_dir(tree: &dyn Tree, path: &str) -> Result<Found> {
    let found = find(tree, path)?;
    match found.attr.kind {
        FileKind::Directory => Ok(found),
        _ => Err(Failure::said(format!("{}: is not a directory", found.shown()))),
    }
}

/// Finds a regular file.
///
/// # Errors
/// When it is none.
pub(super) fn find_file(tree: &dyn Tree, path: &str) -> Result<Found> {
    let found = find(tree, path)?;
    match found.attr.kind {
        FileKind::Regular => Ok(found),
        FileKind::Directory => Err(Failure::said(format!("{}: is a directory", found.shown()))),
        _ => Err(Failure::said(format!("{}: is not a regular file", found.shown()))),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leads_out() {
        for (path, expected) in [
            ("/a/b", "/a/b"),
            ("a//b/", "/a/b"),
            ("", "/"),
            (".", "/"),
            ("/a/../b/./c", "/b/c"),
            ("/..a/b..", "/..a/b.."),
        ] {
            assert_eq!(clean(path).unwrap(), expected);
        }
        let long = "x".repeat(4097);
        for bad in ["..", "/..", "/a/../..", "a/../../etc/passwd", "/a\0b", &long] {
            let Err(Failure::Said(sentence)) = clean(bad) else { panic!("{bad}") };
            assert!(sentence.contains("leads out") || sentence.contains("at most"), "{sentence}");
        }
    }
}
