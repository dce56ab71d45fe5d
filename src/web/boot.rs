//! The boot log, line by line while the boot goes on.

use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, Write};
use std::sync::Arc;

use axum::extract::{Request, State};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::body::read_json;
use super::desk::Shared;
use super::reply::{Lines, Reply, blocking, stream};
use crate::boot::kernel::{DEFAULT_FUEL, DEFAULT_MEMORY};
use crate::boot::{
    BootRoot, Format, Log, Mode, Model, NoModel, Options, Outcome, OwnSequence, Setup, TreeRoot,
    boot_with, write_start,
};
use crate::fs::WithHidden;
use crate::llm::{Cancel, with_registry};

/// Bytes of a log that are shown.
const MOST_LOG: usize = 8 << 20;

#[derive(Debug, Deserialize)]
struct Asked {
    /// Check every stage and run none.
    dry_run: bool,
    /// Let modules ask models, as `pxboot --llm` does. A picture may come from anywhere
    /// and name any server, so they do not unless a person wants it.
    #[serde(default)]
    llm: bool,
}

/// `POST /api/boot`: a stream of the log's lines, and the end.
pub(super) async fn run(State(shared): State<Arc<Shared>>, request: Request) -> Reply {
    let asked: Asked = read_json(request).await?;
    let place = shared.take_run()?;
    let cancel = Cancel::default();
    let may_ask = asked.llm;
    // The place goes along: whoever closes the window meanwhile gives it back in the end.
    let (mut asking, place) = blocking({
        let (shared, cancel) = (Arc::clone(&shared), cancel.clone());
        move || {
            let asking = may_ask.then(|| shared.machine_model(true, &cancel)).transpose()?;
            Ok((asking, place))
        }
    })
    .await?;
    let (lines, response) = stream();
    let (ended, end) = oneshot::channel::<()>();
    tokio::spawn(cancel_when_closed(cancel, lines.clone(), end));
    std::thread::spawn(move || {
        let mut nobody = NoModel;
        let model: &mut dyn Model = match &mut asking {
            Some(asking) => &mut *asking.model,
            None => &mut nobody,
        };
        let end = match boot(&shared, asked.dry_run, model, lines.clone()) {
            Ok(complete) => json!({"type": "end", "complete": complete}),
            Err(error) => json!({"type": "end", "complete": false, "error": error}),
        };
        drop((asking, place, ended));
        lines.blocking_send(&end);
    });
    Ok(response)
}

/// A boot ends at its next line when its window is closed; a model that is being asked
/// then may be long in coming to that line.
async fn cancel_when_closed(cancel: Cancel, lines: Lines, end: oneshot::Receiver<()>) {
    tokio::select! {
        () = lines.closed() => cancel.cancel(),
        _ = end => {}
    }
}

/// Boots as `pxboot` does.
fn boot(
    shared: &Shared,
    dry_run: bool,
    model: &mut dyn Model,
    lines: Lines,
) -> Result<bool, String> {
    let trees = &shared.desk.trees;
    let tree = WithHidden::new(trees.tree()?);
    let registry = trees.registry_beside()?;
    let log = Log::new(Format::Json, vec![Box::new(LogLines::new(lines))]);
    with_registry(&TreeRoot(&tree), registry, |root| {
        boot_root(root, (&shared.desk.target, dry_run), model, log)
    })
}

fn boot_root(
    root: &dyn BootRoot,
    (target, dry_run): (&str, bool),
    model: &mut dyn Model,
    mut log: Log<'_>,
) -> Result<bool, String> {
    let own = OwnSequence::of(root).map_err(|error| error.to_string())?;
    let (origin, sequence) = (own.origin(), own.sequence);
    let seed = RandomState::new().hash_one(0);
    let mode = if dry_run { Mode::DryRun } else { Mode::Hosted };
    let options = Options { dry_run, fuel: DEFAULT_FUEL, seed, memory: DEFAULT_MEMORY };
    let outcome = write_start(&mut log, (mode, target), (&sequence, &origin), seed)
        .and_then(|()| boot_with(root, &sequence, Setup::new(options, model), &mut log));
    match outcome {
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
