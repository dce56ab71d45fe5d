//! What a program can ask of the world, and the answers it can get.
//!
//! The machine knows no files, models or terminals. It asks a [`Host`], whose
//! errors become results inside the machine (a register of 0), never panics
//! outside it.

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

/// Answers the system calls of a machine.
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
