//! Language models: what a conversation is and what answers it.
//!
//! Everything that talks to a model (the machine's SYS_LLM, the tiles of the
//! infinite map, the architect) sees only [`ChatModel`]; whether a server or a
//! model that lies in the picture answers is decided where one is made.
//!
//! ```text
//! system     what the machine asks: targets of its routing table
//! connect    a cartridge becomes a ChatModel
//!  +- client     chat completions over HTTP     embedded  weights in the picture
//! route      which cartridge answers, and why
//! shelf      where cartridges lie in a picture, a root, a directory
//!  +- registry   llm_pixel_registry.json
//!      +- cartridge, endpoint, secret
//! discover   servers on this machine            audit     a line for each call
//! ```

mod audit;
mod cartridge;
mod chat;
mod client;
mod connect;
mod discover;
#[cfg(feature = "embedded")]
pub mod embedded;
mod endpoint;
pub mod gguf;
mod harmless;
mod local;
mod registry;
mod route;
mod secret;
mod shelf;
mod system;

pub use audit::{Audit, CallRecord, CallResult, chat_recorded};
pub use cartridge::{
    Backend, Cartridge, DEFAULT_MAX_TOKENS, DEFAULT_TEMPERATURE, MAX_NAME, MAX_PROMPT,
    MOST_TEMPERATURE, MOST_TOKENS, PIXEL_END,
};
pub use chat::{Answer, Cancel, ChatError, ChatModel, ChatRequest, Finish, Message, Role};
pub use client::{Limits, Reply, ServerModel, list_models, read_reply};
pub use connect::{connect, connect_with};
pub use discover::{Found, discover, well_known};
pub use endpoint::{Endpoint, NoEndpoint};
pub use harmless::for_terminal;
pub(crate) use harmless::harmless;
pub use local::{CAN_EMBED, load_local};
pub use registry::{
    CartridgeError, Fault, LLM_REGISTRY, MAX_LLM_REGISTRY, Registry, Removed, parse_id,
};
pub use route::{Route, Routes, Why};
pub use secret::{KEY_HOSTS, KeySource};
pub use shelf::{
    MODELS, add_cartridge, registry_beside, remove_cartridge, routes_of, routes_of_tree,
    with_registry,
};
pub use system::{SystemModel, bare_default};
