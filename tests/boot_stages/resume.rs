//! A boot that stopped goes on where it stopped, under the policy it had.

use std::path::Path;

use crate::build::{Module, root};
use crate::run::{err, events, messages, names, out, pxboot};

fn status(output: &std::process::Output) -> Option<i32> {
    output.status.code()
}

/// A root whose third stage fails, and the log of its boot.
fn stopped() -> (tempfile::TempDir, String) {
    let first = Module::new().write("first\n").exit(0).png();
    let policy = Module::new().policy(r#"{"deny": ["RANDOM"]}"#).exit(0).png();
    let root = root(&[("first", first), ("policy", policy), ("third", b"broken".to_vec())]);
    let log = root.path().join("log.jsonl").to_str().unwrap().to_owned();
    let output = pxboot(root.path(), &["--log", &log, "--log-format=json"], "");
    assert_eq!(status(&output), Some(1));
    (root, log)
}

fn mend(root: &Path) {
    let third = Module::new().sys(pxfs::pxi::isa::calls::RANDOM).print_error().exit(0).png();
    std::fs::write(root.join("boot/third"), third).unwrap();
}

#[test]
fn what_was_complete_is_not_done_again_and_the_policy_holds() {
    let (root, log) = stopped();
    mend(root.path());
    // The last line was being written when the machine went down.
    let mut text = std::fs::read(&log).unwrap();
    let before = events(&text).len();
    text.extend_from_slice(br#"{"time":"2026-"#);
    std::fs::write(&log, text).unwrap();
    let output = pxboot(root.path(), &["--resume", &log], "");
    assert_eq!(status(&output), Some(0), "{}{}", out(&output), err(&output));
    let all = events(&std::fs::read(&log).unwrap());
    let new = &all[before..];
    assert_eq!(messages(new, "resume"), [format!("Resuming {log}: 2 stages complete, 1 policies")]);
    assert_eq!(messages(new, "resumed").len(), 2);
    assert_eq!(messages(new, "print"), ["| 3"], "RANDOM is still forbidden");
    assert_eq!(*names(new).last().unwrap(), "complete");
    // Once more: now there is nothing left to do.
    let output = pxboot(root.path(), &["--resume", &log], "");
    assert_eq!(out(&output).matches("was complete in the earlier boot").count(), 3);
}

#[test]
fn another_module_at_the_same_path_runs() {
    let (root, log) = stopped();
    mend(root.path());
    let first = Module::new().write("another first\n").exit(0).png();
    std::fs::write(root.path().join("boot/first"), first).unwrap();
    let output = pxboot(root.path(), &["--resume", &log], "");
    assert!(out(&output).contains("| another first"), "{}", out(&output));
    assert_eq!(out(&output).matches("was complete in the earlier boot").count(), 1);
}

#[test]
fn logs_that_cannot_be_trusted_are_refused() {
    let (root, log) = stopped();
    let resume = |text: &[u8]| {
        std::fs::write(&log, text).unwrap();
        let output = pxboot(root.path(), &["--resume", &log], "");
        assert_eq!(status(&output), Some(1));
        assert_eq!(std::fs::read(&log).unwrap(), text, "it is left as it was");
        err(&output)
    };
    assert!(resume(b"[INFO] a text log\n").contains("line 1 is no line of a boot log in JSON"));
    let policy = br#"{"event":"policy","policy":"{\"deny\":[\"FLY\"]}"}"#;
    assert!(resume(&[policy.as_slice(), b"\n"].concat()).contains("no system call"));
    assert!(resume(b"\xFF\xFE\n").contains("line 1"));
    let twice = pxboot(root.path(), &["--resume", &log, "--log", &log], "");
    assert!(err(&twice).contains("--log names the same file"));
    assert_eq!(status(&pxboot(root.path(), &["--resume", "/none"], "")), Some(1));
    assert_eq!(status(&pxboot(root.path(), &["--resume", &log, "--dry-run"], "")), Some(2));
}
