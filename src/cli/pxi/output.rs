//! Where traces and profiles go: a file, or standard output.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use anyhow::Context;

use super::host::Screen;

/// A writer that knows whether its reader is gone.
pub(super) struct Output {
    writer: Box<dyn Write>,
    name: String,
}

impl Output {
    /// The file, or standard output.
    pub(super) fn open(path: Option<&PathBuf>) -> anyhow::Result<Self> {
        let Some(path) = path else {
            let writer = Box::new(BufWriter::new(io::stdout()));
            return Ok(Self { writer, name: "standard output".into() });
        };
        let name = path.display().to_string();
        let file = File::create(path).with_context(|| format!("cannot write {name}"))?;
        Ok(Self { writer: Box::new(BufWriter::new(file)), name })
    }

    /// The program's text is shown when standard output is free for it.
    pub(super) fn screen(path: Option<&PathBuf>) -> Screen {
        if path.is_some() { Screen::stdout() } else { Screen::Dropped }
    }

    /// Writes a text. False: nobody reads it any more.
    pub(super) fn put(&mut self, text: &str) -> anyhow::Result<bool> {
        let done = self.writer.write_all(text.as_bytes());
        self.heard(done)
    }

    /// Writes what is held back.
    pub(super) fn finish(mut self) -> anyhow::Result<()> {
        let done = self.writer.flush();
        self.heard(done).map(|_| ())
    }

    fn heard(&self, done: io::Result<()>) -> anyhow::Result<bool> {
        match done {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
            done => done.map(|()| true).with_context(|| format!("cannot write {}", self.name)),
        }
    }
}
