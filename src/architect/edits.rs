//! Edits of a boot sequence: its text, with what else stands in it kept.

use serde_json::{Map, Value, json};

use super::action::Edit;
use crate::boot::sequence::{self, MAX_BYTES, Sequence};

/// Most stages that a sequence may get.
const MAX_STAGES: usize = 64;

/// Applies edits to the text of a sequence; the new text.
///
/// # Errors
/// When an edit names a stage that is not there, would take a required stage
/// away, or what comes out is no sequence.
pub fn apply(text: &str, edits: &[Edit]) -> Result<String, String> {
    let before = sequence::parse(text).map_err(|error| error.to_string())?;
    let mut json: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let stages = json.get_mut("sequence").and_then(Value::as_array_mut);
    let stages = stages.ok_or("the sequence has no list of stages")?;
    for edit in edits {
        apply_one(stages, edit)?;
    }
    if stages.len() > MAX_STAGES.max(before.stages.len()) {
        return Err(format!("a sequence of more than {MAX_STAGES} stages"));
    }
    let text = serde_json::to_string_pretty(&json).map_err(|error| error.to_string())? + "\n";
    if text.len() as u64 > MAX_BYTES {
        return Err(format!("a sequence of more than {MAX_BYTES} bytes"));
    }
    let after = sequence::parse(&text).map_err(|error| error.to_string())?;
    keeps_required(&before, &after)?;
    Ok(text)
}

/// Whether every stage that was required still is.
pub fn keeps_required(before: &Sequence, after: &Sequence) -> Result<(), String> {
    for stage in before.stages.iter().filter(|stage| stage.required) {
        if !after.stages.iter().any(|kept| kept.required && kept.path == stage.path) {
            let path = &stage.path;
            return Err(format!("{path:?} is a required stage, which may not be dropped"));
        }
    }
    Ok(())
}

fn apply_one(stages: &mut Vec<Value>, edit: &Edit) -> Result<(), String> {
    match edit {
        Edit::Add { path, name, after, required, fuel } => {
            if position(stages, path).is_ok() {
                return Err(format!("{path:?} is a stage already"));
            }
            let at = match after {
                Some(after) => position(stages, after)? + 1,
                None => stages.len(),
            };
            let mut stage = Map::new();
            stage.insert("stage".to_owned(), number(stages));
            stage.insert("name".to_owned(), json!(name));
            stage.insert("path".to_owned(), json!(path));
            stage.insert("required".to_owned(), json!(required));
            if let Some(fuel) = fuel {
                stage.insert("fuel".to_owned(), json!(fuel));
            }
            stages.insert(at, Value::Object(stage));
        }
        Edit::Remove { path } => {
            let at = last_position(stages, path)?;
            stages.remove(at);
        }
        Edit::Move { path, after } => {
            let from = position(stages, path)?;
            let stage = stages.remove(from);
            let at = match after {
                Some(after) => position(stages, after)? + 1,
                None => 0,
            };
            stages.insert(at, stage);
        }
        Edit::Fuel { path, fuel } => {
            let at = position(stages, path)?;
            if let Some(stage) = stages[at].as_object_mut() {
                stage.insert("fuel".to_owned(), json!(fuel));
            }
        }
    }
    Ok(())
}

fn is_at(stage: &Value, path: &str) -> bool {
    stage.get("path").and_then(Value::as_str) == Some(path)
}

fn position(stages: &[Value], path: &str) -> Result<usize, String> {
    let found = stages.iter().position(|stage| is_at(stage, path));
    found.ok_or_else(|| format!("the boot sequence has no stage {path:?}"))
}

/// Of a stage that stands there twice the later one goes.
fn last_position(stages: &[Value], path: &str) -> Result<usize, String> {
    let found = stages.iter().rposition(|stage| is_at(stage, path));
    found.ok_or_else(|| format!("the boot sequence has no stage {path:?}"))
}

/// A number that no stage has.
fn number(stages: &[Value]) -> Value {
    let numbers = stages.iter().filter_map(|stage| stage.get("stage")?.as_i64());
    json!(numbers.max().unwrap_or(-1).saturating_add(1))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"version": "1.0", "note": "kept", "sequence": [
        {"stage": 0, "name": "A", "path": "/boot/a", "required": true, "color": "red"},
        {"stage": 1, "name": "B", "path": "/boot/b", "required": false}]}"#;

    fn edit(text: &str) -> Edit {
        serde_json::from_str(text).unwrap()
    }

    fn paths(text: &str) -> Vec<String> {
        sequence::parse(text).unwrap().stages.into_iter().map(|stage| stage.path).collect()
    }

    #[test]
    fn stages_come_go_and_move_and_the_rest_stays() {
        let edits = [
            edit(r#"{"op":"add","path":"/apps/c","name":"C","after":"/boot/a","fuel":9}"#),
            edit(r#"{"op":"remove","path":"/boot/b"}"#),
            edit(r#"{"op":"add","path":"/apps/d","name":"D"}"#),
            edit(r#"{"op":"move","path":"/apps/d"}"#),
            edit(r#"{"op":"fuel","path":"/boot/a","fuel":77}"#),
        ];
        let text = apply(TEXT, &edits).unwrap();
        assert_eq!(paths(&text), ["/apps/d", "/boot/a", "/apps/c"]);
        assert!(text.contains("\"note\": \"kept\"") && text.contains("\"color\": \"red\""));
        let stages = sequence::parse(&text).unwrap().stages;
        assert_eq!((stages[1].fuel, stages[2].fuel), (Some(77), Some(9)));
        assert_ne!(stages[0].label(), stages[2].label());
    }

    #[test]
    fn edits_that_cannot_be_are_refused() {
        let cases = [
            (r#"{"op":"remove","path":"/boot/a"}"#, "may not be dropped"),
            (r#"{"op":"remove","path":"/boot/z"}"#, "no stage"),
            (r#"{"op":"move","path":"/boot/b","after":"/boot/b"}"#, "no stage"),
            (r#"{"op":"add","path":"/boot/b","name":"B"}"#, "already"),
            (r#"{"op":"add","path":"/x","name":"X","after":"/none"}"#, "no stage"),
        ];
        for (text, expected) in cases {
            let error = apply(TEXT, &[edit(text)]).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
        let all = [
            edit(r#"{"op":"remove","path":"/boot/b"}"#),
            edit(r#"{"op":"remove","path":"/boot/a"}"#),
        ];
        assert!(apply(TEXT, &all).is_err());
        assert!(apply("{}", &[]).is_err());
    }
}
