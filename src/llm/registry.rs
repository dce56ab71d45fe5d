//! `llm_pixel_registry.json`: the cartridges of a place, in the order in which
//! they were made. What cannot be understood is named and left as it stands; all
//! else is used.

use std::collections::HashMap;
use std::fmt;

use serde::Serialize;

use super::cartridge::{Cartridge, check_name, pixel_file_name};
use super::chat::listed;
use super::harmless::harmless;
use crate::builder::Document;

/// The registry's file name.
pub const LLM_REGISTRY: &str = "llm_pixel_registry.json";

/// Longest registry that is read.
pub const MAX_LLM_REGISTRY: usize = 4 << 20;

/// Most entries that are looked at.
const MAX_ENTRIES: usize = 4096;

/// Longest entry.
const MAX_ENTRY: usize = 256 << 10;

/// Faults that are named one by one; a hostile registry has no end of them.
const MAX_FAULTS: usize = 100;

/// Why a registry cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum CartridgeError {
    /// The registry as a whole is nothing that can be read.
    #[error("{LLM_REGISTRY}: {0}")]
    Registry(String),
    /// There is no such cartridge; those there are follow.
    #[error("there is no cartridge {name:?}{}", known(.names))]
    NotFound {
        /// What was asked for.
        name: String,
        /// The names there are.
        names: Vec<String>,
    },
    /// It cannot be done; the sentence says why.
    #[error("{0}")]
    Refused(String),
    /// The place of the registry cannot be read or changed.
    #[error(transparent)]
    Place(#[from] crate::builder::BuildError),
}

fn known(names: &[String]) -> String {
    if names.is_empty() {
        "; 'pxfs llm create' makes one".into()
    } else {
        format!("; there are: {}", listed(names))
    }
}

/// What is wrong with an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The entry's key, and its name if it has one.
    pub entry: String,
    /// What is wrong.
    pub problem: String,
    /// Whether the entry is used all the same.
    pub is_used: bool,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let left_out = if self.is_used { "" } else { "; it is left out" };
        write!(f, "{LLM_REGISTRY}: entry {}: {}{left_out}", self.entry, self.problem)
    }
}

/// The cartridges of a place.
#[derive(Debug, Default)]
pub struct Registry {
    document: Document,
    cartridges: Vec<Cartridge>,
    faults: Vec<Fault>,
}

impl Registry {
    /// Reads a registry.
    ///
    /// # Errors
    /// When it is no JSON object, or too large; faults of entries are no error.
    pub fn parse(text: &[u8]) -> Result<Self, CartridgeError> {
        if text.len() > MAX_LLM_REGISTRY {
            let sentence = format!("has {} bytes, more than {MAX_LLM_REGISTRY}", text.len());
            return Err(CartridgeError::Registry(sentence));
        }
        let document = Document::parse(LLM_REGISTRY, text)
            .map_err(|error| CartridgeError::Registry(reason(&error)))?;
        let mut registry = Self { document, ..Self::default() };
        registry.read_entries();
        Ok(registry)
    }

    fn read_entries(&mut self) {
        let mut names: HashMap<String, String> = HashMap::new();
        let mut faults = Vec::new();
        for (index, (key, value)) in self.document.iter().enumerate() {
            if index >= MAX_ENTRIES {
                let problem = format!("only the first {MAX_ENTRIES} entries are looked at");
                faults.push(fault(key, None, problem, false));
                break;
            }
            let mut remarks = Vec::new();
            match read_entry(key, value, &mut remarks) {
                Err((name, problem)) => faults.push(fault(key, name.as_deref(), problem, false)),
                Ok(cartridge) => {
                    let folded = cartridge.name.to_lowercase();
                    if let Some(other) = names.get(&folded) {
                        let problem = format!("its name is that of entry {other}");
                        faults.push(fault(key, Some(&cartridge.name), problem, false));
                        continue;
                    }
                    names.insert(folded, key.to_owned());
                    for problem in remarks {
                        faults.push(fault(key, Some(&cartridge.name), problem, true));
                    }
                    self.cartridges.push(cartridge);
                }
            }
        }
        let more = faults.len().saturating_sub(MAX_FAULTS);
        faults.truncate(MAX_FAULTS);
        if more > 0 {
            let entry = "(others)".to_owned();
            faults.push(Fault { entry, problem: format!("{more} more faults"), is_used: false });
        }
        self.faults = faults;
    }

    /// The registry as the Python tools write it. Entries that were not changed are
    /// byte for byte as they were.
    pub fn to_json(&self) -> String {
        let mut text = String::new();
        self.document.write(&mut text, 0);
        text
    }

    /// All cartridges of use, in order.
    pub fn cartridges(&self) -> &[Cartridge] {
        &self.cartridges
    }

    /// What is wrong with entries.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// The cartridge with a number.
    pub fn by_id(&self, id: u32) -> Option<&Cartridge> {
        self.cartridges.iter().find(|cartridge| cartridge.id == id)
    }

    /// The cartridge with a name; upper and lower case are one.
    pub fn by_name(&self, name: &str) -> Option<&Cartridge> {
        let folded = name.to_lowercase();
        self.cartridges.iter().find(|cartridge| cartridge.name.to_lowercase() == folded)
    }

    /// The cartridge that a name or a number (`0x41E2939A`, `1105367962`) means.
    ///
    /// # Errors
    /// When there is none.
    pub fn find(&self, name: &str) -> Result<&Cartridge, CartridgeError> {
        let by_number = || self.by_id(parse_id(name)?);
        self.by_name(name).or_else(by_number).ok_or_else(|| self.not_found(name))
    }

    /// That there is no cartridge of a name.
    pub(super) fn not_found(&self, name: &str) -> CartridgeError {
        let names = self.cartridges.iter().map(|cartridge| harmless(&cartridge.name, 80));
        CartridgeError::NotFound { name: harmless(name, 80), names: names.collect() }
    }

    /// Enters a new cartridge, and gives it the name of its pixel's file.
    ///
    /// # Errors
    /// When it cannot be used, holds a key, or its name or number is taken.
    pub fn add(&mut self, mut new: Cartridge) -> Result<&Cartridge, CartridgeError> {
        let refused = |why: String| CartridgeError::Refused(format!("no cartridge is made: {why}"));
        check_name(&new.name).map_err(refused)?;
        if let Some(old) = self.by_name(&new.name) {
            let (name, id) = (harmless(&old.name, 80), old.id_text());
            return Err(refused(format!("there is a cartridge {name:?} already, {id}")));
        }
        // Also an entry that is of no use has its number.
        if self.document.get(&new.id.to_string()).is_some() {
            return Err(refused(format!("{} is taken", new.id_text())));
        }
        new.file = self.free_file(&new);
        new.check_new().map_err(refused)?;
        let entry = new.to_entry();
        self.document
            .set(&new.id.to_string(), &entry, 0)
            .map_err(|error| CartridgeError::Registry(reason(&error)))?;
        if self.to_json().len() > MAX_LLM_REGISTRY {
            self.document.remove(&new.id.to_string());
            return Err(refused("the registry would be too large to be read".into()));
        }
        self.cartridges.push(new);
        Ok(&self.cartridges[self.cartridges.len() - 1])
    }

    /// The file for a new pixel: as the Python tools name it unless another
    /// cartridge has that, as two names can give one file name.
    fn free_file(&self, new: &Cartridge) -> String {
        let usual = pixel_file_name(&new.name);
        let is_taken = self.cartridges.iter().any(|other| other.file.eq_ignore_ascii_case(&usual));
        match is_taken {
            true => pixel_file_name(&format!("{} {:08x}", new.name, new.id)),
            false => usual,
        }
    }

    /// Takes a cartridge out, by its name or number; an entry of no use by its
    /// number. Gives back the name of its pixel's file, if it says one.
    ///
    /// # Errors
    /// When there is none.
    pub fn remove(&mut self, name: &str) -> Result<Removed, CartridgeError> {
        let found = self.find(name).cloned();
        if let Ok(cartridge) = found {
            self.document.remove(&cartridge.id.to_string());
            self.cartridges.retain(|other| other.id != cartridge.id);
            let (id, name) = (cartridge.id, cartridge.name);
            return Ok(Removed { id: Some(id), name, file: Some(cartridge.file) });
        }
        let key = parse_id(name).map_or_else(|| name.to_owned(), |id| id.to_string());
        if self.document.remove(&key) {
            return Ok(Removed { id: parse_id(&key), name: harmless(&key, 80), file: None });
        }
        Err(self.not_found(name))
    }
}

/// What was taken out of a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// Its number, if it had a sound one.
    pub id: Option<u32>,
    /// Its name, or its key if that is all there was.
    pub name: String,
    /// The file with its pixel.
    pub file: Option<String>,
}

/// Understands a number: hexadecimal after `0x`, else decimal.
pub fn parse_id(text: &str) -> Option<u32> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            u32::from_str_radix(digits, 16).ok()
        }
        None if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        _ => None,
    }
}

/// Reads an entry; with what is wrong comes the name that it says.
fn read_entry(
    key: &str,
    value: &str,
    remarks: &mut Vec<String>,
) -> Result<Cartridge, (Option<String>, String)> {
    if value.len() > MAX_ENTRY {
        return Err((None, format!("has {} bytes, more than {MAX_ENTRY}", value.len())));
    }
    Cartridge::from_entry(key, value, remarks).map_err(|problem| {
        #[derive(serde::Deserialize)]
        struct Named {
            name: Option<String>,
        }
        let named = serde_json::from_str::<Named>(value).ok();
        (named.and_then(|named| named.name), problem)
    })
}

fn fault(key: &str, name: Option<&str>, problem: String, is_used: bool) -> Fault {
    let key = harmless(key, 40);
    let entry = match name {
        Some(name) => format!("{key} ({})", harmless(name, 80)),
        None => key,
    };
    Fault { entry, problem: harmless(&problem, 400), is_used }
}

/// A reason without the file's name, which the error says itself.
fn reason(error: &crate::builder::BuildError) -> String {
    let text = error.to_string();
    let text =
        text.strip_prefix(LLM_REGISTRY).map_or(text.as_str(), |rest| rest.trim_start_matches(": "));
    harmless(text, 200)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::cartridge::Backend;
    use super::*;

    fn sample(name: &str, id: u32) -> Cartridge {
        Cartridge {
            id,
            name: name.into(),
            description: String::new(),
            backend: Backend::Custom,
            endpoint: "http://localhost:9".into(),
            model_name: "m".into(),
            max_tokens: 5,
            temperature: 0.5,
            system_prompt: None,
            key: None,
            file: String::new(),
        }
    }

    #[test]
    fn names_are_unique_whatever_their_case() {
        let mut registry = Registry::default();
        assert_eq!(registry.add(sample("My Model", 7)).unwrap().file, "llm_my_model.pxdigest.png");
        let error = registry.add(sample("MY model", 8)).unwrap_err().to_string();
        assert!(error.contains("already, 0x00000007"), "{error}");
        let error = registry.add(sample("other", 7)).unwrap_err().to_string();
        assert!(error.contains("is taken"), "{error}");
        // Another name, the same file name.
        let other = registry.add(sample("my_model", 9)).unwrap();
        assert_eq!(other.file, "llm_my_model_00000009.pxdigest.png");
        assert_eq!(registry.find("0x00000009").unwrap().name, "my_model");
        assert_eq!(registry.remove("MY MODEL").unwrap().id, Some(7));
        assert!(registry.find("my model").is_err());
        let again = Registry::parse(registry.to_json().as_bytes()).unwrap();
        assert_eq!(again.cartridges(), registry.cartridges());
    }

    #[test]
    fn no_key_gets_into_a_registry() {
        let mut registry = Registry::default();
        let key = "sk-0123456789abcdefghijkl";
        let mut new = sample("a", 1);
        new.system_prompt = Some(format!("use {key}"));
        let error = registry.add(new).unwrap_err().to_string();
        assert!(error.contains("system prompt holds what looks like a key"), "{error}");
        assert!(!error.contains(key));
        assert_eq!(registry.to_json(), "{}");
    }
}
