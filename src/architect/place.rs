//! The one thing that the architect may change: a picture, a pxOS root or a
//! directory. It is read as it boots, and written through [`Editor`], which lets
//! nothing lead out of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::make::MAX_MODULE_BYTES;
use super::paths::RECORDS;
use super::record::{LOG, MAX_LOG, MAX_STATE, STATE};
use super::staged::Change;
use crate::boot::{BootRoot, DirRoot, TreeRoot};
use crate::builder::{BuildError, EditOptions, Editor, PlaceKind};
use crate::format::PixelType;
use crate::fs::{Tree, WithHidden};

/// A place to work in.
#[derive(Debug)]
pub struct Place {
    path: PathBuf,
    editor: Editor,
}

/// A place as it boots at some moment.
pub enum Root {
    /// A directory, which is always as it is.
    Dir(DirRoot),
    /// The tree of a picture or of a pxOS root.
    Tree(Arc<dyn Tree>),
}

impl std::fmt::Debug for Root {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Root")
    }
}

impl Root {
    /// Does something with the boot root.
    pub fn with<T>(&self, work: impl FnOnce(&dyn BootRoot) -> T) -> T {
        match self {
            Self::Dir(root) => work(root),
            Self::Tree(tree) => work(&TreeRoot(&**tree)),
        }
    }
}

/// Why a change was not written.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// Somebody else changed the file meanwhile.
    #[error("{0} was changed by somebody else meanwhile")]
    Changed(String),
    /// The place cannot be read or written.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The directory cannot be opened.
    #[error("{path}: {source}")]
    Open {
        /// Its path.
        path: String,
        /// Why not.
        source: std::io::Error,
    },
}

impl Place {
    /// Opens the picture, pxOS root or directory at a path.
    ///
    /// # Errors
    /// When it is none of them.
    pub fn open(path: &Path) -> Result<Self, KeepError> {
        let editor = Editor::open(path, &EditOptions::default())?;
        Ok(Self { path: path.to_owned(), editor })
    }

    /// It is changed through this.
    pub fn editor(&mut self) -> &mut Editor {
        &mut self.editor
    }

    /// The place as it boots now.
    ///
    /// # Errors
    /// When it cannot be read any more.
    pub fn root(&mut self) -> Result<Root, KeepError> {
        if self.editor.kind() == PlaceKind::Directory {
            let root = DirRoot::open(&self.path);
            let path = self.path.display().to_string();
            return Ok(Root::Dir(root.map_err(|source| KeepError::Open { path, source })?));
        }
        self.editor.refresh()?;
        Ok(Root::Tree(Arc::new(WithHidden::new(self.editor.tree()))))
    }

    /// Writes changes, all or none of them, if what they replace is still there.
    ///
    /// # Errors
    /// When it is not, or they cannot be written; what was there is as it was then.
    pub fn keep(&mut self, changes: &[Change]) -> Result<(), KeepError> {
        self.editor.begin()?;
        let mut written = 0;
        let done = self.write_all(changes, &mut written);
        let done = done.and_then(|()| Ok(self.editor.save()?));
        if done.is_err() {
            self.editor.discard();
            if self.editor.kind() != PlaceKind::Picture {
                self.undo(&changes[..written])?;
            }
        }
        done
    }

    fn write_all(&mut self, changes: &[Change], written: &mut usize) -> Result<(), KeepError> {
        for change in changes {
            let now = self.editor.read(&change.path, MAX_MODULE_BYTES)?;
            if now != change.old {
                return Err(KeepError::Changed(change.path.clone()));
            }
        }
        for change in changes {
            let (kind, text) = (Some(change.kind), change.description.as_deref());
            self.editor.write(&change.path, &change.bytes, kind, text)?;
            *written += 1;
        }
        Ok(())
    }

    /// Takes changes back that were written.
    ///
    /// # Errors
    /// When that cannot be written.
    pub fn undo(&mut self, changes: &[Change]) -> Result<(), KeepError> {
        for change in changes.iter().rev() {
            match &change.old {
                Some(old) => {
                    self.editor.write(&change.path, old, None, None)?;
                }
                None => self.editor.remove(&change.path, false)?,
            }
        }
        Ok(self.editor.save()?)
    }

    /// The records of earlier runs: the state and the log.
    ///
    /// # Errors
    /// When they are there and cannot be read.
    pub fn records(&self) -> Result<(Option<Vec<u8>>, Vec<u8>), KeepError> {
        let read = |name: &str, most: u64| match self.editor.kind() {
            PlaceKind::Root => self.editor.read_beside(name, most),
            _ => self.editor.read(&format!("{RECORDS}/{name}"), most),
        };
        let log = read(LOG, MAX_LOG)?.unwrap_or_default();
        Ok((read(STATE, MAX_STATE)?, log))
    }

    /// Writes the records.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn record(&mut self, state: &[u8], log: &[u8]) -> Result<(), KeepError> {
        for (name, bytes) in [(LOG, log), (STATE, state)] {
            match self.editor.kind() {
                PlaceKind::Root => self.editor.write_beside(name, bytes)?,
                _ => {
                    let path = format!("{RECORDS}/{name}");
                    self.editor.write(&path, bytes, Some(PixelType::Data), None)?;
                }
            }
        }
        Ok(self.editor.save()?)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn change(path: &str, text: &str, old: Option<&str>) -> Change {
        Change {
            path: path.to_owned(),
            bytes: text.as_bytes().to_vec(),
            kind: PixelType::Data,
            description: None,
            old: old.map(|old| old.as_bytes().to_vec()),
        }
    }

    #[test]
    fn all_changes_are_written_or_none_and_can_be_undone() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("data")).unwrap();
        std::fs::write(dir.path().join("data/a"), "old").unwrap();
        let mut place = Place::open(dir.path()).unwrap();
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).ok();
        let stale = [change("/data/b", "b", None), change("/data/a", "new", Some("older"))];
        let error = place.keep(&stale).unwrap_err().to_string();
        assert_eq!(error, "/data/a was changed by somebody else meanwhile");
        assert_eq!((read("data/a").as_deref(), read("data/b")), (Some("old"), None));
        // The second cannot be written: the first goes again.
        let bad = [change("/data/b", "b", None), change("/data/a/x", "x", None)];
        place.keep(&bad).unwrap_err();
        assert_eq!((read("data/a").as_deref(), read("data/b")), (Some("old"), None));
        let good = [change("/data/b", "b", None), change("/data/a", "new", Some("old"))];
        place.keep(&good).unwrap();
        assert_eq!((read("data/a").unwrap(), read("data/b").unwrap()), ("new".into(), "b".into()));
        place.undo(&good).unwrap();
        assert_eq!((read("data/a").as_deref(), read("data/b")), (Some("old"), None));
    }

    #[test]
    fn records_are_where_each_place_has_them() {
        let dir = tempfile::tempdir().unwrap();
        let mut place = Place::open(dir.path()).unwrap();
        assert_eq!(place.records().unwrap(), (None, Vec::new()));
        place.record(b"{}", b"line\n").unwrap();
        assert_eq!(place.records().unwrap(), (Some(b"{}".to_vec()), b"line\n".to_vec()));
        assert!(dir.path().join("data/architect/architect_state.json").exists());
        let root = dir.path().join("root");
        crate::builder::init(&root).unwrap();
        let mut place = Place::open(&root).unwrap();
        place.record(b"{}", b"line\n").unwrap();
        assert!(root.join("architect_state.json").exists());
        assert_eq!(place.records().unwrap().1, b"line\n");
    }
}
