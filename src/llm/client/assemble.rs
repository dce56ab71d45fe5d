//! The bytes of a reply become an answer: events of a stream as they come, or one
//! JSON object from a server that does not stream.

use super::super::chat::{ChatError, Finish};
use super::super::harmless::harmless;
use super::reply::{self, NoReply, Said, ServerError};
use super::sse::{Event, Parser, TooLong};

/// Bytes of a reply, at most, whatever they are: an answer is long before that at
/// an end.
const MAX_RAW: u64 = 256 << 20;

/// JSON around a text that is not streamed.
const MAX_AROUND: usize = 1 << 20;

/// Bytes of a reply that are kept to be shown if it makes no sense.
const KEPT: usize = 256;

/// A reply so far.
#[derive(Debug)]
pub(super) struct Assembler {
    form: Form,
    most_text: usize,
    raw: u64,
    kept: Vec<u8>,
    text: String,
    model: Option<String>,
    tokens: (Option<u64>, Option<u64>),
    finish: Option<Finish>,
    is_done: bool,
    is_empty: bool,
}

#[derive(Debug)]
enum Form {
    /// The first byte tells.
    Unknown,
    Events(Parser),
    Object(Vec<u8>),
}

/// An answer without the time that it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Its text.
    pub text: String,
    /// The model, as it names itself.
    pub model: Option<String>,
    /// Tokens of the conversation.
    pub prompt_tokens: Option<u64>,
    /// Tokens of the answer.
    pub answer_tokens: Option<u64>,
    /// Why it ended.
    pub finish: Finish,
}

impl Assembler {
    /// Begins a reply; a text of more than `most_text` bytes is cut.
    pub(super) fn new(content_type: &str, most_text: usize) -> Self {
        let form = match content_type.to_ascii_lowercase() {
            kind if kind.contains("event-stream") => Form::Events(Parser::default()),
            _ => Form::Unknown,
        };
        Self {
            form,
            most_text,
            raw: 0,
            kept: Vec::new(),
            text: String::new(),
            model: None,
            tokens: (None, None),
            finish: None,
            is_done: false,
            is_empty: true,
        }
    }

    /// Takes the next bytes; tells whether the answer is at its end.
    pub(super) fn feed(
        &mut self,
        bytes: &[u8],
        on_text: &mut dyn FnMut(&str),
    ) -> Result<bool, ChatError> {
        self.raw += bytes.len() as u64;
        if self.raw > MAX_RAW {
            let sentence = format!("the server sent {MAX_RAW} bytes and no end");
            return Err(ChatError::BrokenOff(sentence));
        }
        let room = KEPT - self.kept.len().min(KEPT);
        self.kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        let mut bytes = bytes;
        if let Form::Unknown = self.form {
            let begin = bytes.iter().position(|byte| !byte.is_ascii_whitespace());
            let Some(begin) = begin else { return Ok(false) };
            bytes = &bytes[begin..];
            self.form = match bytes[0] {
                b'{' => Form::Object(Vec::new()),
                _ => Form::Events(Parser::default()),
            };
        }
        match &mut self.form {
            Form::Unknown => Ok(false),
            Form::Object(object) => {
                if object.len() + bytes.len() > self.most_text.saturating_mul(6) + MAX_AROUND {
                    let sentence = "an object that is longer than any answer may be".to_owned();
                    return Err(ChatError::Garbage(sentence));
                }
                object.extend_from_slice(bytes);
                Ok(false)
            }
            Form::Events(parser) => {
                let mut events = Vec::new();
                let whole = parser.push(bytes, &mut events);
                self.take_events(events, on_text)?;
                if !self.is_done && whole == Err(TooLong) {
                    return Err(ChatError::Garbage("an event without an end".into()));
                }
                Ok(self.is_done)
            }
        }
    }

    /// The server has ended the reply.
    pub(super) fn finish(mut self, on_text: &mut dyn FnMut(&str)) -> Result<Reply, ChatError> {
        match std::mem::replace(&mut self.form, Form::Unknown) {
            Form::Unknown => {}
            Form::Events(_) if self.is_done => {}
            Form::Events(mut parser) => {
                let mut events = Vec::new();
                parser.finish(&mut events);
                self.take_events(events, on_text)?;
            }
            Form::Object(object) => {
                let text = String::from_utf8_lossy(&object);
                let said = reply::parse(&text).map_err(|error| self.failed(error))?;
                // A whole answer is at its end, whether or not it says why.
                self.finish = Some(Finish::Stop);
                self.is_empty = false;
                self.take(said, on_text);
            }
        }
        if self.is_empty && self.is_done {
            return Err(ChatError::Garbage("[DONE], and nothing before it".into()));
        }
        if self.is_empty {
            let shown = harmless(&String::from_utf8_lossy(&self.kept), 120);
            let what = if shown.is_empty() { "nothing".into() } else { shown };
            return Err(ChatError::Garbage(what));
        }
        let Some(finish) = self.finish.or(self.is_done.then_some(Finish::Stop)) else {
            let sentence = "the server closed the connection before the answer was whole";
            return Err(ChatError::BrokenOff(sentence.into()));
        };
        Ok(Reply {
            text: self.text,
            model: self.model.map(|model| harmless(&model, 200)),
            prompt_tokens: self.tokens.0,
            answer_tokens: self.tokens.1,
            finish,
        })
    }

    /// Whether something of the answer was given out already.
    pub(super) fn has_text(&self) -> bool {
        !self.text.is_empty()
    }

    fn take_events(
        &mut self,
        events: Vec<Event>,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<(), ChatError> {
        for event in events {
            if self.is_done {
                break;
            }
            if event.data.trim() == "[DONE]" {
                self.is_done = true;
                // Nothing but an end is no answer.
                break;
            }
            if event.is_error {
                let error = reply::parse_error(event.data.as_bytes());
                return Err(self.failed(NoReply::Error(error)));
            }
            let said = reply::parse(&event.data).map_err(|error| self.failed(error))?;
            self.is_empty = false;
            self.take(said, on_text);
        }
        Ok(())
    }

    fn take(&mut self, said: Said, on_text: &mut dyn FnMut(&str)) {
        self.model = said.model.or(self.model.take());
        self.tokens = (said.tokens.0.or(self.tokens.0), said.tokens.1.or(self.tokens.1));
        if let Some(word) = said.finish {
            self.finish = Some(if word == "length" { Finish::Length } else { Finish::Stop });
        }
        let room = self.most_text - self.text.len();
        let text = cut(&said.text, room);
        if !text.is_empty() {
            self.text.push_str(text);
            on_text(text);
        }
        if text.len() < said.text.len() {
            self.finish = Some(Finish::Length);
            self.is_done = true;
        }
    }

    fn failed(&self, error: NoReply) -> ChatError {
        match error {
            NoReply::Garbage(what) => ChatError::Garbage(what),
            NoReply::Error(ServerError { message, kind }) => {
                match super::failure::is_too_long(&message, &kind) {
                    true => ChatError::TooLong(message),
                    false => ChatError::BrokenOff(format!("the server says: {message}")),
                }
            }
        }
    }
}

/// The beginning of `text`, at most `most` bytes, ended at a character.
fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

/// Reads a whole reply that comes in pieces, as a client does: `content_type` is
/// what the server calls it, `on_text` gets the text as it comes, and what is
/// beyond `most_text` bytes of it is cut.
///
/// # Errors
/// When it is no answer.
pub fn read_reply(
    content_type: &str,
    pieces: &[&[u8]],
    most_text: usize,
    on_text: &mut dyn FnMut(&str),
) -> Result<Reply, ChatError> {
    let mut assembler = Assembler::new(content_type, most_text);
    for piece in pieces {
        if assembler.feed(piece, on_text)? {
            break;
        }
    }
    assembler.finish(on_text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const EVENTS: &str = "text/event-stream; charset=utf-8";

    fn read(kind: &str, text: &str, most: usize) -> Result<(Reply, Vec<String>), String> {
        let mut heard = Vec::new();
        let reply = read_reply(kind, &[text.as_bytes()], most, &mut |text| heard.push(text.into()));
        reply.map(|reply| (reply, heard)).map_err(|error| error.to_string())
    }

    fn piece(text: &str) -> String {
        let json = serde_json::json!({"choices": [{"delta": {"content": text}}]});
        format!("data: {json}\n\n")
    }

    #[test]
    fn a_stream_is_an_answer_when_it_says_its_end() {
        let end = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
        let (reply, heard) = read(EVENTS, &(piece("a") + &piece("\u{e9}") + end), 99).unwrap();
        assert_eq!((reply.text.as_str(), reply.finish), ("a\u{e9}", Finish::Stop));
        assert_eq!(heard, ["a", "\u{e9}"]);
        // Some say [DONE] and no reason, some the reason and no [DONE].
        let done = piece("a") + "data: [DONE]\n\n" + &piece("never");
        assert_eq!(read(EVENTS, &done, 99).unwrap().0.text, "a");
        let error = read(EVENTS, &piece("a"), 99).unwrap_err();
        assert!(error.contains("before the answer was whole"), "{error}");
        let error = read(EVENTS, "data: [DONE]\n\n", 99).unwrap_err();
        assert!(error.contains("no chat completion"), "{error}");
    }

    #[test]
    fn a_server_that_does_not_stream_is_understood() {
        let object = r#" {"choices":[{"message":{"content":"all"}}],"model":"m"}"#;
        for kind in ["application/json", "", "text/plain"] {
            let (reply, heard) = read(kind, object, 99).unwrap();
            assert_eq!((reply.text.as_str(), heard.len()), ("all", 1), "{kind}");
        }
        for garbage in ["<html>hello</html>", "", "  ", "{\"a\":", "HTTP/1.1 200"] {
            let error = read("text/html", garbage, 99).unwrap_err();
            assert!(error.starts_with("what came is no chat completion"), "{garbage}: {error}");
        }
    }

    #[test]
    fn an_error_in_mid_stream_is_an_error() {
        let error =
            piece("half") + "data: {\"error\":{\"message\":\"out of memory\\u001b[2J\"}}\n\n";
        let error = read(EVENTS, &error, 99).unwrap_err();
        assert_eq!(error, "the answer broke off: the server says: out of memory\\u{1b}[2J");
        let long =
            "data: {\"error\":{\"message\":\"x\",\"type\":\"exceed_context_size_error\"}}\n\n";
        assert!(read(EVENTS, long, 99).unwrap_err().contains("too long"));
    }

    #[test]
    fn an_answer_without_end_is_cut() {
        let (reply, heard) = read(EVENTS, &piece("ab\u{e9}").repeat(100), 7).unwrap();
        assert_eq!((reply.text.as_str(), reply.finish), ("ab\u{e9}ab", Finish::Length));
        assert_eq!(heard.concat(), reply.text);
    }
}
