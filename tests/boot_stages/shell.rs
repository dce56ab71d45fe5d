//! A boot that ends in a shell, with a script where a person would be.

use std::process::{Command, Stdio};

use pxfs::pxi::isa::{self, calls};
use tempfile::TempDir;

use crate::build::{Module, root};
use crate::run::{err, out, pxboot};

const BUFFER: i32 = 70_000;

/// Echoes lines until the input ends; says goodbye.
fn echo() -> Module {
    // R0 is 1 when somebody is there.
    let module = Module::new().mov(6, 0).skip_if(6, 6).write("nobody\n").exit(0);
    let mut module = module
        .li(0, BUFFER)
        .li(1, 20)
        .sys(calls::INPUT)
        .skip_if(1, 7)
        .mov(1, 0)
        .li(0, BUFFER)
        .sys(calls::WRITE)
        .li(5, 10)
        .op(isa::PUTC, 5, 0, 0)
        .back(9)
        .write("bye");
    module.parts.heap = 40_000;
    module
}

fn with_shell(name: &'static str, shell: Module) -> TempDir {
    root(&[("first", Module::new().exit(0).png()), (name, shell.png())])
}

#[test]
fn lines_of_a_pipe_are_its_commands() {
    let root = with_shell("11_human_shell", echo());
    let quiet = pxboot(root.path(), &[], "ignored\n");
    assert!(out(&quiet).contains("| nobody"), "{}", out(&quiet));
    let output = pxboot(root.path(), &["--shell"], "ls\ncat /x\r\nan \u{1b}[2J escape\nlast");
    assert_eq!(out(&output), "ls\ncat /x\nan \\u{1b}[2J escape\nlast\nbye");
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(err(&output).contains("[INFO] Boot sequence COMPLETE"));
    assert!(err(&output).contains("[INFO] Shell: 11_human_shell"));
    let none = pxboot(root.path(), &["--shell=human"], "");
    assert_eq!(out(&none), "bye");
}

#[test]
fn the_other_shell_and_one_that_is_not_there() {
    let root = with_shell("10_llm_shell", echo());
    assert_eq!(out(&pxboot(root.path(), &["--shell=llm"], "a\n")), "a\nbye");
    let missing = pxboot(root.path(), &["--shell"], "a\n");
    assert_eq!(missing.status.code(), Some(1));
    assert!(err(&missing).contains("Shell failed: /boot/11_human_shell"), "{}", err(&missing));
    assert_eq!(pxboot(root.path(), &["--shell=x"], "").status.code(), Some(2));
}

#[test]
fn every_line_brings_new_fuel_and_no_line_brings_more() {
    let root = with_shell("11_human_shell", echo());
    let lines = "x\n".repeat(500);
    let output = pxboot(root.path(), &["--shell", "--fuel=60"], &lines);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let stuck = Module::new().mov(6, 0).skip_if(6, 3).exit(0).back(0);
    let root = with_shell("11_human_shell", stuck);
    let output = pxboot(root.path(), &["--shell", "--fuel=1000"], "x\n");
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("out of fuel"), "{}", err(&output));
}

#[test]
fn an_output_that_is_closed_ends_the_shell() {
    let forever = Module::new().mov(6, 0).skip_if(6, 3).exit(0).write("x\n").back(3);
    let root = with_shell("11_human_shell", forever);
    let mut child = Command::new(env!("CARGO_BIN_EXE_pxfs"))
        .arg("boot")
        .arg(root.path())
        .args(["--shell", "--fuel=9000000000"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn what_was_forbidden_is_forbidden_in_the_shell() {
    let shell = Module::new().sys(calls::RANDOM).print_error().exit(0);
    let policy = Module::new().policy(r#"{"deny": ["RANDOM"]}"#).exit(0);
    let root = root(&[("11_human_shell", shell.png()), ("policy", policy.png())]);
    let output = pxboot(root.path(), &["--shell"], "");
    assert_eq!(out(&output), "3\n");
    assert!(err(&output).contains("[WARN] Denied: RANDOM"), "{}", err(&output));
}
