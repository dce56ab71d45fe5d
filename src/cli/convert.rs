//! `pxfs convert`: write a picture again as a seekable PNG.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Parser;

use super::Outcome;
use super::image_args::ImageArgs;
use super::open::{OpenRequest, open_picture};
use crate::mkfs::Unpublished;
use crate::picture::{Channels, Geometry, PixelStream, PngWriter};

/// Write a picture again as a seekable PNG with the same pixels.
///
/// IMAGE may be any picture that holds a file system: a recompressed PNG,
/// a lossless WebP, a QOI.
#[derive(Debug, Parser)]
#[command(name = "pxfs convert", version)]
struct Args {
    #[command(flatten)]
    image: ImageArgs,
    /// The seekable PNG to make
    out: PathBuf,
    /// The channels that OUT must have; they are the file system's own and
    /// cannot be others
    #[arg(long, value_enum)]
    channels: Option<ChannelChoice>,
    /// Replace OUT if it exists
    #[arg(short, long)]
    force: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ChannelChoice {
    Rgba,
    Rgb,
}

impl ChannelChoice {
    fn of(channels: Channels) -> Self {
        match channels {
            Channels::Rgba => Self::Rgba,
            Channels::Rgb => Self::Rgb,
        }
    }
}

/// Bytes copied at a time.
const PIECE: usize = 1 << 20;

/// Runs the tool.
pub(super) fn run(args: Vec<OsString>) -> Outcome {
    let args = Args::parse_from(args);
    let shown = || args.out.display().to_string();
    match std::fs::symlink_metadata(&args.out) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(shown),
        Ok(found) if !found.is_file() => bail!("{}: exists and is not a file", shown()),
        Ok(_) if !args.force => bail!("{}: exists; use --force to replace it", shown()),
        Ok(_) => {}
    }
    let tree = quietly(|| args.image.open_picture())?;
    let store = tree.store();
    let superblock = store.superblock();
    let channels = superblock.channels;
    if args.channels.is_some_and(|wanted| wanted != ChannelChoice::of(channels)) {
        let has = format!("{:?}", ChannelChoice::of(channels)).to_lowercase();
        bail!(
            "--channels: the file system is laid out in {has} pixels; to have others make it anew"
        );
    }
    let geometry = Geometry::new(store.picture().width(), channels)?;
    let dir = match args.out.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    let target = Unpublished::create(dir, &args.out).with_context(shown)?;
    let stream = store.picture().stream(channels);
    let file = target.file().try_clone().with_context(shown)?;
    let file = write_picture(&stream, geometry, file).with_context(shown)?;
    // It may have no name yet.
    let written = format!("/proc/self/fd/{}", file.as_raw_fd());
    check(Path::new(&written), &stream, superblock.digest)?;
    file.sync_all().with_context(shown)?;
    target.publish(&args.out, args.force).with_context(shown)?;
    Ok(ExitCode::SUCCESS)
}

/// Opens without the advice to convert the picture, which is what we do.
fn quietly<T>(open: impl FnOnce() -> T) -> T {
    let level = log::max_level();
    log::set_max_level(log::LevelFilter::Error);
    let opened = open();
    log::set_max_level(level);
    opened
}

/// Writes all pixels of the stream, those after the file system too.
fn write_picture(
    stream: &PixelStream,
    geometry: Geometry,
    file: File,
) -> anyhow::Result<Arc<File>> {
    let mut writer = PngWriter::create(file, geometry)?;
    let mut piece = vec![0; PIECE];
    // A picture that was cut off ends with the last row that is whole.
    let len = stream.len();
    let mut at = 0;
    while at < len {
        let part = &mut piece[..PIECE.min(usize::try_from(len - at).unwrap_or(PIECE))];
        stream.read_at(at, part)?;
        writer.write(part)?;
        at += part.len() as u64;
    }
    writer.pad_to_row()?;
    Ok(Arc::new(writer.finish()?))
}

/// Opens what was written and compares it with what it was made from.
fn check(path: &Path, source: &PixelStream, digest: [u8; 32]) -> anyhow::Result<()> {
    let request = OpenRequest { digest: Some(digest), ..OpenRequest::default() };
    let made = open_picture(path, &request).context("the new picture does not open")?;
    let picture = made.store().picture();
    if !picture.is_seekable() {
        bail!("the new picture is not seekable");
    }
    let stream = picture.stream(source.channels());
    let (mut old, mut new) = (vec![0; PIECE], vec![0; PIECE]);
    let mut at = 0;
    while at < source.len() {
        let len = PIECE.min(usize::try_from(source.len() - at).unwrap_or(PIECE));
        source.read_at(at, &mut old[..len])?;
        stream.read_at(at, &mut new[..len])?;
        if old[..len] != new[..len] {
            bail!("the new picture does not have the same pixels");
        }
        at += len as u64;
    }
    Ok(())
}
