//! Where a map's state lies, and how it is saved there.

use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::builder::{BuildError, COMPANIONS, EditOptions, Editor, PlaceKind};
use crate::fs::{FileKind, FsError, PixelTree, resolve};
use crate::map::error::Result;
use crate::map::{MAX_STATE, MapState};

/// The state's file in pictures and directories.
const STATE_PATH: &str = "/worlds/map/infinite_map_state.json";
/// The state's file beside the paths of a root, where the Python tools have it.
const STATE_NAME: &str = "infinite_map_state.json";
/// What the broken state files are called that are kept.
const BROKEN: &str = "infinite_map_state.broken-";

/// The place of a map.
#[derive(Debug)]
pub(super) struct Place {
    editor: Editor,
}

impl Place {
    pub(super) fn open(path: &Path, options: &EditOptions) -> Result<Self> {
        Ok(Self { editor: Editor::open(path, options)? })
    }

    /// Whether saving makes the whole place anew, which is for later.
    pub(super) fn is_picture(&self) -> bool {
        self.editor.kind() == PlaceKind::Picture
    }

    /// Locks it and takes up what others changed.
    pub(super) fn begin(&mut self) -> Result<()> {
        Ok(self.editor.begin()?)
    }

    /// Lets it go.
    pub(super) fn discard(&mut self) {
        self.editor.discard();
    }

    /// Takes up what others changed.
    pub(super) fn refresh(&mut self) -> Result<bool> {
        Ok(self.editor.refresh()?)
    }

    /// The state's file as it is.
    pub(super) fn read(&self) -> Result<Option<Vec<u8>>> {
        if self.editor.kind() == PlaceKind::Root {
            return Ok(self.editor.read_beside(STATE_NAME, MAX_STATE)?);
        }
        match self.editor.read(STATE_PATH, MAX_STATE)? {
            None => Ok(self.editor.read_beside(STATE_NAME, MAX_STATE)?),
            state => Ok(state),
        }
    }

    /// Writes the state; it is on the disk when this returns. `old` is what was
    /// there: if that is no state, it is kept beside.
    pub(super) fn write(&mut self, state: &MapState, old: Option<&[u8]>) -> Result<Vec<u8>> {
        let is_root = self.editor.kind() == PlaceKind::Root;
        if let Some(old) = old
            && MapState::parse(old).is_err()
        {
            let digest = crate::store::hex(&Sha256::digest(old)[..4]);
            let name = format!("{BROKEN}{digest}.json");
            match is_root {
                true => self.editor.write_beside(&name, old)?,
                false => {
                    drop(self.editor.write(&format!("/worlds/map/{name}"), old, None, None)?)
                }
            }
        }
        let json = state.to_json();
        match is_root {
            true => self.editor.write_beside(STATE_NAME, &json)?,
            false => drop(self.editor.write(STATE_PATH, &json, None, None)?),
        }
        self.editor.save()?;
        Ok(json)
    }
}

/// Which state file it was that somebody read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Seen(Option<[u8; 32]>);

impl Seen {
    pub(super) fn of(bytes: Option<&[u8]>) -> Self {
        Self(bytes.map(|bytes| Sha256::digest(bytes).into()))
    }
}

/// Why a place cannot be written to, if so. A picture is replaced, and its journal
/// lies beside it: what counts is its directory.
pub(super) fn not_writable(path: &Path, is_picture: bool) -> Option<String> {
    use rustix::fs::{Access, access};
    let dir = if is_picture { path.parent()? } else { path };
    let error = access(dir, Access::WRITE_OK | Access::EXEC_OK).err()?;
    Some(format!("{}: {}", dir.display(), std::io::Error::from(error)))
}

/// The state in a tree that nobody here changes.
pub(super) fn read_tree(tree: &dyn PixelTree) -> Result<MapState> {
    let beside = format!("/{COMPANIONS}/{STATE_NAME}");
    for path in [STATE_PATH, &beside] {
        let found = match resolve(tree, path.as_bytes(), true) {
            Err(FsError::NotFound | FsError::NotADirectory(_)) => continue,
            found => found.map_err(BuildError::tree(path))?,
        };
        if found.kind != FileKind::Regular || found.size > MAX_STATE {
            return Err(
                BuildError::refused(format!("{path}: is no file of {MAX_STATE} bytes")).into()
            );
        }
        let mut bytes = vec![0; usize::try_from(found.size).unwrap_or_default()];
        let len = tree.read(found.ino, 0, &mut bytes).map_err(BuildError::tree(path))?;
        return MapState::parse(&bytes[..len]);
    }
    Ok(MapState::default())
}
