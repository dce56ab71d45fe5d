//! `pxfs ls`: list what is in a picture, without mounting it.

use std::collections::HashSet;
use std::ffi::OsString;
use std::io::Write;
use std::os::unix::ffi::OsStrExt as _;

use clap::Parser;

use super::Outcome;
use super::failures::Failures;
use super::image_args::{ImageArgs, find_path};
use super::show::{attr_json, mode_text, print_json, show_name, time_text};
use super::size::show_size;
use crate::fs::{Attr, FileKind, FsError, Step, Tree, WithHidden, walk};

/// List files of a picture.
#[derive(Debug, Parser)]
#[command(name = "pxfs ls", version, disable_help_flag = true)]
struct Args {
    #[command(flatten)]
    image: ImageArgs,
    /// What to list [default: the root]
    paths: Vec<OsString>,
    /// Type, mode, links, owner, group, size, time and pixel of each file
    #[arg(short)]
    long: bool,
    /// List names that begin with a dot
    #[arg(short)]
    all: bool,
    /// Subdirectories as well
    #[arg(short = 'R')]
    recursive: bool,
    /// Directories themselves, not what is in them
    #[arg(short = 'd')]
    directory: bool,
    /// Sizes with units
    #[arg(short = 'h')]
    human: bool,
    /// One name a line (this is always so)
    #[arg(short = '1')]
    one: bool,
    /// Everything as JSON
    #[arg(long)]
    json: bool,
    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
}

/// Runs the tool.
pub(super) fn run(args: Vec<OsString>) -> Outcome {
    let args = Args::parse_from(args);
    let tree = args.image.open()?;
    let mut failures = Failures::new("pxfs ls");
    let mut lister = Lister { args: &args, tree: &tree, out: super::stdout(), listed: Vec::new() };
    let root = [OsString::from("/")];
    let paths = if args.paths.is_empty() { &root[..] } else { &args.paths };
    let headed = args.recursive || paths.len() > 1;
    for path in paths {
        let follow = !args.directory && !args.long;
        // A link that leads nowhere is listed as itself.
        let found = find_path(&tree, path, follow)
            .or_else(|error| find_path(&tree, path, false).map_err(|_| error));
        let attr = match found {
            Ok(attr) => attr,
            Err(error) => {
                failures.report(&error);
                continue;
            }
        };
        let shown = path.as_bytes();
        if attr.kind == FileKind::Directory && !args.directory {
            lister.directory(shown, &attr, headed, &mut failures)?;
        } else {
            lister.entry(shown, shown, &attr, &mut failures)?;
        }
    }
    lister.finish()?;
    Ok(failures.status())
}

struct Lister<'a, W> {
    args: &'a Args,
    tree: &'a WithHidden,
    out: W,
    listed: Vec<serde_json::Value>,
}

impl<W: Write> Lister<'_, W> {
    fn directory(
        &mut self,
        path: &[u8],
        dir: &Attr,
        headed: bool,
        failures: &mut Failures,
    ) -> anyhow::Result<()> {
        let mut inner = Vec::new();
        // A forged directory may have many names here: it is listed once.
        let mut entered = HashSet::new();
        if headed && !self.args.json {
            self.out.write_all(&show_name(path))?;
            writeln!(self.out, ":")?;
        }
        let mut written = Ok(());
        walk(self.tree, dir.ino, &mut |step| {
            match step {
                Step::Entry(name, attr) if self.args.all || !name.starts_with(b".") => {
                    let full = join(path, name);
                    if let Err(error) = self.entry(&full, name, attr, failures) {
                        written = Err(error);
                        return Err(FsError::NotFound);
                    }
                    if attr.kind == FileKind::Directory && entered.insert(attr.ino) {
                        inner.push((full, attr.clone()));
                    }
                }
                Step::Entry(..) => {}
                Step::Failed(name, error) => failures.report_path(&join(path, name), &error),
            }
            Ok(false)
        })
        .or_else(|error| match error {
            // A write that failed ends the walk; it is reported below.
            FsError::NotFound => Ok(()),
            other => Err(other),
        })?;
        written?;
        if self.args.recursive {
            for (path, dir) in inner {
                if !self.args.json {
                    writeln!(self.out)?;
                }
                self.directory(&path, &dir, true, failures)?;
            }
        }
        Ok(())
    }

    fn entry(
        &mut self,
        path: &[u8],
        name: &[u8],
        attr: &Attr,
        failures: &mut Failures,
    ) -> std::io::Result<()> {
        if self.args.json {
            self.listed.push(failures.noted(attr_json(self.tree.inner(), path, attr)));
            return Ok(());
        }
        if self.args.long {
            self.write_details(attr)?;
        }
        self.out.write_all(&show_name(name))?;
        if self.args.long
            && attr.kind == FileKind::Symlink
            && let Ok(target) = self.tree.read_link(attr.ino)
        {
            write!(self.out, " -> ")?;
            self.out.write_all(&show_name(&target))?;
        }
        writeln!(self.out)
    }

    fn write_details(&mut self, attr: &Attr) -> std::io::Result<()> {
        let size = match attr.kind {
            FileKind::CharDevice | FileKind::BlockDevice => {
                format!("{}, {}", attr.rdev.0, attr.rdev.1)
            }
            _ if self.args.human => show_size(attr.size),
            _ => attr.size.to_string(),
        };
        let time = time_text(attr.mtime);
        write!(
            self.out,
            "{} {:>3} {:>5} {:>5} {size:>10} {} ",
            mode_text(attr),
            attr.nlink,
            attr.uid,
            attr.gid,
            time.split('.').next().unwrap_or(&time),
        )
    }

    fn finish(mut self) -> std::io::Result<()> {
        if self.args.json {
            print_json(&mut self.out, &self.listed.into())?;
        }
        self.out.flush()
    }
}

fn join(dir: &[u8], name: &[u8]) -> Vec<u8> {
    let mut path = dir.to_vec();
    if !path.is_empty() && !path.ends_with(b"/") {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    path
}
