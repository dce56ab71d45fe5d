//! Instructions that PXI-2 does not have and the assembler makes of others.
//!
//! Those that need a register for themselves take R9, which the calling
//! convention leaves free; `docs/pxi-asm.md` says which.

use std::rc::Rc;

use super::diagnostic::{LineError, Span};
use super::expr::{Expr, Function, Op};
use super::parser::Parser;
use super::statement::{Cell, Piece, Value};
use super::token::Token;
use crate::pxi::isa::{self, Instruction};

/// The register that the assembler may change.
const SCRATCH: u8 = 9;

/// What an operand must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Want {
    Register,
    Number,
    /// A label of `.ascii`, or a text.
    Text,
}

/// A built-in instruction.
#[derive(Debug)]
pub(super) struct Pseudo {
    pub(super) name: &'static str,
    wants: &'static [Want],
    make: fn(&Args) -> Result<Vec<Piece>, LineError>,
}

/// Operands as they were read.
struct Args {
    registers: Vec<u8>,
    numbers: Vec<Expr>,
    /// Bytes of the text.
    length: Option<Expr>,
    span: Span,
}

const R: Want = Want::Register;
const N: Want = Want::Number;

/// Generates the table; `$wants` are the operands, then what is made of them.
macro_rules! pseudos {
    ($($name:literal [$($want:expr),*] $make:expr;)*) => {
        /// All of them.
        const PSEUDOS: &[Pseudo] = &[
            $(Pseudo { name: $name, wants: &[$($want),*], make: $make }),*
        ];
    };
}

pseudos! {
    "SET" [R, N] |a| Ok(vec![Piece::Set(a.registers[0], a.numbers[0].clone())]);
    "CLR" [R] |a| Ok(vec![li(a.registers[0], 0, a.span)]);
    "INC" [R] |a| Ok(vec![add(a.registers[0], a.registers[0], Expr::number(1, a.span))]);
    "DEC" [R] |a| Ok(vec![add(a.registers[0], a.registers[0], Expr::number(-1, a.span))]);
    "SUBI" [R, R, N] |a| Ok(vec![add(a.registers[0], a.registers[1], a.numbers[0].negate())]);
    "NOT" [R, R] |a| with_constant(a, -1, isa::XOR);
    "NEG" [R, R] |a| with_constant(a, 0, isa::SUBW);
    "SGT" [R, R, R] |a| Ok(vec![compared(isa::SLT, a)]);
    "SGE" [R, R, R] |a| Ok(vec![compared(isa::SLE, a)]);
    "SGTU" [R, R, R] |a| Ok(vec![compared(isa::SLTU, a)]);
    "SGEU" [R, R, R] |a| Ok(vec![compared(isa::SLEU, a)]);
    "BGT" [R, R, N] |a| Ok(vec![swapped(isa::BLT, a)]);
    "BLE" [R, R, N] |a| Ok(vec![swapped(isa::BGE, a)]);
    "BGTU" [R, R, N] |a| Ok(vec![swapped(isa::BLTU, a)]);
    "BLEU" [R, R, N] |a| Ok(vec![swapped(isa::BGEU, a)]);
    "BEQI" [R, N, N] |a| against(isa::BEQ, false, a);
    "BNEI" [R, N, N] |a| against(isa::BNE, false, a);
    "BLTI" [R, N, N] |a| against(isa::BLT, false, a);
    "BGEI" [R, N, N] |a| against(isa::BGE, false, a);
    "BGTI" [R, N, N] |a| against(isa::BLT, true, a);
    "BLEI" [R, N, N] |a| against(isa::BGE, true, a);
    "BLTUI" [R, N, N] |a| against(isa::BLTU, false, a);
    "BGEUI" [R, N, N] |a| against(isa::BGEU, false, a);
    "BGTUI" [R, N, N] |a| against(isa::BLTU, true, a);
    "BLEUI" [R, N, N] |a| against(isa::BGEU, true, a);
    "LDA" [R, N] |a| {
        let [register, address] = [a.registers[0], a.registers[0]];
        Ok(vec![lea(address, &a.numbers[0]), indirect(isa::LD, register, address, a.span)])
    };
    "STA" [R, N] |a| {
        scratch_is_free(&a.registers, a.span)?;
        let store = indirect(isa::ST, a.registers[0], SCRATCH, a.span);
        Ok(vec![lea(SCRATCH, &a.numbers[0]), store])
    };
    "LEAB" [R, N] |a| Ok(byte_address(a.registers[0], &a.numbers[0]).into());
    "LEAT" [R, R, Want::Text] text;
    "CALLX" [N] |a| {
        let jump = real(isa::JSR, vec![Value::Register(SCRATCH)]);
        let load = indirect(isa::LD, SCRATCH, SCRATCH, a.span);
        Ok(vec![lea(SCRATCH, &a.numbers[0]), load, jump])
    };
}

/// The built-in instruction of a name, in upper or lower case.
pub(super) fn by_name(name: &str) -> Option<&'static Pseudo> {
    PSEUDOS.iter().find(|pseudo| pseudo.name.eq_ignore_ascii_case(name))
}

/// Their names.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    PSEUDOS.iter().map(|pseudo| pseudo.name)
}

impl Parser<'_> {
    /// A built-in instruction's operands, and what they make.
    pub(super) fn pseudo(
        &mut self,
        pseudo: &'static Pseudo,
        span: Span,
    ) -> Result<Vec<Piece>, LineError> {
        let (registers, numbers) = (Vec::new(), Vec::new());
        let mut args = Args { registers, numbers, length: None, span };
        for (index, want) in pseudo.wants.iter().enumerate() {
            if index > 0 {
                let count = pseudo.wants.len();
                self.expect(",", &format!("expected: {} has {count} operands", pseudo.name))?;
            }
            match want {
                Want::Register => args.registers.push(self.register()?),
                Want::Number => args.numbers.push(self.operand_expr()?),
                Want::Text => {
                    let (address, length) = self.text_operand()?;
                    args.numbers.push(address);
                    args.length = Some(length);
                }
            }
        }
        (pseudo.make)(&args)
    }

    /// Address and bytes of a text: that at a label, or one that gets a place of its own.
    pub(super) fn text_operand(&mut self) -> Result<(Expr, Expr), LineError> {
        let span = self.span();
        if let Some(Token::Text(text)) = self.peek().cloned() {
            self.skip();
            let bytes: Rc<[u8]> = text.utf8().into();
            let length = Expr::number(bytes.len() as i64, span);
            return Ok((Expr::of(Op::Literal(bytes), span), length));
        }
        let (name, span) = self.any_name("a text or the label of one is expected")?;
        let length = Expr::of(Op::Len(name.clone(), span), span);
        Ok((Expr::of(Op::Name(name, span), span), length))
    }
}

/// What LEAT and `.write` are made of.
pub(super) fn load_text(address: u8, length: u8, text: &(Expr, Expr)) -> Vec<Piece> {
    let [lea, shift] = byte_address(address, &text.0);
    let operands = vec![Value::Register(length), Value::Expr(text.1.clone())];
    vec![lea, shift, real(isa::LI, operands)]
}

fn text(args: &Args) -> Result<Vec<Piece>, LineError> {
    let Some(length) = args.length.clone() else { return Ok(Vec::new()) };
    let text = (args.numbers[0].clone(), length);
    Ok(load_text(args.registers[0], args.registers[1], &text))
}

/// A real instruction; the opcodes here all exist.
pub(super) fn real(opcode: u8, operands: Vec<Value>) -> Piece {
    let known = isa::TABLE.iter().find(|instruction| instruction.opcode == opcode);
    let kind: &'static Instruction = known.unwrap_or(&isa::TABLE[0]);
    Piece::Cell(Cell::instruction(kind, operands, Vec::new()))
}

fn li(register: u8, value: i64, span: Span) -> Piece {
    let value = Value::Expr(Expr::number(value, span));
    real(isa::LI, vec![Value::Register(register), value])
}

fn lea(register: u8, address: &Expr) -> Piece {
    real(isa::LEA, vec![Value::Register(register), Value::Expr(address.clone())])
}

fn add(to: u8, from: u8, number: Expr) -> Piece {
    real(isa::ADDI, vec![Value::Register(to), Value::Register(from), Value::Expr(number)])
}

fn indirect(opcode: u8, register: u8, address: u8, span: Span) -> Piece {
    let offset = Value::Expr(Expr::number(0, span));
    real(opcode, vec![Value::Register(register), Value::Register(address), offset])
}

fn byte_address(register: u8, address: &Expr) -> [Piece; 2] {
    let two = Value::Expr(Expr::number(2, address.span));
    let shift = vec![Value::Register(register), Value::Register(register), two];
    [lea(register, address), real(isa::SHLI, shift)]
}

/// `opcode first, constant, second`; the constant needs a register.
fn with_constant(args: &Args, constant: i64, opcode: u8) -> Result<Vec<Piece>, LineError> {
    let (to, from) = (args.registers[0], args.registers[1]);
    let own = if to == from { SCRATCH } else { to };
    if own == from {
        return Err(scratch_error(args.span));
    }
    let operands = [to, own, from].map(Value::Register).into();
    Ok(vec![li(own, constant, args.span), real(opcode, operands)])
}

/// `opcode first, third, second`.
fn compared(opcode: u8, args: &Args) -> Piece {
    let [to, left, right] = [args.registers[0], args.registers[1], args.registers[2]];
    real(opcode, [to, right, left].map(Value::Register).into())
}

/// `opcode second, first, address`.
fn swapped(opcode: u8, args: &Args) -> Piece {
    let [left, right] = [args.registers[0], args.registers[1]];
    let address = Value::Expr(args.numbers[0].clone());
    real(opcode, vec![Value::Register(right), Value::Register(left), address])
}

/// Branch on a register and a number.
fn against(opcode: u8, swap: bool, args: &Args) -> Result<Vec<Piece>, LineError> {
    scratch_is_free(&args.registers, args.span)?;
    let (register, address) = (args.registers[0], Value::Expr(args.numbers[1].clone()));
    let [left, right] = if swap { [SCRATCH, register] } else { [register, SCRATCH] };
    let branch = vec![Value::Register(left), Value::Register(right), address];
    Ok(vec![Piece::Set(SCRATCH, args.numbers[0].clone()), real(opcode, branch)])
}

fn scratch_is_free(registers: &[u8], span: Span) -> Result<(), LineError> {
    if registers.contains(&SCRATCH) { Err(scratch_error(span)) } else { Ok(()) }
}

fn scratch_error(span: Span) -> LineError {
    span.error("this is made with R9, so R9 cannot be its operand")
}

/// What `SET` is made of: one instruction for a small number, else two.
pub(super) fn set(register: u8, value: &Expr, small: bool) -> Vec<Cell> {
    let cell = |opcode, expr| match real(opcode, vec![Value::Register(register), expr]) {
        Piece::Cell(cell) => Some(cell),
        Piece::Set(..) => None,
    };
    let cells = if small {
        [cell(isa::LI, Value::Expr(value.clone())), None]
    } else {
        let halves = [Function::LowHalf, Function::HighHalf];
        let [low, high] = halves.map(|half| Value::Expr(value.apply(half)));
        [cell(isa::LI, low), cell(isa::LIH, high)]
    };
    cells.into_iter().flatten().collect()
}
