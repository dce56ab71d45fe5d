//! `pxfs init`, `add`, `rm`, `mv`, `pack`.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use clap::Parser;
use serde_json::json;

use super::super::Outcome;
use super::super::mkfs_progress::{ProgressChoice, progress_for};
use super::super::open::OpenRequest;
use super::super::phase_progress::Display;
use super::super::show::{escape, print_json};
use super::super::size::show_size;
use super::{Target, TypeArg, parse_id, parse_path, rgba_text};
use crate::builder::{Added, ImageBuilder, NewPath, RootBuilder, init, plain_options};
use crate::legacy::root::id_text;
use crate::mkfs::{Source, make};

/// Threads that work when a picture is made anew.
pub(super) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Opens a picture for changes.
pub(super) fn open_image(image: &Path) -> anyhow::Result<ImageBuilder> {
    super::super::open::refuse_what_is_no_picture(image)?;
    Ok(ImageBuilder::open(image, OpenRequest::default().mem)?)
}

/// Makes the picture anew.
pub(super) fn save_image(builder: ImageBuilder, progress: ProgressChoice) -> anyhow::Result<()> {
    let mut progress = progress_for(progress);
    let saved = builder.save(threads(), progress.as_mut());
    progress.close();
    saved?;
    Ok(())
}

/// Make an empty pxOS root, or with --image an empty picture.
#[derive(Debug, Parser)]
#[command(name = "pxfs init", version)]
struct InitArgs {
    #[command(flatten)]
    target: Target,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Runs `pxfs init`.
pub(in crate::cli) fn run_init(args: Vec<OsString>) -> Outcome {
    let args = InitArgs::parse_from(args);
    let path = match &args.target.image {
        Some(image) => {
            let mut progress = progress_for(ProgressChoice::None);
            let options = plain_options(threads())?;
            make(image, Source::Empty, &options, progress.as_mut())?;
            image.as_path()
        }
        None => {
            init(args.target.root())?;
            args.target.root()
        }
    };
    let mut out = super::super::stdout();
    match args.json {
        true => print_json(&mut out, &json!({"initialised": path}))?,
        false => writeln!(out, "{}: initialised", path.display())?,
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// Add a file under a path; it is packed if its content is new.
///
/// A content is stored once, whatever paths lead to it. A path that is there with
/// another content is left alone unless --force.
#[derive(Debug, Parser)]
#[command(name = "pxfs add", version)]
struct AddArgs {
    #[command(flatten)]
    target: Target,
    /// The path in PixelFS, from /
    #[arg(value_parser = parse_path)]
    path: String,
    /// The file of this machine; a *.filepx.png of the root stands for its content
    #[arg(required_unless_present = "file_id")]
    file: Option<PathBuf>,
    /// A content that is registered already, by its id in hexadecimal
    #[arg(long, value_name = "HEX", value_parser = parse_id, conflicts_with = "file")]
    file_id: Option<u32>,
    /// What it is [default: the type of the content, else what the path's directory is for]
    #[arg(long = "type", value_enum)]
    kind: Option<TypeArg>,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    desc: Option<String>,
    /// A path that must be there and be loaded first (several times for several,
    /// or with commas between them)
    #[arg(long, value_name = "PATH", value_delimiter = ',', value_parser = parse_path)]
    requires: Vec<String>,
    /// What the registry calls the content [default: the file's name without its ending]
    #[arg(long, conflicts_with_all = ["image", "file_id"])]
    name: Option<String>,
    /// Replace what is at the path
    #[arg(short, long)]
    force: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
    /// How to show progress on standard error
    #[arg(long, value_enum, default_value_t = ProgressChoice::Auto)]
    progress: ProgressChoice,
}

/// Runs `pxfs add`.
pub(in crate::cli) fn add(args: Vec<OsString>) -> Outcome {
    let args = AddArgs::parse_from(args);
    let new = NewPath {
        path: args.path.clone(),
        kind: args.kind.map(Into::into),
        description: args.desc.clone(),
        requires: args.requires.clone(),
        original_path: None,
        replace: args.force,
    };
    let added = match (&args.target.image, args.file_id, &args.file) {
        (Some(_), Some(_), _) => {
            bail!("--file-id is for roots: a picture has no unlisted contents")
        }
        (Some(image), None, Some(file)) => {
            let mut builder = open_image(image)?;
            let added = builder.add_file(&new, file)?;
            save_image(builder, args.progress)?;
            added
        }
        (None, Some(id), _) => RootBuilder::open(args.target.root())?.add_id(&new, id)?,
        (None, None, Some(file)) => {
            let mut builder = RootBuilder::open(args.target.root())?;
            let total = std::fs::metadata(file).map_or(0, |found| found.len());
            let (mut display, mut done) = (Display::new(args.progress), 0);
            let added = builder.add_file(&new, args.name.as_deref(), file, &mut |bytes| {
                done += bytes;
                display.show("packing", done, total.max(done));
            });
            display.close();
            added?
        }
        (_, None, None) => bail!("FILE or --file-id is needed"),
    };
    let mut out = super::super::stdout();
    match args.json {
        true => print_json(&mut out, &serde_json::to_value(&added)?)?,
        false => print_added(&mut out, &added)?,
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn print_added(out: &mut dyn std::io::Write, added: &Added) -> std::io::Result<()> {
    let what = match (added.replaced, added.packed) {
        (false, true) => "added and packed",
        (false, false) => "added; its content was there",
        (true, true) => "replaced and packed",
        (true, false) => "updated; its content was there",
    };
    writeln!(out, "{}: {what}", escape(added.path.as_bytes()))?;
    writeln!(out, "  File ID:  {}", id_text(added.id))?;
    writeln!(out, "  RGBA:     {}", rgba_text(added.id.to_be_bytes()))?;
    writeln!(out, "  Type:     {}", added.kind)?;
    writeln!(out, "  Size:     {} bytes", added.size)
}

/// Remove paths.
#[derive(Debug, Parser)]
#[command(name = "pxfs rm", version)]
struct RmArgs {
    #[command(flatten)]
    target: Target,
    /// The paths, from /
    #[arg(required = true, value_name = "PATH", value_parser = parse_path)]
    paths: Vec<String>,
    /// Directories with all that is in them
    #[arg(short, long)]
    recursive: bool,
    /// Of a root also the contents that no path leads to any more, with their blobs
    #[arg(long, conflicts_with = "image")]
    purge: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Runs `pxfs rm`.
pub(in crate::cli) fn rm(args: Vec<OsString>) -> Outcome {
    let args = RmArgs::parse_from(args);
    let (paths, contents) = match &args.target.image {
        Some(image) => {
            let mut builder = open_image(image)?;
            let paths = builder.remove(&args.paths, args.recursive)?;
            save_image(builder, ProgressChoice::Auto)?;
            (paths, Vec::new())
        }
        None => {
            let mut builder = RootBuilder::open(args.target.root())?;
            let removed = builder.remove(&args.paths, args.recursive, args.purge)?;
            (removed.paths, removed.contents)
        }
    };
    let mut out = super::super::stdout();
    if args.json {
        print_json(&mut out, &json!({"removed": paths, "purged": contents}))?;
    } else {
        for path in &paths {
            writeln!(out, "removed {}", escape(path.as_bytes()))?;
        }
        for id in &contents {
            writeln!(out, "purged {id}")?;
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// Give a path, or all paths in a directory, another name.
///
/// NEW that is a directory takes OLD in. What requires a moved path follows it.
#[derive(Debug, Parser)]
#[command(name = "pxfs mv", version)]
struct MvArgs {
    #[command(flatten)]
    target: Target,
    /// What is moved
    #[arg(value_parser = parse_path)]
    old: String,
    /// Where to
    #[arg(value_parser = parse_path)]
    new: String,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Runs `pxfs mv`.
pub(in crate::cli) fn mv(args: Vec<OsString>) -> Outcome {
    let args = MvArgs::parse_from(args);
    let moves = match &args.target.image {
        Some(image) => {
            let mut builder = open_image(image)?;
            let moves = builder.rename(&args.old, &args.new)?;
            save_image(builder, ProgressChoice::Auto)?;
            moves
        }
        None => RootBuilder::open(args.target.root())?.rename(&args.old, &args.new)?,
    };
    let mut out = super::super::stdout();
    if args.json {
        let moves: Vec<_> =
            moves.iter().map(|(from, to)| json!({"from": from, "to": to})).collect();
        print_json(&mut out, &json!({"moved": moves}))?;
    } else {
        for (from, to) in &moves {
            writeln!(out, "{} -> {}", escape(from.as_bytes()), escape(to.as_bytes()))?;
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// Put all blobs of a root into project_files.bin.
///
/// Blobs that are there stay where they are. Every blob is proven first.
#[derive(Debug, Parser)]
#[command(
    name = "pxfs pack",
    version,
    after_help = "Exit status: 0 all contents are packed, 1 some cannot be read."
)]
struct PackArgs {
    #[command(flatten)]
    target: Target,
    /// Write the pack anew: in the order of the registry, without gaps
    #[arg(long)]
    compact: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
    /// How to show progress on standard error
    #[arg(long, value_enum, default_value_t = ProgressChoice::Auto)]
    progress: ProgressChoice,
}

/// Runs `pxfs pack`.
pub(in crate::cli) fn pack(args: Vec<OsString>) -> Outcome {
    let args = PackArgs::parse_from(args);
    if args.target.image.is_some() {
        bail!("a picture is always packed; this is for roots");
    }
    let mut builder = RootBuilder::open(args.target.root())?;
    let mut display = Display::new(args.progress);
    let summary =
        builder.pack(args.compact, &mut |done, total| display.show("contents", done, total));
    display.close();
    let summary = summary?;
    let mut out = super::super::stdout();
    if args.json {
        print_json(&mut out, &serde_json::to_value(&summary)?)?;
    } else {
        let (original, packed) = (summary.original_bytes, summary.pack_bytes);
        writeln!(
            out,
            "project_files.bin: {} contents, {} of them new; {} in {}, {} of it unused",
            summary.contents,
            summary.packed,
            show_size(original),
            show_size(packed),
            show_size(summary.unused_bytes),
        )?;
    }
    out.flush()?;
    for failed in &summary.failed {
        eprintln!("pxfs pack: {failed}");
    }
    Ok(ExitCode::from(u8::from(!summary.failed.is_empty())))
}
