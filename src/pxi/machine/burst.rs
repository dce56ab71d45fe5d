//! From the whole machine to running instructions, and back when one of them
//! needs the whole machine.
//!
//! What makes it fast: one word is fetched an instruction, and it leads straight
//! to the function that runs it; what often comes in a row is one operation;
//! fuel is counted at jumps only. Between two jumps instructions lie in a row,
//! so the fuel ends at a known address: the code ends there for whoever fetches,
//! and the check that the program counter is inside is the check of the fuel, too.

use std::ops::Range;

use super::code::{self, Place};
use super::operation;
use super::outside;
use super::state::{Exit, Known, Registers, State};
use super::{Machine, Pause};
use crate::pxi::host::Host;
use crate::pxi::isa::{self, Isa};
use crate::pxi::stop::{Stop, Trap};

/// Steps taken before the stack of calls must be empty again, for builds in which a
/// call at a function's end is no jump.
const SLICE: u64 = if cfg!(debug_assertions) { 256 } else { 4096 };

/// Numbers that the stack has room for when it is first used.
const FIRST_STACK: usize = 256;

impl Machine {
    /// Runs up to a stop or a system call, `fuel` steps unless it ends in the middle
    /// of a COPY or FILL; gives the steps taken, too.
    pub(super) fn burst<H: Host>(&mut self, host: &mut H, fuel: u64) -> (Pause, u64) {
        let (isa, window) = (self.isa, self.window.clone());
        self.code.prepare(self.memory.pixels().len(), isa);
        let known = clip(&self.code.known(), &window);
        let view = self.code.view(window.clone(), isa);
        let mut state = State {
            memory: &mut self.memory.pixels_mut()[window.clone()],
            code: view.own,
            other: view.other,
            known,
            end: 0,
            owed: 0,
            stack: std::mem::take(&mut self.stack),
            top: self.top,
            floor: self.floor,
            pc: self.pc as usize,
            detail: 0,
        };
        let stack_bytes = self.limits.stack_bytes;
        let mut registers: Registers = [0; 256];
        registers[..self.registers.len()].copy_from_slice(&self.registers);
        let mut decoded = 0..0;
        let mut steps = 0;
        let pause = loop {
            let slice = fuel.saturating_sub(steps).min(SLICE);
            (state.end, state.owed) = (state.pc as u64 + slice, 0);
            let pc = state.pc;
            let exit = operation::run(&mut state, &mut registers, pc);
            steps += slice - state.end.wrapping_sub(state.pc as u64) + state.owed;
            match exit {
                Exit::End if steps >= fuel => break Pause::Stop(Stop::OutOfFuel),
                Exit::End if state.pc < state.code.len() => {}
                Exit::Decode => {
                    let row = code::decode_row(state.code, state.memory, state.pc, isa);
                    state.known = with(state.known, &row);
                    decoded = code::hull(decoded, row);
                }
                Exit::Grow => {
                    if let Err(trap) = grow(&mut state, stack_bytes) {
                        break Pause::Stop(Stop::Trap(trap));
                    }
                }
                Exit::Outside => {
                    let opcode = state.memory[state.pc].channels()[0];
                    let word = Place(&state.code[state.pc]);
                    match opcode {
                        isa::SYS => break Pause::Call(word.number() as u16),
                        isa::SYS_BLOB => break Pause::Blob,
                        isa::SYS_LLM => break Pause::Llm,
                        _ => {}
                    }
                    let done = outside::run(opcode, word, &mut registers, &mut self.frame, host);
                    if let Err(error) = done {
                        break Pause::Stop(Stop::Trap(error.into()));
                    }
                    state.pc += 1;
                    steps += 1;
                }
                exit => break Pause::Stop(stop(exit, &state, isa)),
            }
        };
        self.registers.copy_from_slice(&registers[..isa::REGISTERS as usize]);
        self.pc = state.pc as u32;
        self.top = state.top;
        self.stack = state.stack;
        if !decoded.is_empty() {
            let start = window.start;
            self.code.add_known(start + decoded.start..start + decoded.end, isa);
        }
        (pause, steps)
    }
}

/// Why the program stops.
fn stop(exit: Exit, state: &State<'_>, isa: Isa) -> Stop {
    Stop::Trap(match exit {
        Exit::Halt => return Stop::Halt,
        Exit::Return => return Stop::Return,
        Exit::End if isa == Isa::Pxi1 => return Stop::EndOfMemory,
        Exit::BadAddress => Trap::BadAddress(state.detail),
        Exit::StackEmpty => Trap::StackEmpty,
        Exit::DivideByZero => Trap::DivideByZero,
        Exit::Overflow => Trap::Overflow,
        Exit::Illegal => Trap::Illegal(state.memory.get(state.pc).copied().unwrap_or_default()),
        Exit::End | Exit::Decode | Exit::Outside | Exit::Grow => Trap::BadJump(state.pc as u32),
    })
}

/// Makes room for `state.detail` numbers on the stack, which may hold so many bytes.
fn grow(state: &mut State<'_>, bytes: usize) -> Result<(), Trap> {
    let (wanted, most) = (state.top + state.detail as usize, bytes / size_of::<u32>());
    if wanted > most {
        return Err(Trap::StackFull { entries: state.top, bytes });
    }
    let len = wanted.max(state.stack.len() * 2).max(FIRST_STACK).min(most);
    state.stack.resize(len, 0);
    Ok(())
}

/// Decoded pixels as a window sees them.
fn clip(known: &Range<usize>, window: &Range<usize>) -> Known {
    // What lies before the window cannot be written from in here.
    let start = known.start.max(window.start).min(window.end);
    let end = known.end.clamp(start, window.end);
    Known { start: (start - window.start) as u32, end: (end - window.start) as u32 }
}

fn with(known: Known, row: &Range<usize>) -> Known {
    let both = code::hull(known.start as usize..known.end as usize, row.clone());
    Known { start: both.start as u32, end: both.end as u32 }
}
