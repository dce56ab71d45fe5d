//! The one place where a cartridge becomes something that answers.

use super::cartridge::{Backend, Cartridge};
use super::chat::{ChatError, ChatModel};
use super::client::{Limits, ServerModel};
use super::endpoint::Endpoint;
use super::local::load_local;
use super::secret::{Key, read_key};
use crate::fs::PixelTree;

/// Makes a cartridge's model; `models` is the tree in which the weights of embedded
/// models lie. Servers are not asked yet: whether one answers is seen at the first
/// question.
///
/// # Errors
/// When the key is not there or may not be used, or the weights cannot be loaded.
pub fn connect(
    cartridge: &Cartridge,
    models: &dyn PixelTree,
) -> Result<Box<dyn ChatModel>, ChatError> {
    connect_with(cartridge, models, Limits::default())
}

/// [`connect`] with other limits.
///
/// # Errors
/// As [`connect`].
pub fn connect_with(
    cartridge: &Cartridge,
    models: &dyn PixelTree,
    limits: Limits,
) -> Result<Box<dyn ChatModel>, ChatError> {
    match cartridge.backend {
        Backend::Embedded => load_local(models, &cartridge.model_name, &cartridge.name),
        Backend::LmStudio | Backend::Ollama | Backend::Custom => {
            let endpoint = endpoint_of(cartridge)?;
            let key = key_of(cartridge, &endpoint)?;
            let name = &cartridge.name;
            let model = ServerModel::new(name, endpoint, &cartridge.model_name, limits);
            Ok(Box::new(model.with_key(key)))
        }
    }
}

pub(super) fn endpoint_of(cartridge: &Cartridge) -> Result<Endpoint, ChatError> {
    Endpoint::parse(&cartridge.endpoint).map_err(|error| ChatError::Refused(error.to_string()))
}

pub(super) fn key_of(cartridge: &Cartridge, endpoint: &Endpoint) -> Result<Option<Key>, ChatError> {
    let source = cartridge.key.as_ref();
    source.map(|source| read_key(source, endpoint.host(), endpoint.is_local())).transpose()
}
