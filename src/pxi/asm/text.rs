//! Texts in double quotes: what they hold, and as which bytes.

use std::rc::Rc;

use super::diagnostic::{LineError, Span};

/// One character of a text, or one byte written as `\xHH`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unit {
    /// Column in the source.
    pub(super) column: u32,
    /// Characters there.
    pub(super) length: u32,
    /// Its number.
    pub(super) code: u32,
    /// It is a byte and no character.
    pub(super) is_byte: bool,
}

/// A text and the place of each of its characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text(pub(super) Rc<[Unit]>);

impl Text {
    /// One byte a character: U+0000 to U+00FF.
    pub(super) fn latin1(&self, span: Span) -> Result<Vec<u8>, LineError> {
        let byte = |unit: &Unit| {
            u8::try_from(unit.code).map_err(|_| {
                let sign = char::from_u32(unit.code).unwrap_or('?');
                let at = Span { column: unit.column, length: unit.length, ..span };
                at.error(format!("'{sign}' is beyond U+00FF, the last character there is here"))
            })
        };
        self.0.iter().map(byte).collect()
    }

    /// UTF-8, with `\xHH` as the bytes that they are.
    pub(super) fn utf8(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len());
        for unit in self.0.iter() {
            match char::from_u32(unit.code) {
                Some(sign) if !unit.is_byte => {
                    bytes.extend_from_slice(sign.encode_utf8(&mut [0; 4]).as_bytes());
                }
                _ => bytes.push(unit.code as u8),
            }
        }
        bytes
    }

    /// The text, which must be UTF-8 and not empty.
    pub(super) fn name(&self, span: Span) -> Result<String, LineError> {
        match String::from_utf8(self.utf8()) {
            Ok(text) if text.is_empty() => Err(span.error("an empty text is no name")),
            Ok(text) => Ok(text),
            Err(_) => Err(span.error("this is no UTF-8 text")),
        }
    }
}
