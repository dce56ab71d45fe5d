//! The instructions, each a function of its name: what one step does.
//!
//! They are always inlined: into the function that runs one alone, and into those
//! that run several in a row.
#![allow(non_snake_case, reason = "named as the instructions they are")]

use super::arithmetic as math;
use super::code::Place;
use super::state::{Exit, Registers, State, Step};
use crate::pxi::Pixel;

/// Pixels that COPY and FILL handle for one more step.
const BULK: u32 = 16;

/// Defines instructions: `NAME = |state, registers, pc, word| step;`.
macro_rules! steps {
    ($($name:ident = |$s:pat_param, $r:pat_param, $pc:pat_param, $w:pat_param| $body:expr;)*) => {$(
        #[inline(always)]
        pub(super) fn $name($s: &mut State<'_>, $r: &mut Registers, $pc: usize, $w: Place<'_>) -> Step {
            $body
        }
    )*};
}

/// Those that only compute: `NAME = |registers, word| value of the first register;`.
macro_rules! values {
    ($($name:ident = |$r:ident, $w:ident| $value:expr;)*) => {$(
        #[inline(always)]
        pub(super) fn $name(_: &mut State<'_>, $r: &mut Registers, _: usize, $w: Place<'_>) -> Step {
            $r[$w.a()] = $value;
            Step::Next
        }
    )*};
}

/// Those whose result may not fit: the value is an `Option`.
macro_rules! checked {
    ($($name:ident = |$r:ident, $w:ident| $value:expr;)*) => {$(
        #[inline(always)]
        pub(super) fn $name(_: &mut State<'_>, $r: &mut Registers, _: usize, $w: Place<'_>) -> Step {
            match $value {
                Some(value) => $r[$w.a()] = value as u32,
                None => return Step::Leave(Exit::Overflow),
            }
            Step::Next
        }
    )*};
}

/// Divisions: `None` is a divisor of zero or a result that does not fit.
macro_rules! divisions {
    ($($name:ident = |$left:ident, $right:ident| $value:expr;)*) => {$(
        #[inline(always)]
        pub(super) fn $name(_: &mut State<'_>, r: &mut Registers, _: usize, w: Place<'_>) -> Step {
            let ($left, $right) = (r[w.b()], r[w.c()]);
            match $value {
                Some(value) => r[w.a()] = value as u32,
                None if $right == 0 => return Step::Leave(Exit::DivideByZero),
                None => return Step::Leave(Exit::Overflow),
            }
            Step::Next
        }
    )*};
}

/// Branches to a distance, if what they compare is so.
macro_rules! branches {
    ($($name:ident = |$r:ident, $w:ident| $taken:expr;)*) => {$(
        #[inline(always)]
        pub(super) fn $name(_: &mut State<'_>, $r: &mut Registers, _: usize, $w: Place<'_>) -> Step {
            if $taken { Step::Branch } else { Step::Next }
        }
    )*};
}

steps! {
    UNKNOWN = |_, _, _, _| Step::Leave(Exit::Decode);
    NOTHING = |_, _, _, _| Step::Next;
    ILLEGAL = |_, _, _, _| Step::Leave(Exit::Illegal);
    OUTSIDE = |_, _, _, _| Step::Leave(Exit::Outside);
    HALT = |_, _, _, _| Step::Leave(Exit::Halt);

    JMP = |_, _, _, _| Step::Goto;
    JNZ = |_, r, _, w| if r[w.a()] != 0 { Step::Goto } else { Step::Next };
    CALL = |s, _, pc, _| call(s, pc, Step::Goto);
    RET = |s, _, _, _| match s.pop() {
        Some(address) => Step::Jump(address),
        None => Step::Leave(Exit::Return),
    };
    PUSH = |s, r, _, w| s.push(r[w.a()]);
    POP = |s, r, _, w| {
        if let Some(value) = s.pop() {
            r[w.a()] = value;
        }
        Step::Next
    };
    POP_OR_TRAP = |s, r, _, w| match s.pop() {
        Some(value) => {
            r[w.a()] = value;
            Step::Next
        }
        None => Step::Leave(Exit::StackEmpty),
    };

    BRA = |_, _, _, _| Step::Branch;
    BSR = |s, _, pc, _| call(s, pc, Step::Branch);
    JR = |_, r, _, w| Step::Jump(r[w.a()]);
    JSR = |s, r, pc, w| call(s, pc, Step::Jump(r[w.a()]));

    LD = |s, r, _, w| match s.load(r[w.b()].wrapping_add(w.number())) {
        Ok(pixel) => set(r, w, pixel.value()),
        Err(step) => step,
    };
    LDX = |s, r, _, w| match s.load(r[w.b()].wrapping_add(r[w.c()])) {
        Ok(pixel) => set(r, w, pixel.value()),
        Err(step) => step,
    };
    ST = |s, r, _, w| {
        let value = Pixel::of_value(r[w.a()]);
        s.store(r[w.b()].wrapping_add(w.number()), |_| value)
    };
    STX = |s, r, _, w| {
        let value = Pixel::of_value(r[w.a()]);
        s.store(r[w.b()].wrapping_add(r[w.c()]), |_| value)
    };
    LDB = |s, r, _, w| load_byte(s, r, w, r[w.b()].wrapping_add(w.number()));
    LDBX = |s, r, _, w| load_byte(s, r, w, r[w.b()].wrapping_add(r[w.c()]));
    STB = |s, r, _, w| store_byte(s, r[w.b()].wrapping_add(w.number()), r[w.a()]);
    STBX = |s, r, _, w| store_byte(s, r[w.b()].wrapping_add(r[w.c()]), r[w.a()]);
    COPY = |s, r, pc, w| copy(s, pc, r[w.a()], r[w.b()], r[w.c()]);
    FILL = |s, r, pc, w| fill(s, pc, r[w.a()], r[w.b()], r[w.c()]);

    PUSHM = |s, r, _, w| push_set(s, r, w.number());
    POPM = |s, r, _, w| pop_set(s, r, w.number());
    PUSH2 = |s, r, _, w| push_all(s, [r[w.a()], r[w.b()]]);
    PUSH3 = |s, r, _, w| push_all(s, [r[w.a()], r[w.b()], r[w.c()]]);
    POP2 = |s, r, _, w| match pop_all(s) {
        Some([first, second]) => {
            r[w.b()] = second;
            set(r, w, first)
        }
        None => Step::Leave(Exit::StackEmpty),
    };
    POP3 = |s, r, _, w| match pop_all(s) {
        Some([first, second, third]) => {
            r[w.c()] = third;
            r[w.b()] = second;
            set(r, w, first)
        }
        None => Step::Leave(Exit::StackEmpty),
    };
    PEEK = |s, r, _, w| match s.below_top(w.number()) {
        Some(at) => set(r, w, s.stack[at]),
        None => Step::Leave(Exit::StackEmpty),
    };
    POKE = |s, r, _, w| match s.below_top(w.number()) {
        Some(at) => {
            s.stack[at] = r[w.a()];
            Step::Next
        }
        None => Step::Leave(Exit::StackEmpty),
    };
    GROW = |s, _, _, w| {
        let (top, count) = (s.top, w.number());
        match s.stack.get_mut(top..top + count as usize) {
            Some(slots) => slots.fill(0),
            None => return s.grow(count),
        }
        s.top += count as usize;
        Step::Next
    };
    DROP = |s, _, _, w| {
        if s.top - s.floor < w.number() as usize {
            return Step::Leave(Exit::StackEmpty);
        }
        s.top -= w.number() as usize;
        Step::Next
    };
}

values! {
    LOAD = |r, w| w.number();
    ADD = |r, w| r[w.b()].wrapping_add(r[w.c()]) & 255;
    SUB = |r, w| r[w.b()].wrapping_sub(r[w.c()]) & 255;
    LI = |r, w| w.number();
    LIH = |r, w| r[w.a()] & 0xFFFF | w.number() << 16;
    MOV = |r, w| r[w.b()];
    ADDW = |r, w| r[w.b()].wrapping_add(r[w.c()]);
    SUBW = |r, w| r[w.b()].wrapping_sub(r[w.c()]);
    MULW = |r, w| r[w.b()].wrapping_mul(r[w.c()]);
    AND = |r, w| r[w.b()] & r[w.c()];
    OR = |r, w| r[w.b()] | r[w.c()];
    XOR = |r, w| r[w.b()] ^ r[w.c()];
    SHL = |r, w| r[w.b()].checked_shl(r[w.c()]).unwrap_or(0);
    SHR = |r, w| r[w.b()].checked_shr(r[w.c()]).unwrap_or(0);
    SAR = |r, w| (r[w.b()] as i32 >> r[w.c()].min(31)) as u32;
    ADDI = |r, w| r[w.b()].wrapping_add(w.number());
    ANDI = |r, w| r[w.b()] & w.number();
    SHLI = |r, w| r[w.b()].checked_shl(w.number()).unwrap_or(0);
    SHRI = |r, w| r[w.b()].checked_shr(w.number()).unwrap_or(0);
    SARI = |r, w| (r[w.b()] as i32 >> w.number().min(31)) as u32;
    SEQ = |r, w| u32::from(r[w.b()] == r[w.c()]);
    SNE = |r, w| u32::from(r[w.b()] != r[w.c()]);
    SLT = |r, w| u32::from((r[w.b()] as i32) < r[w.c()] as i32);
    SLE = |r, w| u32::from(r[w.b()] as i32 <= r[w.c()] as i32);
    SLTU = |r, w| u32::from(r[w.b()] < r[w.c()]);
    SLEU = |r, w| u32::from(r[w.b()] <= r[w.c()]);
}

/// LEA is the one value that needs the program counter.
#[inline(always)]
pub(super) fn LEA(_: &mut State<'_>, r: &mut Registers, pc: usize, w: Place<'_>) -> Step {
    set(r, w, (pc as u32).wrapping_add(w.number()))
}

checked! {
    ADDV = |r, w| (r[w.b()] as i32).checked_add(r[w.c()] as i32);
    SUBV = |r, w| (r[w.b()] as i32).checked_sub(r[w.c()] as i32);
    MULV = |r, w| (r[w.b()] as i32).checked_mul(r[w.c()] as i32);
    ADDU = |r, w| r[w.b()].checked_add(r[w.c()]);
    SUBU = |r, w| r[w.b()].checked_sub(r[w.c()]);
    MULU = |r, w| r[w.b()].checked_mul(r[w.c()]);
    SHLV = |r, w| math::shift_signed(r[w.b()], r[w.c()]);
    SHLU = |r, w| math::shift_unsigned(r[w.b()], r[w.c()]);
    ADDIV = |r, w| (r[w.b()] as i32).checked_add(w.number() as i32);
    ADDIU = |r, w| r[w.b()].checked_add_signed(w.number() as i32);
}

divisions! {
    DIVS = |left, right| (left as i32).checked_div(right as i32);
    REMS = |left, right| math::remainder(left, right);
    DIVU = |left, right| left.checked_div(right);
    REMU = |left, right| left.checked_rem(right);
    DIVF = |left, right| math::divide_floor(left, right);
    MODF = |left, right| math::modulo_floor(left, right);
}

branches! {
    BEQ = |r, w| r[w.a()] == r[w.b()];
    BNE = |r, w| r[w.a()] != r[w.b()];
    BLT = |r, w| (r[w.a()] as i32) < r[w.b()] as i32;
    BGE = |r, w| r[w.a()] as i32 >= r[w.b()] as i32;
    BLTU = |r, w| r[w.a()] < r[w.b()];
    BGEU = |r, w| r[w.a()] >= r[w.b()];
    BZ = |r, w| r[w.a()] == 0;
    BNZ = |r, w| r[w.a()] != 0;
}

#[inline(always)]
fn set(r: &mut Registers, w: Place<'_>, value: u32) -> Step {
    r[w.a()] = value;
    Step::Next
}

/// Pushes the address behind, and then jumps unless there was no room.
#[inline(always)]
fn call(s: &mut State<'_>, pc: usize, jump: Step) -> Step {
    match s.push(pc as u32 + 1) {
        Step::Next => jump,
        pushed => pushed,
    }
}

#[inline(always)]
fn load_byte(s: &mut State<'_>, r: &mut Registers, w: Place<'_>, address: u32) -> Step {
    match s.load(address >> 2) {
        Ok(pixel) => set(r, w, pixel.byte(address & 3)),
        Err(step) => step,
    }
}

#[inline(always)]
fn store_byte(s: &mut State<'_>, address: u32, value: u32) -> Step {
    s.store(address >> 2, |pixel| pixel.with_byte(address & 3, value))
}

#[inline(always)]
fn push_all<const N: usize>(s: &mut State<'_>, values: [u32; N]) -> Step {
    let top = s.top;
    match s.stack.get_mut(top..top.wrapping_add(N)) {
        Some(slots) => slots.copy_from_slice(&values),
        None => return s.grow(N as u32),
    }
    s.top = top.wrapping_add(N);
    Step::Next
}

/// The first of them lies deepest.
#[inline(always)]
fn pop_all<const N: usize>(s: &mut State<'_>) -> Option<[u32; N]> {
    let bottom = s.top.checked_sub(N).filter(|bottom| *bottom >= s.floor)?;
    let values = s.stack.get(bottom..)?.first_chunk::<N>().copied()?;
    s.top = bottom;
    Some(values)
}

#[inline(never)]
fn push_set(s: &mut State<'_>, r: &Registers, mut set: u32) -> Step {
    let (top, count) = (s.top, set.count_ones());
    let Some(slots) = s.stack.get_mut(top..top + count as usize) else {
        return s.grow(count);
    };
    for slot in slots {
        *slot = r[(set.trailing_zeros() & 15) as usize];
        set &= set.wrapping_sub(1);
    }
    s.top += count as usize;
    Step::Next
}

#[inline(never)]
fn pop_set(s: &mut State<'_>, r: &mut Registers, mut set: u32) -> Step {
    let count = set.count_ones() as usize;
    if s.top - s.floor < count {
        return Step::Leave(Exit::StackEmpty);
    }
    let bottom = s.top - count;
    for value in &s.stack[bottom..s.top] {
        r[(set.trailing_zeros() & 15) as usize] = *value;
        set &= set.wrapping_sub(1);
    }
    s.top = bottom;
    Step::Next
}

#[inline(never)]
fn copy(s: &mut State<'_>, pc: usize, to: u32, from: u32, count: u32) -> Step {
    if let Some(wrong) = outside(s, to, count).or_else(|| outside(s, from, count)) {
        return s.bad_address(wrong);
    }
    let from = from as usize;
    s.memory.copy_within(from..from + count as usize, to as usize);
    bulk_done(s, pc, to, count)
}

#[inline(never)]
fn fill(s: &mut State<'_>, pc: usize, to: u32, value: u32, count: u32) -> Step {
    if let Some(wrong) = outside(s, to, count) {
        return s.bad_address(wrong);
    }
    let to_index = to as usize;
    s.memory[to_index..to_index + count as usize].fill(Pixel::of_value(value));
    bulk_done(s, pc, to, count)
}

/// The first address of a range that is outside the memory.
fn outside(s: &State<'_>, start: u32, count: u32) -> Option<u32> {
    let end = u64::from(start) + u64::from(count);
    (end > s.memory.len() as u64).then(|| start.max(s.memory.len() as u32))
}

/// Counts the steps of many written pixels, and has them decoded anew.
fn bulk_done(s: &mut State<'_>, pc: usize, to: u32, count: u32) -> Step {
    s.all_written(to, count);
    let extra = u64::from(count / BULK);
    // This instruction's own step is left at least; more may be owed.
    let paid = extra.min(s.end.wrapping_sub(pc as u64 + 1));
    s.end -= paid;
    s.owed += extra - paid;
    // A jump to the next instruction: that looks how far the fuel goes now.
    Step::Jump(pc as u32 + 1)
}
