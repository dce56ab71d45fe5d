//! `boot_dry_run` and `boot_log`.

use std::cell::Cell;
use std::io::{self, Read as _};
use std::path::Path;
use std::rc::Rc;

use rmcp::model::JsonObject;
use rmcp::schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::reply::Reply;
use super::super::work::{Failure, Result, Work};
use super::{Context, Effect, Spec, parse, schema};
use crate::boot::kernel::DEFAULT_FUEL;
use crate::boot::sequence::Sequence;
use crate::boot::{
    Format, Log, NoModel, Options, Outcome, OwnSequence, Setup, TreeRoot, boot_with,
};
use crate::llm::for_terminal;

/// Steps that all stages of a boot may take together: some seconds.
const MAX_FUEL: u64 = 4_000_000_000;
/// Bytes of a log that are given, from its end.
const MAX_LOG: u64 = 1 << 20;

pub(super) fn specs() -> Vec<Spec> {
    vec![
        Spec {
            name: "boot_dry_run",
            title: "Boot, dry run",
            about: "Checks every stage of the boot sequence (found, readable, digest, header, \
                    imports) and runs none. Says what would stop the boot.",
            effect: Effect::Reads,
            input: schema::<DryArgs>,
            output: boot_output,
            run: dry_run,
        },
        Spec {
            name: "boot_log",
            title: "Boot log",
            about: "The log of the boot that the server was told of; without one, boots now in the \
                    machine, which changes nothing and has no model, and gives the log of that.",
            effect: Effect::Reads,
            input: schema::<LogArgs>,
            output: boot_output,
            run: boot_log,
        },
    ]
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(crate = "rmcp::schemars")]
struct DryArgs {}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(crate = "rmcp::schemars")]
struct LogArgs {
    /// Boot now, even if there is a log
    #[serde(default)]
    boot: bool,
    /// What random numbers begin with: the same seed gives the same boot
    #[serde(default)]
    seed: u64,
}

fn boot_output() -> Value {
    json!({
        "type": "object",
        "properties": {
            "source": { "type": "string", "enum": ["dry run", "boot", "file"] },
            "sequence": { "type": "string", "description": "Where the boot sequence comes from" },
            "complete": { "type": "boolean", "description": "Whether every required stage is fine" },
            "done": { "type": "integer" },
            "skipped": { "type": "integer", "description": "Optional stages that failed" },
            "entries": { "type": "array", "items": { "type": "object" } },
        },
        "required": ["source", "entries"],
    })
}

fn dry_run(context: &Context<'_>, arguments: JsonObject) -> Result<Reply> {
    let DryArgs {} = parse(arguments)?;
    boot(context, Options { dry_run: true, ..Options::default() })
}

fn boot_log(context: &Context<'_>, arguments: JsonObject) -> Result<Reply> {
    let args: LogArgs = parse(arguments)?;
    match context.log {
        Some(path) if !args.boot => of_file(path),
        _ => boot(context, Options { seed: args.seed, ..Options::default() }),
    }
}

/// The end of a log that pxboot wrote.
fn of_file(path: &Path) -> Result<Reply> {
    let failed = |error: io::Error| Failure::said(format!("the boot log: {error}"));
    let mut file = std::fs::File::open(path).map_err(failed)?;
    let found = file.metadata().map_err(failed)?;
    if !found.is_file() {
        return Err(Failure::said("the boot log is no regular file"));
    }
    let start = found.len().saturating_sub(MAX_LOG);
    io::Seek::seek(&mut file, io::SeekFrom::Start(start)).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(MAX_LOG).read_to_end(&mut bytes).map_err(failed)?;
    let text = for_terminal(&String::from_utf8_lossy(&bytes));
    // The first line may have been cut.
    let text = match (start, text.split_once('\n')) {
        (1.., Some((_, rest))) => rest.to_owned(),
        _ => text,
    };
    let entries = text.lines().filter(|line| !line.is_empty()).map(entry_of);
    let value = json!({ "source": "file", "entries": entries.collect::<Vec<_>>() });
    Ok(Reply::both(text, value))
}

/// A line of a log: JSON, or `[LEVEL] message`.
fn entry_of(line: &str) -> Value {
    match serde_json::from_str(line) {
        Ok(entry @ Value::Object(_)) => entry,
        _ => match line.strip_prefix('[').and_then(|rest| rest.split_once("] ")) {
            Some((level, message)) => {
                json!({ "level": level.to_lowercase(), "message": message })
            }
            None => json!({ "message": line }),
        },
    }
}

/// Boots, with no more fuel than a call may take.
fn boot(context: &Context<'_>, options: Options) -> Result<Reply> {
    let tree = context.place.whole()?;
    let root = TreeRoot(&*tree);
    let own = OwnSequence::of(&root).map_err(|error| Failure::said(error.to_string()))?;
    let (origin, mut sequence) = (own.origin(), own.sequence);
    limit(&mut sequence);
    let (mut text, mut lines, stopped) = (Vec::new(), Vec::new(), Rc::new(Cell::new(false)));
    let outcome = {
        let mut log = Log::new(Format::Text, vec![sink(&mut text, context.work, &stopped)]);
        log.add(Format::Json, sink(&mut lines, context.work, &stopped));
        boot_with(&root, &sequence, Setup::new(options, &mut NoModel), &mut log)
    };
    context.work.go_on()?;
    let source = if options.dry_run { "dry run" } else { "boot" };
    let lines = String::from_utf8_lossy(&lines);
    let entries: Vec<Value> = lines.lines().map(entry_of).collect();
    let mut value = json!({ "source": source, "sequence": origin, "entries": entries });
    match outcome {
        Ok(Outcome::Complete { done, skipped }) => {
            value["complete"] = true.into();
            value["done"] = done.into();
            value["skipped"] = skipped.into();
        }
        Ok(Outcome::Failed) => value["complete"] = false.into(),
        Err(error) if stopped.get() => {
            text.extend_from_slice(format!("[ERROR] {error}\n").as_bytes());
            value["complete"] = false.into();
        }
        Err(error) => return Err(Failure::said(format!("the boot: {error}"))),
    }
    Ok(Reply::both(String::from_utf8_lossy(&text).into_owned(), value))
}

/// Gives each stage its part of what a call may take.
fn limit(sequence: &mut Sequence) {
    let most = MAX_FUEL / (sequence.stages.len() as u64).max(1);
    for stage in &mut sequence.stages {
        stage.fuel = Some(stage.fuel.unwrap_or(DEFAULT_FUEL).min(most));
    }
}

fn sink<'a>(
    to: &'a mut Vec<u8>,
    work: &'a Work,
    stopped: &Rc<Cell<bool>>,
) -> Box<dyn io::Write + 'a> {
    Box::new(Sink { to, work, stopped: Rc::clone(stopped) })
}

/// A place for a log that has an end, in bytes and in time.
struct Sink<'a> {
    to: &'a mut Vec<u8>,
    work: &'a Work,
    stopped: Rc<Cell<bool>>,
}

impl io::Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let reason = if self.work.go_on().is_err() {
            "the boot was cancelled"
        } else if self.work.is_late() {
            "the boot takes too long, and was stopped"
        } else if self.to.len() + bytes.len() > MAX_LOG as usize {
            "the log is too long, and the boot was stopped"
        } else {
            self.to.extend_from_slice(bytes);
            return Ok(bytes.len());
        };
        self.stopped.set(true);
        Err(io::Error::other(reason))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
