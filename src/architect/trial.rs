//! Boots of a root that nobody is to see: dry, then for real with fuel, each
//! with a log that is only read.

use std::fmt;
use std::io;

use super::edits::keeps_required;
use super::report::{Reader, Report};
use crate::boot::log::Entry;
use crate::boot::sequence::{Sequence, Stage};
use crate::boot::{BootRoot, Format, Level, Log, Options, OwnError, OwnSequence, boot};

/// Name of the stage that a trial adds for a module that no sequence names.
const ADDED: &str = "The module that was written";

/// Why a change is not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict(pub String);

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a trial could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// The root's own sequence cannot be used.
    #[error(transparent)]
    Own(#[from] OwnError),
    /// A log that is only read failed.
    #[error("the boot log: {0}")]
    Log(#[from] io::Error),
}

/// A root as it boots.
#[derive(Debug, Clone)]
pub struct Trial {
    /// The sequence by which it boots.
    pub own: OwnSequence,
    /// What a dry run found.
    pub dry: Report,
    /// What the boot did; that of the dry run if it could not begin.
    pub real: Report,
}

impl Trial {
    /// Boots a root by its own sequence; a module that it does not name runs
    /// behind the last stage.
    ///
    /// # Errors
    /// When there is no sequence to boot by.
    pub fn run(root: &dyn BootRoot, module: Option<&str>) -> Result<Self, TrialError> {
        let own = OwnSequence::of(root)?;
        let mut sequence = own.sequence.clone();
        if let Some(path) = module
            && !sequence.stages.iter().any(|stage| stage.path == path)
        {
            let name = ADDED.to_owned();
            sequence.stages.push(Stage { name, ..Stage::unnamed(path) });
        }
        let dry = boot_once(root, &sequence, true)?;
        let real = match dry.is_complete {
            true => boot_once(root, &sequence, false)?,
            false => dry.clone(),
        };
        Ok(Self { own, dry, real })
    }

    /// Whether it boots.
    pub fn is_bootable(&self) -> bool {
        self.dry.is_complete && self.real.is_complete
    }

    /// Whether what follows it may be kept: it boots, or no worse than before, no
    /// stage fails that did not fail before, and what the policies forbid stays forbidden.
    ///
    /// # Errors
    /// What is worse.
    pub fn allows(&self, after: &Self) -> Result<(), Verdict> {
        let worse = |sentence: String| Err(Verdict(sentence));
        keeps_required(&self.own.sequence, &after.own.sequence).map_err(Verdict)?;
        for (before, now, what) in
            [(&self.dry, &after.dry, "a dry run"), (&self.real, &after.real, "the boot")]
        {
            let failed = |path: &str| before.failed().any(|stage| stage.path == path);
            if let Some(stage) = now.failed().find(|stage| !failed(&stage.path)) {
                let why = now.troubles.iter().find(|line| line.contains(&stage.path));
                let why = why.map_or("it failed", String::as_str);
                return worse(format!("in {what} {} fails: {why}", stage.path));
            }
            if before.is_complete && !now.is_complete {
                return worse(format!("{what} is not complete any more: {}", now.last_trouble()));
            }
            if now.done() < before.done() && !after.drops_stages_of(self) {
                let (now, before) = (now.done(), before.done());
                return worse(format!("{what} gets {now} stages done, before {before}"));
            }
        }
        self.governs_no_less(&after.real)
    }

    /// Whether every policy is still made, and every stage runs under those under
    /// which it ran before; a new one under all.
    fn governs_no_less(&self, after: &Report) -> Result<(), Verdict> {
        let all = &self.real.policies;
        if let Some(policy) = all.iter().find(|policy| !after.policies.contains(policy)) {
            return Err(Verdict(format!("the policy {policy} is made no more")));
        }
        for stage in &after.stages {
            let before = self.real.policies_of(&stage.path).unwrap_or(all);
            let now = &after.policies[..stage.governed];
            if let Some(policy) = before.iter().find(|policy| !now.contains(policy)) {
                let path = &stage.path;
                return Err(Verdict(format!(
                    "{path} would run before the policy {policy} is made"
                )));
            }
        }
        Ok(())
    }

    /// Whether its sequence has fewer stages than another's: then fewer can be done.
    fn drops_stages_of(&self, other: &Self) -> bool {
        self.own.sequence.stages.len() < other.own.sequence.stages.len()
    }
}

/// Boots once.
///
/// # Errors
/// Only the log's own.
pub fn boot_once(root: &dyn BootRoot, sequence: &Sequence, dry_run: bool) -> io::Result<Report> {
    let mut reader = Reader::default();
    // Always the same seed: two boots of one root are to be compared.
    let options = Options { dry_run, ..Options::default() };
    let mut log = Log::new(Format::Json, vec![Box::new(&mut reader)]);
    log.write(&Entry::new(Level::Info, "start", "a boot for the architect").seed(options.seed))?;
    boot(root, sequence, &options, &mut log)?;
    drop(log);
    Ok(reader.finish())
}
