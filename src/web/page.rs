//! The files of the page, as they are in the binary.

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::reply::{Fault, Reply};

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SVG: &str = "image/svg+xml";

const INDEX: &[u8] = include_bytes!("page/index.html");

macro_rules! files {
    ($($name:literal $kind:ident,)*) => {
        [$(($name, $kind, include_bytes!(concat!("page/", $name)) as &[u8]),)*]
    };
}

const FILES: [(&str, &str, &[u8]); 13] = files![
    "style.css" STYLE,
    "icon.svg" SVG,
    "main.js" SCRIPT,
    "api.js" SCRIPT,
    "canvas.js" SCRIPT,
    "chat.js" SCRIPT,
    "dom.js" SCRIPT,
    "files.js" SCRIPT,
    "hex.js" SCRIPT,
    "machine.js" SCRIPT,
    "picture.js" SCRIPT,
    "state.js" SCRIPT,
    "boot.js" SCRIPT,
];

/// `GET /`
pub(super) async fn index() -> Response {
    ([(header::CONTENT_TYPE, HTML)], INDEX).into_response()
}

/// `GET /page/NAME`
pub(super) async fn file(Path(name): Path<String>) -> Reply {
    let found = FILES.iter().find(|(own, ..)| *own == name);
    let none = || Fault::new(StatusCode::NOT_FOUND, "the page has no such file");
    let (_, kind, bytes) = found.ok_or_else(none)?;
    Ok(([(header::CONTENT_TYPE, *kind)], *bytes).into_response())
}
