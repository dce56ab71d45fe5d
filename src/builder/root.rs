//! A pxOS root that is changed: both JSON files in memory, a lock on the
//! directory, and writes in an order that loses nothing whenever they end: blobs,
//! then the registry, then the paths.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::document::Document;
use super::entries::{ContentEntry, PathText, ids_of, lightly_normalised};
use super::error::{BuildError, Result};
use super::files::{Wait, lock, remove_leftovers, write_file};
use crate::format::{Digest, PixelType};
use crate::legacy::root::{
    Content, DirFiles, PIXELFS, PathEntry, REGISTRY, RootError, RootFiles, circle_text, clean_path,
    id_text, parse_content, parse_path, prove_content, read_json, root_path,
};

/// The member of pixelfs.json that holds the paths.
const ENTRIES: &str = "entries";

/// A root that is open for changes; no other pxfs changes it meanwhile.
#[derive(Debug)]
pub struct RootBuilder {
    pub(super) dir: PathBuf,
    pub(super) files: Arc<dyn RootFiles>,
    pub(super) registry: Document,
    pub(super) paths: Document,
    /// pixelfs.json around the paths.
    head: Document,
    /// Held, and so is the lock.
    _lock: File,
}

/// A path to be.
#[derive(Debug, Clone, Default)]
pub struct NewPath {
    /// The path, from `/`.
    pub path: String,
    /// Its type; that of the content if not given.
    pub kind: Option<PixelType>,
    /// What it is for; the content's name if not given.
    pub description: Option<String>,
    /// Paths that must be there and be loaded first.
    pub requires: Vec<String>,
    /// What is recorded as its source; the content's own if not given.
    pub original_path: Option<String>,
    /// Another content that is there gives way.
    pub replace: bool,
}

/// What became of a path.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Added {
    /// The path.
    pub path: String,
    /// Its content's id.
    #[serde(serialize_with = "as_id_text")]
    pub id: u32,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Bytes of the content.
    pub size: u64,
    /// Whether the content was packed for it.
    pub packed: bool,
    /// Whether there was such a path before.
    pub replaced: bool,
}

fn as_id_text<S: serde::Serializer>(id: &u32, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&id_text(*id))
}

/// Makes an empty root in `dir`, which is made if it is missing.
///
/// # Errors
/// When there is a root already, or it cannot be written.
pub fn init(dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir).map_err(BuildError::file(dir))?;
    let _lock = lock(dir, Wait::Forever)?;
    if dir.join(PIXELFS).symlink_metadata().is_ok() {
        let shown = dir.display();
        return Err(BuildError::refused(format!("{shown}: is a pxOS root already")));
    }
    let text = "{\n  \"version\": \"1.0\",\n  \"description\": \
                \"PixelFS virtual filesystem for pxOS\",\n  \"entries\": {}\n}";
    write_file(dir, PIXELFS, text.as_bytes())
}

impl RootBuilder {
    /// Opens the root in `dir` for changes. What pxfs left there that was killed
    /// goes away.
    ///
    /// # Errors
    /// When it is no root, or its JSON files cannot be read.
    pub fn open(dir: &Path) -> Result<Self> {
        Self::open_within(dir, Wait::Forever)
    }

    /// The same, but others who change it are waited for only so long.
    pub(super) fn open_within(dir: &Path, wait: Wait) -> Result<Self> {
        let lock = lock(dir, wait)?;
        let files: Arc<dyn RootFiles> =
            Arc::new(DirFiles::open(dir).map_err(BuildError::file(dir))?);
        let head = match read_json(&*files, PIXELFS) {
            Err(RootError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                let shown = dir.display();
                let sentence = format!("{shown}: has no {PIXELFS}; 'pxfs init' makes one");
                return Err(BuildError::refused(sentence));
            }
            text => Document::parse(PIXELFS, &text?)?,
        };
        let entries = head.get(ENTRIES).ok_or_else(|| RootError::Json {
            file: PIXELFS,
            reason: "there is no \"entries\" in it".into(),
        })?;
        let paths = Document::parse(PIXELFS, entries.as_bytes())?;
        let registry = match read_json(&*files, REGISTRY) {
            Err(RootError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                Document::default()
            }
            text => Document::parse(REGISTRY, &text?)?,
        };
        remove_leftovers(&lock);
        Ok(Self { dir: dir.to_owned(), files, registry, paths, head, _lock: lock })
    }

    /// Writes the registry, on the disk when this returns.
    pub(super) fn save_registry(&self) -> Result<()> {
        let mut text = String::new();
        self.registry.write(&mut text, 0);
        write_file(&self.dir, REGISTRY, text.as_bytes())
    }

    /// Writes the paths. The contents they lead to must have been written before.
    pub(super) fn save_paths(&self) -> Result<()> {
        use crate::fs::python_json::push_member;
        let mut entries = String::new();
        self.paths.write(&mut entries, 1);
        let mut text = String::from("{");
        let mut is_first = true;
        for (key, value) in self.head.iter() {
            let value = if key == ENTRIES { entries.as_str() } else { value };
            push_member(&mut text, 1, key, value, is_first);
            is_first = false;
        }
        text.push_str("\n}");
        write_file(&self.dir, PIXELFS, text.as_bytes())
    }

    /// The content with an id, if the registry has one that is of use.
    pub fn content(&self, id: u32) -> Option<Content> {
        let key = id.to_string();
        parse_content(&key, self.registry.get(&key)?)
    }

    /// The entry of a path, if there is one that is of use.
    pub fn path(&self, path: &str) -> Option<PathEntry> {
        parse_path(path, self.paths.get(path)?)
    }

    /// All paths that are of use, in order.
    pub(super) fn each_path(&self) -> impl Iterator<Item = PathEntry> {
        self.paths.iter().filter_map(|(path, value)| parse_path(path, value))
    }

    /// All contents that are of use, in order.
    pub(super) fn each_content(&self) -> impl Iterator<Item = Content> {
        self.registry.iter().filter_map(|(key, value)| parse_content(key, value))
    }

    /// The id under which a content is registered or, if it is not, will be: four
    /// bytes of its digest, by rule the first that no other content has.
    pub(super) fn id_for(&self, sha256: &Digest) -> Result<(u32, Option<Content>)> {
        let mut free = None;
        for id in ids_of(sha256) {
            match self.content(id) {
                Some(content) if content.sha256 == *sha256 => return Ok((id, Some(content))),
                Some(_) => {}
                None => free = free.or(Some(id)),
            }
        }
        let taken = || BuildError::refused("all ids that this content may have are taken");
        Ok((free.ok_or_else(taken)?, None))
    }

    /// Whether a content can be read as the registry describes it.
    pub(super) fn is_proven(&self, content: &Content) -> bool {
        prove_content(&*self.files, content).is_ok()
    }

    pub(super) fn set_content(&mut self, content: &Content) -> Result<()> {
        self.registry.set(&content.id.to_string(), &ContentEntry::from(content), 0)
    }

    pub(super) fn set_path(&mut self, path: &PathEntry) -> Result<()> {
        self.paths.set(&path.path, &PathText::from(path), 1)
    }

    /// Adds a path to a content that is registered.
    ///
    /// # Errors
    /// When the path cannot be a file's, or the id is not registered.
    pub fn add_id(&mut self, new: &NewPath, id: u32) -> Result<Added> {
        self.check_new(new, Some(id))?;
        let added = self.enter(new, id, false)?;
        self.save_paths()?;
        Ok(added)
    }

    /// Refuses a path before anything is done for it.
    pub(super) fn check_new(&self, new: &NewPath, id: Option<u32>) -> Result<()> {
        self.check_path(&new.path)?;
        for required in &new.requires {
            clean_path(required).map_err(|problem| bad_path(required, problem))?;
            if *required == new.path {
                return Err(BuildError::refused(format!("{required:?} cannot require itself")));
            }
            let requires = |path: &str| self.path(path).map_or_else(Vec::new, |path| path.requires);
            check_circle(&new.path, required, requires)?;
        }
        match self.path(&new.path) {
            Some(old) if id.is_some_and(|id| id != old.id) && !new.replace => {
                let (path, id) = (&new.path, id_text(old.id));
                let sentence = format!("{path:?} is there with another content, {id}; use --force");
                Err(BuildError::refused(sentence))
            }
            _ => Ok(()),
        }
    }

    /// Whether a path can be a file's: clean, and neither a directory of others
    /// nor in a file.
    pub(super) fn check_path(&self, path: &str) -> Result<()> {
        root_path(path).map_err(|problem| bad_path(path, problem))?;
        for (at, _) in path.match_indices('/').skip(1) {
            if self.paths.get(&path[..at]).is_some() {
                let file = &path[..at];
                let sentence = format!("{path:?} cannot be: {file:?} is a file");
                return Err(BuildError::refused(sentence));
            }
        }
        if let Some(inside) = self.first_below(path) {
            let sentence = format!("{path:?} is a directory: {inside:?} lies in it");
            return Err(BuildError::refused(sentence));
        }
        Ok(())
    }

    /// A path that lies in the directory `dir`.
    pub(super) fn first_below(&self, dir: &str) -> Option<&str> {
        let below = |path: &&str| is_below(path, dir);
        self.paths.iter().map(|(path, _)| path).find(below)
    }

    /// Enters a path that was checked.
    pub(super) fn enter(&mut self, new: &NewPath, id: u32, packed: bool) -> Result<Added> {
        let content = self.content(id).ok_or_else(|| {
            BuildError::refused(format!("{} is not in the registry", id_text(id)))
        })?;
        let old = self.path(&new.path);
        let replaced = old.is_some();
        let old = old.filter(|old| old.id == id);
        let original = new.original_path.as_deref().map(lightly_normalised);
        let entry = PathEntry {
            path: new.path.clone(),
            id,
            kind: match new.kind {
                Some(kind) => kind.name().to_owned(),
                None => content.kind.clone(),
            },
            description: new.description.clone().unwrap_or_else(|| match &old {
                Some(old) => old.description.clone(),
                None => content.name.clone(),
            }),
            original_path: original.unwrap_or_else(|| content.original_path.clone()),
            size: content.original_size,
            requires: match &old {
                Some(old) if new.requires.is_empty() => old.requires.clone(),
                _ => new.requires.clone(),
            },
            extra: old.map(|old| old.extra).unwrap_or_default(),
        };
        for required in new.requires.iter().filter(|path| self.paths.get(path).is_none()) {
            log::warn!("{:?} requires {required:?}, which is not there (yet)", new.path);
        }
        self.set_path(&entry)?;
        let (path, kind, size) = (entry.path, entry.kind, content.original_size);
        Ok(Added { path, id, kind, size, packed, replaced })
    }
}

/// Whether `path` lies in the directory `dir`.
pub(super) fn is_below(path: &str, dir: &str) -> bool {
    path.strip_prefix(dir).is_some_and(|rest| rest.starts_with('/'))
}

/// Refuses that `path` requires `required` if that requires `path` in turn, itself
/// or over others; `requires` gives what a path does.
pub(super) fn check_circle(
    path: &str,
    required: &str,
    requires: impl Fn(&str) -> Vec<String>,
) -> Result<()> {
    // Each path that was reached, and whence: the nearest first, so the circle that
    // is named is a smallest one.
    let mut from = HashMap::from([(required.to_owned(), None)]);
    let mut todo = VecDeque::from([required.to_owned()]);
    while let Some(at) = todo.pop_front() {
        if at == path {
            let mut circle = vec![];
            let mut before = from[&at].as_ref();
            while let Some(step) = before {
                circle.push(String::as_str(step));
                before = from[step].as_ref();
            }
            circle.push(path);
            circle.reverse();
            let circle = circle_text(&circle);
            let sentence = format!(
                "{path:?} cannot require {required:?}, which requires it in turn: {circle}"
            );
            return Err(BuildError::refused(sentence));
        }
        for next in requires(&at) {
            if !from.contains_key(&next) {
                from.insert(next.clone(), Some(at.clone()));
                todo.push_back(next);
            }
        }
    }
    Ok(())
}

pub(super) fn bad_path(path: &str, problem: &str) -> BuildError {
    BuildError::refused(format!("{path:?} can be no path: it {problem}"))
}
