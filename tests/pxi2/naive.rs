//! PXI-2 written a second time, from docs/pxi-isa.md alone and as plainly as
//! possible: numbers of 64 bits, one instruction after the other, nothing kept.
#![allow(unreachable_pub, clippy::unwrap_used, missing_docs)]

use pxfs::pxi::{Isa, Stop, Trap};

pub type Cell = [u8; 4];

/// The blobs that both machines know.
pub fn blob_of(id: u32) -> Option<Vec<u8>> {
    let id = u64::from(id);
    (id % 3 != 0).then(|| (0..id * 7 % 90).map(|n| (n * 37 + id) as u8).collect())
}

/// What can be seen of a machine.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    pub regs: Vec<u32>,
    /// In the memory's addresses.
    pub pc: i64,
    pub window: (i64, i64),
    pub second: bool,
    pub stack: Vec<u32>,
    pub depth: usize,
    pub steps: u64,
    pub screen: String,
    pub frame: Vec<Cell>,
    pub memory: Vec<Cell>,
}

struct Waiting {
    regs: Vec<u32>,
    pc: i64,
    window: (i64, i64),
    second: bool,
    floor: usize,
    fuel: u64,
    began: u64,
}

pub struct Naive {
    pub s: State,
    width: i64,
    height: i64,
    most_stack: usize,
    floor: usize,
    waiting: Vec<Waiting>,
    seed: u64,
    stopped: String,
}

enum Out {
    /// Done, with steps more than one.
    Done(u64),
    /// A module begins; its step is counted.
    Begun,
    Stop(Stop),
}

fn trap(trap: Trap) -> Out {
    Out::Stop(Stop::Trap(trap))
}

fn number(cell: Cell) -> i64 {
    i64::from(u32::from_be_bytes(cell))
}

fn grey(value: u32) -> Cell {
    let v = value.min(255) as u8;
    [v, v, v, 255]
}

/// The lowest bits of a number, taken with a sign.
fn signed(value: i64, bits: u32) -> i64 {
    let value = value & ((1 << bits) - 1);
    if value >> (bits - 1) == 1 { value - (1 << bits) } else { value }
}

impl Naive {
    pub fn new(memory: Vec<Cell>, frame: (i64, i64), entry: i64, most_stack: usize) -> Self {
        let (width, height) = frame;
        let s = State {
            regs: vec![0; 16],
            pc: entry,
            window: (0, memory.len() as i64),
            second: true,
            stack: vec![],
            depth: 0,
            steps: 0,
            screen: String::new(),
            frame: vec![[0, 0, 0, 255]; (width * height) as usize],
            memory,
        };
        let (floor, seed) = (0, 7);
        Self { s, width, height, most_stack, floor, waiting: vec![], seed, stopped: String::new() }
    }

    pub fn run(&mut self, fuel: u64) -> Stop {
        let target = self.s.steps + fuel;
        loop {
            let module_fuel = self.waiting.last().map_or(u64::MAX, |w| w.fuel);
            let left = target.saturating_sub(self.s.steps).min(module_fuel);
            let stop = if left == 0 {
                if module_fuel > 0 {
                    return Stop::OutOfFuel;
                }
                Stop::OutOfFuel
            } else {
                match self.step() {
                    Out::Done(extra) => {
                        self.s.pc += 1;
                        self.count(1 + extra);
                        continue;
                    }
                    Out::Begun => continue,
                    Out::Stop(stop) => stop,
                }
            };
            let Some(w) = self.waiting.pop() else { return stop };
            let (how, detail) = match &stop {
                Stop::Exit(status) => (0, *status),
                Stop::OutOfFuel => (1, 0),
                Stop::Trap(trap) => (2, trap_code(trap)),
                _ => (0, 0),
            };
            let at = self.s.pc - self.s.window.0;
            self.stopped = match &stop {
                Stop::Trap(trap) => format!("{trap} (pixel {at} of the module)"),
                stop => stop.to_string(),
            };
            self.s.stack.truncate(self.floor);
            self.s.regs = w.regs;
            let steps = (self.s.steps - w.began) as u32;
            self.s.regs[..4].copy_from_slice(&[how, 0, detail, steps]);
            (self.s.pc, self.s.window, self.s.second) = (w.pc, w.window, w.second);
            self.floor = w.floor;
            self.s.depth = self.waiting.len();
        }
    }

    fn count(&mut self, steps: u64) {
        self.s.steps += steps;
        for w in &mut self.waiting {
            w.fuel = w.fuel.saturating_sub(steps);
        }
    }

    fn in_window(&self, address: u32) -> Option<usize> {
        let at = self.s.window.0 + i64::from(address);
        (at < self.s.window.1).then_some(at as usize)
    }

    fn step(&mut self) -> Out {
        if self.s.pc >= self.s.window.1 || self.s.pc < self.s.window.0 {
            if !self.s.second {
                return Out::Stop(Stop::EndOfMemory);
            }
            return trap(Trap::BadJump((self.s.pc - self.s.window.0) as u32));
        }
        let cell = self.s.memory[self.s.pc as usize];
        if self.s.second { self.step2(cell) } else { self.step1(cell) }
    }

    /// Goes to an address of the window; the step that follows adds one.
    fn go(&mut self, address: u32) -> Out {
        self.s.pc = self.s.window.0 + i64::from(address) - 1;
        Out::Done(0)
    }

    fn go_by(&mut self, distance: i64) -> Out {
        let address = (self.s.pc - self.s.window.0 + distance) as u32;
        self.go(address)
    }

    fn full(&self) -> Out {
        let entries = self.s.stack.len();
        trap(Trap::StackFull { entries, bytes: self.most_stack * 4 })
    }

    fn push(&mut self, values: &[u32]) -> bool {
        let fits = self.s.stack.len() + values.len() <= self.most_stack;
        if fits {
            self.s.stack.extend_from_slice(values);
        }
        fits
    }

    fn here(&self) -> u32 {
        (self.s.pc - self.s.window.0) as u32
    }

    fn common(&mut self, op: u8, [a, b, c]: [usize; 3]) -> Option<Out> {
        let r = &mut self.s.regs;
        match op {
            0x00 => {}
            0xFF => return Some(Out::Stop(Stop::Halt)),
            0x10 => r[a] = b as u32,
            0x11 => {
                let grey = grey(r[a]);
                if let Some(cell) = self.s.frame.get_mut(b) {
                    *cell = grey;
                }
            }
            0x20 => r[a] = r[b].wrapping_add(r[c]) & 255,
            0x21 => r[a] = r[b].wrapping_sub(r[c]) & 255,
            0x33 => {
                if self.s.stack.len() <= self.floor {
                    return Some(Out::Stop(Stop::Return));
                }
                let address = self.s.stack.pop().unwrap();
                return Some(self.go(address));
            }
            0x34 => {
                let value = r[a];
                if !self.push(&[value]) {
                    return Some(self.full());
                }
            }
            0x40 => self.plot(a, b, grey(self.s.regs[c])),
            0x41 => {
                let value = r[a];
                self.s.screen.push(if value < 256 { value as u8 as char } else { '?' });
            }
            _ => return None,
        }
        Some(Out::Done(0))
    }

    fn plot(&mut self, a: usize, b: usize, cell: Cell) {
        let (x, y) = (i64::from(self.s.regs[a]), i64::from(self.s.regs[b]));
        if x < self.width && y < self.height {
            self.s.frame[(y * self.width + x) as usize] = cell;
        }
    }

    fn step1(&mut self, [op, a, b, c]: Cell) -> Out {
        let abc = [a as usize, b as usize, c as usize];
        let used = match op {
            0x10 | 0x11 | 0x31 | 0x34 | 0x35 | 0x41 => 1,
            0x20 | 0x21 | 0x40 => 3,
            _ => 0,
        };
        if abc[..used].iter().any(|register| *register > 15) {
            return Out::Done(0);
        }
        if let Some(out) = self.common(op, abc) {
            return out;
        }
        let target = u32::from(b) * 256 + u32::from(c);
        match op {
            0x30 => return self.go(target),
            0x31 if self.s.regs[abc[0]] != 0 => return self.go(target),
            0x32 => {
                if !self.push(&[self.here() + 1]) {
                    return self.full();
                }
                return self.go(target);
            }
            0x35 if self.s.stack.len() > self.floor => {
                self.s.regs[abc[0]] = self.s.stack.pop().unwrap();
            }
            // No model answers.
            0xC8 => self.s.regs[0] = 0,
            0xCC => self.sys_blob(),
            _ => {}
        }
        Out::Done(0)
    }

    fn sys_blob(&mut self) {
        let [id, start, most, flags] = [0, 1, 2, 3].map(|n| self.s.regs[n]);
        let most = if most == 0 { 65536 } else { most };
        let mut written = 0;
        for byte in blob_of(id).unwrap_or_default().into_iter().take(most as usize) {
            let Some(at) = start.checked_add(written).and_then(|at| self.in_window(at)) else {
                break;
            };
            let grey = flags & 2 != 0;
            self.s.memory[at] = if grey { [byte, byte, byte, 255] } else { [byte, 0, 0, 255] };
            written += 1;
        }
        self.s.regs[0] = written;
    }

    fn step2(&mut self, cell: Cell) -> Out {
        let [op, a, b, c] = cell;
        let bits = number(cell) & 0xFF_FFFF;
        let (near, eight) = (signed(bits, 16), signed(bits, 8));
        let low16 = (bits & 0xFFFF) as u32;
        let abc = [a as usize, b as usize, c as usize];
        let used = match op {
            0x10 | 0x11 | 0x13 | 0x34 | 0x35 | 0x38 | 0x39 | 0x41 | 0x45 | 0xA6 | 0xA7 | 0xAA
            | 0xAB => 1,
            0x14 | 0x44 | 0x50 | 0x51 | 0x54 | 0x55 | 0x80..=0x87 => 2,
            0x20 | 0x21 | 0x40 | 0x42 | 0x43 | 0x52 | 0x53 | 0x56..=0x7C | 0x90..=0x95 => 3,
            _ => 0,
        };
        if abc[..used].iter().any(|register| *register > 15) {
            return trap(Trap::Illegal(cell.into()));
        }
        if let Some(out) = self.common(op, abc) {
            return out;
        }
        let [a, b, c] = abc;
        let wide = (bits >> 20) as usize;
        let (left, right) = ((bits >> 20 & 15) as usize, (bits >> 16 & 15) as usize);
        let get = |n: usize| i64::from(self.s.regs[n & 15]);
        let sget = |n: usize| i64::from(self.s.regs[n & 15] as i32);
        match op {
            0x12 => self.s.regs[wide] = signed(bits, 20) as u32,
            0x13 => self.s.regs[a] = self.s.regs[a] & 0xFFFF | low16 << 16,
            0x14 => self.s.regs[a] = self.s.regs[b],
            0x15 => self.s.regs[wide] = (i64::from(self.here()) + signed(bits, 20)) as u32,
            0x35 => {
                if self.s.stack.len() <= self.floor {
                    return trap(Trap::StackEmpty);
                }
                self.s.regs[a] = self.s.stack.pop().unwrap();
            }
            0x36..=0x3B => return self.stack_instruction(op, a, low16),
            0x42 => self.plot(a, b, self.s.regs[c].to_be_bytes()),
            0x43 => {
                let (x, y) = (get(b), get(c));
                let inside = x < self.width && y < self.height;
                let at = (y * self.width + x) as usize;
                self.s.regs[a] = if inside { number(self.s.frame[at]) as u32 } else { 0 };
            }
            0x44 => {
                self.s.regs[a] = self.width as u32;
                self.s.regs[b] = self.height as u32;
            }
            0x45 => {
                let c = char::from_u32(self.s.regs[a]).unwrap_or('\u{FFFD}');
                self.s.screen.push(c);
            }
            0x50 | 0x51 | 0x54 | 0x55 => return self.memory_access(op, a, get(b) + eight),
            0x52 | 0x53 | 0x56 | 0x57 => return self.memory_access(op & 0xFD, a, get(b) + get(c)),
            0x58 | 0x59 => return self.bulk(op, [a, b, c]),
            0x60..=0x7C => {
                let pair = [get(b), get(c), sget(b), sget(c)];
                return self.arithmetic(cell, pair);
            }
            0x80 => self.s.regs[a] = (get(b) + eight) as u32,
            0x81 => return self.fits(a, sget(b) + eight, true),
            0x82 => return self.fits(a, get(b) + eight, false),
            0x84 => self.s.regs[a] = (get(b) & (c as i64)) as u32,
            0x85 => self.s.regs[a] = if c > 31 { 0 } else { (get(b) << c) as u32 },
            0x86 => self.s.regs[a] = if c > 31 { 0 } else { (get(b) >> c) as u32 },
            0x87 => self.s.regs[a] = (sget(b) >> c.min(31)) as u32,
            0x90..=0x95 => {
                let truth = match op {
                    0x90 => get(b) == get(c),
                    0x91 => get(b) != get(c),
                    0x92 => sget(b) < sget(c),
                    0x93 => sget(b) <= sget(c),
                    0x94 => get(b) < get(c),
                    _ => get(b) <= get(c),
                };
                self.s.regs[a] = u32::from(truth);
            }
            0xA0..=0xA7 => {
                let taken = match op {
                    0xA0 => get(left) == get(right),
                    0xA1 => get(left) != get(right),
                    0xA2 => sget(left) < sget(right),
                    0xA3 => sget(left) >= sget(right),
                    0xA4 => get(left) < get(right),
                    0xA5 => get(left) >= get(right),
                    0xA6 => get(a) == 0,
                    _ => get(a) != 0,
                };
                if taken {
                    return self.go_by(near);
                }
            }
            0xA8 => return self.go_by(signed(bits, 24)),
            0xAA => return self.go(self.s.regs[a]),
            0xA9 | 0xAB => {
                let target = self.s.regs[a & 15];
                if !self.push(&[self.here() + 1]) {
                    return self.full();
                }
                return if op == 0xAB { self.go(target) } else { self.go_by(signed(bits, 24)) };
            }
            0xC0 => return self.system_call(low16),
            _ => return trap(Trap::Illegal(cell.into())),
        }
        Out::Done(0)
    }

    fn stack_instruction(&mut self, op: u8, a: usize, n: u32) -> Out {
        let own = self.s.stack.len() - self.floor;
        let set: Vec<usize> = (0..16).filter(|bit| n >> bit & 1 == 1).collect();
        match op {
            0x36 => {
                let values: Vec<u32> = set.iter().map(|n| self.s.regs[*n]).collect();
                if !self.push(&values) {
                    return self.full();
                }
            }
            0x37 => {
                if own < set.len() {
                    return trap(Trap::StackEmpty);
                }
                for n in set.into_iter().rev() {
                    self.s.regs[n] = self.s.stack.pop().unwrap();
                }
            }
            0x38 | 0x39 => {
                if n as usize >= own {
                    return trap(Trap::StackEmpty);
                }
                let at = self.s.stack.len() - 1 - n as usize;
                if op == 0x38 {
                    self.s.regs[a] = self.s.stack[at];
                } else {
                    self.s.stack[at] = self.s.regs[a];
                }
            }
            0x3A => {
                if !self.push(&vec![0; n as usize]) {
                    return self.full();
                }
            }
            _ => {
                if own < n as usize {
                    return trap(Trap::StackEmpty);
                }
                self.s.stack.truncate(self.s.stack.len() - n as usize);
            }
        }
        Out::Done(0)
    }

    fn memory_access(&mut self, op: u8, a: usize, address: i64) -> Out {
        let address = address as u32;
        let (pixel, channel) =
            if op < 0x54 { (address, 0) } else { (address / 4, address as usize % 4) };
        let Some(at) = self.in_window(pixel) else { return trap(Trap::BadAddress(pixel)) };
        match op {
            0x50 => self.s.regs[a] = number(self.s.memory[at]) as u32,
            0x51 => self.s.memory[at] = self.s.regs[a].to_be_bytes(),
            0x54 => self.s.regs[a] = self.s.memory[at][channel].into(),
            _ => self.s.memory[at][channel] = self.s.regs[a] as u8,
        }
        Out::Done(0)
    }

    fn bulk(&mut self, op: u8, [a, b, c]: [usize; 3]) -> Out {
        let [to, from, count] = [a, b, c].map(|n| i64::from(self.s.regs[n]));
        let len = self.s.window.1 - self.s.window.0;
        let starts = if op == 0x58 { vec![to, from] } else { vec![to] };
        for start in starts {
            if start + count > len {
                return trap(Trap::BadAddress(start.max(len) as u32));
            }
        }
        let base = self.s.window.0;
        let before = self.s.memory.clone();
        for n in 0..count {
            let value = (from as u32).to_be_bytes();
            let copied = if op == 0x58 { before[(base + from + n) as usize] } else { value };
            self.s.memory[(base + to + n) as usize] = copied;
        }
        Out::Done(count as u64 / 16)
    }

    /// A result that must fit 32 bits.
    fn fits(&mut self, a: usize, value: i64, with_sign: bool) -> Out {
        let most = if with_sign { i64::from(i32::MAX) } else { i64::from(u32::MAX) };
        let least = if with_sign { i64::from(i32::MIN) } else { 0 };
        if value < least || value > most {
            return trap(Trap::Overflow);
        }
        self.s.regs[a] = value as u32;
        Out::Done(0)
    }

    fn arithmetic(&mut self, cell: Cell, [b, c, sb, sc]: [i64; 4]) -> Out {
        let [op, a, ..] = cell;
        let a = a as usize;
        if (0x6C..=0x71).contains(&op) && c == 0 {
            return trap(Trap::DivideByZero);
        }
        // Rounded down, not towards zero.
        let floor = |x: i64, y: i64| x.div_euclid(y) - i64::from(y < 0 && x.rem_euclid(y) != 0);
        let value = match op {
            0x60 => (b + c) & 0xFFFF_FFFF,
            0x61 => (b - c) & 0xFFFF_FFFF,
            0x62 => (sb * sc) & 0xFFFF_FFFF,
            0x64 => return self.fits(a, sb + sc, true),
            0x65 => return self.fits(a, sb - sc, true),
            0x66 => return self.fits(a, sb * sc, true),
            0x68 => return self.fits(a, b + c, false),
            0x69 => return self.fits(a, b - c, false),
            0x6A => match b.checked_mul(c) {
                Some(value) => return self.fits(a, value, false),
                None => return trap(Trap::Overflow),
            },
            0x6C => return self.fits(a, sb / sc, true),
            0x6D => return self.fits(a, sb % sc, true),
            0x6E => b / c,
            0x6F => b % c,
            0x70 => return self.fits(a, floor(sb, sc), true),
            0x71 => return self.fits(a, sb - floor(sb, sc) * sc, true),
            0x74 => b & c,
            0x75 => b | c,
            0x76 => b ^ c,
            0x78 => {
                if c > 31 {
                    0
                } else {
                    (b << c) & 0xFFFF_FFFF
                }
            }
            0x79 => {
                if c > 31 {
                    0
                } else {
                    b >> c
                }
            }
            0x7A => sb >> c.min(31),
            0x7B | 0x7C => {
                let value = if op == 0x7B { sb } else { b };
                if value == 0 {
                    return self.fits(a, 0, true);
                }
                if c > 31 {
                    return trap(Trap::Overflow);
                }
                return self.fits(a, value << c, op == 0x7B);
            }
            _ => return trap(Trap::Illegal(cell.into())),
        };
        self.s.regs[a] = value as u32;
        Out::Done(0)
    }

    fn system_call(&mut self, call: u32) -> Out {
        let [r0, r1, r2, r3, ..] = self.s.regs[..] else { unreachable!() };
        let result = match call {
            0 => return Out::Stop(Stop::Exit(r0)),
            1 => self.text(r0, r1).map(|text| {
                self.s.screen.push_str(&text);
                0
            }),
            4 => {
                if r0 < 2 {
                    Ok(0)
                } else {
                    Err(6)
                }
            }
            5 => Ok(self.random()),
            10 => self.read_blob(r0, r1, r2, r3),
            14 => match self.run_module() {
                Ok(()) => return Out::Begun,
                Err(error) => Err(error),
            },
            19 => {
                let text = self.stopped.clone();
                self.give(r0, r1, text.as_bytes())
            }
            _ => Err(1),
        };
        let (value, error) = match result {
            Ok(value) => (value, 0),
            Err(error) => (0, error),
        };
        (self.s.regs[0], self.s.regs[1]) = (value, error);
        Out::Done(0)
    }

    fn bytes_of_window(&self) -> i64 {
        4 * (self.s.window.1 - self.s.window.0)
    }

    fn text(&self, start: u32, len: u32) -> Result<String, u32> {
        if len > 1 << 20 {
            return Err(6);
        }
        if i64::from(start) + i64::from(len) > self.bytes_of_window() {
            return Err(4);
        }
        let base = 4 * self.s.window.0 as usize + start as usize;
        let all: Vec<u8> = self.s.memory.iter().flatten().copied().collect();
        Ok(String::from_utf8_lossy(&all[base..base + len as usize]).into_owned())
    }

    fn give(&mut self, buffer: u32, room: u32, bytes: &[u8]) -> Result<u32, u32> {
        if bytes.len() > room as usize {
            return Err(5);
        }
        if i64::from(buffer) + bytes.len() as i64 > self.bytes_of_window() {
            return Err(4);
        }
        for (n, byte) in bytes.iter().enumerate() {
            let at = 4 * self.s.window.0 as usize + buffer as usize + n;
            self.s.memory[at / 4][at % 4] = *byte;
        }
        Ok(bytes.len() as u32)
    }

    fn read_blob(&mut self, id: u32, buffer: u32, room: u32, offset: u32) -> Result<u32, u32> {
        let seen = (self.s.window.1 - self.s.window.0) * 4;
        if i64::from(buffer) + i64::from(room.min(16 << 20)) > seen {
            return Err(4);
        }
        let blob = blob_of(id).ok_or(2u32)?;
        let rest = blob.get(offset as usize..).unwrap_or_default();
        let bytes = rest[..rest.len().min(room as usize)].to_vec();
        self.give(buffer, room, &bytes)
    }

    /// splitmix64, its upper half.
    fn random(&mut self) -> u32 {
        self.seed = self.seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 32) as u32
    }

    fn run_module(&mut self) -> Result<(), u32> {
        let [start, pixels, fuel] = [0, 1, 2].map(|n| i64::from(self.s.regs[n]));
        let (first, second) = (self.s.regs[3], self.s.regs[4]);
        let base = self.s.window.0;
        if start + pixels > self.s.window.1 - base {
            return Err(4);
        }
        let window = (base + start, base + start + pixels);
        let cells = &self.s.memory[window.0 as usize..window.1 as usize];
        let (is_second, entry) = if cells.first() != Some(b"PXIM") {
            (false, 0)
        } else if cells.len() < 4 {
            return Err(9);
        } else if cells[1][0] == 2 {
            let entry = if cells.len() < 16 { 0 } else { number(cells[2]) };
            if entry < 16 || entry >= pixels {
                return Err(9);
            }
            (true, entry)
        } else if cells[1][0] == 1 {
            let entry = i64::from(cells[2][0]) + 256 * i64::from(cells[2][1]);
            if entry < 4 || entry >= pixels {
                return Err(9);
            }
            (false, entry)
        } else {
            return Err(9);
        };
        if self.waiting.len() >= 16 {
            return Err(15);
        }
        self.count(1);
        let outer = self.waiting.last().map_or(u64::MAX, |w| w.fuel);
        let own = if fuel == 0 { u64::MAX } else { fuel as u64 };
        let mut regs = vec![0; 16];
        regs[..2].copy_from_slice(&[first, second]);
        self.waiting.push(Waiting {
            regs: std::mem::replace(&mut self.s.regs, regs),
            pc: self.s.pc + 1,
            window: self.s.window,
            second: self.s.second,
            floor: self.floor,
            fuel: own.min(outer),
            began: self.s.steps,
        });
        self.floor = self.s.stack.len();
        (self.s.window, self.s.second) = (window, is_second);
        self.s.pc = window.0 + entry;
        self.s.depth = self.waiting.len();
        Ok(())
    }
}

/// The number of a trap, as docs/pxi-isa.md has them.
fn trap_code(trap: &Trap) -> u32 {
    match trap {
        Trap::StackFull { .. } => 1,
        Trap::Screen(_) => 2,
        Trap::HostBudget { .. } => 3,
        Trap::Illegal(_) => 4,
        Trap::BadAddress(_) => 5,
        Trap::BadJump(_) => 6,
        Trap::StackEmpty => 7,
        Trap::DivideByZero => 8,
        Trap::Overflow => 9,
    }
}

impl State {
    pub fn isa(&self) -> Isa {
        if self.second { Isa::Pxi2 } else { Isa::Pxi1 }
    }
}
