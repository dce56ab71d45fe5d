//! The audit log of model calls: one line of JSON for each, whoever asked. It
//! holds the digest of a question and not the question.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::cartridge::Cartridge;
use super::chat::{Answer, Cancel, ChatError, ChatModel, ChatRequest, Finish, Message};
use super::harmless::harmless;

/// A log that lines are added to.
#[derive(Debug)]
pub struct Audit {
    path: PathBuf,
    file: File,
    /// A line could not be written.
    is_broken: AtomicBool,
}

/// A call, before it is known how it ends.
#[derive(Debug, Clone)]
pub struct CallRecord {
    /// Who asked: `SYS_LLM /boot/x`, `tile 3,-4`, `llm test`.
    pub who: String,
    /// The cartridge that was asked.
    pub cartridge: String,
    /// Its number; 0 if it has none.
    pub id: u32,
    /// The model, as the cartridge names it.
    pub model: String,
    /// SHA-256 of the conversation.
    pub prompt_sha256: [u8; 32],
    /// Bytes of the conversation.
    pub prompt_bytes: usize,
}

/// How a call ended.
#[derive(Debug, Clone, Copy)]
pub enum CallResult<'a> {
    /// With an answer.
    Answered(&'a Answer),
    /// Without one.
    Failed(&'a ChatError, Duration),
    /// It was not allowed, and so not made; the sentence says why.
    Denied(&'a str),
}

/// The line. The order of the fields is that of docs/llm.md.
#[derive(Serialize)]
struct Line<'a> {
    time: String,
    who: &'a str,
    cartridge: &'a str,
    id: String,
    model: &'a str,
    prompt_sha256: String,
    prompt_bytes: usize,
    duration_ms: u64,
    prompt_tokens: Option<u64>,
    answer_tokens: Option<u64>,
    answer_bytes: usize,
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl CallRecord {
    /// A call with this conversation.
    pub fn new(who: &str, cartridge: &str, id: u32, model: &str, messages: &[Message]) -> Self {
        let mut hasher = Sha256::new();
        let mut prompt_bytes = 0;
        for message in messages {
            let role = serde_json::to_string(&message.role).unwrap_or_default();
            // The length keeps two messages apart from one.
            hasher.update(format!("{role} {}\n", message.content.len()));
            hasher.update(&message.content);
            prompt_bytes += message.content.len();
        }
        Self {
            who: harmless(who, 200),
            cartridge: harmless(cartridge, 200),
            id,
            model: harmless(model, 200),
            prompt_sha256: hasher.finalize().into(),
            prompt_bytes,
        }
    }
}

impl Audit {
    /// Opens the log at `path`, which is made, for its owner alone, if it is missing.
    ///
    /// # Errors
    /// When it cannot be written, or is no regular file.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("is no regular file"));
        }
        Ok(Self { path: path.to_owned(), file, is_broken: AtomicBool::new(false) })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether calls can be recorded: nothing more is to be done where one could not.
    pub(crate) fn is_working(&self) -> bool {
        !self.is_broken.load(Ordering::Relaxed)
    }

    /// Asks `model`, the one of `cartridge`, for `who`, and records how it ends.
    ///
    /// # Errors
    /// As [`ChatModel::chat`]; and when the line cannot be written.
    pub fn chat(
        &self,
        who: &str,
        (cartridge, model): (&Cartridge, &dyn ChatModel),
        request: &ChatRequest,
        cancel: &Cancel,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<Answer, ChatError> {
        if !self.is_working() {
            return Err(self.broken(&io::Error::other("an earlier line could not be")));
        }
        let Cartridge { name, id, model_name, .. } = cartridge;
        let call = CallRecord::new(who, name, *id, model_name, &request.messages);
        let start = Instant::now();
        let answer = model.chat(request, cancel, on_text);
        let recorded = match &answer {
            Ok(answer) => self.record(&call, CallResult::Answered(answer)),
            Err(error) => self.record(&call, CallResult::Failed(error, start.elapsed())),
        };
        match recorded {
            Ok(()) => answer,
            Err(error) => Err(self.broken(&error)),
        }
    }

    /// What whoever asked is told when the line cannot be written.
    pub(super) fn broken(&self, error: &io::Error) -> ChatError {
        let path = self.path.display();
        ChatError::Refused(format!("{path}: the audit log cannot be written: {error}"))
    }

    /// Adds the line of a call. It is written at once, so lines of several processes
    /// do not mix.
    ///
    /// # Errors
    /// When it cannot be written: what cannot be recorded should not be done.
    pub fn record(&self, call: &CallRecord, result: CallResult<'_>) -> io::Result<()> {
        self.append(&line_of(call, result))
    }

    /// Adds a line of any kind.
    ///
    /// # Errors
    /// As [`Self::record`].
    pub(crate) fn append(&self, line: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_string(line)?;
        line.push('\n');
        let done = (&self.file).write_all(line.as_bytes());
        if done.is_err() {
            self.is_broken.store(true, Ordering::Relaxed);
        }
        done
    }
}

/// Asks a model as [`Audit::chat`] does where there is a log, and without a record where
/// there is none.
///
/// # Errors
/// As [`Audit::chat`].
pub fn chat_recorded(
    audit: Option<&Audit>,
    who: &str,
    (cartridge, model): (&Cartridge, &dyn ChatModel),
    request: &ChatRequest,
    cancel: &Cancel,
    on_text: &mut dyn FnMut(&str),
) -> Result<Answer, ChatError> {
    match audit {
        Some(audit) => audit.chat(who, (cartridge, model), request, cancel, on_text),
        None => model.chat(request, cancel, on_text),
    }
}

fn line_of<'a>(call: &'a CallRecord, result: CallResult<'_>) -> Line<'a> {
    let (answer, duration) = match result {
        CallResult::Answered(answer) => (Some(answer), answer.duration),
        CallResult::Failed(_, duration) => (None, duration),
        CallResult::Denied(_) => (None, Duration::ZERO),
    };
    let (word, error) = match result {
        CallResult::Answered(answer) => match answer.finish {
            Finish::Stop => ("answered", None),
            Finish::Length => ("cut", None),
        },
        CallResult::Failed(ChatError::Cancelled, _) => ("cancelled", None),
        CallResult::Failed(error, _) => ("failed", Some(harmless(&error.to_string(), 400))),
        CallResult::Denied(why) => ("denied", Some(harmless(why, 400))),
    };
    Line {
        time: crate::boot::log::rfc3339(SystemTime::now()),
        who: &call.who,
        cartridge: &call.cartridge,
        id: format!("0x{:08X}", call.id),
        model: &call.model,
        prompt_sha256: crate::store::hex(&call.prompt_sha256),
        prompt_bytes: call.prompt_bytes,
        duration_ms: u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
        prompt_tokens: answer.and_then(|answer| answer.prompt_tokens),
        answer_tokens: answer.and_then(|answer| answer.answer_tokens),
        answer_bytes: answer.map_or(0, |answer| answer.text.len()),
        result: word,
        error,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::chat::Role;
    use super::super::system::bare;
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn call(text: &str) -> CallRecord {
        CallRecord::new("test\n", "N", 0x1234, "m", &[Message::new(Role::User, text)])
    }

    #[test]
    fn each_call_is_a_line_without_its_question() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        let answer = Answer {
            text: "four".into(),
            model: "m".into(),
            prompt_tokens: Some(9),
            answer_tokens: None,
            finish: Finish::Stop,
            duration: Duration::from_millis(1500),
        };
        let error = ChatError::BrokenOff("x\x1b[2J\n".into());
        for _ in 0..2 {
            let audit = Audit::open(&path).unwrap();
            audit.record(&call("secret"), CallResult::Answered(&answer)).unwrap();
            audit.record(&call("secret"), CallResult::Failed(&error, Duration::ZERO)).unwrap();
            audit.record(&call("other"), CallResult::Denied("not now")).unwrap();
        }
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!text.contains("secret") && !text.contains('\x1b'), "{text}");
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 6);
        let [first, second, third] = &lines[..3] else { panic!() };
        assert_eq!((&first["result"], &first["duration_ms"]), (&"answered".into(), &1500.into()));
        assert_eq!((&first["who"], &first["id"]), (&"test".into(), &"0x00001234".into()));
        assert_eq!(first["prompt_sha256"].as_str().unwrap().len(), 64);
        assert_eq!(first["prompt_sha256"], second["prompt_sha256"]);
        assert_ne!(first["prompt_sha256"], third["prompt_sha256"]);
        assert!(second["error"].as_str().unwrap().ends_with("x\\u{1b}[2J"));
        assert_eq!(third["result"], "denied");
    }

    /// Counts how often it is asked.
    struct Counting(std::sync::atomic::AtomicUsize);

    impl ChatModel for Counting {
        fn name(&self) -> &str {
            "counting"
        }

        fn chat(
            &self,
            _: &ChatRequest,
            _: &Cancel,
            _: &mut dyn FnMut(&str),
        ) -> Result<Answer, ChatError> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Err(ChatError::Cancelled)
        }
    }

    #[test]
    fn nobody_is_asked_when_a_line_could_not_be_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        std::fs::write(&path, "").unwrap();
        // Open for reading only: as a disk that is full, no line gets into it.
        let file = File::open(&path).unwrap();
        let audit = Audit { path, file, is_broken: AtomicBool::new(false) };
        let cartridge = bare("/models/m.gguf");
        let request = cartridge.request(vec![Message::new(Role::User, "hi")]);
        let model = Counting(0.into());
        for _ in 0..3 {
            let said =
                audit.chat("test", (&cartridge, &model), &request, &Cancel::default(), &mut |_| {});
            assert!(said.unwrap_err().to_string().contains("cannot be written"));
        }
        assert_eq!(model.0.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn what_is_no_file_is_no_log() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Audit::open(dir.path()).is_err());
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("elsewhere", &link).unwrap();
        assert!(Audit::open(&link).is_err());
    }
}
