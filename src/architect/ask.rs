//! Asks the model for an action: the answer is bounded in length and time, and
//! one that holds no action is answered with what was wrong, a few times.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::action::Action;
use super::prompt::{Room, conversation, correct};
use crate::llm::{Answer, Cancel, ChatError, ChatModel, ChatRequest};

/// Answers that are tried before an iteration is given up.
pub const MAX_TRIES: u32 = 3;
/// Longest answer, in bytes: a source and what a model says around it.
pub const MAX_ANSWER: usize = 256 << 10;
/// How often it is looked whether the answer is to stop.
const PERIOD: Duration = Duration::from_millis(20);
/// Answers should be alike, not imaginative.
const TEMPERATURE: f32 = 0.3;
/// Bytes of a token, when the model does not tell how many there were.
const BYTES_A_TOKEN: u64 = 3;

/// What is spent by asking.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// When all has to be over.
    pub deadline: Instant,
    /// Tokens that are left, of prompts and answers.
    pub tokens: u64,
}

/// What asking came to.
#[derive(Debug)]
pub enum Asked {
    /// An action.
    Action(Box<Action>),
    /// Every answer was wrong; the last reason.
    Nothing(String),
}

/// Why asking ended without an answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The model did not answer.
    #[error(transparent)]
    Chat(#[from] ChatError),
    /// The time or the tokens of the run are used up.
    #[error("{0}")]
    Spent(&'static str),
}

/// Somebody who asks a model for actions.
pub struct Asker<'a> {
    /// The model.
    pub model: &'a dyn ChatModel,
    /// Its own instructions.
    pub system: &'a str,
    /// How much it can take; less after it said that something was too long.
    pub room: Room,
    /// Ends everything.
    pub cancel: &'a Cancel,
    /// What may be spent.
    pub budget: Budget,
    /// Gets the pieces of answers as they come.
    pub on_text: &'a mut dyn FnMut(&str),
    /// Gets what was wrong with an answer.
    pub on_error: &'a mut dyn FnMut(&str),
}

impl std::fmt::Debug for Asker<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Asker").field("model", &self.model.name()).finish_non_exhaustive()
    }
}

impl Asker<'_> {
    /// Asks for an action; `state` gives the state in so many bytes.
    ///
    /// # Errors
    /// When there is no answer at all, or nothing left to ask with.
    pub fn ask(&mut self, state: &dyn Fn(usize) -> String) -> Result<Asked, AskError> {
        let mut messages = conversation(self.system, self.room, state);
        let mut reason = String::new();
        for _ in 0..MAX_TRIES {
            let answer = loop {
                match self.chat(&messages) {
                    Err(AskError::Chat(ChatError::TooLong(why))) => {
                        let Some(room) = self.room.halved() else {
                            return Err(ChatError::TooLong(why).into());
                        };
                        self.room = room;
                        messages = conversation(self.system, room, state);
                    }
                    answer => break answer?,
                }
            };
            match answer {
                Reply::Whole(answer) => match Action::parse(&answer.text) {
                    Ok(action) => return Ok(Asked::Action(Box::new(action))),
                    Err(error) => {
                        reason = error.to_string();
                        correct(&mut messages, &answer.text, &reason, self.room);
                    }
                },
                Reply::TooLong(start) => {
                    reason = format!("the answer has more than {MAX_ANSWER} bytes");
                    correct(&mut messages, &start, &reason, self.room);
                }
            }
            (self.on_error)(&reason);
        }
        Ok(Asked::Nothing(reason))
    }

    fn chat(&mut self, messages: &[crate::llm::Message]) -> Result<Reply, AskError> {
        if self.budget.tokens == 0 {
            return Err(AskError::Spent("the tokens of this run are used up"));
        }
        if Instant::now() >= self.budget.deadline {
            return Err(AskError::Spent("the time of this run is used up"));
        }
        let most = u32::try_from(self.budget.tokens).unwrap_or(u32::MAX).min(self.room.answer);
        let request = ChatRequest {
            messages: messages.to_vec(),
            max_tokens: most,
            temperature: TEMPERATURE,
            seed: None,
        };
        let prompt: usize = messages.iter().map(|message| message.content.len()).sum();
        let (result, text) = self.watched(&request);
        let spent = match &result {
            Ok(answer) => {
                answer.prompt_tokens.unwrap_or(prompt as u64 / BYTES_A_TOKEN)
                    + answer.answer_tokens.unwrap_or(text.len() as u64 / BYTES_A_TOKEN)
            }
            Err(_) => (prompt + text.len()) as u64 / BYTES_A_TOKEN,
        };
        self.budget.tokens = self.budget.tokens.saturating_sub(spent);
        match result {
            _ if text.len() > MAX_ANSWER => Ok(Reply::TooLong(text)),
            Ok(answer) if answer.text.len() > MAX_ANSWER => Ok(Reply::TooLong(text)),
            Err(ChatError::Cancelled)
                if !self.cancel.is_cancelled() && Instant::now() >= self.budget.deadline =>
            {
                Err(AskError::Spent("the time of this run is used up"))
            }
            Ok(answer) => Ok(Reply::Whole(answer)),
            Err(error) => Err(error.into()),
        }
    }

    /// Asks; the answer stops when it is too long, when the time is over, or when
    /// somebody says so. The text so far comes too.
    fn watched(&mut self, request: &ChatRequest) -> (Result<Answer, ChatError>, String) {
        let (own, is_over) = (Cancel::default(), AtomicBool::new(false));
        let (all, deadline, model) = (self.cancel, self.budget.deadline, self.model);
        let on_text = &mut *self.on_text;
        let mut text = String::new();
        let result = std::thread::scope(|scope| {
            // Also when the model panics: the scope waits for the thread.
            let _over = Over(&is_over);
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    if all.is_cancelled() || Instant::now() >= deadline {
                        own.cancel();
                    }
                    std::thread::sleep(PERIOD);
                }
            });
            model.chat(request, &own, &mut |piece| {
                if text.len() > MAX_ANSWER {
                    own.cancel();
                    return;
                }
                text.push_str(piece);
                on_text(piece);
            })
        });
        (result, text)
    }
}

enum Reply {
    Whole(Answer),
    /// It was stopped; how it began.
    TooLong(String),
}

/// Sets its flag when it goes.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
