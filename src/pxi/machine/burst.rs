//! The inner loop: runs decoded instructions until something needs the whole machine.
//!
//! What makes it fast: one word is fetched an instruction; registers, program
//! counter and fuel are locals; fuel is counted at jumps only. Between two jumps
//! instructions lie in a row, so the fuel ends at a known address: the code
//! ends there for the loop (`live`), and the check that the program counter is
//! inside is the check of the fuel, too.

use std::cell::Cell;
use std::ops::Range;

use super::code::{self, op};
use super::{Machine, Pause};
use crate::pxi::Pixel;
use crate::pxi::host::Host;
use crate::pxi::isa::{self, Isa};
use crate::pxi::stop::{Stop, Trap};

/// Pixels that COPY and FILL handle for one more step.
const BULK: u32 = 16;

/// The program counter and what belongs to it.
struct Flow<'c> {
    code: &'c [Cell<u64>],
    /// Where the program counter was when `left` was counted.
    anchor: u32,
    left: u64,
}

impl<'c> Flow<'c> {
    /// Goes to `target` after the instruction at `pc`; gives the code up to where the fuel ends.
    #[inline(always)]
    fn jump(&mut self, pc: u32, target: u32) -> &'c [Cell<u64>] {
        // Not below zero: the instruction at `pc` was within the fuel.
        self.left = self.left.wrapping_sub(u64::from(pc.wrapping_sub(self.anchor)) + 1);
        self.anchor = target;
        self.live()
    }

    #[inline(always)]
    fn live(&self) -> &'c [Cell<u64>] {
        let end = u64::from(self.anchor).saturating_add(self.left).min(self.code.len() as u64);
        &self.code[..end as usize]
    }
}

/// Addresses of decoded pixels, kept so that a store knows in one comparison
/// whether it hits one.
struct Known {
    start: u32,
    len: u32,
}

impl Known {
    fn of(range: &Range<usize>, window: &Range<usize>) -> Self {
        // Relative to the window; what lies before it cannot be written from in here.
        let start = range.start.max(window.start).min(window.end);
        let end = range.end.clamp(start, window.end);
        Self { start: (start - window.start) as u32, len: (end - start) as u32 }
    }

    /// Takes in a pixel and the one behind it, which may be joined with it.
    fn include(&mut self, at: u32) {
        let end = (self.start + self.len).max(at + 2);
        let start = if self.len == 0 { at } else { self.start.min(at) };
        let end = if self.len == 0 { at + 2 } else { end };
        (self.start, self.len) = (start, end - start);
    }

    fn range(&self, window: &Range<usize>) -> Range<usize> {
        let start = window.start + self.start as usize;
        start..(start + self.len as usize).min(window.end)
    }

    /// A pixel was written: if it is decoded it is no more, nor what was joined with it.
    #[inline(always)]
    fn written(&self, code: &[Cell<u64>], at: u32) {
        if at.wrapping_sub(self.start) < self.len {
            forget(code, at);
        }
    }
}

#[cold]
fn forget(code: &[Cell<u64>], at: u32) {
    let at = at as usize;
    for word in &code[at.saturating_sub(1)..(at + 1).min(code.len())] {
        word.set(op::UNKNOWN.into());
    }
}

impl Machine {
    /// Runs up to a stop or a system call, `fuel` steps at most.
    pub(super) fn burst<H: Host>(&mut self, host: &mut H, fuel: &mut u64) -> Pause {
        let isa = self.isa;
        let window = self.window.clone();
        self.code.prepare(self.memory.pixels().len(), isa);
        let mut known = Known::of(&self.code.known(), &window);
        let outer = self.code.known();
        let memory = &mut self.memory.pixels_mut()[window.clone()];
        let code = self.code.window(window.clone());
        let (width, height) = (self.frame.width(), self.frame.height());
        let frame = self.frame.pixels_mut();
        let (floor, limits) = (self.floor, self.limits);
        let stack_entries = limits.stack_bytes / size_of::<u32>();
        let stack = &mut self.stack;
        let mut regs = self.registers;
        let mut pc = self.pc;
        let mut flow = Flow { code, anchor: pc, left: *fuel };
        let mut live = flow.live();
        let mut owed = 0;

        macro_rules! stop {
            ($stop:expr) => {
                break Pause::Stop($stop)
            };
        }
        macro_rules! trap {
            ($trap:expr) => {
                break Pause::Stop(Stop::Trap($trap))
            };
        }
        macro_rules! jump {
            ($target:expr) => {{
                let target: u32 = $target;
                live = flow.jump(pc, target);
                pc = target;
                continue;
            }};
        }
        // A checked result, or a trap.
        macro_rules! checked {
            ($a:expr, $value:expr) => {
                match $value {
                    Some(value) => regs[$a] = value as u32,
                    None => trap!(Trap::Overflow),
                }
            };
        }
        macro_rules! divided {
            ($a:expr, $divisor:expr, $value:expr) => {
                match $value {
                    Some(value) => regs[$a] = value as u32,
                    None if $divisor == 0 => trap!(Trap::DivideByZero),
                    None => trap!(Trap::Overflow),
                }
            };
        }
        macro_rules! push {
            ($value:expr) => {
                if stack.len() >= stack_entries {
                    trap!(stack_full(stack.len(), limits.stack_bytes));
                } else {
                    stack.push($value);
                }
            };
        }
        macro_rules! load {
            ($a:expr, $address:expr) => {{
                let address: u32 = $address;
                match memory.get(address as usize) {
                    Some(pixel) => regs[$a] = pixel.value(),
                    None => trap!(Trap::BadAddress(address)),
                }
            }};
        }
        macro_rules! store {
            ($address:expr, $value:expr) => {{
                let address: u32 = $address;
                match memory.get_mut(address as usize) {
                    Some(pixel) => *pixel = Pixel::of_value($value),
                    None => trap!(Trap::BadAddress(address)),
                }
                known.written(code, address);
            }};
        }
        macro_rules! load_byte {
            ($a:expr, $address:expr) => {{
                let address: u32 = $address;
                match memory.get((address >> 2) as usize) {
                    Some(pixel) => regs[$a] = pixel.byte(address & 3),
                    None => trap!(Trap::BadAddress(address >> 2)),
                }
            }};
        }
        macro_rules! store_byte {
            ($address:expr, $value:expr) => {{
                let address: u32 = $address;
                match memory.get_mut((address >> 2) as usize) {
                    Some(pixel) => *pixel = pixel.with_byte(address & 3, $value),
                    None => trap!(Trap::BadAddress(address >> 2)),
                }
                known.written(code, address >> 2);
            }};
        }
        macro_rules! branch {
            ($word:expr, $taken:expr) => {
                if $taken {
                    jump!(pc.wrapping_add($word.number()));
                }
            };
        }

        let pause = loop {
            let Some(cell) = live.get(pc as usize) else {
                // Fuel first: what lies beyond is not looked at without it.
                if flow.left == u64::from(pc.wrapping_sub(flow.anchor)) {
                    stop!(Stop::OutOfFuel);
                }
                match isa {
                    Isa::Pxi1 => stop!(Stop::EndOfMemory),
                    Isa::Pxi2 => trap!(Trap::BadJump(pc)),
                }
            };
            let word = code::word(cell);
            let (a, b, c) = (word.a(), word.b(), word.c());
            match word.op() {
                op::UNKNOWN => {
                    code::decode_at(code, memory, pc as usize, isa);
                    known.include(pc);
                    continue;
                }
                op::NOTHING => {}
                isa::LOAD => regs[a] = word.number(),
                isa::ADD => regs[a] = regs[b].wrapping_add(regs[c]) & 255,
                isa::SUB => regs[a] = regs[b].wrapping_sub(regs[c]) & 255,
                op::SUB_JNZ => {
                    let value = regs[b].wrapping_sub(regs[c]) & 255;
                    regs[a] = value;
                    pc = pc.wrapping_add(1);
                    // The fuel may end between the two: then JNZ is left for later.
                    if pc as usize >= live.len() {
                        continue;
                    }
                    if value != 0 {
                        jump!(word.number());
                    }
                }
                isa::JMP => jump!(word.number()),
                isa::JNZ => {
                    if regs[a] != 0 {
                        jump!(word.number());
                    }
                }
                isa::CALL => {
                    push!(pc.wrapping_add(1));
                    jump!(word.number());
                }
                isa::RET => {
                    if stack.len() <= floor {
                        stop!(Stop::Return);
                    }
                    match stack.pop() {
                        Some(address) => jump!(address),
                        None => stop!(Stop::Return),
                    }
                }
                isa::PUSH => push!(regs[a]),
                isa::POP => {
                    if stack.len() > floor
                        && let Some(value) = stack.pop()
                    {
                        regs[a] = value;
                    }
                }
                op::POP_OR_TRAP => match stack.pop() {
                    Some(value) if stack.len() >= floor => regs[a] = value,
                    Some(value) => {
                        stack.push(value);
                        trap!(Trap::StackEmpty);
                    }
                    None => trap!(Trap::StackEmpty),
                },
                isa::STORE => {
                    if let Some(cell) = frame.get_mut(word.number() as usize) {
                        *cell = Pixel::grey(regs[a]);
                    }
                }
                isa::DRAW => {
                    if let Some(at) = frame_index(regs[a], regs[b], width, height) {
                        frame[at] = Pixel::grey(regs[c]);
                    }
                }
                isa::PLOT => {
                    if let Some(at) = frame_index(regs[a], regs[b], width, height) {
                        frame[at] = Pixel::of_value(regs[c]);
                    }
                }
                isa::PIXEL => {
                    let at = frame_index(regs[b], regs[c], width, height);
                    regs[a] = at.map_or(0, |at| frame[at].value());
                }
                isa::FSIZE => {
                    regs[a] = width;
                    regs[b] = height;
                }
                isa::PRINT => {
                    let code = u8::try_from(regs[a]).unwrap_or(b'?');
                    if let Err(error) = host.print(char::from(code)) {
                        trap!(error.into());
                    }
                }
                isa::PUTC => {
                    let c = char::from_u32(regs[a]).unwrap_or(char::REPLACEMENT_CHARACTER);
                    if let Err(error) = host.print(c) {
                        trap!(error.into());
                    }
                }

                isa::LI => regs[a] = word.number(),
                isa::LIH => regs[a] = regs[a] & 0xFFFF | word.number() << 16,
                isa::MOV => regs[a] = regs[b],
                isa::LEA => regs[a] = pc.wrapping_add(word.number()),

                isa::LD => load!(a, regs[b].wrapping_add(word.number())),
                isa::LDX => load!(a, regs[b].wrapping_add(regs[c])),
                isa::ST => store!(regs[b].wrapping_add(word.number()), regs[a]),
                isa::STX => store!(regs[b].wrapping_add(regs[c]), regs[a]),
                isa::LDB => load_byte!(a, regs[b].wrapping_add(word.number())),
                isa::LDBX => load_byte!(a, regs[b].wrapping_add(regs[c])),
                isa::STB => store_byte!(regs[b].wrapping_add(word.number()), regs[a]),
                isa::STBX => store_byte!(regs[b].wrapping_add(regs[c]), regs[a]),
                isa::COPY | isa::FILL => {
                    let count = regs[c];
                    let extra = u64::from(count / BULK);
                    // At least this instruction's own step is left; more may be owed.
                    let left = flow.left - u64::from(pc.wrapping_sub(flow.anchor)) - 1;
                    let paid = extra.min(left);
                    let done = if word.op() == isa::COPY {
                        copy(memory, regs[a], regs[b], count)
                    } else {
                        fill(memory, regs[a], regs[b], count)
                    };
                    if let Err(trap) = done {
                        trap!(trap);
                    }
                    forget_all(code, &known, regs[a], count);
                    owed += extra - paid;
                    flow.left -= paid;
                    live = flow.live();
                }

                isa::ADDW => regs[a] = regs[b].wrapping_add(regs[c]),
                isa::SUBW => regs[a] = regs[b].wrapping_sub(regs[c]),
                isa::MULW => regs[a] = regs[b].wrapping_mul(regs[c]),
                isa::ADDV => checked!(a, (regs[b] as i32).checked_add(regs[c] as i32)),
                isa::SUBV => checked!(a, (regs[b] as i32).checked_sub(regs[c] as i32)),
                isa::MULV => checked!(a, (regs[b] as i32).checked_mul(regs[c] as i32)),
                isa::ADDU => checked!(a, regs[b].checked_add(regs[c])),
                isa::SUBU => checked!(a, regs[b].checked_sub(regs[c])),
                isa::MULU => checked!(a, regs[b].checked_mul(regs[c])),
                isa::DIVS => divided!(a, regs[c], (regs[b] as i32).checked_div(regs[c] as i32)),
                isa::REMS => divided!(a, regs[c], remainder(regs[b], regs[c])),
                isa::DIVU => divided!(a, regs[c], regs[b].checked_div(regs[c])),
                isa::REMU => divided!(a, regs[c], regs[b].checked_rem(regs[c])),
                isa::DIVF => divided!(a, regs[c], divide_floor(regs[b], regs[c])),
                isa::MODF => divided!(a, regs[c], modulo_floor(regs[b], regs[c])),

                isa::AND => regs[a] = regs[b] & regs[c],
                isa::OR => regs[a] = regs[b] | regs[c],
                isa::XOR => regs[a] = regs[b] ^ regs[c],
                isa::SHL => regs[a] = regs[b].checked_shl(regs[c]).unwrap_or(0),
                isa::SHR => regs[a] = regs[b].checked_shr(regs[c]).unwrap_or(0),
                isa::SAR => regs[a] = (regs[b] as i32 >> regs[c].min(31)) as u32,
                isa::SHLV => checked!(a, shift_signed(regs[b], regs[c])),
                isa::SHLU => checked!(a, shift_unsigned(regs[b], regs[c])),

                isa::ADDI => regs[a] = regs[b].wrapping_add(word.number()),
                isa::ADDIV => {
                    checked!(a, (regs[b] as i32).checked_add(word.number() as i32));
                }
                isa::ADDIU => checked!(a, regs[b].checked_add_signed(word.number() as i32)),
                isa::ANDI => regs[a] = regs[b] & word.number(),
                isa::SHLI => regs[a] = regs[b].checked_shl(word.number()).unwrap_or(0),
                isa::SHRI => regs[a] = regs[b].checked_shr(word.number()).unwrap_or(0),
                isa::SARI => regs[a] = (regs[b] as i32 >> word.number().min(31)) as u32,

                isa::SEQ => regs[a] = u32::from(regs[b] == regs[c]),
                isa::SNE => regs[a] = u32::from(regs[b] != regs[c]),
                isa::SLT => regs[a] = u32::from((regs[b] as i32) < regs[c] as i32),
                isa::SLE => regs[a] = u32::from(regs[b] as i32 <= regs[c] as i32),
                isa::SLTU => regs[a] = u32::from(regs[b] < regs[c]),
                isa::SLEU => regs[a] = u32::from(regs[b] <= regs[c]),

                isa::BEQ => branch!(word, regs[a] == regs[b]),
                isa::BNE => branch!(word, regs[a] != regs[b]),
                isa::BLT => branch!(word, (regs[a] as i32) < regs[b] as i32),
                isa::BGE => branch!(word, regs[a] as i32 >= regs[b] as i32),
                isa::BLTU => branch!(word, regs[a] < regs[b]),
                isa::BGEU => branch!(word, regs[a] >= regs[b]),
                isa::BZ => branch!(word, regs[a] == 0),
                isa::BNZ => branch!(word, regs[a] != 0),
                isa::BRA => jump!(pc.wrapping_add(word.number())),
                isa::BSR => {
                    push!(pc.wrapping_add(1));
                    jump!(pc.wrapping_add(word.number()));
                }
                isa::JR => jump!(regs[a]),
                isa::JSR => {
                    let target = regs[a];
                    push!(pc.wrapping_add(1));
                    jump!(target);
                }

                isa::PUSHM => {
                    let mut set = word.number();
                    if stack.len() + set.count_ones() as usize > stack_entries {
                        trap!(stack_full(stack.len(), limits.stack_bytes));
                    }
                    while set != 0 {
                        stack.push(regs[(set.trailing_zeros() & 15) as usize]);
                        set &= set - 1;
                    }
                }
                isa::POPM => {
                    let mut set = word.number();
                    if stack.len() - floor < set.count_ones() as usize {
                        trap!(Trap::StackEmpty);
                    }
                    while set != 0 {
                        let highest = 31 - set.leading_zeros();
                        regs[(highest & 15) as usize] = stack.pop().unwrap_or_default();
                        set &= !(1 << highest);
                    }
                }
                isa::PEEK => match stack_index(stack.len(), floor, word.number()) {
                    Some(at) => regs[a] = stack[at],
                    None => trap!(Trap::StackEmpty),
                },
                isa::POKE => match stack_index(stack.len(), floor, word.number()) {
                    Some(at) => stack[at] = regs[a],
                    None => trap!(Trap::StackEmpty),
                },
                isa::GROW => {
                    let len = stack.len() + word.number() as usize;
                    if len > stack_entries {
                        trap!(stack_full(stack.len(), limits.stack_bytes));
                    }
                    stack.resize(len, 0);
                }
                isa::DROP => {
                    let count = word.number() as usize;
                    if stack.len() - floor < count {
                        trap!(Trap::StackEmpty);
                    }
                    stack.truncate(stack.len() - count);
                }

                op::ADDI_BLT | op::ADDI_BNE => {
                    let step = (word.number() as i32 >> 24) as u32;
                    let value = regs[a].wrapping_add(step);
                    regs[a] = value;
                    pc = pc.wrapping_add(1);
                    if pc as usize >= live.len() {
                        continue;
                    }
                    let bound = regs[b];
                    let taken = if word.op() == op::ADDI_BLT {
                        (value as i32) < bound as i32
                    } else {
                        value != bound
                    };
                    if taken {
                        jump!(pc.wrapping_add(((word.number() << 8) as i32 >> 8) as u32));
                    }
                }

                isa::SYS => break Pause::Call(word.number() as u16),
                isa::SYS_BLOB => break Pause::Blob,
                isa::SYS_LLM => break Pause::Llm,
                isa::HALT => stop!(Stop::Halt),
                _ => trap!(Trap::Illegal(memory[pc as usize])),
            }
            pc = pc.wrapping_add(1);
        };
        self.registers = regs;
        self.pc = pc;
        self.steps += owed;
        *fuel = flow.left - u64::from(pc.wrapping_sub(flow.anchor));
        let inner = known.range(&window);
        let both = if outer.is_empty() {
            inner
        } else if inner.is_empty() {
            outer
        } else {
            outer.start.min(inner.start)..outer.end.max(inner.end)
        };
        self.code.set_known(both);
        pause
    }
}

#[cold]
fn stack_full(entries: usize, bytes: usize) -> Trap {
    Trap::StackFull { entries, bytes }
}

#[inline(always)]
fn frame_index(x: u32, y: u32, width: u32, height: u32) -> Option<usize> {
    (x < width && y < height).then(|| y as usize * width as usize + x as usize)
}

#[inline(always)]
fn stack_index(len: usize, floor: usize, depth: u32) -> Option<usize> {
    len.checked_sub(depth as usize + 1).filter(|at| *at >= floor)
}

fn range(memory: &[Pixel], start: u32, count: u32) -> Result<Range<usize>, Trap> {
    let (first, end) = (start as usize, start as usize + count as usize);
    if end > memory.len() {
        return Err(Trap::BadAddress(start.max(memory.len() as u32)));
    }
    Ok(first..end)
}

fn copy(memory: &mut [Pixel], to: u32, from: u32, count: u32) -> Result<(), Trap> {
    let target = range(memory, to, count)?;
    let source = range(memory, from, count)?;
    memory.copy_within(source, target.start);
    Ok(())
}

fn fill(memory: &mut [Pixel], to: u32, value: u32, count: u32) -> Result<(), Trap> {
    let target = range(memory, to, count)?;
    memory[target].fill(Pixel::of_value(value));
    Ok(())
}

/// Forgets the decoded pixels among `count` written ones.
fn forget_all(code: &[Cell<u64>], known: &Known, start: u32, count: u32) {
    let first = start.max(known.start);
    let end = start.saturating_add(count).min(known.start + known.len);
    for at in first..end {
        forget(code, at);
    }
}

fn remainder(left: u32, right: u32) -> Option<i32> {
    // The least number divided by -1 does not fit, but what it leaves is 0.
    (right != 0).then(|| (left as i32).wrapping_rem(right as i32))
}

fn divide_floor(left: u32, right: u32) -> Option<i32> {
    let (left, right) = (left as i32, right as i32);
    let quotient = left.checked_div(right)?;
    let rest = left.wrapping_rem(right);
    Some(if rest != 0 && (rest < 0) != (right < 0) { quotient - 1 } else { quotient })
}

fn modulo_floor(left: u32, right: u32) -> Option<i32> {
    let rest = remainder(left, right)?;
    let right = right as i32;
    Some(if rest != 0 && (rest < 0) != (right < 0) { rest + right } else { rest })
}

fn shift_signed(value: u32, by: u32) -> Option<u32> {
    let shifted = value.checked_shl(by).unwrap_or(0);
    let back = (shifted as i32) >> by.min(31);
    (by < 32 && back == value as i32 || value == 0).then_some(shifted)
}

fn shift_unsigned(value: u32, by: u32) -> Option<u32> {
    let shifted = value.checked_shl(by).unwrap_or(0);
    (by < 32 && shifted >> by == value || value == 0).then_some(shifted)
}
