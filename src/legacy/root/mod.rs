//! A pxOS root as the Python tools leave it: paths in pixelfs.json, contents in
//! file_boot_registry.json, blobs in one pack or in a file each.
//!
//! In: the files of a root. Out: its entries and everything that is wrong with
//! them; a [`RootTree`] serves what is right. Nothing is written here.

mod check;
mod contents;
mod entry;
pub mod files;
mod finding;
mod json;
mod paths;
mod tree;

use std::collections::HashMap;
use std::io;
use std::panic::resume_unwind;
use std::sync::Arc;

use serde_json::{Map, Value};

pub use check::{CheckReport, check};
pub use entry::{Content, PACK, PIXELFS, PathEntry, REGISTRY, id_text, pixel_type};
pub use files::{DirFiles, Origin, ReadAt, RootFiles, TreeFiles};
pub use finding::{Finding, Level};
pub(crate) use paths::circle_text;
pub use paths::{clean_path, root_path};
pub use tree::RootTree;
pub(crate) use tree::{DESCRIPTION, ORIGINAL, REQUIRES};

pub(crate) use contents::prove_content;
pub(crate) use json::{each_member, read_json};

/// Why a root cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// A file that a root must have cannot be read.
    #[error("{file}: {source}")]
    Io {
        /// The file.
        file: &'static str,
        /// The failure.
        source: io::Error,
    },
    /// A file is not the JSON that it must be.
    #[error("{file}: {reason}")]
    Json {
        /// The file.
        file: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

/// A root that was read.
#[derive(Debug)]
pub struct Root {
    pub(crate) files: Arc<dyn RootFiles>,
    /// Contents in the order of the registry.
    pub contents: Vec<Content>,
    /// Paths in the order of pixelfs.json.
    pub paths: Vec<PathEntry>,
    /// What stands in pixelfs.json beside the entries.
    pub head: Map<String, Value>,
    /// What was seen to be wrong when the entries were read.
    pub findings: Vec<Finding>,
    by_id: HashMap<u32, usize>,
}

impl Root {
    /// Reads pixelfs.json and the registry. Without a registry there are paths only.
    ///
    /// # Errors
    /// When pixelfs.json is missing or one of them is no JSON; faults of single
    /// entries become findings.
    pub fn read(files: Arc<dyn RootFiles>) -> Result<Self, RootError> {
        // The two files tell nothing of each other until they are compared, and
        // together they are most of the time that a large root takes.
        let (paths, contents) = std::thread::scope(|scope| {
            let read = || read_contents(&*files);
            let other = std::thread::Builder::new().spawn_scoped(scope, read);
            let paths = read_paths(&*files);
            let contents = match other {
                Ok(other) => other.join().unwrap_or_else(|panic| resume_unwind(panic)),
                Err(_) => read(),
            };
            (paths, contents)
        });
        let (paths, head, mut findings) = paths?;
        let (contents, more) = contents?;
        findings.extend(more);
        let by_id = contents.iter().enumerate().map(|(index, entry)| (entry.id, index)).collect();
        let mut root = Self { files, contents, paths, head, findings, by_id };
        root.compare();
        Ok(root)
    }

    /// The content of an id.
    pub fn content(&self, id: u32) -> Option<&Content> {
        Some(&self.contents[self.index_of(id)?])
    }

    fn index_of(&self, id: u32) -> Option<usize> {
        self.by_id.get(&id).copied()
    }

    /// What paths say of contents, against what the registry says.
    fn compare(&mut self) {
        let mut findings = std::mem::take(&mut self.findings);
        for path in &self.paths {
            let place = || format!("{PIXELFS} {:?}", path.path);
            let Some(content) = self.content(path.id) else {
                let problem = format!("{} is not in the registry", id_text(path.id));
                findings.push(Finding::error("id-stale", &place(), problem));
                continue;
            };
            if content.original_size != path.size {
                let (said, is) = (path.size, content.original_size);
                let problem = format!("size says {said}, the registry {is}");
                findings.push(Finding::warning("size-stale", &place(), problem));
            }
            if pixel_type(&content.kind) != pixel_type(&path.kind) {
                let problem = format!("type says {:?}, the registry {:?}", path.kind, content.kind);
                findings.push(Finding::warning("type-disagrees", &place(), problem));
            }
        }
        self.findings = findings;
    }
}

/// Reads an entry of the registry; `None` if it is of no use.
pub(crate) fn parse_content(key: &str, value: &str) -> Option<Content> {
    entry::content(key, json::entry_text(value), &mut Vec::new())
}

/// Reads an entry of pixelfs.json; `None` if it is of no use.
pub(crate) fn parse_path(key: &str, value: &str) -> Option<PathEntry> {
    entry::path_entry(key, json::entry_text(value), &mut Vec::new())
}

/// The paths, what stands beside them in pixelfs.json, and what is wrong there.
type Paths = (Vec<PathEntry>, Map<String, Value>, Vec<Finding>);

fn read_paths(files: &dyn RootFiles) -> Result<Paths, RootError> {
    let mut findings = Vec::new();
    let (mut paths, mut head, mut entries) = (Vec::new(), Map::new(), None);
    let text = read_json(files, PIXELFS)?;
    each_member(PIXELFS, &text, &mut |key, value| {
        if key == "entries" {
            entries = Some(value.get().to_owned());
        } else if let Some(value) = json::small_value(value) {
            head.insert(key, value);
        }
    })?;
    drop(text);
    let entries = entries.ok_or_else(|| RootError::Json {
        file: PIXELFS,
        reason: "there is no \"entries\" in it".into(),
    })?;
    let mut index = HashMap::new();
    each_member(PIXELFS, entries.as_bytes(), &mut |key, value| {
        let value = json::entry_text(value.get());
        if let Some(entry) = entry::path_entry(&key, value, &mut findings) {
            insert(&mut paths, &mut index, key, entry, PIXELFS, &mut findings);
        }
    })?;
    Ok((paths, head, findings))
}

fn read_contents(files: &dyn RootFiles) -> Result<(Vec<Content>, Vec<Finding>), RootError> {
    let (mut contents, mut index) = (Vec::new(), HashMap::new());
    let mut findings = Vec::new();
    let text = match read_json(files, REGISTRY) {
        Err(RootError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return Ok((contents, findings));
        }
        text => text?,
    };
    each_member(REGISTRY, &text, &mut |key, value| {
        let value = json::entry_text(value.get());
        if let Some(entry) = entry::content(&key, value, &mut findings) {
            insert(&mut contents, &mut index, entry.id, entry, REGISTRY, &mut findings);
        }
    })?;
    Ok((contents, findings))
}

/// Enters what stands under a key; of several the last one counts, as in Python.
fn insert<K: std::hash::Hash + Eq + std::fmt::Debug + Clone, T>(
    list: &mut Vec<T>,
    index: &mut HashMap<K, usize>,
    key: K,
    entry: T,
    file: &str,
    findings: &mut Vec<Finding>,
) {
    if let Some(&at) = index.get(&key) {
        let problem = format!("the key {key:?} is there twice; the last one counts");
        findings.push(Finding::error("key-twice", file, problem));
        list[at] = entry;
        return;
    }
    index.insert(key, list.len());
    list.push(entry);
}
