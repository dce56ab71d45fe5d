//! A model whose every call leaves a line in the audit log.

use crate::llm::{Answer, Audit, Cancel, Cartridge, ChatError, ChatModel, ChatRequest};

/// Who asks, in the audit log.
const WHO: &str = "architect";

/// A model and the log.
pub(super) struct Audited {
    pub(super) model: Box<dyn ChatModel>,
    pub(super) cartridge: Cartridge,
    pub(super) audit: Audit,
}

impl ChatModel for Audited {
    fn chat(
        &self,
        request: &ChatRequest,
        cancel: &Cancel,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<Answer, ChatError> {
        self.audit.chat(WHO, (&self.cartridge, &*self.model), request, cancel, on_text)
    }

    fn name(&self) -> &str {
        self.model.name()
    }
}
