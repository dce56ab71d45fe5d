//! What the old pxOS tools left on disk, read and never written.
//!
//! In: roots, project pixels and god pixels, each a registry with blobs beside
//! it. Out: blobs by id, paths, archives, pictures.
//! Never: a path outside that directory, whatever the registry says.

pub(crate) mod beneath;
pub mod god;
pub(crate) mod inflate;
pub mod pixel_png;
pub mod project;
pub mod registry;
pub mod root;
mod worlds;

pub use registry::{Fetched, RegistryError, RegistryRoot};
pub use worlds::GodWorlds;
