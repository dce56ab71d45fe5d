//! Modules that run modules: who waits, with what is kept for it.

use std::ops::Range;

use super::{Machine, Then};
use crate::pxi::host::ScreenError;
use crate::pxi::isa::calls::CallError;
use crate::pxi::isa::{self, Isa};
use crate::pxi::stop::{Stop, Trap};

/// Modules that may wait for another.
const MAX_DEPTH: usize = 16;

/// A module that waits for the one it runs.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    registers: [u32; isa::REGISTERS as usize],
    pc: u32,
    window: Range<usize>,
    isa: Isa,
    floor: usize,
    /// Steps that the module it runs may still take.
    fuel: u64,
    /// The machine's steps when that module began.
    began: u64,
}

/// A module that is to run.
#[derive(Debug, Clone)]
pub(in crate::pxi) struct Launch {
    /// Its pixels, in the addresses of the module that runs it.
    pub(in crate::pxi) window: Range<usize>,
    /// Its generation.
    pub(in crate::pxi) isa: Isa,
    /// Where it begins, in its own addresses.
    pub(in crate::pxi) entry: u32,
    /// Steps it may take.
    pub(in crate::pxi) fuel: u64,
    /// Its first two registers.
    pub(in crate::pxi) arguments: [u32; 2],
}

impl Machine {
    /// Steps that the innermost module may still take.
    pub(super) fn frames_fuel(&self) -> u64 {
        self.frames.last().map_or(u64::MAX, |frame| frame.fuel)
    }

    /// Takes steps off the fuel of all modules that run.
    pub(super) fn spend(&mut self, steps: u64) {
        for frame in &mut self.frames {
            frame.fuel = frame.fuel.saturating_sub(steps);
        }
    }

    /// Begins a module; the one that runs waits behind its RUN.
    pub(in crate::pxi) fn launch(&mut self, launch: Launch) -> Result<Then, CallError> {
        if self.frames.len() >= MAX_DEPTH {
            return Err(CallError::TooDeep);
        }
        self.count_step();
        let fuel = if launch.fuel == 0 { u64::MAX } else { launch.fuel };
        let base = self.window.start;
        let window = base + launch.window.start..base + launch.window.end;
        self.code.separate(window.start);
        self.frames.push(Frame {
            registers: self.registers,
            pc: self.pc.wrapping_add(1),
            window: std::mem::replace(&mut self.window, window),
            isa: std::mem::replace(&mut self.isa, launch.isa),
            floor: std::mem::replace(&mut self.floor, self.top),
            fuel: fuel.min(self.frames_fuel()),
            began: self.steps,
        });
        self.registers = [0; isa::REGISTERS as usize];
        self.registers[..2].copy_from_slice(&launch.arguments);
        self.pc = launch.entry;
        Ok(Then::Begun)
    }

    /// Gives how a module ended to the one that waits; `None` if that one goes
    /// on, otherwise why the machine stops.
    pub(super) fn end_module(&mut self, stop: Stop) -> Option<Stop> {
        if stop.is_final() {
            return Some(stop);
        }
        let Some(frame) = self.frames.pop() else {
            return Some(stop);
        };
        let steps = u32::try_from(self.steps - frame.began).unwrap_or(u32::MAX);
        let (how, detail) = match &stop {
            Stop::Exit(status) => (0, *status),
            Stop::Halt | Stop::Return | Stop::EndOfMemory => (0, 0),
            Stop::OutOfFuel => (1, 0),
            Stop::Trap(trap) => (2, trap.code()),
        };
        self.stopped = match &stop {
            Stop::Trap(trap) => {
                format!("{trap} (pixel {} of the module)", self.pc)
            }
            other => other.to_string(),
        };
        self.top = self.floor;
        self.registers = frame.registers;
        self.registers[..4].copy_from_slice(&[how, 0, detail, steps]);
        (self.pc, self.window) = (frame.pc, frame.window);
        (self.isa, self.floor) = (frame.isa, frame.floor);
        None
    }
}

impl Stop {
    /// Whether it ends the machine and not just the module: its host is gone. A
    /// screen that is full is only the module's own.
    fn is_final(&self) -> bool {
        let is_gone = matches!(self, Self::Trap(Trap::Screen(ScreenError::Closed(_))));
        is_gone || matches!(self, Self::Trap(Trap::HostBudget { .. }))
    }
}
