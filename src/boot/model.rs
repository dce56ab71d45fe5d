//! The model that booting modules ask, as a trait: what answers is not known here.

use crate::pxi::{LlmError, LlmRequest};

/// A request, as it leaves the machine: the policy has allowed it.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// What is asked.
    pub prompt: &'a str,
    /// Characters of the answer that are wanted at most.
    pub max_len: u32,
    /// Tokens of the answer that the policy leaves, if it limits them.
    pub max_tokens: Option<u32>,
    /// The id that was asked, 0 for the default model.
    pub model: u32,
    /// What the routing table says of it: a cartridge's name, or a path of weights.
    pub target: Option<&'a str>,
    /// The module of the stage that asks.
    pub who: &'a str,
}

impl<'a> Ask<'a> {
    /// What a machine asks, with what is known of whom it asks.
    pub fn new(request: &'a LlmRequest, target: Option<&'a str>, who: &'a str) -> Self {
        let LlmRequest { prompt, max_len, model, max_tokens } = request;
        let (max_len, model, max_tokens) = (*max_len, *model, *max_tokens);
        Self { prompt, max_len, max_tokens, model, target, who }
    }

    /// What a machine may not ask: nothing is wanted, it is for the record.
    pub fn denied(prompt: &'a str, model: u32, target: Option<&'a str>, who: &'a str) -> Self {
        Self { prompt, max_len: 0, max_tokens: None, model, target, who }
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reply {
    /// Its text.
    pub text: String,
    /// The model that gave it, as it names itself.
    pub model: String,
    /// Tokens of the answer, if the model told.
    pub tokens: Option<u64>,
}

/// Answers what modules ask.
pub trait Model {
    /// Asks the model. The machine has already asked the policy.
    ///
    /// # Errors
    /// When there is no answer.
    fn ask(&mut self, ask: &Ask<'_>) -> Result<Reply, LlmError>;

    /// A request is not allowed: nobody is asked, and whoever keeps a record of
    /// requests records that.
    fn denied(&mut self, _ask: &Ask<'_>, _why: &str) {}

    /// What the model of an id is called where no routing table says it.
    fn name_of(&self, _model: u32) -> Option<String> {
        None
    }

    /// Whether a target of the routing table can be asked: seen when it is entered,
    /// so that the table holds no names of nothing.
    fn has(&mut self, _target: &str) -> bool {
        true
    }

    /// What id 0 is whatever the routing table says, because whoever starts the boot
    /// has said so.
    fn default_target(&self) -> Option<&str> {
        None
    }
}

/// No model at all.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoModel;

impl Model for NoModel {
    fn ask(&mut self, _ask: &Ask<'_>) -> Result<Reply, LlmError> {
        Err(LlmError::NoModel)
    }
}
