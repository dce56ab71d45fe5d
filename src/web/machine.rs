//! One module run by hand: what it printed, how it ended, what it drew.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse as _;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Value, json};

use super::body::read_json;
use super::desk::{Asking, Shared};
use super::files::read_whole;
use super::reply::{Fault, Reply, blocking, json_response};
use crate::boot::{Ask, BootFiles, BootRoot, SourceError, TreeRoot, check_content};
use crate::fs::WithHidden;
use crate::llm::{Cancel, with_registry};
use crate::pxi::governor::MAX_POLICY;
use crate::pxi::host::{LogLine, push_bounded};
use crate::pxi::link::link_as;
use crate::pxi::{
    BlobReply, BlobRequest, CallError, Files, Governor, Host, Isa, LlmError, LlmRequest, Machine,
    Policy, Program, Raster, ScreenError, Stop,
};

/// Steps of a run unless the page asks for fewer or more, and at most.
const USUAL_FUEL: u64 = 10_000_000;
const MOST_FUEL: u64 = 2_000_000_000;
/// Bytes of text that a run may print.
const MOST_TEXT: usize = 1 << 20;
/// Lines that a run may log.
const MOST_LINES: usize = 1000;
/// The limits of what a program may ask of models, and the limits that hold where the
/// target has no such file: those of the stage /boot/02_policy.
const POLICY_FILE: &str = "/boot/policy.json";
const USUAL_POLICY: &str = r#"{"llm_per_minute": 60, "llm_prompt_bytes": 65536, "llm_answer_tokens": 1024, "llm_tokens": 100000}"#;
/// Frames that are kept for the page to fetch.
const MOST_FRAMES: usize = 4;

/// The last frames, as PNG, under numbers.
#[derive(Debug, Default)]
pub(super) struct Frames(Mutex<(u64, VecDeque<Numbered>)>);

/// A PNG and its number.
type Numbered = (u64, Vec<u8>);

impl Frames {
    fn keep(&self, png: Vec<u8>) -> u64 {
        let mut frames = self.0.lock();
        frames.0 += 1;
        let number = frames.0;
        frames.1.push_back((number, png));
        if frames.1.len() > MOST_FRAMES {
            frames.1.pop_front();
        }
        number
    }

    fn get(&self, number: u64) -> Option<Vec<u8>> {
        let frames = self.0.lock();
        frames.1.iter().find(|(own, _)| *own == number).map(|(_, png)| png.clone())
    }
}

#[derive(Debug, Deserialize)]
struct Asked {
    /// The module's path.
    path: String,
    fuel: Option<u64>,
    /// Let it ask models, as `pxi run --llm` does.
    #[serde(default)]
    llm: bool,
}

/// `POST /api/machine`: runs a module to its end.
pub(super) async fn run(State(shared): State<Arc<Shared>>, request: Request) -> Reply {
    let asked: Asked = read_json(request).await?;
    let place = shared.take_run()?;
    let cancel = Cancel::default();
    let guard = CancelOnDrop(cancel.clone());
    let done = blocking(move || {
        let done = run_module(&shared, &asked, &cancel);
        drop(place);
        done.map(|value| json_response(&value))
    })
    .await;
    drop(guard);
    done
}

/// Whoever closes the window waits for no answer any more, and a model may be long in
/// giving one.
struct CancelOnDrop(Cancel);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

fn run_module(shared: &Arc<Shared>, asked: &Asked, cancel: &Cancel) -> Result<Value, Fault> {
    let asking = asked.llm.then(|| shared.machine_model(false, cancel)).transpose()?;
    let trees = &shared.desk.trees;
    let tree = trees.tree().map_err(Fault::failed)?;
    let png = read_whole(&*tree, asked.path.as_bytes())?;
    let registry = trees.registry_beside().map_err(Fault::failed)?;
    with_registry(&TreeRoot(&WithHidden::new(tree)), registry, |root| {
        run_in(root, asked, &png, asking, &shared.frames)
    })
}

fn run_in(
    root: &dyn BootRoot,
    asked: &Asked,
    png: &[u8],
    asking: Option<Asking>,
    frames: &Frames,
) -> Result<Value, Fault> {
    let wrong = |error: &dyn std::fmt::Display| {
        Fault::new(StatusCode::UNPROCESSABLE_ENTITY, format!("{}: {error}", asked.path))
    };
    let raster = Raster::from_png(png).map_err(|error| wrong(&error))?;
    let program = Program::parse(raster).map_err(|error| wrong(&error))?;
    let layout = program.layout().to_string();
    let governor = match &asking {
        Some(_) => policy_of(root).map_err(|error| wrong(&error))?,
        None => Governor::default(),
    };
    let mut host = PageHost {
        files: BootFiles::new(root),
        root,
        who: &asked.path,
        asking,
        answer_tokens: None,
        screen: String::new(),
        log: Vec::new(),
        start: Instant::now(),
    };
    let machine = linked(program, &host).map_err(|error| wrong(&error))?;
    let mut machine = machine.with_governor(governor);
    let fuel = asked.fuel.unwrap_or(USUAL_FUEL).clamp(1, MOST_FUEL);
    let stop = machine.run(&mut host, fuel);
    let frame = machine.frame();
    let number = frames.keep(frame.to_png().map_err(Fault::failed)?);
    Ok(json!({
        "layout": layout,
        "isa": if machine.isa() == Isa::Pxi1 { 1 } else { 2 },
        "stop": stop.slug(),
        "why": stop.to_string(),
        "halted": stop.halted(),
        "trap": matches!(stop, Stop::Trap(_)),
        "steps": machine.steps(),
        "seconds": host.start.elapsed().as_secs_f64(),
        "pc": machine.pc(),
        "registers": machine.registers(),
        "screen": host.screen,
        "log": host.log,
        "frame": {"number": number, "width": frame.width(), "height": frame.height()},
    }))
}

/// The machine, with what the program imports.
fn linked(program: Program, host: &PageHost<'_>) -> Result<Machine, String> {
    if program.header().is_none_or(|header| header.imports.is_empty()) {
        return Ok(program.into_machine());
    }
    let memory = link_as(&program, None, &host.files, &|_| Ok(()))
        .map_err(|(error, path)| format!("cannot link {path}: {error}"))?;
    Ok(program.into_linked(memory))
}

/// `GET /api/machine/frames/N`: a frame as a picture.
pub(super) async fn frame(State(shared): State<Arc<Shared>>, Path(number): Path<u64>) -> Reply {
    let none = || Fault::new(StatusCode::NOT_FOUND, "this frame is not kept any more");
    let png = shared.frames.get(number).ok_or_else(none)?;
    Ok(([(header::CONTENT_TYPE, "image/png")], png).into_response())
}

/// The policy that a boot of this root would have. One that is there and is not
/// understood allows nothing.
fn policy_of(root: &dyn BootRoot) -> Result<Governor, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("{POLICY_FILE}: {error}");
    let text = match root.read_file(POLICY_FILE, MAX_POLICY as u64) {
        Err(SourceError::NotFound) => USUAL_POLICY.to_owned(),
        file => {
            let file = file.map_err(|error| wrong(&error))?;
            let changed = |_| wrong(&"it is not what the file system declares it to be");
            check_content(&file.bytes, &file.declared).map_err(changed)?;
            String::from_utf8(file.bytes).map_err(|error| wrong(&error))?
        }
    };
    let policy = Policy::parse(&text).map_err(|error| wrong(&error))?;
    let mut governor = Governor::default();
    governor.narrow(&policy).map_err(|error| wrong(&error))?;
    Ok(governor)
}

/// Serves a module that the page runs.
struct PageHost<'r> {
    root: &'r dyn BootRoot,
    files: BootFiles<'r>,
    /// The module's path.
    who: &'r str,
    asking: Option<Asking>,
    /// Of the last answer of a model.
    answer_tokens: Option<u64>,
    screen: String,
    log: Vec<String>,
    start: Instant,
}

impl PageHost<'_> {
    fn note(&mut self, line: String) -> Result<(), CallError> {
        if self.log.len() == MOST_LINES {
            return Err(CallError::NoRoom);
        }
        self.log.push(line);
        Ok(())
    }

    fn name_of(&self, model: u32) -> Option<String> {
        self.asking.as_ref().and_then(|asking| asking.model.name_of(model))
    }

    fn ask(&mut self, request: &LlmRequest) -> Result<crate::boot::Reply, LlmError> {
        let target = self.name_of(request.model);
        let asking = self.asking.as_mut().ok_or(LlmError::NoModel)?;
        asking.model.ask(&Ask::new(request, target.as_deref(), self.who))
    }
}

impl Host for PageHost<'_> {
    fn print(&mut self, c: char) -> Result<(), ScreenError> {
        push_bounded(&mut self.screen, c, MOST_TEXT)
    }

    fn blob(&mut self, request: &BlobRequest) -> BlobReply {
        self.root.blob(request)
    }

    fn llm(&mut self, request: &LlmRequest) -> Result<String, LlmError> {
        let answer = self.ask(request);
        self.answer_tokens = answer.as_ref().ok().and_then(|reply| reply.tokens);
        let (model, bytes) = (request.model, request.prompt.len());
        let line = match &answer {
            Ok(reply) => {
                let given = reply.text.len();
                format!("llm: 0x{model:08X}: {bytes} bytes asked, {given} answered")
            }
            Err(error) => format!("llm-refused: 0x{model:08X}: {error}"),
        };
        // A log that is full keeps nobody from asking: the audit log has it.
        let _ = self.note(line);
        answer.map(|reply| reply.text)
    }

    fn answer_tokens(&self) -> Option<u64> {
        self.answer_tokens
    }

    fn model_names(&self, model: u32) -> Vec<String> {
        self.name_of(model).into_iter().collect()
    }

    fn denied(&mut self, call: &str, error: CallError) {
        let _ = self.note(format!("denied: {call}: {error}"));
    }

    fn llm_denied(&mut self, prompt: &str, model: u32, error: CallError) {
        let target = self.name_of(model);
        let Some(asking) = &mut self.asking else { return };
        let ask = Ask::denied(prompt, model, target.as_deref(), self.who);
        asking.model.denied(&ask, &error.to_string());
    }

    fn files(&self) -> Option<&dyn Files> {
        Some(&self.files)
    }

    fn log(&mut self, line: &LogLine) -> Result<(), CallError> {
        self.note(format!("{}: {}", line.event, line.text))
    }

    fn milliseconds(&mut self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn unix_seconds(&mut self) -> u64 {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        now.map_or(0, |elapsed| elapsed.as_secs())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_policy_is_that_of_the_stage() {
        let stage = include_str!("../../boot/02_policy.py");
        let literal = stage.split("DEFAULT = (").nth(1).unwrap().split("\n)").next().unwrap();
        let written: String = literal.split('\'').skip(1).step_by(2).collect();
        assert_eq!(written, USUAL_POLICY);
    }
}
