//! The boot sequence: which modules run, in which order, and which must.
//!
//! Stricter than the old boot kernel, which took a missing or empty sequence
//! for a complete boot: here what cannot be meant is an error with a sentence.

use serde_json::{Map, Value};

/// The sequence used when neither the command line nor the root names one.
pub const TEMPLATE: &str = include_str!("../../boot_sequence_template.json");

/// Where a root may keep its own boot sequence; the first found is taken.
/// The last two are where an import puts those that lay beside a root's paths.
pub const OWN: [&str; 4] = [
    "/boot_sequence.json",
    "/boot/boot_sequence.json",
    "/.pxos/boot_sequence.json",
    "/.pxos/boot_sequence_template.json",
];

/// Longest boot sequence that is read, in bytes.
pub const MAX_BYTES: u64 = 1 << 20;

/// Most steps that a sequence may give a stage: less than a minute.
pub const MAX_FUEL: u64 = 10_000_000_000;

/// The stages, in the order in which they run: that of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Sequence {
    /// At least one.
    pub stages: Vec<Stage>,
}

/// One stage.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// Number or text, for people; "?" when the file has none.
    pub stage: Value,
    /// Name for people; "Unknown" when the file has none.
    pub name: String,
    /// Path of the module in the root.
    pub path: String,
    /// Whether a failure stops the boot; false when the file does not say.
    pub required: bool,
    /// Steps that it may take, if not as many as any.
    pub fuel: Option<u64>,
}

impl Stage {
    /// The stage whose module lies at a path and that no sequence names.
    pub fn unnamed(path: &str) -> Self {
        let (stage, name) = (Value::from("?"), "Unknown".to_owned());
        Self { stage, name, path: path.to_owned(), required: false, fuel: None }
    }

    /// The stage's number or text without quotes.
    pub fn label(&self) -> String {
        match &self.stage {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }
}

/// Why a text is no boot sequence.
#[derive(Debug, thiserror::Error)]
pub enum SequenceError {
    /// It is no JSON.
    #[error("not JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The outermost value is not an object.
    #[error("the file holds {0}, but a boot sequence is an object with a field \"sequence\"")]
    NotAnObject(&'static str),
    /// The field `sequence` is missing or no list.
    #[error("\"sequence\" is {0}, but must be a list of stages")]
    NoSequence(&'static str),
    /// There is nothing to boot.
    #[error("\"sequence\" is empty: there is nothing to boot")]
    Empty,
    /// A stage, counted from 1, is wrong.
    #[error("entry {index} of \"sequence\": {what} is {found}, but must be {expected}")]
    Entry {
        /// Place in the list, from 1.
        index: usize,
        /// The field, or the entry itself.
        what: &'static str,
        /// What it must be.
        expected: &'static str,
        /// What it is.
        found: &'static str,
    },
}

/// Reads a boot sequence.
///
/// # Errors
/// [`SequenceError`] for anything that cannot be meant. Unknown fields are left alone.
pub fn parse(text: &str) -> Result<Sequence, SequenceError> {
    let json: Value = serde_json::from_str(text)?;
    let Value::Object(object) = &json else {
        return Err(SequenceError::NotAnObject(kind(Some(&json))));
    };
    let list = object.get("sequence");
    let Some(Value::Array(entries)) = list else {
        return Err(SequenceError::NoSequence(kind(list)));
    };
    if entries.is_empty() {
        return Err(SequenceError::Empty);
    }
    let stages = entries.iter().enumerate().map(|(index, entry)| stage(index + 1, entry));
    Ok(Sequence { stages: stages.collect::<Result<_, _>>()? })
}

fn stage(index: usize, entry: &Value) -> Result<Stage, SequenceError> {
    let wrong =
        |what, expected, found| SequenceError::Entry { index, what, expected, found: kind(found) };
    let Value::Object(fields) = entry else {
        return Err(wrong("it", "an object", Some(entry)));
    };
    let field = |name| fields.get(name).filter(|value| !value.is_null());
    let stage = match field("stage") {
        None => Value::from("?"),
        Some(value @ (Value::Number(_) | Value::String(_))) => value.clone(),
        other => return Err(wrong("\"stage\"", "a number or a text", other)),
    };
    let name = match field("name") {
        None => "Unknown".to_owned(),
        Some(Value::String(name)) => name.clone(),
        other => return Err(wrong("\"name\"", "a text", other)),
    };
    let required = match field("required") {
        None => false,
        Some(Value::Bool(required)) => *required,
        other => return Err(wrong("\"required\"", "true or false", other)),
    };
    let fuel = match field("fuel") {
        None => None,
        Some(value) => match value.as_u64() {
            Some(fuel @ 1..=MAX_FUEL) => Some(fuel),
            _ => return Err(wrong("\"fuel\"", "a number of steps, 1 to 10000000000", Some(value))),
        },
    };
    Ok(Stage { stage, name, path: path(index, fields)?, required, fuel })
}

fn path(index: usize, fields: &Map<String, Value>) -> Result<String, SequenceError> {
    let value = fields.get("path");
    match value {
        Some(Value::String(path)) if !path.trim_matches('/').is_empty() && !path.contains('\0') => {
            Ok(path.clone())
        }
        other => Err(SequenceError::Entry {
            index,
            what: "\"path\"",
            expected: "the path of a module",
            found: kind(other),
        }),
    }
}

/// What a JSON value is, in words.
fn kind(value: Option<&Value>) -> &'static str {
    match value {
        None => "missing",
        Some(Value::Null) => "null",
        Some(Value::Bool(_)) => "true or false",
        Some(Value::Number(_)) => "a number",
        Some(Value::String(text)) if text.is_empty() => "an empty text",
        Some(Value::String(_)) => "a text",
        Some(Value::Array(_)) => "a list",
        Some(Value::Object(_)) => "an object",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_template_has_the_nine_stages() {
        let stages = parse(TEMPLATE).unwrap().stages;
        let numbers: Vec<_> = stages.iter().map(Stage::label).collect();
        assert_eq!(numbers, ["0", "1", "2", "3", "4", "10", "11", "12", "20"]);
        assert!(stages.iter().all(|stage| stage.path.starts_with("/boot/")));
        assert_eq!(stages.iter().filter(|stage| stage.required).count(), 5);
    }

    #[test]
    fn fields_that_are_missing_have_defaults() {
        let sequence = parse(r#"{"sequence": [{"path": "/boot/x"}]}"#).unwrap();
        let expected = Stage {
            stage: "?".into(),
            name: "Unknown".into(),
            path: "/boot/x".into(),
            required: false,
            fuel: None,
        };
        assert_eq!(sequence.stages, [expected]);
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_a_sentence() {
        let cases = [
            ("", "not JSON"),
            ("[]", "holds a list"),
            ("{}", "\"sequence\" is missing"),
            (r#"{"sequence": {}}"#, "\"sequence\" is an object"),
            (r#"{"sequence": []}"#, "nothing to boot"),
            (r#"{"sequence": [1]}"#, "entry 1 of \"sequence\": it is a number"),
            (
                r#"{"sequence": [{"path": "/a"}, {}]}"#,
                "entry 2 of \"sequence\": \"path\" is missing",
            ),
            (r#"{"sequence": [{"path": ""}]}"#, "\"path\" is an empty text"),
            (r#"{"sequence": [{"path": "/"}]}"#, "\"path\" is a text"),
            (r#"{"sequence": [{"path": "/a", "required": 1}]}"#, "\"required\" is a number"),
            (r#"{"sequence": [{"path": "/a", "fuel": 0}]}"#, "\"fuel\" is a number, but must be"),
            (r#"{"sequence": [{"path": "/a", "fuel": "9"}]}"#, "\"fuel\" is a text"),
            (r#"{"sequence": [{"path": "/a", "name": []}]}"#, "\"name\" is a list"),
            (r#"{"sequence": [{"path": "/a", "stage": {}}]}"#, "\"stage\" is an object"),
        ];
        for (text, expected) in cases {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
