//! Boots through the library and through the binary.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use pxfs::boot::{
    DirRoot, Format, Log, Model, NoModel, Options, Outcome, Setup, boot_native, boot_with, sequence,
};
use serde_json::Value;

/// One event of a log.
pub(crate) struct Event(pub(crate) Value);

impl Event {
    pub(crate) fn is(&self, event: &str) -> bool {
        self.0["event"] == event
    }

    pub(crate) fn message(&self) -> &str {
        self.0["message"].as_str().unwrap()
    }
}

pub(crate) fn events(log: &[u8]) -> Vec<Event> {
    let text = std::str::from_utf8(log).unwrap();
    text.lines().map(|line| Event(serde_json::from_str(line).unwrap())).collect()
}

/// All messages of one kind of event.
pub(crate) fn messages<'e>(events: &'e [Event], event: &str) -> Vec<&'e str> {
    events.iter().filter(|found| found.is(event)).map(Event::message).collect()
}

pub(crate) fn names(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.0["event"].as_str().unwrap()).collect()
}

pub(crate) fn boot(root: &Path, options: Options) -> (Outcome, Vec<Event>) {
    boot_asking(root, options, &mut NoModel)
}

pub(crate) fn boot_asking(
    root: &Path,
    options: Options,
    model: &mut dyn Model,
) -> (Outcome, Vec<Event>) {
    walk(root, options, model, false)
}

pub(crate) fn native(root: &Path, options: Options) -> (Outcome, Vec<Event>) {
    walk(root, options, &mut NoModel, true)
}

fn walk(
    root: &Path,
    options: Options,
    model: &mut dyn Model,
    is_native: bool,
) -> (Outcome, Vec<Event>) {
    let text = std::fs::read_to_string(root.join("boot_sequence.json"));
    let sequence = sequence::parse(text.as_deref().unwrap_or(sequence::TEMPLATE)).unwrap();
    let source = DirRoot::open(root).unwrap();
    let mut bytes = Vec::new();
    let mut log = Log::new(Format::Json, vec![Box::new(&mut bytes)]);
    let setup = Setup::new(options, model);
    let outcome = match is_native {
        true => boot_native(&source, &sequence, setup, &mut log),
        false => boot_with(&source, &sequence, setup, &mut log),
    };
    drop(log);
    (outcome.unwrap(), events(&bytes))
}

/// The binary with a text at its standard input.
pub(crate) fn pxboot(root: &Path, args: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_pxfs"))
        .arg("boot")
        .arg(root)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may end without having read all.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

pub(crate) fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
