//! The events of the boot log, in one table that the code, the tests and
//! docs/boot.md are held to.

/// Who writes an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The program that boots, hosted and native alike.
    Host,
    /// The boot kernel: the hosted one, or the one made of pixels.
    Kernel,
}

/// All events that no module may write. `Kernel` events are those that a hosted
/// and a native boot of the same root have alike.
pub const EVENTS: &[(&str, By)] = &[
    ("start", By::Host),
    ("sequence", By::Host),
    ("resume", By::Host),
    ("resumed", By::Host),
    ("native", By::Host),
    ("print", By::Host),
    ("blob", By::Host),
    ("blob-failed", By::Host),
    ("llm", By::Host),
    ("llm-refused", By::Host),
    ("route", By::Host),
    ("denied", By::Host),
    ("policy", By::Host),
    ("policy-refused", By::Host),
    ("shell", By::Kernel),
    ("shell-end", By::Host),
    ("stage", By::Kernel),
    ("requires", By::Kernel),
    ("resolved", By::Kernel),
    ("checked", By::Kernel),
    ("ran", By::Kernel),
    ("stage-complete", By::Kernel),
    ("missing", By::Kernel),
    ("unreadable", By::Kernel),
    ("digest-mismatch", By::Kernel),
    ("cycle", By::Kernel),
    ("not-a-program", By::Kernel),
    ("bad-header", By::Kernel),
    ("bad-import", By::Kernel),
    ("out-of-fuel", By::Kernel),
    ("exit", By::Kernel),
    ("trap", By::Kernel),
    ("complete", By::Kernel),
    ("failed", By::Kernel),
];

/// Who writes an event, if it is one of these.
pub fn writer(event: &str) -> Option<By> {
    EVENTS.iter().find(|(name, _)| *name == event).map(|(_, by)| *by)
}

/// Whether a module may call an event so: a word that means nothing else.
pub(super) fn is_free_word(event: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !event.is_empty() && event.len() <= 64 && event.bytes().all(is_word) && writer(event).is_none()
}
