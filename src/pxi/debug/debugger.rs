//! The debugger: a program, its points, and commands that act on them.

use super::points::Points;
use super::tracer::Tracer;
use crate::pxi::host::Host;
use crate::pxi::stop::Stop;
use crate::pxi::{Isa, Raster};

/// What a debugger needs of the outside, besides a host for the program.
pub trait Front: Host {
    /// The text of a source file that the symbol file names.
    ///
    /// # Errors
    /// One sentence.
    fn source(&mut self, file: &str) -> Result<String, String>;

    /// Writes a picture.
    ///
    /// # Errors
    /// One sentence.
    fn save(&mut self, path: &str, picture: &Raster) -> Result<(), String>;
}

/// Why a command was not carried out: one sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CommandError(String);

impl CommandError {
    pub(super) fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }

    pub(super) fn outside(address: i64) -> Self {
        Self(format!("address {address} is outside the memory"))
    }
}

/// What a command gives.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reply {
    /// Lines to show, each with a line feed behind.
    pub text: String,
    /// The person wants to leave.
    pub quit: bool,
}

/// A program under the eyes of a person or a script.
#[derive(Debug)]
pub struct Debugger {
    pub(super) tracer: Tracer,
    /// As the program was before its first step.
    pub(super) start: Tracer,
    pub(super) points: Points,
    /// Why the program ended.
    pub(super) ended: Option<Stop>,
    /// What the program is, for `info module`.
    pub(super) about: String,
    /// Steps that one command may take.
    pub(super) fuel: u64,
    pub(super) colours: bool,
    /// Pixels in a row of the memory, where it is shown as a picture.
    pub(super) width: u32,
    /// Where `x` goes on.
    pub(super) looked_up_to: Option<u32>,
    /// Where `list` goes on.
    pub(super) listed: Option<(String, u32)>,
}

impl Debugger {
    /// Will debug this program; `about` are lines that describe it.
    pub fn new(tracer: Tracer, about: String) -> Self {
        Self {
            start: tracer.clone(),
            tracer,
            points: Points::default(),
            ended: None,
            about,
            fuel: 100_000_000,
            colours: false,
            width: 1,
            looked_up_to: None,
            listed: None,
        }
    }

    /// The same with another bound on the steps that one command may take.
    pub fn with_fuel(mut self, fuel: u64) -> Self {
        self.fuel = fuel;
        self
    }

    /// The same with squares of colour in what is shown, for terminals that can.
    pub fn with_colours(mut self, colours: bool) -> Self {
        self.colours = colours;
        self
    }

    /// The same with rows of that many pixels in the pictures of the memory.
    pub fn with_width(mut self, width: u32) -> Self {
        self.width = width;
        self
    }

    /// The program.
    pub fn tracer(&self) -> &Tracer {
        &self.tracer
    }

    /// Why the program ended, if it did.
    pub fn ended(&self) -> Option<&Stop> {
        self.ended.as_ref()
    }

    /// The generation of the code at an address, and the first pixel of its module.
    pub(super) fn module_at(&self, address: u32) -> (Isa, u32) {
        let machine = &self.tracer.machine;
        let window = machine.window();
        if window.contains(&(address as usize)) {
            return (machine.isa(), window.start as u32);
        }
        (self.start.machine.isa(), 0)
    }
}
