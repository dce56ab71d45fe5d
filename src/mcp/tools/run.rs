//! `run_module`: runs a program of the tree in the machine.

use std::collections::VecDeque;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rmcp::model::{ContentBlock, JsonObject};
use rmcp::schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::path::find_file;
use super::super::reply::Reply;
use super::super::work::{Failure, Result};
use super::{Context, Effect, Spec, parse, schema};
use crate::boot::{BootFiles, BootRoot, TreeRoot};
use crate::llm::for_terminal;
use crate::pxi::host::{LogLine, push_bounded};
use crate::pxi::link::link_as;
use crate::pxi::raster::MAX_PNG_BYTES;
use crate::pxi::verify::verify;
use crate::pxi::{
    BlobReply, BlobRequest, CallError, Files, Host, LlmError, LlmRequest, Machine, Program, Raster,
    ScreenError, Stop,
};

/// Steps, unless more are given, and at most: a part of a second, and some seconds.
const FUEL: u64 = 10_000_000;
const MAX_FUEL: u64 = 4_000_000_000;
/// Steps after which it is asked whether anybody still wants the result.
const SLICE: u64 = 20_000_000;
/// Bytes that a program may print, lines that it may log, bytes of a frame as PNG.
const MAX_SCREEN: usize = 1 << 20;
const MAX_LOG: usize = 1000;
const MAX_FRAME: usize = 4 << 20;

pub(super) fn specs() -> Vec<Spec> {
    vec![Spec {
        name: "run_module",
        title: "Run module",
        about: "Runs a program picture (PXI module or raw program) of the tree in the machine, with \
                fuel. It sees the tree, and nothing of the host; it cannot change anything. Gives \
                what it printed, its registers and why it stopped.",
        effect: Effect::Reads,
        input: schema::<Args>,
        output,
        run: run_module,
    }]
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(crate = "rmcp::schemars")]
struct Args {
    /// The path of the program, from /
    path: String,
    /// Steps that it may take, up to 4000000000
    #[serde(default = "default_fuel")]
    #[schemars(range(min = 1, max = 4_000_000_000_u64))]
    fuel: u64,
    /// What it reads, line by line, with INPUT
    #[serde(default)]
    input: String,
    /// What its random numbers begin with
    #[serde(default)]
    seed: u64,
    /// Numbers of its registers at the start, R0 first
    #[serde(default)]
    #[schemars(length(max = 16))]
    registers: Vec<i64>,
    /// Give what it drew as a picture, too
    #[serde(default)]
    frame: bool,
}

fn default_fuel() -> u64 {
    FUEL
}

fn output() -> Value {
    json!({
        "type": "object",
        "properties": {
            "stop": { "type": "string", "description": "One word: halt, exit, trap, out-of-fuel ..." },
            "why": { "type": "string" },
            "halted": { "type": "boolean", "description": "Whether it came to an end of its own" },
            "status": { "type": "integer", "description": "That it ended with" },
            "steps": { "type": "integer" },
            "pc": { "type": "integer" },
            "registers": { "type": "array", "items": { "type": "integer" } },
            "screen": { "type": "string", "description": "What it printed" },
            "log": { "type": "array", "items": { "type": "string" } },
            "frame": { "type": "object", "properties": {
                "width": { "type": "integer" }, "height": { "type": "integer" },
            } },
        },
        "required": ["stop", "why", "halted", "steps", "pc", "registers", "screen", "log"],
    })
}

fn run_module(context: &Context<'_>, arguments: JsonObject) -> Result<Reply> {
    let args: Args = parse(arguments)?;
    if !(1..=MAX_FUEL).contains(&args.fuel) {
        return Err(Failure::said(format!("fuel is 1 to {MAX_FUEL}")));
    }
    let tree = context.place.whole()?;
    let path = find_file(&*tree, &args.path)?.path;
    let path = String::from_utf8(path).map_err(|_| Failure::said("a module's path is UTF-8"))?;
    let root = TreeRoot(&*tree);
    let mut host = TreeHost::new(&root, &args.input);
    let mut machine = load(&root, &path, &host)?.with_seed(args.seed);
    set_registers(&mut machine, &args.registers)?;
    let mut left = args.fuel;
    let stop = loop {
        let slice = left.min(SLICE);
        let stop = machine.run(&mut host, slice);
        left -= slice;
        context.work.step(machine.steps())?;
        if stop != Stop::OutOfFuel || left == 0 || context.work.is_late() {
            break stop;
        }
    };
    reply(&machine, &stop, host, args.frame)
}

fn load(root: &TreeRoot<'_>, path: &str, host: &TreeHost<'_>) -> Result<Machine> {
    let failed = |error: &dyn std::fmt::Display| Failure::said(format!("{path}: {error}"));
    let file = root.read_file(path, MAX_PNG_BYTES).map_err(|error| failed(&error))?;
    let raster = Raster::from_png(&file.bytes).map_err(|error| failed(&error))?;
    let program = Program::parse(raster).map_err(|error| failed(&error))?;
    let Some(header) = program.header() else { return Ok(program.into_machine()) };
    if let Err(findings) = verify(program.raster().pixels(), header) {
        let first = findings.first().map_or(String::new(), ToString::to_string);
        return Err(failed(&format!("cannot run: {first}")));
    }
    let memory = link_as(&program, Some(path), &host.files, &|_| Ok(()))
        .map_err(|(error, import)| failed(&format!("imports {import}: {error}")))?;
    Ok(program.into_linked(memory))
}

fn set_registers(machine: &mut Machine, values: &[i64]) -> Result<()> {
    let registers = machine.registers_mut();
    if values.len() > registers.len() {
        return Err(Failure::said(format!("there are {} registers", registers.len())));
    }
    for (register, value) in registers.iter_mut().zip(values) {
        let bits = u32::try_from(*value).or_else(|_| i32::try_from(*value).map(|n| n as u32));
        *register = bits.map_err(|_| Failure::said("a register's number has 32 bits"))?;
    }
    Ok(())
}

fn reply(machine: &Machine, stop: &Stop, host: TreeHost<'_>, frame: bool) -> Result<Reply> {
    let screen = for_terminal(&host.screen);
    let mut value = json!({
        "stop": stop.slug(),
        "why": stop.to_string(),
        "halted": stop.halted(),
        "steps": machine.steps(),
        "pc": machine.pc(),
        "registers": machine.registers(),
        "screen": screen,
        "log": host.log,
    });
    if let Stop::Exit(status) = stop {
        value["status"] = (*status).into();
    }
    let mut text = screen;
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(&format!("(stopped after {} steps: {stop})", machine.steps()));
    let mut reply = Reply::both(text, value);
    if frame {
        let picture = machine.frame();
        let png = picture.to_png().map_err(|error| Failure::said(format!("the frame: {error}")))?;
        if png.len() > MAX_FRAME {
            let sentence = format!("the frame has {} bytes as PNG, too many", png.len());
            return Err(Failure::said(sentence));
        }
        reply.structured["frame"] = json!({ "width": picture.width(), "height": picture.height() });
        reply.content.push(ContentBlock::image(STANDARD.encode(png), "image/png"));
    }
    Ok(reply)
}

/// The world of a program that is run for a model: the tree, lines of input, a screen.
struct TreeHost<'r> {
    root: &'r dyn BootRoot,
    files: BootFiles<'r>,
    input: VecDeque<Vec<u8>>,
    screen: String,
    log: Vec<String>,
    started: Instant,
}

impl<'r> TreeHost<'r> {
    fn new(root: &'r dyn BootRoot, input: &str) -> Self {
        Self {
            root,
            files: BootFiles::new(root),
            input: input.lines().map(|line| line.as_bytes().to_vec()).collect(),
            screen: String::new(),
            log: Vec::new(),
            started: Instant::now(),
        }
    }

    fn note(&mut self, line: String) {
        if self.log.len() < MAX_LOG {
            self.log.push(crate::llm::harmless(&line, 1000));
        }
    }
}

impl Host for TreeHost<'_> {
    fn print(&mut self, c: char) -> Result<(), ScreenError> {
        push_bounded(&mut self.screen, c, MAX_SCREEN)
    }

    fn blob(&mut self, request: &BlobRequest) -> BlobReply {
        self.root.blob(request)
    }

    fn llm(&mut self, _request: &LlmRequest) -> Result<String, LlmError> {
        self.note("SYS_LLM: this machine has no model to ask".to_owned());
        Err(LlmError::NoModel)
    }

    fn files(&self) -> Option<&dyn Files> {
        Some(&self.files)
    }

    fn log(&mut self, line: &LogLine) -> Result<(), CallError> {
        self.note(format!("{:?} {}: {}", line.level, line.event, line.text));
        Ok(())
    }

    fn milliseconds(&mut self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn unix_seconds(&mut self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
    }

    fn input(&mut self, max: usize) -> Result<Vec<u8>, CallError> {
        let mut line = self.input.pop_front().ok_or(CallError::EndOfInput)?;
        if line.len() > max {
            // The rest of a longer one comes next.
            self.input.push_front(line.split_off(max));
        }
        Ok(line)
    }

    fn denied(&mut self, call: &str, error: CallError) {
        self.note(format!("{call} was refused: {error}"));
    }
}
