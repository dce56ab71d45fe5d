//! A second interpreter of PXI-2, written from its description alone, must end
//! every random program in the same state, in one run and in many small ones.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "support/random.rs"]
mod random;

#[path = "pxi2/naive.rs"]
mod naive;

use naive::{Cell, Naive, State, blob_of};
use pxfs::pxi::host::{Stat, Which};
use pxfs::pxi::isa::{self, Kind};
use pxfs::pxi::{
    BlobError, BlobReply, BlobRequest, CallError, Files, Host, Isa, Limits, LlmError, LlmRequest,
    Machine, Pixel, Raster, ScreenError, Stop,
};
use random::Random;

/// Numbers that the stack holds: few, so that programs meet the limit.
const MOST_STACK: usize = 600;

/// What compiled programs are made of: the machine joins such instructions.
const OFTEN: &[u8] = &[
    isa::LI,
    isa::MOV,
    isa::LEA,
    isa::LD,
    isa::ST,
    isa::LDX,
    isa::STX,
    isa::LDBX,
    isa::STBX,
    isa::ADDI,
    isa::ADDIV,
    isa::ADDW,
    isa::ADDV,
    isa::SUBV,
    isa::XOR,
    isa::ANDI,
    isa::SHRI,
    isa::SLT,
    isa::SEQ,
    isa::BEQ,
    isa::BNE,
    isa::BLT,
    isa::BGE,
    isa::BZ,
    isa::BNZ,
    isa::BSR,
    isa::BRA,
    isa::RET,
    isa::PUSHM,
    isa::POPM,
    isa::PEEK,
    isa::POKE,
];

struct World(String);

impl Host for World {
    fn print(&mut self, c: char) -> Result<(), ScreenError> {
        self.0.push(c);
        Ok(())
    }

    fn blob(&mut self, request: &BlobRequest) -> BlobReply {
        let bytes = blob_of(request.id).ok_or(BlobError::NotFound(request.id));
        let result = bytes.map(|bytes| bytes.into_iter().take(request.max_len).collect());
        BlobReply { result, cost: 0 }
    }

    fn llm(&mut self, _: &LlmRequest) -> Result<String, LlmError> {
        Err(LlmError::NoModel)
    }

    fn files(&self) -> Option<&dyn Files> {
        Some(&Blobs)
    }
}

/// Contents by their ids, and nothing else.
struct Blobs;

impl Files for Blobs {
    fn canonical(&self, _: &str) -> Result<String, CallError> {
        Err(CallError::NotSupported)
    }

    fn stat(&self, _: &str) -> Result<Stat, CallError> {
        Err(CallError::NotSupported)
    }

    fn resolve(&self, _: &str) -> Result<u32, CallError> {
        Err(CallError::NotSupported)
    }

    fn list(&self, _: &str) -> Result<Vec<Vec<u8>>, CallError> {
        Err(CallError::NotSupported)
    }

    fn read(&self, which: Which<'_>, offset: u64, len: usize) -> Result<Vec<u8>, CallError> {
        let Which::Id(id) = which else { return Err(CallError::NotSupported) };
        let blob = blob_of(id).ok_or(CallError::NotFound)?;
        Ok(blob.into_iter().skip(offset as usize).take(len).collect())
    }

    fn checked(&self, _: Which<'_>, _: u64) -> Result<(Vec<u8>, u32), CallError> {
        Err(CallError::NotSupported)
    }

    fn requires(&self, _: &str) -> Result<Vec<String>, CallError> {
        Err(CallError::NotSupported)
    }
}

impl Random {
    fn one_of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len() as u64) as usize]
    }

    /// A number as programs have them: small, near an edge, or anything.
    fn number(&mut self, size: i64) -> i64 {
        match self.below(8) {
            0 => self.one_of(&[0, 1, 2, -1, 31, 32, 255, 256]),
            1 => self.one_of(&[i64::from(i32::MAX), i64::from(i32::MIN), 0xFFFF_FFFF]),
            2 => self.next() as i64,
            _ => self.below(size as u64 + 2) as i64,
        }
    }

    /// Registers that stay addresses and counts for a while, and those that are computed.
    fn target(&mut self) -> i64 {
        if self.below(20) == 0 { self.below(16) as i64 } else { self.below(9) as i64 }
    }

    fn operand(&mut self, at: i64, size: i64, operand: isa::Operand, first: bool) -> i64 {
        match operand.kind {
            Kind::Register if first => self.target(),
            Kind::Register => self.below(16) as i64,
            Kind::Relative if self.below(3) > 0 => -(self.below(6) as i64),
            Kind::Relative => self.below(size as u64 + 1) as i64 - at,
            Kind::Signed if operand.width == 8 => self.below(9) as i64 - 4,
            Kind::Registers => match self.below(3) {
                0 => self.next() as i64,
                1 => 1 << self.below(16) | 1 << self.below(16),
                _ => 7 << self.below(14),
            },
            Kind::Call => self.one_of(&[0, 1, 5, 10, 14, 14, 14, 19, 4, 99]),
            Kind::Absolute => self.below(size as u64 + 2) as i64,
            _ => self.number(size),
        }
    }

    /// An instruction at an address: mostly sensible, sometimes anything.
    fn pixel(&mut self, isa: Isa, at: i64, size: i64) -> Cell {
        if self.below(40) == 0 {
            return (self.next() as u32).to_le_bytes();
        }
        let often = self.below(2) == 0;
        let instruction = loop {
            let one = if often && isa == Isa::Pxi2 {
                *isa::by_opcode(self.one_of(OFTEN), isa).unwrap()
            } else {
                self.one_of(isa::TABLE)
            };
            // What ends a program is rare, or all would be short.
            let ends = matches!(one.opcode, isa::HALT | isa::RET | isa::JR | isa::JSR | isa::DROP);
            let rare = ends || one.opcode == isa::SYS || one.opcode == isa::POP;
            if one.is_in(isa) && (!rare || self.below(4) == 0) {
                break one;
            }
        };
        let mut pixel = Pixel::from(instruction.blank());
        for (index, operand) in instruction.operands.iter().enumerate() {
            let value = self.operand(at, size, *operand, index == 0);
            let (least, most) = operand.range();
            let value = value.clamp(least.max(-1 << 40), most);
            pixel = operand.set(pixel, value);
        }
        pixel.channels()
    }

    /// LI, and LIH if it needs that.
    fn constant(&mut self, register: u8, value: i64) -> Vec<Cell> {
        let bits = (value as u32) & 0xF_FFFF;
        let li = u32::from(isa::LI) << 24 | u32::from(register) << 20 | bits;
        let mut cells = vec![li.to_be_bytes()];
        if (value as u32 as i32) << 12 >> 12 != value as u32 as i32 {
            let [high, low, ..] = (value as u32).to_be_bytes();
            cells.push([isa::LIH, register, high, low]);
        }
        cells
    }

    /// What programs do all the time: a loop, a call, a loop that writes.
    fn idiom(&mut self) -> Vec<Cell> {
        let (a, b, c) = (self.target() as u8, self.target() as u8, self.target() as u8);
        let back = |n: i64| (-n as i16).to_be_bytes();
        let branch = |op, n| [op, a << 4 | b, back(n)[0], back(n)[1]];
        let kind = self.one_of(&[isa::BLT, isa::BNE, isa::BLTU, isa::BGE]);
        match self.below(8) {
            0 => vec![[isa::ADDW, c, c, a], [isa::ADDI, a, a, 1], branch(kind, 2)],
            1 => vec![
                [isa::LDX, c, 10, a],
                [isa::STX, c, 11, a],
                [isa::ADDI, a, a, 1],
                branch(isa::BLT, 3),
            ],
            2 => vec![[isa::STX, 12, 10, a], [isa::ADDW, a, a, 13], branch(isa::BLT, 2)],
            3 => vec![[isa::LOAD, c, 5, 0], [isa::SUB, a, a, 13], [isa::BNZ, a, 0xFF, 0xFE]],
            4 => vec![[isa::PUSHM, 0, 0, 0xC0], [isa::MOV, 6, a, 0], [isa::ADDI, a, a, 255]],
            5 => vec![[isa::ADDW, 0, 6, 7], [isa::POPM, 0, 0, 0xC0], [isa::RET, 0, 0, 0]],
            6 => vec![[isa::LD, a, 10, 1], [isa::ST, a, 11, 255], [isa::ADDI, 10, 10, 1]],
            _ => vec![[isa::SLT, c, a, b], [isa::BZ, c, 0, 2]],
        }
    }

    fn code(&mut self, cells: &mut Vec<Cell>, isa: Isa, start: i64, end: i64, size: i64) {
        while (cells.len() as i64) < end {
            let at = cells.len() as i64;
            if isa == Isa::Pxi2 && self.below(25) == 0 {
                // Runs itself, or what lies in a part of it.
                let from = self.below(size as u64) as i64 * i64::from(self.below(2) as u8);
                cells.extend(self.constant(0, from));
                cells.extend(self.constant(1, size - from));
                cells.extend(self.constant(2, 0));
                cells.push([isa::SYS, 0, 0, 14]);
            } else if isa == Isa::Pxi2 && self.below(6) == 0 {
                let idiom = self.idiom();
                cells.extend(idiom);
            } else {
                cells.push(self.pixel(isa, at - start, size));
            }
        }
        cells.truncate(end as usize);
    }

    /// A memory: code that begins with constants, modules to run, and data.
    fn memory(&mut self) -> Vec<Cell> {
        let size = 40 + self.below(140) as i64;
        let mut cells = Vec::new();
        let module = 20 + self.below(size as u64 - 20) as i64;
        let length = self.below((size - module) as u64 + 1) as i64;
        for register in 0..16 {
            if self.below(3) > 0 {
                let value = self.number(size);
                cells.extend(self.constant(register, value));
            }
        }
        // What most RUNs get.
        for (register, value) in [(0, module), (1, length), (2, self.below(3) as i64 * 40)] {
            cells.extend(self.constant(register, value));
        }
        if self.below(3) == 0 {
            cells.push([isa::SYS, 0, 0, 14]);
        }
        cells.truncate(module as usize);
        self.code(&mut cells, Isa::Pxi2, 0, module, size);
        let isa = if self.below(3) == 0 { Isa::Pxi1 } else { Isa::Pxi2 };
        if isa == Isa::Pxi2 {
            cells.extend([*b"PXIM", [2, 0, 0, 0], [0, 0, 0, 16 + self.below(3) as u8]]);
            cells.resize(module as usize + 16, [0; 4]);
        } else if self.below(2) == 0 {
            cells.extend([*b"PXIM", [1, 0, 0, 0], [4 + self.below(3) as u8, 0, 0, 0], [0; 4]]);
        }
        self.code(&mut cells, isa, module, (module + length).max(module), length.max(1));
        let rest = if self.below(2) == 0 { isa } else { Isa::Pxi2 };
        self.code(&mut cells, rest, 0, size, size);
        cells
    }
}

fn raster(cells: &[Cell]) -> Raster {
    let pixels = cells.iter().copied().map(Pixel::from).collect();
    Raster::new(cells.len() as u32, 1, pixels).unwrap()
}

fn machine(cells: &[Cell], frame: (i64, i64)) -> Machine {
    let blank = vec![[0, 0, 0, 255]; (frame.0 * frame.1) as usize];
    let pixels = blank.into_iter().map(Pixel::from).collect();
    let picture = Raster::new(frame.0 as u32, frame.1 as u32, pixels).unwrap();
    let limits = Limits { stack_bytes: MOST_STACK * 4, ..Limits::default() };
    Machine::new2(raster(cells), picture, 0).with_limits(limits).with_seed(7)
}

fn state_of(machine: &Machine, screen: &str) -> State {
    let channels = |raster: &Raster| raster.pixels().iter().map(|pixel| pixel.channels()).collect();
    let window = machine.window();
    State {
        regs: machine.registers().to_vec(),
        pc: machine.pc() as i64,
        window: (window.start as i64, window.end as i64),
        second: machine.isa() == Isa::Pxi2,
        stack: machine.stack().to_vec(),
        depth: machine.depth(),
        steps: machine.steps(),
        screen: screen.to_owned(),
        frame: channels(machine.frame()),
        memory: channels(machine.memory()),
    }
}

/// Runs in slices of so many steps; 0 is a different number each time.
fn sliced(cells: &[Cell], frame: (i64, i64), fuel: u64, slice: u64) -> (Stop, State) {
    let (mut machine, mut world) = (machine(cells, frame), World(String::new()));
    let mut random = Random(slice.wrapping_add(11));
    let stop = loop {
        let now = if slice == 0 { random.below(9) } else { slice };
        let stop = machine.run(&mut world, now.min(fuel.saturating_sub(machine.steps())));
        if stop != Stop::OutOfFuel || machine.steps() >= fuel {
            break stop;
        }
    };
    (stop, state_of(&machine, &world.0))
}

/// How often something was seen that must have been compared.
#[derive(Debug, Default)]
struct Seen {
    traps: [u32; 10],
    ended: u32,
    out_of_fuel: u32,
    nested: u32,
    first_inside: u32,
}

impl Seen {
    fn note(&mut self, stop: &Stop, state: &State) {
        match stop {
            Stop::Trap(trap) => self.traps[trap.code() as usize] += 1,
            Stop::OutOfFuel => self.out_of_fuel += 1,
            _ => self.ended += 1,
        }
        self.nested += u32::from(state.depth > 1);
        self.first_inside += u32::from(state.isa() == Isa::Pxi1);
    }
}

#[test]
fn random_programs_end_in_the_same_state() {
    let mut random = Random(20_260_201);
    let mut seen = Seen::default();
    for round in 0..100_000 {
        let cells = random.memory();
        let frame = (1 + random.below(6) as i64, 1 + random.below(6) as i64);
        let fuel = random.one_of(&[9, 60, 400, 2000]);
        let mut naive = Naive::new(cells.clone(), frame, 0, MOST_STACK);
        let stop = naive.run(fuel);
        let (mut machine, mut world) = (machine(&cells, frame), World(String::new()));
        let ours = machine.run(&mut world, fuel);
        let state = state_of(&machine, &world.0);
        assert_eq!((&ours, &state), (&stop, &naive.s), "round {round}, fuel {fuel}");
        seen.note(&stop, &state);
        if round % 4 == 0 {
            let slice = round / 4 % 4;
            let (stop, sliced) = sliced(&cells, frame, fuel, slice);
            assert_eq!((&stop, &sliced), (&ours, &state), "round {round} in slices of {slice}");
        }
    }
    // All of it must have been compared often enough; the screen and the budget never end here.
    for code in [1, 4, 5, 6, 7, 8, 9] {
        assert!(seen.traps[code] > 50, "{seen:?}");
    }
    assert!(seen.ended > 1000 && seen.out_of_fuel > 1000, "{seen:?}");
    assert!(seen.nested > 20 && seen.first_inside > 100, "{seen:?}");
}

/// What a caller ran as one with the first pixel of a module's window is not so
/// any more when the module has changed that pixel, which does not see the caller.
#[test]
fn a_module_that_changes_its_first_pixel_changes_its_caller() {
    let number = |register: u8, value: u8| [isa::LI, register << 4, 0, value];
    let cells = vec![
        number(5, 0),
        number(6, 3),
        [isa::ADDI, 5, 5, 1],
        // From here on the module's window; PXI-1 skips what it does not know.
        [isa::BLT, 0x56, 0xFF, 0xFF],
        number(0, 3),
        number(1, 11),
        number(2, 0),
        number(3, 13),
        [isa::SYS, 0, 0, 14],
        [isa::BRA, 0xFF, 0xFF, 0xF9],
        [isa::NOP, 0, 0, 255],
        [isa::SYS_BLOB, 0, 0, 0],
        [isa::HALT, 0, 0, 0],
        [isa::HALT, 0, 0, 0],
    ];
    for fuel in 0..60 {
        let mut naive = Naive::new(cells.clone(), (1, 1), 0, MOST_STACK);
        let stop = naive.run(fuel);
        let (ours, state) = sliced(&cells, (1, 1), fuel, u64::MAX);
        assert_eq!((&ours, &state), (&stop, &naive.s), "fuel {fuel}");
        if fuel == 59 {
            assert!(matches!(stop, Stop::Trap(_)), "{stop:?}");
            assert_eq!((state.regs[5], state.pc), (4, 3));
        }
    }
}
