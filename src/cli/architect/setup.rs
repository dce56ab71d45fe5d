//! `pxfs architect --setup`, `--test`, `--quickstart`, `--launch-chat`.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail};

use super::stop::cancel_on_ctrl_c;
use crate::architect::CARTRIDGE;
use crate::architect::setup::{
    QUESTION, Wish, best, choose, enter, look_around, open, test as ask,
};
use crate::builder::{EditOptions, Editor};
use crate::cli::{Outcome, TOOLS, stdout};
use crate::llm::{Answer, Backend, Cancel, for_terminal};

fn open_editor(target: &Path) -> anyhow::Result<Editor> {
    Editor::open(target, &EditOptions::default()).with_context(|| target.display().to_string())
}

/// `--setup`.
pub(super) fn set_up(
    target: &Path,
    backend: Backend,
    model: Option<String>,
    endpoint: Option<String>,
) -> Outcome {
    let cancel = cancel_on_ctrl_c()?;
    let mut editor = open_editor(target)?;
    make(&mut editor, &Wish { backend, model, endpoint }, &cancel)?;
    Ok(ExitCode::SUCCESS)
}

/// Chooses, asks, enters: nothing is written for a model that does not answer.
fn make(editor: &mut Editor, wish: &Wish, cancel: &Cancel) -> anyhow::Result<()> {
    let cartridge = choose(editor, wish, cancel)?;
    let at = if cartridge.endpoint.is_empty() {
        String::new()
    } else {
        format!(" at {}", cartridge.endpoint)
    };
    let mut out = stdout();
    writeln!(out, "model: {}{at}", for_terminal(&cartridge.model_name))?;
    out.flush()?;
    let answer = ask(editor, &cartridge, cancel)?;
    show(&mut out, &answer)?;
    let made = enter(editor, cartridge)?;
    writeln!(out, "cartridge: {} {}, {}", made.name, made.id_text(), made.file)?;
    out.flush()?;
    Ok(())
}

fn show(out: &mut impl std::io::Write, answer: &Answer) -> std::io::Result<()> {
    writeln!(out, "asked: {QUESTION}")?;
    let text = for_terminal(answer.text.trim());
    let seconds = answer.duration.as_secs_f64();
    match answer.answer_tokens {
        Some(tokens) => writeln!(out, "answer ({seconds:.1} s, {tokens} tokens): {text}"),
        None => writeln!(out, "answer ({seconds:.1} s): {text}"),
    }
}

/// `--test`.
pub(super) fn test(target: &Path) -> Outcome {
    let cancel = cancel_on_ctrl_c()?;
    let editor = open_editor(target)?;
    let (cartridge, _) = open(&editor, CARTRIDGE).with_context(|| target.display().to_string())?;
    let answer = ask(&editor, &cartridge, &cancel)?;
    let mut out = stdout();
    writeln!(out, "model: {} ({})", for_terminal(&cartridge.model_name), cartridge.backend)?;
    show(&mut out, &answer)?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// `--quickstart`.
pub(super) fn quickstart(target: &Path) -> Outcome {
    let cancel = cancel_on_ctrl_c()?;
    let mut editor = open_editor(target)?;
    let mut out = stdout();
    let (servers, weights) = look_around(&editor, &cancel);
    for server in &servers {
        let what = match (&server.missing, &server.models) {
            (Some(missing), _) => for_terminal(missing),
            (None, models) => {
                let models = models.as_deref().unwrap_or_default();
                format!("{} models, the first is {}", models.len(), for_terminal(&models[0]))
            }
        };
        writeln!(out, "{} at {}: {what}", server.product, server.endpoint)?;
    }
    match weights.first() {
        Some(path) => writeln!(out, "model in the place itself: {}", for_terminal(path))?,
        None => writeln!(out, "model in the place itself: none in /models")?,
    }
    out.flush()?;
    let Some(wish) = best(&servers, &weights) else {
        bail!("no model was found; start one of the servers above and try again");
    };
    make(&mut editor, &wish, &cancel)?;
    explain(&mut out, target)?;
    Ok(ExitCode::SUCCESS)
}

fn explain(out: &mut impl std::io::Write, target: &Path) -> std::io::Result<()> {
    let target = for_terminal(&target.display().to_string());
    write!(
        out,
        "\nThe architect is there. What it can do:\n\
         \x20 pxfs architect run {target} --dry-run   what it would do, without doing it\n\
         \x20 pxfs architect run {target}             the same, asking you before each change\n\
         \x20 pxfs architect optimise {target}        what the boot could do without, no model needed\n\
         \x20 pxfs architect {target} --test          whether it answers\n\
         \x20 pxfs architect {target} --launch-chat   talk to it\n"
    )?;
    out.flush()
}

/// `--launch-chat`.
pub(super) fn launch_chat(target: &Path) -> Outcome {
    let editor = open_editor(target)?;
    // Whether there is anybody to talk to is known before the chat begins.
    drop(open(&editor, CARTRIDGE).with_context(|| target.display().to_string())?);
    drop(editor);
    let Some(chat) = TOOLS.iter().find(|tool| tool.verb == "chat") else {
        bail!("this pxfs has no chat; 'pxfs architect --test' asks the architect one question");
    };
    let args = ["pxfs chat".as_ref(), target.as_os_str(), "--model".as_ref(), CARTRIDGE.as_ref()];
    (chat.run)(args.map(OsString::from).to_vec())
}
