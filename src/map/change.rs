//! What happens to a tile.

use serde::{Deserialize, Serialize};

use crate::map::error::{MapError, Result};
use crate::map::{Entry, MAX_MESSAGE, MAX_MESSAGES, MAX_TILE, Tile};

/// One change of one tile, as a journal keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Change {
    /// A person asks.
    Ask {
        /// The question.
        text: String,
    },
    /// A model answers.
    Answer {
        /// The number of the question among the tile's questions. An answer comes
        /// after its own question, whatever was asked meanwhile.
        question: usize,
        /// The answer.
        text: String,
    },
    /// The tile gets another model, or the default one.
    Model {
        /// The cartridge's id.
        id: Option<u32>,
    },
}

impl Change {
    /// Whether the change could contradict what somebody else did: an answer
    /// never does, it has its place.
    pub fn is_answer(&self) -> bool {
        matches!(self, Self::Answer { .. })
    }

    /// Bytes of the state's file that it takes, at most.
    pub(super) fn size(&self) -> u64 {
        /// Braces, keys, indents, and the empty tile.
        const AROUND: usize = 256;
        let text = match self {
            Self::Ask { text } | Self::Answer { text, .. } => text.as_str(),
            Self::Model { .. } => "",
        };
        let escaped: usize = text.chars().map(escaped_len).sum();
        (AROUND + escaped) as u64
    }

    /// Does it. The tile has one revision more then.
    ///
    /// # Errors
    /// When it is too large or has no place; then nothing is changed.
    pub(super) fn apply(&self, tile: &mut Tile) -> Result<()> {
        match self {
            Self::Ask { text } => {
                check_text(text, tile)?;
                tile.history.push(Entry::said("user", text));
            }
            Self::Answer { question, text } => {
                check_text(text, tile)?;
                let place = place_of_answer(tile, *question).ok_or_else(|| {
                    MapError::refused("the question that this answers is not there any more")
                })?;
                tile.history.insert(place, Entry::said("assistant", text));
            }
            Self::Model { id } => tile.model_id = id.filter(|id| *id != 0),
        }
        tile.revision += 1;
        Ok(())
    }
}

/// Bytes of a character in a JSON of nothing but ASCII, at most.
fn escaped_len(c: char) -> usize {
    match c {
        '"' | '\\' => 2,
        ' '..='~' => 1,
        _ => 6 * c.len_utf16(),
    }
}

fn check_text(text: &str, tile: &Tile) -> Result<()> {
    if text.len() > MAX_MESSAGE {
        let sentence =
            format!("a message has at most {MAX_MESSAGE} bytes, and this has {}", text.len());
        return Err(MapError::Refused(sentence));
    }
    if tile.history.len() >= MAX_MESSAGES {
        let sentence = format!("the tile is full: it has {MAX_MESSAGES} messages; use another one");
        return Err(MapError::Refused(sentence));
    }
    // In the file a character may take six bytes.
    if tile.bytes() + text.len() > MAX_TILE / 6 {
        let sentence = format!("the tile is full: it has {} bytes; use another one", tile.bytes());
        return Err(MapError::Refused(sentence));
    }
    Ok(())
}

/// After the question and what answers it already.
fn place_of_answer(tile: &Tile, question: usize) -> Option<usize> {
    let asked = tile.history.iter().enumerate().filter(|(_, entry)| entry.is_question());
    let (at, _) = asked.into_iter().nth(question)?;
    let answers = tile.history[at + 1..].iter().take_while(|entry| entry.is_answer()).count();
    Some(at + 1 + answers)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn answers_find_their_questions() {
        let mut tile = Tile::default();
        let ask = |text: &str| Change::Ask { text: text.into() };
        let answer = |question, text: &str| Change::Answer { question, text: text.into() };
        let changes = [ask("a"), ask("b"), answer(1, "B"), answer(0, "A"), answer(0, "A2")];
        for change in &changes {
            change.apply(&mut tile).unwrap();
        }
        let shown: Vec<_> = tile.messages().map(|(_, text)| text).collect();
        assert_eq!(shown, ["a", "A", "A2", "b", "B"]);
        assert_eq!(tile.revision, 5);
        assert!(answer(2, "?").apply(&mut tile).is_err());
        assert!(ask(&"x".repeat(MAX_MESSAGE + 1)).apply(&mut tile).is_err());
        assert_eq!((tile.revision, tile.history.len()), (5, 5));
    }
}
