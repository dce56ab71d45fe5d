//! A JSON object whose members are kept as they stand in the file, so that what
//! is not changed is written again byte for byte, whatever it is.

use std::collections::HashMap;

use serde::Serialize;

use super::error::{BuildError, Result};
use crate::fs::python_json::{nested, push_member};
use crate::legacy::root::each_member;

/// An object's members in order.
#[derive(Debug, Default)]
pub(crate) struct Document {
    /// A member that was removed is `None`: the others keep their places.
    members: Vec<Option<(String, Box<str>)>>,
    places: HashMap<String, usize>,
}

impl Document {
    /// Reads the object that `text` is. Of several members with one key the last
    /// counts and the first place, as in Python.
    pub(crate) fn parse(file: &'static str, text: &[u8]) -> Result<Self> {
        let mut document = Self::default();
        each_member(file, text, &mut |key, value| document.put(key, value.get().into()))?;
        Ok(document)
    }

    /// The member under a key.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.members[*self.places.get(key)?].as_ref().map(|(_, value)| &**value)
    }

    /// Sets a member, in the place of the old one if there is one. `depth` is
    /// how deep the object itself stands in its file.
    pub(crate) fn set(&mut self, key: &str, value: &impl Serialize, depth: usize) -> Result<()> {
        let text = serde_json::to_string_pretty(value)
            .map_err(|error| BuildError::Refused(format!("{key:?}: {error}")))?;
        self.put(key.to_owned(), nested(&text, depth + 1).into());
        Ok(())
    }

    pub(crate) fn put(&mut self, key: String, value: Box<str>) {
        if let Some(&place) = self.places.get(&key) {
            self.members[place] = Some((key, value));
            return;
        }
        self.places.insert(key.clone(), self.members.len());
        self.members.push(Some((key, value)));
    }

    /// Takes a member out.
    pub(crate) fn remove(&mut self, key: &str) -> bool {
        match self.places.remove(key) {
            Some(place) => self.members[place].take().is_some(),
            None => false,
        }
    }

    /// Gives a member another key, in the same place.
    pub(crate) fn rename(&mut self, old: &str, new: &str) {
        if let Some(place) = self.places.remove(old) {
            if let Some((key, _)) = &mut self.members[place] {
                *key = new.to_owned();
            }
            self.places.insert(new.to_owned(), place);
        }
    }

    /// All members in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.members.iter().flatten().map(|(key, value)| (key.as_str(), &**value))
    }

    /// Appends the object to `out`, standing `depth` levels deep.
    pub(crate) fn write(&self, out: &mut String, depth: usize) {
        out.push('{');
        let mut is_first = true;
        for (key, value) in self.iter() {
            push_member(out, depth + 1, key, value, is_first);
            is_first = false;
        }
        if !is_first {
            out.push('\n');
            out.push_str(&"  ".repeat(depth));
        }
        out.push('}');
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn written(document: &Document) -> String {
        let mut out = String::new();
        document.write(&mut out, 0);
        out
    }

    #[test]
    fn what_is_not_changed_stays_as_it_was() {
        let text = "{\n  \"b\": [1,   2],\n  \"a\": {\n    \"x\": 1e3\n  }\n}";
        let mut document = Document::parse("x", text.as_bytes()).unwrap();
        assert_eq!(written(&document), text);
        let value = serde_json::json!({"y": [1]});
        document.set("c\u{fc}", &value, 0).unwrap();
        document.rename("b", "d");
        assert!(document.remove("a") && !document.remove("a"));
        let expected =
            "{\n  \"d\": [1,   2],\n  \"c\\u00fc\": {\n    \"y\": [\n      1\n    ]\n  }\n}";
        assert_eq!(written(&document), expected);
        assert_eq!(document.get("d").unwrap(), "[1,   2]");
    }

    #[test]
    fn the_last_of_several_counts_in_the_place_of_the_first() {
        let document = Document::parse("x", br#"{"a": 1, "b": 2, "a": 3}"#).unwrap();
        assert_eq!(written(&document), "{\n  \"a\": 3,\n  \"b\": 2\n}");
        assert_eq!(written(&Document::parse("x", b"{}").unwrap()), "{}");
        assert!(Document::parse("x", b"[]").is_err());
    }
}
