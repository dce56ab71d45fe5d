//! `pxfs stat`: everything about files of a picture.

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::ffi::OsStrExt as _;

use clap::Parser;

use super::Outcome;
use super::failures::Failures;
use super::image_args::{ImageArgs, find_path};
use super::show::{attr_json, escape, mode_text, pixel_of, print_json, time_text};
use crate::fs::{Attr, FileKind, Pixel, Tree, WithHidden};

/// Show what is known about files of a picture.
#[derive(Debug, Parser)]
#[command(name = "pxfs stat", version)]
struct Args {
    #[command(flatten)]
    image: ImageArgs,
    /// The files
    #[arg(required = true)]
    paths: Vec<OsString>,
    /// Follow symbolic links
    #[arg(short = 'L', long)]
    dereference: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Runs the tool.
pub(super) fn run(args: Vec<OsString>) -> Outcome {
    let args = Args::parse_from(args);
    let tree = args.image.open()?;
    let mut failures = Failures::new("pxfs stat");
    let mut out = super::stdout();
    let mut listed = Vec::new();
    for path in &args.paths {
        match find_path(&tree, path, args.dereference) {
            Ok(attr) if args.json => {
                let mut value = attr_json(tree.inner(), path.as_bytes(), &attr);
                value["xattrs"] = xattrs_json(&tree, attr.ino);
                listed.push(failures.noted(value));
            }
            Ok(attr) => print_stat(&mut out, &tree, path.as_bytes(), &attr, &mut failures)?,
            Err(error) => failures.report(&error),
        }
    }
    if args.json {
        print_json(&mut out, &listed.into())?;
    }
    out.flush()?;
    Ok(failures.status())
}

fn xattrs_json(tree: &dyn Tree, ino: u64) -> serde_json::Value {
    let mut map = serde_json::Map::new();
    for name in tree.xattr_names(ino).unwrap_or_default() {
        if let Ok(value) = tree.xattr(ino, &name) {
            let value = match String::from_utf8(value) {
                Ok(text) => text.into(),
                Err(error) => serde_json::json!({"hex": crate::store::hex(error.as_bytes())}),
            };
            map.insert(String::from_utf8_lossy(&name).into_owned(), value);
        }
    }
    map.into()
}

fn print_stat(
    out: &mut dyn Write,
    tree: &WithHidden,
    path: &[u8],
    attr: &Attr,
    failures: &mut Failures,
) -> std::io::Result<()> {
    write!(out, "  File: {}", escape(path))?;
    if attr.kind == FileKind::Symlink {
        match tree.read_link(attr.ino) {
            Ok(target) => write!(out, " -> {}", escape(&target))?,
            Err(error) => failures.report_path(path, &error),
        }
    }
    writeln!(out)?;
    let kind = attr.kind.word().replace('_', " ");
    writeln!(out, "  Size: {}  Blocks: {}  {kind}", attr.size, attr.blocks)?;
    write!(out, " Inode: {}  Links: {}", attr.ino, attr.nlink)?;
    if matches!(attr.kind, FileKind::CharDevice | FileKind::BlockDevice) {
        write!(out, "  Device type: {},{}", attr.rdev.0, attr.rdev.1)?;
    }
    writeln!(out)?;
    let (mode, perm) = (mode_text(attr), attr.perm);
    writeln!(out, "Access: ({perm:04o}/{mode})  Uid: {}  Gid: {}", attr.uid, attr.gid)?;
    writeln!(out, "Modify: {}", time_text(attr.mtime))?;
    match pixel_of(tree.inner(), attr) {
        Ok(Some((pixel, kind))) => print_pixel(out, &pixel, kind)?,
        Ok(None) => {}
        Err(error) => failures.report_path(path, &error),
    }
    match tree.xattr_names(attr.ino) {
        Ok(names) => print_xattrs(out, tree, path, attr, &names, failures),
        Err(error) => {
            failures.report_path(path, &error);
            Ok(())
        }
    }
}

fn print_pixel(out: &mut dyn Write, pixel: &Pixel, kind: &str) -> std::io::Result<()> {
    let (id, rgba) = (Pixel::id_text(pixel.id), Pixel::rgba_text(pixel.id));
    writeln!(out, " Pixel: {id}  RGBA({rgba})  [{kind}]")?;
    writeln!(out, "SHA256: {}", crate::store::hex(&pixel.sha256))
}

fn print_xattrs(
    out: &mut dyn Write,
    tree: &WithHidden,
    path: &[u8],
    attr: &Attr,
    names: &[Vec<u8>],
    failures: &mut Failures,
) -> std::io::Result<()> {
    for name in names {
        match tree.xattr(attr.ino, name) {
            Ok(value) => writeln!(out, " Xattr: {}=\"{}\"", escape(name), escape(&value))?,
            Err(error) => failures.report_path(path, &error),
        }
    }
    Ok(())
}
