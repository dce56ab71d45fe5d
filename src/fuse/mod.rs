//! Serving a file tree through FUSE: the only folder that knows fuser.
//!
//! In comes a [`Tree`](crate::fs::Tree) and a directory, out comes a [`Served`]
//! mount. Nothing here knows what a picture is, parses options or prints: the
//! tools in `cli` do that. fuser speaks the protocol; mounting and unmounting
//! are done here, because a mount must be given up exactly when we say so.

mod acl;
mod activity;
mod adapter;
mod ahead;
mod attr;
mod awake;
mod device;
mod fusermount;
mod listing;
pub mod mountinfo;
mod serve;
mod trouble;
mod xattr;

pub use attr::Overrides;
pub use device::{MountError, UnmountError, unmount};
pub use serve::{Audience, KernelFlags, MountConfig, Served, serve};
