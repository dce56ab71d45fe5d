//! `pxfs chat`: a tile of the infinite map in a terminal.

mod terminal;

use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Parser;
use parking_lot::Mutex;
use serde_json::json;

use super::Outcome;
use super::desk::{Target, open_target};
use super::mount::Signals;
use crate::llm::{Cancel, for_terminal};
use crate::map::{Change, Coord, MAX_MESSAGE, Partners as _, Said, TalkError, answer, ask};

/// Talk to a model on a tile of the infinite map of a picture, a pxOS root or a directory.
#[derive(Debug, Parser)]
#[command(
    name = "pxfs chat",
    version,
    after_help = "\
With TEXT the answer is printed as it comes. Without it, lines are read: each is a question,
and /help lists what else can be said. Ctrl-C stops an answer.

Exit status: 0 answered; 1 no answer, or error; 2 wrong usage. See docs/cli/pxfs-chat.md."
)]
struct Args {
    /// A picture, a pxOS root or a directory
    target: PathBuf,
    /// The tile, such as 3,-4 [default: 0,0]
    #[arg(value_name = "X,Y", allow_hyphen_values = true)]
    tile: Option<Coord>,
    /// The question; - reads it from standard input
    #[arg(allow_hyphen_values = true)]
    text: Option<String>,
    /// The cartridge that answers on this tile from now on: its name, or its number
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Print question and answer as JSON, when the answer is whole
    #[arg(long, requires = "text")]
    json: bool,
    /// Add a line to this audit log for each question to a model
    #[arg(long, value_name = "FILE")]
    audit: Option<PathBuf>,
}

/// Runs the tool.
pub(super) fn run(args: Vec<OsString>) -> Outcome {
    let args: Args = match super::parse_args(args, super::USAGE) {
        Ok(args) => args,
        Err(status) => return Ok(status),
    };
    let stop = Stop::listen().context("cannot wait for Ctrl-C")?;
    let chat = Chat { target: open_target(&args.target, args.audit.as_deref())?, stop };
    let tile = args.tile.unwrap_or(Coord::new(0, 0));
    if let Some(name) = &args.model {
        chat.set_model(tile, Some(name))?;
    }
    let done = match args.text.as_deref() {
        Some("-") => chat.once(tile, &read_question()?, args.json),
        Some(text) => chat.once(tile, text, args.json),
        None => terminal::run(&chat, tile),
    };
    // The picture gets what the journal holds; if it cannot, nothing is lost.
    if let Err(error) = chat.target.map.fold() {
        log::warn!("the map's journal stays beside the picture: {error}");
    }
    done
}

fn read_question() -> anyhow::Result<String> {
    let mut text = String::new();
    let most = MAX_MESSAGE as u64 + 1;
    io::stdin().lock().take(most).read_to_string(&mut text).context("standard input")?;
    Ok(text)
}

/// A map and somebody at a terminal.
struct Chat {
    target: Target,
    stop: Stop,
}

impl Chat {
    /// One question, one answer.
    fn once(&self, tile: Coord, text: &str, as_json: bool) -> Outcome {
        if as_json {
            let said = self.ask(tile, text, &mut |_| Ok(()))?;
            let written = &said.written;
            let value = json!({
                "tile": tile.to_string(),
                "question": text,
                "answer": said.answer.text,
                "model": said.answer.model,
                "model_id": written.tile.model_id,
                "prompt_tokens": said.answer.prompt_tokens,
                "answer_tokens": said.answer.answer_tokens,
                "finish": said.answer.finish,
                "seconds": said.answer.duration.as_secs_f64(),
                "revision": written.tile.revision,
            });
            writeln!(io::stdout(), "{value}")?;
        } else {
            self.ask(tile, text, &mut show)?;
            end_line()?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Puts a question into the map and has it answered.
    fn ask(
        &self,
        tile: Coord,
        text: &str,
        show: &mut dyn FnMut(&str) -> io::Result<()>,
    ) -> anyhow::Result<Said> {
        let map = &self.target.map;
        // Whether there is anybody to ask is seen before anything is written.
        self.target.models.partner(map.tile(tile).model_id)?;
        let written = ask(map, tile, text, None)?;
        let question = written.tile.questions().saturating_sub(1);
        self.answer(tile, question, show)
    }

    /// Has a question of a tile answered.
    fn answer(
        &self,
        tile: Coord,
        question: usize,
        show: &mut dyn FnMut(&str) -> io::Result<()>,
    ) -> anyhow::Result<Said> {
        let map = &self.target.map;
        let partner = self.target.models.partner(map.tile(tile).model_id)?;
        let cancel = self.stop.begin();
        let mut shown = Ok(());
        let said = answer(map, tile, question, &partner, &cancel, &mut |text| {
            if shown.is_ok() {
                shown = show(text);
            }
            if shown.is_err() {
                // Nobody reads it.
                cancel.cancel();
            }
        });
        self.stop.end();
        shown?;
        said.map_err(|error| match error {
            TalkError::Chat(error) => anyhow::Error::new(error),
            TalkError::Map(error) => anyhow::Error::new(error),
        })
    }

    /// Gives a tile another model, or the default one.
    fn set_model(&self, tile: Coord, name: Option<&str>) -> anyhow::Result<()> {
        let routes = self.target.models.routes()?;
        let id =
            name.map(|name| routes.by_name(name).map(|route| route.cartridge.id)).transpose()?;
        if self.target.map.tile(tile).model_id != id {
            self.target.map.commit(tile, &Change::Model { id }, None)?;
        }
        Ok(())
    }
}

/// Prints a piece of an answer. Nothing in it steers the terminal.
fn show(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(for_terminal(text).as_bytes())?;
    out.flush()
}

fn end_line() -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(b"\n")?;
    out.flush()
}

/// Ctrl-C: stops the answer that is being given; without one, the program.
struct Stop(Arc<Mutex<Option<Cancel>>>);

impl Stop {
    fn listen() -> io::Result<Self> {
        let running: Arc<Mutex<Option<Cancel>>> = Arc::default();
        let signals = Signals::block_one(libc::SIGINT)?;
        let shared = Arc::clone(&running);
        std::thread::spawn(move || {
            loop {
                signals.wait();
                match &*shared.lock() {
                    // Who does not want to wait says it twice.
                    Some(cancel) if !cancel.is_cancelled() => cancel.cancel(),
                    _ => std::process::exit(INTERRUPTED),
                }
            }
        });
        Ok(Self(running))
    }

    fn begin(&self) -> Cancel {
        let cancel = Cancel::default();
        *self.0.lock() = Some(cancel.clone());
        cancel
    }

    fn end(&self) {
        *self.0.lock() = None;
    }
}

/// What a shell says of a program that Ctrl-C ended.
const INTERRUPTED: i32 = 130;
