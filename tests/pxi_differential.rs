//! A second interpreter, written from the description of PXI-1 alone and as
//! plainly as possible, must end every random program in the same state.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "support/random.rs"]
mod random;

use pxfs::pxi::{
    BlobError, BlobReply, BlobRequest, Host, LlmError, LlmRequest, Machine, Pixel, Program, Raster,
    ScreenError, isa,
};
use random::Random;

/// The world of both machines: blobs and answers as pure functions.
fn blob_of(id: i64) -> Option<Vec<u8>> {
    (id % 3 != 0).then(|| (0..id * 7 % 90).map(|n| (n * 37 + id) as u8).collect())
}

fn answer_of(prompt: &str) -> Option<String> {
    (!prompt.len().is_multiple_of(3)).then(|| prompt.chars().rev().chain(['\u{20ac}']).collect())
}

struct World(String);

impl Host for World {
    fn print(&mut self, c: char) -> Result<(), ScreenError> {
        self.0.push(c);
        Ok(())
    }

    fn blob(&mut self, request: &BlobRequest) -> BlobReply {
        let bytes = blob_of(i64::from(request.id)).ok_or(BlobError::NotFound(request.id));
        let result = bytes.map(|bytes| bytes.into_iter().take(request.max_len).collect());
        BlobReply { result, cost: 0 }
    }

    fn llm(&mut self, request: &LlmRequest) -> Result<String, LlmError> {
        answer_of(&request.prompt).ok_or(LlmError::NoModel)
    }
}

#[derive(Debug, PartialEq)]
struct State {
    steps: i64,
    pc: i64,
    halted: bool,
    regs: Vec<i64>,
    stack: Vec<i64>,
    screen: String,
    frame: Vec<[u8; 4]>,
    memory: Vec<[u8; 4]>,
}

/// Model calls that one boot may make; fuel does not bound what they cost.
const MOST_ASKED: u32 = 1000;

struct Naive {
    width: i64,
    height: i64,
    asked: u32,
    state: State,
}

impl Naive {
    fn new(width: i64, height: i64, memory: &[[u8; 4]]) -> Self {
        let state = State {
            steps: 0,
            pc: 0,
            halted: false,
            regs: vec![0; 16],
            stack: vec![],
            screen: String::new(),
            frame: vec![[0, 0, 0, 255]; memory.len()],
            memory: memory.to_vec(),
        };
        Self { width, height, asked: 0, state }
    }

    fn run(&mut self, max_steps: i64) {
        while !self.state.halted && self.state.steps < max_steps {
            if self.step() {
                self.state.steps += 1;
            }
        }
    }

    /// One instruction; false if it halted instead of completing.
    fn step(&mut self) -> bool {
        let size = self.width * self.height;
        let s = &mut self.state;
        if s.pc >= size {
            s.halted = true;
            return false;
        }
        let [op, a1, a2, a3] = s.memory[s.pc as usize];
        let (a1, a2, a3) = (a1 as usize, a2 as usize, a3 as usize);
        let target = (a2 * 256 + a3) as i64;
        let mut next = s.pc + 1;
        match op {
            0x10 if a1 < 16 => s.regs[a1] = a2 as i64,
            0x11 if a1 < 16 && (a2 as i64) < size => s.frame[a2] = grey(s.regs[a1]),
            0x20 if a1 < 16 && a2 < 16 && a3 < 16 => s.regs[a1] = (s.regs[a2] + s.regs[a3]) & 255,
            0x21 if a1 < 16 && a2 < 16 && a3 < 16 => s.regs[a1] = (s.regs[a2] - s.regs[a3]) & 255,
            0x30 => next = target,
            0x31 if a1 < 16 && s.regs[a1] != 0 => next = target,
            0x32 => {
                s.stack.push(s.pc + 1);
                next = target;
            }
            0x33 => match s.stack.pop() {
                Some(address) => next = address,
                None => {
                    s.halted = true;
                    return false;
                }
            },
            0x34 if a1 < 16 => s.stack.push(s.regs[a1]),
            0x35 if a1 < 16 && !s.stack.is_empty() => s.regs[a1] = s.stack.pop().unwrap(),
            0x40 if a1 < 16 && a2 < 16 && a3 < 16 => {
                let (x, y) = (s.regs[a1], s.regs[a2]);
                if x < self.width && y < self.height {
                    s.frame[(y * self.width + x) as usize] = grey(s.regs[a3]);
                }
            }
            0x41 if a1 < 16 => s.screen.push(latin1(s.regs[a1])),
            0xC8 => self.sys_llm(),
            0xCC => self.sys_blob(),
            0xFF => {
                s.halted = true;
                return false;
            }
            _ => {}
        }
        self.state.pc = next;
        true
    }

    fn sys_blob(&mut self) {
        let s = &mut self.state;
        let (id, start, flags) = (s.regs[0], s.regs[1], s.regs[3]);
        let most = if s.regs[2] == 0 { 65536 } else { s.regs[2] };
        let mut written = 0;
        for byte in blob_of(id).unwrap_or_default().into_iter().take(most as usize) {
            let address = start + written;
            if address >= s.memory.len() as i64 {
                break;
            }
            let text = flags & 2 != 0;
            s.memory[address as usize] =
                if text { [byte, byte, byte, 255] } else { [byte, 0, 0, 255] };
            written += 1;
        }
        s.regs[0] = written;
    }

    fn sys_llm(&mut self) {
        let s = &mut self.state;
        let most = if s.regs[2] == 0 { 1024 } else { s.regs[2] };
        let mut prompt = String::new();
        let mut at = s.regs[0];
        while at < s.memory.len() as i64 && prompt.chars().count() < 1024 {
            let green = s.memory[at as usize][1];
            if green == 0 {
                break;
            }
            prompt.push(green as char);
            at += 1;
        }
        let may_ask = !prompt.is_empty() && self.asked < MOST_ASKED;
        self.asked += u32::from(may_ask);
        let Some(answer) = answer_of(&prompt).filter(|_| may_ask) else {
            s.regs[0] = 0;
            return;
        };
        let mut written = 0;
        for c in answer.chars() {
            let address = s.regs[1] + written;
            if written == most || address >= s.frame.len() as i64 {
                break;
            }
            s.frame[address as usize] = grey(i64::from(if c as u32 > 255 { 63 } else { c as u32 }));
            written += 1;
        }
        let end = s.regs[1] + written;
        if written < most && end < s.frame.len() as i64 {
            s.frame[end as usize] = [0, 0, 0, 255];
        }
        s.regs[0] = written;
    }
}

fn grey(value: i64) -> [u8; 4] {
    let v = value.min(255) as u8;
    [v, v, v, 255]
}

fn latin1(value: i64) -> char {
    if value < 256 { value as u8 as char } else { '?' }
}

impl Random {
    /// An instruction: mostly sensible, sometimes anything.
    fn pixel(&mut self, size: u64) -> [u8; 4] {
        if self.below(8) == 0 {
            return (self.next() as u32).to_le_bytes();
        }
        let ours: Vec<u8> =
            isa::TABLE.iter().filter(|i| i.is_in(isa::Isa::Pxi1)).map(|i| i.opcode).collect();
        let op = ours[self.below(ours.len() as u64) as usize];
        // HALT ends everything, so most of them become something else.
        let op = if op == isa::HALT && self.below(4) > 0 { isa::PUSH } else { op };
        let mut register = || self.below(17) as u8;
        let (a1, mut a2, mut a3) = (register(), register(), register());
        if matches!(op, isa::JMP | isa::JNZ | isa::CALL) {
            let target = self.below(size + 2) as u16;
            [a2, a3] = target.to_be_bytes();
        }
        if matches!(op, isa::LOAD | isa::STORE) {
            a2 = self.next() as u8;
        }
        [op, a1, a2, a3]
    }
}

fn state_of(width: u32, height: u32, memory: &[[u8; 4]], fuel: u64) -> State {
    let pixels = memory.iter().copied().map(Pixel::from).collect();
    let mut machine = Program::raw(Raster::new(width, height, pixels).unwrap()).into_machine();
    let mut world = World(String::new());
    let stop = machine.run(&mut world, fuel);
    end_state(&machine, world.0, stop.halted())
}

fn end_state(machine: &Machine, screen: String, halted: bool) -> State {
    let channels = |raster: &Raster| raster.pixels().iter().map(|pixel| pixel.channels()).collect();
    State {
        steps: machine.steps() as i64,
        pc: machine.pc() as i64,
        halted,
        regs: machine.registers().iter().copied().map(i64::from).collect(),
        stack: machine.stack().iter().copied().map(i64::from).collect(),
        screen,
        frame: channels(machine.frame()),
        memory: channels(machine.memory()),
    }
}

#[test]
fn random_programs_end_in_the_same_state() {
    let mut random = Random(20_260_131);
    let mut halted = 0;
    for round in 0..100_000 {
        let (width, height) = match random.below(20) {
            0 => (1, 1),
            1 => (1 + random.below(700), 1),
            _ => (1 + random.below(24), 1 + random.below(24)),
        };
        let size = width * height;
        let memory: Vec<[u8; 4]> = (0..size).map(|_| random.pixel(size)).collect();
        let fuel = [7, 100, 2000][random.below(3) as usize];
        let mut naive = Naive::new(width as i64, height as i64, &memory);
        naive.run(fuel as i64);
        let ours = state_of(width as u32, height as u32, &memory, fuel);
        halted += u32::from(ours.halted);
        assert_eq!(ours, naive.state, "round {round}, {width}x{height}, fuel {fuel}");
    }
    // Both kinds of end must have been compared.
    assert!((5000..95_000).contains(&halted), "{halted} halted");
}

#[test]
fn a_run_in_parts_is_one_run() {
    let mut random = Random(7);
    for round in 0..4000u64 {
        let memory: Vec<[u8; 4]> = (0..64).map(|_| random.pixel(64)).collect();
        let whole = state_of(8, 8, &memory, 500);
        let pixels = memory.iter().copied().map(Pixel::from).collect();
        let mut machine = Program::raw(Raster::new(8, 8, pixels).unwrap()).into_machine();
        let mut world = World(String::new());
        let halted = loop {
            let slice = [1, 2, 3, 1 + random.below(40)][(round % 4) as usize];
            let stop = machine.run(&mut world, slice.min(500 - machine.steps()));
            if stop.halted() || machine.steps() == 500 {
                break stop.halted();
            }
        };
        assert_eq!(end_state(&machine, world.0, halted), whole, "round {round}");
    }
}
