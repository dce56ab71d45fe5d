//! pxOS's own containers, made and changed: roots, project pixels, god pixels.
//!
//! In: files, trees, the containers themselves. Out: a root's files in the form
//! of the Python tools, pixels with their payloads, pictures. Never: command
//! lines, printing.
//!
//! [`Editor`] is one place that is changed, whatever it is: a picture, a root, a
//! plain directory.
//!
//! ```text
//! root      a root that is changed          zlib      streams as Python's, or fast ones
//!  +- add      one file                     document  JSON that keeps what it does not know
//!  +- bulk     many files, in parallel      files     atomic writes, locks
//!  +- change   removing, renaming           entries   fields in their order
//!  +- pack     project_files.bin            pixel_png 1x1 pictures
//! ```

mod add;
mod blob;
mod bulk;
mod change;
mod document;
mod editor;
mod entries;
mod error;
mod export;
mod files;
mod god;
mod image;
mod import;
mod meta;
mod new_file;
mod overlay;
mod pack;
mod project;
mod root;
mod sources;
mod unpack;
pub(crate) mod zlib;

pub use bulk::{BulkOptions, BulkSummary};
pub use change::Removed;
pub(crate) use document::Document;
pub use editor::{DirTree, EditOptions, Editor, PlaceKind};
pub use error::{BuildError, Result};
pub use export::{Exported, export_root};
pub use god::{GodOptions, MadeGod, Raster, decode_picture, make_god};
pub use image::ImageBuilder;
pub(crate) use image::plain_options;
pub use import::{COMPANIONS, Imported, import_root};
pub use meta::extract_meta;
pub use pack::PackSummary;
pub use project::{MadeProject, ProjectOptions, pack_directory, pack_tree};
pub use root::{Added, NewPath, RootBuilder, init};
pub use unpack::{Silent, Unpacked, project_root, project_tree, unpack_project};
