//! The person before a run: lines, or JSON for programs, and a question for each
//! change. Whatever a model wrote is shown, and never steers the terminal.

use std::io::{self, IsTerminal as _, Read as _, Write as _};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::json;

use crate::architect::proposal::Proposal;
use crate::architect::run::{Choice, Event, Front};
use crate::llm::{Cancel, for_terminal};

/// Bytes of an answer that a person types.
const MAX_TYPED: usize = 256;

/// Standard input and output.
pub(super) struct Terminal {
    is_json: bool,
    is_verbose: bool,
    /// Whether a person decides; else everything is kept.
    asks: bool,
    cancel: Cancel,
    /// Whether the line that is written has not ended.
    is_open: bool,
    /// The first failure of the output: a run does not end in the middle for it.
    broken: Option<io::Error>,
}

impl Terminal {
    pub(super) fn new(is_json: bool, is_verbose: bool, asks: bool, cancel: Cancel) -> Self {
        Self { is_json, is_verbose, asks, cancel, is_open: false, broken: None }
    }

    /// Whether all could be shown.
    pub(super) fn finish(self) -> io::Result<()> {
        self.broken.map_or(Ok(()), Err)
    }

    fn put(&mut self, text: &str) {
        let mut out = io::stdout().lock();
        if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            self.broken.get_or_insert(error);
        }
    }

    fn line(&mut self, text: &str) {
        if std::mem::take(&mut self.is_open) {
            self.put("\n");
        }
        self.put(&format!("{}\n", for_terminal(text)));
    }

    fn show_event(&mut self, event: &Event<'_>) {
        match event {
            Event::Start { model, bootable, boot } => {
                let boots = if *bootable { "boots" } else { "does not boot" };
                self.line(&format!("model: {model}"));
                self.line(&format!("system: {boots}: {boot}"));
            }
            Event::Iteration { iteration, left } => {
                self.line(&format!("iteration {iteration} ({left} left)"));
            }
            Event::BadAnswer { reason } => self.line(&format!("  no valid action: {reason}")),
            Event::Action { action } => {
                let note = action.note().lines().next().unwrap_or_default();
                self.line(&format!("  {}: {note}", action.name()));
            }
            // The line of the action says it already.
            Event::Result { result: "done" | "plan_only", .. } => {}
            Event::Result { result, summary } => {
                let summary = summary.trim_end().replace('\n', "\n    ");
                self.line(&format!("  {result}: {summary}"));
            }
            Event::End(outcome) => {
                let (kept, refused) = (outcome.kept, outcome.refused);
                let (count, why) = (outcome.iterations, outcome.end.words());
                self.line(&format!("{count} iterations, {kept} kept, {refused} refused: {why}"));
            }
        }
    }

    fn show_proposal(&mut self, proposal: &Proposal) {
        self.line(&format!("  {}", proposal.summary));
        for file in &proposal.files {
            let was = match file.old_size {
                Some(old) => format!("before {old}"),
                None => "new".to_owned(),
            };
            self.line(&format!("  {} ({} bytes, {was})", file.path, file.size));
            for line in &file.diff {
                self.line(&format!("    {line}"));
            }
        }
        self.line(&format!("  boots now:  {}", proposal.before));
        self.line(&format!("  boots then: {}", proposal.after));
    }
}

impl Front for Terminal {
    fn event(&mut self, event: &Event<'_>) {
        match self.is_json {
            true => match serde_json::to_string(event) {
                Ok(line) => self.put(&(line + "\n")),
                Err(error) => drop(self.broken.get_or_insert(error.into())),
            },
            false => self.show_event(event),
        }
    }

    fn text(&mut self, piece: &str) {
        if self.is_verbose {
            self.put(&for_terminal(piece));
            self.is_open = !piece.ends_with('\n');
        }
    }

    fn choose(&mut self, proposal: &Proposal) -> Choice {
        if self.is_json {
            let text = json!({"event": "proposal", "proposal": proposal}).to_string();
            self.put(&(text + "\n"));
        } else {
            self.show_proposal(proposal);
        }
        if !self.asks {
            return Choice::Yes;
        }
        ask("  keep it? [y/n/q] ", &self.cancel)
    }
}

/// Asks a person until the answer is one; the end of the input, and Ctrl-C, quit.
pub(super) fn ask(question: &str, cancel: &Cancel) -> Choice {
    loop {
        eprint!("{question}");
        let Some(line) = read_line(cancel) else {
            eprintln!();
            return Choice::Quit;
        };
        match line.trim().to_ascii_lowercase().as_str() {
            "y" | "yes" => return Choice::Yes,
            "n" | "no" => return Choice::No,
            "q" | "quit" => return Choice::Quit,
            _ => {}
        }
    }
}

/// A line of standard input, if one comes before it ends or somebody stops.
fn read_line(cancel: &Cancel) -> Option<String> {
    let stdin = io::stdin();
    // A terminal gives a line at a time; nothing may wait in a buffer of ours.
    let mut input = std::fs::File::from(rustix::io::dup(&stdin).ok()?);
    let mut line = Vec::new();
    let tick = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
    while line.len() < MAX_TYPED {
        if cancel.is_cancelled() {
            return None;
        }
        match poll(&mut [PollFd::new(&stdin, PollFlags::IN)], Some(&tick)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => continue,
            Ok(_) => {}
            Err(_) => return None,
        }
        let mut byte = [0];
        match input.read(&mut byte) {
            Ok(1) if byte[0] == b'\n' => return Some(String::from_utf8_lossy(&line).into_owned()),
            Ok(1) => line.push(byte[0]),
            _ => return None,
        }
    }
    Some(String::new())
}

/// Whether a person can be asked.
pub(super) fn is_person_there() -> bool {
    io::stdin().is_terminal()
}
