//! The architect: a model that builds modules, inside one picture, pxOS root or
//! directory, one checked step at a time.
//!
//! In: a place, a model, a person who decides. Out: changes that were tried on a
//! staged copy and boot, and a record of all that was tried. Never: commands,
//! paths outside the place, changes that make it boot worse. `docs/architect.md`
//! says what a model may do and how it is held to that.
//!
//! ```text
//! run     the loop            state   what the model is shown
//!  +- ask    one action       prompt  the conversation around it
//!  |   +- answer, action      record  architect_state.json, architect_loop.log
//!  +- make   staged changes   place   the picture, root or directory
//!  |   +- edits, paths        report  what a boot did
//!  +- trial  boots of them    proposal, show: for people, for the model
//! optimise   what the boot could do without
//! ```

pub mod action;
mod answer;
pub mod ask;
pub mod edits;
pub mod make;
pub mod optimise;
pub mod paths;
pub mod place;
pub mod prompt;
pub mod proposal;
pub mod record;
pub mod report;
pub mod run;
pub mod setup;
pub mod show;
pub mod staged;
pub mod state;
pub mod trial;

/// The cartridge that the architect asks.
pub const CARTRIDGE: &str = "pxOS_Architect";
