//! `pxi` through the built binary: exit statuses, text, and end states.
#![allow(clippy::unwrap_used, missing_docs)]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use pxfs::pxi::{Pixel, Raster, isa};
use serde_json::Value;

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/pxi")
}

fn pxi(args: &[&dyn AsRef<OsStr>]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pxfs"));
    command.arg("pxi");
    for arg in args {
        command.arg(arg.as_ref());
    }
    command.output().unwrap()
}

fn status(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn sample(id: &str) -> PathBuf {
    samples().join("png").join(format!("{id}.png"))
}

#[test]
fn json_end_states_have_the_fields_of_the_cases() {
    let text = std::fs::read_to_string(samples().join("cases.jsonl")).unwrap();
    let some =
        ["classic_register_above_255", "classic_runaway_recursion", "blob_0211", "wild_0143"];
    let mut seen = 0;
    for case in text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        if !some.contains(&case["id"].as_str().unwrap()) {
            continue;
        }
        let program = samples().join(case["png"].as_str().unwrap());
        let root = samples().join(case["cwd"].as_str().unwrap());
        let steps = case["max_steps"].to_string();
        let output = pxi(&[&"run", &program, &"--root", &root, &"--max-steps", &steps, &"--json"]);
        assert_eq!(status(&output), 0, "{}", stderr(&output));
        let state: Value = serde_json::from_str(&stdout(&output)).unwrap();
        let fields = [
            "steps",
            "pc",
            "halted",
            "regs",
            "stack",
            "screen",
            "frame_sha256",
            "mem_sha256",
            "stack_len",
            "stack_sha256",
            "screen_len",
            "screen_sha256",
            "w",
            "h",
        ];
        for field in fields {
            // Long stacks and screens are left out of the cases.
            if let Some(expected) = case.get(field) {
                assert_eq!(&state[field], expected, "{}: {field}", case["id"]);
            }
        }
        seen += 1;
    }
    assert_eq!(seen, some.len());
}

#[test]
fn run_prints_the_screen_and_tells_how_it_ended() {
    let hello = pxi(&[&"run", &sample("classic_hello")]);
    assert_eq!((status(&hello), stdout(&hello)), (0, "HELLO, PIXELS\n".into()));
    let latin1 = pxi(&[&"run", &sample("classic_multiply")]);
    assert_eq!(stdout(&latin1), "\u{8f}");
    let spin = pxi(&[&"run", &sample("classic_spin"), &"--max-steps", &"10"]);
    assert_eq!(status(&spin), 3);
    assert_eq!(stderr(&spin), "pxi: not halted after 10 steps (--max-steps allows more)\n");
}

#[test]
fn run_ends_when_nobody_reads_its_screen() {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("endless.png");
    let pixels = vec![Pixel::new(isa::PRINT, 0, 0, 0), Pixel::new(isa::JMP, 0, 0, 0)];
    std::fs::write(&program, Raster::new(2, 1, pixels).unwrap().to_png().unwrap()).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_pxfs"))
        .args(["pxi", "run", "--max-steps", "18446744073709551615"])
        .arg(&program)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn endless_recursion_is_a_trap_with_status_1() {
    let output =
        pxi(&[&"run", &sample("classic_runaway_recursion"), &"--max-steps", &"99999999999"]);
    assert_eq!(status(&output), 1);
    assert!(stderr(&output).contains("trap at pixel 0 after 16777216 steps: stack is full"));
}

#[test]
fn pictures_that_are_no_programs_are_refused_with_a_sentence() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.png");
    let mut rgb = Vec::new();
    let mut encoder = png::Encoder::new(&mut rgb, 1, 1);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header().unwrap().write_image_data(&[1, 2, 3]).unwrap();
    let header = |pixels: &[[u8; 4]]| {
        let pixels: Vec<Pixel> = pixels.iter().copied().map(Pixel::from).collect();
        Raster::new(pixels.len() as u32, 1, pixels).unwrap().to_png().unwrap()
    };
    let zero = [0; 4];
    let cases: [(Vec<u8>, &str); 5] = [
        (rgb, "the picture is RGB without alpha of 8 bits a channel, but a program is 8-bit RGBA"),
        (b"hello".to_vec(), "not a readable PNG picture"),
        (header(&[*b"PXIM"]), "shorter than its header"),
        (header(&[*b"PXIM", [3, 0, 0, 0], zero, zero]), "module is PXIM 3.0"),
        (header(&[*b"PXIM", [1, 0, 0, 0], [9, 0, 0, 0], zero]), "entry 9 is outside"),
    ];
    for (bytes, text) in cases {
        std::fs::write(&path, bytes).unwrap();
        let output = pxi(&[&"run", &path]);
        assert_eq!(status(&output), 1);
        assert!(stderr(&output).contains(text), "{}", stderr(&output));
    }
    let missing = pxi(&[&"run", &"/nowhere/x.png"]);
    assert_eq!(status(&missing), 1);
    assert!(stderr(&missing).contains("cannot open /nowhere/x.png"));
}

#[test]
fn asm_run_and_disasm_work_together() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    std::fs::write(at("a.pxs"), ".say R0, \"hi\\n\"\nSTORE R0, 1\nHALT\n").unwrap();
    let out = pxi(&[&"asm", &at("a.pxs"), &"-o", &at("a.png"), &"--width", &"4", &"--module"]);
    assert_eq!(status(&out), 0, "{}", stderr(&out));
    let run = pxi(&[&"run", &at("a.png"), &"--frame", &at("f.png"), &"--memory", &at("m.png")]);
    assert_eq!(stdout(&run), "hi\n");
    let frame = Raster::from_png(&std::fs::read(at("f.png")).unwrap()).unwrap();
    assert_eq!(frame.pixels()[1].channels(), [10, 10, 10, 255]);
    assert_eq!((frame.width(), frame.height()), (4, 3));
    let memory = Raster::from_png(&std::fs::read(at("m.png")).unwrap()).unwrap();
    assert_eq!(memory, Raster::from_png(&std::fs::read(at("a.png")).unwrap()).unwrap());
    let text = pxi(&[&"disasm", &at("a.png")]);
    assert!(stdout(&text).starts_with(".size 4, 3\n.module\n.entry 4\n"));
    assert_eq!(status(&pxi(&[&"disasm", &at("a.png"), &"-o", &at("b.pxs")])), 0);
    assert_eq!(status(&pxi(&[&"asm", &at("b.pxs"), &"-o", &at("b.png")])), 0);
    assert_eq!(std::fs::read(at("a.png")).unwrap(), std::fs::read(at("b.png")).unwrap());
}

#[test]
fn a_source_with_errors_writes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (source, picture) = (directory.path().join("a.pxs"), directory.path().join("a.png"));
    std::fs::write(&source, "HALT\nLOAD R16, 1\nFOO\n").unwrap();
    let output = pxi(&[&"asm", &source, &"-o", &picture]);
    assert_eq!(status(&output), 1);
    let place = format!(
        "error: register R16 does not exist (R0 to R15)\n --> {}:2:6\n  |\n2 | LOAD R16, 1\n",
        source.display()
    );
    assert!(stderr(&output).starts_with(&place), "{}", stderr(&output));
    assert!(stderr(&output).ends_with("pxi: 2 errors, nothing written\n"));
    assert!(!picture.exists());
}

#[test]
fn sources_include_others_and_give_symbols_and_a_listing() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    std::fs::create_dir(at("lib")).unwrap();
    std::fs::write(at("a.pxs"), ".module 2\n.include \"lib/x.pxs\"\nmain: two\nRET\n").unwrap();
    std::fs::write(at("lib/x.pxs"), ".include \"./y.pxs\"\n").unwrap();
    std::fs::write(at("lib/y.pxs"), ".macro two\nLI R0, 2\n.endm\n").unwrap();
    let out = pxi(&[
        &"asm",
        &at("a.pxs"),
        &"-o",
        &at("a.png"),
        &"--symbols",
        &at("a.json"),
        &"--listing",
        &at("a.lst"),
    ]);
    assert_eq!((status(&out), stderr(&out).as_str()), (0, ""));
    let map: Value = serde_json::from_slice(&std::fs::read(at("a.json")).unwrap()).unwrap();
    assert_eq!(map["symbols"][0]["name"], "main");
    assert_eq!(map["lines"][0]["address"], 16);
    assert_eq!(map["files"][2], at("lib/y.pxs").display().to_string());
    assert!(std::fs::read_to_string(at("a.lst")).unwrap().contains("      16 12000002\n"));
    std::fs::write(at("lib/y.pxs"), ".include \"x.pxs\"").unwrap();
    let out = pxi(&[&"asm", &at("a.pxs"), &"-o", &at("b.png")]);
    assert_eq!(status(&out), 1);
    assert!(stderr(&out).contains("error: files include each other: "), "{}", stderr(&out));
    assert!(stderr(&out).contains("note: included from here\n --> "), "{}", stderr(&out));
    assert!(!at("b.png").exists());
}

#[test]
fn verify_says_what_is_wrong_before_a_program_runs() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let asm = |source: &str| {
        std::fs::write(at("a.pxs"), source).unwrap();
        let out = pxi(&[&"asm", &at("a.pxs"), &"-o", &at("a.png")]);
        assert_eq!(status(&out), 0, "{}", stderr(&out));
        (stderr(&out), pxi(&[&"verify", &at("a.png")]))
    };
    let (warnings, good) = asm(".module 2\nSYS WRITE\nRET\n");
    assert_eq!((warnings.as_str(), status(&good)), ("", 0));
    assert!(stdout(&good).contains("2 instructions, 0 branches"), "{}", stdout(&good));
    assert!(stdout(&good).contains("system calls: WRITE"));
    let (warnings, bad) = asm(".module 2\n  NOP  ; no end\n");
    assert!(warnings.contains("warning: execution can run out of the code"), "{warnings}");
    assert!(warnings.contains("2 |   NOP  ; no end\n  |   ^^^\n"), "{warnings}");
    assert_eq!(status(&bad), 1);
    assert!(stdout(&bad).contains("error: pixel 16: execution can run out"), "{}", stdout(&bad));
    let json = pxi(&[&"verify", &at("a.png"), &"--json"]);
    let value: Value = serde_json::from_str(&stdout(&json)).unwrap();
    assert_eq!(
        (status(&json), &value["ok"], &value["errors"][0]["address"]),
        (1, &false.into(), &16.into())
    );
    let (_, old) = asm(".pixel 9, 9, 9, 9\nHALT\n");
    assert_eq!(status(&old), 0);
    assert!(stdout(&old).contains("warning: pixel 0: 0x09 is no instruction"), "{}", stdout(&old));
    let missing = pxi(&[&"verify", &at("gone.png")]);
    assert_eq!(status(&missing), 1);
}

#[test]
fn wrong_usage_has_status_2_and_help_0() {
    assert_eq!(status(&pxi(&[])), 2);
    assert_eq!(status(&pxi(&[&"run"])), 2);
    assert_eq!(status(&pxi(&[&"run", &"x", &"--max-steps", &"-1"])), 2);
    assert_eq!(status(&pxi(&[&"asm", &"x", &"-o", &"y", &"--raw", &"--module"])), 2);
    let help = pxi(&[&"--help"]);
    assert_eq!(status(&help), 0);
    assert!(stdout(&help).contains("disasm"));
}

#[test]
fn the_document_knows_every_option_of_the_help() {
    let documents = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let document = ["pxi-isa.md", "pxi-asm.md", "cli/pxi.md"]
        .map(|name| std::fs::read_to_string(documents.join(name)).unwrap())
        .concat();
    for command in ["run", "debug", "trace", "profile", "asm", "disasm", "verify"] {
        let help = stdout(&pxi(&[&command, &"--help"]));
        for word in help.split_whitespace().filter(|word| word.starts_with("--")) {
            let option = word.trim_matches(|c: char| !c.is_alphabetic() && c != '-');
            let option = option.split(['[', '=']).next().unwrap();
            let known = document.contains(option) || ["--help", "--output"].contains(&option);
            assert!(known, "{command} {option} is in no document");
        }
    }
}

#[test]
fn odd_shapes_and_random_modules_end_in_bounded_time() {
    use pxfs::pxi::host::Sealed;
    use pxfs::pxi::{Limits, Program};
    let mut state = 1u32;
    let mut random = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as u8
    };
    for (width, height) in [(1, 1), (20_000, 1), (1, 20_000), (300, 300)] {
        for round in 0..20 {
            let mut pixels: Vec<Pixel> = (0..width * height)
                .map(|_| Pixel::new(random() & 0x37, random(), random(), random()))
                .collect();
            for (cell, header) in pixels.iter_mut().zip([*b"PXIM", [1, round, 0, 0]]) {
                *cell = Pixel::from(header);
            }
            let raster = Raster::new(width, height, pixels).unwrap();
            let Ok(program) = Program::parse(raster) else { continue };
            let limits = Limits { stack_bytes: 1 << 20, ..Limits::default() };
            let mut machine = program.into_machine().with_limits(limits);
            machine.run(&mut Sealed::new(1 << 16), 3_000_000);
            assert!(machine.stack().len() <= 1 << 18);
        }
    }
}

#[test]
fn compile_writes_a_module_that_runs_its_assembly_and_its_symbols() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    std::fs::write(at("m.py"), "def f(a):\n    return a * 2\n\nprint(f(21), 'done')\n").unwrap();
    let output = pxi(&[
        &"compile",
        &at("m.py"),
        &"-o",
        &at("m.png"),
        &"--asm",
        &at("m.pxs"),
        &"--symbols",
        &at("m.json"),
    ]);
    assert_eq!(status(&output), 0, "{}", stderr(&output));
    let output = pxi(&[&"run", &at("m.png")]);
    assert_eq!((status(&output), stdout(&output).as_str()), (0, "42 done\n"), "{output:?}");
    assert!(std::fs::read_to_string(at("m.pxs")).unwrap().contains("; function f"));
    let symbols: Value =
        serde_json::from_str(&std::fs::read_to_string(at("m.json")).unwrap()).unwrap();
    assert!(symbols["lines"].as_array().unwrap().len() >= 2);

    std::fs::write(at("bad.py"), "x = 1.5\n").unwrap();
    let output = pxi(&[&"compile", &at("bad.py"), &"-o", &at("bad.png")]);
    assert_eq!(status(&output), 1);
    assert!(stderr(&output).contains("bad.py:1:5"), "{}", stderr(&output));
    assert!(stderr(&output).contains("a float literal is not in the subset"));
    assert!(!at("bad.png").exists());
    assert_eq!(status(&pxi(&[&"compile", &at("m.py")])), 2);
}
