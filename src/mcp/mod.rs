//! The shell for language models: a server of the Model Context Protocol over one
//! place, a picture, a pxOS root or a directory.
//!
//! In: the place, and messages of a client. Out: its files, its boot, its programs'
//! results. Never: anything outside the place; a change without leave (the tools
//! that make changes do not exist then); anything but the protocol on standard output.
//!
//! ```text
//! serve     stdio, and HTTP on loopback        place   the tree, and its editor
//!  +- server   the protocol's requests          work    time, cancelling, progress
//!      +- tools      one file a kind             path, text   names that are safe to show
//!      +- resources  files as resources          audit   one line a call
//! ```
//!
//! This is one of the two places with asynchronous code: the protocol is; each tool
//! is a blocking function on a thread of its own.

mod audit;
mod http;
mod path;
mod place;
mod reply;
mod resources;
mod serve;
mod server;
mod text;
mod tools;
mod work;

pub use http::HttpOptions;
pub use place::Place;
pub use serve::{serve_http, serve_stdio};
pub use server::{Server, ServerOptions};
