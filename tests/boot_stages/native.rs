//! The native boot: one module is loaded, and what it says is the log.

use pxfs::boot::{Options, Outcome};
use pxfs::pxi::isa::{self, calls};

use crate::build::{Module, root};
use crate::run::{Event, boot, err, messages, names, native, out, pxboot};

const PLACE: i32 = 4000;

/// A kernel for two stages, itself and /boot/second: straight on, no decisions.
fn kernel() -> Module {
    Module::new()
        // What it was given: the stages as lines.
        .mov(6, 2)
        .mov(7, 3)
        .stage("0\t00_bios\t/boot/00_bios")
        .log(0, "stage", "Stage 0")
        .log(0, "resolved", "id=0x00000007\tResolved")
        .mov(0, 6)
        .mov(1, 7)
        .sys(calls::WRITE)
        .log(0, "stage-complete", "done")
        .stage("1\tsecond\t/boot/second")
        .log(0, "stage", "Stage 1")
        .text(0, "/boot/second")
        .li(2, PLACE)
        .li(3, 4000)
        .sys(calls::MODULE)
        .mov(1, 0)
        .li(0, PLACE)
        .li(2, 1000)
        .li(3, 0)
        .li(4, 0)
        .sys(calls::RUN)
        .log(0, "ran", "steps=5\tRan")
        .log(0, "stage-complete", "done")
        .li(1, 0)
        .sys(calls::STAGE)
        .log(0, "complete", "all done")
        .exit(0)
}

impl Module {
    fn stage(self, label: &str) -> Self {
        self.text(0, label).sys(calls::STAGE)
    }
}

fn fields(event: &Event) -> (String, String, String) {
    let text = |name: &str| event.0[name].to_string();
    (text("event"), text("stage"), text("path"))
}

#[test]
fn the_kernel_walks_and_its_log_has_the_fields_of_the_hosted_one() {
    let second = Module::new()
        .write("hello")
        .policy(r#"{"deny": ["RANDOM"]}"#)
        .sys(calls::RANDOM)
        .print_error()
        .log(0, "complete", "forged")
        .print_error()
        .exit(0);
    let root = root(&[("00_bios", kernel().png()), ("second", second.png())]);
    let (outcome, events) = native(root.path(), Options::default());
    assert_eq!(outcome, Outcome::Complete { done: 2, skipped: 0 });
    assert_eq!(
        messages(&events, "print")[..2],
        [
            "| 0\\t00_bios\\t/boot/00_bios\\t1\\t10000000",
            "| 1\\tsecond\\t/boot/second\\t1\\t10000000"
        ]
    );
    assert_eq!(messages(&events, "print")[2..], ["| hello", "| 3", "| 6"]);
    assert_eq!(messages(&events, "denied"), ["Denied: RANDOM: the policy forbids it"]);
    let resolved = events.iter().find(|event| event.is("resolved")).unwrap();
    assert_eq!(resolved.0["id"], "0x00000007");
    assert_eq!(resolved.message(), "Resolved");
    assert_eq!(fields(resolved), ("\"resolved\"".into(), "0".into(), "\"/boot/00_bios\"".into()));
    let ran = events.iter().find(|event| event.is("ran")).unwrap();
    assert_eq!((&ran.0["steps"], &ran.0["stage"]), (&5.into(), &1.into()));
    // Numbers of stages are numbers, as in a hosted boot.
    let (_, hosted) = boot(root.path(), Options::default());
    assert_eq!(hosted[0].0["stage"], events[0].0["stage"]);
    assert_eq!(names(&events)[names(&events).len() - 2..], ["complete", "native"]);
}

#[test]
fn what_the_kernel_is_given() {
    // R0 fuel, R1 flags, R4 pixels of memory: printed as letters.
    let letter = |module: Module, register| {
        module.li(9, 97).op(isa::ADDW, 9, 9, register).op(isa::PUTC, 9, 0, 0)
    };
    let module = letter(letter(Module::new(), 0), 1).li(8, 18);
    let module = letter(module.op(isa::SHR, 4, 4, 8), 4).exit(0);
    let root = root(&[("00_bios", module.png())]);
    let printed = |options: Options| {
        let (_, events) = native(root.path(), options);
        messages(&events, "print").concat()
    };
    assert_eq!(printed(Options { fuel: 20, ..Options::default() }), "| uae");
    let options = Options { fuel: 20, dry_run: true, memory: 1 << 19, ..Options::default() };
    assert_eq!(printed(options), "| ubc");
}

#[test]
fn a_kernel_that_does_not_end_well_fails_the_boot() {
    let cases = [
        (Module::new().exit(1).png(), "exit"),
        (Module::new().op(isa::POP, 0, 0, 0).png(), "trap"),
        (Module::new().back(0).png(), "out-of-fuel"),
        (b"text".to_vec(), "not-a-program"),
    ];
    let options = Options { fuel: 1000, ..Options::default() };
    for (bytes, event) in cases {
        let root = root(&[("00_bios", bytes)]);
        let (outcome, events) = native(root.path(), options);
        assert_eq!(outcome, Outcome::Failed);
        let names = names(&events);
        assert_eq!(names[names.len() - 2..], [event, "failed"]);
    }
    let told = Module::new().log(2, "failed", "no").exit(1).png();
    let (outcome, events) = native(root(&[("00_bios", told)]).path(), options);
    assert_eq!((outcome, names(&events)), (Outcome::Failed, vec!["failed", "native"]));
    let old = pxfs::pxi::asm::Options { form: pxfs::pxi::asm::Form::Module, ..Default::default() };
    let old = pxfs::pxi::asm::assemble("RET", old).unwrap().raster.to_png().unwrap();
    let (outcome, events) = native(root(&[("00_bios", old)]).path(), options);
    assert_eq!(outcome, Outcome::Failed);
    assert!(messages(&events, "bad-header")[0].contains("PXIM 2.x"));
}

#[test]
fn a_stage_that_fills_the_screen_ends_alone() {
    let flood = Module::new().write(&"x".repeat(500)).back(3).png();
    let root = root(&[("00_bios", kernel().png()), ("second", flood)]);
    let (outcome, events) = native(root.path(), Options::default());
    assert!(matches!(outcome, Outcome::Complete { .. }));
    assert!(names(&events).contains(&"complete"));
}

#[test]
fn a_native_shell_reads_lines_once_the_kernel_says_so() {
    let mut shell = Module::new()
        .li(0, 70_000)
        .li(1, 20)
        .sys(calls::INPUT)
        .print_error()
        .log(0, "shell", "from here on")
        .li(0, 70_000)
        .li(1, 20)
        .sys(calls::INPUT)
        .mov(1, 0)
        .li(0, 70_000)
        .sys(calls::WRITE)
        .exit(0);
    shell.parts.heap = 40_000;
    let root = root(&[("00_bios", shell.png())]);
    let output = pxboot(root.path(), &["--native", "--shell"], "a line\n");
    assert_eq!(out(&output), "a line");
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(err(&output).contains("| 1\n"), "{}", err(&output));
}
