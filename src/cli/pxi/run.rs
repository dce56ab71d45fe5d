//! `pxi run`: runs a program picture to its end, or to the end of its fuel.

use std::io::{self, LineWriter, Stdout, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args as ClapArgs;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{read_picture, write_picture};
use crate::boot::{BootRoot, DirRoot};
use crate::cli::Outcome;
use crate::pxi::host::push_bounded;
use crate::pxi::{
    BlobError, BlobReply, BlobRequest, Host, Layout, LlmError, LlmRequest, Machine, Program,
    ScreenError, Stop,
};

/// Steps of the old machine, unless told otherwise.
const DEFAULT_MAX_STEPS: u64 = 100_000;
/// Bytes of text that --json collects.
const MAX_SCREEN: usize = 64 << 20;
/// Exit status when the program did not come to an end.
const NOT_HALTED: u8 = 3;

/// Run a program picture
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Exit status: 0 the program came to an end; 1 error or trap; 2 wrong usage;
3 not at an end after --max-steps. With --json the printed state is the
answer: 0 whether or not the program halted, 1 after a trap.")]
pub(super) struct Args {
    /// Program picture (PNG, 8-bit RGBA): a raw program or a PXIM 1.x module
    program: PathBuf,
    /// Directory that serves SYS_BLOB: a mounted picture, or a pxOS root with registry and blobs
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Steps after which to stop
    #[arg(long, value_name = "N", default_value_t = DEFAULT_MAX_STEPS)]
    max_steps: u64,
    /// Take pixel 0 as the first instruction even if there is a module header
    #[arg(long)]
    raw: bool,
    /// Print the end state as JSON instead of the program's text
    #[arg(long)]
    json: bool,
    /// Write the frame, what the program drew, as a picture
    #[arg(long, value_name = "PNG")]
    frame: Option<PathBuf>,
    /// Write the memory as a picture
    #[arg(long, value_name = "PNG")]
    memory: Option<PathBuf>,
}

/// Runs `pxi run`.
pub(super) fn run(args: &Args) -> Outcome {
    let raster = read_picture(&args.program)?;
    let program = if args.raw {
        Program::raw(raster)
    } else {
        Program::parse(raster).with_context(|| args.program.display().to_string())?
    };
    let root = match &args.root {
        Some(path) => Some(
            DirRoot::open(path).with_context(|| format!("cannot open root {}", path.display()))?,
        ),
        None => None,
    };
    let screen = if args.json { Screen::Text(String::new()) } else { Screen::stdout() };
    let mut host = ToolHost { root, screen, refused: 0 };
    let layout = program.layout();
    let mut machine = program.into_machine();
    let stop = machine.run(&mut host, args.max_steps);
    if let Some(path) = &args.frame {
        write_picture(path, machine.frame())?;
    }
    if let Some(path) = &args.memory {
        write_picture(path, machine.memory())?;
    }
    report(args, &machine, layout, host, &stop)
}

fn report(args: &Args, machine: &Machine, layout: Layout, host: ToolHost, stop: &Stop) -> Outcome {
    if host.refused > 0 {
        eprintln!("pxi: SYS_LLM refused {} times: {}", host.refused, LlmError::NoModel);
    }
    let printed = match host.screen {
        Screen::Text(text) => {
            let state = state(machine, layout, &text, stop);
            writeln!(io::stdout(), "{state}")
        }
        Screen::Stdout(mut stdout) => stdout.flush(),
    };
    match (printed, stop) {
        // Whoever read this has read enough.
        (Err(error), _) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(0.into()),
        (Err(error), _) => return Err(error).context("cannot write to standard output"),
        (_, Stop::Trap(crate::pxi::Trap::Screen(ScreenError::Closed(kind))))
            if *kind == io::ErrorKind::BrokenPipe =>
        {
            return Ok(0.into());
        }
        (_, Stop::Trap(trap)) => {
            let (pc, steps) = (machine.pc(), machine.steps());
            anyhow::bail!("trap at pixel {pc} after {steps} steps: {trap}");
        }
        _ => {}
    }
    if args.json || stop.halted() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("pxi: not halted after {} steps (--max-steps allows more)", machine.steps());
    Ok(NOT_HALTED.into())
}

/// The end state. The first fields are those of the sample cases.
fn state(machine: &Machine, layout: Layout, screen: &str, stop: &Stop) -> Value {
    let stack: Vec<String> = machine.stack().iter().map(u32::to_string).collect();
    json!({
        "steps": machine.steps(),
        "pc": machine.pc(),
        "halted": stop.halted(),
        "regs": machine.registers(),
        "stack": machine.stack(),
        "stack_len": machine.stack().len(),
        "stack_sha256": sha256(stack.join(",").as_bytes()),
        "screen": screen,
        "screen_len": screen.chars().count(),
        "screen_sha256": sha256(screen.as_bytes()),
        "frame_sha256": sha256(&machine.frame().to_bytes()),
        "mem_sha256": sha256(&machine.memory().to_bytes()),
        "w": machine.memory().width(),
        "h": machine.memory().height(),
        "layout": layout.to_string(),
        "stop": stop.slug(),
    })
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Where PRINT goes.
enum Screen {
    Stdout(LineWriter<Stdout>),
    Text(String),
}

impl Screen {
    fn stdout() -> Self {
        Self::Stdout(LineWriter::new(io::stdout()))
    }
}

/// The world of a program run by hand.
struct ToolHost {
    root: Option<DirRoot>,
    screen: Screen,
    refused: u64,
}

impl Host for ToolHost {
    fn print(&mut self, c: char) -> Result<(), ScreenError> {
        match &mut self.screen {
            Screen::Text(text) => push_bounded(text, c, MAX_SCREEN),
            Screen::Stdout(stdout) => stdout
                .write_all(c.encode_utf8(&mut [0; 4]).as_bytes())
                .map_err(|error| ScreenError::Closed(error.kind())),
        }
    }

    fn blob(&mut self, request: &BlobRequest) -> BlobReply {
        match &self.root {
            Some(root) => root.blob(request),
            None => BlobReply { result: Err(BlobError::NotFound(request.id)), cost: 0 },
        }
    }

    fn llm(&mut self, _request: &LlmRequest) -> Result<String, LlmError> {
        self.refused += 1;
        Err(LlmError::NoModel)
    }
}
