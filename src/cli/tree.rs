//! `pxfs tree`: a picture's files as a tree, each with its pixel.

use std::ffi::OsString;
use std::io::Write;

use clap::Parser;

use super::Outcome;
use super::failures::Failures;
use super::image_args::{ImageArgs, find_path};
use super::show::{attr_json, escape, pixel_of, print_json};
use crate::fs::{Attr, FileKind, Ino, Pixel, Tree, WithHidden};

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
    #[arg(short = 'L', long = "level", value_name = "DEPTH", default_value_t = 1000)]
    level: usize,
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

/// Runs the tool.
pub(super) fn run(args: Vec<OsString>) -> Outcome {
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
                self.below(&attr, "", 1)?;
            }
        }
        Ok(())
    }

    fn below(&mut self, dir: &Attr, indent: &str, depth: usize) -> std::io::Result<()> {
        if depth >= self.args.level {
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
                self.below(&attr, &format!("{indent}{inner}"), depth + 1)?;
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
        for name in names {
            match self.picture.lookup(dir, &name) {
                Ok(attr) if self.args.directories && attr.kind != FileKind::Directory => {}
                Ok(attr) => children.push((name, attr)),
                Err(error) => self.failures.report_path(&name, &error),
            }
        }
        children
    }

    fn json(&mut self, name: &[u8], attr: &Attr, depth: usize) -> serde_json::Value {
        let mut value = attr_json(self.picture.inner(), name, attr);
        if attr.kind == FileKind::Directory && depth < self.args.level {
            let children = self.children(attr.ino).into_iter();
            let children: Vec<_> =
                children.map(|(name, attr)| self.json(&name, &attr, depth + 1)).collect();
            value["children"] = children.into();
        }
        value
    }
}
