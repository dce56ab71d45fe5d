//! Every option that a tool's `--help` lists stands in the documents, so that
//! they cannot lag behind.

#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;
use std::process::Command;

/// Options that every tool has.
const COMMON: [&str; 2] = ["--help", "--version"];

fn documents() -> String {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let mut text = String::new();
    for dir in [docs.clone(), docs.join("cli")] {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "md") {
                text.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    text
}

fn help(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_pxfs")).args(args).output().unwrap();
    assert!(output.status.success(), "pxfs {args:?}: {}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// The long options in a help text: at the start of a line, maybe after a short one.
fn options(help: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in help.lines() {
        let line = line.trim_start();
        let line =
            if line.starts_with('-') && line.get(2..4) == Some(", ") { &line[4..] } else { line };
        if let Some(rest) = line.strip_prefix("--") {
            let name = rest.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).next();
            found.push(format!("--{}", name.unwrap()));
        }
    }
    found
}

/// The commands of a tool that has such, as its help lists them.
fn commands(help: &str) -> Vec<String> {
    let Some((_, list)) = help.split_once("Commands:\n") else { return Vec::new() };
    let lines = list.lines().take_while(|line| !line.is_empty());
    // A line that goes on with the text of the one before stands deeper.
    let lines = lines.filter(|line| !line.starts_with("   "));
    let names = lines.map(|line| line.split_whitespace().next().unwrap().to_owned());
    names.filter(|name| name != "help").collect()
}

#[test]
fn every_option_of_every_tool_is_documented() {
    let documents = documents();
    let tools = help(&["help"]);
    let (_, list) = tools.split_once("Tools:\n").unwrap();
    let mut checked = 0;
    for verb in list.lines().take_while(|line| line.starts_with("  ")) {
        let verb = verb.split_whitespace().next().unwrap();
        let text = help(&[verb, "--help"]);
        let mut found = options(&text);
        for command in commands(&text) {
            found.extend(options(&help(&[verb, &command, "--help"])));
        }
        for option in found {
            let known = COMMON.contains(&option.as_str())
                || documents.contains(&format!("`{option}"))
                || documents.contains(&format!("{option} "))
                || documents.contains(&format!("[{option}"));
            assert!(known, "pxfs {verb} {option} is in no document");
            checked += 1;
        }
    }
    assert!(checked > 50, "only {checked} options found: the help texts have changed their form");
}
