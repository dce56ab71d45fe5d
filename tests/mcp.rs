//! `pxfs mcp` as a client sees it: lines of JSON over standard input and output, good
//! ones and others; and over HTTP.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

#[path = "mcp/client.rs"]
mod client;
#[path = "mcp/files.rs"]
mod files;
#[path = "mcp/hostile.rs"]
mod hostile;
#[path = "mcp/http.rs"]
mod http;
#[path = "mcp/machine.rs"]
mod machine;
#[path = "mcp/protocol.rs"]
mod protocol;
#[path = "mcp/writing.rs"]
mod writing;
