//! A file tree written to where it lives without us: a directory of the disk
//! ([`Copier`]) or a tar stream ([`write_tar`]).
//!
//! In: any [`Tree`](crate::fs::Tree). Out: files, or the bytes of an archive.
//! Never: pictures, command lines, printing; what happens is told to an
//! [`Observer`].
//!
//! ```text
//! copy     the walk, directories                  tar         members in order
//!  +- tasks    what is left to do
//!  +- write    one file, or a name of one
//!  +- file     contents with their holes           +- header   one member's header
//!  +- special  symlinks, devices, fifos       +- acl     ACLs as text
//!  +- attrs    owners, modes, times, xattrs
//!  +- slot     a name taken without following or half replacing anything
//!  +- label    where something is, without a path that could be too long
//! ```
//!
//! Invariant: below the destination no symbolic link is ever followed, whatever
//! was there before and whoever changes it meanwhile. Everything is reached
//! from descriptors of directories, name by name.

mod acl;
mod attrs;
mod copy;
mod error;
mod file;
mod header;
mod label;
mod slot;
mod special;
mod tar;
mod tasks;
mod write;

pub use copy::{Copier, CopyOptions, DestDir};
pub use error::ExtractError;
pub use tar::{TarOptions, write_tar};

/// Is told what happens, from several threads at once.
pub trait Observer: Sync {
    /// A file was copied; both paths as the user would write them.
    fn copied(&self, source: &[u8], dest: &[u8]);
    /// A file could not be copied, or not completely.
    fn failed(&self, path: &[u8], error: &ExtractError);
    /// Something could not be kept that the user may do without.
    fn warning(&self, text: &str);
}
