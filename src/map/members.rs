//! Members of a JSON object that are kept as they stand in the file.

use std::collections::HashMap;

use serde_json::value::RawValue;

use crate::fs::python_json::push_member;
use crate::legacy::root::each_member;

/// Members in order; of several with one key the last counts, as in Python.
#[derive(Debug, Clone, Default)]
pub(super) struct Members {
    list: Vec<(String, Box<RawValue>)>,
    places: HashMap<String, usize>,
}

impl Members {
    /// Those of an object.
    ///
    /// # Errors
    /// When `json` is no object.
    pub(super) fn parse(json: &str) -> Result<Self, String> {
        let mut members = Self::default();
        each_member("the map", json.as_bytes(), &mut |key, value| members.put(key, value))
            .map_err(|error| error.to_string())?;
        Ok(members)
    }

    /// Sets a member, in the place of the old one if there is one.
    pub(super) fn put(&mut self, key: String, value: &RawValue) {
        match self.places.get(&key) {
            Some(&place) => self.list[place].1 = value.to_owned(),
            None => {
                self.places.insert(key.clone(), self.list.len());
                self.list.push((key, value.to_owned()));
            }
        }
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.places.contains_key(key)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.list.iter().map(|(key, value)| (key.as_str(), value.get()))
    }

    pub(super) fn into_list(self) -> Vec<(String, Box<RawValue>)> {
        self.list
    }

    /// Appends them to an object that stands `depth - 1` levels deep.
    pub(super) fn write(&self, out: &mut String, depth: usize, mut is_first: bool) {
        for (key, value) in self.iter() {
            push_member(out, depth, key, value, is_first);
            is_first = false;
        }
    }
}
