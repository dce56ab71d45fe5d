//! The verifier: what can be known of a program before it runs.
//!
//! A module of version 2 either passes or is refused: a pixel of its code that is
//! no instruction, a branch out of the code and the like cannot be meant. Old
//! programs mix code with data and run whatever they hold, so for them there are
//! only warnings. The verifier never changes what runs, and what it lets pass
//! can still trap: values in registers are not known here.

mod old;
mod two;

use crate::pxi::isa::{REGISTERS, calls};

pub use old::verify_old;
pub use two::verify;

/// Findings after which the verifier gives up.
pub const MAX_FINDINGS: usize = 100;

/// What is wrong with a pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Problem {
    /// No instruction of the generation has the opcode.
    #[error("0x{0:02X} is no instruction")]
    Opcode(u8),
    /// A register number beyond the last register.
    #[error("register R{0} does not exist (R0 to R{last})", last = REGISTERS - 1)]
    Register(u8),
    /// A branch that leaves the code.
    #[error("branch to {target}, which is outside the code, pixels {first} to {last}")]
    Target {
        /// Where it goes, from the module's start.
        target: i64,
        /// First pixel of code.
        first: u32,
        /// Last pixel of code.
        last: u32,
    },
    /// An address that is outside the memory.
    #[error("address {target} is outside the memory of {memory} pixels")]
    Address {
        /// The address.
        target: i64,
        /// Pixels of memory.
        memory: u32,
    },
    /// A system call that does not exist.
    #[error("there is no system call {0} (0 to {last})", last = calls::CALLS.len() - 1)]
    Call(u16),
    /// After the last instruction, execution goes on into what is no code.
    #[error("execution can run out of the code behind this instruction")]
    FallsOut,
    /// The entry is not in the code.
    #[error("the entry is outside the code, pixels {first} to {last}")]
    Entry {
        /// First pixel of code.
        first: u32,
        /// Last pixel of code.
        last: u32,
    },
    /// An exported function is not in the code.
    #[error("an exported function is outside the code, pixels {first} to {last}")]
    Function {
        /// First pixel of code.
        first: u32,
        /// Last pixel of code.
        last: u32,
    },
    /// The address of an import would be written into something else than data.
    #[error("the slot of an import is outside the data, pixels {first} to {last}")]
    Slot {
        /// First pixel of data.
        first: u32,
        /// Last pixel of data.
        last: u32,
    },
    /// The header's lengths do not fit each other or the picture.
    #[error(
        "the header's lengths do not fit: code to {code_end}, module to {length}, {pixels} pixels"
    )]
    Lengths {
        /// End of the code.
        code_end: u32,
        /// Pixels of the module.
        length: u32,
        /// Pixels of the picture.
        pixels: usize,
    },
}

/// A problem and the pixel that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("pixel {address}: {problem}")]
pub struct Finding {
    /// The pixel, counted from the program's first.
    pub address: u32,
    /// What is wrong.
    pub problem: Problem,
}

/// What a program that was let pass is made of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Instructions: all of the code (version 2), or those that can be reached
    /// from the entry by fixed jumps (before).
    pub instructions: usize,
    /// Branches, jumps and calls with a fixed target among them.
    pub branches: usize,
    /// Numbers of the system calls it makes, ascending.
    pub calls: Vec<u16>,
    /// What is odd but allowed.
    pub warnings: Vec<Finding>,
}
