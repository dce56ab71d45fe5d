//! `pxfs llm`: cartridges are made, shown, asked and taken away.

mod ask;
mod change;
mod look;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use serde_json::{Value, json};

use super::Outcome;
use crate::builder::{EditOptions, Editor};
use crate::llm::{Cartridge, Endpoint, Fault, Routes, routes_of};

/// Model cartridges: one pixel stands for a model at a server, or for one that lies
/// in the picture. TARGET is a picture, a pxOS root or a directory.
#[derive(Debug, Parser)]
#[command(
    name = "pxfs llm",
    version,
    after_help = "Exit status: 0 done, 1 failed or no answer, 2 wrong usage."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Create(change::CreateArgs),
    List(look::ListArgs),
    Show(look::ShowArgs),
    Delete(change::DeleteArgs),
    Test(ask::TestArgs),
    Route(look::RouteArgs),
    Discover(look::DiscoverArgs),
}

/// Runs `pxfs llm`.
pub(super) fn run(args: Vec<OsString>) -> Outcome {
    let cli = match super::parse_args::<Cli>(args, super::USAGE) {
        Ok(cli) => cli,
        Err(status) => return Ok(status),
    };
    match cli.command {
        Command::Create(args) => change::create(args),
        Command::List(args) => look::list(&args),
        Command::Show(args) => look::show(&args),
        Command::Delete(args) => change::delete(&args),
        Command::Test(args) => ask::test(&args),
        Command::Route(args) => look::route(&args),
        Command::Discover(args) => look::discover_servers(&args),
    }
}

fn open(target: &Path) -> anyhow::Result<Editor> {
    Ok(Editor::open(target, &EditOptions::default())?)
}

/// Opens a place and its routes; what is wrong with entries is said as a warning.
fn open_routes(target: &Path) -> anyhow::Result<(Editor, Routes)> {
    let editor = open(target)?;
    let routes = routes_of(&editor).with_context(|| target.display().to_string())?;
    for fault in routes.registry().faults() {
        log::warn!("{fault}");
    }
    Ok((editor, routes))
}

/// A cartridge as JSON: its entry's fields, and what they mean.
fn cartridge_json(cartridge: &Cartridge) -> Value {
    let (env, file) = match &cartridge.key {
        Some(crate::llm::KeySource::Env(name)) => (Some(name.clone()), None),
        Some(crate::llm::KeySource::File(path)) => (None, Some(path.display().to_string())),
        None => (None, None),
    };
    json!({
        "id": cartridge.id_text(),
        "rgba": cartridge.rgba(),
        "name": cartridge.name,
        "description": cartridge.description,
        "backend": cartridge.backend.name(),
        "endpoint": cartridge.endpoint,
        "chat_url": Endpoint::parse(&cartridge.endpoint).ok().map(|endpoint| endpoint.chat_url()),
        "model_name": cartridge.model_name,
        "max_tokens": cartridge.max_tokens,
        "temperature": cartridge.temperature,
        "system_prompt": cartridge.system_prompt,
        "api_key_env": env,
        "api_key_file": file,
        "file": cartridge.file,
    })
}

fn faults_json(faults: &[Fault]) -> Value {
    serde_json::to_value(faults).unwrap_or_default()
}

/// Done, in the form that was asked for: JSON, or a sentence.
fn say(is_json: bool, value: &Value, sentence: &str) -> Outcome {
    use std::io::Write as _;
    let mut out = super::stdout();
    if is_json {
        super::show::print_json(&mut out, value)?;
    } else {
        writeln!(out, "{sentence}")?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
