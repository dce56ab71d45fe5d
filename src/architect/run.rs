//! The loop: state, prompt, answer, action, staged change, checks, verdict, record.

mod change;
mod event;

use std::time::{Duration, Instant};

use super::action::Action;
use super::ask::{AskError, Asked, Asker, Budget};
use super::place::{KeepError, Place, Root};
use super::prompt::Room;
use super::record::{Lines, State};
use super::show::show_file;
use super::state::{View, list_tree};
use super::trial::{Trial, TrialError};
use crate::llm::{Cancel, ChatError, ChatModel};

pub use event::{Choice, End, Event, Front, Outcome};

/// Plans in a row after which a run ends: a model that only plans never stops.
pub const MAX_PLANS: u32 = 3;
/// Iterations in a row that kept nothing, after which a run ends.
pub const MAX_IDLE: u32 = 8;
/// Iterations in a row without any action, after which a run ends.
pub const MAX_WRONG: u32 = 3;
/// Bytes that a run may add to the place.
pub const MAX_BYTES: usize = 8 << 20;

/// How to run.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// What the person wants.
    pub goal: String,
    /// Iterations of this run, whatever earlier ones counted.
    pub iterations: u32,
    /// Change nothing at all.
    pub dry_run: bool,
    /// Time between two iterations.
    pub interval: Duration,
    /// How much the model can take.
    pub room: Room,
    /// Time of the whole run.
    pub time: Duration,
    /// Tokens of the whole run.
    pub tokens: u64,
}

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The place.
    #[error(transparent)]
    Place(#[from] KeepError),
    /// What there is does not even have a sequence to boot by.
    #[error(transparent)]
    Trial(#[from] TrialError),
    /// The model.
    #[error(transparent)]
    Chat(ChatError),
    /// The records of earlier runs.
    #[error("{0}")]
    Record(String),
    /// Nothing here boots.
    #[error(
        "there is neither a boot sequence nor a directory /boot: nothing boots here, and there is \
         nothing to build on"
    )]
    NothingBoots,
}

/// A run under way.
pub struct Run<'a> {
    /// What is changed.
    pub place: &'a mut Place,
    /// Who is asked.
    pub model: &'a dyn ChatModel,
    /// Its own instructions.
    pub system: &'a str,
    /// How.
    pub options: &'a RunOptions,
    /// Ends it.
    pub cancel: &'a Cancel,
    /// Who watches.
    pub front: &'a mut dyn Front,
}

impl std::fmt::Debug for Run<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Run").field("options", &self.options).finish_non_exhaustive()
    }
}

/// What a run knows.
struct Memory {
    state: State,
    log: Vec<u8>,
    lines: Lines,
    root: Root,
    trial: Trial,
    tree: Vec<String>,
    shown: Option<String>,
    room: Room,
    budget: Budget,
    plans: u32,
    idle: u32,
    wrong: u32,
    bytes: usize,
    outcome: Outcome,
}

impl Run<'_> {
    /// Runs to an end.
    ///
    /// # Errors
    /// When it cannot begin, when the model does not answer, or when nothing can be
    /// written; what was kept before stays.
    pub fn run(mut self) -> Result<Outcome, RunError> {
        let mut memory = self.begin()?;
        let end = self.iterate(&mut memory);
        // Also when it failed: what happened until then is to be known.
        let recorded = self.record(&mut memory);
        memory.outcome.end = end?;
        recorded?;
        self.front.event(&Event::End(&memory.outcome));
        Ok(memory.outcome)
    }

    fn begin(&mut self) -> Result<Memory, RunError> {
        let (state, log) = self.place.records()?;
        let state = State::parse(state.as_deref()).map_err(RunError::Record)?;
        let root = self.place.root()?;
        let trial = root.with(|root| Trial::run(root, None))?;
        let has_boot = root.with(|root| root.look("/boot").is_ok_and(|look| look.stat.kind == 2));
        if trial.own.path.is_none() && !has_boot {
            return Err(RunError::NothingBoots);
        }
        let tree = root.with(list_tree);
        let mut lines = Lines::default();
        let (model, boot) = (self.model.name(), trial.real.summary());
        lines.add("INFO", &format!("A run of the architect begins: model {model}, boot {boot}"));
        self.front.event(&Event::Start { model, bootable: trial.is_bootable(), boot });
        let deadline = Instant::now() + self.options.time;
        Ok(Memory {
            state,
            log,
            lines,
            root,
            trial,
            tree,
            shown: None,
            room: self.options.room,
            budget: Budget { deadline, tokens: self.options.tokens },
            plans: 0,
            idle: 0,
            wrong: 0,
            bytes: 0,
            outcome: Outcome { iterations: 0, kept: 0, refused: 0, end: End::Iterations },
        })
    }

    fn iterate(&mut self, memory: &mut Memory) -> Result<End, RunError> {
        for number in 0..self.options.iterations {
            if number > 0 && !self.wait() || self.cancel.is_cancelled() {
                return Ok(End::Stopped);
            }
            let left = self.options.iterations - number - 1;
            let iteration = memory.state.begin();
            memory.outcome.iterations += 1;
            self.front.event(&Event::Iteration { iteration, left });
            if let Some(end) = self.step(memory, left)? {
                return Ok(end);
            }
            self.record(memory)?;
        }
        Ok(End::Iterations)
    }

    /// Waits between two iterations; whether nobody stopped it.
    fn wait(&self) -> bool {
        let end = Instant::now() + self.options.interval;
        while Instant::now() < end {
            if self.cancel.is_cancelled() {
                return false;
            }
            let left = end.saturating_duration_since(Instant::now());
            std::thread::sleep(left.min(Duration::from_millis(50)));
        }
        true
    }

    /// One iteration; why the run ends, if it does.
    fn step(&mut self, memory: &mut Memory, left: u32) -> Result<Option<End>, RunError> {
        let action = match self.ask(memory, left) {
            Ok(Asked::Action(action)) => action,
            Ok(Asked::Nothing(reason)) => return Ok(self.without_action(memory, &reason)),
            Err(AskError::Spent(why)) => {
                self.end_step(memory, None, "spent", why);
                return Ok(Some(End::Spent));
            }
            Err(AskError::Chat(ChatError::Cancelled)) => {
                self.end_step(memory, None, "stopped", "the run was stopped");
                return Ok(Some(End::Stopped));
            }
            Err(AskError::Chat(error)) => {
                memory.state.add_error(&error.to_string());
                self.end_step(memory, None, "error", &error.to_string());
                return Err(RunError::Chat(error));
            }
        };
        memory.wrong = 0;
        memory.shown = None;
        self.front.event(&Event::Action { action: &action });
        self.act(memory, &action)
    }

    fn ask(&mut self, memory: &mut Memory, left: u32) -> Result<Asked, AskError> {
        let view = View {
            goal: &self.options.goal,
            trial: &memory.trial,
            tree: &memory.tree,
            state: &memory.state,
            shown: memory.shown.as_deref(),
            left: left + 1,
        };
        let front = std::cell::RefCell::new(&mut *self.front);
        let lines = &mut memory.lines;
        let mut asker = Asker {
            model: self.model,
            system: self.system,
            room: memory.room,
            cancel: self.cancel,
            budget: memory.budget,
            on_text: &mut |piece| front.borrow_mut().text(piece),
            on_error: &mut |reason| {
                lines.add("WARN", &format!("No valid action: {reason}"));
                front.borrow_mut().event(&Event::BadAnswer { reason });
            },
        };
        let asked = asker.ask(&|room| view.text(room));
        (memory.room, memory.budget) = (asker.room, asker.budget);
        asked
    }

    fn without_action(&mut self, memory: &mut Memory, reason: &str) -> Option<End> {
        memory.wrong += 1;
        memory.state.add_error(reason);
        self.end_step(memory, None, "no_action", reason);
        self.idle(memory).or_else(|| (memory.wrong >= MAX_WRONG).then_some(End::NoActions))
    }

    fn act(&mut self, memory: &mut Memory, action: &Action) -> Result<Option<End>, RunError> {
        let note = action.note();
        let is_plan = matches!(action, Action::PlanOnly { .. });
        memory.plans = if is_plan { memory.plans + 1 } else { 0 };
        match action {
            Action::Done { .. } => {
                self.end_step(memory, Some(action), "done", note);
                return Ok(Some(End::Done));
            }
            Action::PlanOnly { .. } => self.end_step(memory, Some(action), "plan_only", note),
            Action::ReadFile { path, .. } => {
                let shown = memory.root.with(|root| show_file(root, path));
                self.end_step(memory, Some(action), "shown", path);
                memory.shown = Some(shown);
            }
            Action::BootDryRun { .. } => {
                let summary = memory.trial.dry.summary();
                self.end_step(memory, Some(action), "boot_dry_run", &summary);
                memory.shown = Some(memory.trial.dry.tail.join("\n"));
            }
            _ => return self.change(memory, action),
        }
        let too_many = memory.plans >= MAX_PLANS;
        Ok(self.idle(memory).or_else(|| too_many.then_some(End::Plans)))
    }

    /// Counts an iteration that kept nothing.
    fn idle(&mut self, memory: &mut Memory) -> Option<End> {
        memory.idle += 1;
        (memory.idle >= MAX_IDLE).then_some(End::Idle)
    }

    fn end_step(
        &mut self,
        memory: &mut Memory,
        action: Option<&Action>,
        result: &'static str,
        summary: &str,
    ) {
        let name = action.map(Action::name);
        memory.state.add(name, result, summary);
        let is_good = !matches!(result, "refused" | "taken_back" | "error" | "no_action");
        let level = if is_good { "INFO" } else { "WARN" };
        let iteration = memory.state.iteration;
        let name = name.unwrap_or("no action");
        memory.lines.add(level, &format!("Iteration {iteration}: {name}: {result}: {summary}"));
        self.front.event(&Event::Result { result, summary });
    }

    /// Writes the records, unless nothing is to be changed.
    fn record(&mut self, memory: &mut Memory) -> Result<(), RunError> {
        if memory.lines.is_empty() || self.options.dry_run {
            return Ok(());
        }
        memory.log = memory.lines.take().append_to(&memory.log);
        let state = memory.state.text().map_err(RunError::Record)?;
        Ok(self.place.record(&state, &memory.log)?)
    }
}
