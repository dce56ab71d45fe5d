//! The chat of lines: questions, and commands that begin with a slash.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::process::ExitCode;

use super::{Chat, end_line, show};
use crate::cli::Outcome;
use crate::cli::failures::describe;
use crate::llm::for_terminal;
use crate::map::{Coord, MAX_MESSAGE};

const HELP: &str = "\
/tile X,Y       go to another tile           /tiles     list the tiles that are used
/models         list the cartridges          /model NAME  this one answers here; without NAME the default
/history        show the whole conversation  /retry     ask the last question again that got no answer
/quit           end (also Ctrl-D)            /help      this
Everything else is a question; // begins one with a slash. Ctrl-C stops an answer.
";

/// Messages that are shown when a tile is entered.
const RECENT: usize = 4;

/// Reads lines until there are no more. Status 1 if the last question got no answer.
pub(super) fn run(chat: &Chat, tile: Coord) -> Outcome {
    let mut lines = Lines { chat, tile, failed: false };
    let is_person = io::stdin().is_terminal();
    lines.enter(tile)?;
    loop {
        if is_person {
            print(&format!("{}> ", lines.tile))?;
        }
        let Some(line) = read_line()? else { break };
        match lines.line(line.trim_end()) {
            Ok(true) => {}
            Ok(false) => return Ok(lines.status()),
            Err(error) if is_gone(&error) => return Err(error),
            Err(error) => {
                lines.failed = true;
                eprintln!("pxfs chat: {}", for_terminal(&describe(&error)));
            }
        }
    }
    if is_person {
        end_line()?;
    }
    Ok(lines.status())
}

fn is_gone(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some()
}

/// One line of standard input, bounded.
fn read_line() -> io::Result<Option<String>> {
    let mut line = Vec::new();
    let mut input = io::stdin().lock();
    (&mut input).take(MAX_MESSAGE as u64 + 1).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.len() > MAX_MESSAGE && !line.ends_with(b"\n") {
        input.skip_until(b'\n')?;
    }
    Ok(Some(String::from_utf8_lossy(&line).into_owned()))
}

fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

struct Lines<'c> {
    chat: &'c Chat,
    tile: Coord,
    failed: bool,
}

impl Lines<'_> {
    fn status(&self) -> ExitCode {
        if self.failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }

    /// Does what a line says; false at the end.
    fn line(&mut self, line: &str) -> anyhow::Result<bool> {
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim();
        match word {
            "" => {}
            "/quit" | "/exit" => return Ok(false),
            "/help" => print(HELP)?,
            "/tile" => {
                let tile = rest.parse().map_err(anyhow::Error::msg)?;
                self.enter(tile)?;
            }
            "/tiles" => self.list_tiles()?,
            "/models" => self.list_models()?,
            "/model" => {
                self.chat.set_model(self.tile, (!rest.is_empty()).then_some(rest))?;
                self.say_model()?;
            }
            "/history" => self.history(usize::MAX)?,
            "/retry" => {
                let open = self.chat.target.map.tile(self.tile).open_question();
                let question = open.ok_or_else(|| {
                    anyhow::anyhow!("no question of this tile waits for an answer")
                })?;
                self.failed = false;
                self.chat.answer(self.tile, question, &mut show)?;
                end_line()?;
            }
            word if word.starts_with('/') && !word.starts_with("//") => {
                anyhow::bail!("there is no command {word}; /help lists them");
            }
            _ => {
                let text = line.strip_prefix('/').filter(|rest| rest.starts_with('/'));
                self.failed = false;
                self.chat.ask(self.tile, text.unwrap_or(line), &mut show)?;
                end_line()?;
            }
        }
        Ok(true)
    }

    fn enter(&mut self, tile: Coord) -> anyhow::Result<()> {
        self.tile = tile;
        self.chat.target.map.refresh()?;
        self.say_model()?;
        self.history(RECENT)
    }

    fn say_model(&self) -> anyhow::Result<()> {
        let id = self.chat.target.map.tile(self.tile).model_id;
        let routes = self.chat.target.models.routes()?;
        let name = match routes.by_id(id.unwrap_or(0)) {
            Ok(route) if id.is_none() => format!("{} (the default)", route.cartridge.name),
            Ok(route) => route.cartridge.name.clone(),
            Err(error) => error.to_string(),
        };
        Ok(print(&format!("tile {}, model: {}\n", self.tile, for_terminal(&name)))?)
    }

    fn history(&self, most: usize) -> anyhow::Result<()> {
        let tile = self.chat.target.map.tile(self.tile);
        let messages: Vec<_> = tile.messages().collect();
        let skipped = messages.len().saturating_sub(most);
        if skipped > 0 {
            print(&format!("({skipped} earlier messages: /history)\n"))?;
        }
        for (role, text) in &messages[skipped..] {
            print(&format!("{}: {}\n", for_terminal(role), for_terminal(text)))?;
        }
        Ok(())
    }

    fn list_tiles(&self) -> anyhow::Result<()> {
        self.chat.target.map.refresh()?;
        for (coord, tile) in self.chat.target.map.state().tiles() {
            let first = tile.messages().next().map_or("", |(_, text)| text);
            let first: String =
                first.chars().take(60).map(|c| if c == '\n' { ' ' } else { c }).collect();
            let count = tile.messages().count();
            print(&format!("{coord:<14} {count:>4} messages  {}\n", for_terminal(&first)))?;
        }
        Ok(())
    }

    fn list_models(&self) -> anyhow::Result<()> {
        let routes = self.chat.target.models.routes()?;
        if let Err(error) = routes.default_route() {
            print(&format!("{}\n", for_terminal(&error.to_string())))?;
        }
        for (number, cartridge) in routes.registry().cartridges().iter().enumerate() {
            let (name, about) =
                (for_terminal(&cartridge.name), for_terminal(&cartridge.description));
            let (backend, id) = (cartridge.backend.name(), cartridge.id_text());
            print(&format!("{} {name}  {backend}  {id}  {about}\n", number + 1))?;
        }
        Ok(())
    }
}
