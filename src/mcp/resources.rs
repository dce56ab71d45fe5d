//! The files as resources: `pxfs:///path`, a page at a time.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, percent_encode};
use rmcp::model::{Resource, ResourceContents, ResourceTemplate};

use super::path::{Found, clean, find_dir};
use super::text::show;
use super::tools::{MAX_MEDIA, read_limited};
use super::work::{Failure, Result, Work};
use crate::fs::{Attr, FileKind, FsError, ROOT_INO, Step, Tree, resolve, walk};

/// Where the paths of resources begin.
const SCHEME: &str = "pxfs://";
/// Resources on a page.
const PAGE: usize = 200;

/// Names all files.
pub(super) const FILES: &str = "pxfs:///{+path}";

/// What is escaped in the path of a URI.
const ESCAPED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The URI of a path.
pub(super) fn uri_of(path: &[u8]) -> String {
    format!("{SCHEME}{}", percent_encode(path, ESCAPED))
}

/// The path of a URI; `None` if it is none of ours.
fn path_of(uri: &str) -> Option<Vec<u8>> {
    let path = uri.strip_prefix(SCHEME)?;
    (path.starts_with('/') && path.len() <= 4096 * 3).then(|| percent_decode_str(path).collect())
}

/// What a name's end says of its content.
pub(super) fn mime_type(path: &[u8]) -> &'static str {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    let end = name.rsplit(|byte| *byte == b'.').next().filter(|end| end.len() < name.len());
    let end = end.map(|end| String::from_utf8_lossy(end).to_ascii_lowercase());
    match end.as_deref().unwrap_or_default() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "bmp" => "image/bmp",
        "svg" => "image/svg+xml",
        "mp3" => "audio/mpeg",
        "wav" => "audio/wav",
        "ogg" => "audio/ogg",
        "flac" => "audio/flac",
        _ => "application/octet-stream",
    }
}

/// The same for texts, which have more kinds.
fn text_type(path: &[u8]) -> &'static str {
    let end = path.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
    match end {
        b"json" => "application/json",
        b"md" => "text/markdown",
        b"html" => "text/html",
        b"py" => "text/x-python",
        b"svg" => "image/svg+xml",
        _ => "text/plain",
    }
}

/// How resources can be named without listing them; by pixel ids only if the place
/// has them as files.
pub(super) fn templates(pixels: bool) -> Vec<ResourceTemplate> {
    let files = ResourceTemplate::new(FILES, "file")
        .with_title("File")
        .with_description("A file of the tree by its path");
    let pixel = ResourceTemplate::new("pxfs:///.pxfs/pixels/{id}", "pixel")
        .with_title("Pixel")
        .with_description("A content by its pixel id: eight hexadecimal digits, such as 499602D2");
    [Some(files), pixels.then_some(pixel)].into_iter().flatten().collect()
}

/// Bytes that a resource's contents have in an answer.
pub(super) fn len(contents: &ResourceContents) -> usize {
    match contents {
        ResourceContents::TextResourceContents { text, .. } => text.len(),
        ResourceContents::BlobResourceContents { blob, .. } => blob.len(),
        _ => 0,
    }
}

/// The files after `cursor`, and the cursor for more.
///
/// # Errors
/// When the cursor was not given out here.
pub(super) fn list(
    tree: &dyn Tree,
    cursor: Option<&str>,
    work: &Work,
) -> Result<(Vec<Resource>, Option<String>)> {
    let after = match cursor {
        None => Vec::new(),
        Some(cursor) => {
            let path: Option<Vec<u8>> =
                cursor.strip_prefix("after:/").map(|path| percent_decode_str(path).collect());
            path.ok_or_else(|| Failure::said("the cursor was not given out by this server"))?
        }
    };
    let (mut page, mut last, mut more, mut seen, mut failure) =
        (Vec::new(), Vec::new(), false, 0, None);
    let walked = walk(tree, ROOT_INO, &mut |step| {
        let Step::Entry(path, attr) = step else { return Ok(false) };
        seen += 1;
        if let Err(error) = work.step(seen) {
            failure = Some(error);
            return Err(FsError::NotFound);
        }
        if attr.kind == FileKind::Directory {
            // One that lies wholly before the page need not be entered.
            return Ok(parts(path).gt(parts(&after)) || is_above(path, &after));
        }
        if attr.kind != FileKind::Regular || !parts(path).gt(parts(&after)) {
            return Ok(false);
        }
        if page.len() == PAGE {
            more = true;
            return Err(FsError::NotFound);
        }
        page.push(resource(path, attr));
        last = path.to_vec();
        Ok(false)
    });
    match failure {
        Some(failure) => return Err(failure),
        None if !more => walked.map_err(Failure::at(b"/"))?,
        None => {}
    }
    let next = more.then(|| format!("after:/{}", percent_encode(&last, ESCAPED)));
    Ok((page, next))
}

/// Paths that go on as `typed` does, without the first slash, directories with one at
/// their end; and whether there are more than `most`.
pub(super) fn complete(tree: &dyn Tree, typed: &str, most: usize) -> (Vec<String>, bool) {
    let (dir, begin) = typed.rsplit_once('/').unwrap_or(("", typed));
    let (mut values, mut more) = (Vec::new(), false);
    // What is no directory has nothing in it.
    let Ok(found) = find_dir(tree, dir) else { return (values, more) };
    let _ = tree.read_dir(found.attr.ino, 0, &mut |entry| {
        // A value must be of use as it stands.
        if let Ok(name) = std::str::from_utf8(entry.name)
            && name.starts_with(begin)
            && show(entry.name) == name
        {
            more = values.len() == most;
            if more {
                return false;
            }
            let slash = if entry.kind == FileKind::Directory { "/" } else { "" };
            let above = if dir.is_empty() { "" } else { "/" };
            values.push(format!("{dir}{above}{name}{slash}"));
        }
        true
    });
    (values, more)
}

fn parts(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/')
}

fn is_above(dir: &[u8], path: &[u8]) -> bool {
    path.strip_prefix(dir).is_some_and(|rest| rest.first() == Some(&b'/'))
}

fn resource(path: &[u8], attr: &Attr) -> Resource {
    let whole = [b"/", path].concat();
    let mime = match mime_type(path) {
        "application/octet-stream" => text_type(path),
        mime => mime,
    };
    let resource = Resource::new(uri_of(&whole), show(path)).with_size(attr.size);
    // Without an end there is nothing that tells texts from others.
    match mime {
        "text/plain" if !path.ends_with(b".txt") => resource,
        mime => resource.with_mime_type(mime),
    }
}

/// Reads a resource; `None` if there is none of that URI.
///
/// # Errors
/// When it is no regular file, too large, or cannot be read.
pub(super) fn read(tree: &dyn Tree, uri: &str) -> Result<Option<ResourceContents>> {
    let Some(path) = path_of(uri) else { return Ok(None) };
    if path.contains(&0) {
        return Ok(None);
    }
    // What leads out is nothing; the rest is as it is, also names that are no UTF-8.
    if let Ok(text) = std::str::from_utf8(&path) {
        clean(text)?;
    }
    let attr = match resolve(tree, &path, true) {
        Err(FsError::NotFound | FsError::NotADirectory(_)) => return Ok(None),
        attr => attr.map_err(Failure::at(&path))?,
    };
    let file = Found { path, attr };
    if file.attr.kind != FileKind::Regular {
        return Err(Failure::said(format!("{}: is not a regular file", file.shown())));
    }
    let bytes = read_limited(tree, &file, MAX_MEDIA)?;
    Ok(Some(match String::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => {
            ResourceContents::text(text, uri).with_mime_type(text_type(&file.path))
        }
        Ok(text) => blob(text.as_bytes(), uri, &file),
        Err(error) => blob(error.as_bytes(), uri, &file),
    }))
}

fn blob(bytes: &[u8], uri: &str, file: &Found) -> ResourceContents {
    ResourceContents::blob(STANDARD.encode(bytes), uri).with_mime_type(mime_type(&file.path))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_uris_and_uris_paths() {
        for path in [&b"/a b/\xff%2e#?"[..], b"/", "/\u{fc}/\u{202e}".as_bytes()] {
            let uri = uri_of(path);
            assert!(uri.is_ascii() && !uri.contains(' '), "{uri}");
            assert_eq!(path_of(&uri).unwrap(), path);
        }
        for bad in ["file:///etc/passwd", "pxfs://host/x", "pxfs:", "", "/a"] {
            assert_eq!(path_of(bad), None, "{bad}");
        }
    }
}
