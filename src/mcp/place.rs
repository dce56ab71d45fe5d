//! The place that is served: its tree as it is now, and its editor.

use std::sync::Arc;

use parking_lot::Mutex;

use super::work::Result;
use crate::builder::{BuildError, Editor, PlaceKind};
use crate::fs::{PixelTree, Tree, WithHidden};

/// A place that is served.
#[derive(Debug)]
pub struct Place {
    source: Source,
    /// Its name, for people.
    name: String,
}

#[derive(Debug)]
enum Source {
    /// What cannot be changed here: a project pixel, a picture that is no PNG.
    Fixed(Arc<WithHidden>),
    Editor(Box<Mutex<Edited>>),
}

#[derive(Debug)]
struct Edited {
    editor: Editor,
    /// The tree that was made last, with its hidden part.
    tree: Arc<WithHidden>,
    /// The tree that it was made of.
    inner: Arc<dyn PixelTree>,
}

impl Place {
    /// A tree that does not change.
    pub fn fixed(name: impl Into<String>, tree: WithHidden) -> Self {
        Self { source: Source::Fixed(Arc::new(tree)), name: name.into() }
    }

    /// A place that may change, here or by others.
    pub fn editor(name: impl Into<String>, editor: Editor) -> Self {
        let inner = editor.tree();
        let tree = Arc::new(WithHidden::new(Arc::clone(&inner)));
        Self {
            source: Source::Editor(Box::new(Mutex::new(Edited { editor, tree, inner }))),
            name: name.into(),
        }
    }

    /// Its name, for people.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is a directory of this machine; it has no hidden part of its own.
    pub(super) fn is_plain(&self) -> bool {
        self.kind() == Some(PlaceKind::Directory)
    }

    /// What it is, if it can be changed.
    pub(super) fn kind(&self) -> Option<PlaceKind> {
        match &self.source {
            Source::Fixed(_) => None,
            Source::Editor(edited) => Some(edited.lock().editor.kind()),
        }
    }

    /// The files as they are now, as a mount shows them.
    ///
    /// # Errors
    /// When somebody changed it, and it cannot be read any more.
    pub(super) fn tree(&self) -> Result<Arc<dyn Tree>> {
        match &self.source {
            Source::Editor(edited) if self.is_plain() => {
                Ok(Arc::clone(&edited.lock().inner) as Arc<dyn Tree>)
            }
            _ => Ok(self.whole()? as Arc<dyn Tree>),
        }
    }

    /// The same with the hidden part, which programs and boots ask for contents by id.
    ///
    /// # Errors
    /// As [`Self::tree`].
    pub(super) fn whole(&self) -> Result<Arc<WithHidden>> {
        match &self.source {
            Source::Fixed(tree) => Ok(Arc::clone(tree)),
            Source::Editor(edited) => {
                let mut edited = edited.lock();
                if edited.editor.refresh()? {
                    edited.take_up();
                }
                Ok(Arc::clone(&edited.tree))
            }
        }
    }

    /// The pixels of the files.
    ///
    /// # Errors
    /// As [`Self::tree`].
    pub(super) fn pixels(&self) -> Result<Pixels> {
        self.whole().map(Pixels)
    }

    /// Makes changes: all of them, or none that matter any more.
    ///
    /// # Errors
    /// When one of them cannot be made; those that a picture had staged are dropped.
    pub(super) fn edit<T>(&self, change: impl FnOnce(&mut Editor) -> Result<T>) -> Result<T> {
        let Source::Editor(edited) = &self.source else {
            return Err(BuildError::Refused(format!("{}: cannot be changed", self.name)).into());
        };
        let mut edited = edited.lock();
        edited.editor.begin()?;
        let mut result = change(&mut edited.editor);
        if result.is_ok()
            && let Err(error) = edited.editor.save()
        {
            result = Err(error.into());
        }
        if result.is_err() {
            edited.editor.discard();
        }
        edited.take_up();
        result
    }
}

impl Edited {
    fn take_up(&mut self) {
        self.inner = self.editor.tree();
        self.tree = Arc::new(WithHidden::new(Arc::clone(&self.inner)));
    }
}

/// A tree whose files are pixels.
#[derive(Debug)]
pub(super) struct Pixels(Arc<WithHidden>);

impl Pixels {
    /// The tree.
    pub(super) fn tree(&self) -> &dyn PixelTree {
        self.0.inner()
    }
}
