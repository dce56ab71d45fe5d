//! Entries of `file_boot_registry.json` and `pixelfs.json`, read leniently: what
//! can be understood is, and the rest is reported. Formats: PXOS.md, section (a).

use serde_json::{Map, Value};

use super::finding::Finding;
use super::json::{self, EntryText};
use crate::format::{Digest, PixelId, PixelType};

/// The registry of contents.
pub const REGISTRY: &str = "file_boot_registry.json";
/// The paths.
pub const PIXELFS: &str = "pixelfs.json";
/// The blobs back to back.
pub const PACK: &str = "project_files.bin";

/// A content: an entry of the registry. Its key is the id in decimal.
#[derive(Debug, Clone, PartialEq)]
pub struct Content {
    /// The id: the first four bytes of the digest, most significant first.
    pub id: u32,
    /// A name; the file's stem if none was given.
    pub name: String,
    /// The type, as written.
    pub kind: String,
    /// The file that was packed.
    pub original_path: String,
    /// Bytes of the content.
    pub original_size: u64,
    /// Bytes of the blob; 0: it is the content itself, not a zlib stream.
    pub compressed_size: u64,
    /// The saving in words, `72.0%`.
    pub ratio: String,
    /// The 1x1 picture.
    pub pixel_file: String,
    /// The blob's own file.
    pub blob_file: String,
    /// SHA-256 of the content.
    pub sha256: Digest,
    /// Offset and length in the pack.
    pub packed: Option<(u64, u64)>,
    /// Fields that we do not know.
    pub extra: Map<String, Value>,
}

/// A path: an entry of pixelfs.json. Its key is the path.
#[derive(Debug, Clone, PartialEq)]
pub struct PathEntry {
    /// The path, from `/`.
    pub path: String,
    /// The content's id.
    pub id: u32,
    /// The type, as written.
    pub kind: String,
    /// What it is for.
    pub description: String,
    /// The file it was made from, as typed.
    pub original_path: String,
    /// Bytes of the content when the path was added.
    pub size: u64,
    /// Paths that must be there, and be loaded first.
    pub requires: Vec<String>,
    /// Fields that we do not know.
    pub extra: Map<String, Value>,
}

/// `0x` and eight upper-case digits, as the Python tools write ids.
pub fn id_text(id: u32) -> String {
    format!("0x{id:08X}")
}

/// The type that a word stands for; unknown ones are data.
pub fn pixel_type(kind: &str) -> PixelType {
    let kind = if kind == "llm_model" { "model" } else { kind };
    let found = PixelType::ALL.into_iter().find(|(_, name)| *name == kind);
    found.map_or(PixelType::Data, |(kind, _)| kind)
}

/// Takes fields out of an entry, reporting those that are wrong.
struct Fields<'a> {
    list: json::Fields,
    place: String,
    found: &'a mut Vec<Finding>,
    is_usable: bool,
}

impl<'a> Fields<'a> {
    fn new(place: String, text: EntryText, found: &'a mut Vec<Finding>) -> Option<Self> {
        match text {
            EntryText::Object(list) if !list.is_empty() => {
                Some(Self { list, place, found, is_usable: true })
            }
            EntryText::Object(_) => {
                found.push(Finding::error("entry-empty", &place, "the entry is empty"));
                None
            }
            EntryText::Other => {
                found.push(Finding::error("entry-type", &place, "the entry is no object"));
                None
            }
        }
    }

    /// Takes a field out; of several of that name the last, as Python does.
    fn remove(&mut self, field: &str) -> Option<Value> {
        let mut value = None;
        while let Some(index) = self.list.iter().position(|(name, _)| name == field) {
            value = Some(self.list.remove(index).1);
        }
        value
    }

    fn has(&self, field: &str) -> bool {
        self.list.iter().any(|(name, _)| name == field)
    }

    /// What is left: fields that we do not know.
    fn rest(&mut self) -> Map<String, Value> {
        std::mem::take(&mut self.list).into_iter().collect()
    }

    /// Without this field the entry is of no use.
    fn need<T>(&mut self, value: Option<T>, field: &str, expected: &str) -> Option<T> {
        if value.is_none() {
            let problem = format!("{field} is missing or is not {expected}");
            self.found.push(Finding::error("field", &self.place, problem));
            self.is_usable = false;
        }
        value
    }

    /// A field that can be done without: `None` if it is missing or wrong.
    fn take<T>(
        &mut self,
        field: &str,
        expected: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Option<T> {
        let value = self.remove(field)?;
        let read = read(&value);
        if read.is_none() {
            let problem = format!("{field} is not {expected}");
            self.found.push(Finding::warning("field", &self.place, problem));
        }
        read
    }

    fn text(&mut self, field: &str) -> Option<String> {
        self.take(field, "a text", |value| value.as_str().map(str::to_owned))
    }

    fn number(&mut self, field: &str) -> Option<u64> {
        self.take(field, "a number of bytes", Value::as_u64)
    }

    /// Reports what says another id than the one that counts.
    fn compare_id(&mut self, id: u32, field: &str, said: Option<u32>) {
        if let Some(said) = said.filter(|&said| said != id) {
            let problem = format!("{field} says {}, not {}", id_text(said), id_text(id));
            self.found.push(Finding::error("id-disagrees", &self.place, problem));
        }
    }

    fn pixel(&mut self, id: u32) {
        let pixel = self.take("pixel", "four numbers from 0 to 255", |value| {
            let list = value.as_array().filter(|list| list.len() == 4)?;
            let bytes: Option<Vec<u8>> =
                list.iter().map(|part| u8::try_from(part.as_u64()?).ok()).collect();
            PixelId::try_from(bytes?).ok()
        });
        self.compare_id(id, "pixel", pixel.map(u32::from_be_bytes));
    }
}

fn hex_id(value: &Value) -> Option<u32> {
    let text = value.as_str()?;
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))?;
    let is_hex = (1..=8).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    is_hex.then(|| u32::from_str_radix(digits, 16).ok())?
}

fn digest(value: &Value) -> Option<Digest> {
    let text = value.as_str().filter(|text| text.len() == 64 && text.is_ascii())?;
    let mut digest = Digest::default();
    for (index, byte) in digest.iter_mut().enumerate() {
        let pair = &text[2 * index..2 * index + 2];
        if !pair.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(digest)
}

/// Whether an id is one that a content may have: four bytes of its digest, by
/// rule the first; the later ones when those were taken by another content.
pub(crate) fn is_id_of(id: u32, digest: &Digest) -> bool {
    digest.as_chunks::<4>().0.iter().any(|bytes| u32::from_be_bytes(*bytes) == id)
}

/// Reads an entry of the registry; `None` if it is of no use.
pub(crate) fn content(key: &str, text: EntryText, found: &mut Vec<Finding>) -> Option<Content> {
    let place = format!("{REGISTRY} {key:?}");
    let Ok(id) = key.parse::<u32>() else {
        found.push(Finding::error("key", &place, "the key is not an id in decimal"));
        return None;
    };
    let place = format!("{REGISTRY} {}", id_text(id));
    let mut fields = Fields::new(place, text, found)?;
    let said = fields.take("file_id", "an id like 0x499602D2", hex_id);
    fields.compare_id(id, "file_id", said);
    fields.pixel(id);
    let sha256 = fields.remove("hash");
    let sha256 = fields.need(sha256.as_ref().and_then(digest), "hash", "64 hexadecimal digits");
    let size = fields.remove("original_size");
    let size = fields.need(size.as_ref().and_then(Value::as_u64), "original_size", "a number");
    // None and 0 mean that the blob is the content itself.
    let compressed = match fields.remove("compressed_size") {
        None | Some(Value::Null) => Some(0),
        Some(value) => value.as_u64(),
    };
    let compressed = fields.need(compressed, "compressed_size", "a number");
    let packed = match (fields.has("blob_offset"), fields.has("blob_len")) {
        (false, _) => None,
        (true, _) => {
            let offset = fields.number("blob_offset");
            let len = fields.number("blob_len");
            let pair = offset.zip(len);
            fields.need(pair, "blob_offset or blob_len", "a number")
        }
    };
    let blob_file = fields.text("blob_file");
    if packed.is_none() && fields.is_usable {
        fields.need(blob_file.as_ref(), "blob_file", "a path");
    }
    if let Some(sha256) = sha256.filter(|sha256| !is_id_of(id, sha256)) {
        let problem = format!("the id is no part of the hash {}", crate::store::hex(&sha256));
        fields.found.push(Finding::error("id-hash", &fields.place, problem));
    }
    let name = fields.text("name").unwrap_or_default();
    let kind = fields.text("type").unwrap_or_else(|| "data".into());
    let original_path = fields.text("original_path").unwrap_or_default();
    let ratio = fields.text("compression_ratio").unwrap_or_default();
    let pixel_file = fields.text("pixel_file").unwrap_or_default();
    let extra = fields.rest();
    if !fields.is_usable {
        return None;
    }
    Some(Content {
        id,
        name,
        kind,
        original_path,
        original_size: size?,
        compressed_size: compressed?,
        ratio,
        pixel_file,
        blob_file: blob_file.unwrap_or_default(),
        sha256: sha256?,
        packed,
        extra,
    })
}

/// Reads an entry of pixelfs.json; `None` if it is of no use.
pub(crate) fn path_entry(
    key: &str,
    text: EntryText,
    found: &mut Vec<Finding>,
) -> Option<PathEntry> {
    let place = format!("{PIXELFS} {key:?}");
    let mut fields = Fields::new(place, text, found)?;
    let number = fields.remove("file_id");
    let number = number.map(|value| value.as_u64().and_then(|id| u32::try_from(id).ok()));
    let hex = fields.take("file_id_hex", "an id like 0x499602D2", hex_id);
    // Either will do: the old kernel died of a missing number.
    let id = match number {
        Some(id) => id,
        None => hex,
    };
    let id = fields.need(id, "file_id", "an id");
    if let Some(id) = id {
        fields.compare_id(id, "file_id_hex", hex);
        fields.pixel(id);
    }
    let kind = fields.text("type").unwrap_or_else(|| "data".into());
    let description = fields.text("description").unwrap_or_default();
    let original_path = fields.text("original_path").unwrap_or_default();
    let size = fields.number("size").unwrap_or_default();
    let requires = fields.take("requires", "a list of paths", |value| {
        value.as_array()?.iter().map(|path| path.as_str().map(str::to_owned)).collect()
    });
    let extra = fields.rest();
    Some(PathEntry {
        path: key.to_owned(),
        id: id?,
        kind,
        description,
        original_path,
        size,
        requires: requires.unwrap_or_default(),
        extra,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn content(key: &str, value: Value, found: &mut Vec<Finding>) -> Option<Content> {
        super::content(key, text(&value), found)
    }

    fn text(value: &Value) -> EntryText {
        json::entry_text(&value.to_string())
    }

    fn good_content() -> Value {
        json!({
            "file_id": "0x79E9B4DE", "name": "welcome", "type": "data",
            "original_path": "welcome.txt", "original_size": 40, "compressed_size": 48,
            "compression_ratio": "-20.0%", "pixel": [121, 233, 180, 222],
            "pixel_file": "welcome.filepx.png", "blob_file": "file_blobs/file_79E9B4DE.bin",
            "hash": "79e9b4de5135c7d1b3c8c8816407cc785bff76fb15d3c5348e3a716f7c8c8cab",
            "blob_offset": 0, "blob_len": 48, "note": "ours",
        })
    }

    #[test]
    fn a_good_entry_is_read_without_findings() {
        let mut found = Vec::new();
        let entry = content("2045359326", good_content(), &mut found).unwrap();
        assert_eq!((entry.id, entry.original_size, entry.packed), (0x79E9_B4DE, 40, Some((0, 48))));
        assert_eq!(entry.extra, *json!({"note": "ours"}).as_object().unwrap());
        assert_eq!(found, []);
    }

    #[test]
    fn each_fault_of_a_content_is_named() {
        let cases: [(&str, Value, &str, bool); 12] = [
            ("file_id", json!("0x00000001"), "id-disagrees", true),
            ("file_id", json!(7), "field", true),
            ("pixel", json!([1, 2, 3, 4]), "id-disagrees", true),
            ("pixel", json!([1, 2, 3]), "field", true),
            ("pixel", json!([121, 233, 180, 999]), "field", true),
            ("hash", json!("79"), "field", false),
            ("hash", json!("00".repeat(32)), "id-hash", true),
            ("original_size", json!(-1), "field", false),
            ("compressed_size", json!("48"), "field", false),
            ("blob_offset", json!("0"), "field", false),
            ("blob_len", json!(null), "field", false),
            ("name", json!({}), "field", true),
        ];
        for (field, value, slug, is_usable) in cases {
            let mut entry = good_content();
            entry[field] = value;
            let mut found = Vec::new();
            let read = content("2045359326", entry, &mut found);
            assert_eq!(read.is_some(), is_usable, "{field}");
            assert!(found.iter().any(|finding| finding.slug == slug), "{field}: {found:?}");
        }
        for (key, value) in [("x", good_content()), ("5", json!([])), ("5", json!({}))] {
            let mut found = Vec::new();
            assert!(content(key, value, &mut found).is_none());
            assert_eq!(found.len(), 1);
        }
    }

    #[test]
    fn a_path_needs_an_id_and_nothing_else() {
        let read = |value: Value| {
            let mut found = Vec::new();
            (path_entry("/a", text(&value), &mut found), found)
        };
        let (entry, found) = read(json!({"file_id": 5}));
        assert!(entry.unwrap().id == 5 && found.is_empty());
        let (entry, found) = read(json!({"file_id_hex": "0xa"}));
        assert!(entry.unwrap().id == 10 && found.is_empty());
        let (entry, found) = read(json!({"file_id": 5, "file_id_hex": "0x00000006"}));
        assert!(entry.unwrap().id == 5 && found[0].slug == "id-disagrees");
        for bad in [json!({"size": 1}), json!({"file_id": -1}), json!({"file_id": 1u64 << 32})] {
            let (entry, found) = read(bad);
            assert!(entry.is_none() && found[0].slug == "field");
        }
        let (entry, _) = read(json!({"file_id": 5, "requires": ["/b", "/c"]}));
        assert_eq!(entry.unwrap().requires, ["/b", "/c"]);
    }
}
