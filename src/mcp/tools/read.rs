//! `read_text_file` (and its old name `read_file`), `read_media_file`,
//! `read_multiple_files`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rmcp::model::{ContentBlock, JsonObject, ResourceContents};
use rmcp::schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::path::{Found, find_file};
use super::super::reply::Reply;
use super::super::resources::{mime_type, uri_of};
use super::super::text::show;
use super::super::work::{Failure, Result};
use super::{Context, Effect, PathArgs, Spec, parse, schema, text_output};
use crate::fs::Tree;

/// Bytes of text that one call gives.
pub(super) const MAX_TEXT: u64 = 4 << 20;
/// Bytes of a file that are given in base64.
pub(in crate::mcp) const MAX_MEDIA: u64 = 8 << 20;
/// Files that one call reads.
const MAX_FILES: usize = 100;
/// Bytes that are read at a time to find lines.
const PIECE: usize = 1 << 16;

pub(super) fn specs() -> Vec<Spec> {
    vec![
        Spec {
            name: "read_text_file",
            title: "Read text file",
            about: "A file as text, whole, or its first (head) or last (tail) lines. At most 4 MiB \
                    at a time. Binary files are for read_media_file.",
            effect: Effect::Reads,
            input: schema::<TextArgs>,
            output: text_output,
            run: read_text_file,
        },
        Spec {
            name: "read_file",
            title: "Read file",
            about: "The same as read_text_file, under its old name.",
            effect: Effect::Reads,
            input: schema::<TextArgs>,
            output: text_output,
            run: read_text_file,
        },
        Spec {
            name: "read_media_file",
            title: "Read media file",
            about: "A file of at most 8 MiB in base64: a picture or sound as such, anything else \
                    as an embedded resource.",
            effect: Effect::Reads,
            input: schema::<PathArgs>,
            output: media_output,
            run: read_media_file,
        },
        Spec {
            name: "read_multiple_files",
            title: "Read multiple files",
            about: "Up to 100 text files at once, each after its path. One that cannot be read \
                    does not stop the others.",
            effect: Effect::Reads,
            input: schema::<FilesArgs>,
            output: text_output,
            run: read_multiple_files,
        },
    ]
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(crate = "rmcp::schemars")]
struct TextArgs {
    /// The path in the tree, from /
    path: String,
    /// Only the first so many lines
    #[serde(default, deserialize_with = "lines")]
    #[schemars(range(min = 1))]
    head: Option<u64>,
    /// Only the last so many lines
    #[serde(default, deserialize_with = "lines")]
    #[schemars(range(min = 1))]
    tail: Option<u64>,
}

/// A number of lines; clients write `5` or `5.0`.
fn lines<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    use serde::de::Error as _;
    let Some(number) = Option::<f64>::deserialize(deserializer)? else { return Ok(None) };
    match number.fract() == 0.0 && (1.0..=1e15).contains(&number) {
        true => Ok(Some(number as u64)),
        false => Err(D::Error::custom("a number of lines is whole, and 1 or more")),
    }
}

fn read_text_file(context: &Context<'_>, arguments: JsonObject) -> Result<Reply> {
    let args: TextArgs = parse(arguments)?;
    let tree = context.place.tree()?;
    let file = find_file(&*tree, &args.path)?;
    let bytes = match (args.head, args.tail) {
        (Some(_), Some(_)) => {
            return Err(Failure::said("head and tail cannot both be given"));
        }
        (Some(lines), None) => head(context, &*tree, &file, lines)?,
        (None, Some(lines)) => tail(context, &*tree, &file, lines)?,
        (None, None) if file.attr.size > MAX_TEXT => {
            let (path, size) = (file.shown(), file.attr.size);
            return Err(Failure::said(format!(
                "{path}: has {size} bytes, more than the {MAX_TEXT} that one call gives; use head \
                 or tail"
            )));
        }
        (None, None) => read(&*tree, &file, 0, file.attr.size as usize)?,
    };
    Ok(Reply::text(text_of(&file, bytes)?))
}

/// Reads a part of a file; less at its end.
pub(in crate::mcp) fn read(tree: &dyn Tree, file: &Found, at: u64, len: usize) -> Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    let mut filled = 0;
    while filled < len {
        let read = tree.read(file.attr.ino, at + filled as u64, &mut bytes[filled..]);
        match read.map_err(Failure::at(&file.path))? {
            0 => break,
            read => filled += read,
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// Bytes as text.
fn text_of(file: &Found, bytes: Vec<u8>) -> Result<String> {
    let binary = |at: usize| {
        let path = file.shown();
        Failure::said(format!("{path}: is no text (byte {at} is none); use read_media_file"))
    };
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        return Err(binary(at));
    }
    String::from_utf8(bytes).map_err(|error| binary(error.utf8_error().valid_up_to()))
}

/// The first lines, without the end of the last one.
fn head(context: &Context<'_>, tree: &dyn Tree, file: &Found, lines: u64) -> Result<Vec<u8>> {
    let (mut bytes, mut left) = (Vec::new(), lines);
    loop {
        context.work.go_on()?;
        let piece = read(tree, file, bytes.len() as u64, PIECE)?;
        for (index, _) in piece.iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
            left -= 1;
            if left == 0 {
                bytes.extend_from_slice(&piece[..index]);
                return Ok(bytes);
            }
        }
        bytes.extend_from_slice(&piece);
        if piece.len() < PIECE {
            return Ok(bytes);
        }
        too_long(file, bytes.len())?;
    }
}

/// The last lines, without the end of the last one.
fn tail(context: &Context<'_>, tree: &dyn Tree, file: &Found, lines: u64) -> Result<Vec<u8>> {
    let (mut bytes, mut start, mut left) = (Vec::new(), file.attr.size, lines);
    while start > 0 {
        context.work.go_on()?;
        let len = start.min(PIECE as u64);
        start -= len;
        let mut piece = read(tree, file, start, len as usize)?;
        if bytes.is_empty() && piece.last() == Some(&b'\n') {
            piece.pop();
        }
        for (index, _) in piece.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n') {
            left -= 1;
            if left == 0 {
                piece.drain(..=index);
                piece.extend_from_slice(&bytes);
                return Ok(piece);
            }
        }
        piece.extend_from_slice(&bytes);
        bytes = piece;
        too_long(file, bytes.len())?;
    }
    Ok(bytes)
}

fn too_long(file: &Found, len: usize) -> Result<()> {
    if len as u64 <= MAX_TEXT {
        return Ok(());
    }
    let path = file.shown();
    Err(Failure::said(format!(
        "{path}: so many lines have more than {MAX_TEXT} bytes; ask for less"
    )))
}

fn media_output() -> Value {
    json!({
        "type": "object",
        "properties": { "content": { "type": "array", "items": { "type": "object" } } },
        "required": ["content"],
    })
}

fn read_media_file(context: &Context<'_>, arguments: JsonObject) -> Result<Reply> {
    let args: PathArgs = parse(arguments)?;
    let tree = context.place.tree()?;
    let file = find_file(&*tree, &args.path)?;
    let data = STANDARD.encode(read_limited(&*tree, &file, MAX_MEDIA)?);
    let mime = mime_type(&file.path);
    let block = if mime.starts_with("image/") {
        ContentBlock::image(data, mime)
    } else if mime.starts_with("audio/") {
        ContentBlock::audio(data, mime)
    } else {
        let contents = ResourceContents::blob(data, uri_of(&file.path)).with_mime_type(mime);
        ContentBlock::resource(contents)
    };
    let value = serde_json::to_value(&block).map_err(|error| Failure::said(error.to_string()))?;
    Ok(Reply { content: vec![block], structured: json!({ "content": [value] }) })
}

/// Reads a whole file of at most `limit` bytes.
pub(in crate::mcp) fn read_limited(tree: &dyn Tree, file: &Found, limit: u64) -> Result<Vec<u8>> {
    let (path, size) = (file.shown(), file.attr.size);
    if size > limit {
        let sentence =
            format!("{path}: has {size} bytes, more than the {limit} that one call gives");
        return Err(Failure::said(sentence));
    }
    read(tree, file, 0, size as usize)
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(crate = "rmcp::schemars")]
struct FilesArgs {
    /// Paths in the tree, from /
    #[schemars(length(min = 1, max = 100))]
    paths: Vec<String>,
}

fn read_multiple_files(context: &Context<'_>, arguments: JsonObject) -> Result<Reply> {
    let args: FilesArgs = parse(arguments)?;
    if args.paths.is_empty() || args.paths.len() > MAX_FILES {
        return Err(Failure::said(format!("paths has 1 to {MAX_FILES} paths")));
    }
    let tree = context.place.tree()?;
    let (mut parts, mut left) = (Vec::new(), MAX_TEXT);
    for (number, path) in args.paths.iter().enumerate() {
        context.work.step(number as u64)?;
        let text = find_file(&*tree, path).and_then(|file| {
            let bytes = read_limited(&*tree, &file, left)?;
            text_of(&file, bytes)
        });
        let shown = show(path.as_bytes());
        parts.push(match text {
            Ok(text) => {
                left -= text.len() as u64;
                format!("{shown}:\n{text}\n")
            }
            Err(Failure::Said(sentence)) => format!("{shown}: Error - {sentence}"),
            Err(cancelled) => return Err(cancelled),
        });
    }
    Ok(Reply::text(parts.join("\n---\n")))
}
