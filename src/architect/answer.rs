//! The JSON object in a model's answer: behind what it thought, among prose,
//! in a fence or without one.
//!
//! The object is found by one rule and never mended: what is broken is told to
//! the model, which can say it again.

use serde::de::IgnoredAny;

/// Where models that think aloud end it.
const THOUGHT: &str = "</think>";
/// Thoughts that an answer may have; each is looked through once.
const MAX_THOUGHTS: usize = 16;

/// Why there is no object in an answer.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// There is none at all.
    #[error("there is no JSON object in the answer; answer with one JSON object and nothing else")]
    None,
    /// It begins, but is broken.
    #[error("the JSON object is broken: {reason}, just behind: {before}")]
    Broken {
        /// What the parser says.
        reason: String,
        /// The text before the place.
        before: String,
    },
    /// It begins, but does not end.
    #[error(
        "the JSON object does not end ({length} bytes of it came); answer shorter, and close all \
         strings and braces"
    )]
    CutOff {
        /// Bytes from its first brace on.
        length: usize,
    },
}

/// The first JSON object of an answer: it begins at the first brace that a quote
/// or the closing brace follows.
///
/// # Errors
/// When there is none, or it is no JSON.
pub(super) fn first_object(answer: &str) -> Result<&str, ObjectError> {
    let text = behind_thoughts(answer);
    let start = beginning(text).ok_or(ObjectError::None)?;
    let rest = &text[start..];
    match whole(rest) {
        Ok(length) => Ok(&rest[..length]),
        Err(error) if error.is_eof() => Err(ObjectError::CutOff { length: rest.len() }),
        Err(error) => Err(broken(rest, &error)),
    }
}

/// The length of the JSON value that a text begins with.
fn whole(text: &str) -> serde_json::Result<usize> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    values.next().transpose().map(|_| values.byte_offset())
}

/// The answer behind what the model thought aloud. The mark that ends it may also
/// stand in a text of the object: then it ends nothing.
fn behind_thoughts(answer: &str) -> &str {
    let mut text = answer;
    for _ in 0..MAX_THOUGHTS {
        let Some(end) = text.find(THOUGHT) else {
            break;
        };
        let start = beginning(text).filter(|start| *start < end);
        if start.is_some_and(|start| whole(&text[start..]).is_ok_and(|len| start + len > end)) {
            break;
        }
        text = &text[end + THOUGHT.len()..];
    }
    text
}

fn beginning(text: &str) -> Option<usize> {
    let opens = |at: &usize| {
        let next = text[at + 1..].trim_start();
        next.starts_with(['"', '}'])
    };
    text.match_indices('{').map(|(at, _)| at).find(opens)
}

fn broken(text: &str, error: &serde_json::Error) -> ObjectError {
    /// Bytes that are shown to find the place by.
    const SHOWN: usize = 60;
    let line = text.split_inclusive('\n').nth(error.line().saturating_sub(1)).unwrap_or_default();
    let end = line.floor_char_boundary(error.column());
    let start = line.floor_char_boundary(end.saturating_sub(SHOWN));
    ObjectError::Broken { reason: error.to_string(), before: line[start..end].to_owned() }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_first_object_is_found() {
        let cases = [
            ("{}", "{}"),
            ("  {\"a\": {\"b\": [1, \"}\"]}} and {\"c\": 2}", "{\"a\": {\"b\": [1, \"}\"]}}"),
            ("```json\n{ \"a\": 1 }\n```", "{ \"a\": 1 }"),
            ("<think>{\"a\": 0}</think>{\n\"a\": 1}", "{\n\"a\": 1}"),
            ("{\"a\": \"</think>\"} </think>", "{\"a\": \"</think>\"}"),
            ("<think>{\"a\": 0}</think></think>{\"a\": \"</think>\"}", "{\"a\": \"</think>\"}"),
            ("sets {x} and {y: 2}, then {\"a\": 1}", "{\"a\": 1}"),
            ("\u{fc}ber {\"\u{fc}\": \"\u{1f600}\"}.", "{\"\u{fc}\": \"\u{1f600}\"}"),
        ];
        for (answer, expected) in cases {
            assert_eq!(first_object(answer).unwrap(), expected, "{answer}");
        }
    }

    #[test]
    fn what_is_broken_is_said_and_not_mended() {
        let cases = [
            ("", "no JSON object"),
            ("no { here }", "no JSON object"),
            ("<think>{\"a\": 1}</think> done", "no JSON object"),
            ("{\"a\": 1", "does not end (7 bytes"),
            ("{\"a\": \"x", "does not end"),
            ("{\"a\": 1,}", "just behind: {\"a\": 1,}"),
            ("{\"a\": 'x'}", "line 1 column 7"),
            ("{\"a\": \"line\nbreak\"}", "control character"),
        ];
        for (answer, expected) in cases {
            let error = first_object(answer).unwrap_err().to_string();
            assert!(error.contains(expected), "{answer}: {error}");
        }
        let deep = format!("{{\"a\":{}", "[".repeat(100_000));
        assert!(first_object(&deep).unwrap_err().to_string().contains("does not end"));
    }
}
