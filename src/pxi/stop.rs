//! Why a machine stopped: its own end, the end of its fuel, or a trap.

use crate::pxi::host::ScreenError;

/// A limit or a host failure that ends a run. The old machine had no such
/// limits; no program of its kind that it could finish meets one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trap {
    /// CALL or PUSH found the stack at its limit.
    #[error("stack is full: {entries} entries, {bytes} bytes")]
    StackFull {
        /// Entries on the stack.
        entries: usize,
        /// The limit, in bytes.
        bytes: usize,
    },
    /// PRINT could not put its character on the screen.
    #[error(transparent)]
    Screen(#[from] ScreenError),
    /// The system calls of this run made the host read more than allowed.
    #[error("system calls made the host read {used} bytes, {limit} are allowed")]
    HostBudget {
        /// Bytes read and inflated so far.
        used: u64,
        /// The limit.
        limit: u64,
    },
}

/// Why [`run`](crate::pxi::Machine::run) came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// HALT.
    Halt,
    /// RET with nothing on the stack: a module's way to say it is done.
    Return,
    /// The program counter left the memory, which reads as HALT.
    EndOfMemory,
    /// The steps allowed are used up; the program may go on.
    OutOfFuel,
    /// The machine refused to go on.
    Trap(Trap),
}

impl Stop {
    /// Whether the program came to an end of its own (`halted` of PXI-1).
    pub fn halted(&self) -> bool {
        matches!(self, Self::Halt | Self::Return | Self::EndOfMemory)
    }

    /// One word for programs that read logs.
    pub fn slug(&self) -> &'static str {
        match self {
            Self::Halt => "halt",
            Self::Return => "return",
            Self::EndOfMemory => "end-of-memory",
            Self::OutOfFuel => "out-of-fuel",
            Self::Trap(Trap::StackFull { .. }) => "trap-stack",
            Self::Trap(Trap::Screen(_)) => "trap-screen",
            Self::Trap(Trap::HostBudget { .. }) => "trap-host-budget",
        }
    }
}

impl std::fmt::Display for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Halt => f.write_str("HALT"),
            Self::Return => f.write_str("RET with an empty stack"),
            Self::EndOfMemory => f.write_str("end of memory"),
            Self::OutOfFuel => f.write_str("out of fuel"),
            Self::Trap(trap) => trap.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ends_of_its_own_count_as_halted() {
        assert!(Stop::Halt.halted() && Stop::Return.halted() && Stop::EndOfMemory.halted());
        assert!(!Stop::OutOfFuel.halted());
        assert!(!Stop::Trap(Trap::StackFull { entries: 1, bytes: 4 }).halted());
    }
}
