//! Ideas: what a look at the boot, its logs and its modules suggests. Whether they
//! are any good is measured elsewhere.

use serde::Serialize;

use super::super::action::{Edit, Language};
use super::super::paths::{check_module, source_of};
use super::super::report::{End, Report, StageRun};
use super::measure::Measure;
use crate::boot::BootRoot;
use crate::boot::kernel::DEFAULT_FUEL;
use crate::boot::sequence::Stage;
use crate::pxi::raster::MAX_PNG_BYTES;
use crate::pxi::{Program, Raster};

/// Part of all steps from which on a stage is called the costliest, in percent.
const MUCH: u64 = 40;

/// What is to get less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Aim {
    /// The steps of the whole boot.
    All,
    /// The steps until all required stages are done.
    Required,
}

/// What is changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum What {
    /// The boot sequence.
    Sequence {
        /// How.
        edits: Vec<Edit>,
    },
    /// A module, by compiling its source anew.
    Compile {
        /// Its path.
        path: String,
    },
}

/// Something that could make the boot better.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Idea {
    /// What, and why.
    pub sentence: String,
    /// The change.
    #[serde(flatten)]
    pub what: What,
    /// What gets less.
    pub aim: Aim,
    /// Steps that it saves, as far as that is known before it is tried.
    pub expected_steps: Option<u64>,
    /// Milliseconds that it saves, from the logs if there are any.
    pub expected_ms: Option<f64>,
}

/// All ideas, the greatest gain first.
pub fn find_ideas(root: &dyn BootRoot, before: &Measure, logs: &[Report]) -> Vec<Idea> {
    let look = Look { root, before, logs };
    let mut ideas = Vec::new();
    ideas.extend(look.twice());
    ideas.extend(look.failing());
    ideas.extend(look.silent());
    ideas.extend(look.late());
    ideas.extend(look.stale());
    ideas.sort_by_key(|idea| std::cmp::Reverse(idea.expected_steps));
    ideas
}

struct Look<'a> {
    root: &'a dyn BootRoot,
    before: &'a Measure,
    logs: &'a [Report],
}

impl Look<'_> {
    fn stages(&self) -> &[Stage] {
        &self.before.trial.own.sequence.stages
    }

    fn runs(&self) -> std::slice::Iter<'_, StageRun> {
        self.before.trial.real.stages.iter()
    }

    /// Milliseconds of a stage: the median of the logs, else what was just measured.
    fn ms(&self, path: &str) -> f64 {
        let logged = self.logs.iter().filter_map(|log| log.stage(path));
        let mut times: Vec<f64> = logged.map(|stage| stage.ms).collect();
        if times.is_empty() {
            times.extend(self.runs().filter(|run| run.path == path).map(|run| run.ms));
        }
        times.sort_by(f64::total_cmp);
        times.get(times.len() / 2).copied().unwrap_or(0.0)
    }

    fn is_required(&self, path: &str) -> bool {
        self.stages().iter().any(|stage| stage.required && stage.path == path)
    }

    /// Whether a stage failed each time: here, and in every log that has it.
    fn always_fails(&self, run: &StageRun) -> bool {
        let has_failed = |run: &StageRun| matches!(run.end, End::Failed(_));
        has_failed(run) && self.logs.iter().filter_map(|log| log.stage(&run.path)).all(has_failed)
    }

    /// Paths that another stage requires.
    fn is_needed(&self, path: &str) -> bool {
        let others = self.stages().iter().filter(|stage| stage.path != path);
        others.into_iter().any(|other| {
            let needed = needs_of(self.root, &other.path);
            needed.requires.iter().chain(&needed.imports).any(|needed| needed == path)
        })
    }

    fn removing(&self, run: &StageRun, why: String) -> Idea {
        let edits = vec![Edit::Remove { path: run.path.clone() }];
        Idea {
            sentence: why,
            what: What::Sequence { edits },
            aim: Aim::All,
            expected_steps: Some(run.steps),
            expected_ms: Some(self.ms(&run.path)),
        }
    }

    /// Stages that stand in the sequence twice run twice.
    fn twice(&self) -> Vec<Idea> {
        let mut ideas: Vec<Idea> = Vec::new();
        let mut seen: Vec<&str> = Vec::new();
        for run in self.runs() {
            let count = |of: &str| self.stages().iter().filter(|stage| stage.path == of).count();
            if seen.contains(&run.path.as_str()) || count(&run.path) < 2 {
                continue;
            }
            seen.push(&run.path);
            let again = self.runs().rfind(|other| other.path == run.path);
            let why = format!("{} stands in the boot sequence twice, and runs twice", run.path);
            ideas.push(self.removing(again.unwrap_or(run), why));
        }
        ideas
    }

    /// Optional stages that fail each time cost something and give nothing.
    fn failing(&self) -> Vec<Idea> {
        let failing =
            self.runs().filter(|run| self.always_fails(run) && !self.is_required(&run.path));
        let idea = |run: &StageRun| {
            let End::Failed(how) = &run.end else { return None };
            // Whoever requires it fails as well; that is another thing to mend.
            let why = format!("the optional stage {} fails every time ({how})", run.path);
            Some(self.removing(run, why))
        };
        failing.filter_map(idea).collect()
    }

    /// Optional stages of which nothing is ever seen.
    fn silent(&self) -> Vec<Idea> {
        let is_silent = |run: &&StageRun| {
            run.end == End::Done
                && run.traces == 0
                && !self.is_required(&run.path)
                && self.stages().iter().filter(|stage| stage.path == run.path).count() == 1
                && self
                    .logs
                    .iter()
                    .filter_map(|log| log.stage(&run.path))
                    .all(|run| run.traces == 0)
        };
        let silent = self.runs().filter(is_silent).filter(|run| !self.is_needed(&run.path));
        let idea = |run: &StageRun| {
            let why = format!(
                "the optional stage {} leaves no trace: it prints, logs, draws and forbids nothing, \
                 and no stage requires it or imports from it",
                run.path
            );
            self.removing(run, why)
        };
        silent.map(idea).collect()
    }

    /// Optional stages that keep required ones waiting.
    fn late(&self) -> Option<Idea> {
        let stages = self.stages();
        let last = stages.iter().rposition(|stage| stage.required)?;
        let early: Vec<&Stage> =
            stages[..last].iter().filter(|stage| !self.is_required(&stage.path)).collect();
        let after = stages[last].path.clone();
        // In the old order: each comes directly behind the last required stage.
        let moves = early
            .iter()
            .rev()
            .map(|stage| Edit::Move { path: stage.path.clone(), after: Some(after.clone()) });
        let edits: Vec<Edit> = moves.collect();
        let (first, more) = (early.first()?, early.len() - 1);
        let others = if more == 0 { String::new() } else { format!(" and {more} more") };
        let steps = self.runs().filter(|run| early.iter().any(|stage| stage.path == run.path));
        Some(Idea {
            sentence: format!(
                "the optional stage {}{others} runs before required ones; behind them the system is \
                 there sooner",
                first.path
            ),
            what: What::Sequence { edits },
            aim: Aim::Required,
            expected_steps: Some(steps.map(|run| run.steps).sum()),
            expected_ms: Some(early.iter().map(|stage| self.ms(&stage.path)).sum()),
        })
    }

    /// Modules whose source is there, and may compile to a better one by now.
    fn stale(&self) -> Vec<Idea> {
        let has_source = |stage: &&Stage| {
            check_module(&stage.path).is_ok()
                && [Language::Python, Language::Asm].iter().any(|language| {
                    let source = source_of(&stage.path, *language);
                    self.root.look(&source).is_ok_and(|look| look.stat.kind == 1)
                })
        };
        let idea = |stage: &Stage| Idea {
            sentence: format!(
                "the source of {} compiles to another, cheaper module now",
                stage.path
            ),
            what: What::Compile { path: stage.path.clone() },
            aim: Aim::All,
            // What the compiler gains is seen when it is tried.
            expected_steps: None,
            expected_ms: None,
        };
        self.stages().iter().filter(has_source).map(idea).collect()
    }
}

/// What a module needs of others.
#[derive(Debug, Default)]
struct Needs {
    requires: Vec<String>,
    imports: Vec<String>,
}

fn needs_of(root: &dyn BootRoot, path: &str) -> Needs {
    let Ok(file) = root.read_file(path, MAX_PNG_BYTES) else {
        return Needs::default();
    };
    let mut needs = Needs { requires: file.requires, imports: Vec::new() };
    let program = Raster::from_png(&file.bytes).ok().and_then(|raster| Program::parse(raster).ok());
    if let Some(header) = program.as_ref().and_then(Program::header) {
        needs.requires.extend(header.requires.iter().cloned());
        needs.imports.extend(header.imports.iter().map(|import| import.path.clone()));
    }
    needs
}

/// What is worth knowing, but nothing that can be changed by rule.
pub fn find_notes(root: &dyn BootRoot, measure: &Measure) -> Vec<String> {
    let report = &measure.trial.real;
    let stages = &measure.trial.own.sequence.stages;
    let mut notes = Vec::new();
    let all = report.steps().max(1);
    for run in report.stages.iter().filter(|run| run.steps * 100 / all >= MUCH) {
        let part = run.steps * 100 / all;
        notes.push(format!(
            "{} takes {} of all {all} steps, {part} %: 'pxi profile' shows where",
            run.path, run.steps
        ));
    }
    for stage in stages {
        let needs = needs_of(root, &stage.path);
        let is_stage = |path: &str| stages.iter().any(|other| other.path == path);
        for required in needs.requires.iter().filter(|path| !is_stage(path)) {
            if !needs.imports.contains(required) {
                let path = &stage.path;
                notes.push(format!(
                    "{path} requires {required}, which is no stage, and imports nothing from it: \
                     it only has to be there"
                ));
            }
        }
        let used = report.stage(&stage.path).map_or(0, |run| run.steps);
        let fuel = stage.fuel.unwrap_or(DEFAULT_FUEL);
        if used > fuel / 2 && used < fuel {
            notes.push(format!("{} used {used} of its {fuel} steps: little is left", stage.path));
        }
    }
    notes
}
