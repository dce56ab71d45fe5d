//! pxfs, a file system that lives in a picture.
//!
//! A picture's raster, read row by row, is a stream of bytes; on that stream
//! lies a compressed, checksummed, content-addressed file system. The layers,
//! each a folder, import only downwards (`tests/tidy.rs` keeps it so):
//!
//! ```text
//! cli        the tools: mount.pxfs, mkfs.pxfs, pxboot, pxi, pxfs ls ...
//! mcp        a server for models: files, boots, programs of one place
//! architect  a model that builds modules, one checked step at a time
//! web        the page for people
//! map        conversations on an infinite map
//! llm        language models: conversations and what answers them
//! builder    pxOS roots, boot pixels and god pixels are made and changed
//! fuse       the only code that knows fuser     mkfs    a source tree becomes a picture
//! pxc        a Python subset -> modules for the machine
//! boot       stages -> machine                  extract a tree becomes files or a tar stream
//! fs         files, directories, attributes     pxi     the machine: isa, asm, cpu
//! store      blocks, codecs, caches, B+trees    legacy  pxOS roots (registries and blobs)
//! format     the layout in bytes, no I/O
//! picture    a picture as a byte stream
//! ```
//!
//! `docs/format.md` specifies the bytes, `docs/architecture.md` the code.

pub mod architect;
pub mod boot;
pub mod builder;
pub mod cli;
pub mod extract;
pub mod format;
pub mod fs;
pub mod fuse;
pub mod legacy;
pub mod llm;
pub mod map;
pub mod mcp;
pub mod mkfs;
pub mod picture;
pub mod pxc;
pub mod pxi;
pub mod store;
pub mod web;
