//! The boot log, line by line while the boot goes on.

use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, Write};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::body::read_json;
use super::desk::Shared;
use super::reply::{Fault, Lines, Reply, stream};
use crate::boot::kernel::{DEFAULT_FUEL, DEFAULT_MEMORY};
use crate::boot::log::Entry;
use crate::boot::{Format, Level, Log, Options, Outcome, OwnSequence, Setup, TreeRoot, boot_with};

/// Bytes of a log that are shown.
const MOST_LOG: usize = 8 << 20;

#[derive(Debug, Deserialize)]
struct Asked {
    /// Check every stage and run none.
    dry_run: bool,
}

/// `POST /api/boot`: a stream of the log's lines, and the end.
pub(super) async fn run(State(shared): State<Arc<Shared>>, request: Request) -> Reply {
    let asked: Asked = read_json(request).await?;
    let busy =
        |_| Fault::new(StatusCode::CONFLICT, "something is running already; wait for its end");
    let place = Arc::clone(&shared.runs).try_acquire_owned().map_err(busy)?;
    let (lines, response) = stream();
    std::thread::spawn(move || {
        let end = match boot(&shared, asked.dry_run, lines.clone()) {
            Ok(complete) => json!({"type": "end", "complete": complete}),
            Err(error) => json!({"type": "end", "complete": false, "error": error}),
        };
        drop(place);
        lines.blocking_send(&end);
    });
    Ok(response)
}

fn boot(shared: &Shared, dry_run: bool, lines: Lines) -> Result<bool, String> {
    let tree = shared.desk.trees.tree()?;
    let root = TreeRoot(&*tree);
    let own = OwnSequence::of(&root).map_err(|error| error.to_string())?;
    let (origin, sequence) = (own.origin(), own.sequence);
    let mut log = Log::new(Format::Json, vec![Box::new(LogLines::new(lines))]);
    let seed = RandomState::new().hash_one(0);
    let mode = if dry_run { "dry run of" } else { "booting" };
    let start = format!("pxboot {}: {mode} {}", env!("CARGO_PKG_VERSION"), shared.desk.target);
    let count = format!("Boot sequence: {origin}, {} stages", sequence.stages.len());
    let options = Options { dry_run, fuel: DEFAULT_FUEL, seed, memory: DEFAULT_MEMORY };
    let mut model = shared.desk.models.of_machine();
    let mut write = || {
        log.write(&Entry::new(Level::Info, "start", start.as_str()).seed(seed))?;
        log.write(&Entry::new(Level::Info, "sequence", count.as_str()))?;
        boot_with(&root, &sequence, Setup::new(options, &mut *model), &mut log)
    };
    match write() {
        Ok(Outcome::Complete { .. }) => Ok(true),
        Ok(Outcome::Failed) => Ok(false),
        Err(error) => Err(error.to_string()),
    }
}

/// A log that goes to the page. A boot whose window is closed ends at its next line.
struct LogLines {
    lines: Lines,
    partial: Vec<u8>,
    len: usize,
}

impl LogLines {
    fn new(lines: Lines) -> Self {
        Self { lines, partial: Vec::new(), len: 0 }
    }
}

impl Write for LogLines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.len += bytes.len();
        if self.len > MOST_LOG {
            return Err(io::Error::other(format!("the log has more than {MOST_LOG} bytes")));
        }
        self.partial.extend_from_slice(bytes);
        while let Some(end) = self.partial.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.partial.drain(..=end).collect();
            let entry: Value = serde_json::from_slice(&line)?;
            if !self.lines.blocking_send(&json!({"type": "line", "entry": entry})) {
                return Err(io::Error::other("nobody reads the log any more"));
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
