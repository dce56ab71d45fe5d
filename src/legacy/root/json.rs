//! JSON files of a root, member by member: memory is taken for what the entries
//! need, not for what a hostile file could blow up to.

use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::RootError;
use super::files::{RootFiles, read_whole};

/// The longest file that is read: half a million entries.
const MAX_JSON: u64 = 256 << 20;

/// The longest entry; those that the tools write have some 500 bytes.
const MAX_ENTRY: usize = 64 << 10;

/// The bytes of a JSON file.
pub(crate) fn read_json(files: &dyn RootFiles, file: &'static str) -> Result<Vec<u8>, RootError> {
    let bytes = files.open(file).and_then(|open| read_whole(&*open, MAX_JSON));
    bytes.map_err(|source| RootError::Io { file, source })
}

/// Calls `each` for every member of the object that `text` is.
pub(crate) fn each_member(
    file: &'static str,
    text: &[u8],
    each: &mut dyn FnMut(String, &RawValue),
) -> Result<(), RootError> {
    struct Members<'f>(&'f mut dyn FnMut(String, &RawValue));
    impl<'de> Visitor<'de> for Members<'_> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
            while let Some((key, value)) = map.next_entry::<String, &RawValue>()? {
                (self.0)(key, value);
            }
            Ok(())
        }
    }
    let failed = |error: serde_json::Error| RootError::Json { file, reason: error.to_string() };
    let mut json = serde_json::Deserializer::from_slice(text);
    json.deserialize_map(Members(each)).map_err(failed)?;
    json.end().map_err(failed)
}

/// The fields of an object, in order; no map, as an entry has a dozen.
pub(super) type Fields = Vec<(String, Value)>;

/// What stands under a key.
pub(super) enum EntryText {
    /// An object.
    Object(Fields),
    /// Anything else, or an object that is absurdly long.
    Other,
}

/// A value that is no longer than an entry may be.
pub(super) fn small_value(value: &RawValue) -> Option<Value> {
    let text = value.get();
    (text.len() <= MAX_ENTRY).then(|| serde_json::from_str(text).ok())?
}

/// Reads an entry.
pub(super) fn entry_text(text: &str) -> EntryText {
    struct Visit;
    impl<'de> Visitor<'de> for Visit {
        type Value = Fields;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Fields, M::Error> {
            let mut fields = Fields::with_capacity(16);
            while let Some(field) = map.next_entry()? {
                fields.push(field);
            }
            Ok(fields)
        }
    }
    if text.len() > MAX_ENTRY {
        return EntryText::Other;
    }
    let fields = serde_json::Deserializer::from_str(text).deserialize_map(Visit);
    fields.map_or(EntryText::Other, EntryText::Object)
}
