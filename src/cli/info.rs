//! `pxfs info`: what a picture is and what is in it.

use std::ffi::OsString;
use std::io::Write;

use clap::Parser;
use serde_json::json;

use super::Outcome;
use super::image_args::ImageArgs;
use super::show::{escape, print_json, time_text};
use super::size::show_size;
use crate::format::{TreeKind, VERSION_MAJOR, VERSION_MINOR};
use crate::fs::Time;
use crate::mkfs::format_uuid;
use crate::picture::Channels;

/// Show what a picture holds.
#[derive(Debug, Parser)]
#[command(name = "pxfs info", version)]
struct Args {
    #[command(flatten)]
    image: ImageArgs,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Runs the tool.
pub(super) fn run(args: Vec<OsString>) -> Outcome {
    let args = Args::parse_from(args);
    let volume = args.image.open_picture()?;
    let store = volume.store();
    let (superblock, picture) = (store.superblock(), store.picture());
    let entries = |tree| superblock.root(tree).map_or(0, |root| root.node.entries);
    let channels = match superblock.channels {
        Channels::Rgba => "rgba",
        Channels::Rgb => "rgb",
    };
    let time = |(secs, nanos)| time_text(Time { secs, nanos });
    let info = json!({
        "format": format!("{VERSION_MAJOR}.{VERSION_MINOR}"),
        "label": superblock.label,
        "uuid": format_uuid(&superblock.uuid),
        "digest": crate::store::hex(&superblock.digest),
        "generation": superblock.generation,
        "created": time(superblock.created),
        "committed": time(superblock.committed),
        "container": picture.container().to_string(),
        "seekable": picture.is_seekable(),
        "complete": picture.tail_intact(),
        "width": picture.width(),
        "height": picture.rows(),
        "channels": channels,
        "file_size": picture.file_len(),
        "stream_bytes": superblock.stream_len,
        "inodes": entries(TreeKind::Inodes),
        "names": entries(TreeKind::Dirents),
        "pixels": entries(TreeKind::Ids),
        "contents": entries(TreeKind::Contents),
        "blocks": entries(TreeKind::Blocks),
        "xattr_sets": entries(TreeKind::Xattrs),
        "file_bytes": superblock.file_bytes,
        "block_size": 1u64 << superblock.block_log,
        "chunk_size": 1u64 << superblock.chunk_log,
    });
    let mut out = super::stdout();
    if args.json {
        print_json(&mut out, &info)?;
    } else {
        print_info(&mut out, &info)?;
    }
    out.flush()?;
    Ok(std::process::ExitCode::SUCCESS)
}

fn print_info(out: &mut dyn Write, info: &serde_json::Value) -> std::io::Result<()> {
    for (name, value) in info.as_object().into_iter().flatten() {
        let shown = match value {
            serde_json::Value::String(text) => escape(text.as_bytes()),
            value => value.to_string(),
        };
        let is_bytes = ["file_size", "stream_bytes", "file_bytes", "block_size", "chunk_size"];
        let size = match value.as_u64() {
            Some(bytes) if is_bytes.contains(&name.as_str()) => format!(" ({})", show_size(bytes)),
            _ => String::new(),
        };
        writeln!(out, "{:<13} {shown}{size}", format!("{}:", name.replace('_', " ")))?;
    }
    Ok(())
}
