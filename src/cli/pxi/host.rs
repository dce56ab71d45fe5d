//! The world of a program that is run by hand: its screen, its input, its files.

use std::fs::File;
use std::io::{self, BufRead, BufReader, LineWriter, Stdout, Write};
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;

use crate::boot::{Ask, BootFiles, BootRoot, Model};
use crate::llm::SystemModel;
use crate::pxi::host::{LogLevel, LogLine, StageLabel, push_bounded};
use crate::pxi::{
    BlobError, BlobReply, BlobRequest, CallError, Files, Host, LlmError, LlmRequest, ScreenError,
};

/// Who asks models, in the audit log.
const WHO: &str = "pxi";
/// Bytes of text that a screen in memory holds.
const MAX_SCREEN: usize = 64 << 20;

/// Where the program's text goes.
#[derive(Debug)]
pub(super) enum Screen {
    /// Standard output, as it comes.
    Stdout {
        /// Lines are written when they are whole, or asked for.
        writer: LineWriter<Stdout>,
        /// The last character that the program printed.
        last: char,
    },
    /// Kept, to be shown at the end.
    Text(String),
    /// Nowhere.
    Dropped,
}

impl Screen {
    pub(super) fn stdout() -> Self {
        Self::Stdout { writer: LineWriter::new(io::stdout()), last: '\n' }
    }

    /// Shows what is not shown yet and ends the line that it left open.
    pub(super) fn end_line(&mut self) -> io::Result<()> {
        if let Self::Stdout { writer, last } = self
            && *last != '\n'
        {
            *last = '\n';
            writer.write_all(b"\n")?;
        }
        self.flush()
    }

    /// Shows what is not shown yet.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout { writer, .. } => writer.flush(),
            Self::Text(_) | Self::Dropped => Ok(()),
        }
    }
}

/// Where INPUT reads.
pub(super) enum Input {
    /// Nowhere: it is always at its end.
    None,
    /// A file or standard input.
    Lines(Box<dyn BufRead>),
}

impl Input {
    pub(super) fn standard() -> Self {
        Self::Lines(Box::new(BufReader::new(io::stdin())))
    }

    pub(super) fn file(path: &Path) -> anyhow::Result<Self> {
        let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        Ok(Self::Lines(Box::new(BufReader::new(file))))
    }

    /// At most `max` bytes of a line; the rest of a longer one comes next.
    fn line(&mut self, max: usize) -> Result<Vec<u8>, CallError> {
        let Self::Lines(lines) = self else { return Err(CallError::EndOfInput) };
        let mut line = Vec::new();
        loop {
            let buffer = lines.fill_buf().map_err(|_| CallError::Io)?;
            let Some(first) = buffer.first() else {
                return if line.is_empty() { Err(CallError::EndOfInput) } else { Ok(line) };
            };
            if *first == b'\n' {
                lines.consume(1);
                return Ok(line);
            }
            let end = buffer.iter().position(|byte| *byte == b'\n').unwrap_or(buffer.len());
            let taken = end.min(max - line.len());
            if taken == 0 {
                return Ok(line);
            }
            line.extend_from_slice(&buffer[..taken]);
            lines.consume(taken);
        }
    }
}

/// Serves a program that is run by hand.
pub(super) struct ToolHost<'r> {
    root: Option<&'r dyn BootRoot>,
    files: Option<BootFiles<'r>>,
    /// Where PRINT, PUTC and WRITE go.
    pub(super) screen: Screen,
    input: Input,
    started: Instant,
    stage: Option<StageLabel>,
    /// Where the sources of the program are looked for, besides here.
    pub(super) sources: Option<PathBuf>,
    /// The models that may be asked.
    models: Option<SystemModel>,
    /// Tokens of the last answer.
    answer_tokens: Option<u64>,
    /// Questions to a model that nobody could answer.
    pub(super) refused: u64,
}

impl<'r> ToolHost<'r> {
    pub(super) fn new(root: Option<&'r dyn BootRoot>, screen: Screen, input: Input) -> Self {
        let files = root.map(BootFiles::new);
        Self {
            root,
            files,
            screen,
            input,
            started: Instant::now(),
            stage: None,
            sources: None,
            models: None,
            answer_tokens: None,
            refused: 0,
        }
    }

    /// Gives it models to ask.
    pub(super) fn with_models(self, models: Option<SystemModel>) -> Self {
        Self { models, ..self }
    }

    /// Says on standard error what the program asked in vain.
    pub(super) fn tell_refused(&self) {
        if self.refused > 0 {
            eprintln!("pxi: SYS_LLM refused {} times: {}", self.refused, LlmError::NoModel);
        }
    }
}

impl Host for ToolHost<'_> {
    fn print(&mut self, c: char) -> Result<(), ScreenError> {
        match &mut self.screen {
            Screen::Text(text) => push_bounded(text, c, MAX_SCREEN),
            Screen::Stdout { writer, last } => {
                *last = c;
                let written = writer.write_all(c.encode_utf8(&mut [0; 4]).as_bytes());
                written.map_err(|error| ScreenError::Closed(error.kind()))
            }
            Screen::Dropped => Ok(()),
        }
    }

    fn blob(&mut self, request: &BlobRequest) -> BlobReply {
        match self.root {
            Some(root) => root.blob(request),
            None => BlobReply { result: Err(BlobError::NotFound(request.id)), cost: 0 },
        }
    }

    fn llm(&mut self, request: &LlmRequest) -> Result<String, LlmError> {
        let Some(models) = &mut self.models else {
            self.refused += 1;
            return Err(LlmError::NoModel);
        };
        let reply = models.ask(&Ask::new(request, None, WHO));
        self.answer_tokens = reply.as_ref().ok().and_then(|reply| reply.tokens);
        // The program sees a number only.
        reply.map(|reply| reply.text).inspect_err(|error| eprintln!("pxi: SYS_LLM: {error}"))
    }

    fn answer_tokens(&self) -> Option<u64> {
        self.answer_tokens
    }

    fn model_names(&self, model: u32) -> Vec<String> {
        self.models.as_ref().and_then(|models| models.name_of(model)).into_iter().collect()
    }

    fn files(&self) -> Option<&dyn Files> {
        self.files.as_ref().map(|files| files as &dyn Files)
    }

    fn log(&mut self, line: &LogLine) -> Result<(), CallError> {
        let level = match line.level {
            LogLevel::Info => "info",
            LogLevel::Warn => "warning",
            LogLevel::Error => "error",
        };
        let stage = self.stage.as_ref().map_or(String::new(), |stage| format!(" {}", stage.name));
        let text = format!("{level}{stage} {}: {}", line.event, line.text);
        let text: String = text.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
        eprintln!("{text}");
        Ok(())
    }

    fn stage(&mut self, label: Option<StageLabel>) -> Result<(), CallError> {
        self.stage = label;
        Ok(())
    }

    fn milliseconds(&mut self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn unix_seconds(&mut self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
    }

    fn input(&mut self, max: usize) -> Result<Vec<u8>, CallError> {
        // A question must be seen before its answer is waited for.
        self.screen.flush().map_err(|_| CallError::Io)?;
        self.input.line(max)
    }

    fn denied(&mut self, call: &str, error: CallError) {
        eprintln!("pxi: {call} was refused: {error}");
    }

    fn llm_denied(&mut self, prompt: &str, model: u32, error: CallError) {
        if let Some(models) = &mut self.models {
            models.denied(&Ask::denied(prompt, model, None, WHO), &error.to_string());
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_input_come_whole_or_in_parts() {
        let text: &'static [u8] = b"one\n\nlonger\nend";
        let mut input = Input::Lines(Box::new(BufReader::with_capacity(2, text)));
        let lines: Vec<_> = std::iter::from_fn(|| input.line(4).ok()).collect();
        assert_eq!(lines, [&b"one"[..], b"", b"long", b"er", b"end"]);
        assert_eq!(input.line(4), Err(CallError::EndOfInput));
    }

    #[test]
    fn a_line_as_long_as_the_room_leaves_no_empty_one_behind() {
        let mut input = Input::Lines(Box::new(&b"four\nx"[..]));
        assert_eq!(input.line(4).unwrap(), b"four");
        assert_eq!(input.line(4).unwrap(), b"x");
    }
}
