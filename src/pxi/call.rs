//! The system calls of PXI-2: from registers to a question for the host, and back.
//!
//! Whatever goes wrong is a number in R1. Only two things end a program here:
//! the host's budget, and a screen that is gone.

use crate::pxi::governor::Policy;
use crate::pxi::host::{
    Files, Host, LlmError, LlmRequest, LogLevel, LogLine, StageLabel, Which, oracle_prompt,
};
use crate::pxi::isa::calls::{self, CallError};
use crate::pxi::link;
use crate::pxi::machine::{Launch, Then};
use crate::pxi::module::Program;
use crate::pxi::stop::{Stop, Trap};
use crate::pxi::{Machine, Pixel};

/// Bytes of a path, of a text that is printed or logged, and of a prompt.
const MAX_PATH: u32 = 4096;
const MAX_TEXT: u32 = 1 << 20;
/// Bytes that one call reads at most; the program asks again for more.
const MAX_READ: u32 = 16 << 20;
/// What a call costs beyond the bytes it moves: a look into a directory, a file that is opened.
const BASE_COST: u64 = 512;
/// Pixels of STAT's answer.
const STAT_PIXELS: u32 = 8;
/// Longest file that CHECK reads.
const MAX_CHECKED: u64 = 1 << 30;

/// What a call gives: R0, and R2 where it has a second result.
struct Reply {
    result: u32,
    second: Option<u32>,
    cost: u64,
}

impl Reply {
    fn of(result: u32) -> Self {
        Self { result, second: None, cost: 0 }
    }

    fn costing(result: u32, cost: usize) -> Self {
        Self { result, second: None, cost: BASE_COST + cost as u64 }
    }
}

/// What went wrong: a number for the program, or the end of it.
enum Failure {
    Call(CallError),
    Trap(Trap),
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl Machine {
    /// SYS: does the call of that number.
    pub(super) fn call<H: Host>(&mut self, host: &mut H, number: u16) -> Result<Then, Trap> {
        if let Err(error) = self.governor.permits(self.depth(), number) {
            host.denied(call_name(number), error);
            self.tell_denied(host, number, error)?;
            return Ok(self.answer(Err(error)));
        }
        if number == calls::EXIT {
            return Ok(Then::Stop(Stop::Exit(self.registers[0])));
        }
        if number == calls::RUN {
            return Ok(match self.begin() {
                Ok(then) => then,
                Err(error) => self.answer(Err(error)),
            });
        }
        let reply = self.dispatch(host, number);
        let looked_at = host.files().map_or(0, Files::take_cost);
        self.charge(looked_at)?;
        let reply = match reply {
            Ok(reply) => reply,
            Err(Failure::Trap(trap)) => return Err(trap),
            Err(Failure::Call(error)) => {
                if matches!(error, CallError::Denied | CallError::RateLimited) {
                    host.denied(call_name(number), error);
                }
                self.charge(BASE_COST)?;
                return Ok(self.answer(Err(error)));
            }
        };
        self.charge(reply.cost)?;
        if let Some(second) = reply.second {
            self.registers[2] = second;
        }
        Ok(self.answer(Ok(reply.result)))
    }

    fn answer(&mut self, result: Result<u32, CallError>) -> Then {
        (self.registers[0], self.registers[1]) = match result {
            Ok(value) => (value, 0),
            Err(error) => (0, error.code()),
        };
        Then::Next
    }

    fn dispatch<H: Host>(&mut self, host: &mut H, number: u16) -> Result<Reply, Failure> {
        let [r0, r1, r2, r3, r4, ..] = self.registers;
        match number {
            calls::WRITE => self.write(host, r0, r1),
            calls::LOG => self.log(host, [r0, r1, r2, r3, r4]),
            calls::STAGE => self.stage(host, r0, r1),
            calls::TIME => time(host, r0),
            calls::RANDOM => Ok(Reply::of(self.random.next())),
            calls::RESOLVE => {
                let path = self.path(host, r0, r1)?;
                Ok(Reply::costing(files(host)?.resolve(&path)?, 0))
            }
            calls::STAT => self.stat(host, r0, r1, r2),
            calls::LIST => self.list(host, [r0, r1, r2, r3, r4]),
            calls::READ => {
                let path = self.path(host, r0, r1)?;
                self.read(host, Which::Path(&path), [r2, r3, r4])
            }
            calls::BLOB => {
                self.permit_content(calls::BLOB)?;
                self.read(host, Which::Id(r0), [r1, r2, r3])
            }
            calls::CHECK => {
                let path = self.path(host, r0, r1)?;
                Ok(Reply::costing(files(host)?.check(&path, MAX_CHECKED)?, 0))
            }
            calls::REQUIRES => self.requires(host, [r0, r1, r2, r3]),
            calls::MODULE => self.load(host, [r0, r1, r2, r3]),
            calls::POLICY => self.narrow(host, r0, r1),
            calls::LLM => self.ask(host, [r0, r1, r2, r3, r4]),
            calls::ORACLE => {
                let question = self.text(r0, r1, MAX_TEXT)?;
                let limit = self.permit_model(host, calls::ORACLE, &question, 0)?;
                let answer = host.oracle(&question, limit);
                // One word, if the model did not tell.
                self.governor.spend_tokens(host.answer_tokens().unwrap_or(1));
                Ok(Reply::of(answer.map_err(|error| model_error(&error))?.into()))
            }
            calls::INPUT => self.input(host, r0, r1),
            calls::ROUTE => self.route(host, r0, r1, r2),
            calls::STOPPED => {
                let text = self.stopped.clone();
                self.give(r0, r1, text.as_bytes())
            }
            calls::JOURNAL => {
                let bytes = host.journal(r2.into(), r1.min(MAX_READ) as usize)?;
                self.give(r0, r1, &bytes)
            }
            _ => Err(CallError::NotSupported.into()),
        }
    }

    /// Bytes of the window: an address and a length in bytes.
    fn bytes(&self, start: u32, len: u32) -> Result<Vec<u8>, CallError> {
        let memory = &self.memory.pixels()[self.window.clone()];
        let end = start.checked_add(len).ok_or(CallError::BadAddress)?;
        let (first, last) = ((start >> 2) as usize, end.div_ceil(4) as usize);
        let pixels = memory.get(first..last.max(first)).ok_or(CallError::BadAddress)?;
        let bytes = pixels.iter().flat_map(|pixel| pixel.channels());
        Ok(bytes.skip((start & 3) as usize).take(len as usize).collect())
    }

    /// Writes bytes into the window and has them decoded anew.
    fn put(&mut self, start: u32, bytes: &[u8]) -> Result<(), CallError> {
        let end = (start as usize).checked_add(bytes.len()).ok_or(CallError::BadAddress)?;
        let memory = &mut self.memory.pixels_mut()[self.window.clone()];
        if end > memory.len() * 4 {
            return Err(CallError::BadAddress);
        }
        for (at, byte) in (start..).zip(bytes) {
            let cell = &mut memory[(at >> 2) as usize];
            *cell = cell.with_byte(at & 3, u32::from(*byte));
        }
        self.forget(start as usize / 4..end.div_ceil(4));
        Ok(())
    }

    /// Writes an answer that must fit the room whole.
    fn give(&mut self, buffer: u32, room: u32, bytes: &[u8]) -> Result<Reply, Failure> {
        if bytes.len() > room as usize {
            return Err(CallError::NoRoom.into());
        }
        self.put(buffer, bytes)?;
        Ok(Reply::costing(bytes.len() as u32, bytes.len()))
    }

    fn text(&self, start: u32, len: u32, most: u32) -> Result<String, CallError> {
        if len > most {
            return Err(CallError::BadArgument);
        }
        Ok(String::from_utf8_lossy(&self.bytes(start, len)?).into_owned())
    }

    /// A path that the program may see.
    fn path<H: Host>(&self, host: &H, start: u32, len: u32) -> Result<String, CallError> {
        let path = self.text(start, len, MAX_PATH)?;
        if !path.starts_with('/') || path.contains('\0') {
            return Err(CallError::BadArgument);
        }
        self.permit_path(host, &path)?;
        Ok(path)
    }

    fn permit_path<H: Host>(&self, host: &H, path: &str) -> Result<(), CallError> {
        match host.files() {
            Some(files) => self.governor.permits_file(self.depth(), files, path),
            None => Err(CallError::NotSupported),
        }
    }

    /// Whether the window has this room, so that an answer that was paid for fits.
    fn check_room(&self, buffer: u32, room: u32) -> Result<(), CallError> {
        let end = u64::from(buffer) + u64::from(room);
        if end > self.window.len() as u64 * 4 { Err(CallError::BadAddress) } else { Ok(()) }
    }

    /// Whether contents may be read by their ids, with the call of that number.
    pub(super) fn permit_content(&self, number: u16) -> Result<(), CallError> {
        self.governor.permits(self.depth(), number)?;
        self.governor.permits_ids(self.depth())
    }

    /// A question that is forbidden as a call has not been read yet; it is read, at the
    /// cost of any text, for hosts that keep a record of questions.
    fn tell_denied<H: Host>(
        &mut self,
        host: &mut H,
        number: u16,
        error: CallError,
    ) -> Result<(), Trap> {
        let [start, len, _, _, model, ..] = self.registers;
        let model = match number {
            calls::LLM => model,
            calls::ORACLE => 0,
            _ => return Ok(()),
        };
        let Ok(prompt) = self.text(start, len, MAX_TEXT) else { return Ok(()) };
        tell_denied(host, number, (&prompt, model), error);
        self.charge(BASE_COST + u64::from(len))
    }

    /// Whether a model may be asked this now; counts it, and says how many tokens
    /// it may answer.
    pub(super) fn permit_model<H: Host>(
        &mut self,
        host: &mut H,
        number: u16,
        prompt: &str,
        model: u32,
    ) -> Result<Option<u32>, CallError> {
        let permitted = self.check_model(host, number, prompt.len(), model);
        permitted.inspect_err(|error| tell_denied(host, number, (prompt, model), *error))
    }

    fn check_model<H: Host>(
        &mut self,
        host: &mut H,
        number: u16,
        prompt: usize,
        model: u32,
    ) -> Result<Option<u32>, CallError> {
        let depth = self.depth();
        self.governor.permits(depth, number)?;
        self.governor.permits_prompt(depth, prompt)?;
        if self.governor.limits_models(depth) {
            self.governor.permits_model(depth, model, &host.model_names(model))?;
        }
        let tokens = self.governor.tokens(depth)?;
        self.governor.count_model_call(depth, host.milliseconds())?;
        Ok(tokens)
    }

    /// Asks a model that may be asked, and counts what it answers.
    pub(super) fn ask_model<H: Host>(
        &mut self,
        host: &mut H,
        request: &LlmRequest,
    ) -> Result<String, LlmError> {
        let answer = host.llm(request)?;
        // No token is shorter than a byte.
        let tokens = host.answer_tokens().unwrap_or(answer.len() as u64);
        self.governor.spend_tokens(tokens);
        Ok(answer)
    }

    fn write<H: Host>(&self, host: &mut H, start: u32, len: u32) -> Result<Reply, Failure> {
        for c in self.text(start, len, MAX_TEXT)?.chars() {
            host.print(c).map_err(|error| Failure::Trap(error.into()))?;
        }
        Ok(Reply::of(0))
    }

    fn log<H: Host>(&self, host: &mut H, registers: [u32; 5]) -> Result<Reply, Failure> {
        let [start, len, level, event, event_len] = registers;
        let level = match level {
            0 => LogLevel::Info,
            1 => LogLevel::Warn,
            2 => LogLevel::Error,
            _ => return Err(CallError::BadArgument.into()),
        };
        let event = match event_len {
            0 => "log".to_owned(),
            _ => self.text(event, event_len, 64)?,
        };
        let (text, depth) = (self.text(start, len, MAX_TEXT)?, self.depth());
        host.log(&LogLine { level, event, text, depth })?;
        Ok(Reply::costing(0, len as usize))
    }

    fn stage<H: Host>(&self, host: &mut H, start: u32, len: u32) -> Result<Reply, Failure> {
        // Whoever runs a module says what its lines are called, not the module.
        if self.depth() > 0 {
            return Err(CallError::NotSupported.into());
        }
        let text = self.text(start, len, MAX_TEXT)?;
        let mut parts = text.splitn(3, '\t').map(str::to_owned);
        let label = match (parts.next(), parts.next(), parts.next()) {
            (Some(stage), Some(name), Some(path)) => Some(StageLabel { stage, name, path }),
            _ if text.is_empty() => None,
            _ => return Err(CallError::BadArgument.into()),
        };
        host.stage(label)?;
        Ok(Reply::of(0))
    }

    fn stat<H: Host>(
        &mut self,
        host: &mut H,
        path: u32,
        len: u32,
        target: u32,
    ) -> Result<Reply, Failure> {
        let path = self.path(host, path, len)?;
        let stat = files(host)?.stat(&path)?;
        let numbers = [
            stat.kind,
            (stat.size >> 32) as u32,
            stat.size as u32,
            stat.id,
            stat.mode,
            stat.modified,
            stat.links,
            stat.pixel_type,
        ];
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
        if target > u32::MAX / 4 - STAT_PIXELS {
            return Err(CallError::BadAddress.into());
        }
        self.put(target * 4, &bytes)?;
        Ok(Reply::costing(stat.kind, 0))
    }

    fn list<H: Host>(&mut self, host: &mut H, registers: [u32; 5]) -> Result<Reply, Failure> {
        let [path, len, buffer, room, skip] = registers;
        let path = self.path(host, path, len)?;
        let names = files(host)?.list(&path)?;
        let (mut bytes, mut count) = (Vec::new(), 0);
        for name in names.iter().skip(skip as usize) {
            if bytes.len() + name.len() + 1 > room as usize {
                break;
            }
            bytes.extend_from_slice(name);
            bytes.push(0);
            count += 1;
        }
        if count == 0 && names.len() > skip as usize {
            return Err(CallError::NoRoom.into());
        }
        self.put(buffer, &bytes)?;
        let reply = Reply::costing(bytes.len() as u32, bytes.len());
        Ok(Reply { second: Some(count), ..reply })
    }

    fn read<H: Host>(
        &mut self,
        host: &mut H,
        which: Which<'_>,
        registers: [u32; 3],
    ) -> Result<Reply, Failure> {
        let [buffer, room, offset] = registers;
        let len = room.min(MAX_READ);
        self.check_room(buffer, len)?;
        let bytes = files(host)?.read(which, offset.into(), len as usize)?;
        self.give(buffer, room, &bytes)
    }

    fn requires<H: Host>(&mut self, host: &mut H, registers: [u32; 4]) -> Result<Reply, Failure> {
        let [path, len, buffer, room] = registers;
        let path = self.path(host, path, len)?;
        let mut text = String::new();
        for required in files(host)?.requires(&path)? {
            text.push_str(&required);
            text.push('\n');
        }
        self.give(buffer, room, text.as_bytes())
    }

    fn narrow<H: Host>(&mut self, host: &mut H, start: u32, len: u32) -> Result<Reply, Failure> {
        let text = self.text(start, len, MAX_TEXT)?;
        match Policy::parse(&text) {
            Ok(policy) => {
                let mut governor = self.governor.clone();
                governor.narrow(&policy)?;
                host.narrowed(&text)?;
                self.governor = governor;
            }
            Err(error) => {
                host.policy_refused(&error.to_string());
                return Err(CallError::BadArgument.into());
            }
        }
        Ok(Reply::of(0))
    }

    fn ask<H: Host>(&mut self, host: &mut H, registers: [u32; 5]) -> Result<Reply, Failure> {
        let [start, len, buffer, room, model] = registers;
        let prompt = self.text(start, len, MAX_TEXT)?;
        if prompt.is_empty() {
            return Err(CallError::BadArgument.into());
        }
        let max_tokens = self.permit_model(host, calls::LLM, &prompt, model)?;
        let request = LlmRequest { prompt, max_len: room, model, max_tokens };
        let answer = self.ask_model(host, &request).map_err(|error| model_error(&error))?;
        let cut = answer.floor_char_boundary(room as usize);
        self.give(buffer, room, &answer.as_bytes()[..cut])
    }

    fn route<H: Host>(
        &mut self,
        host: &mut H,
        start: u32,
        len: u32,
        model: u32,
    ) -> Result<Reply, Failure> {
        let target = self.text(start, len, MAX_PATH)?;
        if target.is_empty() || target.contains('\0') || model == 0 {
            return Err(CallError::BadArgument.into());
        }
        if target.starts_with('/') {
            self.permit_path(host, &target)?;
        }
        host.route(&target, model)?;
        Ok(Reply::costing(0, target.len()))
    }

    fn input<H: Host>(&mut self, host: &mut H, buffer: u32, room: u32) -> Result<Reply, Failure> {
        // Asked for only when it can be kept: a line that is read is gone.
        self.bytes(buffer, room.min(MAX_TEXT))?;
        let mut line = host.input(room.min(MAX_TEXT) as usize)?;
        line.truncate(room as usize);
        self.give(buffer, room, &line)
    }

    /// MODULE: reads, checks, decodes, verifies, links and places a module.
    fn load<H: Host>(&mut self, host: &mut H, registers: [u32; 4]) -> Result<Reply, Failure> {
        let [name, len, target, room] = registers;
        let path;
        let which = if len == 0 {
            self.permit_content(calls::MODULE)?;
            Which::Id(name)
        } else {
            path = self.path(host, name, len)?;
            Which::Path(&path)
        };
        // What a module imports is the module's to see, also if a free kernel loads it.
        let (files, depth) = (files(host)?, self.depth().max(1));
        let permit = |path: &str| self.governor.permits_file(depth, files, path);
        let loaded = link::load(files, which, &permit)?;
        let wanted = loaded.memory.len();
        let end = (target as usize).checked_add(wanted).ok_or(CallError::BadAddress)?;
        if wanted > room as usize {
            return Err(CallError::NoRoom.into());
        }
        let memory = &mut self.memory.pixels_mut()[self.window.clone()];
        let place = memory.get_mut(target as usize..end).ok_or(CallError::BadAddress)?;
        place.copy_from_slice(&loaded.memory);
        self.forget(target as usize..end);
        let reply = Reply::costing(wanted as u32, wanted * 4);
        Ok(Reply { second: Some(loaded.id), ..reply })
    }

    /// RUN: a loaded module begins.
    fn begin(&mut self) -> Result<Then, CallError> {
        let [module, pixels, fuel, first, second, ..] = self.registers;
        let start = module as usize;
        let end = start.checked_add(pixels as usize).ok_or(CallError::BadAddress)?;
        let memory = &self.memory.pixels()[self.window.clone()];
        let seen = memory.get(start..end).ok_or(CallError::BadAddress)?;
        let (isa, entry) = Program::entry_of(seen).map_err(|_| CallError::BadModule)?;
        self.launch(Launch {
            window: start..end,
            isa,
            entry,
            fuel: fuel.into(),
            arguments: [first, second],
        })
    }
}

/// Tells the host of a question to a model that the policy forbids.
fn tell_denied<H: Host>(host: &mut H, number: u16, (prompt, model): (&str, u32), error: CallError) {
    match number {
        calls::ORACLE => host.llm_denied(&oracle_prompt(prompt), model, error),
        _ => host.llm_denied(prompt, model, error),
    }
}

fn call_name(number: u16) -> &'static str {
    calls::by_number(number).map_or("unknown call", |call| call.name)
}

fn files<H: Host>(host: &H) -> Result<&dyn Files, CallError> {
    host.files().ok_or(CallError::NotSupported)
}

fn time<H: Host>(host: &mut H, which: u32) -> Result<Reply, Failure> {
    match which {
        0 => Ok(Reply::of(host.milliseconds() as u32)),
        1 => Ok(Reply::of(host.unix_seconds() as u32)),
        _ => Err(CallError::BadArgument.into()),
    }
}

fn model_error(error: &LlmError) -> CallError {
    match error {
        LlmError::NoModel => CallError::NoModel,
        LlmError::Failed(_) => CallError::ModelFailed,
    }
}

/// Pixels of a loaded module, as MODULE places them.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) memory: Vec<Pixel>,
    pub(super) id: u32,
}
