//! The builder: the verbs that make and change a pxOS root or a picture, and
//! those that say what is in it.

pub(super) mod auto;
pub(super) mod between;
pub(super) mod change;
pub(super) mod look;

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde_json::{Value, json};

use super::open::{OpenRequest, open_picture, open_root_files};
use super::show::escape;
use crate::builder::COMPANIONS;
use crate::format::{Digest, PixelType};
use crate::fs::{FileKind, PixelTree, ROOT_INO, Step, walk};
use crate::legacy::root::{Root, id_text, pixel_type};
use crate::store::hex;

/// What a verb works on.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Target {
    /// The pxOS root: a directory [default: the current one]
    #[arg(long, value_name = "DIR", conflicts_with = "image")]
    root: Option<PathBuf>,
    /// A picture instead of a root
    #[arg(long, value_name = "PICTURE")]
    image: Option<PathBuf>,
}

impl Target {
    /// The root's directory.
    fn root(&self) -> &Path {
        self.root.as_deref().unwrap_or(Path::new("."))
    }

    /// All paths with their contents: of a root in the order in which they were
    /// added, of a picture by name.
    fn items(&self) -> anyhow::Result<Vec<Item>> {
        match &self.image {
            Some(image) => {
                let picture = open_picture(image, &OpenRequest::default())?;
                items_of_tree(&picture)
            }
            None => Ok(items_of_root(&open_root_files(self.root())?)),
        }
    }
}

/// The types of PixelFS on a command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(super) enum TypeArg {
    Py,
    PxiModule,
    World,
    Model,
    Config,
    Data,
}

impl From<TypeArg> for PixelType {
    fn from(arg: TypeArg) -> Self {
        match arg {
            TypeArg::Py => Self::Py,
            TypeArg::PxiModule => Self::PxiModule,
            TypeArg::World => Self::World,
            TypeArg::Model => Self::Model,
            TypeArg::Config => Self::Config,
            TypeArg::Data => Self::Data,
        }
    }
}

/// A path and what is known of it.
#[derive(Debug, Clone)]
struct Item {
    path: String,
    id: u32,
    kind: String,
    size: u64,
    description: String,
    requires: Vec<String>,
    original_path: String,
    /// Not known of a content that is not registered.
    sha256: Option<Digest>,
}

impl Item {
    fn rgba(&self) -> [u8; 4] {
        self.id.to_be_bytes()
    }

    fn json(&self) -> Value {
        let mut value = json!({
            "path": self.path, "id": id_text(self.id), "rgba": self.rgba(), "type": self.kind,
            "size": self.size, "description": self.description,
        });
        if let Some(sha256) = &self.sha256 {
            value["sha256"] = hex(sha256).into();
        }
        if !self.original_path.is_empty() {
            value["original_path"] = self.original_path.as_str().into();
        }
        if !self.requires.is_empty() {
            value["requires"] = json!(self.requires);
        }
        value
    }
}

/// A colour as the Python tools print it.
fn rgba_text([red, green, blue, alpha]: [u8; 4]) -> String {
    format!("({red}, {green}, {blue}, {alpha})")
}

fn items_of_root(root: &Root) -> Vec<Item> {
    let item = |entry: &crate::legacy::root::PathEntry| {
        let content = root.content(entry.id);
        Item {
            path: entry.path.clone(),
            id: entry.id,
            kind: pixel_type(&entry.kind).name().to_owned(),
            size: content.map_or(entry.size, |content| content.original_size),
            description: entry.description.clone(),
            requires: entry.requires.clone(),
            original_path: entry.original_path.clone(),
            sha256: content.map(|content| content.sha256),
        }
    };
    root.paths.iter().map(item).collect()
}

fn items_of_tree(tree: &dyn PixelTree) -> anyhow::Result<Vec<Item>> {
    let mut items = Vec::new();
    walk(tree, ROOT_INO, &mut |step| {
        match step {
            // What lies there is no path of PixelFS, but beside them.
            Step::Entry(path, _) if path == COMPANIONS.as_bytes() => return Ok(false),
            Step::Entry(path, attr) if attr.kind == FileKind::Regular => {
                let pixel = tree.pixel(attr.ino)?;
                let text = |name: &[u8]| {
                    let value = tree.xattr(attr.ino, name).unwrap_or_default();
                    String::from_utf8_lossy(&value).into_owned()
                };
                items.push(Item {
                    path: format!("/{}", String::from_utf8_lossy(path)),
                    id: u32::from_be_bytes(pixel.id),
                    kind: tree.pixel_type(attr.ino)?.name().to_owned(),
                    size: pixel.size,
                    description: text(b"user.pxfs.description"),
                    requires: text(b"user.pxfs.requires").lines().map(str::to_owned).collect(),
                    original_path: text(b"user.pxfs.original_path"),
                    sha256: Some(pixel.sha256),
                });
            }
            Step::Entry(..) => {}
            Step::Failed(path, error) => log::warn!("/{}: {error}", escape(path)),
        }
        Ok(true)
    })?;
    Ok(items)
}

/// What a content is asked for by.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Name {
    Path(String),
    Id(u32),
    Digest(Digest),
}

/// Understands a path, an id (`0x499602D2`, also without `0x`, or a colour
/// `73,150,2,210`) or 64 hexadecimal digits.
fn parse_name(text: &str) -> Result<Name, String> {
    if text.starts_with('/') {
        return Ok(Name::Path(text.to_owned()));
    }
    let colour: Option<Vec<u8>> = text.split(',').map(|part| part.trim().parse().ok()).collect();
    if let Some([red, green, blue, alpha]) = colour.as_deref() {
        return Ok(Name::Id(u32::from_be_bytes([*red, *green, *blue, *alpha])));
    }
    if text.len() == 64
        && let Ok(digest) = super::image_args::parse_digest(text)
    {
        return Ok(Name::Digest(digest.0));
    }
    parse_id(text)
        .map(Name::Id)
        .map_err(|_| format!("'{text}' is no path from /, no id like 0x499602D2 and no SHA-256"))
}

/// Understands an id in hexadecimal, with or without `0x`, as the Python tools do.
fn parse_id(text: &str) -> Result<u32, String> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    let is_hex = (1..=8).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let id = is_hex.then(|| u32::from_str_radix(digits, 16).ok()).flatten();
    id.ok_or_else(|| format!("'{text}' is no id (up to 8 hexadecimal digits)"))
}

/// A path of a picture or a root on a command line: UTF-8, from `/`.
fn parse_path(text: &str) -> Result<String, String> {
    match text.starts_with('/') {
        true => Ok(text.to_owned()),
        false => Err(format!("'{text}' does not begin with /")),
    }
}

/// Prints a table: the columns are as wide as they need to be.
pub(super) fn print_table(
    out: &mut dyn std::io::Write,
    head: &[&str],
    rows: &[Vec<String>],
) -> std::io::Result<()> {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([head[column].len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let mut line = |cells: &[&str]| {
        let mut text = String::new();
        for (cell, width) in cells.iter().zip(&widths) {
            text.push_str(&format!("{cell:<width$}  "));
        }
        writeln!(out, "{}", text.trim_end())
    };
    line(head)?;
    for row in rows {
        line(&row.iter().map(String::as_str).collect::<Vec<_>>())?;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn contents_are_asked_for_in_many_ways() {
        assert_eq!(parse_name("/a b"), Ok(Name::Path("/a b".into())));
        for text in ["0x499602D2", "499602d2", "73,150,2,210", "73, 150, 2, 210"] {
            assert_eq!(parse_name(text), Ok(Name::Id(0x499602D2)), "{text}");
        }
        assert_eq!(parse_name(&"ab".repeat(32)), Ok(Name::Digest([0xab; 32])));
        for text in ["", "a/b", "0x", "0x123456789", "1,2,3", "1,2,3,256", "xyz"] {
            assert!(parse_name(text).is_err(), "{text}");
        }
    }
}
