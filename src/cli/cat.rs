//! `pxfs cat`: print files of a picture, without mounting it.

use std::ffi::OsString;
use std::io::Write;

use anyhow::Context as _;
use clap::Parser;

use super::Outcome;
use super::failures::Failures;
use super::image_args::{ImageArgs, find_path};
use crate::fs::Tree;

/// Print files of a picture, one after the other.
#[derive(Debug, Parser)]
#[command(name = "pxfs cat", version)]
struct Args {
    #[command(flatten)]
    image: ImageArgs,
    /// The files; /.pxfs/pixels/ID is a content by its id
    #[arg(required = true)]
    paths: Vec<OsString>,
}

/// Bytes read at a time.
const PIECE: usize = 1 << 20;

/// Runs the tool.
pub(super) fn run(args: Vec<OsString>) -> Outcome {
    let args = Args::parse_from(args);
    let tree = args.image.open()?;
    let mut failures = Failures::new("pxfs cat");
    let mut out = std::io::stdout().lock();
    let mut piece = vec![0; PIECE];
    for path in &args.paths {
        let copied = find_path(&tree, path, true)
            .and_then(|attr| copy(&tree, attr.ino, &mut piece, &mut out, path));
        match copied {
            // Nobody reads any more.
            Err(error) if super::is_broken_pipe(&error) => return Err(error),
            Err(error) => failures.report(&error),
            Ok(()) => {}
        }
    }
    out.flush()?;
    Ok(failures.status())
}

fn copy(
    tree: &dyn Tree,
    ino: u64,
    piece: &mut [u8],
    out: &mut dyn Write,
    path: &OsString,
) -> anyhow::Result<()> {
    let mut offset = 0;
    loop {
        let len = tree.read(ino, offset, piece).with_context(|| format!("'{}'", path.display()))?;
        if len == 0 {
            return Ok(());
        }
        out.write_all(&piece[..len])?;
        offset += len as u64;
    }
}
