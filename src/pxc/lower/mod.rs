//! Syntax tree to operations: names and types are resolved, constants folded,
//! and whatever is not in the subset refused, statement by statement.

mod assign;
mod binary;
mod builtin;
mod call;
mod condition;
mod expr;
mod frame;
mod index;
mod loops;
mod memory;
mod passes;
mod print;
mod program;
mod refuse;
mod signature;
mod stmt;
mod sys;
mod text;
mod wrap;

pub(super) use passes::{lower, runtime_source};
pub(super) use program::Program;

use std::collections::HashMap;

use ruff_text_size::{Ranged, TextRange};

use super::diagnostic::Lines;
use super::ir::{Body, Label, Op, Target, V, Why};
use super::names::Names;
use super::types::Ty;
use super::value::{At, Value};
use crate::pxi::asm::Diagnostic;
use frame::{Flow, Loop, Variable};

/// An error that has been noted already.
#[derive(Debug, Clone, Copy)]
struct Reported;

type Res<T> = Result<T, Reported>;

/// Most errors that are shown.
const MAX_ERRORS: usize = 20;

/// One function being compiled, or the main program.
struct Lower<'p, 's> {
    program: &'p mut Program<'s>,
    names: Names,
    body: Body,
    /// Where failures go: reason and line.
    fails: HashMap<(u8, u32), Label>,
    variables: Vec<Variable>,
    by_name: HashMap<String, usize>,
    flow: Flow,
    loops: Vec<Loop>,
    /// What the function gives.
    gives: Ty,
    /// Whether it is one of the runtime's own.
    trusted: bool,
    /// Whether statements here are run once at most.
    once: bool,
    line: u32,
}

impl<'p, 's> Lower<'p, 's> {
    fn new(program: &'p mut Program<'s>, names: Names, gives: Ty, trusted: bool) -> Self {
        Self {
            program,
            names,
            body: Body::default(),
            fails: HashMap::new(),
            variables: Vec::new(),
            by_name: HashMap::new(),
            flow: Flow::start(),
            loops: Vec::new(),
            gives,
            trusted,
            once: false,
            line: 0,
        }
    }

    fn lines(&self) -> &Lines<'s> {
        if self.trusted { &self.program.runtime_lines } else { &self.program.lines }
    }

    fn error(&mut self, at: impl Ranged, message: impl AsRef<str>, help: &str) -> Reported {
        let error = self.lines().error(at.range(), message.as_ref(), help);
        self.note(error);
        Reported
    }

    fn note(&mut self, error: Diagnostic) {
        let errors = &mut self.program.errors;
        if errors.len() < MAX_ERRORS && !errors.contains(&error) {
            errors.push(error);
        }
    }

    fn refuse<T>(&mut self, at: impl Ranged, what: &str, help: &str) -> Res<T> {
        Err(self.error(at, format!("{what} not in the subset"), help))
    }

    fn at_line(&mut self, at: TextRange) {
        let line = if self.trusted { 0 } else { self.lines().line(at.start().to_usize()) };
        self.line = line as u32;
    }

    // Values and operations.

    fn value(&mut self) -> V {
        self.body.values += 1;
        self.body.values - 1
    }

    fn label(&mut self) -> Label {
        self.body.labels += 1;
        self.body.labels - 1
    }

    fn op(&mut self, op: Op) {
        self.body.ops.push((op, self.line));
    }

    fn mark(&mut self, label: Label) {
        self.op(Op::Mark(label));
    }

    fn li(&mut self, number: u32) -> V {
        let v = self.value();
        self.op(Op::Li(v, number));
        v
    }

    fn three(&mut self, opcode: u8, a: V, b: V) -> V {
        let v = self.value();
        self.op(Op::Three(opcode, v, a, b));
        v
    }

    fn imm(&mut self, opcode: u8, a: V, number: i16) -> V {
        let v = self.value();
        self.op(Op::Imm(opcode, v, a, number));
        v
    }

    fn call(&mut self, target: Target, args: Vec<V>, results: usize) -> Vec<V> {
        let results: Vec<V> = (0..results).map(|_| self.value()).collect();
        self.op(Op::Call(target, args, results.clone()));
        results
    }

    /// Calls a function of the runtime.
    fn runtime(&mut self, name: &str, args: Vec<V>, results: usize) -> Vec<V> {
        let number = self.program.runtime(name);
        self.call(Target::Function(number), args, results)
    }

    /// Where to go when the program must stop.
    fn fail(&mut self, why: Why) -> Label {
        if let Some(label) = self.fails.get(&(why as u8, self.line)) {
            return *label;
        }
        self.program.runtime("_pxi_fail");
        let label = self.label();
        self.fails.insert((why as u8, self.line), label);
        label
    }

    /// The register of a value; what is known is loaded.
    fn word(&mut self, value: &Value) -> V {
        match &value.at {
            At::Reg(v) => *v,
            At::Number(number) => self.li(*number as u32),
            At::Text(bytes) => {
                let characters = (value.ty == Ty::Str).then(|| characters(bytes));
                let at = self.program.data.text(bytes, characters);
                self.lea(super::ir::Place::Data(at))
            }
            At::Words(_) | At::Nothing => self.li(0),
        }
    }

    fn lea(&mut self, place: super::ir::Place) -> V {
        let v = self.value();
        self.op(Op::Lea(v, place));
        v
    }

    /// Moves a value into a register that exists; the operation that made it
    /// writes there at once if it can.
    fn put(&mut self, to: V, value: &Value) {
        if let At::Reg(from) = value.at {
            if from == to {
                return;
            }
            let is_variable = self.variables.iter().any(|variable| variable.home == Some(from));
            let last = self.body.ops.last_mut();
            if !is_variable && last.is_some_and(|(op, _)| op.redirect(from, to)) {
                return;
            }
            self.op(Op::Mov(to, from));
        } else if let At::Number(number) = value.at {
            self.op(Op::Li(to, number as u32));
        } else {
            let from = self.word(value);
            self.put(to, &Value::reg(value.ty.clone(), from));
        }
    }
}

/// The reason of a failure by its number.
fn why(number: u8) -> Why {
    const ALL: [Why; 8] = [
        Why::Index,
        Why::Byte,
        Why::Assert,
        Why::Shift,
        Why::Memory,
        Why::Range,
        Why::Ascii,
        Why::Value,
    ];
    ALL.into_iter().find(|why| *why as u8 == number).unwrap_or(Why::Value)
}

fn characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xC0 != 0x80).count()
}
