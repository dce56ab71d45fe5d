//! Commands that only look.

use std::fmt::Write;

use super::command::count;
use super::debugger::{CommandError, Debugger, Front};
use super::symbols::printable;
use super::text::instruction;
use super::tracer::{Call, CallKind};
use super::view::{Form, as_picture, colour};
use crate::pxi::{Isa, Pixel};

/// Pixels and lines that one command shows at most.
const MOST: u64 = 65_536;
/// Lines of a source that `list` shows.
const LISTED: u32 = 11;

impl Debugger {
    /// An address with its name and its line.
    pub(super) fn named(&self, address: u32) -> String {
        let mut text = address.to_string();
        if let Some(name) = self.tracer.names.at(address) {
            let _ = write!(text, " {name}");
        }
        if let Some((file, line)) = self.tracer.names.line_at(address) {
            let _ = write!(text, " ({file}:{line})");
        }
        text
    }

    /// The next instruction.
    pub(super) fn here(&self) -> String {
        let address = self.tracer.address();
        format!("=> {}: {}\n", self.named(address), self.instruction_at(address))
    }

    fn instruction_at(&self, address: u32) -> String {
        let (isa, base) = self.module_at(address);
        match self.tracer.machine.memory().pixels().get(address as usize) {
            Some(pixel) => instruction(*pixel, isa, base, address, &self.tracer.names),
            None => "outside the memory".to_owned(),
        }
    }

    pub(super) fn show_registers(&self) -> String {
        let machine = &self.tracer.machine;
        let mut text = String::new();
        for (n, value) in machine.registers().iter().enumerate() {
            let pixel = colour(Pixel::of_value(*value), self.colours);
            let name = format!("R{n}");
            let _ = writeln!(text, "{name:<4} {value:08X} {:>11}  {pixel}", *value as i32);
        }
        let (pc, sp) = (self.named(self.tracer.address()), machine.stack().len());
        let _ = writeln!(text, "pc   {pc}\nsp   {sp}\nsteps {}", machine.steps());
        text
    }

    pub(super) fn print(&self, rest: &str) -> Result<String, CommandError> {
        let value = self.value(rest)?;
        let low = value as u32;
        let mut text = format!("{value}  0x{low:08X}");
        if i64::from(low as i32) != value {
            let _ = write!(text, "  signed {}", low as i32);
        }
        let _ = writeln!(text, "  {}", colour(Pixel::of_value(low), self.colours));
        Ok(text)
    }

    /// `x/8i PLACE`; what comes before the place is the format.
    pub(super) fn examine(&mut self, rest: &str) -> Result<String, CommandError> {
        let (format, place) = match rest.strip_prefix('/') {
            Some(rest) => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
            None => ("", rest),
        };
        let digits = format.find(|c: char| !c.is_ascii_digit()).unwrap_or(format.len());
        let (number, letter) = format.split_at(digits);
        let amount = count(number, 8)?.min(MOST);
        let form = Form::of(if letter.is_empty() { "x" } else { letter })?;
        let start = match (place.trim(), self.looked_up_to) {
            ("", Some(address)) => self.address(address.into())?,
            ("", None) => self.address(self.tracer.address().into())?,
            (place, _) => self.place(place)?,
        };
        let len = self.tracer.machine.memory().pixels().len() as u64;
        let end = (u64::from(start) + amount).min(len) as u32;
        self.looked_up_to = Some(end);
        if form == Form::Instructions {
            return Ok(self.instructions(start, end));
        }
        let pixels = &self.tracer.machine.memory().pixels()[start as usize..end as usize];
        let mut text = String::new();
        for (line, chunk) in pixels.chunks(form.in_a_line()).enumerate() {
            let address = start as usize + line * form.in_a_line();
            let _ = writeln!(text, "{address:>8}: {}", form.show(chunk, self.colours));
        }
        Ok(text)
    }

    fn instructions(&self, start: u32, end: u32) -> String {
        let (mut text, pc) = (String::new(), self.tracer.address());
        for address in start..end {
            let named = self.tracer.names.at(address);
            if let Some(named) = named.filter(|named| named.offset == 0) {
                let _ = writeln!(text, "{named}:");
            }
            let stops = self.points.breaks.iter().any(|point| point.address == address);
            let mark = if address == pc { "=>" } else { "" };
            let stop = if stops { '*' } else { ' ' };
            let _ = writeln!(text, "{mark:>2}{stop}{address:>8}  {}", self.instruction_at(address));
        }
        text
    }

    pub(super) fn disassemble(&self, rest: &str) -> Result<String, CommandError> {
        let (place, amount) = match rest.rsplit_once(char::is_whitespace) {
            Some((place, number)) if number.parse::<u64>().is_ok() => (place, count(number, 10)?),
            _ => (rest, 10),
        };
        let start = if place.is_empty() {
            self.address(self.tracer.address().into())?
        } else {
            self.place(place)?
        };
        let len = self.tracer.machine.memory().pixels().len() as u64;
        let end = (u64::from(start) + amount.min(MOST)).min(len);
        Ok(self.instructions(start, end as u32))
    }

    pub(super) fn show_stack(&self, amount: u64) -> String {
        let machine = &self.tracer.machine;
        let (stack, floor) = (machine.stack(), machine.stack_floor());
        let mut text = String::new();
        let shown = stack.len().saturating_sub(amount.min(MOST) as usize);
        for (index, value) in stack.iter().enumerate().skip(shown).rev() {
            let call = self.return_at(index);
            let what = call.map_or(String::new(), |call| {
                format!("  return to {}", self.named(call.base.wrapping_add(*value)))
            });
            let _ = writeln!(text, "{index:>8}: {value:08X} {:>11}{what}", *value as i32);
            if index == floor && floor > 0 {
                text.push_str("          --- what lies below belongs to waiting modules\n");
            }
        }
        if stack.is_empty() {
            text.push_str("the stack is empty\n");
        }
        text
    }

    /// The call whose return address lies there.
    fn return_at(&self, index: usize) -> Option<&Call> {
        let calls = self.tracer.calls();
        let behind = calls.partition_point(|call| call.height <= index);
        let mut there = calls[..behind].iter().rev().take_while(|call| call.height == index);
        there.find(|call| call.kind == CallKind::Call)
    }

    pub(super) fn backtrace(&self, amount: u64) -> String {
        let calls = self.tracer.calls();
        let mut text = format!("#0  {}\n", self.named(self.tracer.address()));
        let amount = amount.min(MOST) as usize;
        for (n, call) in calls.iter().rev().take(amount).enumerate() {
            let _ = writeln!(text, "#{:<2} {}", n + 1, self.describe(call));
        }
        let more = calls.len().saturating_sub(amount) as u64 + self.tracer.omitted();
        if more > 0 {
            let _ = writeln!(text, "and {more} more");
        }
        text
    }

    fn describe(&self, call: &Call) -> String {
        let (site, target) = (self.named(call.site), self.named(call.target));
        if call.kind == CallKind::Module {
            return format!("RUN at {site}: module at {}, entry {target}", call.base);
        }
        let stack = self.tracer.machine.stack();
        let back = stack.get(call.height).map(|value| call.base.wrapping_add(*value));
        match back {
            Some(back) if back != call.site.wrapping_add(1) => {
                format!(
                    "{site} called {target}; the return address was changed to {}",
                    self.named(back)
                )
            }
            _ => format!("{site} called {target}"),
        }
    }

    pub(super) fn list_source<F: Front>(
        &mut self,
        rest: &str,
        front: &mut F,
    ) -> Result<String, CommandError> {
        let mut from = None;
        let address = match (rest, &self.listed) {
            ("", Some((file, line))) => {
                from = Some((file.clone(), *line));
                self.tracer.address()
            }
            ("", None) => self.tracer.address(),
            (place, _) => self.place(place)?,
        };
        let current = self.tracer.names.line_at(self.tracer.address());
        let current = current.map(|(file, line)| (file.to_owned(), line));
        let (file, first) = match from {
            Some(further) => further,
            None => {
                let place = self.tracer.names.line_at(address);
                let (file, line) = place.ok_or_else(|| no_line(address))?;
                (file.to_owned(), line.saturating_sub(LISTED / 2).max(1))
            }
        };
        let source = front.source(&file).map_err(CommandError::new)?;
        let mut text = String::new();
        let lines = source.lines().skip(first as usize - 1).take(LISTED as usize);
        for (line, number) in lines.zip(first..) {
            let here = current.as_ref().is_some_and(|(f, l)| *f == file && *l == number);
            let mark = if here { "=>" } else { "" };
            let _ =
                writeln!(text, "{mark:>2}{number:>6}  {}", printable(&line.replace('\t', "    ")));
        }
        if text.is_empty() {
            return Err(CommandError::new(format!("{file} has no line {first}")));
        }
        self.listed = Some((file, first + LISTED));
        Ok(text)
    }

    pub(super) fn list_symbols(&self, rest: &str) -> Result<String, CommandError> {
        let mut text = String::new();
        let all = self.tracer.names.all();
        for (address, name) in all.iter().filter(|(_, name)| name.contains(rest)) {
            let _ = writeln!(text, "{address:>8}  {name}");
        }
        if text.is_empty() {
            return Err(CommandError::new(format!("no name holds '{rest}'")));
        }
        Ok(text)
    }

    pub(super) fn list_points(&self) -> String {
        let mut lines = Vec::new();
        for point in &self.points.breaks {
            let condition = point.condition.as_ref();
            let condition = condition.map_or(String::new(), |(_, text)| format!(" if {text}"));
            let once = if point.once { ", once" } else { "" };
            let (id, place, hits) = (point.id, self.named(point.address), point.hits);
            lines.push((id, format!("{id}: break at {place}{condition}{once}, {hits} times\n")));
        }
        for watch in &self.points.watches {
            let (id, what, hits) = (watch.id, watch.what, watch.hits);
            lines.push((id, format!("{id}: watch of {what}, {hits} times\n")));
        }
        lines.sort();
        if lines.is_empty() {
            return "there are no breakpoints\n".to_owned();
        }
        lines.into_iter().map(|(_, line)| line).collect()
    }

    pub(super) fn info(&self, what: &str) -> Result<String, CommandError> {
        match what {
            "breakpoints" | "watches" => Ok(self.list_points()),
            "registers" => Ok(self.show_registers()),
            "symbols" => self.list_symbols(""),
            "frame" => Ok(self.info_frame()),
            "module" => Ok(format!("{}{}", self.about, self.info_window())),
            "policy" => Ok(format!("{}\n", self.tracer.machine.governor())),
            other => Err(CommandError::new(format!(
                "info tells of breakpoints, frame, module, policy, registers, symbols, not of '{other}'"
            ))),
        }
    }

    fn info_window(&self) -> String {
        let machine = &self.tracer.machine;
        let window = machine.window();
        let isa = match machine.isa() {
            Isa::Pxi1 => "PXI-1",
            Isa::Pxi2 => "PXI-2",
        };
        format!(
            "runs {isa} code, sees pixels {} to {}\n",
            window.start,
            window.end.saturating_sub(1)
        )
    }

    fn info_frame(&self) -> String {
        let machine = &self.tracer.machine;
        let mut text = self.here();
        let calls = self.tracer.calls();
        if let Some(call) = calls.last() {
            let _ = writeln!(text, "in {}", self.describe(call));
        }
        let (open, depth) = (calls.len() as u64 + self.tracer.omitted(), machine.depth());
        let _ = writeln!(text, "{open} open calls, {depth} waiting modules");
        text.push_str(&self.info_window());
        let (stack, floor) = (machine.stack().len(), machine.stack_floor());
        let _ = writeln!(text, "stack of {} numbers", stack.saturating_sub(floor));
        if let Some(fuel) = machine.module_fuel() {
            let _ = writeln!(text, "fuel of the module: {fuel} steps");
        }
        let (width, height) = (machine.frame().width(), machine.frame().height());
        let _ = writeln!(text, "picture of {width}x{height}\n{} steps", machine.steps());
        if let Some(stop) = &self.ended {
            let _ = writeln!(text, "ended: {stop}");
        }
        text
    }

    pub(super) fn save<F: Front>(&self, rest: &str, front: &mut F) -> Result<String, CommandError> {
        let wrong = || CommandError::new("save is written: save frame FILE, save memory FILE");
        let (what, path) = rest.split_once(char::is_whitespace).ok_or_else(wrong)?;
        let machine = &self.tracer.machine;
        let picture = match what {
            "frame" => machine.frame().clone(),
            "memory" => as_picture(machine.memory(), self.width),
            _ => return Err(wrong()),
        };
        let path = path.trim();
        front.save(path, &picture).map_err(CommandError::new)?;
        Ok(format!("{path}: {}x{} pixels\n", picture.width(), picture.height()))
    }
}

fn no_line(address: u32) -> CommandError {
    CommandError::new(format!("no line is known for address {address}"))
}
