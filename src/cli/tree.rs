//! `pxfs tree`: a picture's files as a tree, each with its pixel.

use std::collections::HashSet;
use std::ffi::OsString;
use std::io::Write;

use clap::Parser;

use super::Outcome;
use super::failures::Failures;
use super::image_args::{ImageArgs, find_path};
use super::show::{attr_json, escape, pixel_of, print_json};
use crate::fs::{Attr, FileKind, FsError, Ino, Pixel, Tree, WithHidden};

/// Show the files of a picture as a tree.
#[derive(Debug, Parser)]
#[command(name = "pxfs tree", version)]
struct Args {
    #[command(flatten)]
    image: ImageArgs,
    /// Where to start
    #[arg(default_value = "/")]
    path: OsString,
    /// No deeper than this
    #[arg(short = 'L', long = "level", value_name = "DEPTH", value_parser = parse_level)]
    level: Option<usize>,
    /// Names that begin with a dot as well
    #[arg(short, long)]
    all: bool,
    /// Directories only
    #[arg(short, long)]
    directories: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// The deepest level that is shown. A path that deep cannot be opened, and each
/// level takes some of the stack.
const MAX_LEVEL: usize = 1000;

fn parse_level(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("must be a number above 0".into()),
        Ok(level) => Ok(level),
    }
}

/// Whether the tree of a root is asked for: `pxfs tree [--root DIR] [--image PICTURE]`.
fn is_for_builder(args: &[OsString]) -> bool {
    let has = |name: &str| {
        let named = |arg: &OsString| {
            let rest = arg.as_encoded_bytes().strip_prefix(name.as_bytes());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"="))
        };
        args.iter().any(named)
    };
    let is_bare = args.iter().skip(1).all(|arg| arg == "--json");
    is_bare || has("--root") || has("--image")
}

/// Runs the tool.
pub(super) fn run(args: Vec<OsString>) -> Outcome {
    if is_for_builder(&args) {
        return super::build::look::tree(args);
    }
    let args = Args::parse_from(args);
    let picture = args.image.open()?;
    let mut failures = Failures::new("pxfs tree");
    let start = find_path(&picture, &args.path, true)?;
    let mut printer = Printer {
        args: &args,
        picture: &picture,
        out: super::stdout(),
        failures: &mut failures,
        directories: 0,
        files: 0,
    };
    if args.json {
        let value = printer.json(b"/", &start, 0);
        print_json(&mut printer.out, &value)?;
    } else {
        printer.top(&start)?;
        writeln!(printer.out, "\n{} directories, {} files", printer.directories, printer.files)?;
    }
    printer.out.flush()?;
    Ok(failures.status())
}

struct Printer<'a, W> {
    args: &'a Args,
    picture: &'a WithHidden,
    out: W,
    failures: &'a mut Failures,
    directories: u64,
    files: u64,
}

impl<W: Write> Printer<'_, W> {
    /// The start's own children stand at the left edge, as pxOS prints them.
    fn top(&mut self, start: &Attr) -> std::io::Result<()> {
        for (name, attr) in self.children(start.ino) {
            self.line("", &name, &attr)?;
            if attr.kind == FileKind::Directory {
                self.below(&name, &attr, "", 1)?;
            }
        }
        Ok(())
    }

    /// Whether what is in a directory at `depth` is left out.
    fn ends_at(&mut self, name: &[u8], depth: usize) -> bool {
        if depth >= MAX_LEVEL && self.args.level.is_none_or(|level| level > MAX_LEVEL) {
            let error = FsError::Corrupt(format!("lies deeper than {MAX_LEVEL} levels"));
            self.failures.report_path(name, &error);
            return true;
        }
        self.args.level.is_some_and(|level| depth >= level)
    }

    fn below(
        &mut self,
        name: &[u8],
        dir: &Attr,
        indent: &str,
        depth: usize,
    ) -> std::io::Result<()> {
        if self.ends_at(name, depth) {
            return Ok(());
        }
        let children = self.children(dir.ino);
        let last = children.len().saturating_sub(1);
        for (index, (name, attr)) in children.into_iter().enumerate() {
            let (branch, inner) = if index == last {
                ("\u{2514}\u{2500}\u{2500} ", "    ")
            } else {
                ("\u{251c}\u{2500}\u{2500} ", "\u{2502}   ")
            };
            self.line(&format!("{indent}{branch}"), &name, &attr)?;
            if attr.kind == FileKind::Directory {
                self.below(&name, &attr, &format!("{indent}{inner}"), depth + 1)?;
            }
        }
        Ok(())
    }

    fn line(&mut self, indent: &str, name: &[u8], attr: &Attr) -> std::io::Result<()> {
        write!(self.out, "{indent}{}", escape(name))?;
        match attr.kind {
            FileKind::Directory => {
                self.directories += 1;
                write!(self.out, "/")?;
            }
            FileKind::Symlink => {
                self.files += 1;
                let target = self.picture.read_link(attr.ino).unwrap_or_default();
                write!(self.out, " -> {}", escape(&target))?;
            }
            _ => self.files += 1,
        }
        match pixel_of(self.picture.inner(), attr) {
            Ok(Some((pixel, kind))) => {
                let (id, rgba) = (Pixel::id_text(pixel.id), Pixel::rgba_text(pixel.id));
                write!(self.out, "  [{kind}]  {id}  RGBA({rgba})")?;
            }
            Ok(None) => {}
            Err(error) => self.failures.report_path(name, &error),
        }
        writeln!(self.out)
    }

    fn children(&mut self, dir: Ino) -> Vec<(Vec<u8>, Attr)> {
        let mut names = Vec::new();
        let read = self.picture.read_dir(dir, 0, &mut |entry| {
            if self.args.all || !entry.name.starts_with(b".") {
                names.push(entry.name.to_vec());
            }
            true
        });
        if let Err(error) = read {
            self.failures.report_path(b"a directory", &error);
        }
        let mut children = Vec::new();
        let mut seen = HashSet::new();
        for name in names {
            match self.picture.lookup(dir, &name) {
                // A forged directory may have many names here: it is shown once.
                Ok(attr) if attr.kind == FileKind::Directory && !seen.insert(attr.ino) => {
                    let error = FsError::Corrupt("is a directory with more than one name".into());
                    self.failures.report_path(&name, &error);
                }
                Ok(attr) if self.args.directories && attr.kind != FileKind::Directory => {}
                Ok(attr) => children.push((name, attr)),
                Err(error) => self.failures.report_path(&name, &error),
            }
        }
        children
    }

    fn json(&mut self, name: &[u8], attr: &Attr, depth: usize) -> serde_json::Value {
        let mut value = self.failures.noted(attr_json(self.picture.inner(), name, attr));
        if attr.kind == FileKind::Directory && !self.ends_at(name, depth) {
            let children = self.children(attr.ino).into_iter();
            let children: Vec<_> =
                children.map(|(name, attr)| self.json(&name, &attr, depth + 1)).collect();
            value["children"] = children.into();
        }
        value
    }
}
