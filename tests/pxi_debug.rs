//! The debugger, the tracer and the profiler on real programs, without a terminal.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;

use pxfs::pxi::debug::{Debugger, Front, Names, Profiler, Symbols, TraceLine, Tracer};
use pxfs::pxi::host::Sealed;
use pxfs::pxi::isa::{self, calls};
use pxfs::pxi::pxim2::{Function, Parts};
use pxfs::pxi::{
    BlobReply, BlobRequest, Host, LlmError, LlmRequest, Pixel, Program, Raster, ScreenError, Stop,
};

/// A host of a debugger that knows one source and keeps pictures.
struct Desk {
    sealed: Sealed,
    source: &'static str,
    saved: Vec<(String, Raster)>,
}

impl Desk {
    fn new() -> Self {
        Self { sealed: Sealed::new(1 << 20), source: "", saved: Vec::new() }
    }
}

impl Host for Desk {
    fn print(&mut self, c: char) -> Result<(), ScreenError> {
        self.sealed.print(c)
    }
    fn blob(&mut self, request: &BlobRequest) -> BlobReply {
        self.sealed.blob(request)
    }
    fn llm(&mut self, request: &LlmRequest) -> Result<String, LlmError> {
        self.sealed.llm(request)
    }
}

impl Front for Desk {
    fn source(&mut self, file: &str) -> Result<String, String> {
        if self.source.is_empty() {
            Err(format!("cannot read {file}"))
        } else {
            Ok(self.source.into())
        }
    }
    fn save(&mut self, path: &str, picture: &Raster) -> Result<(), String> {
        self.saved.push((path.into(), picture.clone()));
        Ok(())
    }
}

fn sample(id: &str) -> Program {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/pxi/png/{id}.png"));
    Program::parse(Raster::from_png(&std::fs::read(path).unwrap()).unwrap()).unwrap()
}

fn rows(code: &[[u8; 4]]) -> Vec<Pixel> {
    code.iter().copied().map(Pixel::from).collect()
}

fn program(parts: &Parts) -> Program {
    let pixels = parts.pixels();
    Program::parse(Raster::new(pixels.len() as u32, 1, pixels).unwrap()).unwrap()
}

fn function(name: &str, address: u32) -> Function {
    Function { name: name.into(), address }
}

/// Main counts R1 from 3 to 0 and calls `twice` each time, which doubles R2 and
/// calls `leaf`; then it writes into itself and halts.
fn counter() -> Program {
    let code = [
        [isa::LI, 0x10, 0, 3],   // 16 main
        [isa::LI, 0x20, 0, 1],   // 17
        [isa::BSR, 0, 0, 8],     // 18 again: -> 26
        [isa::ADDI, 1, 1, 255],  // 19
        [isa::BNZ, 1, 255, 254], // 20 -> 18
        [isa::LEA, 0x30, 0, 10], // 21 R3 = 31
        [isa::ST, 2, 3, 0],      // 22
        [isa::STB, 1, 2, 120],   // 23 byte 8 + 120 = 128: pixel 32
        [isa::PLOT, 1, 1, 2],    // 24
        [isa::HALT, 0, 0, 0],    // 25
        [isa::ADDW, 2, 2, 2],    // 26 twice
        [isa::PUSH, 2, 0, 0],    // 27
        [isa::BSR, 0, 0, 2],     // 28 -> 30
        [isa::BRA, 0, 0, 2],     // 29 -> 31
        [isa::RET, 0, 0, 0],     // 30 leaf
        [isa::DROP, 0, 0, 1],    // 31
        [isa::RET, 0, 0, 0],     // 32
    ];
    // 31 is overwritten at the end only.
    program(&Parts {
        code: rows(&code),
        entry: 16,
        frame: Some((4, 4)),
        functions: vec![function("main", 16), function("twice", 26), function("leaf", 30)],
        ..Parts::default()
    })
}

fn tracer(program: Program, symbols: Symbols) -> Tracer {
    let machine = program.into_machine();
    let names = Names::of(symbols, machine.memory().pixels());
    Tracer::new(machine, names)
}

fn debugger(program: Program) -> Debugger {
    Debugger::new(tracer(program, Symbols::default()), "a test\n".into())
}

/// Runs commands; each must give exactly the text, an error as `! sentence`.
fn script(debugger: &mut Debugger, desk: &mut Desk, lines: &[(&str, &str)]) {
    for (command, expected) in lines {
        let text = match debugger.command(command, desk) {
            Ok(reply) => reply.text,
            Err(error) => format!("! {error}"),
        };
        assert_eq!(text.trim_end(), *expected, "{command}");
    }
}

#[test]
fn a_program_is_followed_step_by_step() {
    let mut debugger = debugger(counter());
    script(
        &mut debugger,
        &mut Desk::new(),
        &[
            ("where", "=> 16 main: LI R1, 3"),
            ("step", "=> 17 main+1: LI R2, 1"),
            ("s", "=> 18 main+2: BSR twice"),
            ("next", "=> 19 main+3: ADDI R1, R1, -1"),
            ("n 2", "=> 18 main+2: BSR twice"),
            ("s", "=> 26 twice: ADDW R2, R2, R2"),
            ("s 3", "=> 30 leaf: RET"),
            ("bt", "#0  30 leaf\n#1  28 twice+2 called 30 leaf\n#2  18 main+2 called 26 twice"),
            (
                "stack",
                "       2: 0000001D          29  return to 29 twice+3\n       \
                 1: 00000004           4\n       0: 00000013          19  return to 19 main+3",
            ),
            ("finish", "=> 29 twice+3: BRA leaf+1"),
            ("finish", "=> 19 main+3: ADDI R1, R1, -1"),
            ("finish", "! no call is open"),
            ("until leaf", "=> 30 leaf: RET"),
            ("print R2 * 2 + sp", "19  0x00000013  #00000013"),
            ("print -1", "-1  0xFFFFFFFF  #FFFFFFFF"),
            ("until 25", "=> 25 main+9: HALT"),
            ("c", "the program ended: HALT (after 36 steps)\n=> 25 main+9: HALT"),
            ("c", "! the program has ended; run begins it anew"),
            ("restart", "=> 16 main: LI R1, 3"),
            ("run", "the program ended: HALT (after 36 steps)\n=> 25 main+9: HALT"),
        ],
    );
    assert_eq!(debugger.ended(), Some(&Stop::Halt));
    assert!(debugger.command("q", &mut Desk::new()).unwrap().quit);
}

#[test]
fn breakpoints_and_watches_stop_it() {
    script(
        &mut debugger(counter()),
        &mut Desk::new(),
        &[
            ("bl", "there are no breakpoints"),
            ("break twice if R1 == 2", "breakpoint 1 at 26 twice"),
            ("tbreak 19", "breakpoint 2 at 19 main+3"),
            ("watch R3", "watch 3 of R3"),
            ("c", "breakpoint 2\n=> 19 main+3: ADDI R1, R1, -1"),
            ("c", "breakpoint 1\n=> 26 twice: ADDW R2, R2, R2"),
            ("bl", "1: break at 26 twice if R1 == 2, 1 times\n3: watch of R3, 0 times"),
            ("delete 2", "! there is no breakpoint or watch 2"),
            ("delete 1", ""),
            ("watch leaf + 2", "watch 4 of [32]"),
            ("c", "watch 3: R3 was 0, is 31, changed at 21 main+5\n=> 22 main+6: ST R2, R3, 0"),
            (
                "c",
                "watch 4: [32] was 855638016, is 0, changed at 23 main+7\n=> 24 main+8: PLOT R1, R1, R2",
            ),
            ("delete", ""),
            ("b 25 if [R3 * 99999] == 1", "breakpoint 5 at 25 main+9"),
            ("c", "breakpoint 5: address 3099969 is outside the memory\n=> 25 main+9: HALT"),
            ("watch R3", "watch 6 of R3"),
            ("set R3 = 9", ""),
            ("c", "the program ended: HALT (after 36 steps)\n=> 25 main+9: HALT"),
            ("set pc = 24", ""),
            ("s", "breakpoint 5: address 899991 is outside the memory\n=> 25 main+9: HALT"),
        ],
    );
}

#[test]
fn memory_is_shown_and_changed() {
    let mut desk = Desk::new();
    script(
        &mut debugger(counter()),
        &mut desk,
        &[
            ("x/2 0", "       0: 5058494D  02000000"),
            (
                "x",
                "       2: 00000010  00000031  00000031  00040004\n       6: 00000025  00000003  00000031  00000000",
            ),
            ("x/1t 0", "       0: \"PXIM\""),
            ("x/2b 16", "      16:  18  16   0   3   18  32   0   1"),
            ("x/1d 16", "      16: 303038467"),
            ("x/2i twice", "twice:\n         26  ADDW R2, R2, R2\n         27  PUSH R2"),
            ("x/1p 16", "      16: #12100003"),
            ("x/3q 0", "! 'q' is no form; there are x, d, u, b, t, g, i or p"),
            ("x/0 0", "! '0' is no count"),
            ("x/4 99", "! address 99 is outside the memory"),
            ("x/4 -1", "! address -1 is outside the memory"),
            ("x/9 48", "      48: 00000000"),
            ("x", "! address 49 is outside the memory"),
            ("set [16] = 0xFF000000", ""),
            (
                "dis",
                "main:\n=>       16  HALT\n         17  LI R2, 1\n         18  BSR twice\n         19  ADDI R1, R1, -1\n         20  BNZ R1, main+2\n         21  LEA R3, leaf+1\n         22  ST R2, R3, 0\n         23  STB R1, R2, 120\n         24  PLOT R1, R1, R2\n         25  HALT",
            ),
            ("dis 17 1", "         17  LI R2, 1"),
            ("set R16 = 1", "! set is written: set Rn = EXPR, set pc = EXPR, set [EXPR] = EXPR"),
            ("set R1 = 99999999999", "! 99999999999 does not fit 32 bits"),
            ("set R1 = -2", ""),
            ("p R1", "4294967294  0xFFFFFFFE  signed -2  #FFFFFFFE"),
            ("set pc = 49", "! the module that runs lies at 0 to 48, not at 49"),
            ("c", "the program ended: HALT (after 0 steps)\n=> 16 main: HALT"),
            ("save frame f.png", "f.png: 4x4 pixels"),
            ("save memory m.png", "m.png: 1x49 pixels"),
            ("save", "! save is written: save frame FILE, save memory FILE"),
            ("symbols wi", "      26  twice"),
            ("symbols zzz", "! no name holds 'zzz'"),
            ("list", "! no line is known for address 16"),
            ("info module", "a test\nruns PXI-2 code, sees pixels 0 to 48"),
            ("info policy", "forbidden calls: none"),
            (
                "info everything",
                "! info tells of breakpoints, frame, module, policy, registers, symbols, not of 'everything'",
            ),
            ("fly", "! there is no command 'fly'; help lists them"),
            ("break nowhere", "! there is no register or name 'nowhere'"),
            ("break a.pxs:3", "! there is no code of a.pxs, line 3 or after it"),
            ("watch", "! an expression is missing"),
            ("step -1", "! '-1' is no count"),
            ("", ""),
        ],
    );
    assert_eq!(desk.saved[0].1.width(), 4);
}

#[test]
fn symbol_files_give_names_and_lines() {
    let symbols = r#"{"files": ["src/c.pxs"], "symbols": [
        {"name": "again", "value": 18, "kind": "label"},
        {"name": "BIG", "value": 4000000, "kind": "constant"}],
        "lines": [{"address": 16, "file": 0, "line": 1}, {"address": 18, "file": 0, "line": 3}]}"#;
    let tracer = tracer(counter(), Symbols::parse(symbols).unwrap());
    let mut debugger = Debugger::new(tracer, String::new());
    let mut desk = Desk::new();
    script(&mut debugger, &mut desk, &[("list", "! cannot read src/c.pxs")]);
    desk.source = "main:  LI R1, 3\n\n\x1b[2Jagain:\n";
    script(
        &mut debugger,
        &mut desk,
        &[
            ("break c.pxs:2", "breakpoint 1 at 18 again (src/c.pxs:3)"),
            ("list", "=>     1  main:  LI R1, 3\n       2  \n       3  ?[2Jagain:"),
            ("list", "! src/c.pxs has no line 12"),
            ("c", "breakpoint 1\n=> 18 again (src/c.pxs:3): BSR twice"),
            ("p BIG", "4000000  0x003D0900  #003D0900"),
            ("break BIG", "! address 4000000 is outside the memory"),
        ],
    );
}

#[test]
fn a_program_of_pxi_1_is_debugged_all_the_same() {
    let mut debugger = debugger(sample("classic_nested_calls"));
    let mut desk = Desk::new();
    for _ in 0..4 {
        debugger.command("step", &mut desk).unwrap();
    }
    debugger.command("run", &mut desk).unwrap();
    assert!(debugger.ended().unwrap().halted());
}

#[test]
fn an_endless_loop_ends_with_the_patience() {
    let mut debugger = debugger(sample("classic_spin")).with_fuel(1000);
    let mut desk = Desk::new();
    for command in ["continue", "step 5000", "next 5000"] {
        let text = debugger.command(command, &mut desk).unwrap().text;
        assert!(text.starts_with("no end after 1000 steps; continue goes on\n"), "{text}");
    }
}

#[test]
fn a_program_that_rewrites_itself_under_a_breakpoint_runs_what_it_wrote() {
    let code = [
        [isa::LEA, 0x10, 0, 6], // 16 R1 = 22
        [isa::LD, 2, 1, 0],     // 17
        [isa::ST, 2, 1, 253],   // 18 writes pixel 19
        [isa::NOP, 0, 0, 0],    // 19 becomes LI R5, 7
        [isa::BZ, 0, 255, 255], // 20 back to 19
        [isa::HALT, 0, 0, 0],   // 21
        [isa::LI, 0x50, 0, 7],  // 22
        [isa::HALT, 0, 0, 0],   // 23
    ];
    let program = program(&Parts { code: rows(&code), entry: 16, ..Parts::default() });
    script(
        &mut debugger(program).with_fuel(100),
        &mut Desk::new(),
        &[
            ("b 19", "breakpoint 1 at 19"),
            ("watch 19", "watch 2 of [19]"),
            ("c", "watch 2: [19] was 0, is 307232775, changed at 18\n=> 19: LI R5, 7"),
            ("s", "=> 20: BZ R0, 19"),
            ("p R5", "7  0x00000007  #00000007"),
            ("c", "breakpoint 1\n=> 19: LI R5, 7"),
        ],
    );
}

/// A kernel that runs a module which lies in its heap, put there by the test.
fn nested() -> Tracer {
    let inner = Parts {
        code: rows(&[
            [isa::LI, 0x10, 0, 1],
            [isa::BSR, 0, 0, 2],
            [isa::RET, 0, 0, 0],
            [isa::DIVU, 1, 1, 2],
            [isa::RET, 0, 0, 0],
        ]),
        entry: 16,
        functions: vec![function("start", 16), function("di\u{1b}vide", 19)],
        ..Parts::default()
    }
    .pixels();
    let code = [
        [isa::LEA, 0, 0, 24],               // 16 R0 = 40
        [isa::LI, 0x10, 0, 100],            // 17 R1 = 100 pixels
        [isa::SYS, 0, 0, calls::RUN as u8], // 18
        [isa::HALT, 0, 0, 0],               // 19
    ];
    let kernel = Parts { code: rows(&code), entry: 16, heap: 200, ..Parts::default() };
    let mut machine = program(&kernel).into_machine();
    machine.memory_mut()[40..40 + inner.len()].copy_from_slice(&inner);
    let names = Names::of(Symbols::default(), machine.memory().pixels());
    Tracer::new(machine, names)
}

#[test]
fn modules_in_modules_have_names_and_places_of_their_own() {
    let mut debugger = Debugger::new(nested(), String::new());
    script(
        &mut debugger,
        &mut Desk::new(),
        &[
            ("step 3", "=> 56 start: LI R1, 1"),
            ("step 2", "=> 59 di?vide: DIVU R1, R1, R2"),
            (
                "bt",
                "#0  59 di?vide\n#1  57 start+1 called 59 di?vide\n#2  RUN at 18: module at 40, entry 56 start",
            ),
            ("p base", "40  0x00000028  #00000028"),
            ("info module", "runs PXI-2 code, sees pixels 40 to 139"),
            ("set pc = 39", "! the module that runs lies at 40 to 139, not at 39"),
            // The trap ends the module only.
            ("step", "=> 19: HALT"),
            ("p R0", "2  0x00000002  #00000002"),
            ("bt", "#0  19"),
            ("restart", "=> 16: LEA R0, 40"),
            ("step 2", "=> 18: SYS RUN"),
            ("next", "=> 19: HALT"),
        ],
    );
}

#[test]
fn a_trace_says_what_each_step_changed() {
    let mut tracer = tracer(counter(), Symbols::default());
    let mut host = Sealed::new(99);
    let mut lines = Vec::new();
    loop {
        let line = TraceLine::take(&mut tracer, &mut host);
        lines.push(line.clone());
        if line.step.stop.is_some() {
            break;
        }
    }
    let shown = |n: usize| lines[n].to_text().split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(lines.len(), 37);
    assert_eq!(shown(0), "0 16 main LI R1, 3 R1=3");
    assert_eq!(shown(2), "2 18 main+2 BSR twice -> twice");
    assert_eq!(shown(33), "33 22 main+6 ST R2, R3, 0 [31]=00000008");
    assert_eq!(shown(34), "34 23 main+7 STB R1, R2, 120 [32]=00000000");
    assert_eq!(shown(35), "35 24 main+8 PLOT R1, R1, R2 frame(0,0)");
    assert_eq!(shown(36), "36 25 main+9 HALT ; HALT");
    assert_eq!(lines.iter().filter(|line| line.is_call()).count(), 12);
    assert_eq!(lines[2].to_call_text(), "       2 -> twice from main+2 (18)");
    let json = lines[33].to_json();
    assert_eq!((&json["address"], &json["memory"]["values"][0]), (&22.into(), &8.into()));
    assert_eq!(lines[36].to_json()["stop"], "halt");
}

#[test]
fn a_profile_adds_up() {
    let mut profiler = Profiler::new(tracer(counter(), Symbols::default()));
    assert_eq!(profiler.run(&mut Sealed::new(9), 1000), Stop::Halt);
    let (profile, tracer) = profiler.finish();
    assert_eq!((profile.steps, tracer.machine.steps()), (36, 36));
    let sum: u64 = profile.addresses.iter().map(|(_, hits)| hits).sum();
    assert_eq!(sum, 36);
    let costs: Vec<_> =
        profile.functions.iter().map(|f| (f.name.as_str(), f.own, f.total, f.calls)).collect();
    assert_eq!(costs, [("twice", 18, 21, 3), ("main", 15, 36, 1), ("leaf", 3, 3, 3)]);
    assert_eq!(profile.folded(), "main 15\nmain;twice 18\nmain;twice;leaf 3\n");
}

#[test]
fn endless_recursion_is_profiled_in_bounded_memory() {
    let code = [[isa::BSR, 0, 0, 0]];
    let program = program(&Parts { code: rows(&code), entry: 16, ..Parts::default() });
    let mut profiler = Profiler::new(tracer(program, Symbols::default()));
    assert_eq!(profiler.run(&mut Sealed::new(9), 2_000_000), Stop::OutOfFuel);
    let (profile, _) = profiler.finish();
    assert_eq!(profile.functions.len(), 1);
    assert_eq!((profile.functions[0].own, profile.functions[0].total), (2_000_000, 2_000_000));
    assert!(profile.folded().lines().count() <= 257);
}

#[test]
fn stepping_does_what_running_does() {
    for entry in
        std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/pxi/png")).unwrap()
    {
        let id = entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned();
        let mut whole = sample(&id).into_machine();
        let stop = whole.run(&mut Sealed::new(1 << 20), 20_000);
        let mut stepped = sample(&id).into_machine();
        let mut host = Sealed::new(1 << 20);
        let mut why = None;
        while why.is_none() && stepped.steps() < 20_000 {
            why = stepped.step(&mut host);
        }
        assert_eq!(why.unwrap_or(Stop::OutOfFuel), stop, "{id}");
        assert_eq!(stepped.registers(), whole.registers(), "{id}");
        assert_eq!((stepped.pc(), stepped.steps()), (whole.pc(), whole.steps()), "{id}");
        assert!(stepped.memory() == whole.memory() && stepped.frame() == whole.frame(), "{id}");
    }
}

#[test]
fn no_command_breaks_the_debugger() {
    let words = [
        "break",
        "x/999999999i",
        "x/9",
        "set",
        "[",
        "]",
        "R1",
        "=",
        "0xFFFFFFFF",
        "-1",
        "if",
        "until",
        "step",
        "next",
        "finish",
        "delete",
        "list",
        "info",
        "frame",
        ":",
        "a:1",
        "((",
        "'",
        "/",
        "\u{e9}",
        "9999999999999999999999",
        "stack",
        "bt",
        "watch",
        "print",
        "pc",
        "run",
        "save",
        "symbols",
    ];
    let mut debugger = Debugger::new(nested(), String::new()).with_fuel(500);
    let mut desk = Desk::new();
    let mut state = 7u32;
    for _ in 0..3000 {
        let mut line = String::new();
        for _ in 0..4 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            line.push_str(words[(state >> 16) as usize % words.len()]);
            line.push_str(if state >> 8 & 1 == 0 { " " } else { "" });
        }
        let _ = debugger.command(&line, &mut desk);
    }
}
