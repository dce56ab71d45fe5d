//! One line a step: what ran, and what it changed.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use super::effect::{Effect, effect};
use super::text::instruction;
use super::tracer::{CallKind, Step, Tracer};
use crate::pxi::Pixel;
use crate::pxi::host::Host;

/// Pixels of a change that a line shows.
const SHOWN: usize = 4;

/// One step, ready to be shown.
#[derive(Debug, Clone)]
pub struct TraceLine {
    /// The step.
    pub step: Step,
    label: Option<String>,
    text: String,
    registers: Vec<(usize, u32)>,
    memory: Option<Written>,
    frame: Option<(u32, u32)>,
    /// Calls open behind the step.
    pub open: usize,
    target: Option<String>,
}

#[derive(Debug, Clone)]
struct Written {
    start: u64,
    count: u64,
    first: Vec<Pixel>,
}

impl TraceLine {
    /// Takes a step and says what it did.
    pub fn take<H: Host>(tracer: &mut Tracer, host: &mut H) -> Self {
        let before = registers(tracer);
        let (at, base, isa) =
            (tracer.address(), tracer.machine.window().start as u32, tracer.machine.isa());
        let pixel = tracer.machine.memory().pixels().get(at as usize).copied();
        let effect = pixel.map_or(Effect::None, |pixel| effect(pixel, isa, &before));
        let text = pixel.map_or_else(
            || "outside the memory".to_owned(),
            |pixel| instruction(pixel, isa, base, at, &tracer.names),
        );
        let label = tracer.names.at(at).map(|named| named.to_string());
        let step = tracer.step(host);
        let done = step.stop.as_ref().is_none_or(|stop| stop.halted());
        let (memory, frame) = if done { written(tracer, &effect, base) } else { (None, None) };
        let registers = if tracer.machine.depth() == step.depth {
            changes(&before, tracer.machine.registers())
        } else {
            Vec::new()
        };
        let target = step.called.then(|| called(tracer)).flatten();
        Self { step, label, text, registers, memory, frame, open: tracer.calls().len(), target }
    }

    /// Whether the step opened or ended a call.
    pub fn is_call(&self) -> bool {
        self.step.called || self.step.ended > 0
    }

    /// As text.
    pub fn to_text(&self) -> String {
        let label = self.label.as_deref().unwrap_or("-");
        let mut line = format!(
            "{:>8} {:>8} {label:<20} {:<28}",
            self.step.number, self.step.address, self.text
        );
        for (register, value) in &self.registers {
            let _ = write!(line, " R{register}={value}");
        }
        if let Some(Written { start, count, first }) = &self.memory {
            let values: Vec<_> = first.iter().map(|p| format!("{:08X}", p.value())).collect();
            let more = if *count > SHOWN as u64 {
                format!(" and {} more", count - SHOWN as u64)
            } else {
                String::new()
            };
            let _ = write!(line, " [{start}]={}{more}", values.join(" "));
        }
        if let Some((x, y)) = self.frame {
            let _ = write!(line, " frame({x},{y})");
        }
        if let Some(target) = &self.target {
            let _ = write!(line, " -> {target}");
        }
        if let Some(stop) = &self.step.stop {
            let _ = write!(line, " ; {stop}");
        }
        line.truncate(line.trim_end().len());
        line
    }

    /// As text, for who calls whom: indented by depth.
    pub fn to_call_text(&self) -> String {
        let depth = self.open - usize::from(self.step.called);
        let indent = "  ".repeat(depth.min(64));
        let arrow = if self.step.called { "->" } else { "<-" };
        let at = self.label.as_deref().unwrap_or("-");
        let mut line = format!("{:>8} {indent}{arrow} ", self.step.number);
        match &self.target {
            Some(target) => {
                let _ = write!(line, "{target} from {at} ({})", self.step.address);
            }
            None => {
                let _ = write!(line, "from {at} ({})", self.step.address);
            }
        }
        line
    }

    /// As an object.
    pub fn to_json(&self) -> Value {
        let registers: Map<String, Value> =
            self.registers.iter().map(|(n, value)| (format!("R{n}"), json!(value))).collect();
        let mut object = json!({
            "step": self.step.number,
            "address": self.step.address,
            "base": self.step.base,
            "depth": self.step.depth,
            "label": self.label,
            "pixel": self.step.pixel.map(|pixel| format!("{:08X}", pixel.value())),
            "text": self.text,
            "registers": registers,
        });
        let mut put = |name: &str, value: Value| object[name] = value;
        if let Some(Written { start, count, first }) = &self.memory {
            let values: Vec<_> = first.iter().map(|pixel| pixel.value()).collect();
            put("memory", json!({"address": start, "count": count, "values": values}));
        }
        if let Some((x, y)) = self.frame {
            put("frame", json!([x, y]));
        }
        if self.is_call() {
            put("called", json!(self.target));
            put("ended", json!(self.step.ended));
        }
        if let Some(stop) = &self.step.stop {
            put("stop", json!(stop.slug()));
            put("why", json!(stop.to_string()));
        }
        object
    }
}

fn registers(tracer: &Tracer) -> [u32; 16] {
    let mut all = [0; 16];
    all.copy_from_slice(tracer.machine.registers());
    all
}

fn changes(before: &[u32], after: &[u32]) -> Vec<(usize, u32)> {
    let both = before.iter().zip(after).enumerate();
    both.filter(|(_, (old, new))| old != new).map(|(n, (_, new))| (n, *new)).collect()
}

fn called(tracer: &Tracer) -> Option<String> {
    let call = tracer.calls().last()?;
    let name =
        tracer.names.at(call.target).map_or_else(|| call.target.to_string(), |n| n.to_string());
    Some(match call.kind {
        CallKind::Call => name,
        CallKind::Module => format!("module at {}, {name}", call.base),
    })
}

/// What lies now where the instruction wrote.
fn written(tracer: &Tracer, effect: &Effect, base: u32) -> (Option<Written>, Option<(u32, u32)>) {
    match effect {
        Effect::Memory(range) => {
            let memory = tracer.machine.memory().pixels();
            let start = u64::from(base) + range.start;
            let end = (u64::from(base) + range.end).min(memory.len() as u64);
            if start >= end {
                return (None, None);
            }
            let first = memory[start as usize..end as usize].iter().copied().take(SHOWN).collect();
            (Some(Written { start, count: end - start, first }), None)
        }
        Effect::Frame(x, y) => {
            let frame = tracer.machine.frame();
            (None, (*x < frame.width() && *y < frame.height()).then_some((*x, *y)))
        }
        Effect::FrameIndex(index) => {
            let frame = tracer.machine.frame();
            let inside = (*index as usize) < frame.pixels().len();
            (None, inside.then_some((index % frame.width(), index / frame.width())))
        }
        Effect::None | Effect::Screen => (None, None),
    }
}
