//! The PXI machine: pixels that run.
//!
//! In: a picture whose pixels are instructions, and a [`Host`] that answers
//! system calls. Out: the machine's end state and why it stopped. Never: file
//! paths, network, printing; all of that is the host's. `docs/pxi-isa.md`
//! describes the instruction set, which [`isa`] defines once for the machine,
//! the assembler, the disassembler and that document.

pub mod asm;
mod call;
pub mod debug;
pub mod disasm;
pub mod governor;
pub mod host;
pub mod isa;
pub mod link;
pub mod machine;
pub mod module;
pub mod pixel;
pub mod pxim2;
mod random;
pub mod raster;
pub mod stop;
mod syscall;
pub mod verify;

pub use governor::{Governor, Policy, PolicyError};
pub use host::{BlobError, BlobReply, BlobRequest, Files, Host, LlmError, LlmRequest, ScreenError};
pub use isa::Isa;
pub use isa::calls::CallError;
pub use machine::{Limits, Machine};
pub use module::{Layout, ModuleError, Program};
pub use pixel::Pixel;
pub use raster::{Raster, RasterError};
pub use stop::{Stop, Trap};
