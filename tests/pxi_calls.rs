//! The system calls of PXI-2, from assembly to a host with files in memory.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeMap;

use pxfs::pxi::asm::{Options, assemble};
use pxfs::pxi::host::{LogLevel, LogLine, StageLabel, Stat, Which};
use pxfs::pxi::{
    BlobError, BlobReply, BlobRequest, CallError, Files, Governor, Host, Limits, LlmError,
    LlmRequest, Machine, Policy, Program, Raster, ScreenError, Stop, Trap,
};

/// Files by path; ids are counted from 1 in the order of paths.
#[derive(Default)]
struct Memory(BTreeMap<String, Vec<u8>>);

impl Memory {
    fn find(&self, which: Which<'_>) -> Result<(&Vec<u8>, u32), CallError> {
        let mut entries = self.0.iter().zip(1..);
        let found = entries.find(|((path, _), id)| match which {
            Which::Path(wanted) => *path == wanted,
            Which::Id(wanted) => *id == wanted,
        });
        found.map(|((_, bytes), id)| (bytes, id)).ok_or(CallError::NotFound)
    }
}

impl Files for Memory {
    fn canonical(&self, path: &str) -> Result<String, CallError> {
        // One link, out of where a policy may confine a program.
        Ok(if path == "/worlds/out" { "/boot/secret".into() } else { path.into() })
    }

    fn stat(&self, path: &str) -> Result<Stat, CallError> {
        let (bytes, id) = self.find(Which::Path(path))?;
        Ok(Stat { kind: 1, size: bytes.len() as u64 | 3 << 32, id, links: 1, ..Stat::default() })
    }

    fn resolve(&self, path: &str) -> Result<u32, CallError> {
        Ok(self.find(Which::Path(path))?.1)
    }

    fn list(&self, path: &str) -> Result<Vec<Vec<u8>>, CallError> {
        let prefix = format!("{path}/");
        let names = self.0.keys().filter_map(|name| name.strip_prefix(&prefix));
        Ok(names.map(|name| name.as_bytes().to_vec()).collect())
    }

    fn read(&self, which: Which<'_>, offset: u64, len: usize) -> Result<Vec<u8>, CallError> {
        let bytes = self.find(which)?.0;
        Ok(bytes.iter().skip(offset as usize).take(len).copied().collect())
    }

    fn checked(&self, which: Which<'_>, _limit: u64) -> Result<(Vec<u8>, u32), CallError> {
        let (bytes, id) = self.find(which)?;
        if bytes == b"changed" { Err(CallError::Digest) } else { Ok((bytes.clone(), id)) }
    }

    fn requires(&self, path: &str) -> Result<Vec<String>, CallError> {
        self.find(Which::Path(path))?;
        Ok(vec!["/a".into(), "/b".into()])
    }
}

#[derive(Default)]
struct World {
    files: Memory,
    screen: String,
    lines: Vec<LogLine>,
    stage: Option<StageLabel>,
    input: Vec<&'static str>,
    asked: Vec<LlmRequest>,
    denied: Vec<(String, CallError)>,
    refused: Vec<String>,
    now: u64,
}

impl Host for World {
    fn print(&mut self, c: char) -> Result<(), ScreenError> {
        self.screen.push(c);
        Ok(())
    }

    fn blob(&mut self, request: &BlobRequest) -> BlobReply {
        BlobReply { result: Err(BlobError::NotFound(request.id)), cost: 0 }
    }

    fn llm(&mut self, request: &LlmRequest) -> Result<String, LlmError> {
        self.asked.push(request.clone());
        self.now += 1000;
        Ok("Yes, gr\u{fc}n.".into())
    }

    fn files(&self) -> Option<&dyn Files> {
        Some(&self.files)
    }

    fn log(&mut self, line: &LogLine) -> Result<(), CallError> {
        self.lines.push(line.clone());
        Ok(())
    }

    fn stage(&mut self, label: Option<StageLabel>) -> Result<(), CallError> {
        self.stage = label;
        Ok(())
    }

    fn milliseconds(&mut self) -> u64 {
        self.now
    }

    fn unix_seconds(&mut self) -> u64 {
        1_800_000_000
    }

    fn input(&mut self, _max: usize) -> Result<Vec<u8>, CallError> {
        if self.input.is_empty() {
            return Err(CallError::EndOfInput);
        }
        Ok(self.input.remove(0).as_bytes().to_vec())
    }

    fn denied(&mut self, call: &str, error: CallError) {
        self.denied.push((call.into(), error));
    }

    fn policy_refused(&mut self, reason: &str) {
        self.refused.push(reason.to_owned());
    }
}

fn world(files: &[(&str, &[u8])]) -> World {
    let files = files.iter().map(|(path, bytes)| ((*path).to_owned(), bytes.to_vec()));
    World { files: Memory(files.collect()), ..World::default() }
}

fn picture(source: &str) -> Raster {
    assemble(source, Options::default()).unwrap_or_else(|errors| panic!("{errors:?}")).raster
}

/// Code and data of a module with 4096 pixels of heap; `buffer` is a label in its data.
fn module(code: &str, data: &str) -> Raster {
    picture(&format!(
        ".module 2\n.memory 4096\n.entry start\n.code\nstart:\n{code}\n.data\n{data}\n\
         buffer: .space 64\n"
    ))
}

fn machine(code: &str, data: &str) -> Machine {
    Program::parse(module(code, data)).unwrap().into_machine()
}

fn run(machine: &mut Machine, world: &mut World) -> Stop {
    machine.run(world, 100_000)
}

/// Runs code to its end; gives R0, R1, R2.
fn results(code: &str, data: &str, world: &mut World) -> [u32; 3] {
    let mut machine = machine(&format!("{code}\nHALT"), data);
    assert_eq!(run(&mut machine, world), Stop::Halt);
    [machine.registers()[0], machine.registers()[1], machine.registers()[2]]
}

const PATH: &str = "SET R0, bytes(path)\nSET R1, len(path)\n";

fn buffer(machine: &Machine, at: &str, len: usize) -> Vec<u8> {
    let _ = at;
    let bytes = machine.memory().to_bytes();
    let end = bytes.len() - 4096 * 4;
    // The buffer is the last thing in the data, 64 pixels; tables are empty.
    bytes[end - 64 * 4..][..len].to_vec()
}

#[test]
fn files_are_resolved_looked_at_and_read() {
    let mut world = world(&[("/a", b"first"), ("/b", b"second file")]);
    let data = "path: .ascii \"/b\"";
    assert_eq!(results(&format!("{PATH}SYS RESOLVE"), data, &mut world), [2, 0, 0]);
    let missing = "path: .ascii \"/c\"";
    let code = CallError::NotFound.code();
    assert_eq!(results(&format!("{PATH}SYS RESOLVE"), missing, &mut world), [0, code, 0]);

    let source = format!("{PATH}SET R2, bytes(buffer)\nSET R3, 6\nSET R4, 2\nSYS READ\nHALT");
    let mut machine = machine(&source, data);
    run(&mut machine, &mut world);
    assert_eq!(machine.registers()[..2], [6, 0]);
    assert_eq!(buffer(&machine, "buffer", 6), b"cond f");

    let source = format!("{PATH}SET R2, buffer\nSYS STAT\nHALT");
    let mut machine = self::machine(&source, data);
    run(&mut machine, &mut world);
    assert_eq!(machine.registers()[..2], [1, 0]);
    let numbers = buffer(&machine, "buffer", 32);
    assert_eq!(numbers[..16], [0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0, 11, 0, 0, 0, 2]);
}

#[test]
fn a_directory_is_listed_in_parts() {
    let mut world = world(&[("/d/one", b""), ("/d/three", b""), ("/d/two", b"")]);
    let data = "path: .ascii \"/d\"";
    let list = |room: u32, skip: u32| {
        format!("{PATH}SET R2, bytes(buffer)\nSET R3, {room}\nSET R4, {skip}\nSYS LIST\nHALT")
    };
    for (room, skip, expected, names) in [
        (99, 0, [14, 0, 3], &b"one\0three\0two\0"[..]),
        (10, 0, [10, 0, 2], b"one\0three\0"),
        (10, 2, [4, 0, 1], b"two\0"),
        (10, 3, [0, 0, 0], b""),
    ] {
        let mut machine = machine(&list(room, skip), data);
        run(&mut machine, &mut world);
        assert_eq!(machine.registers()[..3], expected, "room {room} skip {skip}");
        assert_eq!(buffer(&machine, "buffer", names.len()), names);
    }
    let [_, error, _] = results(&list(3, 0).replace("\nHALT", ""), data, &mut world);
    assert_eq!(error, CallError::NoRoom.code());
}

#[test]
fn texts_reach_screen_and_log() {
    let mut world = world(&[]);
    let code = "SET R0, bytes(text)\nSET R1, len(text)\nSYS WRITE\n\
        SET R0, bytes(text)\nSET R1, len(text)\nSET R2, 1\nSET R3, bytes(word)\nSET R4, len(word)\n\
        SYS LOG\nSET R0, bytes(label)\nSET R1, len(label)\nSYS STAGE";
    let data =
        "text: .ascii \"gr\\xc3\\xbcn\"\nword: .ascii \"seen\"\nlabel: .ascii \"4\\tWorld\\t/w\"";
    assert_eq!(results(code, data, &mut world)[1], 0);
    assert_eq!(world.screen, "gr\u{fc}n");
    let line =
        LogLine { level: LogLevel::Warn, event: "seen".into(), text: "gr\u{fc}n".into(), depth: 0 };
    assert_eq!(world.lines, [line]);
    let label = StageLabel { stage: "4".into(), name: "World".into(), path: "/w".into() };
    assert_eq!(world.stage, Some(label));
}

#[test]
fn the_same_seed_gives_the_same_numbers() {
    let numbers = |seed| {
        let mut machine = machine("SYS RANDOM\nMOV R5, R0\nSYS RANDOM\nHALT", "").with_seed(seed);
        run(&mut machine, &mut world(&[]));
        (machine.registers()[5], machine.registers()[0])
    };
    assert_eq!(numbers(7), numbers(7));
    assert_ne!(numbers(7), numbers(8));
    assert_ne!(numbers(7).0, numbers(7).1);
}

#[test]
fn input_ends_and_must_have_room() {
    let mut world = World { input: vec!["ls /"], ..world(&[]) };
    let read = "SET R0, bytes(buffer)\nSET R1, 64\nSYS INPUT";
    assert_eq!(results(read, "", &mut world), [4, 0, 0]);
    assert_eq!(results(read, "", &mut world)[1], CallError::EndOfInput.code());
    let mut world = World { input: vec!["ls /"], ..self::world(&[]) };
    let outside = "SET R0, 0xFFFFFFF0\nSET R1, 64\nSYS INPUT";
    assert_eq!(results(outside, "", &mut world)[1], CallError::BadAddress.code());
    assert_eq!(world.input, ["ls /"]);
}

#[test]
fn a_model_is_asked_and_its_answer_is_cut_at_a_character() {
    let mut world = world(&[]);
    let ask = |room| {
        format!(
            "SET R0, bytes(path)\nSET R1, len(path)\nSET R2, bytes(buffer)\nSET R3, {room}\n\
             SET R4, 9\nSYS LLM"
        )
    };
    let data = "path: .ascii \"colour?\"";
    assert_eq!(results(&ask(99), data, &mut world)[..2], [11, 0]);
    assert_eq!(results(&ask(8), data, &mut world)[..2], [7, 0]);
    assert_eq!((world.asked[0].prompt.as_str(), world.asked[0].model), ("colour?", 9));
    assert_eq!(results(&format!("{PATH}SYS ORACLE"), data, &mut world)[..2], [1, 0]);
}

#[test]
fn a_policy_holds_for_all_that_comes_and_calls_never_leave() {
    let narrow = "SET R0, bytes(policy)\nSET R1, len(policy)\nSYS POLICY\n";
    let data = |policy: &str, path: &str| {
        let policy = policy.replace('"', "\\\"");
        format!("policy: .ascii \"{policy}\"\npath: .ascii \"{path}\"")
    };
    let denied = CallError::Denied.code();
    let cases = [
        (r#"{"deny": ["LLM"]}"#, "SET R2, bytes(buffer)\nSET R3, 9\nSYS LLM", "/a", denied),
        (r#"{"deny": ["RESOLVE"]}"#, "SYS RESOLVE", "/worlds/a", denied),
        (r#"{"paths": ["/worlds"]}"#, "SYS RESOLVE", "/worlds/a", 0),
        (r#"{"paths": ["/worlds"]}"#, "SYS RESOLVE", "/a", denied),
        (r#"{"paths": ["/worlds"]}"#, "SYS RESOLVE", "/worlds/../a", denied),
        (r#"{"paths": ["/worlds"]}"#, "SYS RESOLVE", "/worlds/out", denied),
        (
            r#"{"paths": ["/worlds"]}"#,
            "SET R0, 1\nSET R1, bytes(buffer)\nSET R2, 9\nSYS BLOB",
            "/a",
            denied,
        ),
        (r#"{"fly": []}"#, "", "/a", 0),
    ];
    for (policy, call, path, expected) in cases {
        let mut world = world(&[("/a", b"1"), ("/worlds/a", b"2"), ("/worlds/out", b"3")]);
        let [_, error, _] =
            results(&format!("{narrow}{PATH}{call}"), &data(policy, path), &mut world);
        if call.is_empty() {
            assert_eq!(world.refused.len(), 1, "a bad policy is told");
            continue;
        }
        assert_eq!(error, expected, "{policy} {call} {path}");
        assert_eq!(world.denied.is_empty(), expected == 0);
        assert!(world.asked.is_empty());
    }
}

#[test]
fn model_calls_a_minute_are_counted_over_machines() {
    let mut world = world(&[]);
    let data = "policy: .ascii \"{\\\"llm_per_minute\\\": 2}\"\npath: .ascii \"yes?\"";
    let code =
        format!("SET R0, bytes(policy)\nSET R1, len(policy)\nSYS POLICY\n{PATH}SYS ORACLE\nHALT");
    let mut first = machine(&code, data);
    run(&mut first, &mut world);
    let next = |governor: Governor, world: &mut World| {
        let mut machine = machine(&format!("{PATH}SYS ORACLE\nHALT"), data).with_governor(governor);
        run(&mut machine, world);
        (machine.registers()[1], machine.governor().clone())
    };
    let (error, governor) = next(first.governor().clone(), &mut world);
    assert_eq!(error, 0);
    let (error, governor) = next(governor, &mut world);
    assert_eq!(error, CallError::RateLimited.code());
    world.now += 60_000;
    assert_eq!(next(governor, &mut world).0, 0);
    assert_eq!(world.asked.len(), 3);
}

/// Loads `/child` behind the heap's start and runs it with the fuel in R2.
fn parent(fuel: u32) -> String {
    format!(
        "{PATH}SET R2, 1024\nSET R3, 2048\nSYS MODULE\nBNZ R1, failed\nMOV R7, R0\nMOV R8, R2\n\
         SET R0, 1024\nMOV R1, R7\nSET R2, {fuel}\nSET R3, 5\nSET R4, 6\nSYS RUN\nHALT\n\
         failed: SYS EXIT"
    )
}

const PATH_OF_CHILD: &str = "path: .ascii \"/child\"";

fn child(code: &str) -> Vec<u8> {
    picture(&format!(".module 2\n.memory 16\n.entry start\n.code\nstart:\n{code}\n"))
        .to_png()
        .unwrap()
}

#[test]
fn a_module_runs_in_its_window_and_only_it_ends() {
    let cases = [
        ("ADDW R0, R0, R1\nSYS EXIT", 0, [0, 0, 11]),
        ("RET", 0, [0, 0, 0]),
        ("HALT", 0, [0, 0, 0]),
        ("again: BRA again", 50, [1, 0, 0]),
        ("SET R1, 100000\nLD R0, R1, 0\nRET", 0, [2, 0, 5]),
        ("LI R1, -1\nST R0, R1, 0\nRET", 0, [2, 0, 5]),
        ("POP R0\nRET", 0, [2, 0, 7]),
        ("again: BSR again\nRET", 0, [2, 0, 1]),
    ];
    for (code, fuel, expected) in cases {
        let mut world = world(&[("/child", &child(code))]);
        let mut machine = machine(&parent(fuel), "path: .ascii \"/child\"");
        let limits = Limits { stack_bytes: 4000, ..Limits::default() };
        machine = machine.with_limits(limits);
        assert_eq!(run(&mut machine, &mut world), Stop::Halt, "{code}");
        assert_eq!(machine.registers()[..3], expected, "{code}");
        assert_eq!(machine.registers()[8], 1, "the id is given, R8 kept: {code}");
        assert!(machine.stack().is_empty());
    }
}

#[test]
fn a_module_of_pxi_1_runs_as_it_would_alone() {
    // LOAD R1, 65; PRINT R1; JMP 4 (its own address); HALT; HALT
    let pixels = [[0x10, 1, 65, 0], [0x41, 1, 0, 0], [0x30, 0, 0, 4], [0xFF; 4], [0x41, 1, 0, 0]];
    let raster = Raster::new(5, 1, pixels.map(Into::into).to_vec()).unwrap();
    let mut world = world(&[("/child", &raster.to_png().unwrap())]);
    let mut machine = machine(&parent(0), "path: .ascii \"/child\"");
    assert_eq!(run(&mut machine, &mut world), Stop::Halt);
    assert_eq!(machine.registers()[..4], [0, 0, 0, 4]);
    assert_eq!(world.screen, "AA");
}

#[test]
fn what_is_no_module_is_not_loaded() {
    let error = |bytes: &[u8]| {
        let mut world = world(&[("/child", bytes)]);
        let mut machine = machine(&parent(0), "path: .ascii \"/child\"");
        assert_eq!(run(&mut machine, &mut world), Stop::Exit(0));
        machine.registers()[1]
    };
    assert_eq!(error(b"text"), CallError::NotAProgram.code());
    assert_eq!(error(b"changed"), CallError::Digest.code());
    let large = picture(".module 2\n.memory 9999\n.code\nRET\n").to_png().unwrap();
    assert_eq!(error(&large), CallError::NoRoom.code());
    let imports = ".module 2\n.import f, \"/none\", \"f\"\n.code\nRET\n";
    assert_eq!(error(&picture(imports).to_png().unwrap()), CallError::Import.code());
}

#[test]
fn modules_that_import_from_each_other_are_linked_once() {
    let one = ".module 2\n.export double\n.import f, \"/two\", \"plus\"\n.memory 8\n.code\n\
        double: ADDW R0, R0, R0\nCALLX f\nRET\n";
    let two = ".module 2\n.export plus\n.import g, \"/one\", \"double\"\n.code\n\
        plus: ADDI R0, R0, 1\nRET\n";
    let main = ".module 2\n.import d, \"/one\", \"double\"\n.import p, \"/two\", \"plus\"\n.code\n\
        CALLX d\nCALLX p\nSYS EXIT\n";
    let png = |source: &str| picture(source).to_png().unwrap();
    let mut world = world(&[("/child", &png(main)), ("/one", &png(one)), ("/two", &png(two))]);
    let mut machine = machine(&parent(0), "path: .ascii \"/child\"");
    assert_eq!(run(&mut machine, &mut world), Stop::Halt);
    assert_eq!(machine.registers()[..3], [0, 0, 5 * 2 + 1 + 1]);
}

#[test]
fn a_module_is_linked_once_whatever_its_path_is_written_like() {
    // Two modules of this memory do not fit beside each other.
    let library = ".module 2\n.export f\n.memory 900\n.code\nf: ADDI R0, R0, 1\nRET\n";
    let main = ".module 2\n.import f, \"/one\", \"f\"\n.import g, \"//./one\", \"f\"\n\
        .code\nCALLX f\nCALLX g\nSYS EXIT\n";
    let png = |source: &str| picture(source).to_png().unwrap();
    let mut world = world(&[("/child", &png(main)), ("/one", &png(library))]);
    let mut machine = machine(&parent(0).replace("SET R3, 2048", "SET R3, 1200"), PATH_OF_CHILD);
    assert_eq!(run(&mut machine, &mut world), Stop::Halt);
    assert_eq!(machine.registers()[..3], [0, 0, 5 + 2]);
}

#[test]
fn what_the_policy_hides_cannot_be_imported() {
    let library = ".module 2\n.export f\n.code\nf: RET\n";
    let main = ".module 2\n.import f, \"/secret\", \"f\"\n.code\nCALLX f\nRET\n";
    let png = |source: &str| picture(source).to_png().unwrap();
    let mut world = world(&[("/worlds/child", &png(main)), ("/secret", &png(library))]);
    let mut governor = Governor::default();
    governor.narrow(&Policy::parse(r#"{"paths": ["/worlds"]}"#).unwrap()).unwrap();
    let data = "path: .ascii \"/worlds/child\"";
    let mut machine = machine(&parent(0), data).with_governor(governor);
    assert_eq!(run(&mut machine, &mut world), Stop::Exit(0));
    assert_eq!(machine.registers()[1], CallError::Import.code());
}

#[test]
fn modules_that_run_themselves_end_at_the_depth() {
    // A module that runs the pixels it lies in, again and again.
    let code = "SET R0, 0\nSET R1, 16 + 40\nSET R2, 0\nSYS RUN\nADDW R0, R1, R2\nSYS EXIT";
    let source = format!(".module 2\n.memory 40\n.code\n{code}\n");
    let mut machine = Program::parse(picture(&source)).unwrap().into_machine();
    let stop = machine.run(&mut world(&[]), 100_000);
    assert_eq!(stop, Stop::Exit(CallError::TooDeep.code()));
}

#[test]
fn cheap_calls_end_at_the_host_budget() {
    let limits = Limits { host_bytes: 100_000, ..Limits::default() };
    let code = format!("again:\n{PATH}SYS RESOLVE\nBRA again");
    let mut machine = machine(&code, "path: .ascii \"/a\"").with_limits(limits);
    let stop = machine.run(&mut world(&[]), u64::MAX);
    assert!(matches!(stop, Stop::Trap(Trap::HostBudget { .. })), "{stop:?}");
}

#[test]
fn every_call_survives_absurd_registers() {
    let mut world = World { input: vec!["x"; 99], ..world(&[("/a", b"abc")]) };
    let odd = [0u32, 1, 4, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFC, 0xFFFF_FFFF];
    for number in 0..24 {
        for (index, first) in odd.iter().enumerate() {
            for second in odd {
                let third = odd[(index + 3) % odd.len()];
                let mut machine = machine(&format!("SYS {number}\nHALT"), "");
                let values = [*first, second, third, second, *first, third];
                machine.registers_mut()[..6].copy_from_slice(&values);
                let stop = machine.run(&mut world, 1000);
                assert!(!matches!(stop, Stop::Trap(_)), "SYS {number} {values:?}: {stop:?}");
            }
        }
    }
}
