//! Boots of PXI-2 modules: each call of the machine, policy, resume, shells, and
//! the native boot.
#![allow(clippy::unwrap_used, missing_docs)]

mod build;
mod calls;
mod failures;
mod native;
mod picture;
mod policy;
mod resume;
mod run;
mod shell;
#[path = "../support/mod.rs"]
mod support;
mod walk;
