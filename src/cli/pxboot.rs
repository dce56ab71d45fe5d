//! `pxboot`: boots a directory or a picture.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, ValueEnum};

use super::Outcome;
use super::open::open_tree;
use crate::boot::log::Entry;
use crate::boot::sequence::{self, MAX_BYTES, Sequence, TEMPLATE};
use crate::boot::{
    BootRoot, DirRoot, Format, Level, Log, Options, Outcome as Boot, SourceError, TreeRoot, boot,
    kernel::DEFAULT_FUEL,
};
use crate::legacy::root::PIXELFS;

/// Where a root may keep its own boot sequence; the first found is taken.
/// The last two are where an import puts those that lay beside a root's paths.
const OWN_SEQUENCES: [&str; 4] = [
    "/boot_sequence.json",
    "/boot/boot_sequence.json",
    "/.pxos/boot_sequence.json",
    "/.pxos/boot_sequence_template.json",
];

/// Boot a pxfs picture or a directory: run the modules of its boot sequence, stage by stage.
#[derive(Debug, Parser)]
#[command(
    name = "pxboot",
    version,
    after_help = "\
The sequence is the one of --sequence, else the root's own /boot_sequence.json or
/boot/boot_sequence.json, else the built-in one with the nine stages of pxOS.
A required stage that fails stops the boot, an optional one is skipped with a warning.

Exit status: 0 boot complete, or nothing wrong in a dry run; 1 boot failed; 2 wrong usage.
See docs/boot.md."
)]
struct Cli {
    /// A mounted picture or any directory tree, or a pxfs picture that is not mounted
    #[arg(value_name = "ROOT|IMAGE")]
    root: PathBuf,
    /// Boot sequence to use (JSON)
    #[arg(long, value_name = "FILE")]
    sequence: Option<PathBuf>,
    /// Check every stage (found, readable, digest, header, entry) and run none
    #[arg(long)]
    dry_run: bool,
    /// Write the log into this file, too
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// How log lines look, on standard output and in the file
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    /// Steps that each stage may take
    #[arg(long, value_name = "N", default_value_t = DEFAULT_FUEL)]
    fuel: u64,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    Text,
    Json,
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
    boot_root(&TreeRoot(tree.as_ref()), &cli)
}

fn boot_root(root: &dyn BootRoot, cli: &Cli) -> Outcome {
    let (sequence, origin) = choose_sequence(root, cli.sequence.as_deref())?;
    let mut sinks: Vec<Box<dyn Write>> = vec![Box::new(Console(io::stdout()))];
    if let Some(path) = &cli.log {
        let file = File::create(path)
            .with_context(|| format!("cannot write the log {}", path.display()))?;
        sinks.push(Box::new(file));
    }
    let format = match cli.log_format {
        LogFormat::Text => Format::Text,
        LogFormat::Json => Format::Json,
    };
    let mut log = Log::new(format, sinks);
    let options = Options { dry_run: cli.dry_run, fuel: cli.fuel };
    let outcome = write_and_boot(root, &sequence, &origin, &options, cli, &mut log);
    match outcome.context("cannot write the boot log")? {
        Boot::Complete { .. } => Ok(ExitCode::SUCCESS),
        Boot::Failed => Ok(ExitCode::FAILURE),
    }
}

fn write_and_boot(
    root: &dyn BootRoot,
    sequence: &Sequence,
    origin: &str,
    options: &Options,
    cli: &Cli,
    log: &mut Log<'_>,
) -> io::Result<Boot> {
    let version = env!("CARGO_PKG_VERSION");
    let mode = if cli.dry_run { "dry run of" } else { "booting" };
    let message = format!("pxboot {version}: {mode} {}", cli.root.display());
    log.write(&Entry::new(Level::Info, "start", message))?;
    let message = format!("Boot sequence: {origin}, {} stages", sequence.stages.len());
    log.write(&Entry::new(Level::Info, "sequence", message))?;
    boot(root, sequence, options, log)
}

/// The sequence to boot, and where it comes from.
fn choose_sequence(
    root: &dyn BootRoot,
    named: Option<&Path>,
) -> anyhow::Result<(Sequence, String)> {
    if let Some(path) = named {
        let name = path.display().to_string();
        let text = read_text(path).with_context(|| format!("cannot read {name}"))?;
        let sequence = sequence::parse(&text).with_context(|| format!("boot sequence {name}"))?;
        return Ok((sequence, name));
    }
    for path in OWN_SEQUENCES {
        let text = match root.read_file(path, MAX_BYTES) {
            Err(SourceError::NotFound) => continue,
            file => file.with_context(|| format!("boot sequence {path} of the root"))?.bytes,
        };
        let text =
            String::from_utf8(text).with_context(|| format!("boot sequence {path} of the root"))?;
        let sequence =
            sequence::parse(&text).with_context(|| format!("boot sequence {path} of the root"))?;
        return Ok((sequence, format!("{path} of the root")));
    }
    Ok((sequence::parse(TEMPLATE)?, "built-in".to_owned()))
}

fn read_text(path: &Path) -> io::Result<String> {
    use std::io::Read;
    let mut text = String::new();
    File::open(path)?.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(io::Error::other(format!("longer than {MAX_BYTES} bytes")));
    }
    Ok(text)
}

/// Standard output that may be closed: a boot goes on when nobody watches.
struct Console(io::Stdout);

impl Write for Console {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(bytes.len()),
            result => result,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.0.flush() {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            result => result,
        }
    }
}
