//! What all tools that read a picture without mounting it have in common.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use anyhow::Context as _;

use super::open::{OpenRequest, open_picture, open_source};
use super::size::parse_size;
use crate::format::Digest;
use crate::fs::{Attr, Tree, Volume, WithHidden, resolve};

/// The picture, and how to open it.
#[derive(Debug, clap::Args)]
pub(super) struct ImageArgs {
    /// The picture; also a pxOS root or a project pixel
    pub image: PathBuf,
    /// Where in the file the picture starts
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    offset: u64,
    /// Memory for caches and for decoding pictures that are not seekable
    #[arg(long, value_name = "SIZE", default_value = "256M", value_parser = parse_size)]
    mem: u64,
    /// Refuse the picture unless it has this digest, and check all reads against it
    #[arg(long, value_name = "HEX", value_parser = parse_digest)]
    digest: Option<DigestArg>,
    /// Where registry and blob of a project pixel lie [default: beside it]
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
}

/// A digest on the command line. (A bare array would be taken for a list of bytes.)
#[derive(Debug, Clone, Copy)]
pub(super) struct DigestArg(pub Digest);

impl ImageArgs {
    /// Opens the picture or the root.
    pub(super) fn open(&self) -> anyhow::Result<WithHidden> {
        open_source(&self.image, &self.request())
    }

    /// Opens the picture, and nothing else.
    pub(super) fn open_picture(&self) -> anyhow::Result<Volume> {
        open_picture(&self.image, &self.request())
    }

    /// How to open it.
    pub(super) fn request(&self) -> OpenRequest {
        let digest = self.digest.map(|DigestArg(digest)| digest);
        OpenRequest { offset: self.offset, mem: self.mem, digest, store: self.store.clone() }
    }
}

/// Parses 64 hexadecimal digits.
pub(super) fn parse_digest(text: &str) -> Result<DigestArg, String> {
    let bad = || format!("'{text}' is not a digest (64 hexadecimal digits)");
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(bad());
    }
    let mut digest = [0; 32];
    for (index, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).map_err(|_| bad())?;
    }
    Ok(DigestArg(digest))
}

/// The inode at a path of the picture; errors name the path.
pub(super) fn find_path(tree: &dyn Tree, path: &OsStr, follow: bool) -> anyhow::Result<Attr> {
    resolve(tree, path.as_bytes(), follow).with_context(|| format!("'{}'", path.display()))
}
