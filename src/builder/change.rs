//! Paths of a root that go away or get other names.

use std::collections::HashSet;

use super::error::{BuildError, Result};
use super::root::{RootBuilder, bad_path, is_below};
use crate::legacy::root::{id_text, root_path};

/// What was removed.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Removed {
    /// Paths.
    pub paths: Vec<String>,
    /// Ids of contents that went with them.
    pub contents: Vec<String>,
}

impl RootBuilder {
    /// Removes paths; a directory only if `recursive`. With `purge` contents go
    /// that no path leads to any more.
    ///
    /// # Errors
    /// When one of them is not there; nothing is removed then.
    pub fn remove(&mut self, paths: &[String], recursive: bool, purge: bool) -> Result<Removed> {
        let mut gone = Vec::new();
        for path in paths {
            if self.paths.get(path).is_some() {
                gone.push(path.clone());
                continue;
            }
            let dir = path.trim_end_matches('/');
            let below: Vec<String> = self.paths.iter().map(|(path, _)| path.to_owned()).collect();
            let below: Vec<String> = below.into_iter().filter(|path| is_below(path, dir)).collect();
            match below.first() {
                None => return Err(not_found(path)),
                Some(_) if !recursive => {
                    return Err(BuildError::refused(format!("{path:?} is a directory; use -r")));
                }
                Some(_) => gone.extend(below),
            }
        }
        let ids: HashSet<u32> = gone.iter().filter_map(|path| Some(self.path(path)?.id)).collect();
        gone.retain(|path| self.paths.remove(path));
        let lost: HashSet<&String> = gone.iter().collect();
        for path in self.each_path() {
            for lost in path.requires.iter().filter(|required| lost.contains(required)) {
                log::warn!("{:?} requires {lost:?}, which was removed", path.path);
            }
        }
        self.save_paths()?;
        let contents = if purge { self.purge(&ids)? } else { Vec::new() };
        Ok(Removed { paths: gone, contents })
    }

    /// Removes those of these contents that no path leads to.
    pub(super) fn purge(&mut self, ids: &HashSet<u32>) -> Result<Vec<String>> {
        let used: HashSet<u32> = self.each_path().map(|path| path.id).collect();
        let mut gone: Vec<_> =
            ids.iter().filter(|id| !used.contains(id)).filter_map(|id| self.content(*id)).collect();
        gone.sort_by_key(|content| content.id);
        for content in &gone {
            self.registry.remove(&content.id.to_string());
        }
        self.save_registry()?;
        let kept: HashSet<String> = self
            .each_content()
            .flat_map(|content| [content.pixel_file, content.blob_file])
            .collect();
        for content in &gone {
            // Only what is where we would have put it: a registry may name anything.
            let blob = format!("{}/file_{:08X}.bin", super::add::BLOBS, content.id);
            if content.blob_file == blob && !kept.contains(&blob) {
                let _ = std::fs::remove_file(self.dir.join(blob));
            }
            let pixel = &content.pixel_file;
            let is_ours = pixel.ends_with(super::add::PIXEL_END) && !pixel.contains('/');
            if is_ours && !kept.contains(pixel) {
                let _ = std::fs::remove_file(self.dir.join(pixel));
            }
        }
        Ok(gone.iter().map(|content| id_text(content.id)).collect())
    }

    /// Gives a path, or all paths in a directory, another name; `requires` that
    /// name them follow. Gives back old and new paths.
    ///
    /// # Errors
    /// When `old` is not there, or something is at the new place.
    pub fn rename(&mut self, old: &str, new: &str) -> Result<Vec<(String, String)>> {
        let (is_file, dir) = (self.paths.get(old).is_some(), old.trim_end_matches('/'));
        if !is_file && (dir.is_empty() || self.first_below(dir).is_none()) {
            return Err(not_found(old));
        }
        let old = if is_file { old } else { dir };
        let into = new.ends_with('/') || self.first_below(new).is_some();
        let last = old.rsplit('/').next().unwrap_or(old);
        let new = match into {
            true => format!("{}/{last}", new.trim_end_matches('/')),
            false => new.to_owned(),
        };
        root_path(&new).map_err(|problem| bad_path(&new, problem))?;
        if is_below(&new, old) {
            return Err(BuildError::refused(format!("{new:?} lies in {old:?} itself")));
        }
        let moved = |path: &str| match path == old {
            true => Some(new.clone()),
            false if is_below(path, old) => Some(format!("{new}{}", &path[old.len()..])),
            false => None,
        };
        let moves: Vec<(String, String)> = self
            .paths
            .iter()
            .filter_map(|(path, _)| Some((path.to_owned(), moved(path)?)))
            .collect();
        self.check_moves(&new, old)?;
        for (_, to) in &moves {
            root_path(to).map_err(|problem| bad_path(to, problem))?;
        }
        for (from, to) in &moves {
            self.paths.rename(from, to);
        }
        let requiring: Vec<_> = self.each_path().filter(|path| !path.requires.is_empty()).collect();
        for mut entry in requiring {
            let before = entry.requires.clone();
            for required in &mut entry.requires {
                *required = moved(required).unwrap_or_else(|| required.clone());
            }
            if entry.requires != before {
                self.set_path(&entry)?;
            }
        }
        self.save_paths()?;
        Ok(moves)
    }

    /// Whether nothing is where `old` is to be moved to.
    fn check_moves(&self, new: &str, old: &str) -> Result<()> {
        if new != old && (self.paths.get(new).is_some() || self.first_below(new).is_some()) {
            return Err(BuildError::refused(format!("{new:?} is there already")));
        }
        let above = new.match_indices('/').skip(1).map(|(at, _)| &new[..at]);
        match above.into_iter().find(|dir| self.paths.get(dir).is_some()) {
            Some(file) => Err(BuildError::refused(format!("{file:?} is a file"))),
            None => Ok(()),
        }
    }
}

fn not_found(path: &str) -> BuildError {
    BuildError::refused(format!("{path:?}: no such path"))
}
