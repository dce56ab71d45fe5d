//! What a program can ask of the world, and the answers it can get.
//!
//! The machine knows no files, models or terminals. It asks a [`Host`], whose
//! errors become results inside the machine (a register of 0), never panics
//! outside it.

use crate::pxi::isa::calls::CallError;

/// A request of SYS_BLOB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobRequest {
    /// The pixel id, R0.
    pub id: u32,
    /// Bytes wanted at most: R2, or the room left in memory if that is less.
    pub max_len: usize,
    /// Bit 0 of R3: inflate even if the registry does not say so.
    pub inflate: bool,
}

/// The answer to a [`BlobRequest`].
#[derive(Debug)]
pub struct BlobReply {
    /// The first bytes of the blob, at most `max_len` of them.
    pub result: Result<Vec<u8>, BlobError>,
    /// Bytes read and inflated to answer. The machine adds them up: a call is
    /// one step whatever it costs, so fuel alone would not bound the time.
    pub cost: u64,
}

/// Why a blob cannot be had. The program sees R0 = 0; the host may log it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlobError {
    /// No blob has this id.
    #[error("no blob has the id 0x{0:08X}")]
    NotFound(u32),
    /// It has an entry, but it cannot be read, or must not be.
    #[error("blob 0x{id:08X}: {reason}")]
    Unreadable {
        /// The pixel id.
        id: u32,
        /// What is wrong.
        reason: String,
    },
}

/// A request of SYS_LLM with a prompt that is not empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LlmRequest {
    /// The prompt, bytes read as Latin-1.
    pub prompt: String,
    /// Characters wanted at most.
    pub max_len: u32,
    /// The cartridge's id, 0 for the default model.
    pub model: u32,
    /// Tokens of the answer that the policy leaves, if it limits them.
    pub max_tokens: Option<u32>,
}

/// Why a model gave no answer. The program sees R0 = 0 and an untouched frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LlmError {
    /// This host has no model to ask.
    #[error("this machine has no model to ask")]
    NoModel,
    /// The model was asked and failed.
    #[error("{0}")]
    Failed(String),
}

/// Why PRINT failed. It ends the run: output that is lost must not go unseen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScreenError {
    /// The screen holds all the text it may.
    #[error("screen is full: {limit} bytes")]
    Full {
        /// The limit.
        limit: usize,
    },
    /// Whoever reads the screen is gone.
    #[error("cannot write to the screen: {0}")]
    Closed(std::io::ErrorKind),
}

/// A line for the host's log (LOG).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// How much it matters.
    pub level: LogLevel,
    /// A word that programs know the event by.
    pub event: String,
    /// What happened.
    pub text: String,
    /// Modules that wait for the one that logs: 0 for the outermost program.
    pub depth: usize,
}

/// How much a log line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// Level 0.
    Info,
    /// Level 1.
    Warn,
    /// Level 2.
    Error,
}

/// Which stage log lines belong to (STAGE).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageLabel {
    /// Its number or word.
    pub stage: String,
    /// Its name.
    pub name: String,
    /// Its module's path.
    pub path: String,
}

/// What a model is asked for a yes or no.
pub(super) fn oracle_prompt(question: &str) -> String {
    format!("{question}\nAnswer with one word: yes or no.")
}

/// Answers the system calls of a machine. Those of PXI-2 have answers that
/// refuse, for hosts that do not offer them.
pub trait Host {
    /// Appends a character to the screen (PRINT).
    ///
    /// # Errors
    /// Any error traps the machine.
    fn print(&mut self, c: char) -> Result<(), ScreenError>;

    /// Fetches a blob (SYS_BLOB).
    fn blob(&mut self, request: &BlobRequest) -> BlobReply;

    /// Asks a model (SYS_LLM).
    ///
    /// # Errors
    /// The program goes on with R0 = 0.
    fn llm(&mut self, request: &LlmRequest) -> Result<String, LlmError>;

    /// Tokens of the answer that [`llm`](Self::llm) gave last, if the model told.
    fn answer_tokens(&self) -> Option<u64> {
        None
    }

    /// What a policy may call the model of an id, besides the id.
    fn model_names(&self, _model: u32) -> Vec<String> {
        Vec::new()
    }

    /// Enters a model into the routing table (ROUTE): a cartridge's name or a path.
    ///
    /// # Errors
    /// When there is no table, no room in it, or no such model.
    fn route(&mut self, _target: &str, _model: u32) -> Result<(), CallError> {
        Err(CallError::NotSupported)
    }

    /// Whether a model says yes (ORACLE).
    ///
    /// # Errors
    /// As for [`llm`](Self::llm), and when the answer is neither yes nor no.
    fn oracle(&mut self, question: &str, max_tokens: Option<u32>) -> Result<bool, LlmError> {
        let prompt = oracle_prompt(question);
        let answer = self.llm(&LlmRequest { prompt, max_len: 16, model: 0, max_tokens })?;
        match answer.trim_start().to_lowercase() {
            text if text.starts_with("yes") => Ok(true),
            text if text.starts_with("no") => Ok(false),
            _ => Err(LlmError::Failed("the answer is neither yes nor no".into())),
        }
    }

    /// The files that the machine may see.
    fn files(&self) -> Option<&dyn Files> {
        None
    }

    /// Writes a log line (LOG).
    ///
    /// # Errors
    /// When there is no log, or it cannot be written.
    fn log(&mut self, _line: &LogLine) -> Result<(), CallError> {
        Err(CallError::NotSupported)
    }

    /// Says which stage the log lines from here on belong to (STAGE).
    ///
    /// # Errors
    /// When there is no log.
    fn stage(&mut self, _label: Option<StageLabel>) -> Result<(), CallError> {
        Err(CallError::NotSupported)
    }

    /// Reads at most `len` bytes of the log so far, lines of JSON, from `offset` on (JOURNAL).
    ///
    /// # Errors
    /// When there is no log.
    fn journal(&mut self, _offset: u64, _len: usize) -> Result<Vec<u8>, CallError> {
        Err(CallError::NotSupported)
    }

    /// Milliseconds since some moment, never going back.
    fn milliseconds(&mut self) -> u64 {
        0
    }

    /// Seconds since 1970.
    fn unix_seconds(&mut self) -> u64 {
        0
    }

    /// Reads a line of input of at most `max` bytes, without its end (INPUT).
    ///
    /// # Errors
    /// [`CallError::EndOfInput`] at the end, [`CallError::NotSupported`] where there is none.
    fn input(&mut self, _max: usize) -> Result<Vec<u8>, CallError> {
        Err(CallError::NotSupported)
    }

    /// A call was refused before it reached the host, by the policy.
    fn denied(&mut self, _call: &str, _error: CallError) {}

    /// The same for a question to a model, besides [`denied`](Self::denied): whoever
    /// keeps a record of questions wants those, too, that nobody was asked.
    fn llm_denied(&mut self, _prompt: &str, _model: u32, _error: CallError) {}

    /// A policy was not understood and refused (POLICY). The program sees a
    /// number only; who reads the log wants the sentence.
    fn policy_refused(&mut self, _reason: &str) {}

    /// The policy is about to be narrowed by this text, which is understood (POLICY).
    ///
    /// # Errors
    /// When the host cannot keep it; then nothing is narrowed and the program is told.
    fn narrowed(&mut self, _policy: &str) -> Result<(), CallError> {
        Ok(())
    }
}

/// What is known of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stat {
    /// 1 a file, 2 a directory, 3 anything else.
    pub kind: u32,
    /// Bytes.
    pub size: u64,
    /// Its pixel id, 0 if it is no file.
    pub id: u32,
    /// Permissions and type as stat(2) has them.
    pub mode: u32,
    /// Seconds since 1970, 0 before and beyond 2106.
    pub modified: u32,
    /// Names it has.
    pub links: u32,
    /// The code of its type in pxOS, 0 if it has none.
    pub pixel_type: u32,
}

/// A file by its path or a content by its pixel id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which<'a> {
    /// By path.
    Path(&'a str),
    /// By id.
    Id(u32),
}

/// The file system that a machine booted from, as its programs see it. Paths
/// are those of the root, links are followed, and nothing leads out of it.
pub trait Files {
    /// The path without links, `.` and `..`: what a policy is asked about.
    ///
    /// # Errors
    /// When there is nothing of that path.
    fn canonical(&self, path: &str) -> Result<String, CallError>;

    /// What is known of a file.
    ///
    /// # Errors
    /// When there is nothing of that path, or it cannot be read.
    fn stat(&self, path: &str) -> Result<Stat, CallError>;

    /// The pixel id of a file's content.
    ///
    /// # Errors
    /// When it is no file, or cannot be read.
    fn resolve(&self, path: &str) -> Result<u32, CallError>;

    /// The names in a directory, sorted by bytes, without `.` and `..`.
    ///
    /// # Errors
    /// When it is no directory, or cannot be read.
    fn list(&self, path: &str) -> Result<Vec<Vec<u8>>, CallError>;

    /// Reads at most `len` bytes from `offset` on; less only at the end.
    ///
    /// # Errors
    /// When it is no file, or cannot be read.
    fn read(&self, which: Which<'_>, offset: u64, len: usize) -> Result<Vec<u8>, CallError>;

    /// Reads a whole file of at most `limit` bytes, whose SHA-256 is what the
    /// root declares; gives its id, too.
    ///
    /// # Errors
    /// [`CallError::Digest`] when it is not; when it cannot be read or is longer.
    fn checked(&self, which: Which<'_>, limit: u64) -> Result<(Vec<u8>, u32), CallError>;

    /// The id of a file of at most `limit` bytes whose SHA-256 is what the root
    /// declares.
    ///
    /// # Errors
    /// As for [`checked`](Self::checked).
    fn check(&self, path: &str, limit: u64) -> Result<u32, CallError> {
        self.checked(Which::Path(path), limit).map(|(_, id)| id)
    }

    /// The paths that a file requires.
    ///
    /// # Errors
    /// When there is no file of that path.
    fn requires(&self, path: &str) -> Result<Vec<String>, CallError>;

    /// Counts bytes that were looked at for an answer, also for one that fails.
    fn spend(&self, _bytes: usize) {}

    /// Bytes looked at since this was asked last, beyond those that were given:
    /// what was hashed or decoded for an answer. The machine adds them up.
    fn take_cost(&self) -> u64 {
        0
    }
}

/// A host that keeps the screen's text and knows neither blobs nor models.
#[derive(Debug)]
pub struct Sealed {
    /// What was printed.
    pub screen: String,
    limit: usize,
}

impl Sealed {
    /// A screen that holds `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { screen: String::new(), limit }
    }
}

impl Host for Sealed {
    fn print(&mut self, c: char) -> Result<(), ScreenError> {
        push_bounded(&mut self.screen, c, self.limit)
    }

    fn blob(&mut self, request: &BlobRequest) -> BlobReply {
        BlobReply { result: Err(BlobError::NotFound(request.id)), cost: 0 }
    }

    fn llm(&mut self, _request: &LlmRequest) -> Result<String, LlmError> {
        Err(LlmError::NoModel)
    }
}

/// Appends `c` to a screen that may hold `limit` bytes.
///
/// # Errors
/// [`ScreenError::Full`] when it does not fit.
pub fn push_bounded(screen: &mut String, c: char, limit: usize) -> Result<(), ScreenError> {
    if screen.len() + c.len_utf8() > limit {
        return Err(ScreenError::Full { limit });
    }
    screen.push(c);
    Ok(())
}
