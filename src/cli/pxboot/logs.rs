//! Where the boot log goes: the console, a new file, the log that is resumed.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use anyhow::{Context, bail};

use super::terminal::Console;
use super::{Cli, LogFormat};
use crate::boot::resume::MAX_LOG;
use crate::boot::{Earlier, Format, Log};

/// The log, and what an earlier one says.
pub(super) fn open_log(cli: &Cli) -> anyhow::Result<(Log<'static>, Earlier)> {
    let format = match cli.log_format {
        LogFormat::Text => Format::Text,
        LogFormat::Json => Format::Json,
    };
    // A shell has standard output for itself.
    let console: Box<dyn Write> = match cli.shell {
        Some(_) => Box::new(Console(io::stderr())),
        None => Box::new(Console(io::stdout())),
    };
    let mut log = Log::new(format, vec![console]);
    let earlier = match &cli.resume {
        None => Earlier::default(),
        Some(path) => {
            let (file, earlier) = resume(path, cli.log.as_deref())
                .with_context(|| format!("cannot resume {}", path.display()))?;
            log.add(Format::Json, Box::new(file));
            earlier
        }
    };
    if let Some(path) = &cli.log {
        let file = File::create(path)
            .with_context(|| format!("cannot write the log {}", path.display()))?;
        log.add(format, Box::new(file));
    }
    Ok((log, earlier))
}

/// Reads a log and leaves it ready for more lines.
fn resume(path: &Path, log: Option<&Path>) -> anyhow::Result<(File, Earlier)> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    if !file.metadata()?.is_file() {
        bail!("it is not a regular file");
    }
    if log.is_some_and(|log| is_same(log, path)) {
        bail!("--log names the same file and would replace it; what happens is appended anyway");
    }
    let mut text = Vec::new();
    (&mut file).take(MAX_LOG + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MAX_LOG {
        bail!("longer than {MAX_LOG} bytes");
    }
    let earlier = Earlier::read(&text)?;
    // A line that was torn off would spoil the next one.
    file.set_len(earlier.whole_bytes() as u64)?;
    file.seek(SeekFrom::End(0))?;
    Ok((file, earlier))
}

fn is_same(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}
