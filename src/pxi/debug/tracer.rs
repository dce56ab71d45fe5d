//! A machine that is watched: step by step, with the calls that are open.
//!
//! Return addresses lie on a stack that programs also push numbers on. Who
//! called whom is therefore noted when a call happens; the call is over when
//! the stack no longer reaches up to its return address, however that came.

use super::names::Names;
use crate::pxi::host::Host;
use crate::pxi::isa::{self, Isa};
use crate::pxi::stop::Stop;
use crate::pxi::{Machine, Pixel};

/// Open calls that are noted. Deeper ones run all the same.
const MAX_CALLS: usize = 1 << 20;

/// How a call came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallKind {
    /// CALL, BSR or JSR.
    Call,
    /// RUN: a module in its own window.
    Module,
}

/// An open call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// How it came about.
    pub kind: CallKind,
    /// The instruction that called.
    pub site: u32,
    /// What was called.
    pub target: u32,
    /// Index of its return address on the stack; of RUN, the floor of the module.
    pub height: usize,
    /// Modules that wait while it runs.
    pub depth: usize,
    /// The first pixel of the module that returns are counted from.
    pub base: u32,
}

/// What one step was.
#[derive(Debug, Clone)]
pub struct Step {
    /// Steps completed before it.
    pub number: u64,
    /// The instruction's address in the memory.
    pub address: u32,
    /// The first pixel of the module it belongs to.
    pub base: u32,
    /// The generation of that module.
    pub isa: Isa,
    /// Modules that waited for it.
    pub depth: usize,
    /// The instruction as it was before it ran; `None` outside the memory.
    pub pixel: Option<Pixel>,
    /// Calls that are over since.
    pub ended: usize,
    /// Whether a call was opened.
    pub called: bool,
    /// Why the machine stopped.
    pub stop: Option<Stop>,
}

/// A machine and what is known of it.
#[derive(Debug, Clone)]
pub struct Tracer {
    /// The machine.
    pub machine: Machine,
    /// Names of its addresses.
    pub names: Names,
    calls: Vec<Call>,
    omitted: u64,
}

impl Tracer {
    /// Watches a machine.
    pub fn new(machine: Machine, names: Names) -> Self {
        Self { machine, names, calls: Vec::new(), omitted: 0 }
    }

    /// Open calls, outermost first.
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// Calls that were too deep to be noted.
    pub fn omitted(&self) -> u64 {
        self.omitted
    }

    /// The address in the memory of the next instruction.
    pub fn address(&self) -> u32 {
        u32::try_from(self.machine.pc()).unwrap_or(u32::MAX)
    }

    /// Takes one step.
    #[inline]
    pub fn step<H: Host>(&mut self, host: &mut H) -> Step {
        let machine = &mut self.machine;
        let (window, depth) = (machine.window(), machine.depth());
        let at = machine.pc();
        let mut step = Step {
            number: machine.steps(),
            address: u32::try_from(at).unwrap_or(u32::MAX),
            base: window.start as u32,
            isa: machine.isa(),
            depth,
            pixel: if at < window.end { machine.memory().pixels().get(at).copied() } else { None },
            ended: 0,
            called: false,
            stop: None,
        };
        step.stop = machine.step(host);
        step.ended = self.close();
        step.called = step.stop.is_none() && self.open(&step);
        step
    }

    fn close(&mut self) -> usize {
        let (depth, len) = (self.machine.depth(), self.machine.stack().len());
        let open = |call: &Call| {
            call.depth < depth
                || call.depth == depth && (call.kind == CallKind::Module || call.height < len)
        };
        let before = self.calls.len();
        while self.calls.last().is_some_and(|call| !open(call)) {
            self.calls.pop();
        }
        before - self.calls.len()
    }

    fn open(&mut self, step: &Step) -> bool {
        let depth = self.machine.depth();
        let kind = match depth.cmp(&step.depth) {
            std::cmp::Ordering::Less => return false,
            std::cmp::Ordering::Equal if is_call(step) => CallKind::Call,
            std::cmp::Ordering::Equal => return false,
            std::cmp::Ordering::Greater => CallKind::Module,
        };
        let window = self.machine.window();
        let base = window.start as u32;
        if kind == CallKind::Module {
            self.names.learn(window, self.machine.memory().pixels());
        }
        if self.calls.len() >= MAX_CALLS {
            self.omitted += 1;
            return false;
        }
        let len = self.machine.stack().len();
        let height = if kind == CallKind::Call { len.saturating_sub(1) } else { len };
        let target = self.address();
        self.calls.push(Call { kind, site: step.address, target, height, depth, base });
        true
    }
}

fn is_call(step: &Step) -> bool {
    let opcode = step.pixel.map(|pixel| pixel.channels()[0]);
    match step.isa {
        Isa::Pxi1 => opcode == Some(isa::CALL),
        Isa::Pxi2 => matches!(opcode, Some(isa::BSR | isa::JSR)),
    }
}
