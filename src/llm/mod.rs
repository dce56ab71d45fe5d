//! Language models: what a conversation is and what answers it.
//!
//! Everything that talks to a model (the machine's SYS_LLM, the tiles of the
//! infinite map, the architect) sees only [`ChatModel`]; whether a server or a
//! model that lies in the picture answers is decided where one is made.

mod chat;

pub use chat::{Answer, Cancel, ChatError, ChatModel, ChatRequest, Finish, Message, Role};
