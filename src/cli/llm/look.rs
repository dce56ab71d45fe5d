//! `pxfs llm list`, `show`, `route` and `discover`.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::super::Outcome;
use super::super::build::print_table;
use super::super::show::{escape, print_json};
use super::{cartridge_json, faults_json, open_routes};
use crate::llm::{Cancel, Cartridge, Limits, discover, for_terminal};

/// List the cartridges of a place, in the order in which they were made.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// A picture, a pxOS root or a directory
    target: PathBuf,
    /// As JSON, with what is wrong with entries
    #[arg(long)]
    json: bool,
}

/// Show all about a cartridge.
#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// A picture, a pxOS root or a directory
    target: PathBuf,
    /// The cartridge's name or number
    name: String,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Say which cartridge answers, and why: what SYS_LLM goes by.
#[derive(Debug, Args)]
pub(super) struct RouteArgs {
    /// A picture, a pxOS root or a directory
    target: PathBuf,
    /// A name or a number as SYS_LLM gets it in R3 [default: 0, the default model]
    model: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Look for model servers on this machine, and say what is missing.
#[derive(Debug, Args)]
pub(super) struct DiscoverArgs {
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Runs `pxfs llm list`.
pub(super) fn list(args: &ListArgs) -> Outcome {
    let (_, routes) = open_routes(&args.target)?;
    let registry = routes.registry();
    let mut out = super::super::stdout();
    if args.json {
        let cartridges: Vec<Value> = registry.cartridges().iter().map(cartridge_json).collect();
        let value = json!({"cartridges": cartridges, "faults": faults_json(registry.faults())});
        print_json(&mut out, &value)?;
    } else if registry.cartridges().is_empty() {
        writeln!(out, "there are no cartridges; 'pxfs llm create' makes one")?;
    } else {
        let row = |cartridge: &Cartridge| {
            let model = escape(cartridge.model_name.as_bytes());
            let (backend, name) = (cartridge.backend.name(), escape(cartridge.name.as_bytes()));
            vec![cartridge.id_text(), name, backend.into(), model, cartridge.endpoint.clone()]
        };
        let rows: Vec<_> = registry.cartridges().iter().map(row).collect();
        print_table(&mut out, &["ID", "Name", "Backend", "Model", "Endpoint"], &rows)?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// Runs `pxfs llm show`.
pub(super) fn show(args: &ShowArgs) -> Outcome {
    let (_, routes) = open_routes(&args.target)?;
    let cartridge = routes.registry().find(&args.name)?;
    let mut out = super::super::stdout();
    if args.json {
        print_json(&mut out, &cartridge_json(cartridge))?;
        out.flush()?;
        return Ok(ExitCode::SUCCESS);
    }
    let [red, green, blue, alpha] = cartridge.rgba();
    let lines = [
        ("name", escape(cartridge.name.as_bytes())),
        ("id", cartridge.id_text()),
        ("pixel", format!("({red}, {green}, {blue}, {alpha})")),
        ("file", escape(cartridge.file.as_bytes())),
        ("backend", cartridge.backend.to_string()),
        ("endpoint", cartridge.endpoint.clone()),
        ("model", escape(cartridge.model_name.as_bytes())),
        ("max tokens", cartridge.max_tokens.to_string()),
        ("temperature", cartridge.temperature.to_string()),
        ("key", cartridge.key.as_ref().map_or("none".into(), ToString::to_string)),
        ("description", for_terminal(&cartridge.description)),
        ("system prompt", for_terminal(cartridge.system_prompt.as_deref().unwrap_or("none"))),
    ];
    for (what, text) in lines.iter().filter(|(_, text)| !text.is_empty()) {
        writeln!(out, "{what:<14} {}", text.replace('\n', &format!("\n{:15}", "")))?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// Runs `pxfs llm route`.
pub(super) fn route(args: &RouteArgs) -> Outcome {
    let (_, routes) = open_routes(&args.target)?;
    let route = match &args.model {
        Some(model) => routes.by_name(model)?,
        None => routes.by_id(0)?,
    };
    let cartridge = route.cartridge;
    let (name, why) = (escape(cartridge.name.as_bytes()), route.why);
    let value = json!({
        "asked": args.model.as_deref().unwrap_or("0"),
        "id": cartridge.id_text(),
        "name": cartridge.name,
        "backend": cartridge.backend.name(),
        "endpoint": cartridge.endpoint,
        "model_name": cartridge.model_name,
        "why": why,
    });
    let at = match cartridge.endpoint.as_str() {
        "" => String::new(),
        endpoint => format!(" at {endpoint}"),
    };
    let model = escape(cartridge.model_name.as_bytes());
    let (id, backend) = (cartridge.id_text(), cartridge.backend);
    let sentence = format!("{id} {name}: {backend}, {model}{at}; {why}");
    super::say(args.json, &value, &sentence)
}

/// Runs `pxfs llm discover`.
pub(super) fn discover_servers(args: &DiscoverArgs) -> Outcome {
    let found = discover(&Limits::brief(), &Cancel::default());
    let mut out = super::super::stdout();
    if args.json {
        print_json(&mut out, &json!({"servers": found}))?;
    } else {
        for server in &found {
            let (product, endpoint) = (server.product, &server.endpoint);
            match (&server.missing, &server.models) {
                (None, Some(models)) => {
                    writeln!(out, "{product} at {endpoint}: {}", models.join(", "))?;
                }
                (missing, _) => {
                    let missing = missing.as_deref().unwrap_or("it has no model");
                    writeln!(out, "{product} at {endpoint}: none: {missing}")?;
                }
            }
        }
    }
    out.flush()?;
    // A script can ask whether there is a model at all.
    Ok(ExitCode::from(u8::from(!found.iter().any(crate::llm::Found::is_usable))))
}
