//! The model that booting modules ask, as a trait: what answers is not known here.

use crate::pxi::{LlmError, LlmRequest};

/// Answers what modules ask.
pub trait Model {
    /// Asks the model. The machine has already asked the policy.
    ///
    /// # Errors
    /// When there is no answer.
    fn ask(&mut self, request: &LlmRequest) -> Result<String, LlmError>;
}

/// No model at all.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoModel;

impl Model for NoModel {
    fn ask(&mut self, _request: &LlmRequest) -> Result<String, LlmError> {
        Err(LlmError::NoModel)
    }
}
