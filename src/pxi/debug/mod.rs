//! What a debugger needs and no terminal: names of addresses, one step at a
//! time with who called whom, breakpoints, views of memory, traces, profiles.
//!
//! In: a machine, a host, and commands as text. Out: text and JSON. Never:
//! files, standard output; whoever uses it brings a [`Front`] for those.

mod command;
mod debugger;
mod effect;
mod expr;
mod look;
mod names;
mod points;
mod profile;
mod running;
mod symbols;
mod text;
mod trace;
mod tracer;
mod view;

pub use debugger::{CommandError, Debugger, Front, Reply};
pub use effect::{Effect, effect};
pub use names::{Named, Names};
pub use profile::{FunctionCost, Profile, Profiler};
pub use symbols::{Symbols, SymbolsError};
pub use text::instruction;
pub use trace::TraceLine;
pub use tracer::{Call, CallKind, Step, Tracer};
pub use view::as_picture;
