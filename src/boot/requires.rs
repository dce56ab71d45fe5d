//! What a module requires is there and done before it runs.
//!
//! A requirement that is a stage of the sequence runs first, wherever it stands;
//! any other must be there. What is required may require more.

use std::collections::{HashMap, HashSet};
use std::io;

use crate::boot::kernel::Tally;
use crate::boot::log::{Entry, Level};
use crate::boot::resume::Earlier;
use crate::boot::sequence::Sequence;
use crate::boot::session::Session;
use crate::boot::source::SourceError;

/// Requirements of requirements of ...: no real module has so many.
const MAX_DEPTH: usize = 64;

/// Why a requirement is not met.
#[derive(Debug, thiserror::Error)]
pub enum RequiresError {
    /// It cannot be had.
    #[error("requires {path}: {source}")]
    Missing {
        /// Its path.
        path: String,
        /// Why not.
        source: SourceError,
    },
    /// It is a stage that failed.
    #[error("requires {0}, a stage that failed")]
    Failed(String),
    /// It requires what requires it.
    #[error("its requirements lead in a circle: {0}")]
    Cycle(String),
    /// There is no end to them.
    #[error("its requirements nest deeper than {MAX_DEPTH}")]
    TooDeep,
}

/// A walk under way.
pub(super) struct Walk<'w, 'h, 's, 'l> {
    pub(super) sequence: &'w Sequence,
    pub(super) earlier: &'w Earlier,
    pub(super) session: &'h mut Session<'s, 'l>,
    pub(super) tally: Tally,
    /// Whether each stage is done or failed; `None`: it has not run.
    pub(super) ran: Vec<Option<bool>>,
    /// The first stage of each path.
    stages: HashMap<&'w str, usize>,
    /// From the stage that is being loaded to what is looked at now.
    chain: Vec<String>,
    /// Requirements that are no stages and were found.
    met: HashSet<String>,
}

impl<'w, 'h, 's, 'l> Walk<'w, 'h, 's, 'l> {
    /// A walk that has not begun.
    pub(super) fn new(
        sequence: &'w Sequence,
        earlier: &'w Earlier,
        session: &'h mut Session<'s, 'l>,
    ) -> Self {
        let mut stages = HashMap::new();
        for (index, stage) in sequence.stages.iter().enumerate() {
            stages.entry(stage.path.as_str()).or_insert(index);
        }
        Self {
            sequence,
            earlier,
            session,
            tally: Tally::default(),
            ran: vec![None; sequence.stages.len()],
            stages,
            chain: Vec::new(),
            met: HashSet::new(),
        }
    }

    /// Sees to all that the file at `path` requires. The outer error is the log's.
    pub(super) fn meet_all(
        &mut self,
        path: &str,
        requires: Vec<String>,
    ) -> io::Result<Result<(), RequiresError>> {
        self.chain.push(path.to_owned());
        let mut result = Ok(());
        for required in requires {
            result = self.meet(&required)?;
            if result.is_err() {
                break;
            }
        }
        self.chain.pop();
        Ok(result)
    }

    fn meet(&mut self, path: &str) -> io::Result<Result<(), RequiresError>> {
        if let Some(start) = self.chain.iter().position(|above| above == path) {
            let mut circle = self.chain[start..].join(" -> ");
            circle.push_str(" -> ");
            circle.push_str(path);
            return Ok(Err(RequiresError::Cycle(circle)));
        }
        if self.chain.len() >= MAX_DEPTH {
            return Ok(Err(RequiresError::TooDeep));
        }
        match self.stages.get(path).copied() {
            Some(index) => self.meet_stage(path, index),
            None => self.meet_file(path),
        }
    }

    fn meet_stage(&mut self, path: &str, index: usize) -> io::Result<Result<(), RequiresError>> {
        if self.ran[index].is_none() {
            let above = self.chain.last().map(String::as_str).unwrap_or_default();
            let message = format!("Requires: {above} needs {path} first");
            let stage = &self.sequence.stages[index];
            self.session.log.write(&Entry::new(Level::Info, "requires", message).of(stage))?;
        }
        Ok(match self.stage(index)? {
            true => Ok(()),
            false => Err(RequiresError::Failed(path.to_owned())),
        })
    }

    fn meet_file(&mut self, path: &str) -> io::Result<Result<(), RequiresError>> {
        if self.met.contains(path) {
            return Ok(Ok(()));
        }
        let requires = match self.session.files.requires_of(path) {
            Ok(requires) => requires,
            Err(source) => {
                return Ok(Err(RequiresError::Missing { path: path.to_owned(), source }));
            }
        };
        let result = self.meet_all(path, requires)?;
        if result.is_ok() {
            self.met.insert(path.to_owned());
        }
        Ok(result)
    }
}
