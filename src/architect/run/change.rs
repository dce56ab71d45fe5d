//! A change: tried on a staged copy, shown, written, looked at again.

use super::super::action::Action;
use super::super::make::{Made, make};
use super::super::place::KeepError;
use super::super::proposal::Proposal;
use super::super::staged::Staged;
use super::super::state::list_tree;
use super::super::trial::Trial;
use super::event::{Choice, End};
use super::{MAX_BYTES, Memory, Run, RunError};
use crate::builder::BuildError;

impl Run<'_> {
    /// Tries a change; keeps it or not.
    pub(super) fn change(
        &mut self,
        memory: &mut Memory,
        action: &Action,
    ) -> Result<Option<End>, RunError> {
        let made =
            memory.root.with(|root| make(action, root)).and_then(|made| checked(made, memory));
        let tried = made.and_then(|made| {
            let after = memory
                .root
                .with(|root| Trial::run(&Staged::new(root, &made.changes), made.module.as_deref()));
            let after = after.map_err(|error| error.to_string())?;
            memory.trial.allows(&after).map_err(|verdict| verdict.to_string())?;
            Ok((made, after))
        });
        let (made, after) = match tried {
            Ok(tried) => tried,
            Err(reason) => return Ok(self.refuse(memory, action, "refused", &reason)),
        };
        if self.options.dry_run {
            memory.outcome.kept += 1;
            let summary = format!("would be kept: {}", made.summary);
            self.end_step(memory, Some(action), "dry_run", &summary);
            return Ok(self.idle(memory));
        }
        let proposal =
            Proposal::new(&made.summary, action.note(), &made.changes, &memory.trial, &after);
        match self.front.choose(&proposal) {
            Choice::Yes => self.keep(memory, action, &made),
            Choice::No => {
                Ok(self.refuse(memory, action, "declined", "the person does not want it"))
            }
            Choice::Quit => {
                self.end_step(memory, Some(action), "declined", "the person ended the run");
                let is_stopped = self.cancel.is_cancelled();
                Ok(Some(if is_stopped { End::Stopped } else { End::Quit }))
            }
        }
    }

    /// Writes a change, and sees whether the place boots as the trial did.
    fn keep(
        &mut self,
        memory: &mut Memory,
        action: &Action,
        made: &Made,
    ) -> Result<Option<End>, RunError> {
        match self.place.keep(&made.changes) {
            Ok(()) => {}
            // Also what the place itself refuses, whatever the reason, was not written.
            Err(error @ (KeepError::Changed(_) | KeepError::Build(BuildError::Refused(_)))) => {
                self.look_again(memory)?;
                return Ok(self.refuse(memory, action, "taken_back", &error.to_string()));
            }
            Err(error) => return Err(error.into()),
        }
        let root = self.place.root()?;
        let now = root.with(|root| Trial::run(root, made.module.as_deref()));
        let verdict = match &now {
            Ok(now) => memory.trial.allows(now).map_err(|verdict| verdict.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(reason) = verdict {
            drop(root);
            self.place.undo(&made.changes)?;
            self.look_again(memory)?;
            return Ok(self.refuse(memory, action, "taken_back", &reason));
        }
        drop(root);
        for change in &made.changes {
            memory.state.add_file(&change.path, change.old.is_none());
            memory.bytes += change.bytes.len();
        }
        memory.outcome.kept += 1;
        memory.idle = 0;
        self.end_step(memory, Some(action), "kept", &made.summary);
        self.look_again(memory)?;
        Ok(None)
    }

    /// Looks at the place anew.
    fn look_again(&mut self, memory: &mut Memory) -> Result<(), RunError> {
        memory.root = self.place.root()?;
        memory.trial = memory.root.with(|root| Trial::run(root, None))?;
        memory.tree = memory.root.with(list_tree);
        Ok(())
    }

    fn refuse(
        &mut self,
        memory: &mut Memory,
        action: &Action,
        result: &'static str,
        reason: &str,
    ) -> Option<End> {
        memory.outcome.refused += 1;
        memory.state.add_error(&format!("{}: {reason}", action.name()));
        // A compiler's messages are longer than a summary: the model sees them whole.
        memory.shown = Some(reason.to_owned());
        self.end_step(memory, Some(action), result, reason);
        self.idle(memory)
    }
}

/// Holds what was made to what a run may do in all.
fn checked(made: Made, memory: &Memory) -> Result<Made, String> {
    if made.changes.iter().all(|change| change.old.as_ref() == Some(&change.bytes)) {
        return Err("nothing would change: it is like that already".to_owned());
    }
    let bytes: usize = made.changes.iter().map(|change| change.bytes.len()).sum();
    if memory.bytes + bytes > MAX_BYTES {
        return Err(format!("this run has added as much as it may, {MAX_BYTES} bytes"));
    }
    Ok(made)
}
