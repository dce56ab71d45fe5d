//! `optimise`: what a boot could do without, found by looking at logs and modules,
//! measured by booting without it.
//!
//! Nothing here asks a model: the same place gives the same proposals.

mod idea;
mod measure;

use serde::Serialize;

use super::make::{Made, make, sequence_change};
use super::place::{KeepError, Place};
use super::report::Report;
use super::staged::{Change, Staged};
use super::trial::{Trial, TrialError};
use super::{action::Action, edits};
use crate::boot::{BootRoot, OwnSequence};

pub use idea::{Aim, Idea, What, find_ideas, find_notes};
pub use measure::{Cost, Measure};

/// Changes that one run may make, one after the other.
const MAX_ROUNDS: usize = 32;

/// An idea that was tried and is better.
#[derive(Debug, Clone, Serialize)]
pub struct Proposal {
    /// What it is.
    #[serde(flatten)]
    pub idea: Idea,
    /// How the place boots now.
    pub before: Cost,
    /// How it boots with it.
    pub after: Cost,
    /// What would be written.
    #[serde(skip)]
    pub changes: Vec<Change>,
}

/// An idea that is none, after all.
#[derive(Debug, Clone, Serialize)]
pub struct Dropped {
    /// What it was.
    #[serde(flatten)]
    pub idea: Idea,
    /// Why it is not proposed.
    pub reason: String,
}

/// What was found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Found {
    /// What is better, measured.
    pub proposals: Vec<Proposal>,
    /// What was tried and is not.
    pub dropped: Vec<Dropped>,
    /// What is worth knowing, but no change.
    pub notes: Vec<String>,
}

/// Why it failed.
#[derive(Debug, thiserror::Error)]
pub enum OptimiseError {
    /// The place.
    #[error(transparent)]
    Place(#[from] KeepError),
    /// It cannot be booted.
    #[error(transparent)]
    Trial(#[from] TrialError),
    /// A boot that fails is to be mended, not made faster.
    #[error("it does not boot: {0}; only what boots can be made to boot better")]
    NotBootable(String),
    /// A change that was to be better is not.
    #[error("{what}: taken back: {reason}")]
    TakenBack {
        /// What it was.
        what: String,
        /// Why.
        reason: String,
    },
}

/// Looks for what could be better; `logs` are boots that happened, whose
/// durations count before those measured now.
///
/// # Errors
/// When it does not boot.
pub fn look(place: &mut Place, logs: &[Report], passed: &[Idea]) -> Result<Found, OptimiseError> {
    let root = place.root()?;
    root.with(|root| {
        let before = Measure::of(root)?;
        if !before.trial.is_bootable() {
            return Err(OptimiseError::NotBootable(before.trial.real.last_trouble().to_owned()));
        }
        let mut found = Found { notes: find_notes(root, &before), ..Found::default() };
        for idea in find_ideas(root, &before, logs).into_iter().take(MAX_ROUNDS) {
            if passed.iter().any(|passed| passed.what == idea.what) {
                continue;
            }
            match weigh(root, &before, &idea) {
                Ok((after, changes)) => {
                    let before = before.cost;
                    found.proposals.push(Proposal { idea, before, after, changes });
                }
                Err(reason) => found.dropped.push(Dropped { idea, reason }),
            }
        }
        Ok(found)
    })
}

/// Writes a proposal, and measures the place as it boots now; what is not better
/// is taken back.
///
/// # Errors
/// When it was taken back, or cannot be written.
pub fn apply(place: &mut Place, proposal: &Proposal) -> Result<Cost, OptimiseError> {
    let before = place.root()?.with(Measure::of)?;
    place.keep(&proposal.changes)?;
    let after = place.root()?.with(Measure::of);
    let verdict = match &after {
        Ok(after) => verdict(&before, after, proposal.idea.aim),
        Err(error) => Err(error.to_string()),
    };
    match (verdict, after) {
        (Ok(()), Ok(after)) => Ok(after.cost),
        (verdict, _) => {
            place.undo(&proposal.changes)?;
            let reason = verdict.err().unwrap_or_default();
            Err(OptimiseError::TakenBack { what: proposal.idea.sentence.clone(), reason })
        }
    }
}

/// Boots with an idea; what it costs then, and what would be written.
fn weigh(
    root: &dyn BootRoot,
    before: &Measure,
    idea: &Idea,
) -> Result<(Cost, Vec<Change>), String> {
    let made = realise(root, &before.trial, idea)?;
    let staged = Staged::new(root, &made.changes);
    let after = Measure::of(&staged).map_err(|error| error.to_string())?;
    verdict(before, &after, idea.aim)?;
    Ok((after.cost, made.changes))
}

fn realise(root: &dyn BootRoot, trial: &Trial, idea: &Idea) -> Result<Made, String> {
    match &idea.what {
        What::Sequence { edits } => {
            let text = edits::apply(&trial.own.text, edits)?;
            let own: &OwnSequence = &trial.own;
            let changes = vec![sequence_change(root, own, text)?];
            Ok(Made { changes, module: None, summary: idea.sentence.clone() })
        }
        What::Compile { path } => {
            let action = Action::Compile { path: path.clone(), note: String::new() };
            let made = make(&action, root)?;
            match made.changes.iter().all(|change| change.old.as_ref() == Some(&change.bytes)) {
                true => Err("the module is what its source compiles to".to_owned()),
                false => Ok(made),
            }
        }
    }
}

/// Whether what is measured is better, and no worse otherwise.
fn verdict(before: &Measure, after: &Measure, aim: Aim) -> Result<(), String> {
    before.trial.allows(&after.trial).map_err(|verdict| verdict.to_string())?;
    let (old, new) = match aim {
        Aim::All => (before.cost.steps, after.cost.steps),
        Aim::Required => (before.cost.steps_to_required, after.cost.steps_to_required),
    };
    if !after.is_less(before, aim) {
        return Err(format!("no gain: {new} steps, before {old}"));
    }
    if aim == Aim::Required && before.is_less(after, Aim::All) {
        let (new, old) = (after.cost.steps, before.cost.steps);
        return Err(format!("the whole boot takes {new} steps, before {old}"));
    }
    Ok(())
}
