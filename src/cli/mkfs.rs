//! `mkfs.pxfs`: make a picture from a directory, a tar stream or nothing.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader, Write as _};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Parser, ValueEnum};

use super::Outcome;
use super::mkfs_progress::{ProgressChoice, print_summary, progress_for};
use super::size::{parse_size, show_size};
use crate::format::Codec;
use crate::mkfs::{Effort, Excludes, HardLinks, Options, Source, XattrChoice, make};
use crate::picture::{Channels, Geometry};
use crate::store::Encoding;

/// Make a picture that is a file system.
///
/// IMAGE appears only when it is complete. Files with the same content are
/// stored once; the same input and options give the same bytes.
#[derive(Debug, Parser)]
#[command(name = "mkfs.pxfs", version)]
struct Args {
    /// The picture to make
    image: PathBuf,
    /// A directory, a tar file, or - for a tar stream (gzip and zstd are seen);
    /// without it the picture is an empty file system
    source: Option<PathBuf>,
    /// Label, up to 64 bytes
    #[arg(long, short = 'L', default_value = "")]
    label: String,
    /// UUID; derived from the content if not given
    #[arg(long, short = 'U')]
    uuid: Option<String>,
    /// Compression level, 1 to 22 for zstd [default: 8]
    #[arg(long, short = 'l', value_parser = clap::value_parser!(i32).range(1..=22))]
    level: Option<i32>,
    /// In little time: level 1, blocks of 1M
    #[arg(long, conflicts_with_all = ["level", "best"])]
    fast: bool,
    /// As small as possible: level 16, blocks of 16M
    #[arg(long, conflicts_with = "level")]
    best: bool,
    /// Codec
    #[arg(long, value_enum, default_value_t = CodecChoice::Zstd)]
    codec: CodecChoice,
    /// Size of the blocks that small files are packed in and large texts are cut into:
    /// a power of two, 32K to 16M; large binaries are cut into chunks of an eighth of
    /// it, or 128K if that is less [default: 4M]
    #[arg(long, short = 'b', value_parser = parse_block_size)]
    block_size: Option<u8>,
    /// Threads that read and compress [default: the number of processors]
    #[arg(long, short = 'j', value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// rgba: four bytes a pixel; rgb: three, opaque, for places that do not respect alpha
    #[arg(long, value_enum, default_value_t = ChannelChoice::Rgba)]
    channels: ChannelChoice,
    /// A picture to show on top (PNG, JPEG, WebP, ...)
    #[arg(long, value_name = "PIC")]
    cover: Option<PathBuf>,
    /// Width in pixels [default: near-square]
    #[arg(long, value_name = "PIXELS")]
    width: Option<u32>,
    /// Leave out what matches: a name at any depth, or with a slash a path from
    /// the root; * ? [..] ** as in a shell, a slash at the end for directories
    #[arg(long, value_name = "PATTERN")]
    exclude: Vec<String>,
    /// Read such patterns from a file, one a line, # for comments
    #[arg(long, value_name = "FILE")]
    exclude_from: Vec<PathBuf>,
    /// Make root the owner of everything
    #[arg(long)]
    all_root: bool,
    /// Which extended attributes to keep
    #[arg(long, value_enum, default_value_t = XattrArg::All)]
    xattrs: XattrArg,
    /// Keep hard links, or dissolve them into files of their own
    #[arg(long, value_enum, default_value_t = HardLinkArg::Keep)]
    hardlinks: HardLinkArg,
    /// Do not enter other file systems below SOURCE
    #[arg(long, short = 'x')]
    one_file_system: bool,
    /// How to show progress on standard error
    #[arg(long, value_enum, default_value_t = ProgressChoice::Auto)]
    progress: ProgressChoice,
    /// Replace IMAGE if it exists
    #[arg(long, short = 'f')]
    force: bool,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
    /// Print no summary
    #[arg(long, short = 'q')]
    quiet: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CodecChoice {
    Zstd,
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ChannelChoice {
    Rgba,
    Rgb,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum XattrArg {
    All,
    User,
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum HardLinkArg {
    Keep,
    Dissolve,
}

/// Runs the tool.
pub(super) fn run(args: Vec<OsString>) -> Outcome {
    let args = Args::parse_from(args);
    let replaced = check_image(&args)?;
    let source = source_of(&args)?;
    let mut options = options_of(&args)?;
    options.skip_inodes.extend(replaced);
    let mut progress = progress_for(args.progress);
    let made = make(&args.image, source, &options, progress.as_mut());
    progress.close();
    let summary = made.with_context(|| args.image.display().to_string())?;
    let mut out = super::stdout();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&summary)?)?;
    } else if !args.quiet {
        print_summary(&mut out, &args.image, &summary)?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// Refuses to overwrite; gives device and inode of what will be replaced.
fn check_image(args: &Args) -> anyhow::Result<Option<(u64, u64)>> {
    let shown = args.image.display();
    match std::fs::symlink_metadata(&args.image) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| shown.to_string()),
        Ok(found) if !found.is_file() => bail!("{shown}: exists and is not a file"),
        Ok(_) if !args.force => bail!("{shown}: exists; use --force to replace it"),
        Ok(found) => Ok(Some((found.dev(), found.ino()))),
    }
}

fn source_of(args: &Args) -> anyhow::Result<Source> {
    let Some(path) = &args.source else {
        return Ok(Source::Empty);
    };
    if path == Path::new("-") {
        return Ok(Source::Tar(Box::new(std::io::stdin())));
    }
    let found = std::fs::metadata(path).with_context(|| path.display().to_string())?;
    if found.is_dir() {
        return Ok(Source::Directory(path.clone()));
    }
    let file = File::open(path).with_context(|| path.display().to_string())?;
    Ok(Source::Tar(Box::new(file)))
}

fn options_of(args: &Args) -> anyhow::Result<Options> {
    if args.label.len() > 64 || args.label.contains('\0') {
        bail!("--label: at most 64 bytes, without NUL");
    }
    let root = match &args.source {
        Some(path) if path != Path::new("-") && path.is_dir() => path.clone(),
        _ => PathBuf::new(),
    };
    let channels = match args.channels {
        ChannelChoice::Rgba => Channels::Rgba,
        ChannelChoice::Rgb => Channels::Rgb,
    };
    if let Some(width) = args.width {
        Geometry::new(width, channels).context("--width")?;
    }
    let codec = match args.codec {
        CodecChoice::Zstd => Codec::Zstd,
        CodecChoice::None => Codec::None,
    };
    let effort = match (args.fast, args.best) {
        (true, _) => Effort::Fast,
        (_, true) => Effort::Best,
        _ => Effort::Usual,
    };
    let level = args.level.unwrap_or(effort.level());
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let created = source_date_epoch()?.map(|secs| (secs, 0));
    // An empty picture has no file whose time could stand for its own.
    let created = match (&args.source, created) {
        (None, None) => Some(now()),
        (_, created) => created,
    };
    Ok(Options {
        label: args.label.clone(),
        uuid: args.uuid.as_deref().map(parse_uuid).transpose()?,
        encoding: Encoding { codec, level },
        block_log: args.block_size.unwrap_or(effort.block_log()),
        threads: args.threads.map_or(processors, usize::from),
        channels,
        cover: args.cover.clone(),
        width: args.width,
        excludes: Excludes::new(&root, &patterns(args)?)?,
        all_root: args.all_root,
        xattrs: match args.xattrs {
            XattrArg::All => XattrChoice::All,
            XattrArg::User => XattrChoice::User,
            XattrArg::None => XattrChoice::None,
        },
        hard_links: match args.hardlinks {
            HardLinkArg::Keep => HardLinks::Keep,
            HardLinkArg::Dissolve => HardLinks::Dissolve,
        },
        one_file_system: args.one_file_system,
        created,
        replace: args.force,
        skip_inodes: Vec::new(),
    })
}

fn patterns(args: &Args) -> anyhow::Result<Vec<String>> {
    let mut patterns = args.exclude.clone();
    for path in &args.exclude_from {
        let shown = || format!("--exclude-from {}", path.display());
        for line in BufReader::new(File::open(path).with_context(shown)?).lines() {
            let line = line.with_context(shown)?;
            if !line.is_empty() && !line.starts_with('#') {
                patterns.push(line);
            }
        }
    }
    Ok(patterns)
}

/// SOURCE_DATE_EPOCH of reproducible-builds.org: seconds since 1970.
pub(super) fn source_date_epoch() -> anyhow::Result<Option<i64>> {
    match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(text) => {
            let secs = text.parse().context("SOURCE_DATE_EPOCH: is not a number of seconds")?;
            Ok(Some(secs))
        }
        Err(_) => Ok(None),
    }
}

fn now() -> (i64, u32) {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or((0, 0), |since| (since.as_secs() as i64, since.subsec_nanos()))
}

fn parse_block_size(text: &str) -> Result<u8, String> {
    let size = parse_size(text)?;
    if !size.is_power_of_two() || !(1 << 15..=1 << 24).contains(&size) {
        let shown = show_size(size);
        return Err(format!("{shown} is not a power of two from 32K to 16M"));
    }
    Ok(size.trailing_zeros() as u8)
}

fn parse_uuid(text: &str) -> anyhow::Result<[u8; 16]> {
    let digits: String = text.chars().filter(|&c| c != '-').collect();
    let bad = || format!("--uuid {text}: is not a UUID (32 hexadecimal digits)");
    if digits.len() != 32 || !digits.is_ascii() {
        bail!(bad());
    }
    let mut uuid = [0; 16];
    for (byte, pair) in uuid.iter_mut().zip(0..) {
        *byte = u8::from_str_radix(&digits[2 * pair..2 * pair + 2], 16).with_context(bad)?;
    }
    Ok(uuid)
}
