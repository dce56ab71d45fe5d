//! The data of a module: texts, arrays, and a pixel for each variable that
//! functions share.

use std::collections::HashMap;

use crate::pxi::pixel::Pixel;

/// Words of a place where numbers are written as texts.
const SCRATCH: usize = 64;

/// The data so far. Addresses count from its first pixel.
#[derive(Debug, Default)]
pub(super) struct Data {
    words: Vec<u32>,
    texts: HashMap<(bool, Vec<u8>), u32>,
    scratch: Option<u32>,
    heap: Option<u32>,
    error: Option<u32>,
}

impl Data {
    /// One pixel.
    pub(super) fn slot(&mut self, value: u32) -> u32 {
        self.words.push(value);
        self.words.len() as u32 - 1
    }

    /// A text or bytes: its length lies before it, that in characters before that.
    pub(super) fn text(&mut self, bytes: &[u8], characters: Option<usize>) -> u32 {
        let key = (characters.is_some(), bytes.to_vec());
        if let Some(at) = self.texts.get(&key) {
            return *at;
        }
        self.words.extend(characters.map(|count| count as u32));
        let at = self.bytes(bytes);
        self.texts.insert(key, at);
        at
    }

    /// Bytes that may change, with their length before them.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> u32 {
        self.words.push(bytes.len() as u32);
        let at = self.words.len() as u32;
        for chunk in bytes.chunks(4) {
            let mut word = [0; 4];
            word[..chunk.len()].copy_from_slice(chunk);
            self.words.push(u32::from_be_bytes(word));
        }
        at
    }

    /// A list with its length before it.
    pub(super) fn list(&mut self, words: &[u32]) -> u32 {
        self.words.push(words.len() as u32);
        self.words.extend_from_slice(words);
        (self.words.len() - words.len()) as u32
    }

    /// Gives a variable's pixel its first value.
    pub(super) fn set(&mut self, at: u32, value: u32) {
        if let Some(word) = self.words.get_mut(at as usize) {
            *word = value;
        }
    }

    /// Where numbers become texts.
    pub(super) fn scratch(&mut self) -> u32 {
        if let Some(at) = self.scratch {
            return at;
        }
        let at = self.words.len() as u32;
        self.words.resize(self.words.len() + SCRATCH, 0);
        *self.scratch.insert(at)
    }

    /// The pixel that says how much is in use behind the module.
    pub(super) fn heap(&mut self) -> u32 {
        if let Some(at) = self.heap {
            return at;
        }
        let at = self.slot(0);
        *self.heap.insert(at)
    }

    /// Whether anything is allocated at run time.
    pub(super) fn has_heap(&self) -> bool {
        self.heap.is_some()
    }

    /// The pixel that keeps the last error of a system call.
    pub(super) fn error(&mut self) -> u32 {
        if let Some(at) = self.error {
            return at;
        }
        let at = self.slot(0);
        *self.error.insert(at)
    }

    /// All as pixels.
    pub(super) fn pixels(&self) -> Vec<Pixel> {
        self.words.iter().map(|word| Pixel::of_value(*word)).collect()
    }
}
