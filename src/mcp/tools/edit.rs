//! `edit_file`: texts in a file replaced by others, shown as a diff.

use rmcp::model::JsonObject;
use rmcp::schemars::JsonSchema;
use serde::Deserialize;
use similar::TextDiff;

use super::super::path::clean;
use super::super::reply::Reply;
use super::super::text::show;
use super::super::work::{Failure, Result};
use super::read::MAX_TEXT;
use super::{Context, Effect, Spec, parse, schema, text_output};
use crate::builder::Editor;

/// Characters of a text that was not found that are repeated.
const EXCERPT: usize = 200;

pub(super) fn specs() -> Vec<Spec> {
    vec![Spec {
        name: "edit_file",
        title: "Edit file",
        about: "Replaces texts in a text file, each the first time it is there, and gives the \
                changes as a diff. With dryRun nothing is written.",
        effect: Effect::Changes,
        input: schema::<Args>,
        output: text_output,
        run: edit_file,
    }]
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(crate = "rmcp::schemars")]
struct Args {
    /// The path in the tree, from /
    path: String,
    /// What is replaced, in this order
    edits: Vec<Edit>,
    /// Only show what would change
    #[serde(default, rename = "dryRun")]
    dry_run: bool,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(crate = "rmcp::schemars", inline)]
struct Edit {
    /// A text that is in the file, to the character
    #[serde(rename = "oldText")]
    old_text: String,
    /// What it becomes
    #[serde(rename = "newText")]
    new_text: String,
}

fn edit_file(context: &Context<'_>, arguments: JsonObject) -> Result<Reply> {
    let args: Args = parse(arguments)?;
    let path = clean(&args.path)?;
    let change = |editor: &mut Editor| {
        context.work.go_on()?;
        let shown = show(path.as_bytes());
        let bytes = editor.read(&path, MAX_TEXT)?;
        let bytes = bytes.ok_or_else(|| Failure::said(format!("{shown}: no such file")))?;
        let old =
            String::from_utf8(bytes).map_err(|_| Failure::said(format!("{shown}: is no text")))?;
        let new = replaced(&old, &args.edits)?;
        if !args.dry_run && new != old {
            editor.write(&path, new.as_bytes(), None, None)?;
        }
        Ok(diff(&shown, &old, &new))
    };
    Ok(Reply::text(context.place.edit(change)?))
}

fn replaced(old: &str, edits: &[Edit]) -> Result<String> {
    let mut text = old.to_owned();
    for Edit { old_text, new_text } in edits {
        let Some(at) = text.find(old_text.as_str()).filter(|_| !old_text.is_empty()) else {
            let excerpt: String = old_text.chars().take(EXCERPT).collect();
            return Err(Failure::said(format!("this text is not in the file: {excerpt:?}")));
        };
        if text.len() + new_text.len() > MAX_TEXT as usize {
            return Err(Failure::said(format!("the file would have more than {MAX_TEXT} bytes")));
        }
        text.replace_range(at..at + old_text.len(), new_text);
    }
    Ok(text)
}

/// The changes as a diff in a fenced block, with as many backticks as it needs.
fn diff(path: &str, old: &str, new: &str) -> String {
    let diff =
        TextDiff::configure().timeout(std::time::Duration::from_secs(2)).diff_lines(old, new);
    let header = (format!("{path}\toriginal"), format!("{path}\tmodified"));
    let changes = diff.unified_diff().header(&header.0, &header.1).to_string();
    let text = format!("Index: {path}\n{}\n{changes}", "=".repeat(67));
    let mut fence = String::from("```");
    while text.contains(&fence) {
        fence.push('`');
    }
    format!("{fence}diff\n{text}{fence}\n\n")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn edit(old: &str, new: &str) -> Edit {
        Edit { old_text: old.to_owned(), new_text: new.to_owned() }
    }

    #[test]
    fn texts_are_replaced_in_order_and_must_be_there() {
        let edits = [edit("b", "a"), edit("aa", "c")];
        assert_eq!(replaced("abab", &edits).unwrap(), "cab");
        for bad in [edit("x", "y"), edit("", "y")] {
            assert!(replaced("ab", &[bad]).is_err());
        }
    }

    #[test]
    fn a_diff_stays_in_its_fence() {
        let text = diff("/a", "one\n", "one\n```\n");
        assert!(text.starts_with("````diff\nIndex: /a\n====="), "{text}");
        assert!(text.contains("=\n--- /a\toriginal\n+++ /a\tmodified\n"), "{text}");
        assert!(text.ends_with("+```\n````\n\n"), "{text}");
    }
}
