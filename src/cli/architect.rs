//! `pxfs architect`: a model that builds modules, and what it needs.

mod audited;
mod front;
mod optimise;
mod run;
mod setup;
mod stop;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgGroup, CommandFactory as _, Parser, Subcommand, ValueEnum};

use super::{Outcome, USAGE, parse_args};
use crate::llm::Backend;

/// A model that builds and improves this system, one checked step at a time.
///
/// TARGET is a picture, a pxOS root or a directory.
#[derive(Debug, Parser)]
#[command(
    name = "pxfs architect",
    version,
    subcommand_precedence_over_arg = true,
    group = ArgGroup::new("what").args(["setup", "test", "quickstart", "launch_chat"]),
    after_help = "\
TARGET may stand before or behind run and optimise; one that is called so is ./run.
Exit status: 0 done; 1 failed; 2 wrong usage; 130 stopped by Ctrl-C.
See docs/architect.md."
)]
struct Cli {
    /// A picture, a pxOS root or a directory
    #[arg(default_value = ".")]
    target: PathBuf,
    /// Find a model of this kind, ask it one question, and make the cartridge pxOS_Architect of it
    #[arg(long, value_name = "WHAT", value_enum)]
    setup: Option<SetupBackend>,
    /// The model: a server's name for it, or with embedded its path in TARGET
    #[arg(long, value_name = "NAME", requires = "setup")]
    model: Option<String>,
    /// Where the server is, if not where such servers are
    #[arg(long, value_name = "URL", requires = "setup")]
    endpoint: Option<String>,
    /// Ask the architect's model one question
    #[arg(long)]
    test: bool,
    /// Set up with the first model that is found, and say what can be done with it
    #[arg(long)]
    quickstart: bool,
    /// Talk to the architect
    #[arg(long)]
    launch_chat: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Let the model work: show it the state, take one action, check it, keep it or take it back
    Run(run::Args),
    /// Look for what the boot could do without, measured; change it on yes
    #[command(alias = "optimize")]
    Optimise(optimise::Args),
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SetupBackend {
    /// LM Studio on this machine
    Lmstudio,
    /// Ollama on this machine
    Ollama,
    /// The model that lies in TARGET
    Embedded,
    /// Any other server, by --endpoint
    Custom,
}

impl SetupBackend {
    fn backend(self) -> Backend {
        match self {
            Self::Lmstudio => Backend::LmStudio,
            Self::Ollama => Backend::Ollama,
            Self::Embedded => Backend::Embedded,
            Self::Custom => Backend::Custom,
        }
    }
}

/// Runs `pxfs architect`.
pub(super) fn run(args: Vec<OsString>) -> Outcome {
    let cli: Cli = match parse_args(args, USAGE) {
        Ok(cli) => cli,
        Err(status) => return Ok(status),
    };
    let has_option = cli.setup.is_some() || cli.test || cli.quickstart || cli.launch_chat;
    match &cli.command {
        Some(_) if has_option => {
            Ok(usage("--setup, --test, --quickstart and --launch-chat go without run and optimise"))
        }
        Some(Command::Run(args)) => run::run(args, args.target.as_ref().unwrap_or(&cli.target)),
        Some(Command::Optimise(args)) => {
            optimise::run(args, args.target.as_ref().unwrap_or(&cli.target))
        }
        None if let Some(backend) = cli.setup => {
            setup::set_up(&cli.target, backend.backend(), cli.model, cli.endpoint)
        }
        None if cli.test => setup::test(&cli.target),
        None if cli.quickstart => setup::quickstart(&cli.target),
        None if cli.launch_chat => setup::launch_chat(&cli.target),
        None => Ok(usage(
            "say what to do: --setup, --test, --quickstart, --launch-chat, run or optimise",
        )),
    }
}

fn usage(sentence: &str) -> ExitCode {
    let error = Cli::command().error(clap::error::ErrorKind::MissingRequiredArgument, sentence);
    let _ = error.print();
    ExitCode::from(USAGE)
}
