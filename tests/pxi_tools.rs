//! `pxi run`, `debug`, `trace` and `profile` through the built binary.
#![allow(clippy::unwrap_used, missing_docs)]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use pxfs::pxi::isa::{self, calls};
use pxfs::pxi::pxim2::{Function, Import, Parts};
use pxfs::pxi::{Pixel, Raster};
use serde_json::Value;

fn pxi(args: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_pxfs"))
        .arg("pxi")
        .args(args)
        .env_remove("COLORTERM")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Who does not read its input may be gone.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// Status, standard output, standard error.
fn said(args: &[&str], input: &str) -> (i32, String, String) {
    let output = pxi(args, input);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn sample(id: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/pxi/png/{id}.png"));
    path.to_str().unwrap().to_owned()
}

/// A directory with programs.
struct Bench(tempfile::TempDir);

impl Bench {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn named(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn module(&self, name: &str, parts: &Parts) -> String {
        std::fs::write(self.path(name), parts.build(None).unwrap().to_png().unwrap()).unwrap();
        self.named(name)
    }
}

fn rows(code: &[[u8; 4]]) -> Vec<Pixel> {
    code.iter().copied().map(Pixel::from).collect()
}

fn sys(call: u16) -> [u8; 4] {
    [isa::SYS, 0, 0, call as u8]
}

/// Ends with R0 as its status.
fn exiting() -> Parts {
    Parts { code: rows(&[sys(calls::EXIT)]), entry: 16, ..Parts::default() }
}

#[test]
fn a_program_chooses_the_exit_status() {
    let bench = Bench::new();
    let program = bench.module("exit.png", &exiting());
    for (set, status) in [("R0=0", 0), ("R0=7", 7), ("R0=0x1FF", 255), ("r0=-1", 255)] {
        assert_eq!(said(&["run", &program, "--set", set], "").0, status, "{set}");
    }
    let (status, json, _) = said(&["run", &program, "--set", "R0=7", "--json"], "");
    let state: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((status, &state["status"], &state["stop"]), (0, &7.into(), &"exit".into()));
    for wrong in ["R16=1", "R0", "R0=x", "R0=4294967296"] {
        assert_eq!(said(&["run", &program, "--set", wrong], "").0, 2, "{wrong}");
    }
}

#[test]
fn input_seed_and_policy_reach_the_program() {
    let bench = Bench::new();
    // Reads a line into the heap and writes it.
    let code = [
        [isa::LI, 0, 0, 160],
        [isa::LI, 0x10, 0, 40],
        sys(calls::INPUT),
        [isa::MOV, 1, 0, 0],
        [isa::LI, 0, 0, 160],
        sys(calls::WRITE),
        sys(calls::RANDOM),
        [isa::HALT, 0, 0, 0],
    ];
    let parts = Parts { code: rows(&code), entry: 16, heap: 100, ..Parts::default() };
    let program = bench.module("echo.png", &parts);
    let (status, out, err) = said(&["run", &program, "--registers"], "hello\nworld\n");
    assert_eq!((status, out.as_str()), (0, "hello"));
    assert!(err.starts_with("R0   E220A839  -501176263\n"), "{err}");
    std::fs::write(bench.path("lines"), "from a file\n").unwrap();
    let (_, out, err) = said(
        &["run", &program, "--registers", "--seed", "1", "--input", &bench.named("lines")],
        "x\n",
    );
    assert!(out == "from a file" && !err.contains("E220A839"), "{out} {err}");
    std::fs::write(bench.path("policy"), r#"{"deny": ["WRITE"]}"#).unwrap();
    let (status, out, err) = said(&["run", &program, "--policy", &bench.named("policy")], "x\n");
    assert_eq!((status, out.as_str()), (0, ""));
    assert!(err.contains("pxi: WRITE was refused: the policy forbids it"), "{err}");
}

#[test]
fn files_and_imports_come_from_the_root() {
    let bench = Bench::new();
    std::fs::create_dir(bench.path("lib")).unwrap();
    let double = Parts {
        code: rows(&[[isa::ADDW, 0, 0, 0], [isa::RET, 0, 0, 0]]),
        entry: 17,
        functions: vec![Function { name: "double".into(), address: 16 }],
        ..Parts::default()
    };
    bench.module("lib/math", &double);
    let code = [
        [isa::LEA, 0x90, 0, 4],
        [isa::LD, 9, 9, 0],
        [isa::JSR, 9, 0, 0],
        sys(calls::EXIT),
        [0, 0, 0, 0],
    ];
    let import = Import { slot: 20, path: "/lib/math".into(), name: "double".into() };
    let parts = Parts {
        code: rows(&code[..4]),
        data: rows(&code[4..]),
        entry: 16,
        imports: vec![import],
        ..Parts::default()
    };
    let program = bench.module("main.png", &parts);
    let root = bench.0.path().to_str().unwrap();
    assert_eq!(said(&["run", &program, "--root", root, "--set", "R0=21"], "").0, 42);
    let (status, _, err) = said(&["run", &program], "");
    assert!(status == 1 && err.contains("imports functions of other modules: --root"), "{err}");
    std::fs::remove_file(bench.path("lib/math")).unwrap();
    let (status, _, err) = said(&["run", &program, "--root", root], "");
    assert!(status == 1 && err.contains("cannot link /lib/math: an import cannot be had"), "{err}");
    let (_, trace, _) = said(&["trace", "--calls", &program, "--root", root], "");
    assert_eq!(trace, "");
}

#[test]
fn the_memory_of_pxi_2_is_a_picture_as_wide_as_the_program() {
    let bench = Bench::new();
    let parts = Parts { heap: 83, frame: Some((7, 5)), ..exiting() };
    let program = bench.module("exit.png", &parts);
    let (memory, frame) = (bench.named("m.png"), bench.named("f.png"));
    assert_eq!(said(&["run", &program, "--memory", &memory, "--frame", &frame], "").0, 0);
    let picture = |path: &str| Raster::from_png(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!((picture(&memory).width(), picture(&memory).height()), (5, 20));
    assert_eq!((picture(&frame).width(), picture(&frame).height()), (7, 5));
}

#[test]
fn scripts_debug_and_end_at_the_first_mistake() {
    let hello = sample("classic_hello");
    let (status, out, err) = said(&["debug", &hello, "-e", "b 4; c; p R0; delete; c; where"], "");
    assert_eq!((status, err.as_str()), (0, ""));
    assert_eq!(
        out,
        "breakpoint 1 at 4\nHE\nbreakpoint 1\n=> 4: LOAD R0, 76\n69  0x00000045  #00000045\n\
         LLO, PIXELS\nthe program ended: HALT (after 28 steps)\n=> 28: HALT\n=> 28: HALT\n"
    );
    let (status, out, err) = said(&["debug", &hello], "# a comment\n\nstep\nfly\nstep\n");
    assert_eq!((status, out.as_str()), (1, "=> 1: PRINT R0\n"));
    assert!(err.contains("line 4: there is no command 'fly'"), "{err}");
    let bench = Bench::new();
    std::fs::write(bench.path("script"), "step\nquit\nfly\n").unwrap();
    let (status, out, _) = said(&["debug", &hello, "-x", &bench.named("script"), "-e", "fly"], "");
    assert_eq!((status, out.as_str()), (0, "=> 1: PRINT R0\n"));
    let (status, _, err) = said(&["debug", &hello, "-x", &bench.named("none")], "");
    assert!(status == 1 && err.contains("cannot open"), "{err}");
}

#[test]
fn an_endless_loop_comes_back_to_the_script() {
    let (status, out, _) =
        said(&["debug", &sample("classic_spin"), "--fuel", "5000", "-e", "c;c;p steps"], "");
    assert_eq!(status, 0);
    assert!(out.ends_with("10000  0x00002710  #00002710\n"), "{out}");
}

#[test]
fn assembled_symbols_name_lines_in_all_tools() {
    let bench = Bench::new();
    let source = "main:   LOAD R1, 2\nagain:  CALL work\n        SUB R1, R1, R2\n        \
                  JNZ R1, again\n        HALT\nwork:   LOAD R2, 1\n        RET\n";
    std::fs::write(bench.path("a.pxs"), source).unwrap();
    let (source, program, symbols) =
        (bench.named("a.pxs"), bench.named("a.png"), bench.named("a.json"));
    let (status, _, err) = said(&["asm", &source, "-o", &program, "--symbols", &symbols], "");
    assert_eq!((status, err.as_str()), (0, ""));
    let with = ["--symbols", &symbols, &program];
    let tool = |args: &[&str]| {
        let (status, out, err) = said(&[args, &with[..]].concat(), "");
        assert_eq!((status, err.as_str()), (0, ""), "{args:?}");
        out
    };
    let out = tool(&["debug", "-e", "b a.pxs:6; c; bt; list; finish"]);
    assert!(out.contains("breakpoint 1 at 5 work ("), "{out}");
    assert!(out.contains("=>     6  work:   LOAD R2, 1"), "{out}");
    assert!(out.contains("#1  1 again") && out.contains("=> 2 again+1"), "{out}");
    let out = tool(&["trace", "--from", "work", "--to", "work+1"]);
    assert_eq!(out.lines().count(), 4, "{out}");
    let out = tool(&["trace", "--limit", "1", "--json"]);
    let line: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&line["text"], &line["registers"]["R1"]), (&"LOAD R1, 2".into(), &2.into()));
    assert_eq!(tool(&["profile", "--folded"]), "main 7\nmain;work 4\n");
    let out = tool(&["profile", "--json", "--top", "1"]);
    let profile: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(profile["steps"], 11);
    assert_eq!(profile["functions"][0]["name"], "main");
    assert_eq!(profile["lines"].as_array().unwrap().len(), 1);
    assert!(tool(&["profile"]).contains("a.pxs:2"));
}

#[test]
fn traps_say_where_in_all_tools() {
    let bench = Bench::new();
    let code = [[isa::NOP, 0, 0, 0], [isa::DIVU, 1, 2, 3]];
    let functions = vec![Function { name: "main".into(), address: 16 }];
    let program = bench
        .module("t.png", &Parts { code: rows(&code), entry: 16, functions, ..Parts::default() });
    for tool in ["run", "trace", "profile"] {
        let (status, _, err) = said(&[tool, &program], "");
        assert_eq!(status, 1);
        assert!(
            err.ends_with("trap at pixel 17 (main+1) after 1 steps: division by zero\n"),
            "{err}"
        );
    }
    let (status, out, _) = said(&["debug", &program, "-e", "c"], "");
    assert_eq!(status, 0);
    assert_eq!(out, "trap: division by zero (after 1 steps)\n=> 17 main+1: DIVU R1, R2, R3\n");
}

#[test]
fn text_of_the_program_is_shown_when_the_trace_goes_to_a_file() {
    let bench = Bench::new();
    let file = bench.named("trace");
    let (status, out, _) = said(&["trace", &sample("classic_hello"), "-o", &file], "");
    assert_eq!((status, out.as_str()), (0, "HELLO, PIXELS\n"));
    assert_eq!(std::fs::read_to_string(file).unwrap().lines().count(), 29);
}

#[test]
fn files_that_are_no_symbols_or_no_policies_are_refused() {
    let bench = Bench::new();
    std::fs::write(bench.path("x"), "{\"lines\": 5}").unwrap();
    for option in ["--symbols", "--policy"] {
        let (status, _, err) =
            said(&["run", &sample("classic_hello"), option, &bench.named("x")], "");
        assert!(status == 1 && err.contains("/x: "), "{err}");
    }
}
