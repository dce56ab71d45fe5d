//! `pxfs architect optimise`.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use serde_json::json;

use super::front::{ask, is_person_there};
use super::stop::{STOPPED, cancel_on_ctrl_c};
use crate::architect::optimise::{Cost, Found, Idea, OptimiseError, Proposal, apply, look};
use crate::architect::place::Place;
use crate::architect::report::{Reader, Report};
use crate::architect::run::Choice;
use crate::architect::setup::open;
use crate::architect::{CARTRIDGE, optimise::Aim};
use crate::cli::{Outcome, stdout};
use crate::llm::{Cancel, Message, Role, for_terminal};

/// Longest log that is read.
const MAX_LOG: u64 = 64 << 20;
/// Changes that are made in one run: each is measured anew.
const MAX_CHANGES: usize = 32;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Each proposal was measured by booting with it. It is applied when you say yes; then the place is
booted again, and what is not better is taken back. Where nobody can be asked, and without --yes,
the proposals are only shown.")]
pub(super) struct Args {
    /// A picture, a pxOS root or a directory
    #[arg(id = "optimise_target", value_name = "TARGET")]
    pub(super) target: Option<PathBuf>,
    /// A JSON log of pxboot; its durations count. Several times for several
    #[arg(long, value_name = "FILE")]
    log: Vec<PathBuf>,
    /// Apply every proposal without asking
    #[arg(short, long, conflicts_with = "dry_run")]
    yes: bool,
    /// Show the proposals and apply none
    #[arg(long)]
    dry_run: bool,
    /// Let the architect's model say in its words what the proposals mean
    #[arg(long)]
    explain: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Proposes, asks, applies.
pub(super) fn run(args: &Args, target: &Path) -> Outcome {
    let cancel = cancel_on_ctrl_c()?;
    let shown = || target.display().to_string();
    let logs: Vec<Report> =
        args.log.iter().map(|path| read_log(path)).collect::<anyhow::Result<_>>()?;
    let mut place = Place::open(target)?;
    let found = look(&mut place, &logs, &[]).with_context(shown)?;
    let asks = !args.yes && !args.dry_run && !args.json && is_person_there();
    if !args.json {
        show(&found)?;
    }
    if args.explain && !found.proposals.is_empty() {
        explain(&mut place, &found, &cancel)?;
    }
    let mut session =
        Session { place, logs, cancel, asks, is_json: args.json, applied: Vec::new() };
    if args.yes || asks {
        session.apply_all(found.proposals.clone())?;
    }
    if args.json {
        let mut text = serde_json::to_value(&found)?;
        text["applied"] = json!(session.applied);
        writeln!(io::stdout(), "{text}")?;
    }
    Ok(match session.cancel.is_cancelled() {
        true => ExitCode::from(STOPPED),
        false => ExitCode::SUCCESS,
    })
}

fn read_log(path: &Path) -> anyhow::Result<Report> {
    let shown = || path.display().to_string();
    let mut reader = Reader::default();
    let file = File::open(path).with_context(shown)?;
    if !file.metadata().with_context(shown)?.is_file() {
        bail!("{}: is no regular file", shown());
    }
    let length = io::copy(&mut file.take(MAX_LOG + 1), &mut reader).with_context(shown)?;
    if length > MAX_LOG {
        bail!("{}: longer than {MAX_LOG} bytes", shown());
    }
    let report = reader.finish();
    if report.stages.is_empty() {
        bail!(
            "{}: no stage in it; a log for this is written by 'pxboot --log-format json'",
            shown()
        );
    }
    Ok(report)
}

fn show(found: &Found) -> io::Result<()> {
    let mut out = stdout();
    for note in &found.notes {
        writeln!(out, "note: {}", for_terminal(note))?;
    }
    for dropped in &found.dropped {
        let (what, why) = (for_terminal(&dropped.idea.sentence), for_terminal(&dropped.reason));
        writeln!(out, "no use: {what}: {why}")?;
    }
    for proposal in &found.proposals {
        writeln!(out, "proposal: {}", for_terminal(&proposal.idea.sentence))?;
        writeln!(out, "  expected: {}", expected(&proposal.idea))?;
        writeln!(
            out,
            "  measured: {}",
            measured(proposal.idea.aim, proposal.before, proposal.after)
        )?;
    }
    if found.proposals.is_empty() {
        writeln!(out, "nothing to propose")?;
    }
    out.flush()
}

fn expected(idea: &Idea) -> String {
    match (idea.expected_steps, idea.expected_ms) {
        (Some(steps), Some(ms)) => format!("{steps} steps, {ms:.3} ms less"),
        (Some(steps), None) => format!("{steps} steps less"),
        _ => "not known before it is tried".to_owned(),
    }
}

fn measured(aim: Aim, before: Cost, after: Cost) -> String {
    let (old, new, what) = match aim {
        Aim::All => (before.steps, after.steps, ""),
        Aim::Required => {
            (before.steps_to_required, after.steps_to_required, " to the last required stage")
        }
    };
    let part = (old.saturating_sub(new)) as f64 * 100.0 / old.max(1) as f64;
    let (before, after) = (before.ms, after.ms);
    format!("{old} -> {new} steps{what} ({part:.1} % less), boot {before:.2} -> {after:.2} ms")
}

/// The model's words; what is true does not depend on them.
fn explain(place: &mut Place, found: &Found, cancel: &Cancel) -> anyhow::Result<()> {
    let (cartridge, model) = open(place.editor(), CARTRIDGE)?;
    let list: Vec<String> = found
        .proposals
        .iter()
        .map(|p| format!("- {} ({})", p.idea.sentence, measured(p.idea.aim, p.before, p.after)))
        .collect();
    let question = format!(
        "Explain to the owner of this system, in two or three plain sentences, what these changes of \
         its boot mean:\n{}",
        list.join("\n")
    );
    let request = cartridge.request(vec![Message::new(Role::User, question)]);
    let answer = model.chat(&request, cancel, &mut |_| ())?;
    let mut out = stdout();
    writeln!(
        out,
        "{} says: {}",
        for_terminal(&cartridge.model_name),
        for_terminal(answer.text.trim())
    )?;
    Ok(out.flush()?)
}

struct Session {
    place: Place,
    logs: Vec<Report>,
    cancel: Cancel,
    asks: bool,
    is_json: bool,
    applied: Vec<serde_json::Value>,
}

impl Session {
    /// Applies proposals one by one; after each the others are measured anew.
    fn apply_all(&mut self, mut proposals: Vec<Proposal>) -> anyhow::Result<()> {
        let mut passed: Vec<Idea> = Vec::new();
        for _ in 0..MAX_CHANGES {
            if self.cancel.is_cancelled() || proposals.is_empty() {
                return Ok(());
            }
            let proposal = proposals.remove(0);
            let choice = match self.asks {
                true => {
                    eprintln!("{}", for_terminal(&proposal.idea.sentence));
                    ask("apply it? [y/n/q] ", &self.cancel)
                }
                false => Choice::Yes,
            };
            match choice {
                Choice::Quit => return Ok(()),
                Choice::No => passed.push(proposal.idea),
                Choice::Yes => {
                    self.apply_one(&proposal)?;
                    passed.push(proposal.idea);
                    proposals = look(&mut self.place, &self.logs, &passed)?.proposals;
                }
            }
        }
        Ok(())
    }

    fn apply_one(&mut self, proposal: &Proposal) -> anyhow::Result<()> {
        let sentence = for_terminal(&proposal.idea.sentence);
        match apply(&mut self.place, proposal) {
            Ok(after) => {
                let gain = measured(proposal.idea.aim, proposal.before, after);
                self.applied.push(json!({"sentence": proposal.idea.sentence,
                    "before": proposal.before, "after": after}));
                if !self.is_json {
                    writeln!(io::stdout(), "applied: {sentence}\n  measured: {gain}")?;
                }
                Ok(())
            }
            // Somebody else's boots got in between, or time did: what was is there again.
            Err(OptimiseError::TakenBack { what, reason }) => {
                log::warn!("{}: taken back: {}", for_terminal(&what), for_terminal(&reason));
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}
