//! What happens in a run, for whoever watches it and decides.

use serde::Serialize;

use super::super::action::Action;
use super::super::proposal::Proposal;

/// What a person says to a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// It is kept.
    Yes,
    /// It is not.
    No,
    /// It is not, and the run ends.
    Quit,
}

/// What happens in a run, for whoever watches.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event<'a> {
    /// The run begins; how the place boots.
    Start {
        /// The model.
        model: &'a str,
        /// Whether it boots.
        bootable: bool,
        /// How.
        boot: String,
    },
    /// An iteration begins.
    Iteration {
        /// Its number over all runs.
        iteration: u64,
        /// Iterations that are left after it.
        left: u32,
    },
    /// An answer held no action.
    BadAnswer {
        /// Why.
        reason: &'a str,
    },
    /// The model wants something.
    Action {
        /// What.
        action: &'a Action,
    },
    /// What became of the iteration.
    Result {
        /// In a word.
        result: &'static str,
        /// In a line.
        summary: &'a str,
    },
    /// The run is over.
    End(&'a Outcome),
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// All iterations are done.
    Iterations,
    /// The model says that there is nothing more to do.
    Done,
    /// It only planned.
    Plans,
    /// Nothing was kept for a long time.
    Idle,
    /// Its answers held no actions.
    NoActions,
    /// Time or tokens are used up.
    Spent,
    /// The person wanted no more.
    Quit,
    /// It was stopped.
    Stopped,
}

impl End {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Iterations => "all iterations are done",
            Self::Done => "the model has nothing more to do",
            Self::Plans => "the model only plans",
            Self::Idle => "nothing was kept for a long time",
            Self::NoActions => "the model gives no valid actions",
            Self::Spent => "the time or the tokens are used up",
            Self::Quit => "no more was wanted",
            Self::Stopped => "it was stopped",
        }
    }
}

/// What a run did.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// Iterations.
    pub iterations: u32,
    /// Changes that were kept; in a dry run, that would have been.
    pub kept: u32,
    /// Changes that were refused or taken back.
    pub refused: u32,
    /// Why it ended.
    pub end: End,
}

/// Who watches a run and decides.
pub trait Front {
    /// Something happens.
    fn event(&mut self, event: &Event<'_>);
    /// The model says something.
    fn text(&mut self, piece: &str);
    /// Whether a change is to be kept.
    fn choose(&mut self, proposal: &Proposal) -> Choice;
}
