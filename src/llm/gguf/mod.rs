//! The head of a GGUF file: what a model says of itself, and where its tensors lie.
//!
//! In: bytes that nobody vouches for. Out: [`Gguf`], in which every count, size
//! and place was checked against the file, or one sentence. The weights are not
//! read here, and what the head takes in memory is bounded.

mod reader;
mod tensor;

use std::collections::BTreeMap;
use std::io::Read;

use reader::HeadReader;
pub use tensor::{TensorInfo, TensorType};

/// `GGUF` at the beginning of the file.
const MAGIC: [u8; 4] = *b"GGUF";
/// Tensors of a file; the largest models have some thousands.
const MAX_TENSORS: u64 = 1 << 16;
/// Entries of the metadata.
const MAX_KEYS: u64 = 1 << 14;
/// Where tensors begin if the file does not say.
const DEFAULT_ALIGNMENT: u64 = 32;
const MAX_ALIGNMENT: u64 = 1 << 20;

/// Why a file is no model that can be read.
#[derive(Debug, thiserror::Error)]
pub enum GgufError {
    /// Reading failed, or the file ended.
    #[error("the head of the model file cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// It does not begin as a GGUF file does.
    #[error("this is no GGUF file: it does not begin with GGUF")]
    Magic,
    /// A version that is not known.
    #[error("GGUF version {0} is not known; 2 and 3 are")]
    Version(u32),
    /// A number that no such file can have.
    #[error("{what} is {value}, and {limit} is the most that there can be")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// As the file says.
        value: u64,
        /// The bound.
        limit: u64,
    },
    /// Something else that cannot be.
    #[error("{0}")]
    Bad(String),
}

/// A value of the metadata. Arrays of what no model is read by are passed over.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A whole number.
    Int(i128),
    /// Any other number.
    Float(f64),
    /// Yes or no.
    Bool(bool),
    /// A text; what is no UTF-8 in it is replaced.
    Text(String),
    /// A list of texts.
    Texts(Vec<String>),
    /// A list of whole numbers.
    Ints(Vec<i64>),
    /// A list of anything else: how many there are.
    Other(u64),
}

/// The head of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Gguf {
    metadata: BTreeMap<String, Value>,
    tensors: BTreeMap<String, TensorInfo>,
}

impl Gguf {
    /// Reads the head of a file of `len` bytes.
    ///
    /// # Errors
    /// [`GgufError`] for whatever is not as it must be.
    pub fn read(reader: &mut dyn Read, len: u64) -> Result<Self, GgufError> {
        let mut reader = HeadReader::new(reader, len);
        if reader.array()? != MAGIC {
            return Err(GgufError::Magic);
        }
        match reader.u32()? {
            2 | 3 => {}
            other => return Err(GgufError::Version(other)),
        }
        let tensors = reader.count("the number of tensors", MAX_TENSORS)?;
        let keys = reader.count("the number of metadata entries", MAX_KEYS)?;
        let mut metadata = BTreeMap::new();
        for _ in 0..keys {
            let key = reader.name()?;
            let value = reader.value()?;
            metadata.insert(key, value);
        }
        let mut gguf = Self { metadata, tensors: BTreeMap::new() };
        let mut found = Vec::new();
        for _ in 0..tensors {
            found.push(tensor::read(&mut reader)?);
        }
        let start = reader.position().next_multiple_of(gguf.alignment()?);
        for (name, mut info) in found {
            info.place(&name, start, len)?;
            if gguf.tensors.insert(name.clone(), info).is_some() {
                return Err(GgufError::Bad(format!("the tensor {name:?} is there twice")));
            }
        }
        Ok(gguf)
    }

    fn alignment(&self) -> Result<u64, GgufError> {
        let Some(value) = self.metadata.get("general.alignment") else {
            return Ok(DEFAULT_ALIGNMENT);
        };
        match value {
            Value::Int(n) => match u64::try_from(*n) {
                Ok(n) if n.is_power_of_two() && n <= MAX_ALIGNMENT => Ok(n),
                _ => Err(GgufError::Bad(format!("an alignment of {n} cannot be"))),
            },
            _ => Err(GgufError::Bad("general.alignment is no number".to_owned())),
        }
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.metadata.get(key)
    }

    /// The text of a key.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.get(key) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The whole number of a key, if it fits.
    pub fn int<T: TryFrom<i128>>(&self, key: &str) -> Option<T> {
        match self.get(key) {
            Some(Value::Int(n)) => T::try_from(*n).ok(),
            _ => None,
        }
    }

    /// The number of a key.
    pub fn float(&self, key: &str) -> Option<f64> {
        match self.get(key) {
            Some(Value::Float(x)) => Some(*x),
            Some(Value::Int(n)) => Some(*n as f64),
            _ => None,
        }
    }

    /// The list of texts of a key.
    pub fn texts(&self, key: &str) -> Option<&[String]> {
        match self.get(key) {
            Some(Value::Texts(texts)) => Some(texts),
            _ => None,
        }
    }

    /// The list of whole numbers of a key.
    pub fn ints(&self, key: &str) -> Option<&[i64]> {
        match self.get(key) {
            Some(Value::Ints(ints)) => Some(ints),
            _ => None,
        }
    }

    /// Whether a key says yes.
    pub fn flag(&self, key: &str) -> Option<bool> {
        match self.get(key) {
            Some(Value::Bool(flag)) => Some(*flag),
            _ => None,
        }
    }

    /// The tensor of that name.
    pub fn tensor(&self, name: &str) -> Option<&TensorInfo> {
        self.tensors.get(name)
    }

    /// All tensors by name.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &TensorInfo)> {
        self.tensors.iter().map(|(name, info)| (name.as_str(), info))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
