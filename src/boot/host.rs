//! The host of a module that boots: its screen is the boot log, its blobs come
//! from the boot root, and there is no model yet.

use crate::boot::log::{Entry, Level, Log};
use crate::boot::sequence::Stage;
use crate::boot::source::BootRoot;
use crate::pxi::{BlobReply, BlobRequest, Host, LlmError, LlmRequest, ScreenError};

/// Text that one stage may print, in bytes.
const MAX_SCREEN: usize = 1 << 20;
/// Characters after which a line is logged even if it has not ended.
const MAX_LINE: usize = 1000;
/// System calls of one stage that are logged; a loop of them must not fill the disk.
const MAX_CALLS: usize = 100;

/// Serves one stage.
pub(super) struct StageHost<'a, 'log> {
    root: &'a dyn BootRoot,
    stage: &'a Stage,
    log: &'a mut Log<'log>,
    line: String,
    printed: usize,
    calls: usize,
}

impl<'a, 'log> StageHost<'a, 'log> {
    pub(super) fn new(root: &'a dyn BootRoot, stage: &'a Stage, log: &'a mut Log<'log>) -> Self {
        Self { root, stage, log, line: String::new(), printed: 0, calls: 0 }
    }

    /// Logs what was printed since the last line end.
    ///
    /// # Errors
    /// When the log cannot be written to.
    pub(super) fn flush(&mut self) -> std::io::Result<()> {
        if self.line.is_empty() { Ok(()) } else { self.log_line() }
    }

    fn log_line(&mut self) -> std::io::Result<()> {
        let text = format!("| {}", std::mem::take(&mut self.line));
        self.log.write(&Entry::new(Level::Info, "print", text).of(self.stage))
    }

    /// A log that fails here fails again at the end of the stage, where it counts.
    fn log_call(&mut self, level: Level, event: &'static str, message: String) {
        self.calls += 1;
        if self.calls < MAX_CALLS {
            let _ = self.log.write(&Entry::new(level, event, message).of(self.stage));
        } else if self.calls == MAX_CALLS {
            let message = "further system calls of this stage are not logged";
            let _ = self.log.write(&Entry::new(Level::Warn, event, message).of(self.stage));
        }
    }
}

impl Host for StageHost<'_, '_> {
    fn print(&mut self, c: char) -> Result<(), ScreenError> {
        self.printed += c.len_utf8();
        if self.printed > MAX_SCREEN {
            return Err(ScreenError::Full { limit: MAX_SCREEN });
        }
        if c != '\n' {
            self.line.push(c);
        }
        if c == '\n' || self.line.len() >= MAX_LINE {
            self.log_line().map_err(|error| ScreenError::Closed(error.kind()))?;
        }
        Ok(())
    }

    fn blob(&mut self, request: &BlobRequest) -> BlobReply {
        let reply = self.root.blob(request);
        let call = format!("SYS_BLOB 0x{:08X}", request.id);
        match &reply.result {
            Ok(bytes) => {
                self.log_call(Level::Info, "blob", format!("{call}: {} bytes", bytes.len()));
            }
            Err(error) => self.log_call(Level::Warn, "blob-failed", format!("{call}: {error}")),
        }
        reply
    }

    fn llm(&mut self, _request: &LlmRequest) -> Result<String, LlmError> {
        let error = LlmError::NoModel;
        self.log_call(Level::Warn, "llm-refused", format!("SYS_LLM: {error}"));
        Err(error)
    }
}
