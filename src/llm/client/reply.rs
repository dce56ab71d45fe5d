//! The JSON of chat completions: pieces of a stream, whole answers, errors. The
//! servers' dialects differ in what they leave out; nothing that they add matters.

use serde::Deserialize;
use serde_json::Value;

use super::super::harmless::{EXCERPT, harmless};

/// What a server said with one object.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// The next piece of the text.
    pub(super) text: String,
    /// Why it ended: the server's word.
    pub(super) finish: Option<String>,
    /// The model, as it names itself.
    pub(super) model: Option<String>,
    /// Tokens of the conversation and of the answer.
    pub(super) tokens: (Option<u64>, Option<u64>),
}

/// What came is no part of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoReply {
    /// The server tells of an error, in its own words.
    Error(ServerError),
    /// It is no JSON of this API.
    Garbage(String),
}

/// An error as a server words it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ServerError {
    /// The sentence, harmless and cut.
    pub(super) message: String,
    /// `type` and `code`, for those that have them.
    pub(super) kind: String,
}

#[derive(Deserialize)]
struct Object {
    choices: Option<Vec<Choice>>,
    model: Option<Value>,
    usage: Option<Usage>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    index: Option<u64>,
    /// Of a stream.
    delta: Option<Spoken>,
    /// Of a whole answer.
    message: Option<Spoken>,
    finish_reason: Option<Value>,
}

#[derive(Deserialize)]
struct Spoken {
    content: Option<Content>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Deserialize)]
struct Part {
    text: Option<String>,
}

#[derive(Deserialize)]
struct Usage {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
}

/// Understands one object: a piece of a stream, or a whole answer.
pub(super) fn parse(json: &str) -> Result<Said, NoReply> {
    let object: Object = serde_json::from_str(json).map_err(|error| garbage(&error, json))?;
    if let Some(error) = object.error.filter(|error| !error.is_null()) {
        return Err(NoReply::Error(server_error(&error)));
    }
    // A last object with nothing but the tokens is usual.
    let choices = object.choices;
    if choices.is_none() && object.usage.is_none() {
        let text = format!("an object without choices: {}", harmless(json, 120));
        return Err(NoReply::Garbage(text));
    }
    let mut said = Said { model: object.model.as_ref().and_then(text_of), ..Said::default() };
    if let Some(usage) = object.usage {
        said.tokens = (usage.prompt_tokens, usage.completion_tokens);
    }
    // Only one answer was asked for; of several the first counts.
    let choices = choices.into_iter().flatten();
    for choice in choices.filter(|choice| choice.index.unwrap_or(0) == 0) {
        let spoken = choice.delta.or(choice.message);
        match spoken.and_then(|spoken| spoken.content) {
            Some(Content::Text(text)) => said.text.push_str(&text),
            Some(Content::Parts(parts)) => {
                parts.iter().filter_map(|part| part.text.as_deref()).for_each(|text| {
                    said.text.push_str(text);
                });
            }
            None => {}
        }
        said.finish = choice.finish_reason.as_ref().and_then(text_of).or(said.finish);
    }
    Ok(said)
}

/// Understands what an error status comes with, which may be anything.
pub(super) fn parse_error(body: &[u8]) -> ServerError {
    let text = String::from_utf8_lossy(body);
    match serde_json::from_str::<Value>(&text) {
        Ok(Value::Object(object)) => match object.get("error") {
            Some(error) => server_error(error),
            None => {
                let message = ["message", "detail"].iter().find_map(|name| object.get(*name));
                server_error(message.unwrap_or(&Value::Object(object.clone())))
            }
        },
        Ok(value) => server_error(&value),
        Err(_) => ServerError { message: harmless(&text, EXCERPT), kind: String::new() },
    }
}

fn server_error(error: &Value) -> ServerError {
    let field = |name: &str| error.get(name).map(shown).unwrap_or_default();
    let message = match error {
        Value::String(text) => text.clone(),
        Value::Object(object) => match object.get("message") {
            Some(message) => shown(message),
            None => error.to_string(),
        },
        other => other.to_string(),
    };
    ServerError {
        message: harmless(&message, EXCERPT),
        kind: harmless(&format!("{} {}", field("type"), field("code")), 100),
    }
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn text_of(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn garbage(error: &serde_json::Error, json: &str) -> NoReply {
    // Its message may repeat what it did not expect.
    let error = harmless(&error.to_string(), 150);
    NoReply::Garbage(format!("{error}: {}", harmless(json, 120)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_dialects_of_the_servers() {
        let text = |json: &str| parse(json).unwrap().text;
        assert_eq!(text(r#"{"choices":[{"index":0,"delta":{"content":"a"}}]}"#), "a");
        assert_eq!(text(r#"{"choices":[{"delta":{"role":"assistant","content":null}}]}"#), "");
        assert_eq!(text(r#"{"choices":[{"message":{"content":"all"}}],"x":[1]}"#), "all");
        assert_eq!(
            text(r#"{"choices":[{"delta":{"content":[{"type":"text","text":"p"}]}}]}"#),
            "p"
        );
        assert_eq!(text(r#"{"choices":[{"index":1,"delta":{"content":"other"}}]}"#), "");
        let last =
            r#"{"choices":[],"model":"m","usage":{"prompt_tokens":3,"completion_tokens":4}}"#;
        let said = parse(last).unwrap();
        assert_eq!((said.tokens, said.model.as_deref()), ((Some(3), Some(4)), Some("m")));
        let end = r#"{"choices":[{"delta":{},"finish_reason":"length"}]}"#;
        assert_eq!(parse(end).unwrap().finish.as_deref(), Some("length"));
    }

    #[test]
    fn errors_are_errors_in_any_form() {
        let cases = [
            (r#"{"error":{"message":"no","type":"t","code":400}}"#, "no", "t 400"),
            (r#"{"error":"model 'x' not found"}"#, "model 'x' not found", ""),
            (r#"{"error":{"code":5}}"#, r#"{"code":5}"#, "5"),
            (r#"{"error":7}"#, "7", ""),
        ];
        for (json, message, kind) in cases {
            let expected = ServerError { message: message.into(), kind: kind.into() };
            let NoReply::Error(found) = parse(json).unwrap_err() else { panic!("{json}") };
            assert_eq!(found, expected, "{json}");
            assert_eq!(parse_error(json.as_bytes()), expected, "{json}");
        }
        let html = parse_error(b"<html>\x1b[31mBad\nGateway\xff</html>");
        assert_eq!(html.message, "<html>\\u{1b}[31mBad Gateway\u{fffd}</html>");
        assert_eq!(parse_error(br#"{"detail":"Not Found"}"#).message, "Not Found");
        for json in ["", "{}", "[]", "null", "{", r#"{"choices":7}"#, "nan"] {
            assert!(matches!(parse(json), Err(NoReply::Garbage(_))), "{json}");
        }
    }
}
