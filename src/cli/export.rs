//! `pxfs export`: write the files of a picture as a tar stream or a pxOS root.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufWriter, IsTerminal as _, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, bail};
use clap::Parser;

use super::Outcome;
use super::image_args::{ImageArgs, find_path};
use super::mkfs_progress::ProgressChoice;
use super::phase_progress::Display;
use super::show::{escape, print_json};
use super::size::show_size;
use crate::builder::export_root;
use crate::extract::{ExtractError, Observer, TarOptions, write_tar};
use crate::fs::Tree as _;

/// Write the files of a picture as a tar stream, or as a pxOS root.
#[derive(Debug, Parser)]
#[command(name = "pxfs export", version)]
struct Args {
    #[command(flatten)]
    image: ImageArgs,
    /// The directory or file to export
    #[arg(default_value = "/")]
    path: OsString,
    /// A tar stream in the pax format of POSIX (this is always so)
    #[arg(long)]
    tar: bool,
    /// Write to this file; - is standard output
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    /// Make a pxOS root in this directory instead, which the Python tools can load:
    /// regular files only, without owners, modes and times
    #[arg(long, value_name = "DIR", conflicts_with_all = ["output", "tar", "numeric"])]
    root: Option<PathBuf>,
    /// With --root: the summary as JSON
    #[arg(long, requires = "root")]
    json: bool,
    /// Owners as numbers only, without the names that this machine has for them
    #[arg(long, alias = "numeric-owner")]
    numeric: bool,
}

/// Bytes that are written at a time.
const BUFFER: usize = 1 << 18;

/// Runs the tool.
pub(super) fn run(args: Vec<OsString>) -> Outcome {
    let args = Args::parse_from(args);
    if let Some(root) = &args.root {
        return export_to_root(&args, root);
    }
    if args.output == Path::new("-") && std::io::stdout().is_terminal() {
        bail!("refusing to write a tar stream to a terminal; use -o FILE, or a pipe");
    }
    let tree = args.image.open()?;
    let top = find_path(&tree, &args.path, true)?;
    let options = if args.numeric {
        TarOptions::default()
    } else {
        TarOptions { users: names("/etc/passwd"), groups: names("/etc/group"), newest: None }
    };
    let console = Console { failed: AtomicBool::new(false) };
    let out = open_output(&args)?;
    let mut out = BufWriter::with_capacity(BUFFER, out);
    let path = args.path.as_bytes();
    let name = path.split(|&byte| byte == b'/').rfind(|part| !part.is_empty()).unwrap_or(b".");
    write_tar(&tree, &top, name, &options, &mut out, &console)
        .with_context(|| format!("'{}'", args.output.display()))?;
    let failed = console.failed.load(Ordering::Relaxed);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn export_to_root(args: &Args, root: &Path) -> Outcome {
    if args.path != "/" {
        bail!("--root: a root is made of a whole picture, not of one directory");
    }
    // A root is one already, and a project pixel leads to one.
    let tree = args.image.open_picture()?;
    let mut display = Display::new(ProgressChoice::Auto);
    let total = tree.stat()?.total_bytes;
    let exported = export_root(&tree, root, &mut |done| {
        display.show("packing", done, total.max(done));
    });
    display.close();
    let exported = exported?;
    let mut out = super::stdout();
    if args.json {
        print_json(&mut out, &serde_json::to_value(&exported)?)?;
    } else {
        writeln!(
            out,
            "{}: {} paths, {} contents, {}",
            root.display(),
            exported.paths,
            exported.contents,
            show_size(exported.bytes),
        )?;
    }
    out.flush()?;
    for left_out in &exported.left_out {
        eprintln!("pxfs export: {}", escape(left_out.as_bytes()));
    }
    Ok(ExitCode::from(u8::from(!exported.left_out.is_empty())))
}

fn open_output(args: &Args) -> anyhow::Result<Box<dyn Write>> {
    if args.output == Path::new("-") {
        // Not std's own stdout, which looks for ends of lines.
        let stdout = rustix::io::dup(rustix::stdio::stdout()).context("standard output")?;
        return Ok(Box::new(File::from(stdout)));
    }
    let shown = || format!("'{}'", args.output.display());
    let same = |image: std::fs::Metadata, output: std::fs::Metadata| {
        (image.dev(), image.ino()) == (output.dev(), output.ino())
    };
    if let (Ok(image), Ok(output)) =
        (std::fs::metadata(&args.image.image), std::fs::metadata(&args.output))
        && same(image, output)
    {
        bail!("{}: is the picture itself", shown());
    }
    Ok(Box::new(File::create(&args.output).with_context(shown)?))
}

/// Names by number from a file like /etc/passwd; none if it cannot be read.
fn names(path: &str) -> HashMap<u32, Vec<u8>> {
    let text = std::fs::read(path).unwrap_or_default();
    let mut names = HashMap::new();
    for line in text.split(|&byte| byte == b'\n') {
        let mut fields = line.split(|&byte| byte == b':');
        if let (Some(name), Some(number)) = (fields.next(), fields.nth(1))
            && let Some(number) = std::str::from_utf8(number).ok().and_then(|n| n.parse().ok())
        {
            // The first name of a number counts, as in getpwuid(3).
            names.entry(number).or_insert_with(|| name.to_vec());
        }
    }
    names
}

/// Tells the user what happens.
struct Console {
    failed: AtomicBool,
}

impl Observer for Console {
    fn copied(&self, _source: &[u8], _dest: &[u8]) {}

    fn failed(&self, path: &[u8], error: &ExtractError) {
        self.failed.store(true, Ordering::Relaxed);
        eprintln!("pxfs export: '{}': {error}", escape(path));
    }

    fn warning(&self, text: &str) {
        eprintln!("pxfs export: {text}");
    }
}
