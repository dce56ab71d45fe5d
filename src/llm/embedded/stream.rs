//! Bytes of tokens become pieces of text: a character that comes in two tokens is
//! given out when it is whole.

/// A text that comes in bytes.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    waiting: Vec<u8>,
}

impl Pieces {
    /// Takes bytes and gives what is whole; what can be no character is U+FFFD.
    pub(super) fn push(&mut self, bytes: &[u8]) -> String {
        self.waiting.extend_from_slice(bytes);
        let mut text = String::new();
        loop {
            let (valid, skip) = match std::str::from_utf8(&self.waiting) {
                Ok(whole) => (whole.len(), None),
                Err(error) => (error.valid_up_to(), error.error_len()),
            };
            text.push_str(&String::from_utf8_lossy(&self.waiting[..valid]));
            self.waiting.drain(..valid + skip.unwrap_or(0));
            match skip {
                Some(_) => text.push(char::REPLACEMENT_CHARACTER),
                None => return text,
            }
        }
    }

    /// What is left at the end.
    pub(super) fn finish(self) -> String {
        String::from_utf8_lossy(&self.waiting).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_given_whole() {
        let mut pieces = Pieces::default();
        let given: Vec<String> = [&b"a\xF0\x9F"[..], b"\x98", b"\x80b\xFF", b"c\xE2"]
            .map(|bytes| pieces.push(bytes))
            .into();
        assert_eq!(given, ["a", "", "\u{1F600}b\u{FFFD}", "c"]);
        assert_eq!(pieces.finish(), "\u{FFFD}");
    }
}
