//! Where cartridges lie: `/models` of a picture or directory, the directory itself
//! of a pxOS root. A picture that was made of a root has the root's registry in
//! `/.pxos`; it counts until `/models` has one of its own.

use super::cartridge::{Cartridge, PIXEL_END};
use super::registry::{CartridgeError, LLM_REGISTRY, MAX_LLM_REGISTRY, Registry, Removed};
use super::route::Routes;
use crate::boot::{BootRoot, WithFile};
use crate::builder::{COMPANIONS, Editor, PlaceKind};
use crate::format::{PixelType, is_valid_name};
use crate::fs::{FileKind, FsError, PixelTree, resolve};
use crate::legacy::pixel_png::{parse_pixel, pixel_png};

/// The directory of models.
pub const MODELS: &str = "/models";

/// Longest file that is looked at as a pixel.
const MAX_PIXEL: u64 = 1 << 20;

/// The routes of a place: its registry, and which files hold its pixels.
///
/// # Errors
/// When the registry cannot be read as a whole.
pub fn routes_of(editor: &Editor) -> Result<Routes, CartridgeError> {
    match editor.kind() {
        PlaceKind::Root => Ok(Routes::new(read(editor)?.0, Vec::new())),
        PlaceKind::Picture | PlaceKind::Directory => routes_of_tree(&*editor.tree()),
    }
}

/// The registry of a pxOS root, which lies beside the files of the root; other places
/// have theirs among their files.
///
/// # Errors
/// When it is there and cannot be read.
pub fn registry_beside(editor: &Editor) -> Result<Option<Vec<u8>>, CartridgeError> {
    match editor.kind() {
        PlaceKind::Root => Ok(editor.read_beside(LLM_REGISTRY, MAX_LLM_REGISTRY as u64)?),
        PlaceKind::Picture | PlaceKind::Directory => Ok(None),
    }
}

/// Gives `act` a boot root with the registry of [`registry_beside`] among its files,
/// where a picture that was made of the pxOS root has it.
pub fn with_registry<T>(
    root: &dyn BootRoot,
    registry: Option<Vec<u8>>,
    act: impl FnOnce(&dyn BootRoot) -> T,
) -> T {
    let path = format!("/{COMPANIONS}/{LLM_REGISTRY}");
    match registry {
        Some(bytes) => act(&WithFile { root, path, bytes }),
        None => act(root),
    }
}

/// The routes of a tree: that of a picture, or of a directory, a mounted picture
/// among them.
///
/// # Errors
/// As [`routes_of`].
pub fn routes_of_tree(tree: &dyn PixelTree) -> Result<Routes, CartridgeError> {
    for dir in [MODELS.to_owned(), format!("/{COMPANIONS}")] {
        let Some(bytes) = read_file(tree, &format!("{dir}/{LLM_REGISTRY}"))? else { continue };
        let registry = Registry::parse(&bytes)?;
        let files = registry.cartridges().iter().filter_map(|cartridge| {
            let name = pixel_name(&cartridge.file)?;
            let found = resolve(tree, format!("{dir}/{name}").as_bytes(), false).ok()?;
            let is_small = found.kind == FileKind::Regular && found.size <= MAX_PIXEL;
            let pixel = is_small.then(|| tree.pixel(found.ino).ok()).flatten()?;
            Some((u32::from_be_bytes(pixel.id), cartridge.id))
        });
        let files = files.collect();
        return Ok(Routes::new(registry, files));
    }
    Ok(Routes::default())
}

fn read_file(tree: &dyn PixelTree, path: &str) -> Result<Option<Vec<u8>>, CartridgeError> {
    let failed = |error: FsError| CartridgeError::Registry(format!("{path}: {error}"));
    let found = match resolve(tree, path.as_bytes(), true) {
        Err(FsError::NotFound | FsError::NotADirectory(_)) => return Ok(None),
        found => found.map_err(failed)?,
    };
    if found.kind != FileKind::Regular || found.size > MAX_LLM_REGISTRY as u64 {
        let sentence = format!("{path} is no file, or has more than {MAX_LLM_REGISTRY} bytes");
        return Err(CartridgeError::Registry(sentence));
    }
    let mut bytes = vec![0; found.size as usize];
    let mut filled = 0;
    while filled < bytes.len() {
        match tree.read(found.ino, filled as u64, &mut bytes[filled..]).map_err(failed)? {
            0 => break,
            read => filled += read,
        }
    }
    bytes.truncate(filled);
    Ok(Some(bytes))
}

/// Enters a new cartridge in a place's registry and makes its pixel; all of it is
/// on the disk when this returns.
///
/// # Errors
/// When it cannot be, or the place cannot be changed; it is as it was then.
pub fn add_cartridge(editor: &mut Editor, new: Cartridge) -> Result<Cartridge, CartridgeError> {
    changed(editor, |editor| {
        let (mut registry, is_own) = read(editor)?;
        let cartridge = registry.add(new)?.clone();
        // A registry that moves to /models takes its pixels with it.
        let pixels = registry.cartridges().iter().filter(|other| {
            other.id == cartridge.id || !is_own && pixel_name(&other.file).is_some()
        });
        for other in pixels {
            let png =
                pixel_png(other.id).map_err(|error| CartridgeError::Refused(error.to_string()))?;
            write(editor, &other.file, &png, PixelType::Model, &other.name)?;
        }
        write_registry(editor, &registry)?;
        Ok(cartridge)
    })
}

/// Takes a cartridge out of a place's registry, and its pixel away.
///
/// # Errors
/// When there is none, or the place cannot be changed.
pub fn remove_cartridge(editor: &mut Editor, name: &str) -> Result<Removed, CartridgeError> {
    changed(editor, |editor| {
        let (mut registry, _) = read(editor)?;
        let removed = registry.remove(name)?;
        write_registry(editor, &registry)?;
        // A registry can name any file: only one that is the cartridge's pixel goes.
        if let Some(file) = removed.file.as_deref().and_then(pixel_name)
            && let Some(bytes) = read_pixel_file(editor, file)?
            && parse_pixel(&bytes).ok() == removed.id
        {
            match editor.kind() {
                PlaceKind::Root => editor.remove_beside(file).map(drop)?,
                _ => editor.remove(&format!("{MODELS}/{file}"), false)?,
            }
        }
        Ok(removed)
    })
}

/// Makes a change and saves it, or leaves everything as it was.
fn changed<T>(
    editor: &mut Editor,
    change: impl FnOnce(&mut Editor) -> Result<T, CartridgeError>,
) -> Result<T, CartridgeError> {
    editor.begin()?;
    let done = change(editor);
    match done {
        Ok(done) => editor.save().map(|()| done).map_err(|error| {
            editor.discard();
            error.into()
        }),
        Err(error) => {
            editor.discard();
            Err(error)
        }
    }
}

/// The registry of a place, and whether it is where a new one would be written.
fn read(editor: &Editor) -> Result<(Registry, bool), CartridgeError> {
    let most = MAX_LLM_REGISTRY as u64;
    let own = match editor.kind() {
        PlaceKind::Root => editor.read_beside(LLM_REGISTRY, most)?,
        _ => editor.read(&format!("{MODELS}/{LLM_REGISTRY}"), most)?,
    };
    if let Some(own) = own {
        return Ok((Registry::parse(&own)?, true));
    }
    let beside = match editor.kind() {
        PlaceKind::Root => None,
        _ => editor.read(&format!("/{COMPANIONS}/{LLM_REGISTRY}"), most)?,
    };
    match beside {
        Some(beside) => Ok((Registry::parse(&beside)?, false)),
        None => Ok((Registry::default(), true)),
    }
}

fn read_pixel_file(editor: &Editor, file: &str) -> Result<Option<Vec<u8>>, CartridgeError> {
    Ok(match editor.kind() {
        PlaceKind::Root => editor.read_beside(file, MAX_PIXEL)?,
        _ => editor.read(&format!("{MODELS}/{file}"), MAX_PIXEL)?,
    })
}

fn write_registry(editor: &mut Editor, registry: &Registry) -> Result<(), CartridgeError> {
    let text = registry.to_json();
    let description = "the cartridges: models behind pixels";
    write(editor, LLM_REGISTRY, text.as_bytes(), PixelType::Model, description)
}

fn write(
    editor: &mut Editor,
    file: &str,
    bytes: &[u8],
    kind: PixelType,
    description: &str,
) -> Result<(), CartridgeError> {
    match editor.kind() {
        PlaceKind::Root => editor.write_beside(file, bytes)?,
        _ => {
            let path = format!("{MODELS}/{file}");
            editor.write(&path, bytes, Some(kind), Some(description)).map(drop)?;
        }
    }
    Ok(())
}

/// The name of a pixel's file, if it is one in the registry's own directory.
fn pixel_name(file: &str) -> Option<&str> {
    (file.ends_with(PIXEL_END) && is_valid_name(file.as_bytes())).then_some(file)
}
