//! `pxfs verify`: read everything in a picture and check every rule of the format.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use serde_json::json;

use super::Outcome;
use super::failures::describe;
use super::image_args::ImageArgs;
use super::mkfs_progress::ProgressChoice;
use super::open::refuse_what_is_no_picture;
use super::phase_progress::Display;
use super::size::show_size;
use crate::fs::check::{CheckOptions, Level, Report, check};
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
    let args: Args = match super::parse_args(args, USAGE) {
        Ok(args) => args,
        Err(status) => return Ok(status),
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
        display.show(phase.name(), done, total);
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
    refuse_what_is_no_picture(&image.image)?;
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
