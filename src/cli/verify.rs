//! `pxfs verify`: read everything in a picture and check every rule of the format.

use std::ffi::OsString;
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::Outcome;
use super::failures::describe;
use super::image_args::ImageArgs;
use super::mkfs_progress::ProgressChoice;
use super::size::show_size;
use crate::fs::check::{CheckOptions, Level, Phase, Report, check};
use crate::picture::{self, Picture};
use crate::store::{self, Store};

/// Exit statuses, as fsck(8) has them.
const ERRORS_LEFT: u8 = 4;
const OPERATIONAL: u8 = 8;
const USAGE: u8 = 16;

/// Read everything in a picture and check every checksum, digest and rule.
///
/// The exit status is 0 if no error was found, 4 if errors were found, 8 if the
/// picture cannot be opened at all, 16 for wrong usage.
#[derive(Debug, Parser)]
#[command(name = "pxfs verify", version)]
struct Args {
    #[command(flatten)]
    image: ImageArgs,
    /// As JSON: one object with "ok", "findings" and "checked"
    #[arg(long)]
    json: bool,
    /// Print nothing: the exit status tells
    #[arg(long, short = 'q', conflicts_with = "json")]
    quiet: bool,
    /// How to show progress on standard error
    #[arg(long, value_enum, default_value_t = ProgressChoice::Auto)]
    progress: ProgressChoice,
}

/// Runs the tool.
pub(super) fn run(args: Vec<OsString>) -> Outcome {
    let args = match Args::try_parse_from(args) {
        Ok(args) => args,
        Err(error) => {
            let status = if error.use_stderr() { USAGE } else { 0 };
            error.print()?;
            return Ok(ExitCode::from(status));
        }
    };
    let store = match open(&args.image) {
        Ok(store) => store,
        Err(error) => {
            if args.json {
                let value = json!({"ok": false, "error": describe(&error)});
                super::show::print_json(&mut super::stdout(), &value)?;
            } else if !args.quiet {
                eprintln!("pxfs verify: {}", describe(&error));
            }
            return Ok(ExitCode::from(OPERATIONAL));
        }
    };
    let mut display = Display::new(args.progress);
    let report = check(&store, &CheckOptions::default(), &mut |phase, done, total| {
        display.show(phase, done, total);
    });
    display.close();
    if args.json {
        let mut out = super::stdout();
        writeln!(out, "{:#}", serde_json::to_value(&report)?)?;
        out.flush()?;
    } else if !args.quiet {
        print(&args.image, &report)?;
    }
    Ok(ExitCode::from(if report.ok { 0 } else { ERRORS_LEFT }))
}

/// Opens the store alone: a picture whose root directory is damaged is still
/// one to be checked.
fn open(image: &ImageArgs) -> anyhow::Result<Store> {
    let (request, shown) = (image.request(), || image.image.display().to_string());
    let options = picture::OpenOptions { offset: request.offset, mem: request.mem };
    let picture = Picture::open(&image.image, &options).with_context(shown)?;
    // Half for what is decoded at the moment and for the table of inodes.
    let options = store::OpenOptions { cache: request.mem / 2, digest: request.digest };
    Store::open(picture, &options).with_context(shown)
}

fn print(image: &ImageArgs, report: &Report) -> anyhow::Result<()> {
    let mut out = super::stdout();
    for finding in &report.findings {
        let level = match finding.problem.level() {
            Level::Error => "error",
            Level::Warning => "warning",
        };
        writeln!(out, "{level}: {finding}")?;
    }
    if report.omitted > 0 {
        writeln!(out, "and {} findings more", report.omitted)?;
    }
    let checked = &report.checked;
    let verdict = match (report.errors, report.warnings) {
        (0, 0) => "clean".to_owned(),
        (errors, warnings) => format!("{errors} errors, {warnings} warnings"),
    };
    writeln!(
        out,
        "{}: {verdict}; checked {} inodes, {} names, {} pixels ({}), {} blocks, {} tree nodes",
        image.image.display(),
        checked.inodes,
        checked.names,
        checked.contents,
        show_size(checked.content_bytes),
        checked.blocks,
        checked.nodes,
    )?;
    Ok(out.flush()?)
}

/// What is shown while the check runs.
enum Display {
    Nothing,
    Bar(ProgressBar, Instant),
    Lines(Instant),
}

/// Between two changes on the screen.
const REDRAW: Duration = Duration::from_millis(100);
/// Between two JSON lines.
const LINE: Duration = Duration::from_millis(500);

impl Display {
    fn new(choice: ProgressChoice) -> Self {
        match choice {
            ProgressChoice::Auto if std::io::stderr().is_terminal() => {
                let bar = ProgressBar::new(1);
                if let Ok(style) = ProgressStyle::with_template("{msg:10} {wide_bar} {percent}%") {
                    bar.set_style(style);
                }
                Self::Bar(bar, Instant::now())
            }
            ProgressChoice::Json => Self::Lines(Instant::now()),
            _ => Self::Nothing,
        }
    }

    fn show(&mut self, phase: Phase, done: u64, total: u64) {
        match self {
            Self::Nothing => {}
            Self::Bar(bar, shown) => {
                if done == total || shown.elapsed() >= REDRAW {
                    *shown = Instant::now();
                    bar.set_message(phase.name());
                    bar.set_length(total);
                    bar.set_position(done);
                }
            }
            Self::Lines(shown) => {
                if done == total || shown.elapsed() >= LINE {
                    *shown = Instant::now();
                    let line = json!({"phase": phase.name(), "done": done, "total": total});
                    eprintln!("{line}");
                }
            }
        }
    }

    fn close(self) {
        if let Self::Bar(bar, _) = self {
            bar.finish_and_clear();
        }
    }
}
