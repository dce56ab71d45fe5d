//! `pxfs check`: everything that is wrong with a pxOS root.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use serde_json::json;

use super::Outcome;
use super::failures::describe;
use super::mkfs_progress::ProgressChoice;
use super::open::{OpenRequest, open_root_files};
use super::phase_progress::Display;
use super::show::print_json;
use super::size::show_size;
use crate::legacy::root::{CheckReport, RootTree, check};

/// Exit statuses of fsck(8), as `pxfs verify` has them.
const ERRORS_LEFT: u8 = 4;
const OPERATIONAL: u8 = 8;
const USAGE: u8 = 16;

/// Check a pxOS root: every entry, every blob, every digest.
#[derive(Debug, Parser)]
#[command(
    name = "pxfs check",
    version,
    after_help = "Exit status: 0 no errors, 4 errors, 8 not readable at all, 16 wrong usage."
)]
struct Args {
    /// The root: a directory with pixelfs.json
    #[arg(value_name = "DIR", default_value = ".")]
    root: PathBuf,
    /// As JSON
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
    // Not open_root: that advises to do what is done here.
    let tree = match open_root_files(&args.root) {
        Ok(root) => RootTree::new(root, OpenRequest::default().mem / 4),
        Err(error) => {
            if args.json {
                let value = json!({"ok": false, "error": describe(&error)});
                print_json(&mut super::stdout(), &value)?;
            } else if !args.quiet {
                eprintln!("pxfs check: {}", describe(&error));
            }
            return Ok(ExitCode::from(OPERATIONAL));
        }
    };
    let mut display = Display::new(args.progress);
    let report = check(&tree, &mut |done, total| display.show("contents", done, total));
    display.close();
    let mut out = super::stdout();
    if args.json {
        print_json(&mut out, &serde_json::to_value(&report)?)?;
    } else if !args.quiet {
        print(&mut out, &args.root, &report)?;
    }
    out.flush()?;
    Ok(ExitCode::from(if report.ok { 0 } else { ERRORS_LEFT }))
}

fn print(out: &mut dyn Write, root: &Path, report: &CheckReport) -> std::io::Result<()> {
    for finding in &report.findings {
        writeln!(out, "{finding}")?;
    }
    let verdict = match (report.errors, report.warnings) {
        (0, 0) => "clean".to_owned(),
        (errors, warnings) => format!("{errors} errors, {warnings} warnings"),
    };
    writeln!(
        out,
        "{}: {verdict}; checked {} paths, {} pixels ({})",
        root.display(),
        report.paths,
        report.contents,
        show_size(report.content_bytes),
    )
}
