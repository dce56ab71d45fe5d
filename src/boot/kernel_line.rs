//! What a boot kernel made of pixels puts before the text of a log line: fields
//! for programs, `id=0x8DF1B86C` and `steps=16`, each with a tab behind.

use crate::boot::files::id_of;

/// A text and its fields.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct KernelLine<'t> {
    pub(super) id: Option<u32>,
    pub(super) steps: Option<u64>,
    pub(super) text: &'t str,
}

impl<'t> KernelLine<'t> {
    /// Takes the fields off; what is none is text.
    pub(super) fn parse(mut text: &'t str) -> Self {
        let (mut id, mut steps) = (None, None);
        while let Some((field, rest)) = text.split_once('\t') {
            match field.split_once('=') {
                Some(("id", value)) if id_of(value).is_some() => id = id_of(value),
                Some(("steps", value)) if value.parse::<u64>().is_ok() => {
                    steps = value.parse().ok()
                }
                _ => break,
            }
            text = rest;
        }
        Self { id, steps, text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_first_and_what_is_none_is_text() {
        let cases = [
            ("id=0x000000AB\tsteps=7\tRan: x", (Some(0xAB), Some(7), "Ran: x")),
            ("steps=7\tid=AB\tx", (None, Some(7), "id=AB\tx")),
            ("plain", (None, None, "plain")),
            ("a\tb", (None, None, "a\tb")),
        ];
        for (line, (id, steps, text)) in cases {
            assert_eq!(KernelLine::parse(line), KernelLine { id, steps, text });
        }
    }
}
