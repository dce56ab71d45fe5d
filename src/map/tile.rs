//! One tile: its model and its conversation.

use serde_json::value::RawValue;

use crate::fs::python_json::{ascii, push_member};
use crate::llm::{Message, Role};
use crate::map::members::Members;
use crate::map::{MAX_MESSAGE, MAX_MESSAGES, MAX_REVISION, MAX_TILE};

/// One entry of a conversation.
#[derive(Debug, Clone)]
pub struct Entry(Inner);

#[derive(Debug, Clone)]
enum Inner {
    /// Somebody said something; what else the file says of it is kept.
    Said { role: String, content: String, rest: Option<Box<Members>> },
    /// What the file has there is no message.
    Other(Box<RawValue>),
}

impl Entry {
    /// What `role` says.
    pub fn said(role: &str, content: &str) -> Self {
        Self(Inner::Said { role: role.to_owned(), content: content.to_owned(), rest: None })
    }

    fn parse(json: &RawValue) -> Self {
        let other = || Self(Inner::Other(json.to_owned()));
        let Ok(members) = Members::parse(json.get()) else { return other() };
        let (mut role, mut content, mut rest) = (None, None, Members::default());
        for (key, value) in members.into_list() {
            match key.as_str() {
                "role" => role = serde_json::from_str::<String>(value.get()).ok(),
                "content" => content = serde_json::from_str::<String>(value.get()).ok(),
                _ => rest.put(key, &value),
            }
        }
        match (role, content) {
            (Some(role), Some(content)) => {
                let rest = (!rest.is_empty()).then(|| Box::new(rest));
                Self(Inner::Said { role, content, rest })
            }
            _ => other(),
        }
    }

    fn write(&self, out: &mut String) {
        match &self.0 {
            Inner::Other(value) => out.push_str(value.get()),
            Inner::Said { role, content, rest } => {
                out.push('{');
                push_member(out, 5, "role", &text(role), true);
                push_member(out, 5, "content", &text(content), false);
                if let Some(rest) = rest {
                    rest.write(out, 5, false);
                }
                out.push_str("\n        }");
            }
        }
    }

    /// Who says it and what; nothing of what is no message.
    pub fn parts(&self) -> Option<(&str, &str)> {
        match &self.0 {
            Inner::Said { role, content, .. } => Some((role, content)),
            Inner::Other(_) => None,
        }
    }

    /// Whether a person asks here.
    pub fn is_question(&self) -> bool {
        self.parts().is_some_and(|(role, _)| role == "user")
    }

    /// Whether a model answers here.
    pub fn is_answer(&self) -> bool {
        self.parts().is_some_and(|(role, _)| role == "assistant")
    }
}

/// A JSON string as Python writes it.
fn text(text: &str) -> String {
    ascii(&serde_json::Value::from(text).to_string()).into_owned()
}

/// A tile.
#[derive(Debug, Clone, Default)]
pub struct Tile {
    /// The id of its model's cartridge; without one the default answers.
    pub model_id: Option<u32>,
    /// The conversation, oldest first.
    pub history: Vec<Entry>,
    /// Grows by one with each change. The Python tools do not keep it; then it
    /// begins with the number of messages.
    pub revision: u64,
    /// What else the file says of the tile.
    rest: Members,
}

impl Tile {
    /// Reads a tile's JSON.
    ///
    /// # Errors
    /// What is wrong with it, in a few words.
    pub(super) fn parse(json: &str) -> Result<Self, String> {
        if json.len() > MAX_TILE {
            return Err(format!("has more than {MAX_TILE} bytes"));
        }
        let members = Members::parse(json).map_err(|_| "is no object")?;
        let (mut model_id, mut history, mut revision) = (None, Vec::new(), None);
        let mut rest = Members::default();
        for (key, value) in members.into_list() {
            match key.as_str() {
                "model_id" => model_id = parse_model(value.get())?,
                "history" => history = parse_history(value.get())?,
                "revision" => {
                    let number = serde_json::from_str::<u64>(value.get());
                    let number = number.ok().filter(|number| *number <= MAX_REVISION);
                    revision = Some(number.ok_or("has a revision that is no number")?);
                }
                _ => rest.put(key, &value),
            }
        }
        let revision = revision.unwrap_or(history.len() as u64);
        Ok(Self { model_id, history, revision, rest })
    }

    /// Appends the tile's JSON, in the order of the Python tools, two levels deep.
    pub(super) fn write(&self, out: &mut String) {
        out.push('{');
        let model = self.model_id.map_or("null".to_owned(), |id| id.to_string());
        push_member(out, 3, "model_id", &model, true);
        let mut history = String::from("[");
        for (index, entry) in self.history.iter().enumerate() {
            history.push_str(if index == 0 { "\n        " } else { ",\n        " });
            entry.write(&mut history);
        }
        history.push_str(if self.history.is_empty() { "]" } else { "\n      ]" });
        push_member(out, 3, "history", &history, false);
        push_member(out, 3, "revision", &self.revision.to_string(), false);
        self.rest.write(out, 3, false);
        out.push_str("\n    }");
    }

    /// Bytes of all messages.
    pub fn bytes(&self) -> usize {
        self.messages().map(|(_, text)| text.len()).sum()
    }

    /// Messages that are shown.
    pub fn messages(&self) -> impl Iterator<Item = (&str, &str)> {
        self.history.iter().filter_map(Entry::parts)
    }

    /// How many questions there are.
    pub fn questions(&self) -> usize {
        self.history.iter().filter(|entry| entry.is_question()).count()
    }

    /// The number of the last question if nothing answers it.
    pub fn open_question(&self) -> Option<usize> {
        let last = self.history.iter().rposition(Entry::is_question)?;
        let is_answered = self.history[last..].iter().any(Entry::is_answer);
        (!is_answered).then(|| self.questions() - 1)
    }

    /// What is asked of a model to get the answer to question number `question`:
    /// the conversation up to it, its last messages only, as far as `budget`
    /// bytes go. Messages of one side that follow each other (a question that got
    /// no answer, and the next) are one, as models expect the sides to take turns.
    pub fn conversation(&self, question: usize, budget: usize) -> Vec<Message> {
        let mut end = self.history.len();
        let asked = self.history.iter().enumerate().filter(|(_, entry)| entry.is_question());
        if let Some((index, _)) = asked.into_iter().nth(question) {
            end = index + 1;
        }
        let mut messages: Vec<Message> = Vec::new();
        let mut left = budget;
        for (role, content) in self.history[..end].iter().rev().filter_map(Entry::parts) {
            let role = match role {
                "user" => Role::User,
                "assistant" => Role::Assistant,
                _ => continue,
            };
            if content.len() > left && !messages.is_empty() {
                break;
            }
            left = left.saturating_sub(content.len());
            match messages.last_mut() {
                Some(last) if last.role == role => {
                    last.content = format!("{content}\n\n{}", last.content);
                }
                _ => messages.push(Message::new(role, content)),
            }
        }
        messages.reverse();
        // A conversation begins with a question.
        let first = messages.iter().position(|message| message.role == Role::User);
        messages.drain(..first.unwrap_or(messages.len()));
        messages
    }
}

fn parse_model(json: &str) -> Result<Option<u32>, String> {
    let id = serde_json::from_str::<Option<u32>>(json);
    let id = id.map_err(|_| "has a model_id that is no number of 32 bits")?;
    // The old tools take 0 for none.
    Ok(id.filter(|id| *id != 0))
}

fn parse_history(json: &str) -> Result<Vec<Entry>, String> {
    let list = serde_json::from_str::<Vec<&RawValue>>(json);
    let list = list.map_err(|_| "has a history that is no list")?;
    if list.len() > MAX_MESSAGES {
        return Err(format!("has more than {MAX_MESSAGES} messages"));
    }
    let history: Vec<Entry> = list.into_iter().map(Entry::parse).collect();
    let is_too_long =
        |entry: &Entry| entry.parts().is_some_and(|(_, text)| text.len() > MAX_MESSAGE);
    if history.iter().any(is_too_long) {
        return Err(format!("has a message of more than {MAX_MESSAGE} bytes"));
    }
    Ok(history)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn written(tile: &Tile) -> String {
        let mut out = String::new();
        tile.write(&mut out);
        out
    }

    #[test]
    fn a_tile_of_the_python_tools_is_read_and_written() {
        let json = r#"{"model_id": 7, "history": [{"role": "user", "content": "a", "n": 1e999},
            {"role": "assistant", "content": "b"}, 5], "colour": [1,  2]}"#;
        let tile = Tile::parse(json).unwrap();
        assert_eq!((tile.model_id, tile.revision, tile.history.len()), (Some(7), 3, 3));
        assert_eq!(tile.messages().collect::<Vec<_>>(), [("user", "a"), ("assistant", "b")]);
        let text = written(&tile);
        assert!(text.contains("\"n\": 1e999\n        },\n        {\n"), "{text}");
        assert!(
            text.ends_with("5\n      ],\n      \"revision\": 3,\n      \"colour\": [1,  2]\n    }")
        );
        assert_eq!(written(&Tile::parse(&text).unwrap()), text);
        assert_eq!(Tile::parse(r#"{"model_id": 0}"#).unwrap().model_id, None);
    }

    #[test]
    fn what_is_no_tile_is_said() {
        let said =
            |text: &str| format!(r#"{{"history": [{{"role": "user", "content": "{text}"}}]}}"#);
        let long = said(&"x".repeat(MAX_MESSAGE + 1));
        let many = format!(r#"{{"history": [1{}]}}"#, ",1".repeat(MAX_MESSAGES));
        let cases = [
            ("[]", "is no object"),
            (r#"{"model_id": "x"}"#, "model_id"),
            (r#"{"model_id": 4294967296}"#, "model_id"),
            (r#"{"history": {}}"#, "no list"),
            (r#"{"revision": -1}"#, "revision"),
            (&long, "more than"),
            (&many, "more than"),
        ];
        for (json, why) in cases {
            assert!(Tile::parse(json).unwrap_err().contains(why), "{why}");
        }
    }

    #[test]
    fn sides_take_turns_in_what_a_model_is_asked() {
        let history = [
            ("assistant", "hello"),
            ("user", "one"),
            ("user", "two"),
            ("tool", "?"),
            ("assistant", "three"),
            ("user", "four"),
        ];
        let history = history.map(|(role, text)| Entry::said(role, text)).to_vec();
        let tile = Tile { history, ..Tile::default() };
        let shown = |question, budget| -> Vec<String> {
            tile.conversation(question, budget).into_iter().map(|message| message.content).collect()
        };
        assert_eq!(shown(2, 1000), ["one\n\ntwo", "three", "four"]);
        assert_eq!(shown(1, 1000), ["one\n\ntwo"]);
        assert_eq!(shown(2, 9), ["four"], "an answer alone is no beginning");
        assert_eq!(shown(2, 0), ["four"], "the question itself is always asked");
        assert_eq!((tile.questions(), tile.open_question()), (3, Some(2)));
    }
}
