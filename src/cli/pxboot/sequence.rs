//! Which boot sequence is taken.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::Context;

use crate::boot::sequence::{self, MAX_BYTES, Sequence};
use crate::boot::{BootRoot, OwnSequence};

/// The sequence to boot, and where it comes from.
pub(super) fn choose_sequence(
    root: &dyn BootRoot,
    named: Option<&Path>,
) -> anyhow::Result<(Sequence, String)> {
    if let Some(path) = named {
        let name = path.display().to_string();
        let text = read_text(path).with_context(|| format!("cannot read {name}"))?;
        let sequence = sequence::parse(&text).with_context(|| format!("boot sequence {name}"))?;
        return Ok((sequence, name));
    }
    let own = OwnSequence::of(root)?;
    let origin = own.origin();
    Ok((own.sequence, origin))
}

fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(io::Error::other(format!("longer than {MAX_BYTES} bytes")));
    }
    Ok(text)
}
