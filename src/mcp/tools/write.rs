//! `write_file`, `create_directory`, `move_file`: there only with `--write`.
//!
//! Answers name the path that there is now, not the one that was typed: `/dir/` and
//! `a/../b` are no names of files.

use rmcp::model::JsonObject;
use rmcp::schemars::JsonSchema;
use serde::Deserialize;

use super::super::path::clean;
use super::super::reply::Reply;
use super::super::text::show;
use super::super::work::Result;
use super::{Context, Effect, PathArgs, Spec, parse, schema, text_output};

pub(super) fn specs() -> Vec<Spec> {
    vec![
        Spec {
            name: "write_file",
            title: "Write file",
            about: "Makes a file with this content, or replaces what is in it. Directories on the \
                    way are made.",
            effect: Effect::Replaces,
            input: schema::<WriteArgs>,
            output: text_output,
            run: write_file,
        },
        Spec {
            name: "create_directory",
            title: "Create directory",
            about: "Makes a directory, with those it lies in; one that is there is fine.",
            effect: Effect::Adds,
            input: schema::<PathArgs>,
            output: text_output,
            run: create_directory,
        },
        Spec {
            name: "move_file",
            title: "Move file",
            about: "Gives a file or directory another path. Fails if something is there.",
            effect: Effect::Changes,
            input: schema::<MoveArgs>,
            output: text_output,
            run: move_file,
        },
    ]
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(crate = "rmcp::schemars")]
struct WriteArgs {
    /// The path in the tree, from /
    path: String,
    /// The whole content, as text
    content: String,
}

fn write_file(context: &Context<'_>, arguments: JsonObject) -> Result<Reply> {
    let args: WriteArgs = parse(arguments)?;
    let path = clean(&args.path)?;
    context.place.edit(|editor| {
        context.work.go_on()?;
        Ok(editor.write(&path, args.content.as_bytes(), None, None)?)
    })?;
    Ok(Reply::text(format!("Successfully wrote to {}", show(path.as_bytes()))))
}

fn create_directory(context: &Context<'_>, arguments: JsonObject) -> Result<Reply> {
    let args: PathArgs = parse(arguments)?;
    let path = clean(&args.path)?;
    if path != "/" {
        context.place.edit(|editor| {
            context.work.go_on()?;
            Ok(editor.make_dir(&path)?)
        })?;
    }
    Ok(Reply::text(format!("Successfully created directory {}", show(path.as_bytes()))))
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(crate = "rmcp::schemars")]
struct MoveArgs {
    /// The path that it has
    source: String,
    /// The path that it gets
    destination: String,
}

fn move_file(context: &Context<'_>, arguments: JsonObject) -> Result<Reply> {
    let args: MoveArgs = parse(arguments)?;
    let (source, destination) = (clean(&args.source)?, clean(&args.destination)?);
    context.place.edit(|editor| {
        context.work.go_on()?;
        Ok(editor.rename(&source, &destination)?)
    })?;
    let (source, destination) = (show(source.as_bytes()), show(destination.as_bytes()));
    Ok(Reply::text(format!("Successfully moved {source} to {destination}")))
}
