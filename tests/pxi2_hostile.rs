//! Programs that mean harm: each ends in a typed stop, in bounded time and memory.
#![allow(clippy::unwrap_used, missing_docs)]

use std::time::{Duration, Instant};

use pxfs::pxi::asm::{Options, assemble};
use pxfs::pxi::host::{Sealed, Stat, Which};
use pxfs::pxi::{
    BlobError, BlobReply, BlobRequest, CallError, Files, Host, Limits, LlmError, LlmRequest,
    Machine, Pixel, Program, Raster, ScreenError, Stop, Trap, isa,
};

fn machine(source: &str) -> Machine {
    program(source).into_machine()
}

fn program(source: &str) -> Program {
    let assembly = assemble(&format!(".module 2\n{source}"), Options::default());
    Program::parse(assembly.unwrap_or_else(|errors| panic!("{errors:?}")).raster).unwrap()
}

fn sealed() -> Sealed {
    Sealed::new(1 << 16)
}

/// Runs with a second's worth of fuel; the time is bounded generously.
fn end(machine: &mut Machine) -> Stop {
    let begun = Instant::now();
    let stop = machine.run(&mut sealed(), 1_000_000);
    assert!(begun.elapsed() < Duration::from_secs(30));
    stop
}

#[test]
fn endless_loops_and_recursions_end() {
    assert_eq!(end(&mut machine("x: BRA x")), Stop::OutOfFuel);
    let limits = Limits { stack_bytes: 40_000, ..Limits::default() };
    let full = Stop::Trap(Trap::StackFull { entries: 10_000, bytes: 40_000 });
    for source in ["x: BSR x", "LEA R1, x\nx: JSR R1", "x: PUSH R1\nBRA x"] {
        assert_eq!(end(&mut machine(source).with_limits(limits)), full, "{source}");
    }
    for source in ["x: PUSHM {R0-R15}\nBRA x", "x: GROW 999\nBRA x"] {
        let stop = end(&mut machine(source).with_limits(limits));
        assert!(matches!(stop, Stop::Trap(Trap::StackFull { bytes: 40_000, .. })), "{source}");
    }
}

#[test]
fn a_store_to_every_address_is_done_or_a_trap() {
    let stores = ["ST R2, R1, 0", "STX R2, R1, R3", "STB R2, R1, 0", "STBX R2, R1, R3"];
    for store in stores {
        // Up from 0, over the code itself.
        let mut up = machine(&format!("LI R1, 0\nLI R2, -1\nx: {store}\nADDI R1, R1, 1\nBRA x"));
        // -1 is HALT where it is run.
        assert!(matches!(end(&mut up), Stop::Trap(_) | Stop::Halt), "{store}");
        // And steps of half a million pixels through all 32 bits.
        let source = format!("SET R4, 524287\nx: {store}\nADDW R1, R1, R4\nBRA x");
        assert!(matches!(end(&mut machine(&source)), Stop::Trap(Trap::BadAddress(_))), "{store}");
    }
    for address in (0..=u32::MAX).step_by(0x0FFF_FFF1).chain([u32::MAX]) {
        let mut machine = machine("ST R2, R1, 0\nLD R3, R1, 0\nRET");
        let len = machine.memory().pixels().len() as u32;
        machine.registers_mut()[1] = address;
        let stop = end(&mut machine);
        let outside = Stop::Trap(Trap::BadAddress(address));
        assert_eq!(stop, if address < len { Stop::Return } else { outside });
    }
}

#[test]
fn copies_and_fills_of_any_size_are_bounded() {
    for (to, count) in [(0, u32::MAX), (u32::MAX, u32::MAX), (16, 1 << 24), (u32::MAX, 1)] {
        for instruction in ["COPY R1, R2, R3", "COPY R2, R1, R3", "FILL R1, R2, R3"] {
            let mut machine = machine(&format!("{instruction}\nRET"));
            machine.registers_mut()[..4].copy_from_slice(&[0, to, 0, count]);
            assert!(matches!(end(&mut machine), Stop::Trap(Trap::BadAddress(_))), "{instruction}");
        }
    }
    // What they cost is counted: this is no way around the fuel.
    let mut big =
        machine("SET R3, 1000000\nLEA R1, __heap\nx: FILL R1, R2, R3\nBRA x\n.memory 1000000");
    assert_eq!(end(&mut big), Stop::OutOfFuel);
    assert!(big.steps() < 1_000_000 + 1_000_000 / 16);
}

#[test]
fn pictures_of_one_pixel_and_of_one_row_run() {
    for pixel in 0..=255u8 {
        for rest in [[0, 0, 0], [15, 15, 15], [255, 255, 255]] {
            let cell = Pixel::new(pixel, rest[0], rest[1], rest[2]);
            let one = Raster::new(1, 1, vec![cell]).unwrap();
            end(&mut Machine::new2(one.clone(), one.clone(), 0));
            end(&mut Program::raw(one.clone()).into_machine());
            end(&mut Machine::new2(one.clone(), one, u32::MAX));
        }
    }
    // Background is NOPs.
    let row = Raster::new(20_000, 1, vec![Pixel::BACKGROUND; 20_000]).unwrap();
    let mut first = Program::raw(row.clone()).into_machine();
    assert_eq!((end(&mut first), first.steps()), (Stop::EndOfMemory, 20_000));
    let mut second = Machine::new2(row.clone(), row, 0);
    assert_eq!((end(&mut second), second.steps()), (Stop::Trap(Trap::BadJump(20_000)), 20_000));
}

#[test]
fn jumps_out_of_the_memory_trap() {
    for source in ["BRA x\n.equ x, 8000000", "BRA x\n.equ x, -8000000", "LI R1, -1\nJR R1"] {
        assert!(matches!(end(&mut machine(source)), Stop::Trap(Trap::BadJump(_))), "{source}");
    }
    assert_eq!(end(&mut machine("BRA x\n.equ x, -1")), Stop::Trap(Trap::BadJump(u32::MAX)));
}

/// Runs what lies in its memory from R0 on, R1 pixels, until that fails.
const RUNS_ITSELF: &str = "
    start:  MOV     R6, R0
            MOV     R7, R1
            SYS     RUN
            MOV     R10, R0
            MOV     R11, R1
            MOV     R12, R2
            MOV     R0, R1
            SYS     EXIT";

#[test]
fn a_module_that_runs_itself_ends_at_the_depth_allowed() {
    // Each one sees the same pixels again, as its own.
    let source = "
            LI      R0, 0
            LI      R1, 40
            LI      R2, 0
            SYS     RUN
            ADDI    R0, R2, 1
            BZ      R1, out
            ADDI    R0, R1, 100
    out:    SYS     EXIT
            .memory 40";
    let mut machine = machine(source);
    // Sixteen wait, the seventeenth is refused: error 15, and one more for each that waited.
    assert_eq!(end(&mut machine), Stop::Exit(100 + 15 + 16));
    assert_eq!(machine.depth(), 0);
}

#[test]
fn windows_that_overlap_the_caller_do_no_harm() {
    // The child fills all that it sees, and that is the caller, too.
    for (start, pixels) in [(0u32, 60u32), (16, 30), (17, 5), (30, 30), (0, 61)] {
        let mut machine = machine(&format!("{RUNS_ITSELF}\n.memory 60"));
        machine.registers_mut()[..3].copy_from_slice(&[start, pixels, 500]);
        let stop = end(&mut machine);
        assert!(matches!(stop, Stop::Exit(_) | Stop::Trap(_)), "{start} {pixels}: {stop:?}");
        assert_eq!(machine.depth(), 0);
    }
    for (start, pixels) in [(0u32, u32::MAX), (u32::MAX, 1), (u32::MAX, u32::MAX), (1 << 24, 0)] {
        let mut machine = machine(RUNS_ITSELF);
        machine.registers_mut()[..2].copy_from_slice(&[start, pixels]);
        assert_eq!(end(&mut machine), Stop::Exit(CallError::BadAddress.code()));
    }
}

/// A machine whose caller runs a child with so much fuel and puts what RUN gives into R10 to R12.
fn family(child: &str, fuel: u32) -> Machine {
    let child = program(child);
    let pixels = child.header().unwrap().memory;
    let parent = program(&format!(
        "LEA R0, __heap\nSET R1, {pixels}\nSET R2, {fuel}\nSYS RUN\nMOV R10, R0\nMOV R11, R1\n\
         MOV R12, R2\nRET\n.memory {pixels}"
    ));
    let start = parent.header().unwrap().memory - pixels;
    let mut machine = parent.into_machine();
    let cells = child.raster().pixels();
    let length = child.header().unwrap().length as usize;
    machine.memory_mut()[start as usize..][..length].copy_from_slice(&cells[..length]);
    machine
}

#[test]
fn whatever_ends_a_child_leaves_its_caller_alone() {
    let cases = [
        ("x: BSR x", 0, 2, 1),
        ("x: BRA x", 500, 1, 0),
        ("POP R1", 0, 2, 7),
        ("DROP 1", 0, 2, 7),
        ("PEEK R1, 0", 0, 2, 7),
        ("LI R1, -1\nST R1, R1, 0", 0, 2, 5),
        ("LI R1, 1\nDIVU R1, R1, R2", 0, 2, 8),
        ("LIH R1, 0x8000\nSUBV R1, R2, R1", 0, 2, 9),
        ("BRA x\n.equ x, 100000", 0, 2, 6),
        (".pixel 0x99, 0, 0, 0", 0, 2, 4),
        ("RET", 0, 0, 0),
        ("HALT", 0, 0, 0),
        ("LI R0, 77\nSYS EXIT", 0, 0, 77),
    ];
    for (child, fuel, how, detail) in cases {
        let limits = Limits { stack_bytes: 4000, ..Limits::default() };
        let mut machine = family(child, fuel).with_limits(limits);
        assert_eq!(end(&mut machine), Stop::Return, "{child}");
        assert_eq!(machine.registers()[10..13], [how, 0, detail], "{child}");
        assert!(machine.stack().is_empty(), "{child}");
    }
}

/// A host with one file, a module that loads itself over itself, and blobs without end.
struct World {
    module: Vec<u8>,
}

impl Host for World {
    fn print(&mut self, _: char) -> Result<(), ScreenError> {
        Ok(())
    }

    fn blob(&mut self, request: &BlobRequest) -> BlobReply {
        if request.id == 1 {
            // More than was asked for: a host may be wrong.
            return BlobReply { result: Ok(vec![isa::HALT; 100_000]), cost: 100_000 };
        }
        BlobReply { result: Err(BlobError::NotFound(request.id)), cost: 1 }
    }

    fn llm(&mut self, _: &LlmRequest) -> Result<String, LlmError> {
        Ok("yes".repeat(100_000))
    }

    fn files(&self) -> Option<&dyn Files> {
        Some(self)
    }
}

impl Files for World {
    fn canonical(&self, path: &str) -> Result<String, CallError> {
        Ok(path.to_owned())
    }

    fn stat(&self, _: &str) -> Result<Stat, CallError> {
        Ok(Stat::default())
    }

    fn resolve(&self, _: &str) -> Result<u32, CallError> {
        Ok(1)
    }

    fn list(&self, _: &str) -> Result<Vec<Vec<u8>>, CallError> {
        Ok(vec![b"name".to_vec(); 100_000])
    }

    /// Gives more than was asked for.
    fn read(&self, _: Which<'_>, _: u64, _: usize) -> Result<Vec<u8>, CallError> {
        Ok(vec![0x33; 100_000])
    }

    fn checked(&self, _: Which<'_>, _: u64) -> Result<(Vec<u8>, u32), CallError> {
        Ok((self.module.clone(), 1))
    }

    fn requires(&self, path: &str) -> Result<Vec<String>, CallError> {
        Ok(vec![path.to_owned(); 10_000])
    }
}

#[test]
fn a_module_that_loads_itself_over_itself_goes_on() {
    let source = "
            LEAT    R0, R1, path
            LI      R2, 0
            LI      R3, 30000
            SYS     MODULE
            MOV     R6, R0
            MOV     R7, R1
            RET
            .data
    path:   .ascii  \"/self\"
            .memory 1000";
    let program = program(source);
    let mut world = World { module: program.raster().to_png().unwrap() };
    let mut machine = program.into_machine();
    let before = machine.memory().pixels().to_vec();
    assert_eq!(machine.run(&mut world, 1000), Stop::Return);
    assert_eq!(machine.registers()[7], 0);
    assert_eq!(machine.registers()[6] as usize, before.len());
    assert_eq!(machine.memory().pixels(), before);
}

#[test]
fn answers_larger_than_their_room_are_errors() {
    let mut world = World { module: Vec::new() };
    for call in ["READ", "BLOB", "LIST", "REQUIRES", "LLM", "INPUT", "STOPPED"] {
        for (buffer, room) in [(0, 40), (u32::MAX, 40), (4 * 70, 1 << 20), (0, u32::MAX)] {
            let source = format!("SYS {call}\nRET\n.memory 50");
            let mut machine = machine(&source);
            let text = u32::from_be_bytes(*b"/a/b");
            let len = machine.memory().pixels().len();
            machine.memory_mut()[len - 1] = Pixel::of_value(text);
            let path = (len as u32 - 1) * 4;
            let registers = if call == "BLOB" {
                [1, buffer, room, 0]
            } else if matches!(call, "INPUT" | "STOPPED") {
                [buffer, room, 0, 0]
            } else {
                [path, 4, buffer, room]
            };
            machine.registers_mut()[..4].copy_from_slice(&registers);
            let stop = machine.run(&mut world, 1000);
            assert!(matches!(stop, Stop::Return | Stop::Trap(_)), "{call}: {stop:?}");
            assert_eq!(machine.memory().pixels().len(), len);
        }
    }
}

#[test]
fn a_blob_larger_than_the_memory_is_cut() {
    let code = [[isa::LOAD, 0, 1, 0], [isa::SYS_BLOB, 0, 0, 0], [isa::NOP, 0, 0, 0]];
    let pixels = code.map(Pixel::from).to_vec();
    let mut machine = Program::raw(Raster::new(3, 1, pixels).unwrap()).into_machine();
    let stop = machine.run(&mut World { module: Vec::new() }, 1000);
    // It wrote HALT over everything, what comes next included.
    assert_eq!((stop, machine.registers()[0], machine.pc()), (Stop::Halt, 3, 2));
}

#[test]
fn a_host_that_reads_too_much_ends_the_run() {
    let source = "x: LI R0, 1\nLI R1, 0\nLI R2, 0\nLI R3, 0\nSYS BLOB\nBRA x";
    let limits = Limits { host_bytes: 100_000, ..Limits::default() };
    let mut machine = machine(source).with_limits(limits);
    let stop = machine.run(&mut World { module: Vec::new() }, 1_000_000);
    assert!(matches!(stop, Stop::Trap(Trap::HostBudget { limit: 100_000, .. })), "{stop:?}");
}

#[test]
fn random_pixels_are_typed_stops_and_errors() {
    let mut seed = 9u64;
    let mut random = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 32) as u32
    };
    for _ in 0..2000 {
        let len = 1 + random() % 400;
        let mut pixels: Vec<Pixel> = (0..len).map(|_| Pixel::of_value(random())).collect();
        let raster = Raster::new(len, 1, pixels.clone()).unwrap();
        let limits = Limits { stack_bytes: 4096, ..Limits::default() };
        Program::raw(raster.clone()).into_machine().run(&mut sealed(), 2000);
        Machine::new2(raster.clone(), raster, 0).with_limits(limits).run(&mut sealed(), 2000);
        // As a header of each version.
        for version in 0..4 {
            pixels[0] = Pixel::from(*b"PXIM");
            if let Some(pixel) = pixels.get_mut(1) {
                *pixel = Pixel::new(version, 0, 0, 0);
            }
            let raster = Raster::new(len, 1, pixels.clone()).unwrap();
            if let Ok(program) = Program::parse(raster) {
                assert!(program.entry() < len as usize);
                program.into_machine().with_limits(limits).run(&mut sealed(), 2000);
            }
        }
    }
}

#[test]
fn a_large_memory_costs_nothing_before_it_is_used() {
    let memory = Raster::new(1 << 20, 1, vec![Pixel::new(isa::RET, 0, 0, 0); 1 << 20]).unwrap();
    let frame = Raster::new(1, 1, vec![Pixel::BACKGROUND]).unwrap();
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let mut machine = Machine::new2(memory.clone(), frame.clone(), 0);
        let begun = Instant::now();
        assert_eq!(machine.run(&mut sealed(), 100), Stop::Return);
        best = best.min(begun.elapsed());
    }
    assert!(best < Duration::from_millis(5), "{best:?}");
}
