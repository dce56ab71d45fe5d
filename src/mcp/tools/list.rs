//! `list_directory`, `list_directory_with_sizes`, `directory_tree`.

use rmcp::model::JsonObject;
use rmcp::schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::path::find_dir;
use super::super::reply::Reply;
use super::super::text::show;
use super::super::work::{Failure, Result};
use super::search::Globs;
use super::{Context, Effect, PathArgs, Spec, parse, schema, text_output};
use crate::fs::{FileKind, Ino, Tree};

/// Names that a listing has.
const MAX_NAMES: usize = 10_000;
/// Names that a tree has, and how deep it goes.
const MAX_TREE: usize = 20_000;
const MAX_DEPTH: usize = 100;

pub(super) fn specs() -> Vec<Spec> {
    vec![
        Spec {
            name: "list_directory",
            title: "List directory",
            about: "The names in a directory, one a line, after [DIR] or [FILE]. Begin with path /.",
            effect: Effect::Reads,
            input: schema::<PathArgs>,
            output: text_output,
            run: list_directory,
        },
        Spec {
            name: "list_directory_with_sizes",
            title: "List directory with sizes",
            about: "The names in a directory with the sizes of files, and their sum.",
            effect: Effect::Reads,
            input: schema::<SizesArgs>,
            output: text_output,
            run: list_with_sizes,
        },
        Spec {
            name: "directory_tree",
            title: "Directory tree",
            about: "Everything below a directory as JSON: name, type (file or directory), and \
                    children of directories. For a large tree ask for a part of it.",
            effect: Effect::Reads,
            input: schema::<TreeArgs>,
            output: text_output,
            run: directory_tree,
        },
    ]
}

/// A name and what kind of file has it.
type Named = (Vec<u8>, FileKind);

/// What is in a directory, by name; and how much more there is than is given.
fn entries(tree: &dyn Tree, dir: Ino) -> crate::fs::Result<(Vec<Named>, usize)> {
    let (mut names, mut more) = (Vec::new(), 0);
    tree.read_dir(dir, 0, &mut |entry| {
        match names.len() < MAX_NAMES {
            true => names.push((entry.name.to_vec(), entry.kind)),
            false => more += 1,
        }
        true
    })?;
    Ok((names, more))
}

fn tag(kind: FileKind) -> &'static str {
    if kind == FileKind::Directory { "[DIR]" } else { "[FILE]" }
}

fn add_more(lines: &mut Vec<String>, more: usize) {
    if more > 0 {
        lines.push(format!("({more} more names are not shown; search_files finds some of many)"));
    }
}

fn list_directory(context: &Context<'_>, arguments: JsonObject) -> Result<Reply> {
    let args: PathArgs = parse(arguments)?;
    let tree = context.place.tree()?;
    let dir = find_dir(&*tree, &args.path)?;
    let (names, more) = entries(&*tree, dir.attr.ino).map_err(Failure::at(&dir.path))?;
    let line = |(name, kind): &(Vec<u8>, FileKind)| format!("{} {}", tag(*kind), show(name));
    let mut lines: Vec<String> = names.iter().map(line).collect();
    add_more(&mut lines, more);
    Ok(Reply::text(lines.join("\n")))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(crate = "rmcp::schemars")]
struct SizesArgs {
    /// The path in the tree, from /
    path: String,
    /// In which order
    #[serde(default, rename = "sortBy")]
    sort_by: SortBy,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(crate = "rmcp::schemars", inline)]
enum SortBy {
    #[default]
    Name,
    Size,
}

fn list_with_sizes(context: &Context<'_>, arguments: JsonObject) -> Result<Reply> {
    let args: SizesArgs = parse(arguments)?;
    let tree = context.place.tree()?;
    let dir = find_dir(&*tree, &args.path)?;
    let (names, more) = entries(&*tree, dir.attr.ino).map_err(Failure::at(&dir.path))?;
    let mut rows = Vec::with_capacity(names.len());
    for (number, (name, kind)) in names.iter().enumerate() {
        context.work.step(number as u64)?;
        let size = tree.lookup(dir.attr.ino, name).map_or(0, |attr| attr.size);
        rows.push((show(name), *kind == FileKind::Directory, size));
    }
    if args.sort_by == SortBy::Size {
        rows.sort_by_key(|(_, _, size)| std::cmp::Reverse(*size));
    }
    let files = rows.iter().filter(|(_, is_dir, _)| !is_dir);
    let total = files.clone().fold(0_u64, |sum, (_, _, size)| sum.saturating_add(*size));
    let (files, all) = (files.count(), rows.len());
    let mut lines: Vec<String> = rows
        .into_iter()
        .map(|(name, is_dir, size)| match is_dir {
            true => format!("[DIR] {name:<30} "),
            false => format!("[FILE] {name:<30} {:>10}", size_text(size)),
        })
        .collect();
    add_more(&mut lines, more);
    lines.push(String::new());
    lines.push(format!("Total: {files} files, {} directories", all - files));
    lines.push(format!("Combined size: {}", size_text(total)));
    Ok(Reply::text(lines.join("\n")))
}

/// `1.50 KB`, as the file system server writes sizes.
fn size_text(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KB", "MB", "GB", "TB"];
    let (mut size, mut unit) = (bytes as f64, 0);
    while size >= 1024.0 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    match unit {
        0 => format!("{bytes} B"),
        _ => format!("{size:.2} {}", UNITS[unit]),
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(crate = "rmcp::schemars")]
struct TreeArgs {
    /// The path in the tree, from /
    path: String,
    /// Globs of what is left out, such as "*.png" or "node_modules"
    #[serde(default, rename = "excludePatterns")]
    exclude_patterns: Vec<String>,
}

fn directory_tree(context: &Context<'_>, arguments: JsonObject) -> Result<Reply> {
    let args: TreeArgs = parse(arguments)?;
    let tree = context.place.tree()?;
    let dir = find_dir(&*tree, &args.path)?;
    let excludes = Globs::excludes(&args.exclude_patterns)?;
    let mut walk = Nested { tree: &*tree, excludes, context, seen: 0 };
    let value = walk.children(dir.attr.ino, &mut Vec::new(), &dir.shown(), 0)?;
    Ok(Reply::text(format!("{:#}", Value::Array(value))))
}

/// A path for people, of what was shown already and names below it.
fn below(shown: &str, path: &[u8]) -> String {
    format!("{}/{}", shown.trim_end_matches('/'), show(path))
}

struct Nested<'a> {
    tree: &'a dyn Tree,
    excludes: Globs,
    context: &'a Context<'a>,
    seen: usize,
}

impl Nested<'_> {
    /// What is in a directory; `path` is the way to it from where it began.
    fn children(
        &mut self,
        dir: Ino,
        path: &mut Vec<u8>,
        shown: &str,
        depth: usize,
    ) -> Result<Vec<Value>> {
        let too_much = |what: &str| {
            Failure::said(format!("{shown}: {what}; ask for a part of it, or exclude some"))
        };
        if depth >= MAX_DEPTH || self.context.work.is_late() {
            return Err(too_much("is too deep, or takes too long"));
        }
        let (names, more) = entries(self.tree, dir).map_err(|error| {
            let at = if path.is_empty() { shown.to_owned() } else { below(shown, path) };
            Failure::said(format!("{at}: {error}; excludePatterns can leave it out"))
        })?;
        if more > 0 {
            return Err(too_much("has a directory with too many names"));
        }
        let mut children = Vec::new();
        for (name, kind) in names {
            let len = path.len();
            if len > 0 {
                path.push(b'/');
            }
            path.extend_from_slice(&name);
            if !self.excludes.matches(path) {
                self.seen += 1;
                if self.seen > MAX_TREE {
                    return Err(too_much(&format!("has more than {MAX_TREE} names")));
                }
                self.context.work.step(self.seen as u64)?;
                children.push(self.child(dir, &name, kind, path, shown, depth)?);
            }
            path.truncate(len);
        }
        Ok(children)
    }

    fn child(
        &mut self,
        dir: Ino,
        name: &[u8],
        kind: FileKind,
        path: &mut Vec<u8>,
        shown: &str,
        depth: usize,
    ) -> Result<Value> {
        if kind != FileKind::Directory {
            return Ok(json!({ "name": show(name), "type": "file" }));
        }
        // One that went away meanwhile is empty.
        let children = match self.tree.lookup(dir, name) {
            Ok(attr) => self.children(attr.ino, path, shown, depth + 1)?,
            Err(_) => Vec::new(),
        };
        Ok(json!({ "name": show(name), "type": "directory", "children": children }))
    }
}

#[cfg(test)]
mod tests {
    use super::{below, size_text};

    #[test]
    fn what_is_below_has_one_slash() {
        for (shown, path) in [("/", "/a\\n"), ("/docs", "/docs/a\\n")] {
            assert_eq!(below(shown, b"a\n"), path);
        }
    }

    #[test]
    fn sizes_are_written_as_the_file_system_server_does() {
        let cases = [(0, "0 B"), (1023, "1023 B"), (1536, "1.50 KB"), (5 << 20, "5.00 MB")];
        for (bytes, text) in cases {
            assert_eq!(size_text(bytes), text);
        }
    }
}
