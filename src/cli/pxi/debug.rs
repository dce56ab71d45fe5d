//! `pxi debug`: a person at a terminal, or a script, looks into a program that runs.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args as ClapArgs;

use super::host::{Screen, ToolHost};
use super::target::{Lines, Target, TargetArgs, text};
use super::write_picture;
use crate::cli::Outcome;
use crate::pxi::Raster;
use crate::pxi::debug::{Debugger, Front};

/// Longest script and longest source.
const MAX_TEXT: u64 = 16 << 20;
/// Longest line of commands.
const MAX_LINE: u64 = 1 << 16;

/// Debug a program: break, step, look at registers and memory
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Without -x and -e commands are read from standard input; 'help' lists them. Exit
status: 0; 1 error, or a command of a script failed, which ends the script; 2 wrong usage.")]
pub(super) struct Args {
    #[command(flatten)]
    target: TargetArgs,
    /// File of commands, one a line; can be given more than once
    #[arg(short = 'x', long = "commands", value_name = "FILE")]
    commands: Vec<PathBuf>,
    /// Commands with semicolons between; they come after those of -x
    #[arg(short = 'e', long = "execute", value_name = "COMMANDS")]
    execute: Vec<String>,
    /// Steps that one command may take
    #[arg(long, value_name = "N", visible_alias = "max-steps", default_value_t = 100_000_000)]
    fuel: u64,
}

/// Runs `pxi debug`.
pub(super) fn run(args: &Args) -> Outcome {
    args.target.with(Screen::stdout(), Lines::None, |target, host| debug(args, target, host))
}

fn debug(args: &Args, target: Target, mut host: ToolHost<'_>) -> Outcome {
    let debugger = Debugger::new(target.tracer, target.about)
        .with_fuel(args.fuel)
        .with_colours(has_colours())
        .with_width(target.width);
    let symbols = args.target.symbols.as_deref().and_then(Path::parent);
    host.sources = symbols.map(Path::to_owned);
    let mut session = Session { debugger, host };
    let is_script = !args.commands.is_empty() || !args.execute.is_empty();
    for path in &args.commands {
        let script = text(path, MAX_TEXT)?;
        for (number, line) in (1..).zip(script.lines()) {
            if session.scripted(line, &format!("{}:{number}", path.display()))? {
                return Ok(ExitCode::SUCCESS);
            }
        }
    }
    for line in args.execute.iter().flat_map(|commands| commands.split(';')) {
        if session.scripted(line, "-e")? {
            return Ok(ExitCode::SUCCESS);
        }
    }
    if !is_script {
        session.read_commands()?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether the terminal says that it shows every colour.
fn has_colours() -> bool {
    let depth = std::env::var("COLORTERM").unwrap_or_default();
    let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    wanted && matches!(depth.as_str(), "truecolor" | "24bit") && io::stdout().is_terminal()
}

struct Session<'r> {
    debugger: Debugger,
    host: ToolHost<'r>,
}

impl Session<'_> {
    /// A command of a script, which ends when one fails. True: it said quit.
    fn scripted(&mut self, line: &str, place: &str) -> anyhow::Result<bool> {
        let line = line.trim();
        if line.starts_with('#') {
            return Ok(false);
        }
        match self.debugger.command(line, &mut self.host) {
            Ok(reply) => {
                self.show(&reply.text)?;
                Ok(reply.quit)
            }
            Err(error) => {
                self.show("")?;
                bail!("{place}: {error}")
            }
        }
    }

    fn show(&mut self, text: &str) -> anyhow::Result<()> {
        let wrong = "cannot write to standard output";
        // What the program printed comes first.
        self.host.screen.end_line().context(wrong)?;
        let mut stdout = io::stdout();
        stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).context(wrong)
    }

    fn read_commands(&mut self) -> anyhow::Result<()> {
        let is_person = io::stdin().is_terminal();
        if is_person {
            self.show("help lists the commands\n")?;
            self.interactive("where")?;
        }
        let mut last = String::new();
        for number in 1.. {
            if is_person {
                self.show("(pxi) ")?;
            }
            let Some(line) = next_line()? else { break };
            let quit = if is_person {
                if !line.trim().is_empty() {
                    last.clone_from(&line);
                }
                self.interactive(&last)?
            } else {
                self.scripted(&line, &format!("line {number}"))?
            };
            if quit {
                break;
            }
        }
        Ok(())
    }

    /// A command of a person, who is told what is wrong and goes on.
    fn interactive(&mut self, line: &str) -> anyhow::Result<bool> {
        match self.debugger.command(line, &mut self.host) {
            Ok(reply) => {
                self.show(&reply.text)?;
                Ok(reply.quit)
            }
            Err(error) => {
                self.show(&format!("{error}\n"))?;
                Ok(false)
            }
        }
    }
}

fn next_line() -> anyhow::Result<Option<String>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    let stdin = io::stdin().lock();
    stdin.take(MAX_LINE).read_until(b'\n', &mut bytes).context("cannot read standard input")?;
    if bytes.is_empty() {
        return Ok(None);
    }
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

impl Front for ToolHost<'_> {
    fn source(&mut self, file: &str) -> Result<String, String> {
        let beside = self.sources.as_ref().map(|directory| directory.join(file));
        let found = beside.filter(|path| path.exists()).unwrap_or_else(|| file.into());
        text(&found, MAX_TEXT).map_err(|error| format!("{error:#}"))
    }

    fn save(&mut self, path: &str, picture: &Raster) -> Result<(), String> {
        write_picture(&path.into(), picture).map_err(|error| format!("{error:#}"))
    }
}
