//! What the old pxOS tools left on disk, read and never written.
//!
//! In: a pxOS root, a directory with a registry and blobs. Out: blobs by id.
//! Never: a path outside that directory, whatever the registry says.

pub(crate) mod beneath;
pub(crate) mod inflate;
pub mod registry;
pub mod root;

pub use registry::{Fetched, RegistryError, RegistryRoot};
