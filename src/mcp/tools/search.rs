//! `search_files`, by name, and `search`, by name and content.

use std::path::Path;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use regex::bytes::{Regex, RegexBuilder};
use rmcp::model::JsonObject;
use rmcp::schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::path::{Found, find_dir, join};
use super::super::reply::Reply;
use super::super::text::show;
use super::super::work::{Failure, Result};
use super::read::read;
use super::{Context, Effect, Spec, parse, schema, text_output};
use crate::fs::{Attr, FileKind, FsError, Step, Tree, walk};

/// Matches that one call gives.
const MAX_MATCHES: usize = 1000;
/// Globs that one call has, and bytes of each.
const MAX_GLOBS: usize = 100;
const MAX_GLOB: usize = 1000;
/// Files of which the content is searched, and bytes of a line that are shown.
const MAX_SEARCHED: u64 = 32 << 20;
const MAX_LINE: usize = 300;
/// Memory of a pattern.
const MAX_PATTERN: usize = 1 << 20;

pub(super) fn specs() -> Vec<Spec> {
    vec![
        Spec {
            name: "search_files",
            title: "Search files",
            about: "Paths of files and directories that match a glob, relative to where the \
                    search begins: *.py matches there only, **/*.py at any depth.",
            effect: Effect::Reads,
            input: schema::<FilesArgs>,
            output: text_output,
            run: search_files,
        },
        Spec {
            name: "search",
            title: "Search contents",
            about: "Lines of text files that match a regular expression (like grep -rn), in files \
                    whose names match a glob; without an expression the files themselves.",
            effect: Effect::Reads,
            input: schema::<SearchArgs>,
            output: search_output,
            run: search,
        },
    ]
}

/// Patterns of paths.
#[derive(Debug)]
pub(super) struct Globs(GlobSet);

impl Globs {
    /// Each pattern as it is.
    fn new(patterns: &[String]) -> Result<Self> {
        Self::build(patterns, |pattern| vec![pattern.to_owned()])
    }

    /// A pattern without `*` is left out at any depth, with what is below it.
    pub(super) fn excludes(patterns: &[String]) -> Result<Self> {
        Self::build(patterns, |pattern| match pattern.contains('*') {
            true => vec![pattern.to_owned()],
            false => {
                vec![pattern.to_owned(), format!("**/{pattern}"), format!("**/{pattern}/**")]
            }
        })
    }

    fn build(patterns: &[String], spell: impl Fn(&str) -> Vec<String>) -> Result<Self> {
        let failed = |error: globset::Error| Failure::said(format!("wrong pattern: {error}"));
        if patterns.len() > MAX_GLOBS || patterns.iter().any(|pattern| pattern.len() > MAX_GLOB) {
            let sentence = format!("at most {MAX_GLOBS} patterns of {MAX_GLOB} bytes can be given");
            return Err(Failure::said(sentence));
        }
        let mut set = GlobSetBuilder::new();
        for pattern in patterns.iter().flat_map(|pattern| spell(pattern)) {
            set.add(GlobBuilder::new(&pattern).literal_separator(true).build().map_err(failed)?);
        }
        Ok(Self(set.build().map_err(failed)?))
    }

    pub(super) fn matches(&self, path: &[u8]) -> bool {
        use std::os::unix::ffi::OsStrExt as _;
        self.0.is_match(Path::new(std::ffi::OsStr::from_bytes(path)))
    }
}

/// How a walk ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Whole,
    Full,
    Late,
}

/// Is given a path and its attributes; see [`each`].
type Visit<'a> = dyn FnMut(&[u8], &Attr) -> Result<Option<bool>> + 'a;

/// Visits what is below a directory. `visit` tells whether a directory is entered,
/// or that there is enough.
fn each(context: &Context<'_>, tree: &dyn Tree, dir: &Found, visit: &mut Visit<'_>) -> Result<End> {
    let (mut end, mut failure, mut seen) = (End::Whole, None, 0);
    let mut step = |path: &[u8], attr: &Attr| -> Result<Option<bool>> {
        seen += 1;
        context.work.step(seen)?;
        if context.work.is_late() {
            end = End::Late;
            return Ok(None);
        }
        let on = visit(path, attr)?;
        if on.is_none() {
            end = End::Full;
        }
        Ok(on)
    };
    let walked = walk(tree, dir.attr.ino, &mut |found| {
        // What cannot be read is not found.
        let Step::Entry(path, attr) = found else { return Ok(false) };
        match step(path, attr) {
            Ok(Some(enter)) => Ok(enter),
            // Only to end the walk.
            Ok(None) => Err(FsError::NotFound),
            Err(error) => {
                failure = Some(error);
                Err(FsError::NotFound)
            }
        }
    });
    match failure {
        Some(failure) => Err(failure),
        None if end == End::Whole => walked.map(|()| end).map_err(Failure::at(&dir.path)),
        None => Ok(end),
    }
}

/// What is said of a search that did not see everything.
fn incomplete(context: &Context<'_>, end: End) -> Option<String> {
    match end {
        End::Whole => None,
        End::Full => Some(format!("(more than {MAX_MATCHES} matches; narrow the pattern)")),
        End::Late => {
            let seconds = context.work.limit().as_secs_f64();
            Some(format!("(not everything was searched in {seconds} s; begin further down)"))
        }
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(crate = "rmcp::schemars")]
struct FilesArgs {
    /// Where to begin, from /
    path: String,
    /// A glob for paths relative to there, such as **/*.py
    pattern: String,
    /// Globs of what is left out
    #[serde(default, rename = "excludePatterns")]
    exclude_patterns: Vec<String>,
}

fn search_files(context: &Context<'_>, arguments: JsonObject) -> Result<Reply> {
    let args: FilesArgs = parse(arguments)?;
    let tree = context.place.tree()?;
    let dir = find_dir(&*tree, &args.path)?;
    let (pattern, excludes) = (Globs::new(&[args.pattern])?, Globs::new(&args.exclude_patterns)?);
    let mut lines = Vec::new();
    let end = each(context, &*tree, &dir, &mut |path, _| {
        if excludes.matches(path) {
            return Ok(Some(false));
        }
        if pattern.matches(path) {
            if lines.len() == MAX_MATCHES {
                return Ok(None);
            }
            lines.push(show(&join(&dir.path, path)));
        }
        Ok(Some(true))
    })?;
    lines.extend(incomplete(context, end));
    Ok(Reply::text(if lines.is_empty() { "No matches found".into() } else { lines.join("\n") }))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(crate = "rmcp::schemars")]
struct SearchArgs {
    /// Where to begin, from /
    #[serde(default)]
    path: String,
    /// A regular expression (Rust syntax, which is that of RE2) that lines match
    #[serde(default)]
    pattern: Option<String>,
    /// A glob for names, such as *.py, or for paths relative to where it begins, such as src/**
    #[serde(default)]
    glob: Option<String>,
    /// Capital letters or not, it is the same
    #[serde(default, rename = "ignoreCase")]
    ignore_case: bool,
    /// Matches at most, up to 1000
    #[serde(default = "default_matches", rename = "maxResults")]
    #[schemars(range(min = 1, max = 1000))]
    max_results: usize,
}

fn default_matches() -> usize {
    100
}

fn search_output() -> Value {
    json!({
        "type": "object",
        "properties": {
            "matches": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "path": { "type": "string" },
                        "line": { "type": "integer", "description": "From 1" },
                        "text": { "type": "string", "description": "The line, at most 300 bytes" },
                    },
                    "required": ["path"],
                },
            },
            "searched": { "type": "integer", "description": "Files that were looked into" },
            "skipped": { "type": "integer", "description": "Binary, unreadable or very large files" },
            "complete": { "type": "boolean" },
        },
        "required": ["matches", "searched", "skipped", "complete"],
    })
}

/// A search in contents.
struct Search<'a> {
    pattern: Option<Regex>,
    most: usize,
    matches: Vec<Value>,
    lines: Vec<String>,
    searched: u64,
    skipped: u64,
    context: &'a Context<'a>,
    tree: &'a dyn Tree,
}

fn search(context: &Context<'_>, arguments: JsonObject) -> Result<Reply> {
    let args: SearchArgs = parse(arguments)?;
    if !(1..=MAX_MATCHES).contains(&args.max_results) {
        return Err(Failure::said(format!("maxResults is 1 to {MAX_MATCHES}")));
    }
    let tree = context.place.tree()?;
    let dir = find_dir(&*tree, &args.path)?;
    let compile = |pattern: &String| {
        let built = RegexBuilder::new(pattern)
            .case_insensitive(args.ignore_case)
            .size_limit(MAX_PATTERN)
            .dfa_size_limit(MAX_PATTERN)
            .build();
        // Its own words are several lines with a drawing.
        built.map_err(|error| {
            let text = error.to_string();
            let reason = text.lines().last().unwrap_or_default().trim();
            Failure::said(format!("wrong pattern: {reason}"))
        })
    };
    let pattern = args.pattern.as_ref().map(compile).transpose()?;
    let glob = args.glob.map(|glob| Globs::new(&[glob])).transpose()?;
    let mut search = Search {
        pattern,
        most: args.max_results,
        matches: Vec::new(),
        lines: Vec::new(),
        searched: 0,
        skipped: 0,
        context,
        tree: &*tree,
    };
    let end = each(context, &*tree, &dir, &mut |path, attr| {
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
        let is_named = glob.as_ref().is_none_or(|glob| glob.matches(path) || glob.matches(name));
        if attr.kind == FileKind::Regular && is_named {
            let file = Found { path: join(&dir.path, path), attr: attr.clone() };
            if !search.file(&file)? {
                return Ok(None);
            }
        }
        Ok(Some(true))
    })?;
    Ok(search.reply(end))
}

impl Search<'_> {
    /// Looks into a file; whether there is room for more.
    fn file(&mut self, file: &Found) -> Result<bool> {
        let Some(pattern) = self.pattern.clone() else {
            return Ok(self.add(json!({ "path": file.shown() }), file.shown()));
        };
        let Some(bytes) = self.content(file)? else {
            self.skipped += 1;
            return Ok(true);
        };
        self.searched += 1;
        for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            if pattern.is_match(line) {
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                let cut = &line[..line.len().min(MAX_LINE)];
                let (path, text) = (file.shown(), String::from_utf8_lossy(cut));
                let shown = format!("{path}:{}: {}", index + 1, show(cut));
                if !self.add(json!({ "path": path, "line": index + 1, "text": text }), shown) {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn add(&mut self, value: Value, line: String) -> bool {
        if self.matches.len() == self.most {
            return false;
        }
        self.matches.push(value);
        self.lines.push(line);
        true
    }

    /// The content of a text file that can be read and is not very large.
    fn content(&self, file: &Found) -> Result<Option<Vec<u8>>> {
        if file.attr.size > MAX_SEARCHED {
            return Ok(None);
        }
        self.context.work.go_on()?;
        let start = read(self.tree, file, 0, (file.attr.size as usize).min(8192));
        match start {
            Ok(start) if start.contains(&0) => Ok(None),
            Ok(_) => Ok(read(self.tree, file, 0, file.attr.size as usize).ok()),
            Err(_) => Ok(None),
        }
    }

    fn reply(mut self, end: End) -> Reply {
        let value = json!({
            "matches": self.matches,
            "searched": self.searched,
            "skipped": self.skipped,
            "complete": end == End::Whole,
        });
        if self.lines.is_empty() {
            self.lines.push("No matches found".to_owned());
        }
        self.lines.extend(match end {
            End::Full => Some(format!("(more than {} matches; narrow the pattern)", self.most)),
            end => incomplete(self.context, end),
        });
        Reply::both(self.lines.join("\n"), value)
    }
}
