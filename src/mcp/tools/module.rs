//! `add_module`: a program in assembly or the Python subset becomes a module of the
//! tree, if it compiles and the machine would run it.

use rmcp::model::JsonObject;
use rmcp::schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::path::clean;
use super::super::reply::Reply;
use super::super::work::{Failure, Result};
use super::{Context, Effect, Spec, parse, schema};
use crate::format::{PixelId, PixelType};
use crate::fs::Pixel;
use crate::pxc;
use crate::pxi::asm::{self, Diagnostic, Form, Options};
use crate::pxi::pxim2::Header;
use crate::pxi::verify::verify;
use crate::pxi::{Program, Raster};

/// Bytes of a source.
const MAX_SOURCE: usize = 1 << 20;

pub(super) fn specs() -> Vec<Spec> {
    vec![Spec {
        name: "add_module",
        title: "Add module",
        about: "Compiles a program (language python: the PXI Python subset; assembly: PXI assembly), \
                verifies it and stores it as a module picture at path, such as /apps/hello. Says \
                what is wrong, with lines, if it does not compile; nothing is stored then.",
        effect: Effect::Replaces,
        input: schema::<Args>,
        output,
        run: add_module,
    }]
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(crate = "rmcp::schemars")]
struct Args {
    /// Where it is stored, such as /apps/hello
    path: String,
    /// The source, whole
    source: String,
    /// What the source is written in
    language: Language,
    /// What it is for
    #[serde(default)]
    description: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(crate = "rmcp::schemars", inline)]
enum Language {
    Python,
    Assembly,
}

fn output() -> Value {
    json!({
        "type": "object",
        "properties": {
            "path": { "type": "string" },
            "id": { "type": "string", "description": "The pixel that it is" },
            "rgba": { "type": "array", "items": { "type": "integer" } },
            "size": { "type": "integer", "description": "Bytes of the picture" },
            "width": { "type": "integer" },
            "height": { "type": "integer" },
            "instructions": { "type": "integer" },
            "replaced": { "type": "boolean" },
        },
        "required": ["path", "id", "rgba", "size", "width", "height", "replaced"],
    })
}

fn add_module(context: &Context<'_>, arguments: JsonObject) -> Result<Reply> {
    let args: Args = parse(arguments)?;
    let path = clean(&args.path)?;
    if args.source.len() > MAX_SOURCE {
        return Err(Failure::said(format!("a source has at most {MAX_SOURCE} bytes")));
    }
    let name = path.rsplit('/').next().unwrap_or(&path);
    let raster = match args.language {
        Language::Python => python(name, &args.source)?,
        Language::Assembly => assembly(name, &args.source)?,
    };
    let instructions = verified(&raster)?;
    let png = raster.to_png().map_err(|error| Failure::said(format!("the module: {error}")))?;
    context.work.go_on()?;
    let description = args.description.as_deref();
    let added = context
        .place
        .edit(|editor| Ok(editor.write(&path, &png, Some(PixelType::PxiModule), description)?))?;
    let id: PixelId = added.id.to_be_bytes();
    Ok(Reply::object(json!({
        "path": path,
        "id": Pixel::id_text(id),
        "rgba": id,
        "size": added.size,
        "width": raster.width(),
        "height": raster.height(),
        "instructions": instructions,
        "replaced": added.replaced,
    })))
}

fn python(name: &str, source: &str) -> Result<Raster> {
    let compiled = pxc::compile(name, source).map_err(|errors| told(&errors))?;
    compiled.parts.build(None).map_err(Failure::said)
}

fn assembly(name: &str, source: &str) -> Result<Raster> {
    let source = asm::Source { name: name.to_owned(), text: source.to_owned() };
    let options = Options { width: None, form: Form::Module };
    let mut nothing = |_: &str, _: &str| Err("nothing can be included here".to_owned());
    let assembly = asm::assemble_source(source, options, &mut nothing);
    assembly.map(|assembly| assembly.raster).map_err(|errors| told(&errors))
}

/// What is wrong with a source, with its lines: what a model needs to mend it.
fn told(errors: &[Diagnostic]) -> Failure {
    let plural = if errors.len() == 1 { "" } else { "s" };
    let texts: Vec<String> = errors.iter().map(Diagnostic::render).collect();
    let (count, texts) = (errors.len(), texts.join("\n"));
    Failure::said(format!("{count} error{plural}, nothing was stored\n{texts}"))
}

/// Refuses what the machine would not run; tells how many instructions there are.
fn verified(raster: &Raster) -> Result<usize> {
    let refused = |what: &dyn std::fmt::Display| {
        Failure::said(format!("the machine would not run this module: {what}"))
    };
    let program = Program::parse(raster.clone()).map_err(|error| refused(&error))?;
    if program.header().is_none() {
        return Ok(crate::pxi::verify::verify_old(raster.pixels(), program.entry()).instructions);
    }
    let header = Header::parse(raster.pixels()).map_err(|error| refused(&error))?;
    match verify(raster.pixels(), &header) {
        Ok(report) => Ok(report.instructions),
        Err(findings) => Err(refused(&findings.first().map_or(String::new(), |f| f.to_string()))),
    }
}
