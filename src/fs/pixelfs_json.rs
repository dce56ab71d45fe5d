//! `pixelfs.json`: the tree in the form that pxOS's Python tools read.

use serde_json::{Value, json};

use super::python_json::{nested, push_member};
use super::walk::{Step, walk};
use crate::fs::{FileKind, Pixel, PixelTree, ROOT_INO, Result};

/// The longest file that is made, some 100,000 entries: it is kept in memory.
const MAX_LEN: usize = 32 << 20;

/// What the Python tools write before the entries, and what comes after them.
const HEAD: &str = "{\n  \"version\": \"1.0\",\n  \"description\": \
                    \"PixelFS virtual filesystem for pxOS\",\n  \"entries\": {";
const TAIL: &str = "\n  }\n}";

/// The whole file: 2-space indent, ASCII only, no newline at the end, as the
/// Python tools write it. A path that is not UTF-8 has U+FFFD in its place.
pub(super) fn write_pixelfs_json(tree: &dyn PixelTree) -> Result<Vec<u8>> {
    let mut out = String::from(HEAD);
    let mut is_first = true;
    walk(tree, ROOT_INO, &mut |step| {
        let Step::Entry(path, attr) = step else { return Ok(false) };
        if attr.kind == FileKind::Regular
            && let Ok(pixel) = tree.pixel(attr.ino)
        {
            let path = format!("/{}", String::from_utf8_lossy(path));
            let entry = entry(tree, &path, attr.ino, &pixel)?;
            push_member(&mut out, 2, &path, &nested(&format!("{entry:#}"), 2), is_first);
            is_first = false;
            if out.len() > MAX_LEN {
                let what = "pixelfs.json: there are too many files for it";
                return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, what).into());
            }
        }
        Ok(true)
    })?;
    if is_first {
        // Python closes an empty object on the same line.
        out.push_str("}\n}");
    } else {
        out.push_str(TAIL);
    }
    Ok(out.into_bytes())
}

fn entry(tree: &dyn PixelTree, path: &str, ino: u64, pixel: &Pixel) -> Result<Value> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let description = match tree.xattr(ino, b"user.pxfs.description") {
        Ok(text) => String::from_utf8_lossy(&text).into_owned(),
        Err(_) => name.to_owned(),
    };
    Ok(json!({
        "file_id": u32::from_be_bytes(pixel.id),
        "file_id_hex": Pixel::id_text(pixel.id),
        "type": tree.pixel_type(ino)?.name(),
        "description": description,
        "pixel": pixel.id,
        "original_path": path,
        "size": pixel.size,
    }))
}
