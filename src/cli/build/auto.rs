//! `pxfs auto-discover` and `pxfs auto-add`.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::Parser;
use serde_json::{Value, json};

use super::super::Outcome;
use super::super::mkfs_progress::ProgressChoice;
use super::super::phase_progress::Display;
use super::super::show::{escape, print_json};
use super::super::size::show_size;
use super::change::{open_image, save_image, threads};
use super::{Target, TypeArg, parse_path};
use crate::builder::{BulkOptions, BulkSummary, RootBuilder};
use crate::legacy::root::id_text;

/// Show contents that are registered and have no path yet.
#[derive(Debug, Parser)]
#[command(name = "pxfs auto-discover", version)]
struct DiscoverArgs {
    #[command(flatten)]
    target: Target,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Runs `pxfs auto-discover`.
pub(in crate::cli) fn discover(args: Vec<OsString>) -> Outcome {
    let args = DiscoverArgs::parse_from(args);
    let found = match &args.target.image {
        // Every content of a picture has a path: nothing else keeps it there.
        Some(image) => {
            open_image(image)?;
            Vec::new()
        }
        None => RootBuilder::open(args.target.root())?.unlisted(),
    };
    let mut out = super::super::stdout();
    if args.json {
        let each = found.iter().map(|(path, content)| {
            json!({"path": path, "id": id_text(content.id), "type": content.kind})
        });
        print_json(&mut out, &Value::Array(each.collect()))?;
    } else if found.is_empty() {
        writeln!(out, "All contents have a path")?;
    } else {
        for (path, content) in &found {
            writeln!(
                out,
                "{}  {}  ({})",
                escape(path.as_bytes()),
                id_text(content.id),
                content.kind
            )?;
        }
        writeln!(out, "{} contents have no path; 'pxfs auto-add' gives them these", found.len())?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// Add many files at once, or give all registered contents a path.
///
/// Files go where their types belong: /system (py), /apps (pxi_module), /worlds,
/// /models, /config, /data; or all of them into --under. A file whose path is
/// taken by another one gets its id at the end. Files that changed since they
/// were added replace what they were.
#[derive(Debug, Parser)]
#[command(
    name = "pxfs auto-add",
    version,
    after_help = "Exit status: 0 everything was added, 1 something could not be."
)]
struct AutoAddArgs {
    #[command(flatten)]
    target: Target,
    /// Files, and directories with all that is in them; without any, what is
    /// registered and has no path
    sources: Vec<PathBuf>,
    /// The directory in PixelFS that all of it goes into
    #[arg(long, value_name = "PATH", value_parser = parse_path)]
    under: Option<String>,
    /// What all of it is [default: what the files' names tell]
    #[arg(long = "type", value_enum)]
    kind: Option<TypeArg>,
    /// Leave out what matches: a name, or with a slash a path in the source
    #[arg(long, value_name = "PATTERN")]
    exclude: Vec<String>,
    /// Compress as the Python tools do: somewhat smaller, many times slower
    #[arg(long)]
    best: bool,
    /// Threads that read and compress [default: the number of processors]
    #[arg(long, short = 'j', value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// As JSON
    #[arg(long)]
    json: bool,
    /// How to show progress on standard error
    #[arg(long, value_enum, default_value_t = ProgressChoice::Auto)]
    progress: ProgressChoice,
}

/// Runs `pxfs auto-add`.
pub(in crate::cli) fn auto_add(args: Vec<OsString>) -> Outcome {
    let args = AutoAddArgs::parse_from(args);
    if args.sources.is_empty() {
        return add_registered(&args);
    }
    let options = BulkOptions {
        under: args.under.as_ref().map(|under| under.trim_end_matches('/').to_owned()),
        kind: args.kind.map(Into::into),
        excludes: args.exclude.clone(),
        best: args.best,
        threads: args.threads.map_or_else(threads, usize::from),
    };
    let options = BulkOptions { under: options.under.filter(|under| !under.is_empty()), ..options };
    let summary = match &args.target.image {
        Some(image) => {
            let mut builder = open_image(image)?;
            let summary = builder.add_many(&args.sources, &options)?;
            if summary.added + summary.updated > 0 {
                save_image(builder, args.progress)?;
            }
            summary
        }
        None => {
            let mut builder = RootBuilder::open(args.target.root())?;
            let mut display = Display::new(args.progress);
            let summary = builder.add_many(&args.sources, &options, &mut |_, bytes| {
                display.count("packing", bytes);
            });
            display.close();
            summary?
        }
    };
    report(&args, &summary)
}

fn report(args: &AutoAddArgs, summary: &BulkSummary) -> Outcome {
    let mut out = super::super::stdout();
    if args.json {
        print_json(&mut out, &serde_json::to_value(summary)?)?;
    } else {
        for (wanted, path) in &summary.renamed {
            writeln!(out, "{} was taken: {}", escape(wanted.as_bytes()), escape(path.as_bytes()))?;
        }
        let BulkSummary { added, updated, unchanged, packed, .. } = summary;
        writeln!(
            out,
            "{added} added, {updated} updated, {unchanged} unchanged; {packed} contents packed, \
             {} into {}, {:.3} s",
            show_size(summary.bytes_in),
            show_size(summary.bytes_out),
            summary.seconds,
        )?;
        if summary.passed_over > 0 {
            writeln!(out, "{} links, devices and the like passed over", summary.passed_over)?;
        }
    }
    out.flush()?;
    for failed in &summary.failed {
        eprintln!("pxfs auto-add: {}", escape(failed.as_bytes()));
    }
    Ok(ExitCode::from(u8::from(!summary.failed.is_empty())))
}

fn add_registered(args: &AutoAddArgs) -> Outcome {
    if args.target.image.is_some() {
        bail!("every content of a picture has a path; name files or directories to add");
    }
    let added = RootBuilder::open(args.target.root())?.add_unlisted()?;
    let mut out = super::super::stdout();
    if args.json {
        print_json(&mut out, &serde_json::to_value(&added)?)?;
    } else {
        for one in &added {
            writeln!(out, "{}  {}  ({})", escape(one.path.as_bytes()), id_text(one.id), one.kind)?;
        }
        writeln!(out, "{} added", added.len())?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
