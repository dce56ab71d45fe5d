//! The tools: their names and shapes are those that models know from the file
//! system server of the protocol's makers, and those of PixelFS beside them.
//!
//! Each is a function that blocks. What it is given was parsed; what it gives is
//! bounded, in bytes and in time.

mod boot;
mod edit;
mod list;
mod module;
mod read;
mod run;
mod search;
mod stat;
mod write;

use std::path::Path;
use std::sync::Arc;

use rmcp::handler::server::tool::schema_for_input;
use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use rmcp::schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

pub(super) use read::{MAX_MEDIA, read_limited};

use super::place::Place;
use super::reply::Reply;
use super::work::{Failure, Result, Work};
use crate::builder::PlaceKind;

/// What a call works with.
#[derive(Debug)]
pub(super) struct Context<'a> {
    pub(super) place: &'a Place,
    /// The log of a boot, if the server was told of one.
    pub(super) log: Option<&'a Path>,
    pub(super) work: &'a Work,
}

/// What a tool does to the place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    Reads,
    /// Something new; what is there stays.
    Adds,
    /// What is there may go; the same again changes nothing more.
    Replaces,
    /// What is there may go.
    Changes,
}

/// A tool.
pub(super) struct Spec {
    pub(super) name: &'static str,
    title: &'static str,
    about: &'static str,
    effect: Effect,
    input: fn() -> Arc<JsonObject>,
    output: fn() -> Value,
    pub(super) run: fn(&Context<'_>, JsonObject) -> Result<Reply>,
}

impl std::fmt::Debug for Spec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spec").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Spec {
    /// As the protocol describes it.
    pub(super) fn describe(&self) -> Tool {
        let reads = self.effect == Effect::Reads;
        let mut annotations = ToolAnnotations::new().read_only(reads).open_world(false);
        if !reads {
            annotations = annotations
                .destructive(self.effect != Effect::Adds)
                .idempotent(matches!(self.effect, Effect::Adds | Effect::Replaces));
        }
        let output = match (self.output)() {
            Value::Object(schema) => Arc::new(schema),
            _ => Arc::default(),
        };
        Tool::new(self.name, self.about, (self.input)())
            .with_title(self.title)
            .with_annotations(annotations)
            .with_raw_output_schema(output)
    }
}

/// The tools for a place: those that change it only if that is wanted.
pub(super) fn for_place(kind: Option<PlaceKind>, write: bool) -> Vec<Spec> {
    let mut tools = read_tools();
    if write {
        tools.extend(write_tools());
        // A root has no directories of its own.
        tools.retain(|tool| tool.name != "create_directory" || kind != Some(PlaceKind::Root));
    }
    tools
}

fn read_tools() -> Vec<Spec> {
    let mut tools = Vec::new();
    tools.extend(list::specs());
    tools.extend(read::specs());
    tools.extend(search::specs());
    tools.extend(stat::specs());
    tools.extend(boot::specs());
    tools.extend(run::specs());
    tools
}

fn write_tools() -> Vec<Spec> {
    let mut tools = Vec::new();
    tools.extend(write::specs());
    tools.extend(edit::specs());
    tools.extend(module::specs());
    tools
}

/// The schema of a tool's arguments.
fn schema<T: JsonSchema + 'static>() -> Arc<JsonObject> {
    // It fails for what is no object, and every type here is one.
    schema_for_input::<T>().unwrap_or_default()
}

/// The arguments of a call.
///
/// # Errors
/// When one is missing, unknown or of another type.
fn parse<T: DeserializeOwned>(arguments: JsonObject) -> Result<T> {
    serde_json::from_value(Value::Object(arguments))
        .map_err(|error| Failure::said(format!("wrong arguments: {error}")))
}

/// The output of tools whose answer is a text: the file system server's own.
fn text_output() -> Value {
    json!({
        "type": "object",
        "properties": { "content": { "type": "string" } },
        "required": ["content"],
    })
}

/// A path and nothing else.
#[derive(Debug, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(crate = "rmcp::schemars")]
struct PathArgs {
    /// The path in the tree, from /
    path: String,
}
