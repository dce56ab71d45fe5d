//! `pxi verify`: what can be known of a program before it runs.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use serde_json::{Value, json};

use super::read_picture;
use crate::cli::Outcome;
use crate::pxi::Program;
use crate::pxi::isa::{self, Isa, calls};
use crate::pxi::verify::{Finding, Report, verify, verify_old};

/// Check a program picture before it runs: header, instructions, targets, system calls
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Program picture (PNG, 8-bit RGBA)
    picture: PathBuf,
    /// Print the result as one JSON object on one line
    #[arg(long)]
    json: bool,
}

/// Prints findings and what the program is made of; status 1 if it would be refused.
pub(super) fn run(args: &Args) -> Outcome {
    let name = args.picture.display().to_string();
    let program = Program::parse(read_picture(&args.picture)?).with_context(|| name.clone())?;
    let pixels = program.raster().pixels();
    let result = match program.header() {
        Some(header) => verify(pixels, header),
        None => Ok(verify_old(pixels, program.entry())),
    };
    if args.json {
        println!("{}", as_json(&program, &result));
    } else {
        print(&name, &program, &result);
    }
    Ok(if result.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(name: &str, program: &Program, result: &Result<Report, Vec<Finding>>) {
    match result {
        Ok(report) => {
            for warning in &report.warnings {
                println!("{name}: warning: {warning}");
            }
            let Report { instructions, branches, .. } = report;
            let layout = program.layout();
            println!("{name}: {layout}: {instructions} instructions, {branches} branches");
            if !report.calls.is_empty() {
                println!("{name}: system calls: {}", call_names(report).join(" "));
            }
        }
        Err(findings) => {
            findings.iter().for_each(|finding| println!("{name}: error: {finding}"));
        }
    }
}

/// The names of its system calls; those of PXI-1 by their opcodes.
fn call_names(report: &Report) -> Vec<String> {
    let name = |number: &u16| match calls::by_number(*number) {
        Some(call) => call.name.to_owned(),
        None => match isa::by_opcode(*number as u8, Isa::Pxi1) {
            Some(kind) => kind.mnemonic.to_owned(),
            None => number.to_string(),
        },
    };
    report.calls.iter().map(name).collect()
}

fn as_json(program: &Program, result: &Result<Report, Vec<Finding>>) -> Value {
    let list = |findings: &[Finding]| -> Vec<Value> {
        let one = |finding: &Finding| json!({ "address": finding.address, "problem": finding.problem.to_string() });
        findings.iter().map(one).collect()
    };
    let layout = program.layout().to_string();
    match result {
        Ok(report) => json!({
            "ok": true,
            "layout": layout,
            "instructions": report.instructions,
            "branches": report.branches,
            "calls": call_names(report),
            "warnings": list(&report.warnings),
        }),
        Err(findings) => json!({ "ok": false, "layout": layout, "errors": list(findings) }),
    }
}
