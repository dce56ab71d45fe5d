//! `pxfs find`: search a picture by name, type, size or pixel.

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use globset::{GlobBuilder, GlobMatcher};

use super::Outcome;
use super::failures::Failures;
use super::image_args::{ImageArgs, find_path};
use super::show::{attr_json, pixel_of, print_json, show_name};
use super::size::parse_size;
use crate::fs::{Attr, FileKind, FsError, Pixel, Step, WithHidden, walk};

/// Find files in a picture. All tests given must hold.
///
/// find(1)'s -name, -iname, -path, -type, -size, -maxdepth and -print0 are
/// understood with one dash as well.
#[derive(Debug, Parser)]
#[command(name = "pxfs find", version)]
struct Args {
    #[command(flatten)]
    image: ImageArgs,
    /// Where to start
    #[arg(default_value = "/")]
    path: OsString,
    /// The name matches this pattern
    #[arg(long, value_name = "GLOB")]
    name: Option<String>,
    /// As --name, in upper or lower case
    #[arg(long, value_name = "GLOB")]
    iname: Option<String>,
    /// The whole path matches this pattern; * matches slashes as well
    #[arg(long, value_name = "GLOB")]
    wholename: Option<String>,
    /// The type: f, d, l, c, b, p or s
    #[arg(long = "type", value_name = "LETTER")]
    kind: Option<KindArg>,
    /// The size: N exactly, +N more, -N less, in bytes or with K, M, G
    #[arg(long, value_name = "[+-]N", allow_hyphen_values = true)]
    size: Option<String>,
    /// The sub-boot pixel has this id
    #[arg(long, value_name = "HEX")]
    id: Option<String>,
    /// The content has this SHA-256, or begins so
    #[arg(long, value_name = "HEX")]
    sha256: Option<String>,
    /// The PixelFS type: data, py, pxi_module, world, model or config
    #[arg(long, value_name = "TYPE")]
    pixel_type: Option<String>,
    /// No deeper than this below the start
    #[arg(long, value_name = "DEPTH")]
    maxdepth: Option<usize>,
    /// End each path with a NUL instead of a newline
    #[arg(long, short = '0')]
    print0: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum KindArg {
    F,
    D,
    L,
    C,
    B,
    P,
    S,
}

impl KindArg {
    fn matches(self, kind: FileKind) -> bool {
        let wanted = match self {
            Self::F => FileKind::Regular,
            Self::D => FileKind::Directory,
            Self::L => FileKind::Symlink,
            Self::C => FileKind::CharDevice,
            Self::B => FileKind::BlockDevice,
            Self::P => FileKind::Fifo,
            Self::S => FileKind::Socket,
        };
        kind == wanted
    }
}

/// find(1)'s spelling of options, which people have in their fingers.
const ONE_DASH: [(&str, &str); 7] = [
    ("-name", "--name"),
    ("-iname", "--iname"),
    ("-path", "--wholename"),
    ("-type", "--type"),
    ("-size", "--size"),
    ("-maxdepth", "--maxdepth"),
    ("-print0", "--print0"),
];

/// Runs the tool.
pub(super) fn run(args: Vec<OsString>) -> Outcome {
    let args = Args::parse_from(args.into_iter().map(|arg| {
        let known = ONE_DASH.iter().find(|(short, _)| arg == *short);
        known.map_or(arg, |(_, long)| OsString::from(*long))
    }));
    let tests = Tests::new(&args)?;
    let tree = args.image.open()?;
    let start = find_path(&tree, &args.path, true)?;
    let mut failures = Failures::new("pxfs find");
    let mut finder =
        Finder { args: &args, tests, tree: &tree, out: super::stdout(), found: vec![] };
    let base = args.path.as_bytes().to_vec();
    let mut written = finder.consider(&base, &start, &mut failures);
    if start.kind == FileKind::Directory && args.maxdepth != Some(0) {
        walk(&tree, start.ino, &mut |step| match step {
            Step::Entry(path, attr) => {
                let depth = 1 + path.iter().filter(|&&byte| byte == b'/').count();
                if written.is_ok() {
                    written = finder.consider(&join(&base, path), attr, &mut failures);
                }
                Ok(written.is_ok() && args.maxdepth.is_none_or(|most| depth < most))
            }
            Step::Failed(path, error) => {
                failures.report_path(&join(&base, path), &error);
                Ok(false)
            }
        })?;
    }
    written?;
    if args.json {
        let found = std::mem::take(&mut finder.found);
        print_json(&mut finder.out, &found.into())?;
    }
    finder.out.flush()?;
    Ok(failures.status())
}

fn join(base: &[u8], path: &[u8]) -> Vec<u8> {
    let base = base.strip_suffix(b"/").unwrap_or(base);
    [base, b"/", path].concat()
}

struct Finder<'a, W> {
    args: &'a Args,
    tests: Tests,
    tree: &'a WithHidden,
    out: W,
    found: Vec<serde_json::Value>,
}

impl<W: Write> Finder<'_, W> {
    fn consider(
        &mut self,
        path: &[u8],
        attr: &Attr,
        failures: &mut Failures,
    ) -> std::io::Result<()> {
        if !self.tests.match_attr(path, attr, self.args.kind) {
            return Ok(());
        }
        match self.tests.match_pixel(self.tree, attr) {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(error) => {
                failures.report_path(path, &error);
                return Ok(());
            }
        }
        if self.args.json {
            self.found.push(failures.noted(attr_json(self.tree.inner(), path, attr)));
            return Ok(());
        }
        if self.args.print0 {
            self.out.write_all(path)?;
            self.out.write_all(b"\0")?;
        } else {
            self.out.write_all(&show_name(path))?;
            writeln!(self.out)?;
        }
        Ok(())
    }
}

/// The tests, compiled.
struct Tests {
    names: Vec<GlobMatcher>,
    path: Option<GlobMatcher>,
    size: Option<(std::cmp::Ordering, u64)>,
    id: Option<String>,
    sha256: Option<String>,
    pixel_type: Option<String>,
}

impl Tests {
    fn new(args: &Args) -> anyhow::Result<Self> {
        let glob = |pattern: &String, fold: bool| {
            GlobBuilder::new(pattern)
                .case_insensitive(fold)
                .build()
                .map(|glob| glob.compile_matcher())
                .with_context(|| format!("'{pattern}'"))
        };
        let mut names = Vec::new();
        names
            .extend(args.name.iter().map(|name| glob(name, false)).collect::<Result<Vec<_>, _>>()?);
        names
            .extend(args.iname.iter().map(|name| glob(name, true)).collect::<Result<Vec<_>, _>>()?);
        Ok(Self {
            names,
            path: args.wholename.as_ref().map(|path| glob(path, false)).transpose()?,
            size: args.size.as_deref().map(parse_size_test).transpose()?,
            id: args.id.as_deref().map(|id| {
                let digits = id.trim_start_matches("0x");
                format!("0x{:0>8}", digits.to_ascii_uppercase())
            }),
            sha256: args.sha256.as_ref().map(|digest| digest.to_ascii_lowercase()),
            pixel_type: args.pixel_type.clone(),
        })
    }

    fn match_attr(&self, path: &[u8], attr: &Attr, kind: Option<KindArg>) -> bool {
        use std::ffi::OsStr;
        let path = Path::new(OsStr::from_bytes(path));
        let name = path.file_name().unwrap_or(OsStr::new("/"));
        kind.is_none_or(|kind| kind.matches(attr.kind))
            && self.names.iter().all(|glob| glob.is_match(name))
            && self.path.as_ref().is_none_or(|glob| glob.is_match(path))
            && self.size.is_none_or(|(wanted, size)| {
                attr.kind == FileKind::Regular && attr.size.cmp(&size) == wanted
            })
    }

    fn match_pixel(&self, tree: &WithHidden, attr: &Attr) -> Result<bool, FsError> {
        if self.id.is_none() && self.sha256.is_none() && self.pixel_type.is_none() {
            return Ok(true);
        }
        let Some((pixel, kind)) = pixel_of(tree.inner(), attr)? else {
            return Ok(false);
        };
        let digest = crate::store::hex(&pixel.sha256);
        Ok(self.id.as_ref().is_none_or(|id| *id == Pixel::id_text(pixel.id))
            && self.sha256.as_ref().is_none_or(|start| digest.starts_with(start))
            && self.pixel_type.as_ref().is_none_or(|wanted| wanted == kind))
    }
}

fn parse_size_test(text: &str) -> anyhow::Result<(std::cmp::Ordering, u64)> {
    use std::cmp::Ordering::{Equal, Greater, Less};
    let (wanted, number) = match text.as_bytes().first() {
        Some(b'+') => (Greater, &text[1..]),
        Some(b'-') => (Less, &text[1..]),
        _ => (Equal, text),
    };
    // find(1)'s c for bytes.
    let number = number.strip_suffix('c').unwrap_or(number);
    let size = parse_size(number).map_err(anyhow::Error::msg).context("--size")?;
    Ok((wanted, size))
}
