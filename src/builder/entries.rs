//! Entries of a root's two JSON files, with the fields, the order and the bases
//! that the Python tools have. Formats: PXOS.md, section (a).

use serde::Serialize;
use serde_json::{Map, Value};

use crate::format::Digest;
use crate::legacy::root::{Content, PathEntry, id_text};

/// The registry's entry for a content.
#[derive(Debug, Serialize)]
pub(super) struct ContentEntry<'c> {
    file_id: String,
    name: &'c str,
    #[serde(rename = "type")]
    kind: &'c str,
    original_path: &'c str,
    original_size: u64,
    compressed_size: u64,
    compression_ratio: &'c str,
    pixel: [u8; 4],
    pixel_file: &'c str,
    blob_file: &'c str,
    hash: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    blob_offset: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blob_len: Option<u64>,
    #[serde(flatten)]
    extra: &'c Map<String, Value>,
}

impl<'c> From<&'c Content> for ContentEntry<'c> {
    fn from(content: &'c Content) -> Self {
        Self {
            file_id: id_text(content.id),
            name: &content.name,
            kind: &content.kind,
            original_path: &content.original_path,
            original_size: content.original_size,
            compressed_size: content.compressed_size,
            compression_ratio: &content.ratio,
            pixel: content.id.to_be_bytes(),
            pixel_file: &content.pixel_file,
            blob_file: &content.blob_file,
            hash: crate::store::hex(&content.sha256),
            blob_offset: content.packed.map(|(offset, _)| offset),
            blob_len: content.packed.map(|(_, len)| len),
            extra: &content.extra,
        }
    }
}

/// pixelfs.json's entry for a path.
#[derive(Debug, Serialize)]
pub(super) struct PathText<'p> {
    file_id: u32,
    file_id_hex: String,
    #[serde(rename = "type")]
    kind: &'p str,
    description: &'p str,
    pixel: [u8; 4],
    original_path: &'p str,
    size: u64,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    requires: &'p [String],
    #[serde(flatten)]
    extra: &'p Map<String, Value>,
}

impl<'p> From<&'p PathEntry> for PathText<'p> {
    fn from(path: &'p PathEntry) -> Self {
        Self {
            file_id: path.id,
            file_id_hex: id_text(path.id),
            kind: &path.kind,
            description: &path.description,
            pixel: path.id.to_be_bytes(),
            original_path: &path.original_path,
            size: path.size,
            requires: &path.requires,
            extra: &path.extra,
        }
    }
}

/// The saving, as Python prints it: `46.3%`, negative for what became larger. Of
/// an empty content nothing can be saved.
pub(super) fn ratio(original: u64, compressed: u64) -> String {
    if original == 0 {
        return "0.0%".into();
    }
    format!("{:.1}%", (1.0 - compressed as f64 / original as f64) * 100.0)
}

/// The ids that a content may have, in the order in which they are tried: four
/// bytes of its digest each.
pub(super) fn ids_of(digest: &Digest) -> impl Iterator<Item = u32> + '_ {
    digest.as_chunks::<4>().0.iter().map(|bytes| u32::from_be_bytes(*bytes))
}

/// A path as the Python tools record it: without `./` in front.
pub(super) fn lightly_normalised(path: &str) -> String {
    let mut rest = path;
    while let Some(inside) = rest.strip_prefix("./") {
        rest = inside.trim_start_matches('/');
    }
    rest.to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_those_of_python() {
        let cases = [(54, 29, "46.3%"), (40, 48, "-20.0%"), (5, 13, "-160.0%"), (0, 8, "0.0%")];
        for (original, compressed, expected) in cases {
            assert_eq!(ratio(original, compressed), expected);
        }
    }

    #[test]
    fn paths_lose_only_what_says_nothing() {
        let cases = [("./a", "a"), (".//./a/../b", "a/../b"), ("/x/./y", "/x/./y"), ("a", "a")];
        for (path, expected) in cases {
            assert_eq!(lightly_normalised(path), expected);
        }
    }
}
