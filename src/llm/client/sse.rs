//! Server-sent events: bytes in pieces of any size become events. Lines end with
//! LF, CR or both; a character that is cut between two pieces is whole again,
//! as lines are decoded when they have ended.

/// Longest event; one with a whole answer in it is far shorter.
const MAX_EVENT: usize = 4 << 20;

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    /// Whether it says itself that it tells of an error.
    pub(super) is_error: bool,
    /// Its data, lines joined by LF. What is no UTF-8 became U+FFFD.
    pub(super) data: String,
}

/// An event has no end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLong;

/// Bytes to events.
#[derive(Debug, Default)]
pub(super) struct Parser {
    line: Vec<u8>,
    data: String,
    has_data: bool,
    is_error: bool,
    /// The last line ended with CR: an LF that follows belongs to it.
    after_cr: bool,
    began: bool,
}

impl Parser {
    /// Takes the next bytes; events that ended with them are added to `events`.
    pub(super) fn push(&mut self, bytes: &[u8], events: &mut Vec<Event>) -> Result<(), TooLong> {
        for &byte in bytes {
            let after_cr = std::mem::take(&mut self.after_cr);
            match byte {
                b'\n' if after_cr => {}
                b'\n' | b'\r' => {
                    self.after_cr = byte == b'\r';
                    self.end_line(events);
                }
                _ => self.line.push(byte),
            }
            if self.line.len() + self.data.len() > MAX_EVENT {
                return Err(TooLong);
            }
        }
        Ok(())
    }

    /// The stream has ended. An event without its empty line counts, too: not all
    /// servers send the last one.
    pub(super) fn finish(&mut self, events: &mut Vec<Event>) {
        if !self.line.is_empty() {
            self.end_line(events);
        }
        self.end_event(events);
    }

    fn end_line(&mut self, events: &mut Vec<Event>) {
        let bytes = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&bytes);
        let text = match std::mem::replace(&mut self.began, true) {
            false => text.strip_prefix('\u{feff}').unwrap_or(&text),
            true => &*text,
        };
        if text.is_empty() {
            return self.end_event(events);
        }
        // An error that was written without a thought for the form of events.
        if text.starts_with("{\"error\"") {
            self.is_error = true;
            return self.add(text);
        }
        let (field, value) = text.split_once(':').unwrap_or((text, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => self.add(value),
            // Older servers of llama.cpp have a field of that name.
            "error" => {
                self.is_error = true;
                self.add(value);
            }
            "event" => self.is_error |= value == "error",
            // Comments (an empty name), `id`, `retry` and whatever else there is.
            _ => {}
        }
    }

    fn add(&mut self, value: &str) {
        if self.has_data {
            self.data.push('\n');
        }
        self.has_data = true;
        self.data.push_str(value);
    }

    fn end_event(&mut self, events: &mut Vec<Event>) {
        let is_error = std::mem::take(&mut self.is_error);
        if std::mem::take(&mut self.has_data) {
            events.push(Event { is_error, data: std::mem::take(&mut self.data) });
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn events(pieces: &[&[u8]]) -> Vec<(bool, String)> {
        let (mut parser, mut events) = (Parser::default(), Vec::new());
        for piece in pieces {
            parser.push(piece, &mut events).unwrap();
        }
        parser.finish(&mut events);
        events.into_iter().map(|event| (event.is_error, event.data)).collect()
    }

    #[test]
    fn the_forms_of_events() {
        let cases: &[(&[u8], &[&str])] = &[
            (b"data: a\n\ndata: b\n\n", &["a", "b"]),
            (b"data: a\r\n\r\ndata:b\r\rdata:  c\n\n", &["a", "b", " c"]),
            (b"\xef\xbb\xbfdata: a\ndata\ndata: b\n\n", &["a\n\nb"]),
            (b": ping\n\n\nid: 5\nretry: 3\n\ndata: x", &["x"]),
            (b"data: \xff\xfe\n\n", &["\u{fffd}\u{fffd}"]),
            (b"", &[]),
        ];
        for (bytes, expected) in cases {
            let found: Vec<String> = events(&[bytes]).into_iter().map(|event| event.1).collect();
            assert_eq!(found, *expected, "{bytes:?}");
        }
        assert_eq!(events(&[b"event: error\ndata: no\n\ndata: yes\n\n"])[0], (true, "no".into()));
        assert_eq!(events(&[b"error: {}\n\n"]), [(true, "{}".into())]);
        assert_eq!(events(&[b"{\"error\":1}\n"]), [(true, "{\"error\":1}".into())]);
    }

    #[test]
    fn an_event_without_end_is_none() {
        let (mut parser, mut events) = (Parser::default(), Vec::new());
        let piece = [b'x'; 1 << 16];
        let ended = (0..200).find_map(|_| parser.push(&piece, &mut events).err());
        assert_eq!(ended, Some(TooLong));
    }

    proptest! {
        #[test]
        fn where_the_pieces_are_cut_does_not_matter(
            lines in prop::collection::vec("(data|event|error|: )[: ]?[a-z\u{e9}\u{1f600} ]{0,5}(\n|\r|\r\n|\n\n)", 0..12),
            cuts in prop::collection::vec(0usize..200, 0..8),
        ) {
            let text = lines.concat();
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut % (bytes.len() + 1)).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
            prop_assert_eq!(events(&pieces), events(&[bytes]));
        }
    }
}
