//! For those who watch a machine: one step at a time, and what may be changed between two.

use super::Machine;
use crate::pxi::host::Host;
use crate::pxi::stop::Stop;

impl Machine {
    /// Takes one instruction, or the end of a module that another runs. Gives
    /// why the machine stopped, if it did.
    pub fn step<H: Host>(&mut self, host: &mut H) -> Option<Stop> {
        let before = self.steps;
        match self.turn(host, before.saturating_add(1)) {
            // One step is all that it was given.
            Some(Stop::OutOfFuel) if self.steps != before => None,
            stop => stop,
        }
    }

    /// Makes the module that runs go on at another of its addresses.
    pub fn set_pc(&mut self, address: u32) {
        self.pc = address;
    }

    /// Steps that the module that runs may still take; `None` for the outermost.
    pub fn module_fuel(&self) -> Option<u64> {
        (!self.frames.is_empty()).then(|| self.frames_fuel())
    }

    /// Entries of the stack that belong to modules that wait.
    pub fn stack_floor(&self) -> usize {
        self.floor
    }
}
