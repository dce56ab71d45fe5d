//! The commands: their names, what they take, and which part carries them out.

use std::fmt::Write;

use super::debugger::{CommandError, Debugger, Front, Reply};
use super::expr::{Expr, register};
use super::points::Watched;
use crate::pxi::Pixel;

/// A command: its names, what it takes, what it does.
struct Command {
    names: &'static [&'static str],
    takes: &'static str,
    does: &'static str,
}

/// Generates the table from one list.
macro_rules! commands {
    ($([$($name:literal)*] $takes:literal $does:literal;)*) => {
        const COMMANDS: &[Command] = &[
            $(Command { names: &[$($name),*], takes: $takes, does: $does }),*
        ];
    };
}

commands! {
    ["break" "b"] "PLACE [if EXPR]" "stops there; PLACE is an address, a name, or FILE:LINE";
    ["tbreak" "tb"] "PLACE [if EXPR]" "stops there once";
    ["watch" "w"] "Rn | PLACE" "stops when a register or a pixel of the memory changes";
    ["delete" "d"] "[N]" "deletes a breakpoint or watch, or all";
    ["breakpoints" "bl"] "" "lists breakpoints and watches";
    ["step" "s"] "[N]" "takes N steps";
    ["next" "n"] "[N]" "takes N steps, each call and RUN as one";
    ["finish" "fin"] "" "goes on until the innermost call is over";
    ["continue" "c"] "" "goes on to the next stop";
    ["until" "u"] "PLACE" "goes on until there";
    ["run" "r"] "" "begins anew and goes on to the first stop";
    ["restart"] "" "begins anew and stays before the first instruction";
    ["where"] "" "shows the next instruction";
    ["registers" "regs"] "" "shows all registers";
    ["set"] "Rn | pc | [EXPR] = EXPR" "changes a register, the program counter, or a pixel of the memory";
    ["print" "p"] "EXPR" "shows a value";
    ["x"] "[/N[F]] [PLACE]" "shows N pixels from there on, or further on; F: x hex, d decimal, u unsigned, b bytes, t text, g text in green, i instructions, p colours";
    ["stack" "st"] "[N]" "shows the top N numbers of the stack";
    ["backtrace" "bt"] "[N]" "shows the innermost N open calls";
    ["disassemble" "dis"] "[PLACE [N]]" "shows N instructions";
    ["list" "l"] "[PLACE]" "shows the source around there, or further on";
    ["symbols"] "[TEXT]" "lists names that hold the text";
    ["info" "i"] "breakpoints | frame | module | policy | registers | symbols" "shows that";
    ["save"] "frame | memory FILE" "writes a picture";
    ["help" "h"] "[COMMAND]" "lists the commands, or describes one";
    ["quit" "q"] "" "leaves";
}

impl Debugger {
    /// Carries out a command.
    ///
    /// # Errors
    /// [`CommandError`], one sentence; nothing has changed then, except by
    /// steps that the program has taken.
    pub fn command<F: Front>(&mut self, line: &str, front: &mut F) -> Result<Reply, CommandError> {
        let line = line.trim();
        let len = line.find(|c: char| c.is_whitespace() || c == '/').unwrap_or(line.len());
        let (word, rest) = line.split_at(len);
        let rest = rest.trim();
        let found = COMMANDS.iter().find(|command| command.names.contains(&word));
        let Some(name) = found.and_then(|command| command.names.first()) else {
            return match word {
                "" => Ok(Reply::default()),
                _ => {
                    Err(CommandError::new(format!("there is no command '{word}'; help lists them")))
                }
            };
        };
        if *name == "quit" {
            return Ok(Reply { text: String::new(), quit: true });
        }
        let text = match self.act(name, rest, front) {
            Some(result) => result?,
            None => self.show(name, rest, front)?,
        };
        Ok(Reply { text, quit: false })
    }

    /// Commands that change something.
    fn act<F: Front>(
        &mut self,
        name: &str,
        rest: &str,
        front: &mut F,
    ) -> Option<Result<String, CommandError>> {
        Some(match name {
            "break" => self.add_break(rest, false),
            "tbreak" => self.add_break(rest, true),
            "watch" => self.add_watch(rest),
            "delete" => self.delete(rest),
            "set" => self.set(rest),
            "step" => count(rest, 1).and_then(|n| self.step(n, front)),
            "next" => count(rest, 1).and_then(|n| self.next(n, front)),
            "finish" => nothing(rest).and_then(|()| self.finish(front)),
            "continue" => nothing(rest).and_then(|()| self.go_on(front)),
            "until" => self.place(rest).and_then(|place| self.until(place, front)),
            "run" => nothing(rest).and_then(|()| {
                self.restart();
                self.go_on(front)
            }),
            "restart" => nothing(rest).map(|()| {
                self.restart();
                self.here()
            }),
            _ => return None,
        })
    }

    /// Commands that only look.
    fn show<F: Front>(
        &mut self,
        name: &str,
        rest: &str,
        front: &mut F,
    ) -> Result<String, CommandError> {
        match name {
            "breakpoints" => Ok(self.list_points()),
            "where" => Ok(self.here()),
            "registers" => Ok(self.show_registers()),
            "print" => self.print(rest),
            "x" => self.examine(rest),
            "stack" => Ok(self.show_stack(count(rest, 16)?)),
            "backtrace" => Ok(self.backtrace(count(rest, 32)?)),
            "disassemble" => self.disassemble(rest),
            "list" => self.list_source(rest, front),
            "symbols" => self.list_symbols(rest),
            "info" => self.info(rest),
            "save" => self.save(rest, front),
            _ => help(rest),
        }
    }

    /// An address: a number, a name, any expression, or FILE:LINE.
    pub(super) fn place(&self, text: &str) -> Result<u32, CommandError> {
        if let Some((file, line)) = text.rsplit_once(':')
            && let Ok(line) = line.trim().parse()
        {
            let address = self.tracer.names.symbols().address_of_line(file.trim(), line);
            return address.ok_or_else(|| {
                CommandError::new(format!("there is no code of {file}, line {line} or after it"))
            });
        }
        self.address(self.value(text)?)
    }

    /// A number as an address that exists.
    pub(super) fn address(&self, value: i64) -> Result<u32, CommandError> {
        let len = self.tracer.machine.memory().pixels().len();
        match u32::try_from(value) {
            Ok(address) if (address as usize) < len => Ok(address),
            _ => Err(CommandError::outside(value)),
        }
    }

    pub(super) fn value(&self, text: &str) -> Result<i64, CommandError> {
        Expr::parse(text, &self.tracer.names)?.eval(&self.tracer.machine)
    }

    fn add_break(&mut self, rest: &str, once: bool) -> Result<String, CommandError> {
        let (place, condition) = match rest.split_once(" if ") {
            None => (rest, None),
            Some((place, text)) => {
                let condition = Expr::parse(text, &self.tracer.names)?;
                (place, Some((condition, text.trim().to_owned())))
            }
        };
        let address = self.place(place)?;
        let id = self.points.add_break(address, condition, once)?;
        Ok(format!("breakpoint {id} at {}\n", self.named(address)))
    }

    fn add_watch(&mut self, rest: &str) -> Result<String, CommandError> {
        let what = match register(rest) {
            Some(n) => Watched::Register(n),
            None => Watched::Memory(self.place(rest)?),
        };
        let id = self.points.add_watch(what, &self.tracer.machine)?;
        Ok(format!("watch {id} of {what}\n"))
    }

    fn delete(&mut self, rest: &str) -> Result<String, CommandError> {
        let id = match rest {
            "" => None,
            number => Some(number.parse().map_err(|_| {
                CommandError::new(format!("'{number}' is no number of a breakpoint or watch"))
            })?),
        };
        self.points.delete(id)?;
        Ok(String::new())
    }

    fn set(&mut self, rest: &str) -> Result<String, CommandError> {
        let wrong =
            || CommandError::new("set is written: set Rn = EXPR, set pc = EXPR, set [EXPR] = EXPR");
        let (target, value) = rest.split_once('=').ok_or_else(wrong)?;
        let (target, value) = (target.trim(), self.value(value)?);
        let number = u32::try_from(value).or_else(|_| i32::try_from(value).map(|n| n as u32));
        let number =
            number.map_err(|_| CommandError::new(format!("{value} does not fit 32 bits")))?;
        if let Some(n) = register(target) {
            self.tracer.machine.registers_mut()[n] = number;
        } else if target.eq_ignore_ascii_case("pc") {
            self.set_pc(value)?;
        } else {
            let inner = target.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
            let address = self.place(inner.ok_or_else(wrong)?)?;
            self.tracer.machine.memory_mut()[address as usize] = Pixel::of_value(number);
        }
        self.points.settle(&self.tracer.machine);
        Ok(String::new())
    }

    fn set_pc(&mut self, value: i64) -> Result<(), CommandError> {
        let window = self.tracer.machine.window();
        let inside = usize::try_from(value).ok().filter(|at| window.contains(at));
        let at = inside.ok_or_else(|| {
            let (first, last) = (window.start, window.end.saturating_sub(1));
            CommandError::new(format!(
                "the module that runs lies at {first} to {last}, not at {value}"
            ))
        })?;
        self.tracer.machine.set_pc((at - window.start) as u32);
        // It may go on, from there.
        self.ended = None;
        Ok(())
    }
}

/// A count behind a command, or what it is without one.
pub(super) fn count(text: &str, default: u64) -> Result<u64, CommandError> {
    match text {
        "" => Ok(default),
        text => match text.parse() {
            Ok(0) | Err(_) => Err(CommandError::new(format!("'{text}' is no count"))),
            Ok(count) => Ok(count),
        },
    }
}

fn nothing(rest: &str) -> Result<(), CommandError> {
    if rest.is_empty() { Ok(()) } else { Err(CommandError::new(format!("'{rest}' is too much"))) }
}

fn help(name: &str) -> Result<String, CommandError> {
    let known = |command: &&Command| name.is_empty() || command.names.contains(&name);
    let mut text = String::new();
    for command in COMMANDS.iter().filter(known) {
        let names = command.names.join(", ");
        let _ = writeln!(text, "{names} {}\n    {}", command.takes, command.does);
    }
    if text.is_empty() {
        return Err(CommandError::new(format!("there is no command '{name}'; help lists them")));
    }
    if name.is_empty() {
        text.push_str(HELP_ON_EXPRESSIONS);
    }
    Ok(text)
}

const HELP_ON_EXPRESSIONS: &str = "\
EXPR: numbers (10, 0x0A, 0b1010, 'A'), names, R0 to R15, pc, sp (height of the stack), steps,
    base (first pixel of the module that runs), [EXPR] (a pixel of the memory), signed(EXPR),
    ! - * + & < > <= >= == != && || and parentheses. Addresses are those of the whole memory.
";
