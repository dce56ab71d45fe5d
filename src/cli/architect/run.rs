//! `pxfs architect run`.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::audited::Audited;
use super::front::Terminal;
use super::stop::{STOPPED, cancel_on_ctrl_c};
use crate::architect::CARTRIDGE;
use crate::architect::place::Place;
use crate::architect::prompt::{LEAST_CONTEXT, Room, SYSTEM};
use crate::architect::run::{End, Run, RunOptions};
use crate::architect::setup::open;
use crate::cli::Outcome;
use crate::llm::Audit;

/// What the architect is to do when nobody says.
const GOAL: &str = "Make this system boot without warnings. Then add small, useful modules to /apps, \
    one at a time, and say done when there is nothing more worth doing.";

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Every change is tried before it is kept: it compiles, and the system boots with it, dry and for
real, no worse than before. Nothing outside of TARGET is written.")]
pub(super) struct Args {
    /// A picture, a pxOS root or a directory
    #[arg(id = "run_target", value_name = "TARGET")]
    pub(super) target: Option<PathBuf>,
    /// Iterations of this run
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    max_iterations: u32,
    /// Try the changes and keep none; nothing at all is written
    #[arg(long)]
    dry_run: bool,
    /// Seconds between two iterations
    #[arg(long, value_name = "S", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=86400))]
    interval: u64,
    /// Keep what passes the checks without asking
    #[arg(short, long)]
    yes: bool,
    /// What the architect is to do
    #[arg(long, value_name = "TEXT", default_value = GOAL, hide_default_value = true)]
    goal: String,
    /// The cartridge that is asked
    #[arg(long, value_name = "NAME", default_value = CARTRIDGE)]
    cartridge: String,
    /// Tokens that the model can take, its answer included
    #[arg(long, value_name = "TOKENS", default_value_t = 8192, value_parser = clap::value_parser!(u32).range(i64::from(LEAST_CONTEXT)..=1_048_576))]
    context: u32,
    /// Minutes that the run may take
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=10080))]
    max_minutes: u64,
    /// Tokens that the run may take, questions and answers
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    max_tokens: u64,
    /// Add a line to this audit log for each question
    #[arg(long, value_name = "FILE")]
    audit: Option<PathBuf>,
    /// Print what happens as lines of JSON
    #[arg(long)]
    json: bool,
    /// Show what the model says, as it comes
    #[arg(short, long, conflicts_with = "json")]
    verbose: bool,
}

/// Runs the loop.
pub(super) fn run(args: &Args, target: &Path) -> Outcome {
    let cancel = cancel_on_ctrl_c()?;
    let asks = !args.yes && !args.dry_run;
    if asks && !std::io::stdin().is_terminal() {
        bail!("standard input is no terminal, so nobody can be asked; use --yes or --dry-run");
    }
    let shown = || target.display().to_string();
    let mut place = Place::open(target)?;
    let (cartridge, model) = open(place.editor(), &args.cartridge).with_context(shown)?;
    let model = match &args.audit {
        Some(path) => {
            let audit = Audit::open(path).with_context(|| path.display().to_string())?;
            Box::new(Audited { model, cartridge: cartridge.clone(), audit })
        }
        None => model,
    };
    let options = RunOptions {
        goal: args.goal.clone(),
        iterations: args.max_iterations,
        dry_run: args.dry_run,
        interval: Duration::from_secs(args.interval),
        room: Room::new(args.context, cartridge.max_tokens),
        time: Duration::from_secs(args.max_minutes * 60),
        tokens: args.max_tokens,
    };
    let mut front = Terminal::new(args.json, args.verbose, asks, cancel.clone());
    let run = Run {
        place: &mut place,
        model: &*model,
        system: cartridge.system_prompt.as_deref().unwrap_or(SYSTEM),
        options: &options,
        cancel: &cancel,
        front: &mut front,
    };
    let outcome = run.run().with_context(shown)?;
    front.finish()?;
    Ok(match outcome.end {
        End::Stopped => ExitCode::from(STOPPED),
        End::NoActions => bail!("the model gave no valid actions; a larger one may"),
        _ => ExitCode::SUCCESS,
    })
}
