//! Which cartridge answers a question, and why. The machine's SYS_LLM, the tiles
//! of the map and `pxfs llm route` ask here, so that all give the same answer.
//!
//! Nothing is asked on the network for it: the same registry gives the same route,
//! and a server that is down is an error and no reason to tell the question to
//! another one.

use std::fmt;

use serde::Serialize;

use super::cartridge::Cartridge;
use super::registry::{CartridgeError, Registry, parse_id};

/// The name of the cartridge that is the default, if there is one of that name.
const DEFAULT: &str = "default";

/// A cartridge, and why it is that one.
#[derive(Debug, Clone, PartialEq)]
pub struct Route<'r> {
    /// The cartridge that answers.
    pub cartridge: &'r Cartridge,
    /// Why.
    pub why: Why,
}

/// Why a cartridge answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// Its name was asked for.
    Name,
    /// Its number was asked for, the colour of its pixel.
    Id,
    /// The number of the file that holds its pixel was asked for, which is what
    /// the machine's routing table has.
    File,
    /// No model in particular was asked for, and it is called `default`.
    CalledDefault,
    /// No model in particular was asked for, and it is the first.
    First,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "it has this name",
            Self::Id => "its pixel is this number",
            Self::File => "the file with its pixel is this number",
            Self::CalledDefault => "no model was named, and it is called default",
            Self::First => "no model was named, and it is the first of the registry",
        })
    }
}

/// A registry, and the numbers of the files that hold its pixels.
#[derive(Debug, Default)]
pub struct Routes {
    registry: Registry,
    /// Number of the file, number of the cartridge.
    files: Vec<(u32, u32)>,
}

impl Routes {
    /// The routes of a registry; `files` pairs numbers of files with those of the
    /// cartridges whose pixels they hold.
    pub fn new(registry: Registry, files: Vec<(u32, u32)>) -> Self {
        Self { registry, files }
    }

    /// The registry.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The cartridge for a number as SYS_LLM has it in R3: 0 asks for the default.
    ///
    /// # Errors
    /// When there is none.
    pub fn by_id(&self, id: u32) -> Result<Route<'_>, CartridgeError> {
        if id == 0 {
            return self.default_route();
        }
        if let Some(cartridge) = self.registry.by_id(id) {
            return Ok(Route { cartridge, why: Why::Id });
        }
        let file = self.files.iter().find(|(file, _)| *file == id);
        let found = file.and_then(|(_, cartridge)| self.registry.by_id(*cartridge));
        let found = found.map(|cartridge| Route { cartridge, why: Why::File });
        found.ok_or_else(|| self.registry.not_found(&format!("0x{id:08X}")))
    }

    /// The cartridge for a name, or for a number that stands for one.
    ///
    /// # Errors
    /// When there is none.
    pub fn by_name(&self, name: &str) -> Result<Route<'_>, CartridgeError> {
        if let Some(cartridge) = self.registry.by_name(name) {
            return Ok(Route { cartridge, why: Why::Name });
        }
        match parse_id(name) {
            Some(id) => self.by_id(id),
            None => Err(self.registry.not_found(name)),
        }
    }

    /// The cartridge that answers when none is named: the one called `default`, else
    /// the first of the registry.
    ///
    /// # Errors
    /// When there is none.
    pub fn default_route(&self) -> Result<Route<'_>, CartridgeError> {
        if let Some(cartridge) = self.registry.by_name(DEFAULT) {
            return Ok(Route { cartridge, why: Why::CalledDefault });
        }
        let first = self.registry.cartridges().first();
        let first = first.map(|cartridge| Route { cartridge, why: Why::First });
        first.ok_or_else(|| self.registry.not_found(DEFAULT))
    }
}
