//! What a tool answers, as the protocol wants it.

use rmcp::model::{CallToolResult, ContentBlock};
use serde_json::{Value, json};

use super::resources;
use super::work::Failure;

/// A tool's answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) content: Vec<ContentBlock>,
    pub(super) structured: Value,
}

impl Reply {
    /// A text, as the file system server gives it: as content, and as the one field
    /// of the structured answer.
    pub(super) fn text(text: impl Into<String>) -> Self {
        let text = text.into();
        let structured = json!({ "content": text });
        Self { content: vec![ContentBlock::text(text)], structured }
    }

    /// An object, which is the text as well for clients that know no other.
    pub(super) fn object(value: Value) -> Self {
        Self { content: vec![ContentBlock::text(format!("{value:#}"))], structured: value }
    }

    /// An object with a text for people and models.
    pub(super) fn both(text: impl Into<String>, value: Value) -> Self {
        Self { content: vec![ContentBlock::text(text.into())], structured: value }
    }

    /// Bytes of content, for the audit log.
    pub(super) fn len(&self) -> usize {
        let len = |block: &ContentBlock| match block {
            ContentBlock::Text(text) => text.text.len(),
            ContentBlock::Image(image) => image.data.len(),
            ContentBlock::Audio(audio) => audio.data.len(),
            ContentBlock::Resource(embedded) => resources::len(&embedded.resource),
            _ => 0,
        };
        self.content.iter().map(len).sum()
    }

    pub(super) fn into_result(self) -> CallToolResult {
        let mut result = CallToolResult::success(self.content);
        // The text is what the structured answer says; `isError` false is the default.
        result.is_error = None;
        result.structured_content = Some(self.structured);
        result
    }
}

/// A failure as a tool's result: models read it, and try something else.
pub(super) fn failed(failure: &Failure) -> CallToolResult {
    let sentence = match failure {
        Failure::Said(sentence) => sentence.as_str(),
        Failure::Cancelled => "the call was cancelled",
    };
    CallToolResult::error(vec![ContentBlock::text(sentence)])
}
