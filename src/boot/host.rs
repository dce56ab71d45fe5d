//! The host of a module that boots: its screen is the boot log, its files and
//! blobs come from the boot root. In a native boot the module is the boot kernel
//! itself, and what it says of the stages is logged as its own word.

use std::io;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use sha2::{Digest as _, Sha256};

use crate::boot::events::{By, is_free_word, writer};
use crate::boot::log::{Asked, Entry, Level, escape};
use crate::boot::model::{Ask, Reply};
use crate::boot::routes::Routes;
use crate::boot::sequence::Stage;
use crate::boot::session::Session;
use crate::pxi::host::{LogLevel, LogLine, StageLabel};
use crate::pxi::{
    BlobReply, BlobRequest, CallError, Files, Host, LlmError, LlmRequest, ScreenError,
};

use super::kernel_line::KernelLine;
use crate::store::hex;

/// Text that one stage may print and log, in bytes.
const MAX_SCREEN: usize = 1 << 20;
/// The same for all stages of a native boot, and for a shell between two lines.
const MAX_TOTAL: usize = 64 << 20;
/// What a line costs beyond its text.
const LINE_COST: usize = 128;
/// Characters after which a line is logged even if it has not ended.
const MAX_LINE: usize = 1000;
/// System calls of one stage that are logged; a loop of them must not fill the disk.
const MAX_CALLS: usize = 100;
/// Policies that one boot may log: all of them must be there to resume it.
const MAX_POLICIES: usize = 256;

/// What a host serves.
#[derive(Debug, Clone, Copy)]
pub(super) enum Role<'a> {
    /// A stage of a hosted boot.
    Stage(&'a Stage),
    /// A shell with a person at the terminal.
    Shell(&'a Stage),
    /// A boot kernel that walks these stages itself.
    Kernel(&'a [Stage]),
}

/// Serves one machine.
pub(super) struct StageHost<'h, 's, 'l> {
    session: &'h mut Session<'s, 'l>,
    role: Role<'h>,
    /// Which stage log lines belong to.
    label: Option<Stage>,
    /// Whether the screen is the terminal.
    is_terminal: bool,
    line: String,
    printed: usize,
    total: usize,
    calls: usize,
    /// Of the last answer of a model.
    answer_tokens: Option<u64>,
    lines: u64,
    /// What the kernel said of the boot.
    pub(super) told: Told,
    /// The log's own failure.
    broken: Option<io::Error>,
}

/// What a native boot kernel has said.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Told {
    pub(super) is_complete: bool,
    pub(super) has_failed: bool,
    pub(super) done: usize,
    pub(super) skipped: usize,
}

impl<'h, 's, 'l> StageHost<'h, 's, 'l> {
    pub(super) fn new(session: &'h mut Session<'s, 'l>, role: Role<'h>) -> Self {
        let label = match role {
            Role::Stage(stage) | Role::Shell(stage) => Some(stage.clone()),
            Role::Kernel(_) => None,
        };
        Self {
            session,
            role,
            label,
            is_terminal: matches!(role, Role::Shell(_)),
            line: String::new(),
            printed: 0,
            total: 0,
            calls: 0,
            answer_tokens: None,
            lines: 0,
            told: Told::default(),
            broken: None,
        }
    }

    /// Lines that were read from the terminal.
    pub(super) fn lines_read(&self) -> u64 {
        self.lines
    }

    /// Logs or shows what was printed since the last line end.
    ///
    /// # Errors
    /// When the log could not be written to, now or before.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        if self.is_terminal {
            // That nobody reads it any more is no failure of the log.
            let _ = self.show();
        } else {
            self.log_rest();
        }
        self.broken.take().map_or(Ok(()), Err)
    }

    fn write(&mut self, entry: Entry<'_>) -> io::Result<()> {
        let entry = match &self.label {
            Some(stage) => entry.of(stage),
            None => entry,
        };
        self.session.log.write(&entry).inspect_err(|error| {
            self.broken.get_or_insert_with(|| io::Error::new(error.kind(), error.to_string()));
        })
    }

    fn log_line(&mut self) -> io::Result<()> {
        let text = format!("| {}", std::mem::take(&mut self.line));
        self.write(Entry::new(Level::Info, "print", text))
    }

    fn log_rest(&mut self) {
        if !self.line.is_empty() && !self.is_terminal {
            // Kept in `broken`.
            let _ = self.log_line();
        }
    }

    fn show(&mut self) -> io::Result<()> {
        let text = std::mem::take(&mut self.line);
        match &mut self.session.terminal {
            Some(terminal) if !text.is_empty() => terminal.show(&text),
            _ => Ok(()),
        }
    }

    /// Whether so many bytes more may be printed or logged.
    fn count(&mut self, bytes: usize) -> Result<(), ScreenError> {
        self.printed += bytes;
        self.total += bytes;
        let limit = if self.is_terminal { MAX_TOTAL } else { MAX_SCREEN };
        if self.printed > limit {
            return Err(ScreenError::Full { limit });
        }
        if self.total > MAX_TOTAL && !self.is_terminal {
            return Err(ScreenError::Full { limit: MAX_TOTAL });
        }
        Ok(())
    }

    fn log_call(&mut self, level: Level, event: &'static str, message: String) {
        self.calls += 1;
        if self.calls > MAX_CALLS {
            return;
        }
        // Kept in `broken`.
        let _ = if self.calls < MAX_CALLS {
            self.write(Entry::new(level, event, message))
        } else {
            let message = "further system calls of this stage are not logged";
            self.write(Entry::new(Level::Warn, event, message))
        };
    }

    /// Writes an entry that is never left out: few can be made, and each is wanted.
    fn log_entry(&mut self, entry: Entry<'_>) {
        self.log_rest();
        // Kept in `broken`.
        let _ = self.write(entry);
    }

    /// What an id means.
    fn target(&self, model: u32) -> Option<String> {
        let Session { routes, model: models, .. } = &*self.session;
        let default = models.default_target().filter(|_| model == 0);
        default.or_else(|| routes.target(model)).map(str::to_owned)
    }

    /// Asks the model that the routing table says.
    fn ask(&mut self, request: &LlmRequest) -> Result<Reply, LlmError> {
        let target = self.target(request.model);
        let who = self.label.as_ref().map_or("", |stage| stage.path.as_str());
        let ask = Ask::new(request, target.as_deref(), who);
        let session = &mut *self.session;
        if target.is_none() && !session.routes.is_empty() {
            let what = format!("the routing table has no model 0x{:08X}", request.model);
            session.model.denied(&ask, &what);
            return Err(LlmError::Failed(what));
        }
        session.model.ask(&ask)
    }

    fn module_line(&mut self, line: &LogLine) -> Result<(), CallError> {
        if !is_free_word(&line.event) {
            return Err(CallError::BadArgument);
        }
        self.count(line.text.len() + LINE_COST).map_err(|_| CallError::NoRoom)?;
        let entry = Entry::new(level(line.level), line.event.clone(), line.text.as_str());
        self.write(entry.by_module()).map_err(|_| CallError::Io)
    }

    /// A line of the boot kernel itself.
    fn kernel_line(&mut self, line: &LogLine) -> Result<(), CallError> {
        match writer(&line.event) {
            Some(By::Host) => return Err(CallError::BadArgument),
            None if !is_free_word(&line.event) => return Err(CallError::BadArgument),
            _ => {}
        }
        // Not the stage's own: that has here what it has in a hosted boot.
        self.total += line.text.len() + LINE_COST;
        if self.total > MAX_TOTAL {
            return Err(CallError::NoRoom);
        }
        self.told.hear(&line.event, line.level);
        let KernelLine { id, steps, text } = KernelLine::parse(&line.text);
        let mut entry = Entry::new(level(line.level), line.event.clone(), text);
        if let Some(id) = id {
            entry = entry.id(id);
        }
        if let Some(steps) = steps {
            entry = entry.steps(steps);
        }
        self.write(entry).map_err(|_| CallError::Io)?;
        if line.event == "shell" && self.session.terminal.is_some() {
            self.is_terminal = true;
            self.session.log.hush();
        }
        Ok(())
    }

    /// The stage that a native kernel means.
    fn named(&self, label: StageLabel) -> Stage {
        let StageLabel { stage, name, path } = label;
        let is_it =
            |known: &&Stage| known.label() == stage && known.name == name && known.path == path;
        if let Role::Kernel(stages) = self.role
            && let Some(known) = stages.iter().find(is_it)
        {
            return known.clone();
        }
        Stage { stage: stage.into(), name, ..Stage::unnamed(&path) }
    }
}

impl Told {
    fn hear(&mut self, event: &str, level: LogLevel) {
        match event {
            "complete" => self.is_complete = true,
            "failed" => self.has_failed = true,
            "stage-complete" => self.done += 1,
            _ if level == LogLevel::Warn && writer(event) == Some(By::Kernel) => self.skipped += 1,
            _ => {}
        }
    }
}

fn level(level: LogLevel) -> Level {
    match level {
        LogLevel::Info => Level::Info,
        LogLevel::Warn => Level::Warn,
        LogLevel::Error => Level::Error,
    }
}

impl Host for StageHost<'_, '_, '_> {
    fn print(&mut self, c: char) -> Result<(), ScreenError> {
        let ends = c == '\n' || self.line.len() >= MAX_LINE;
        let line_cost = if ends && !self.is_terminal { LINE_COST } else { 0 };
        self.count(c.len_utf8() + line_cost)?;
        if self.is_terminal {
            match c {
                '\n' | '\t' => self.line.push(c),
                // A file that is shown must not steer the terminal.
                c if c.is_control() => self.line.push_str(&escape(c.encode_utf8(&mut [0; 4]))),
                c => self.line.push(c),
            }
            return if ends { self.show().map_err(closed) } else { Ok(()) };
        }
        if c != '\n' {
            self.line.push(c);
        }
        if ends { self.log_line().map_err(closed) } else { Ok(()) }
    }

    fn blob(&mut self, request: &BlobRequest) -> BlobReply {
        let reply = self.session.files.root().blob(request);
        let call = format!("SYS_BLOB 0x{:08X}", request.id);
        match &reply.result {
            Ok(bytes) => {
                self.log_call(Level::Info, "blob", format!("{call}: {} bytes", bytes.len()));
            }
            Err(error) => self.log_call(Level::Warn, "blob-failed", format!("{call}: {error}")),
        }
        reply
    }

    fn llm(&mut self, request: &LlmRequest) -> Result<String, LlmError> {
        let start = Instant::now();
        let answer = self.ask(request);
        let mut asked = Asked {
            model: self.target(request.model).unwrap_or_default(),
            prompt_sha256: hex(&Sha256::digest(&request.prompt)),
            prompt_bytes: request.prompt.len(),
            tokens: None,
        };
        self.answer_tokens = None;
        let (level, event, message) = match &answer {
            Ok(reply) => {
                (asked.model, asked.tokens) = (reply.model.clone(), reply.tokens);
                self.answer_tokens = reply.tokens;
                let (model, bytes, given) = (request.model, request.prompt.len(), reply.text.len());
                let message = format!("LLM 0x{model:08X}: {bytes} bytes asked, {given} answered");
                (Level::Info, "llm", message)
            }
            Err(error) => (Level::Warn, "llm-refused", format!("SYS_LLM: {error}")),
        };
        self.log_entry(Entry::new(level, event, message).asked(asked, start.elapsed()));
        answer.map(|reply| reply.text)
    }

    fn answer_tokens(&self) -> Option<u64> {
        self.answer_tokens
    }

    fn model_names(&self, model: u32) -> Vec<String> {
        self.target(model).into_iter().collect()
    }

    fn route(&mut self, target: &str, model: u32) -> Result<(), CallError> {
        if !self.session.model.has(target) {
            return Err(CallError::NotFound);
        }
        self.session.routes.enter(model, target)?;
        let line = Routes::line(model, target);
        self.log_rest();
        // Not among the calls that are counted: to resume the boot all must be there.
        let entry = Entry::new(Level::Info, "route", format!("Route: {line}")).route(line);
        self.write(entry).map_err(|_| CallError::Io)
    }

    fn files(&self) -> Option<&dyn Files> {
        Some(&self.session.files)
    }

    fn log(&mut self, line: &LogLine) -> Result<(), CallError> {
        self.log_rest();
        match self.role {
            Role::Kernel(_) if line.depth == 0 => self.kernel_line(line),
            _ => self.module_line(line),
        }
    }

    fn stage(&mut self, label: Option<StageLabel>) -> Result<(), CallError> {
        if !matches!(self.role, Role::Kernel(_)) {
            return Err(CallError::NotSupported);
        }
        self.log_rest();
        self.label = label.map(|label| self.named(label));
        (self.printed, self.calls) = (0, 0);
        Ok(())
    }

    fn journal(&mut self, offset: u64, len: usize) -> Result<Vec<u8>, CallError> {
        self.log_rest();
        Ok(self.session.log.journal(offset, len).to_vec())
    }

    fn milliseconds(&mut self) -> u64 {
        u64::try_from(self.session.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn unix_seconds(&mut self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
    }

    fn input(&mut self, max: usize) -> Result<Vec<u8>, CallError> {
        if !self.is_terminal {
            return Err(CallError::NotSupported);
        }
        // Whoever types without reading gets their commands done all the same.
        let _ = self.show();
        let terminal = self.session.terminal.as_mut().ok_or(CallError::NotSupported)?;
        let line = terminal.line(max).map_err(|_| CallError::Io)?;
        self.lines += 1;
        (self.printed, self.calls) = (0, 0);
        line.ok_or(CallError::EndOfInput)
    }

    fn denied(&mut self, call: &str, error: CallError) {
        self.log_call(Level::Warn, "denied", format!("Denied: {call}: {error}"));
    }

    fn llm_denied(&mut self, prompt: &str, model: u32, error: CallError) {
        let target = self.target(model);
        let who = self.label.as_ref().map_or("", |stage| stage.path.as_str());
        let ask = Ask::denied(prompt, model, target.as_deref(), who);
        self.session.model.denied(&ask, &error.to_string());
    }

    fn policy_refused(&mut self, reason: &str) {
        self.log_rest();
        self.log_call(Level::Warn, "policy-refused", format!("Refused: {reason}"));
    }

    fn narrowed(&mut self, policy: &str) -> Result<(), CallError> {
        if self.session.policies >= MAX_POLICIES {
            return Err(CallError::NoRoom);
        }
        self.session.policies += 1;
        self.log_rest();
        let entry = Entry::new(Level::Info, "policy", format!("Policy: {policy}")).policy(policy);
        self.write(entry).map_err(|_| CallError::Io)
    }
}

fn closed(error: io::Error) -> ScreenError {
    ScreenError::Closed(error.kind())
}
