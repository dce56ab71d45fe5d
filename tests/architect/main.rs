//! The architect, driven by a real server that plays good models and bad ones: what
//! it builds boots, what is bad is taken back, and nothing else in the world changes.
#![allow(clippy::unwrap_used, missing_docs)]

mod bad;
mod good;
mod harm;
mod optimise;
mod server;
mod setup;
#[path = "../support/mod.rs"]
mod support;
mod world;
