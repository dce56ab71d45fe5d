//! The machine: memory, registers, stack, and the modules that run in it.
//!
//! PXI-1 runs bit for bit as on the old machine, with limits it did not have.
//! Registers hold Python integers there; here 32 bits without a sign are enough
//! and exact: LOAD gives 0..255, ADD and SUB wrap at 256, and whatever else
//! reaches a register through POP or a system call is an address or a count, at
//! most the number of pixels, which [`Raster`] bounds far below 2^32.
//!
//! A program sees a window of the memory: every address it names is counted
//! from the window's first pixel, so it runs the same wherever it lies.

mod arithmetic;
mod burst;
mod code;
mod frames;
mod observe;
mod operation;
mod outside;
mod state;
mod step;

use std::ops::Range;

use crate::pxi::governor::Governor;
use crate::pxi::host::Host;
use crate::pxi::isa::{self, Isa};
use crate::pxi::random::Random;
use crate::pxi::stop::{Stop, Trap};
use crate::pxi::{Pixel, Raster};

use code::Codes;
use frames::Frame;
pub(super) use frames::Launch;

/// What a run may use beyond its fuel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of stack, four an entry. Fuel bounds it too: one push a step.
    pub stack_bytes: usize,
    /// Bytes that system calls may make the host read and inflate.
    pub host_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        // 16 million calls deep; about a second of inflating.
        Self { stack_bytes: 64 << 20, host_bytes: 1 << 30 }
    }
}

/// The machine: memory, frame, registers, stack.
#[derive(Debug, Clone)]
pub struct Machine {
    pub(super) memory: Raster,
    pub(super) frame: Raster,
    pub(super) registers: [u32; isa::REGISTERS as usize],
    /// The stack, and room for more.
    stack: Vec<u32>,
    /// How much of that is the stack.
    top: usize,
    /// Relative to the window.
    pc: u32,
    /// The part of the memory that the program sees.
    pub(super) window: Range<usize>,
    isa: Isa,
    /// The stack's height below which the program cannot reach.
    floor: usize,
    /// Who waits for a module to end, outermost first.
    frames: Vec<Frame>,
    code: Codes,
    steps: u64,
    pub(super) host_bytes: u64,
    pub(super) limits: Limits,
    pub(super) random: Random,
    pub(super) governor: Governor,
    /// What the module that ended last stopped of.
    pub(super) stopped: String,
}

/// Why the inner loop came back: what it cannot do without the whole machine.
pub(super) enum Pause {
    Stop(Stop),
    Blob,
    Llm,
    Call(u16),
}

/// What a system call leaves to be done.
pub(super) enum Then {
    /// The next instruction.
    Next,
    /// The program, or the module that RUN runs, ends.
    Stop(Stop),
    /// A module begins: the program counter is where it must be.
    Begun,
}

impl Machine {
    /// A machine of PXI-1 whose memory is `memory`, about to run at `entry`, an
    /// address relative to `base`.
    pub fn new(memory: Raster, base: usize, entry: usize) -> Self {
        let frame = Raster::blank(memory.width(), memory.height());
        let len = memory.pixels().len();
        Self {
            window: base.min(len)..len,
            memory,
            frame,
            registers: [0; isa::REGISTERS as usize],
            stack: Vec::new(),
            top: 0,
            pc: u32::try_from(entry).unwrap_or(u32::MAX),
            isa: Isa::Pxi1,
            floor: 0,
            frames: Vec::new(),
            code: Codes::default(),
            steps: 0,
            host_bytes: 0,
            limits: Limits::default(),
            random: Random::new(0),
            governor: Governor::default(),
            stopped: String::new(),
        }
    }

    /// A machine of PXI-2: a memory, a frame, and where to begin.
    pub fn new2(memory: Raster, frame: Raster, entry: u32) -> Self {
        let mut machine = Self::new(memory, 0, entry as usize);
        machine.frame = frame;
        machine.isa = Isa::Pxi2;
        machine
    }

    /// The same machine with other limits.
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        // Room beyond the new limit is none.
        self.stack.truncate(self.top.max(limits.stack_bytes / size_of::<u32>()));
        self
    }

    /// The same machine with another seed of its random numbers.
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.random = Random::new(seed);
        self
    }

    /// The same machine under a policy that others narrowed before.
    pub fn with_governor(mut self, governor: Governor) -> Self {
        self.governor = governor;
        self
    }

    /// The policy, and what it has counted: for whoever runs next.
    pub fn governor(&self) -> &Governor {
        &self.governor
    }

    /// The memory: the program, and what it loaded.
    pub fn memory(&self) -> &Raster {
        &self.memory
    }

    /// The memory, to be changed from outside between two runs.
    pub fn memory_mut(&mut self) -> &mut [Pixel] {
        self.code.forget_everything();
        self.memory.pixels_mut()
    }

    /// The frame: what the program drew.
    pub fn frame(&self) -> &Raster {
        &self.frame
    }

    /// R0 to R15.
    pub fn registers(&self) -> &[u32] {
        &self.registers
    }

    /// R0 to R15, to be changed from outside between two runs.
    pub fn registers_mut(&mut self) -> &mut [u32; isa::REGISTERS as usize] {
        &mut self.registers
    }

    /// The stack, bottom first, that of waiting modules included.
    pub fn stack(&self) -> &[u32] {
        &self.stack[..self.top]
    }

    /// The program counter: an index into the memory, or beyond it.
    pub fn pc(&self) -> usize {
        self.window.start + self.pc as usize
    }

    /// The generation of the module that runs.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// Where the module that runs lies in the memory.
    pub fn window(&self) -> Range<usize> {
        self.window.clone()
    }

    /// How many modules wait for another that they run.
    pub fn depth(&self) -> usize {
        self.frames.len()
    }

    /// Instructions completed. The one that stops a run is not among them.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Runs until the program stops or `fuel` more steps are done. A COPY or
    /// FILL that has begun is finished, so a run may take a little more.
    pub fn run<H: Host>(&mut self, host: &mut H, fuel: u64) -> Stop {
        let end = self.steps.saturating_add(fuel);
        loop {
            if let Some(stop) = self.turn(host, end) {
                return stop;
            }
        }
    }

    /// Runs up to the next system call, the end of a module that another runs,
    /// or the stop that it gives. `end` is the count of steps not to go beyond.
    fn turn<H: Host>(&mut self, host: &mut H, end: u64) -> Option<Stop> {
        let left = end.saturating_sub(self.steps);
        let (pause, steps) = self.burst(host, left.min(self.frames_fuel()));
        self.steps = self.steps.saturating_add(steps);
        self.spend(steps);
        let then = match pause {
            Pause::Stop(stop) => Ok(Then::Stop(stop)),
            Pause::Blob => self.sys_blob(host).map(|()| Then::Next),
            Pause::Llm => {
                self.sys_llm(host);
                Ok(Then::Next)
            }
            Pause::Call(number) => self.call(host, number),
        };
        let stop = match then {
            Ok(Then::Next) => {
                self.pc = self.pc.wrapping_add(1);
                self.count_step();
                return None;
            }
            Ok(Then::Begun) => return None,
            Ok(Then::Stop(stop)) => stop,
            Err(trap) => Stop::Trap(trap),
        };
        // The fuel of the run, not that of the module: it may go on another time.
        if stop == Stop::OutOfFuel && self.frames_fuel() > 0 {
            return Some(stop);
        }
        self.end_module(stop)
    }

    /// Counts a step that was not taken in the inner loop.
    fn count_step(&mut self) {
        self.steps += 1;
        self.spend(1);
    }

    /// Forgets what is decoded of a part of the memory, given in the window's addresses.
    pub(super) fn forget(&mut self, written: Range<usize>) {
        let base = self.window.start;
        self.code.forget(base + written.start..base + written.end);
    }

    /// Adds to what the host has read for this machine.
    pub(super) fn charge(&mut self, cost: u64) -> Result<(), Trap> {
        self.host_bytes = self.host_bytes.saturating_add(cost);
        let (used, limit) = (self.host_bytes, self.limits.host_bytes);
        if used > limit { Err(Trap::HostBudget { used, limit }) } else { Ok(()) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
