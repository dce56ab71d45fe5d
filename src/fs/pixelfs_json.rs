//! `pixelfs.json`: the tree in the form that pxOS's Python tools read.

use serde_json::{Map, Value, json};

use super::walk::{Step, walk};
use crate::fs::{FileKind, FsError, Pixel, PixelTree, ROOT_INO, Result};

/// The most files that are listed; beyond, the file would outgrow every budget.
const MAX_FILES: usize = 200_000;

/// The whole file: 2-space indent, ASCII only, no newline at the end, as the
/// Python tools write it. A path that is not UTF-8 has U+FFFD in its place.
pub(super) fn write_pixelfs_json(tree: &dyn PixelTree) -> Result<Vec<u8>> {
    let mut entries = Map::new();
    let mut too_many = false;
    walk(tree, ROOT_INO, &mut |step| {
        let Step::Entry(path, attr) = step else { return Ok(false) };
        if attr.kind == FileKind::Regular
            && let Ok(Some(pixel)) = tree.pixel(attr.ino)
        {
            too_many |= entries.len() >= MAX_FILES;
            if too_many {
                return Ok(false);
            }
            let path = format!("/{}", String::from_utf8_lossy(path));
            let entry = entry(tree, &path, attr.ino, &pixel)?;
            entries.insert(path, entry);
        }
        Ok(!too_many)
    })?;
    if too_many {
        let what = format!("pixelfs.json: there are more than {MAX_FILES} files");
        return Err(FsError::Io(std::io::Error::new(std::io::ErrorKind::FileTooLarge, what)));
    }
    let whole = json!({
        "version": "1.0",
        "description": "Pixel Filesystem - Maps paths to file boot pixels",
        "entries": entries,
    });
    Ok(to_ascii(&format!("{whole:#}")).into_bytes())
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

/// Escapes everything beyond ASCII as JSON's `\uXXXX`.
fn to_ascii(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii() {
            out.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            out.push_str(&format!("\\u{unit:04x}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_beyond_ascii_is_escaped() {
        assert_eq!(to_ascii("gr\u{f6}\u{df}e \u{1f600}"), "gr\\u00f6\\u00dfe \\ud83d\\ude00");
    }
}
