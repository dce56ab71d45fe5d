//! What a model may ask for: one action, as one JSON object of a strict form.
//!
//! `docs/architect.md` has the form as a JSON schema; `SCHEMA` is that text. An
//! action says what to do inside the tree and nothing else: there are no
//! commands, no paths of the host, no deletions.

use serde::{Deserialize, Serialize};

use super::answer::{ObjectError, first_object};
use super::paths::{self, PathError};

/// Longest source or text of an action, in bytes.
pub const MAX_TEXT: usize = 64 << 10;
/// Longest note, plan, description or name, in bytes.
pub const MAX_NOTE: usize = 2000;
/// Most edits of the boot sequence in one action.
pub const MAX_EDITS: usize = 16;
/// Most steps that an edit may give a stage: a second or so.
pub const MAX_FUEL: u64 = 200_000_000;

/// The form of an action as a JSON schema.
pub const SCHEMA: &str = include_str!("action.schema.json");

/// One action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Write a module: its source is kept, it is compiled, and put at its path.
    WriteModule {
        /// The module's path, `/apps/hello`.
        path: String,
        /// What the source is written in.
        language: Language,
        /// The source.
        source: String,
        /// A module that is there already gives way.
        #[serde(default)]
        replace: bool,
        /// What it is for.
        #[serde(default)]
        note: String,
    },
    /// Compile the source that is kept for a module anew.
    Compile {
        /// The module's path.
        path: String,
        /// Why.
        #[serde(default)]
        note: String,
    },
    /// Put a text into the tree: data, configuration, a world.
    AddToPixelfs {
        /// Its path.
        path: String,
        /// Its content.
        text: String,
        /// What PixelFS takes it for.
        #[serde(rename = "type", default)]
        kind: TextKind,
        /// A file that is there already gives way.
        #[serde(default)]
        replace: bool,
        /// What it is for.
        #[serde(default)]
        note: String,
    },
    /// Change the boot sequence.
    EditSequence {
        /// The changes, in order.
        edits: Vec<Edit>,
        /// Why.
        #[serde(default)]
        note: String,
    },
    /// Look at a file; its text stands in the next state.
    ReadFile {
        /// Its path.
        path: String,
        /// Why.
        #[serde(default)]
        note: String,
    },
    /// Check the boot without running it.
    BootDryRun {
        /// Why.
        #[serde(default)]
        note: String,
    },
    /// Only think.
    PlanOnly {
        /// The plan.
        #[serde(default)]
        note: String,
    },
    /// There is nothing more to do.
    Done {
        /// Why not.
        #[serde(default)]
        note: String,
    },
}

/// What a source is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// The Python subset.
    Python,
    /// Assembly.
    Asm,
}

/// What PixelFS takes a text for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TextKind {
    /// Anything.
    #[default]
    Data,
    /// Configuration.
    Config,
    /// A world.
    World,
}

/// One change of the boot sequence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum Edit {
    /// A new stage.
    Add {
        /// Its module's path.
        path: String,
        /// Its name for people.
        name: String,
        /// The stage behind which it comes; without it, the last one.
        #[serde(default)]
        after: Option<String>,
        /// Whether its failure stops the boot.
        #[serde(default)]
        required: bool,
        /// Steps that it may take.
        #[serde(default)]
        fuel: Option<u64>,
    },
    /// A stage goes.
    Remove {
        /// Its module's path.
        path: String,
    },
    /// A stage gets another place.
    Move {
        /// Its module's path.
        path: String,
        /// The stage behind which it comes; without it, it is the first.
        #[serde(default)]
        after: Option<String>,
    },
    /// A stage may take so many steps.
    Fuel {
        /// Its module's path.
        path: String,
        /// Steps.
        fuel: u64,
    },
}

/// Why an answer holds no action.
#[derive(Debug, thiserror::Error)]
pub enum ActionError {
    /// There is no JSON object in it.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The object is no action.
    #[error("the JSON object is no action: {0}")]
    Form(String),
    /// A path that cannot be.
    #[error(transparent)]
    Path(#[from] PathError),
    /// Something in it is too large, or missing.
    #[error("{0}")]
    Bounds(String),
}

impl Action {
    /// Takes the action out of a model's answer.
    ///
    /// # Errors
    /// [`ActionError`], in words that a model can mend its answer by.
    pub fn parse(answer: &str) -> Result<Self, ActionError> {
        let object = first_object(answer)?;
        let action: Self = serde_json::from_str(object)
            .map_err(|error| ActionError::Form(cut(&error.to_string(), 400).to_owned()))?;
        action.check()?;
        Ok(action)
    }

    /// Its name, as `architect_state.json` has it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::WriteModule { .. } => "write_module",
            Self::Compile { .. } => "compile",
            Self::AddToPixelfs { .. } => "add_to_pixelfs",
            Self::EditSequence { .. } => "edit_sequence",
            Self::ReadFile { .. } => "read_file",
            Self::BootDryRun { .. } => "boot_dry_run",
            Self::PlanOnly { .. } => "plan_only",
            Self::Done { .. } => "done",
        }
    }

    /// What the model says about it.
    pub fn note(&self) -> &str {
        match self {
            Self::WriteModule { note, .. }
            | Self::Compile { note, .. }
            | Self::AddToPixelfs { note, .. }
            | Self::EditSequence { note, .. }
            | Self::ReadFile { note, .. }
            | Self::BootDryRun { note }
            | Self::PlanOnly { note }
            | Self::Done { note } => note,
        }
    }

    /// Holds it to its bounds.
    fn check(&self) -> Result<(), ActionError> {
        at_most("note", self.note(), MAX_NOTE)?;
        match self {
            Self::WriteModule { path, source, .. } => {
                paths::check_module(path)?;
                at_most("source", source, MAX_TEXT)?;
                not_empty("source", source)
            }
            Self::Compile { path, .. } => Ok(paths::check_module(path)?),
            Self::AddToPixelfs { path, text, .. } => {
                paths::check_text(path)?;
                at_most("text", text, MAX_TEXT)
            }
            Self::EditSequence { edits, .. } => check_edits(edits),
            Self::ReadFile { path, .. } => Ok(paths::check_shown(path)?),
            Self::PlanOnly { note } => not_empty("note", note),
            Self::BootDryRun { .. } | Self::Done { .. } => Ok(()),
        }
    }
}

fn check_edits(edits: &[Edit]) -> Result<(), ActionError> {
    if edits.is_empty() || edits.len() > MAX_EDITS {
        let sentence =
            format!("\"edits\" has {} entries, but must have 1 to {MAX_EDITS}", edits.len());
        return Err(ActionError::Bounds(sentence));
    }
    for edit in edits {
        let (path, after, fuel) = match edit {
            Edit::Add { path, name, after, fuel, .. } => {
                at_most("name", name, 100)?;
                not_empty("name", name)?;
                (path, after.as_ref(), *fuel)
            }
            Edit::Remove { path } => (path, None, None),
            Edit::Move { path, after } => (path, after.as_ref(), None),
            Edit::Fuel { path, fuel } => (path, None, Some(*fuel)),
        };
        paths::check_readable(path)?;
        after.map_or(Ok(()), |after| paths::check_readable(after))?;
        if fuel.is_some_and(|fuel| fuel == 0 || fuel > MAX_FUEL) {
            let sentence = format!("\"fuel\" must be 1 to {MAX_FUEL} steps");
            return Err(ActionError::Bounds(sentence));
        }
    }
    Ok(())
}

fn at_most(field: &str, text: &str, most: usize) -> Result<(), ActionError> {
    if text.len() <= most {
        return Ok(());
    }
    let len = text.len();
    Err(ActionError::Bounds(format!("\"{field}\" has {len} bytes, but may have {most} at most")))
}

fn not_empty(field: &str, text: &str) -> Result<(), ActionError> {
    if text.trim().is_empty() {
        return Err(ActionError::Bounds(format!("\"{field}\" is empty")));
    }
    Ok(())
}

/// At most so many bytes of a text, whole characters.
pub(super) fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        Action::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn an_action_is_taken_out_of_what_stands_around_it() {
        let answer = "Sure! Here it is:\n```json\n{\"action\": \"write_module\", \"path\": \
                      \"/apps/hello\", \"language\": \"python\", \"source\": \
                      \"print(\\\"{hi}\\\")\\n\", \"note\": \"greets\"}\n```\nHope {that} helps.";
        let Action::WriteModule { path, language, source, replace, note } =
            Action::parse(answer).unwrap()
        else {
            panic!("another action")
        };
        assert_eq!((path.as_str(), language, replace), ("/apps/hello", Language::Python, false));
        assert_eq!((source.as_str(), note.as_str()), ("print(\"{hi}\")\n", "greets"));
        let edits = "{\"action\":\"edit_sequence\",\"edits\":[{\"op\":\"move\",\"path\":\"/boot/x\",\
                     \"after\":null},{\"op\":\"fuel\",\"path\":\"/boot/x\",\"fuel\":9}]}";
        assert_eq!(Action::parse(edits).unwrap().name(), "edit_sequence");
        assert_eq!(Action::parse("{\"action\":\"done\"}").unwrap().note(), "");
    }

    #[test]
    fn what_is_no_action_is_refused_with_what_is_wrong() {
        let long = format!("{{\"action\":\"plan_only\",\"note\":\"{}\"}}", "x".repeat(3000));
        let source = format!(
            "{{\"action\":\"write_module\",\"path\":\"/apps/x\",\"language\":\"asm\",\"source\":\"{}\"}}",
            "x".repeat(MAX_TEXT + 1)
        );
        let add = r#"{"action":"edit_sequence","edits":[{"op":"add","path":"/apps/x","name":"x","fuel":99999999999}]}"#;
        let cases = [
            ("I would rather not.", "no JSON object"),
            (r#"{"path":"/apps/x"}"#, "missing field `action`"),
            (r#"{"action":"run_command","command":"rm -rf /"}"#, "unknown variant `run_command`"),
            (r#"{"action":"done","command":"id"}"#, "unknown field `command`"),
            (r#"{"action":"done","action":"done"}"#, "duplicate field"),
            (r#"{"action":"done","note":7}"#, "invalid type: integer"),
            (r#"{"action":"compile"}"#, "missing field `path`"),
            (r#"{"action":"compile","path":"../../etc/passwd"}"#, "begin with /"),
            (r#"{"action":"edit_sequence","edits":[]}"#, "1 to 16"),
            (
                r#"{"action":"edit_sequence","edits":[{"op":"run","path":"/boot/x"}]}"#,
                "unknown variant",
            ),
            (r#"{"action":"plan_only"}"#, "\"note\" is empty"),
            (add, "\"fuel\" must be"),
            (&long, "\"note\" has 3000 bytes"),
            (&source, "\"source\" has 65537 bytes"),
        ];
        for (text, expected) in cases {
            let error = refused(text);
            assert!(error.contains(expected), "{text:.80}: {error}");
        }
    }

    #[test]
    fn the_schema_names_every_action_and_bound() {
        let schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
        let kinds = schema["oneOf"].as_array().unwrap();
        let names: Vec<&str> =
            kinds.iter().map(|k| k["properties"]["action"]["const"].as_str().unwrap()).collect();
        let expected = [
            "write_module",
            "compile",
            "add_to_pixelfs",
            "edit_sequence",
            "read_file",
            "boot_dry_run",
            "plan_only",
            "done",
        ];
        assert_eq!(names, expected);
        for kind in kinds {
            assert_eq!(kind["additionalProperties"], false);
        }
        assert_eq!(kinds[0]["properties"]["source"]["maxLength"], MAX_TEXT);
        assert_eq!(kinds[3]["properties"]["edits"]["maxItems"], MAX_EDITS);
    }
}
