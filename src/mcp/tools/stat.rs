//! `get_file_info`, `stat`, `resolve_pixel`, `list_allowed_directories`.

use std::time::{Duration, UNIX_EPOCH};

use rmcp::model::JsonObject;
use rmcp::schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::path::{find, find_with};
use super::super::reply::Reply;
use super::super::text::show;
use super::super::work::{Failure, Result};
use super::{Context, Effect, PathArgs, Spec, parse, schema, text_output};
use crate::boot::log::rfc3339;
use crate::format::PixelId;
use crate::fs::{Attr, FileKind, FsError, Pixel, PixelTree, ROOT_INO, Step, Time, Tree, walk};
use crate::store::hex;

/// Paths of a pixel that are given.
const MAX_PATHS: usize = 100;

pub(super) fn specs() -> Vec<Spec> {
    vec![
        Spec {
            name: "get_file_info",
            title: "Get file info",
            about: "Size, times, type and permissions of a file or directory, a line each.",
            effect: Effect::Reads,
            input: schema::<PathArgs>,
            output: text_output,
            run: get_file_info,
        },
        Spec {
            name: "stat",
            title: "Stat",
            about: "All that is known of a file or directory, links not followed, with what \
                    PixelFS knows: pixel id, colour, SHA-256, type, description.",
            effect: Effect::Reads,
            input: schema::<PathArgs>,
            output: stat_output,
            run: stat,
        },
        Spec {
            name: "resolve_pixel",
            title: "Resolve pixel",
            about: "What a pixel stands for: give an id (0x499602D2), a colour (73,150,2,210), a \
                    SHA-256 or a path; get id, colour, SHA-256, size and the paths with that content.",
            effect: Effect::Reads,
            input: schema::<PixelArgs>,
            output: pixel_output,
            run: resolve_pixel,
        },
        Spec {
            name: "list_allowed_directories",
            title: "List allowed directories",
            about: "Where files can be: everything is below /.",
            effect: Effect::Reads,
            input: schema::<NoArgs>,
            output: text_output,
            run: list_allowed,
        },
    ]
}

/// No arguments.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(crate = "rmcp::schemars")]
struct NoArgs {}

fn list_allowed(_: &Context<'_>, arguments: JsonObject) -> Result<Reply> {
    let NoArgs {} = parse(arguments)?;
    Ok(Reply::text("Allowed directories:\n/"))
}

/// A time in UTC, as far as a calendar goes.
fn time_text(time: Time) -> String {
    let since = Duration::new(time.secs.max(0).unsigned_abs(), time.nanos);
    rfc3339(UNIX_EPOCH + since)
}

fn get_file_info(context: &Context<'_>, arguments: JsonObject) -> Result<Reply> {
    let args: PathArgs = parse(arguments)?;
    let tree = context.place.tree()?;
    let attr = find(&*tree, &args.path)?.attr;
    let (modified, changed) = (time_text(attr.mtime), time_text(attr.ctime));
    // A tree keeps neither when a file was made nor when it was read.
    let lines = [
        format!("size: {}", attr.size),
        format!("created: {changed}"),
        format!("modified: {modified}"),
        format!("accessed: {modified}"),
        format!("isDirectory: {}", attr.kind == FileKind::Directory),
        format!("isFile: {}", attr.kind == FileKind::Regular),
        format!("permissions: {:03o}", attr.perm & 0o777),
    ];
    Ok(Reply::text(lines.join("\n")))
}

fn stat_output() -> Value {
    json!({
        "type": "object",
        "properties": {
            "path": { "type": "string" },
            "kind": { "type": "string", "enum": [
                "file", "directory", "symlink", "char_device", "block_device", "fifo", "socket"
            ] },
            "size": { "type": "integer" },
            "mode": { "type": "string", "description": "Octal, such as 0644" },
            "uid": { "type": "integer" },
            "gid": { "type": "integer" },
            "links": { "type": "integer" },
            "modified": { "type": "string" },
            "target": { "type": "string", "description": "Of a symbolic link" },
            "pixel": pixel_schema(),
            "type": { "type": "string", "description": "What PixelFS takes it for" },
            "description": { "type": "string" },
            "requires": { "type": "array", "items": { "type": "string" } },
        },
        "required": ["path", "kind", "size", "mode", "uid", "gid", "links", "modified"],
    })
}

fn pixel_schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "id": { "type": "string", "description": "Such as 0x499602D2" },
            "rgba": { "type": "array", "items": { "type": "integer" } },
            "sha256": { "type": "string" },
            "size": { "type": "integer" },
        },
        "required": ["id", "rgba", "sha256", "size"],
    })
}

fn stat(context: &Context<'_>, arguments: JsonObject) -> Result<Reply> {
    let args: PathArgs = parse(arguments)?;
    let tree = context.place.tree()?;
    let found = find_with(&*tree, &args.path, false)?;
    let attr = &found.attr;
    let mut value = json!({
        "path": found.shown(),
        "kind": attr.kind.word(),
        "size": attr.size,
        "mode": format!("{:04o}", attr.perm),
        "uid": attr.uid,
        "gid": attr.gid,
        "links": attr.nlink,
        "modified": time_text(attr.mtime),
    });
    if attr.kind == FileKind::Symlink {
        let target = tree.read_link(attr.ino).map_err(Failure::at(&found.path))?;
        value["target"] = show(&target).into();
    }
    if attr.kind == FileKind::Regular {
        add_pixel(context, attr, &mut value).map_err(Failure::at(&found.path))?;
    }
    let text = |name: &[u8]| tree.xattr(attr.ino, name).ok().filter(|value| !value.is_empty());
    if let Some(description) = text(b"user.pxfs.description") {
        value["description"] = String::from_utf8_lossy(&description).into();
    }
    if let Some(requires) = text(b"user.pxfs.requires") {
        value["requires"] = String::from_utf8_lossy(&requires).lines().collect();
    }
    Ok(Reply::object(value))
}

/// Adds what PixelFS knows of a file; what pxfs itself shows is no pixel.
fn add_pixel(context: &Context<'_>, attr: &Attr, value: &mut Value) -> Result<(), FsError> {
    let Ok(pixels) = context.place.pixels() else { return Ok(()) };
    let tree = pixels.tree();
    match tree.pixel(attr.ino) {
        Ok(pixel) => value["pixel"] = pixel_json(&pixel),
        Err(FsError::NotFound) => return Ok(()),
        Err(error) => return Err(error),
    }
    value["type"] = tree.pixel_type(attr.ino)?.name().into();
    Ok(())
}

fn pixel_json(pixel: &Pixel) -> Value {
    json!({
        "id": Pixel::id_text(pixel.id),
        "rgba": pixel.id,
        "sha256": hex(&pixel.sha256),
        "size": pixel.size,
    })
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(crate = "rmcp::schemars")]
struct PixelArgs {
    /// An id such as 0x499602D2, a colour such as 73,150,2,210, a SHA-256 in hexadecimal, or a path
    pixel: String,
}

fn pixel_output() -> Value {
    let mut schema = pixel_schema();
    schema["properties"]["paths"] = json!({ "type": "array", "items": { "type": "string" } });
    schema["properties"]["complete"] =
        json!({ "type": "boolean", "description": "Whether all paths were looked at" });
    schema["required"] = json!(["id", "rgba", "sha256", "size", "paths", "complete"]);
    schema
}

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
enum Name<'a> {
    Path(&'a str),
    Id(PixelId),
    Digest([u8; 32]),
}

/// What cannot be anything else is a path: other tools take `a/b` for `/a/b`, too.
fn parse_name(text: &str) -> Name<'_> {
    let id = || parse_colour(text).map(Name::Id).or_else(|| parse_hex(text));
    match text.starts_with('/') {
        true => Name::Path(text),
        false => id().unwrap_or(Name::Path(text)),
    }
}

/// A colour: `73,150,2,210`, or as logs write it, `RGBA (73, 150, 2, 210)`.
fn parse_colour(text: &str) -> Option<PixelId> {
    let text = text.strip_prefix("RGBA").unwrap_or(text).trim();
    let inner = text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
    let parts = inner.unwrap_or(text).split(',').map(|part| part.trim().parse().ok());
    PixelId::try_from(parts.collect::<Option<Vec<u8>>>()?).ok()
}

/// `0x499602D2`, `499602D2`, `#499602D2`, or the 64 digits of a SHA-256.
fn parse_hex(text: &str) -> Option<Name<'static>> {
    // `#FFF` would be a colour of three parts.
    let text = text.strip_prefix('#').filter(|rest| rest.len() == 8).unwrap_or(text);
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    if digits.len() == 64 {
        let mut digest = [0; 32];
        for (byte, pair) in digest.iter_mut().zip(digits.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        return Some(Name::Digest(digest));
    }
    (digits.len() <= 8)
        .then(|| u32::from_str_radix(digits, 16).ok())?
        .map(|id| Name::Id(id.to_be_bytes()))
}

fn resolve_pixel(context: &Context<'_>, arguments: JsonObject) -> Result<Reply> {
    let args: PixelArgs = parse(arguments)?;
    let shown = show(args.pixel.as_bytes());
    let pixels = context.place.pixels()?;
    let tree = pixels.tree();
    let at = Failure::at(args.pixel.as_bytes());
    let found = match parse_name(&args.pixel) {
        Name::Path(path) => {
            let file = find(tree, path).map_err(|failure| match path.starts_with('/') {
                true => failure,
                false => Failure::said(format!(
                    "'{shown}' is no id like 0x499602D2, no colour, no SHA-256, and no path here"
                )),
            })?;
            Some(tree.pixel(file.attr.ino).map_err(Failure::at(&file.path))?)
        }
        Name::Id(id) => tree.pixel_by_id(id).map_err(at)?,
        // A content's id is four bytes of its digest: on a clash not the first.
        Name::Digest(digest) if digest == Pixel::EMPTY.sha256 => Some(Pixel::EMPTY),
        Name::Digest(digest) => by_digest(tree, &digest).map_err(at)?,
    };
    let pixel = found.ok_or_else(|| Failure::said(format!("{shown}: no such pixel here")))?;
    let (paths, complete) = paths_of(context, tree, &pixel)?;
    let mut value = pixel_json(&pixel);
    value["paths"] = json!(paths);
    value["complete"] = complete.into();
    Ok(Reply::object(value))
}

fn by_digest(tree: &dyn PixelTree, digest: &[u8; 32]) -> Result<Option<Pixel>, FsError> {
    for id in digest.as_chunks::<4>().0 {
        match tree.pixel_by_id(*id)? {
            Some(pixel) if pixel.sha256 == *digest => return Ok(Some(pixel)),
            _ => {}
        }
    }
    Ok(None)
}

/// The paths with a content, and whether all were looked at.
fn paths_of(
    context: &Context<'_>,
    tree: &dyn PixelTree,
    pixel: &Pixel,
) -> Result<(Vec<String>, bool)> {
    let (mut paths, mut complete, mut seen, mut failure) = (Vec::new(), true, 0, None);
    let walked = walk(tree, ROOT_INO, &mut |step| {
        let Step::Entry(path, attr) = step else { return Ok(true) };
        seen += 1;
        if let Err(error) = context.work.step(seen) {
            failure = Some(error);
            return Err(FsError::NotFound);
        }
        if paths.len() == MAX_PATHS || context.work.is_late() {
            complete = false;
            return Err(FsError::NotFound);
        }
        let may_be = attr.kind == FileKind::Regular && attr.size == pixel.size;
        if may_be && tree.pixel(attr.ino).is_ok_and(|found| found.sha256 == pixel.sha256) {
            paths.push(format!("/{}", show(path)));
        }
        Ok(true)
    });
    match failure {
        Some(failure) => Err(failure),
        None if complete => walked.map(|()| (paths, true)).map_err(Failure::at(b"/")),
        None => Ok((paths, false)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn pixels_are_asked_for_in_many_ways() {
        let colours = ["73,150,2,210", "(73, 150, 2, 210)", "RGBA (73, 150, 2, 210)"];
        for text in ["0x499602D2", "499602d2", "#499602D2"].into_iter().chain(colours) {
            assert_eq!(parse_name(text), Name::Id([73, 150, 2, 210]), "{text}");
        }
        assert_eq!(parse_name(&"ab".repeat(32)), Name::Digest([0xab; 32]));
        for text in ["/a", "", "a/b", "0x", "0x123456789", "1,2,3", "1,2,3,256", "#fff", "\u{fc}"] {
            assert_eq!(parse_name(text), Name::Path(text), "{text}");
        }
    }

    #[test]
    fn times_have_an_end() {
        assert_eq!(time_text(Time { secs: -5, nanos: 0 }), "1970-01-01T00:00:00.000Z");
        assert!(time_text(Time { secs: 1 << 40, nanos: 0 }).ends_with('Z'));
    }
}
