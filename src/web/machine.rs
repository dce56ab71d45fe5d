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
use super::desk::Shared;
use super::files::read_whole;
use super::reply::{Fault, Reply, blocking, json_response};
use crate::boot::{BootFiles, BootRoot, TreeRoot};
use crate::pxi::host::{LogLine, push_bounded};
use crate::pxi::link::link_as;
use crate::pxi::{
    BlobReply, BlobRequest, CallError, Files, Host, Isa, LlmError, LlmRequest, Machine, Program,
    Raster, ScreenError, Stop,
};

/// Steps of a run unless the page asks for fewer or more, and at most.
const USUAL_FUEL: u64 = 10_000_000;
const MOST_FUEL: u64 = 2_000_000_000;
/// Bytes of text that a run may print.
const MOST_TEXT: usize = 1 << 20;
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
}

/// `POST /api/machine`: runs a module to its end.
pub(super) async fn run(State(shared): State<Arc<Shared>>, request: Request) -> Reply {
    let asked: Asked = read_json(request).await?;
    let busy =
        |_| Fault::new(StatusCode::CONFLICT, "something is running already; wait for its end");
    let place = Arc::clone(&shared.runs).try_acquire_owned().map_err(busy)?;
    blocking(move || {
        let done = run_module(&shared, &asked);
        drop(place);
        done.map(|value| json_response(&value))
    })
    .await
}

fn run_module(shared: &Shared, asked: &Asked) -> Result<Value, Fault> {
    let tree = shared.desk.trees.tree().map_err(Fault::failed)?;
    let png = read_whole(&*tree, asked.path.as_bytes())?;
    let wrong = |error: &dyn std::fmt::Display| {
        Fault::new(StatusCode::UNPROCESSABLE_ENTITY, format!("{}: {error}", asked.path))
    };
    let raster = Raster::from_png(&png).map_err(|error| wrong(&error))?;
    let program = Program::parse(raster).map_err(|error| wrong(&error))?;
    let layout = program.layout().to_string();
    let root = TreeRoot(&*tree);
    let mut host = PageHost {
        files: BootFiles::new(&root),
        root: &root,
        screen: String::new(),
        log: Vec::new(),
        start: Instant::now(),
    };
    let mut machine = linked(program, &host).map_err(|error| wrong(&error))?;
    let fuel = asked.fuel.unwrap_or(USUAL_FUEL).clamp(1, MOST_FUEL);
    let stop = machine.run(&mut host, fuel);
    let frame = machine.frame();
    let number = shared.frames.keep(frame.to_png().map_err(Fault::failed)?);
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

/// Serves a module that the page runs.
struct PageHost<'r> {
    root: &'r dyn BootRoot,
    files: BootFiles<'r>,
    screen: String,
    log: Vec<String>,
    start: Instant,
}

impl Host for PageHost<'_> {
    fn print(&mut self, c: char) -> Result<(), ScreenError> {
        push_bounded(&mut self.screen, c, MOST_TEXT)
    }

    fn blob(&mut self, request: &BlobRequest) -> BlobReply {
        self.root.blob(request)
    }

    /// As in `pxi run`: which model answers is for a boot's stages to say.
    fn llm(&mut self, _request: &LlmRequest) -> Result<String, LlmError> {
        Err(LlmError::NoModel)
    }

    fn files(&self) -> Option<&dyn Files> {
        Some(&self.files)
    }

    fn log(&mut self, line: &LogLine) -> Result<(), CallError> {
        const MOST_LINES: usize = 1000;
        if self.log.len() == MOST_LINES {
            return Err(CallError::NoRoom);
        }
        self.log.push(format!("{}: {}", line.event, line.text));
        Ok(())
    }

    fn milliseconds(&mut self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn unix_seconds(&mut self) -> u64 {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        now.map_or(0, |elapsed| elapsed.as_secs())
    }
}
