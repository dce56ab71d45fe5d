//! What a status or a lost connection means: an error with a sentence, and
//! whether it is worth another try.

use std::time::{Duration, SystemTime};

use super::super::chat::ChatError;
use super::super::endpoint::Endpoint;
use super::super::harmless::harmless;
use super::reply::{ServerError, parse_error};
use super::wire::{Head, Lost};

/// Why a try gave no answer.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) error: ChatError,
    /// Whether another try may go better: nothing was given out yet.
    pub(super) again: Again,
}

/// What can be done about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// Nothing.
    Never,
    /// Another try, after the usual wait.
    Soon,
    /// Another try, after the time that the server asks for.
    After(Duration),
}

impl Failed {
    pub(super) fn for_good(error: ChatError) -> Self {
        Self { error, again: Again::Never }
    }
}

/// What a lost connection means, before anything of an answer came.
pub(super) fn of_lost(lost: Lost, endpoint: &Endpoint, total: Duration) -> Failed {
    let at = || endpoint.base().to_owned();
    let (error, again) = match lost {
        Lost::Unreachable(reason) => {
            (ChatError::Unreachable { endpoint: at(), reason }, Again::Soon)
        }
        Lost::Broken(reason) => (ChatError::BrokenOff(reason), Again::Soon),
        Lost::Garbage(what) => (ChatError::Garbage(what), Again::Never),
        Lost::TimedOut => (ChatError::TimedOut(total), Again::Never),
    };
    Failed { error, again }
}

/// What a status that is no success means; `body` is the beginning of what came
/// with it.
pub(super) fn of_status(
    head: &Head,
    body: &[u8],
    endpoint: &Endpoint,
    model: &str,
    has_key: bool,
) -> Failed {
    let status = head.status;
    let ServerError { mut message, kind } = parse_error(body);
    if message.is_empty() {
        message = "it does not say why".into();
    }
    if is_too_long(&message, &kind) || status == 413 {
        return Failed::for_good(ChatError::TooLong(message));
    }
    if is_unknown_model(status, &message, &kind) {
        let (model, available) = (harmless(model, 100), Vec::new());
        return Failed::for_good(ChatError::NoSuchModel { model, available });
    }
    let mut again = match status {
        429 | 503 => Again::Soon,
        500 | 502 | 504 => Again::Soon,
        _ => Again::Never,
    };
    match status {
        300..=399 => {
            let to = head.location.as_deref().map_or("elsewhere".into(), |to| harmless(to, 200));
            message = format!(
                "it redirects to {to}, which is not followed; if that is the right address, \
                 put it into the cartridge"
            );
        }
        401 | 403 if !has_key => {
            message.push_str("; the cartridge names no key (api_key_env or api_key_file)");
        }
        429 | 503 => {
            let wait =
                head.retry_after.as_deref().and_then(|text| wait_of(text, SystemTime::now()));
            if let Some(wait) = wait {
                again = Again::After(wait);
                message = format!("{message}; it asks to wait {} s", wait.as_secs());
            }
        }
        _ => {}
    }
    let endpoint = endpoint.base().to_owned();
    Failed { error: ChatError::Status { endpoint, status, message }, again }
}

/// The time that a Retry-After asks for: seconds, or until a date.
pub(super) fn wait_of(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// Whether a server says that a conversation does not fit its model.
pub(super) fn is_too_long(message: &str, kind: &str) -> bool {
    let (message, kind) = (message.to_lowercase(), kind.to_lowercase());
    kind.contains("exceed_context_size")
        || kind.contains("context_length_exceeded")
        || message.contains("context")
            && ["exceed", "too long", "too large", "overflow", "maximum context", "context length"]
                .iter()
                .any(|word| message.contains(word))
}

/// Whether a server says that it has no such model.
fn is_unknown_model(status: u16, message: &str, kind: &str) -> bool {
    let (message, kind) = (message.to_lowercase(), kind.to_lowercase());
    kind.contains("model_not_found")
        || matches!(status, 400 | 404)
            && message.contains("model")
            && ["not found", "does not exist", "not exist", "no model", "not loaded", "unknown"]
                .iter()
                .any(|word| message.contains(word))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn failed(status: u16, retry_after: Option<&str>, body: &str) -> Failed {
        let head = Head {
            status,
            content_type: String::new(),
            retry_after: retry_after.map(str::to_owned),
            location: Some("https://evil.example/\x1b[2J".into()),
        };
        let endpoint = Endpoint::parse("http://localhost:1/v1").unwrap();
        of_status(&head, body.as_bytes(), &endpoint, "m", false)
    }

    #[test]
    fn each_status_has_its_sentence() {
        let cases = [
            (400, "{}", "answered with status 400"),
            (401, "no", "answered with status 401: no; the cartridge names no key"),
            (404, r#"{"error":"model 'm' not found, try pulling it first"}"#, "no model \"m\""),
            (404, "<html>", "answered with status 404: <html>"),
            (413, "", "too long for the model"),
            (400, r#"{"error":{"message":"n","code":"context_length_exceeded"}}"#, "too long"),
            (302, "", "redirects to https://evil.example/\\u{1b}[2J, which is not followed"),
            (500, "", "it does not say why"),
        ];
        for (status, body, expected) in cases {
            let text = failed(status, None, body).error.to_string();
            assert!(text.contains(expected), "{status}: {text}");
        }
    }

    #[test]
    fn what_may_go_better_is_tried_again() {
        let again = |status, after| failed(status, after, "").again;
        for status in [500, 502, 503, 504, 429] {
            assert_eq!(again(status, None), Again::Soon, "{status}");
        }
        for status in [301, 400, 401, 403, 404, 405, 501] {
            assert_eq!(again(status, None), Again::Never, "{status}");
        }
        assert_eq!(again(429, Some("7")), Again::After(Duration::from_secs(7)));
        assert_eq!(again(429, Some("soon")), Again::Soon);
    }

    #[test]
    fn a_wait_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_770);
        let wait = |text| wait_of(text, now);
        assert_eq!(wait(" 12 "), Some(Duration::from_secs(12)));
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::from_secs(7)));
        assert_eq!(wait("Tue, 06 Nov 1984 08:49:37 GMT"), Some(Duration::ZERO));
        for text in ["-1", "", "1.5", "later"] {
            assert_eq!(wait(text), None, "{text}");
        }
    }
}
