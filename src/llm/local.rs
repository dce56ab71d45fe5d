//! Models in the tree itself, for builds that can run them and for those that cannot.

use super::{ChatError, ChatModel};
use crate::fs::PixelTree;

/// Whether this build can run models in process (cargo feature `embedded`).
pub const CAN_EMBED: bool = cfg!(feature = "embedded");

/// The model at a path of a tree, which calls itself `name`.
///
/// # Errors
/// [`ChatError::Refused`] in a build without the feature; [`ChatError::Embedded`]
/// when the file is no model that can be run.
#[cfg(feature = "embedded")]
pub fn load_local(
    tree: &dyn PixelTree,
    path: &str,
    name: &str,
) -> Result<Box<dyn ChatModel>, ChatError> {
    let budget = super::embedded::DEFAULT_BUDGET;
    Ok(Box::new(super::embedded::Embedded::load(tree, path, name, budget)?))
}

/// The model at a path of a tree, which calls itself `name`.
///
/// # Errors
/// [`ChatError::Refused`]: this build has not the feature.
#[cfg(not(feature = "embedded"))]
pub fn load_local(
    _tree: &dyn PixelTree,
    path: &str,
    _name: &str,
) -> Result<Box<dyn ChatModel>, ChatError> {
    Err(ChatError::Refused(format!(
        "{path} cannot be run by this build of pxfs; build it with: cargo build --release \
         --features embedded"
    )))
}
