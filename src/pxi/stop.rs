//! Why a machine stopped: its own end, the end of its fuel, or a trap.

use crate::pxi::Pixel;
use crate::pxi::host::ScreenError;

/// What ends a run against the program's will. In PXI-1 these are limits and host
/// failures that the old machine did not have; no program that it could finish
/// meets one. In PXI-2 mistakes of the program are traps, too.
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
    /// A pixel that is no instruction of PXI-2.
    #[error("{0:?} is no instruction")]
    Illegal(Pixel),
    /// Memory that the module does not see.
    #[error("address {0} is outside the memory")]
    BadAddress(u32),
    /// A jump to where no code can be.
    #[error("execution left the memory at address {0}")]
    BadJump(u32),
    /// POP, PEEK and the like found less than they need.
    #[error("the stack is empty")]
    StackEmpty,
    /// Division by zero.
    #[error("division by zero")]
    DivideByZero,
    /// A checked result does not fit 32 bits.
    #[error("the result does not fit 32 bits")]
    Overflow,
}

impl Trap {
    /// The number that the module gets that ran the one that trapped.
    pub fn code(&self) -> u32 {
        match self {
            Self::StackFull { .. } => 1,
            Self::Screen(_) => 2,
            Self::HostBudget { .. } => 3,
            Self::Illegal(_) => 4,
            Self::BadAddress(_) => 5,
            Self::BadJump(_) => 6,
            Self::StackEmpty => 7,
            Self::DivideByZero => 8,
            Self::Overflow => 9,
        }
    }
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
    /// SYS EXIT with a status; 0 says that all went well.
    Exit(u32),
    /// The steps allowed are used up; the program may go on.
    OutOfFuel,
    /// The machine refused to go on.
    Trap(Trap),
}

impl Stop {
    /// Whether the program came to an end of its own (`halted` of PXI-1).
    pub fn halted(&self) -> bool {
        matches!(self, Self::Halt | Self::Return | Self::EndOfMemory | Self::Exit(_))
    }

    /// One word for programs that read logs.
    pub fn slug(&self) -> &'static str {
        match self {
            Self::Halt => "halt",
            Self::Return => "return",
            Self::EndOfMemory => "end-of-memory",
            Self::Exit(_) => "exit",
            Self::OutOfFuel => "out-of-fuel",
            Self::Trap(Trap::StackFull { .. }) => "trap-stack",
            Self::Trap(Trap::Screen(_)) => "trap-screen",
            Self::Trap(Trap::HostBudget { .. }) => "trap-host-budget",
            Self::Trap(Trap::Illegal(_)) => "trap-illegal",
            Self::Trap(Trap::BadAddress(_)) => "trap-address",
            Self::Trap(Trap::BadJump(_)) => "trap-jump",
            Self::Trap(Trap::StackEmpty) => "trap-stack-empty",
            Self::Trap(Trap::DivideByZero) => "trap-division",
            Self::Trap(Trap::Overflow) => "trap-overflow",
        }
    }
}

impl std::fmt::Display for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Halt => f.write_str("HALT"),
            Self::Return => f.write_str("RET with an empty stack"),
            Self::EndOfMemory => f.write_str("end of memory"),
            Self::Exit(status) => write!(f, "EXIT with status {status}"),
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
