//! `pxboot`: boots a directory or a picture.

mod logs;
mod sequence;
mod terminal;

use std::ffi::OsString;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, ValueEnum};

use super::Outcome;
use super::machine_model::ModelArgs;
use super::open::open_tree;
use crate::boot::kernel::{DEFAULT_FUEL, DEFAULT_MEMORY};
use crate::boot::log::Entry;
use crate::boot::sequence::Sequence;
use crate::boot::{
    BootRoot, DirRoot, Earlier, Level, Log, Mode, Model, NoModel, Options, Outcome as Boot, Setup,
    Shell, TreeRoot, boot_native, boot_with, write_start,
};
use crate::builder::{EditOptions, Editor};
use crate::legacy::root::PIXELFS;
use crate::llm::{registry_beside, with_registry};

use logs::open_log;
use sequence::choose_sequence;
use terminal::StdTerminal;

/// Boot a pxfs picture or a directory: run the modules of its boot sequence, stage by stage.
#[derive(Debug, Parser)]
#[command(
    name = "pxboot",
    version,
    after_help = "\
The sequence is the one of --sequence, else the root's own /boot_sequence.json or
/boot/boot_sequence.json, else the built-in one with the nine stages of pxOS.
A required stage that fails stops the boot, an optional one is skipped with a warning.

Exit status: 0 boot complete, or nothing wrong in a dry run; 1 boot or shell failed; 2 wrong usage.
See docs/boot.md."
)]
struct Cli {
    /// A mounted picture or any directory tree, or a pxfs picture that is not mounted
    #[arg(value_name = "ROOT|IMAGE")]
    root: PathBuf,
    /// Boot sequence to use (JSON)
    #[arg(long, value_name = "FILE")]
    sequence: Option<PathBuf>,
    /// Check every stage (found, readable, digest, header, imports) and run none
    #[arg(long)]
    dry_run: bool,
    /// Load only /boot/00_bios: it is the boot kernel and walks the sequence itself
    #[arg(long)]
    native: bool,
    /// After the boot, stay in the shell of /boot/11_human_shell or, with =llm, /boot/10_llm_shell
    #[arg(
        long,
        value_name = "WHICH",
        value_enum,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "human",
        conflicts_with = "dry_run"
    )]
    shell: Option<WhichShell>,
    #[command(flatten)]
    models: ModelArgs,
    /// Write the log into this file, too
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// How log lines look, on standard output and in the file
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    /// Go on where the boot stopped whose JSON log this is, and append to it
    #[arg(long, value_name = "FILE", conflicts_with_all = ["dry_run", "native"])]
    resume: Option<PathBuf>,
    /// Steps that each stage may take
    #[arg(
        long,
        value_name = "N",
        default_value_t = DEFAULT_FUEL,
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    fuel: u64,
    /// What the random numbers begin with; the same seed gives the same ones
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Pixels of memory of a native boot
    #[arg(long, value_name = "N", default_value_t = DEFAULT_MEMORY, requires = "native")]
    memory: u32,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum WhichShell {
    Human,
    Llm,
}

/// Runs the tool; `args[0]` is its name.
pub(super) fn run(mut args: Vec<OsString>) -> Outcome {
    if let Some(name) = args.first_mut() {
        // `pxfs boot` and the link `pxboot` are one tool; usage lines name the link.
        *name = "pxboot".into();
    }
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return Ok(ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2)));
        }
    };
    let name = cli.root.display();
    let metadata = std::fs::metadata(&cli.root).with_context(|| format!("cannot boot {name}"))?;
    // A pxOS root is a directory as well; its paths are in pixelfs.json.
    if metadata.is_dir() && !cli.root.join(PIXELFS).exists() {
        let root = DirRoot::open(&cli.root).with_context(|| format!("cannot boot {name}"))?;
        return boot_root(&root, &cli);
    }
    let tree = open_tree(&cli.root)?;
    let registry = match metadata.is_dir() {
        true => registry_beside(&Editor::open(&cli.root, &EditOptions::default())?)?,
        false => None,
    };
    with_registry(&TreeRoot(tree.as_ref()), registry, |root| boot_root(root, &cli))
}

fn boot_root(root: &dyn BootRoot, cli: &Cli) -> Outcome {
    let (sequence, origin) = choose_sequence(root, cli.sequence.as_deref())?;
    let models = cli.models.models(Some(&cli.root), cli.seed, true)?;
    let mut model: Box<dyn Model> = match models {
        Some(models) => Box::new(models),
        None => Box::new(NoModel),
    };
    let (mut log, earlier) = open_log(cli)?;
    let begun = Begun { sequence: &sequence, origin: &origin, model: &mut *model, earlier };
    let outcome = write_and_boot(root, begun, cli, &mut log);
    match outcome.context("cannot write the boot log")? {
        Boot::Complete { .. } => Ok(ExitCode::SUCCESS),
        Boot::Failed => Ok(ExitCode::FAILURE),
    }
}

/// What a boot begins with.
struct Begun<'b> {
    sequence: &'b Sequence,
    origin: &'b str,
    model: &'b mut dyn Model,
    earlier: Earlier,
}

fn write_and_boot(
    root: &dyn BootRoot,
    begun: Begun<'_>,
    cli: &Cli,
    log: &mut Log<'_>,
) -> io::Result<Boot> {
    let Begun { sequence, origin, model, earlier } = begun;
    // Without a seed every boot is another, but its log says which.
    let seed = cli.seed.unwrap_or_else(|| RandomState::new().hash_one(0));
    let mode = match (cli.dry_run, cli.native) {
        (true, _) => Mode::DryRun,
        (false, true) => Mode::Native,
        (false, false) => Mode::Hosted,
    };
    let target = cli.root.display().to_string();
    write_start(log, (mode, &target), (sequence, origin), seed)?;
    if let Some(path) = &cli.resume {
        let (stages, policies) = (earlier.stages(), earlier.policies());
        let path = path.display();
        let message = format!("Resuming {path}: {stages} stages complete, {policies} policies");
        log.write(&Entry::new(Level::Info, "resume", message))?;
    }
    let options = Options { dry_run: cli.dry_run, fuel: cli.fuel, seed, memory: cli.memory };
    let mut terminal = None;
    let mut setup = Setup::new(options, model);
    setup.earlier = earlier;
    if let Some(which) = cli.shell {
        setup.terminal = Some(terminal.insert(StdTerminal::of_process()));
        setup.shell = Some(match which {
            WhichShell::Human => Shell::Human,
            WhichShell::Llm => Shell::Llm,
        });
    }
    match cli.native {
        true => boot_native(root, sequence, setup, log),
        false => boot_with(root, sequence, setup, log),
    }
}
