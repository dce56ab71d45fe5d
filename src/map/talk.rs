//! A question, its answer, and both in the map: what the terminal's chat and the
//! page have in common.

use std::sync::Arc;

use crate::llm::{Answer, Audit, Cancel, Cartridge, ChatError, ChatModel, chat_recorded};
use crate::map::error::MapError;
use crate::map::{Change, Coord, Map, Written};

/// Bytes of a conversation that a model is shown, at most; it may take fewer.
const MAX_SHOWN: usize = 64 << 10;
/// Bytes of an answer, at most: a model that does not end is ended.
const MAX_ANSWER: usize = 256 << 10;

/// Somebody to talk with: a model, and how it is asked.
#[derive(Clone)]
pub struct Partner {
    /// Answers.
    pub model: Arc<dyn ChatModel>,
    /// Says how.
    pub cartridge: Cartridge,
    /// Where each question is recorded, if it is.
    pub audit: Option<Arc<Audit>>,
}

impl std::fmt::Debug for Partner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Partner").field("name", &self.cartridge.name).finish_non_exhaustive()
    }
}

/// Knows who answers.
pub trait Partners: Send + Sync {
    /// The model of a cartridge, or the default one.
    ///
    /// # Errors
    /// When there is none; the sentence says what to do.
    fn partner(&self, cartridge: Option<u32>) -> Result<Partner, ChatError>;
}

/// Why there is no answer in the map.
#[derive(Debug, thiserror::Error)]
pub enum TalkError {
    /// The model gave none.
    #[error(transparent)]
    Chat(#[from] ChatError),
    /// It could not be written down.
    #[error(transparent)]
    Map(#[from] MapError),
}

/// An answer that is in the map.
#[derive(Debug)]
pub struct Said {
    /// The answer.
    pub answer: Answer,
    /// The tile with it.
    pub written: Written,
}

/// Puts a question into the map.
///
/// # Errors
/// As [`Map::commit`]; and for an empty question.
pub fn ask(
    map: &Map,
    coord: Coord,
    text: &str,
    expected: Option<u64>,
) -> Result<Written, MapError> {
    if text.trim().is_empty() {
        return Err(MapError::refused("there is nothing to ask"));
    }
    map.commit(coord, &Change::Ask { text: text.to_owned() }, expected)
}

/// Has question number `question` of a tile answered and puts the answer into the
/// map. Until it is whole it is only shown, by `on_text`.
///
/// # Errors
/// When there is no whole answer: the question stays and can be tried again.
pub fn answer(
    map: &Map,
    coord: Coord,
    question: usize,
    partner: &Partner,
    cancel: &Cancel,
    on_text: &mut dyn FnMut(&str),
) -> Result<Said, TalkError> {
    let messages = map.tile(coord).conversation(question, MAX_SHOWN);
    let request = partner.cartridge.request(messages);
    let mut len = 0;
    let own = Cancel::default();
    let result = {
        let mut show = |text: &str| {
            len += text.len();
            if len > MAX_ANSWER {
                cancel.cancel();
                own.cancel();
            } else {
                on_text(text);
            }
        };
        let (who, asked) = (format!("tile {coord}"), (&partner.cartridge, &*partner.model));
        chat_recorded(partner.audit.as_deref(), &who, asked, &request, cancel, &mut show)
    };
    if own.is_cancelled() {
        let sentence = format!("it had more than {MAX_ANSWER} bytes and was ended");
        return Err(ChatError::BrokenOff(sentence).into());
    }
    let answer = result?;
    if answer.text.trim().is_empty() {
        return Err(ChatError::Garbage("the model answered nothing".into()).into());
    }
    let change = Change::Answer { question, text: answer.text.clone() };
    let written = map.commit(coord, &change, None)?;
    Ok(Said { answer, written })
}
