//! A conversation, its answer, and the ways in which there is none.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Who says a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions for the model.
    System,
    /// The person or program that asks.
    User,
    /// The model.
    Assistant,
}

/// One message of a conversation, in the form of the chat completions API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who says it.
    pub role: Role,
    /// What is said.
    pub content: String,
}

impl Message {
    /// What `role` says.
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self { role, content: content.into() }
    }
}

/// What is asked of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct ChatRequest {
    /// The conversation so far; the last message is the one to answer.
    pub messages: Vec<Message>,
    /// Tokens of the answer, at most.
    pub max_tokens: u32,
    /// 0 is the likeliest answer; up to 2.
    pub temperature: f32,
    /// The same seed gives the same answer, where the model can.
    pub seed: Option<u64>,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Finish {
    /// The model was done.
    Stop,
    /// `max_tokens`, or the model's own limit.
    Length,
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    /// Its text; the parts given to `on_text` are the same, in pieces.
    pub text: String,
    /// The model that answered, as it names itself.
    pub model: String,
    /// Tokens of the conversation, if the model tells.
    pub prompt_tokens: Option<u64>,
    /// Tokens of the answer, if the model tells.
    pub answer_tokens: Option<u64>,
    /// Why it ended.
    pub finish: Finish,
    /// Time from the request to the end of the answer.
    pub duration: Duration,
}

/// Stops an answer from another thread; clones stop the same one.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Ends the answer as soon as it can be.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked to end.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Why there is no answer. None of these is ever given out as answer text.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    /// Nobody answers there.
    #[error("no model server answers at {endpoint}: {reason}")]
    Unreachable {
        /// Where it was asked.
        endpoint: String,
        /// What the connection said.
        reason: String,
    },
    /// The server refused.
    #[error("{endpoint} answered with status {status}: {message}")]
    Status {
        /// Where it was asked.
        endpoint: String,
        /// The HTTP status.
        status: u16,
        /// Its own words, made harmless and cut.
        message: String,
    },
    /// The conversation does not fit the model.
    #[error("the conversation is too long for the model: {0}")]
    TooLong(String),
    /// There is no such model; those there are follow.
    #[error("there is no model {model:?}{}", list_models(.available))]
    NoSuchModel {
        /// What was asked for.
        model: String,
        /// What there is.
        available: Vec<String>,
    },
    /// No answer, or not all of it, in the time given.
    #[error("no answer within {} s", .0.as_secs_f64())]
    TimedOut(Duration),
    /// The answer broke off; what came before it is not an answer.
    #[error("the answer broke off: {0}")]
    BrokenOff(String),
    /// What came is no answer of this API.
    #[error("what came is no chat completion: {0}")]
    Garbage(String),
    /// Somebody asked to stop.
    #[error("the answer was stopped")]
    Cancelled,
    /// This build cannot do it, or the cartridge says something that cannot be.
    #[error("{0}")]
    Refused(String),
    /// The model in the picture cannot be loaded or run.
    #[error("the embedded model: {0}")]
    Embedded(String),
}

fn list_models(available: &[String]) -> String {
    if available.is_empty() { String::new() } else { format!("; there are: {}", listed(available)) }
}

/// Names for a message, of which there may be thousands.
pub(super) fn listed(names: &[String]) -> String {
    const MOST: usize = 20;
    match names.len().checked_sub(MOST) {
        None | Some(0) => names.join(", "),
        Some(more) => format!("{} and {more} more", names[..MOST].join(", ")),
    }
}

/// Something that answers conversations.
pub trait ChatModel: Send + Sync {
    /// Answers; `on_text` gets each piece of the answer as it comes. May take
    /// minutes; `cancel` ends it.
    ///
    /// # Errors
    /// When there is no whole answer.
    fn chat(
        &self,
        request: &ChatRequest,
        cancel: &Cancel,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<Answer, ChatError>;

    /// What it is called, for people and logs.
    fn name(&self) -> &str;
}
