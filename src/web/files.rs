//! The tree as the page sees it: directories, what is known of a file, its bytes.
//!
//! Paths are bytes, percent-encoded; the page only joins what it was given.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::desk::Shared;
use super::reply::{Fault, Reply, blocking, bytes_response, json_response};
use crate::fs::{
    Attr, DirEntry, FileKind, FsError, MADE_XATTRS, Pixel, PixelTree, Tree, WithHidden, resolve,
};
use crate::pxi::Raster;

/// Entries of a directory in one answer.
const MOST_ENTRIES: usize = 500;
/// Bytes of a file in one answer.
const MOST_BYTES: u64 = 1 << 20;
/// Bytes of an attribute that are shown.
const MOST_VALUE: usize = 4096;
/// Bytes of a picture's file.
const MOST_PICTURE: u64 = 64 << 20;
/// Pixels that are given one by one.
const MOST_PIXELS: usize = 4 << 20;
/// Bytes of a path.
const MOST_PATH: usize = 4096;

/// What a request asks for.
struct Query(Vec<(String, Vec<u8>)>);

impl Query {
    fn parse(text: Option<&str>) -> Self {
        let pairs = text.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (name.to_owned(), decode(value))
        });
        Self(pairs.collect())
    }

    fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_slice())
    }

    fn path(&self) -> Result<&[u8], Fault> {
        let path = self.get("path").unwrap_or(b"/");
        if path.len() > MOST_PATH || path.contains(&0) {
            return Err(Fault::bad("this can be no path"));
        }
        Ok(path)
    }

    fn number(&self, name: &str) -> Result<u64, Fault> {
        let Some(text) = self.get(name) else { return Ok(0) };
        let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
        number.ok_or_else(|| Fault::bad(format!("{name} is no number")))
    }
}

/// Undoes percent-encoding.
fn decode(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let digits = bytes.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (bytes[at], byte) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}

/// Percent-encodes all but letters, digits and the harmless.
fn encode(bytes: &[u8]) -> String {
    let mut out = String::new();
    for byte in bytes {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' => out.push(*byte as char),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

fn tree(shared: &Shared) -> Result<Arc<dyn PixelTree>, Fault> {
    shared.desk.trees.tree().map_err(Fault::failed)
}

/// `GET /api/files/list?path=P&from=N`: entries in the tree's order.
pub(super) async fn list(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Reply {
    blocking(move || {
        let query = Query::parse(query.as_deref());
        let tree = tree(&shared)?;
        let dir = resolve(&*tree, query.path()?, true)?;
        let (mut found, mut next) = (Vec::new(), None);
        tree.read_dir(dir.ino, query.number("from")?, &mut |entry: DirEntry<'_>| {
            found.push((entry.ino, entry.kind, entry.name.to_vec()));
            let is_full = found.len() == MOST_ENTRIES;
            if is_full {
                next = Some(entry.next);
            }
            !is_full
        })?;
        let entries = found.iter().map(|(ino, kind, name)| entry(&*tree, *ino, *kind, name));
        let entries: Vec<Value> = entries.collect();
        Ok(json_response(&json!({"entries": entries, "next": next})))
    })
    .await
}

fn entry(tree: &dyn PixelTree, ino: u64, kind: FileKind, name: &[u8]) -> Value {
    let mut value = json!({
        "name": String::from_utf8_lossy(name),
        "path": encode(name),
        "kind": kind.word(),
    });
    match tree.attr(ino) {
        Ok(attr) => {
            value["size"] = attr.size.into();
            if kind == FileKind::Regular {
                add_pixel(tree, &attr, &mut value);
            }
        }
        Err(error) => value["error"] = error.to_string().into(),
    }
    value
}

fn add_pixel(tree: &dyn PixelTree, attr: &Attr, value: &mut Value) {
    match (tree.pixel(attr.ino), tree.pixel_type(attr.ino)) {
        (Ok(pixel), Ok(kind)) => {
            value["id"] = Pixel::id_text(pixel.id).into();
            value["rgba"] = json!(pixel.id);
            value["sha256"] = crate::store::hex(&pixel.sha256).into();
            value["type"] = kind.name().into();
        }
        (Err(error), _) | (_, Err(error)) => value["error"] = error.to_string().into(),
    }
}

/// `GET /api/files/stat?path=P`: all that is known of a file, its attributes too.
pub(super) async fn stat(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Reply {
    blocking(move || {
        let query = Query::parse(query.as_deref());
        let tree = tree(&shared)?;
        let attr = resolve(&*tree, query.path()?, false)?;
        let mut value = json!({
            "kind": attr.kind.word(),
            "ino": attr.ino,
            "size": attr.size,
            "blocks": attr.blocks,
            "mode": format!("{:04o}", attr.perm),
            "links": attr.nlink,
            "uid": attr.uid,
            "gid": attr.gid,
            "mtime": attr.mtime.secs,
        });
        match attr.kind {
            FileKind::Regular => add_pixel(&*tree, &attr, &mut value),
            FileKind::Symlink => {
                value["target"] = String::from_utf8_lossy(&tree.read_link(attr.ino)?).into();
            }
            _ => {}
        }
        value["xattrs"] = xattrs(&WithHidden::new(tree), attr.ino).into();
        Ok(json_response(&value))
    })
    .await
}

/// The stored ones and those that a tree answers without listing them.
fn xattrs(tree: &WithHidden, ino: u64) -> Map<String, Value> {
    let mut names = tree.xattr_names(ino).unwrap_or_default();
    let made = MADE_XATTRS.iter().map(|name| name.to_vec());
    names.extend(made.filter(|name| !names.contains(name)).collect::<Vec<_>>());
    let mut map = Map::new();
    for name in names {
        let value = match tree.xattr(ino, &name) {
            Ok(value) => shown(&value),
            // A directory is no pixel and has none of those that are made.
            Err(FsError::NoXattr) => continue,
            Err(error) => json!({"error": error.to_string()}),
        };
        map.insert(String::from_utf8_lossy(&name).into_owned(), value);
    }
    map
}

/// A value as text, or in hexadecimal if it is none.
fn shown(value: &[u8]) -> Value {
    let part = &value[..value.len().min(MOST_VALUE)];
    match std::str::from_utf8(part) {
        Ok(text) => json!({"text": text, "size": value.len()}),
        Err(_) => json!({"hex": crate::store::hex(part), "size": value.len()}),
    }
}

/// `GET /api/files/read?path=P&offset=N&length=N`: bytes.
pub(super) async fn read(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Reply {
    blocking(move || {
        let query = Query::parse(query.as_deref());
        let tree = tree(&shared)?;
        let attr = resolve(&*tree, query.path()?, true)?;
        if attr.kind != FileKind::Regular {
            return Err(Fault::new(StatusCode::BAD_REQUEST, "is no regular file"));
        }
        let (offset, length) = (query.number("offset")?, query.number("length")?);
        let left = attr.size.saturating_sub(offset);
        let length = left.min(MOST_BYTES).min(if length == 0 { MOST_BYTES } else { length });
        Ok(bytes_response(read_part(&*tree, &attr, offset, length)?))
    })
    .await
}

/// `GET /api/files/pixels?path=P`: the pixels of a PNG of 8-bit RGBA, four bytes each.
/// A browser's canvas forgets the colours of what is transparent, and in a module
/// every channel counts.
pub(super) async fn pixels(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Reply {
    blocking(move || {
        let query = Query::parse(query.as_deref());
        let png = read_whole(&*tree(&shared)?, query.path()?)?;
        let no_raster = |error: &dyn std::fmt::Display| {
            Fault::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
        };
        let raster = Raster::from_png(&png).map_err(|error| no_raster(&error))?;
        if raster.pixels().len() > MOST_PIXELS {
            return Err(no_raster(&format!("more than {MOST_PIXELS} pixels")));
        }
        let mut response = bytes_response(raster.to_bytes());
        for (name, value) in [("x-width", raster.width()), ("x-height", raster.height())] {
            response.headers_mut().insert(name, value.into());
        }
        Ok(response)
    })
    .await
}

/// Reads a picture's file.
pub(super) fn read_whole(tree: &dyn Tree, path: &[u8]) -> Result<Vec<u8>, Fault> {
    let attr = resolve(tree, path, true)?;
    if attr.kind != FileKind::Regular || attr.size > MOST_PICTURE {
        return Err(Fault::bad(format!("this is no file of at most {MOST_PICTURE} bytes")));
    }
    read_part(tree, &attr, 0, attr.size)
}

fn read_part(tree: &dyn Tree, attr: &Attr, offset: u64, length: u64) -> Result<Vec<u8>, Fault> {
    let mut bytes = vec![0; usize::try_from(length).map_err(Fault::failed)?];
    let mut filled = 0;
    while filled < bytes.len() {
        match tree.read(attr.ino, offset + filled as u64, &mut bytes[filled..])? {
            0 => break,
            read => filled += read,
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_as_the_bytes_they_are() {
        let name: Vec<u8> = (0..=255).collect();
        assert_eq!(decode(&encode(&name)), name);
        assert_eq!(decode("%zz%4"), b"%zz%4");
        let query = Query::parse(Some("path=%2Fa%26b&from=7&x"));
        assert_eq!(query.get("path"), Some(&b"/a&b"[..]));
        assert_eq!(query.number("from").ok(), Some(7));
        assert!(query.number("path").is_err());
    }
}
