//! `.pxfs/worlds`: the pictures that god pixels stand for.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::god::{GodPixel, read_gods};
use super::pixel_png::parse_pixel;
use super::root::{RootError, RootFiles};
use crate::fs::{FileKind, FsError, PixelTree, Result, Step, Worlds, resolve, walk};

/// The largest picture that is kept in memory as a PNG, in bytes of raw RGBA.
const MAX_RAW: u64 = 128 << 20;

/// The longest file in /worlds that may be a god pixel: a 1x1 PNG has 70 bytes.
const MAX_PIXEL_FILE: u64 = 256;

/// Files in /worlds that are looked at: mounting must not take long.
const MAX_LOOKED_AT: usize = 10_000;

/// The god pixels of a root, resurrected when they are asked for.
#[derive(Debug)]
pub struct GodWorlds {
    files: Arc<dyn RootFiles>,
    gods: Vec<GodPixel>,
    /// Names of the pictures, and which god pixel each is.
    names: BTreeMap<String, usize>,
}

impl GodWorlds {
    /// The worlds of a root, or of a picture that a root was imported into:
    /// `files` holds the registry of god pixels, `tree` the pixels. `None` if
    /// there is no such registry.
    ///
    /// # Errors
    /// When the registry cannot be read.
    pub fn new(files: Arc<dyn RootFiles>, tree: &dyn PixelTree) -> Result<Option<Self>, RootError> {
        let (gods, faults) = match read_gods(&*files) {
            Err(RootError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                return Ok(None);
            }
            read => read?,
        };
        for fault in faults {
            log::warn!("{fault}");
        }
        let mut names = BTreeMap::new();
        let mut by_id = HashMap::new();
        for (index, god) in gods.iter().enumerate() {
            names.insert(format!("{:08X}.png", god.id), index);
            by_id.insert(god.id, index);
        }
        for (name, id) in pixels_of(tree) {
            if let Some(&index) = by_id.get(&id) {
                names.entry(format!("{name}.png")).or_insert(index);
            }
        }
        Ok(Some(Self { files, gods, names }))
    }
}

/// Files below /worlds that are single pixels, with a slash as `_`.
fn pixels_of(tree: &dyn PixelTree) -> Vec<(String, u32)> {
    let (mut found, mut looked_at) = (Vec::new(), 0);
    let Ok(worlds) = resolve(tree, b"/worlds", true) else {
        return found;
    };
    let walked = walk(tree, worlds.ino, &mut |step| {
        looked_at += 1;
        if looked_at > MAX_LOOKED_AT {
            return Ok(false);
        }
        if let Step::Entry(path, attr) = step
            && attr.kind == FileKind::Regular
            && attr.size <= MAX_PIXEL_FILE
            && let Ok(name) = std::str::from_utf8(path)
        {
            let mut bytes = vec![0; attr.size as usize];
            if tree.read(attr.ino, 0, &mut bytes).is_ok_and(|read| read == bytes.len())
                && let Ok(id) = parse_pixel(&bytes)
            {
                found.push((name.replace('/', "_"), id));
            }
        }
        Ok(true)
    });
    if let Err(error) = walked {
        log::warn!("/worlds: {error}");
    }
    found
}

impl Worlds for GodWorlds {
    fn names(&self) -> Vec<String> {
        self.names.keys().cloned().collect()
    }

    fn picture(&self, name: &str) -> Result<Vec<u8>> {
        let god = &self.gods[*self.names.get(name).ok_or(FsError::NotFound)?];
        if god.raw_len() > MAX_RAW {
            let what = format!("{name}: is too large to be kept; 'pxfs resurrect' writes it");
            return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, what).into());
        }
        let mut png = Vec::new();
        let made = god.write_png(&*self.files, &mut png);
        made.map_err(|error| FsError::Corrupt(format!("god pixel {:08X}: {error}", god.id)))?;
        Ok(png)
    }
}
