//! `pxfs list`, `resolve`, `show`, `extract`, `desktop`, and the tree of a root.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Parser;
use serde_json::{Value, json};

use super::super::Outcome;
use super::super::open::{OpenRequest, open_picture, open_root, open_root_files};
use super::super::show::{escape, print_json};
use super::{Item, Name, Target, parse_name, print_table, rgba_text};
use crate::fs::{PixelTree, Tree, WithHidden, resolve};
use crate::legacy::root::{Content, Root, id_text};
use crate::mkfs::Unpublished;
use crate::store::hex;

/// List all paths, sorted.
#[derive(Debug, Parser)]
#[command(name = "pxfs list", version)]
struct ListArgs {
    #[command(flatten)]
    target: Target,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Runs `pxfs list`.
pub(in crate::cli) fn list(args: Vec<OsString>) -> Outcome {
    let args = ListArgs::parse_from(args);
    let mut items = args.target.items()?;
    items.sort_by(|a, b| a.path.cmp(&b.path));
    let mut out = super::super::stdout();
    if args.json {
        print_json(&mut out, &Value::Array(items.iter().map(Item::json).collect()))?;
    } else if items.is_empty() {
        writeln!(out, "PixelFS is empty; 'pxfs add' adds paths")?;
    } else {
        let row = |item: &Item| {
            let path = escape(item.path.as_bytes());
            vec![path, id_text(item.id), item.kind.clone(), item.size.to_string()]
        };
        let rows: Vec<_> = items.iter().map(row).collect();
        print_table(&mut out, &["Path", "File ID", "Type", "Size"], &rows)?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// Show the paths of a root, or of a picture, as a tree.
#[derive(Debug, Parser)]
#[command(name = "pxfs tree", version)]
struct TreeArgs {
    #[command(flatten)]
    target: Target,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Runs `pxfs tree` on a root, or with `--image`.
pub(in crate::cli) fn tree(args: Vec<OsString>) -> Outcome {
    let args = TreeArgs::parse_from(args);
    let items = args.target.items()?;
    let mut out = super::super::stdout();
    if args.json {
        print_json(&mut out, &Value::Array(items.iter().map(Item::json).collect()))?;
    } else if items.is_empty() {
        writeln!(out, "PixelFS is empty.")?;
    } else {
        print_tree(&mut out, &items)?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// A directory, or a file, or (in a root with faults) both.
#[derive(Default)]
struct Branch<'i> {
    name: &'i str,
    file: Option<&'i Item>,
    children: Vec<usize>,
}

/// Prints paths in the order in which they were added, those of a directory
/// together.
fn print_tree(out: &mut dyn Write, items: &[Item]) -> io::Result<()> {
    let mut branches = vec![Branch::default()];
    let mut places = std::collections::HashMap::new();
    for item in items {
        let mut at = 0;
        for part in item.path.split('/').skip(1) {
            let known = places.get(&(at, part)).copied();
            at = known.unwrap_or_else(|| {
                let new = branches.len();
                branches.push(Branch { name: part, ..Branch::default() });
                branches[at].children.push(new);
                places.insert((at, part), new);
                new
            });
        }
        branches[at].file = Some(item);
    }
    // What is at the top has no branches drawn to it.
    let mut stack: Vec<(usize, String, String)> = Vec::new();
    for &top in branches[0].children.iter().rev() {
        stack.push((top, String::new(), String::new()));
    }
    while let Some((at, branch, indent)) = stack.pop() {
        let Branch { name, file, children } = &branches[at];
        let name = escape(name.as_bytes());
        if let Some(item) = file {
            let [red, green, blue, alpha] = item.rgba();
            let (kind, id) = (&item.kind, id_text(item.id));
            writeln!(out, "{branch}{name}  [{kind}]  {id}  RGBA({red},{green},{blue},{alpha})")?;
        }
        if !children.is_empty() {
            writeln!(out, "{branch}{name}/")?;
        }
        for (index, &child) in children.iter().enumerate().rev() {
            let is_last = index + 1 == children.len();
            let (turn, on) = match is_last {
                true => ("\u{2514}\u{2500}\u{2500} ", "    "),
                false => ("\u{251c}\u{2500}\u{2500} ", "\u{2502}   "),
            };
            stack.push((child, format!("{indent}{turn}"), format!("{indent}{on}")));
        }
    }
    Ok(())
}

/// Show what a path, an id or a SHA-256 means.
#[derive(Debug, Parser)]
#[command(name = "pxfs resolve", version, after_help = "Exit status: 0 found, 1 not found.")]
struct ResolveArgs {
    #[command(flatten)]
    target: Target,
    /// A path from /, an id (0x499602D2), a colour (73,150,2,210) or a SHA-256
    #[arg(value_parser = parse_name, value_name = "PATH|ID|DIGEST")]
    name: Name,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Runs `pxfs resolve`.
pub(in crate::cli) fn resolve_name(args: Vec<OsString>) -> Outcome {
    let args = ResolveArgs::parse_from(args);
    let found = matching(args.target.items()?, &args.name);
    if found.is_empty() {
        bail!("{}: not found", shown(&args.name));
    }
    let mut out = super::super::stdout();
    if args.json {
        print_json(&mut out, &Value::Array(found.iter().map(Item::json).collect()))?;
    } else {
        for item in &found {
            print_item(&mut out, item)?;
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn matching(items: Vec<Item>, name: &Name) -> Vec<Item> {
    let fits = |item: &Item| match name {
        Name::Path(path) => item.path == *path,
        Name::Id(id) => item.id == *id,
        Name::Digest(digest) => item.sha256 == Some(*digest),
    };
    items.into_iter().filter(fits).collect()
}

fn shown(name: &Name) -> String {
    match name {
        Name::Path(path) => format!("'{}'", escape(path.as_bytes())),
        Name::Id(id) => id_text(*id),
        Name::Digest(digest) => hex(digest),
    }
}

fn print_item(out: &mut dyn Write, item: &Item) -> io::Result<()> {
    let text = |text: &str| escape(text.as_bytes());
    writeln!(out, "{}:", text(&item.path))?;
    writeln!(out, "  File ID:  {}", id_text(item.id))?;
    writeln!(out, "  Type:     {}", item.kind)?;
    writeln!(out, "  RGBA:     {}", rgba_text(item.rgba()))?;
    writeln!(out, "  Size:     {} bytes", item.size)?;
    match &item.sha256 {
        Some(sha256) => writeln!(out, "  SHA-256:  {}", hex(sha256))?,
        None => writeln!(out, "  SHA-256:  unknown: the id is not in the registry")?,
    }
    if !item.description.is_empty() {
        writeln!(out, "  Desc:     {}", text(&item.description))?;
    }
    if !item.requires.is_empty() {
        let requires: Vec<_> = item.requires.iter().map(|path| text(path)).collect();
        writeln!(out, "  Requires: {}", requires.join(" "))?;
    }
    Ok(())
}

/// Show all about a content: its paths, its pixel, its blob.
#[derive(Debug, Parser)]
#[command(name = "pxfs show", version, after_help = "Exit status: 0 found, 1 not found.")]
struct ShowArgs {
    #[command(flatten)]
    target: Target,
    /// A path from /, an id (0x499602D2), a colour (73,150,2,210) or a SHA-256
    #[arg(value_parser = parse_name, value_name = "PATH|ID|DIGEST")]
    name: Name,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Runs `pxfs show`.
pub(in crate::cli) fn show(args: Vec<OsString>) -> Outcome {
    let args = ShowArgs::parse_from(args);
    let (items, content) = match &args.target.image {
        Some(_) => (matching(args.target.items()?, &args.name), None),
        None => {
            let root = open_root_files(args.target.root())?;
            let items = matching(super::items_of_root(&root), &args.name);
            let content = content_of(&root, &args.name, &items).cloned();
            (items, content)
        }
    };
    if items.is_empty() && content.is_none() {
        bail!("{}: not found", shown(&args.name));
    }
    let mut out = super::super::stdout();
    if args.json {
        let paths: Vec<_> = items.iter().map(Item::json).collect();
        let content = content.as_ref().map(content_json);
        print_json(&mut out, &json!({"paths": paths, "content": content}))?;
    } else {
        for item in &items {
            print_item(&mut out, item)?;
        }
        if let Some(content) = &content {
            print_content(&mut out, content)?;
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn content_of<'r>(root: &'r Root, name: &Name, items: &[Item]) -> Option<&'r Content> {
    match (name, items.first()) {
        (Name::Id(id), _) => root.content(*id),
        (Name::Digest(digest), _) => root.contents.iter().find(|one| one.sha256 == *digest),
        (Name::Path(_), Some(item)) => root.content(item.id),
        (Name::Path(_), None) => None,
    }
}

fn content_json(content: &Content) -> Value {
    json!({
        "id": id_text(content.id), "name": content.name, "type": content.kind,
        "original_path": content.original_path, "size": content.original_size,
        "compressed_size": content.compressed_size, "compression_ratio": content.ratio,
        "rgba": content.id.to_be_bytes(), "pixel_file": content.pixel_file,
        "blob_file": content.blob_file, "sha256": hex(&content.sha256),
        "packed": content.packed.map(|(offset, len)| json!({"offset": offset, "len": len})),
    })
}

fn print_content(out: &mut dyn Write, content: &Content) -> io::Result<()> {
    let text = |text: &str| escape(text.as_bytes());
    writeln!(out, "sub-boot pixel {}:", id_text(content.id))?;
    writeln!(out, "  Name:       {}", text(&content.name))?;
    writeln!(out, "  Type:       {}", text(&content.kind))?;
    writeln!(out, "  RGBA:       {}", rgba_text(content.id.to_be_bytes()))?;
    writeln!(
        out,
        "  Original:   {}, {} bytes",
        text(&content.original_path),
        content.original_size
    )?;
    writeln!(
        out,
        "  Compressed: {} bytes, {} saved",
        content.compressed_size,
        text(&content.ratio)
    )?;
    writeln!(out, "  SHA-256:    {}", hex(&content.sha256))?;
    writeln!(out, "  Pixel file: {}", text(&content.pixel_file))?;
    match content.packed {
        Some((offset, len)) => {
            writeln!(out, "  Blob:       project_files.bin, {len} bytes at {offset}")
        }
        None => writeln!(out, "  Blob:       {}", text(&content.blob_file)),
    }
}

/// Write a content to a file of this machine.
///
/// It is proven against its SHA-256 before the file appears.
#[derive(Debug, Parser)]
#[command(name = "pxfs extract", version)]
struct ExtractArgs {
    #[command(flatten)]
    target: Target,
    /// A path from /, an id (0x499602D2), a colour (73,150,2,210) or a SHA-256
    #[arg(value_parser = parse_name, value_name = "PATH|ID|DIGEST")]
    name: Name,
    /// The file to write; - is standard output [default: the path's last part, or
    /// the name of the file that was packed]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace FILE if it exists
    #[arg(short, long)]
    force: bool,
}

/// Runs `pxfs extract`.
pub(in crate::cli) fn extract(args: Vec<OsString>) -> Outcome {
    let args = ExtractArgs::parse_from(args);
    let (tree, name) = args.target.tree_and_name(&args.name)?;
    let output = args.output.clone().unwrap_or_else(|| PathBuf::from(&name));
    let attr = resolve(&tree, name_in_tree(&args, &tree)?.as_bytes(), true)
        .with_context(|| shown(&args.name))?;
    if output == Path::new("-") {
        let mut out = super::super::stdout();
        copy(&tree, attr.ino, &mut out)?;
        out.flush()?;
        return Ok(ExitCode::SUCCESS);
    }
    write_output(&output, args.force, |out| copy(&tree, attr.ino, out))?;
    println!("{}", escape(output.as_os_str().as_encoded_bytes()));
    Ok(ExitCode::SUCCESS)
}

/// Where in the tree, its hidden part included, the content is that was asked for.
fn name_in_tree(args: &ExtractArgs, tree: &WithHidden) -> anyhow::Result<String> {
    Ok(match &args.name {
        Name::Path(path) => path.clone(),
        Name::Id(id) => format!("/.pxfs/pixels/{id:08X}"),
        Name::Digest(digest) => {
            let mut found = None;
            tree.inner().visit_ids(None, &mut |id| {
                if let Ok(Some(pixel)) = tree.inner().pixel_by_id(id)
                    && pixel.sha256 == *digest
                {
                    found = Some(id);
                }
                found.is_none()
            })?;
            match found {
                Some(id) => format!("/.pxfs/pixels/{:08X}", u32::from_be_bytes(id)),
                None => bail!("{}: not found", shown(&args.name)),
            }
        }
    })
}

impl Target {
    /// The tree with its hidden part, and a name for a file with that content.
    fn tree_and_name(&self, name: &Name) -> anyhow::Result<(WithHidden, String)> {
        let request = OpenRequest::default();
        let last = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
        let fallback = |id: Option<u32>| match (name, id) {
            (Name::Path(path), _) => last(path),
            (_, Some(id)) => format!("{id:08X}.bin"),
            (Name::Digest(digest), _) => format!("{}.bin", hex(digest)),
            (Name::Id(id), _) => format!("{id:08X}.bin"),
        };
        if let Some(image) = &self.image {
            let picture: std::sync::Arc<dyn PixelTree> =
                std::sync::Arc::new(open_picture(image, &request)?);
            return Ok((WithHidden::new(picture), fallback(None)));
        }
        let tree = open_root(self.root(), &request)?;
        let content = match name {
            Name::Path(_) => None,
            name => content_of(tree.root(), name, &[]),
        };
        let original = content.map(|content| last(&content.original_path));
        let original = original.filter(|name| !name.is_empty() && name != "..");
        let chosen = original.unwrap_or_else(|| fallback(content.map(|content| content.id)));
        Ok((WithHidden::new(std::sync::Arc::new(tree)), chosen))
    }
}

fn copy(tree: &dyn Tree, ino: u64, out: &mut dyn Write) -> anyhow::Result<()> {
    let mut piece = vec![0; 1 << 20];
    let mut at = 0;
    loop {
        match tree.read(ino, at, &mut piece)? {
            0 => return Ok(()),
            read => {
                out.write_all(&piece[..read])?;
                at += read as u64;
            }
        }
    }
}

/// Writes a file that appears when it is complete.
pub(in crate::cli) fn write_output(
    path: &Path,
    force: bool,
    write: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let shown = || format!("'{}'", path.display());
    if !force && path.symlink_metadata().is_ok() {
        bail!("{}: exists; use --force to replace it", shown());
    }
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    let file = Unpublished::create(dir, path).with_context(shown)?;
    let mut out = io::BufWriter::with_capacity(1 << 18, file.file());
    write(&mut out)?;
    out.flush().with_context(shown)?;
    drop(out);
    file.publish(path, force).with_context(shown)
}

/// Draw a picture with a labelled tile for each file, in the colour of its pixel.
#[derive(Debug, Parser)]
#[command(name = "pxfs desktop", version)]
struct DesktopArgs {
    #[command(flatten)]
    target: Target,
    /// The PNG to write
    #[arg(short, long, value_name = "FILE", default_value = "desktop.png")]
    output: PathBuf,
    /// Replace FILE if it exists
    #[arg(short, long)]
    force: bool,
}

/// Runs `pxfs desktop`.
pub(in crate::cli) fn desktop(args: Vec<OsString>) -> Outcome {
    let args = DesktopArgs::parse_from(args);
    let (tree, _) = args.target.tree_and_name(&Name::Path("/".into()))?;
    let attr = resolve(&tree, b"/.pxfs/desktop.png", true)?;
    write_output(&args.output, args.force, |out| copy(&tree, attr.ino, out))?;
    println!("{}", args.output.display());
    Ok(ExitCode::SUCCESS)
}
