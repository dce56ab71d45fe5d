//! What all requests share.

use std::sync::Arc;

use axum::http::StatusCode;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::events::Events;
use super::guard::Guard;
use super::machine::Frames;
use super::reply::Fault;
use super::turns::Turns;
use crate::boot::Model;
use crate::fs::PixelTree;
use crate::llm::Cancel;
use crate::map::{Map, Partners};

/// Gives the tree as it is now.
pub trait TreeSource: Send + Sync {
    /// The tree; what others saved meanwhile is seen.
    ///
    /// # Errors
    /// When it cannot be read any more.
    fn tree(&self) -> Result<Arc<dyn PixelTree>, String>;

    /// The registry of cartridges that lies beside the files and not among them.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    fn registry_beside(&self) -> Result<Option<Vec<u8>>, String>;
}

/// Who answers, and who could.
pub trait Models: Partners {
    /// The cartridges, for the page: `{"models": [{"id", "name", "description",
    /// "backend", "model", "rgba"}], "default": NAME or null, "note": TEXT or null}`.
    fn list(&self) -> Value;

    /// What answers the machine's own questions (SYS_LLM). With a routing table
    /// (`has_table`) that says what id 0 is; else it is the usual default. `cancel` ends
    /// an answer that nobody waits for any more.
    ///
    /// # Errors
    /// When programs may ask nobody; the sentence says why.
    fn of_machine(&self, has_table: bool, cancel: Cancel) -> Result<Box<dyn Model + Send>, String>;

    /// Whether questions are recorded, so that programs may ask.
    fn is_recorded(&self) -> bool;
}

/// What the shell shows and changes.
pub struct Desk {
    /// What the page calls it.
    pub target: String,
    /// `picture`, `root` or `directory`.
    pub kind: &'static str,
    /// The map.
    pub map: Arc<Map>,
    /// The files.
    pub trees: Box<dyn TreeSource>,
    /// The models.
    pub models: Arc<dyn Models>,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").field("target", &self.target).finish_non_exhaustive()
    }
}

/// A desk that is open, with what happens on it.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) desk: Desk,
    pub(super) guard: Guard,
    pub(super) turns: Turns,
    pub(super) events: Events,
    pub(super) frames: Frames,
    /// One boot or module at a time: each may take a processor.
    runs: Arc<Semaphore>,
    /// What the program of that run asks.
    questions: Mutex<Questions>,
}

/// What programs ask of models.
#[derive(Debug, Default)]
struct Questions {
    /// Ends what is asked; there while a program may ask.
    cancel: Option<Cancel>,
    /// The shell ends, and no more is asked.
    are_over: bool,
}

/// A model that a program may ask. While this lives the shell can end what it asks.
pub(super) struct Asking {
    pub(super) model: Box<dyn Model + Send>,
    shared: Arc<Shared>,
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.shared.questions.lock().cancel = None;
    }
}

impl Shared {
    /// The place of the one boot or module that runs, as long as it is kept.
    pub(super) fn take_run(&self) -> Result<OwnedSemaphorePermit, Fault> {
        let sentence = "something is running already; wait for its end";
        let busy = |_| Fault::new(StatusCode::CONFLICT, sentence);
        Arc::clone(&self.runs).try_acquire_owned().map_err(busy)
    }

    /// What answers a machine whose programs may ask.
    pub(super) fn machine_model(
        self: &Arc<Self>,
        has_table: bool,
        cancel: &Cancel,
    ) -> Result<Asking, Fault> {
        let model = self.desk.models.of_machine(has_table, cancel.clone());
        let model = model.map_err(|sentence| Fault::new(StatusCode::FORBIDDEN, sentence))?;
        let mut questions = self.questions.lock();
        if questions.are_over {
            return Err(Fault::new(StatusCode::SERVICE_UNAVAILABLE, "the shell ends"));
        }
        questions.cancel = Some(cancel.clone());
        Ok(Asking { model, shared: Arc::clone(self) })
    }

    /// Ends what a program asks, for good; whether its run is still to end. A question
    /// that was asked is to be recorded before the shell is gone.
    pub(super) fn stop_asking(&self) -> bool {
        let mut questions = self.questions.lock();
        questions.are_over = true;
        questions.cancel.iter().for_each(Cancel::cancel);
        questions.cancel.is_some()
    }

    pub(super) fn new(desk: Desk, guard: Guard) -> Self {
        Self {
            desk,
            guard,
            turns: Turns::default(),
            events: Events::default(),
            frames: Frames::default(),
            runs: Arc::new(Semaphore::new(1)),
            questions: Mutex::default(),
        }
    }
}
