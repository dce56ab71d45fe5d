//! The boot kernel over real directories, through the binary and the library.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use pxfs::pxi::asm::{Form, assemble};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

const STAGES: [&str; 9] = [
    "00_bios",
    "01_kernel",
    "02_policy",
    "03_llm_plane",
    "04_world_substrate",
    "10_llm_shell",
    "11_human_shell",
    "12_pixel_repl",
    "20_guardian",
];

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/boot_pxi1")
}

fn module(source: &str) -> Vec<u8> {
    let options = pxfs::pxi::asm::Options { form: Form::Module, ..Default::default() };
    assemble(source, options).unwrap().raster.to_png().unwrap()
}

/// A root with nine modules of PXI-1.
fn root() -> TempDir {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("boot")).unwrap();
    for stage in STAGES {
        let source = std::fs::read_to_string(sources().join(format!("{stage}.pxs"))).unwrap();
        put(&root, &format!("boot/{stage}"), &module(&source));
    }
    root
}

/// A root with one module at /boot/m and a sequence that names it.
fn root_of(bytes: &[u8], required: bool) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("boot")).unwrap();
    put(&root, "boot/m", bytes);
    let text = format!(
        r#"{{"sequence": [{{"stage": 7, "name": "M", "path": "/boot/m", "required": {required}}}]}}"#
    );
    put(&root, "boot_sequence.json", text.as_bytes());
    root
}

fn put(root: &TempDir, path: &str, bytes: &[u8]) {
    std::fs::write(root.path().join(path), bytes).unwrap();
}

fn pxboot(root: &TempDir, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pxfs"));
    command.arg("boot").arg(root.path()).args(args).output().unwrap()
}

fn status(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn errors(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Lines with the time that a run took, which differs from run to run, taken out.
fn stable(log: &str) -> Vec<String> {
    let line = |line: &str| match line.split_once(" steps in ") {
        Some((before, after)) => format!("{before} steps{}", after.split_once(" ms").unwrap().1),
        None => line.to_owned(),
    };
    log.lines().map(line).collect()
}

#[test]
fn all_nine_stages_of_this_repository_boot() {
    let root = root();
    let output = pxboot(&root, &[]);
    assert_eq!(status(&output), 0, "{}{}", text(&output), errors(&output));
    let log = text(&output);
    for line in [
        "[INFO] Boot sequence: built-in, 9 stages",
        "[INFO] | counting: 9876543210",
        "[INFO] | arithmetic: ok",
        "[INFO] | kernel: drew 1024 pixels",
        "[INFO] |   4. no model is asked",
        "[INFO] | llm plane: SYS_LLM answers, no model was asked",
        "[WARN] SYS_BLOB 0x000000F8: no blob has the id 0x000000F8",
        "[INFO] | world: this root has no seed 0x000000F8, the world stays empty",
        "[INFO] | llm> bye",
        "[INFO] | Welcome to pxOS.",
        "[INFO] | pixel> 247",
        "[INFO] | guardian: stack holds 64 values and gives them back",
        "[INFO] Stage 20 complete",
        "[INFO] Boot sequence COMPLETE: 9 stages done, 0 optional skipped",
    ] {
        assert!(log.lines().any(|found| found == line), "no line {line:?} in\n{log}");
    }
    assert!(!log.contains("ERROR"));
}

#[test]
fn the_world_seed_is_loaded_by_its_pixel_id() {
    let root = root();
    let seed = std::fs::read(sources().join("world_seed.txt")).unwrap();
    assert_eq!(Sha256::digest(&seed)[..4], [0, 0, 0, 0xF8]);
    std::fs::create_dir_all(root.path().join(".pxfs/pixels")).unwrap();
    put(&root, ".pxfs/pixels/000000F8", &seed);
    let log = text(&pxboot(&root, &[]));
    assert!(log.contains("[INFO] SYS_BLOB 0x000000F8: 71 bytes\n"), "{log}");
    assert!(log.contains("[INFO] | world: seed loaded, tiles ###############\n"), "{log}");
}

#[test]
fn a_log_of_one_stage_reads_like_this() {
    let root = root_of(&module(".say R0, \"hi\\nyou\"\nDRAW R0, R1, R0\nRET"), true);
    let output = pxboot(&root, &[]);
    let id = Sha256::digest(std::fs::read(root.path().join("boot/m")).unwrap());
    let [r, g, b, a] = *id.first_chunk::<4>().unwrap();
    let expected = [
        format!("[INFO] pxboot {}: booting {}", env!("CARGO_PKG_VERSION"), root.path().display()),
        "[INFO] Boot sequence: /boot_sequence.json of the root, 1 stages".into(),
        "[INFO] Stage 7: M (/boot/m)".into(),
        format!(
            "[INFO] Resolved: /boot/m -> 0x{r:02X}{g:02X}{b:02X}{a:02X}, RGBA ({r}, {g}, {b}, {a})"
        ),
        "[INFO] Checked: PXIM 1.x module, 5x4 pixels, entry 4, SHA-256 not declared by this root"
            .into(),
        "[INFO] | hi".into(),
        "[INFO] | you".into(),
        "[INFO] Ran: RET with an empty stack at pixel 17 after 13 steps".into(),
        "[INFO] Stage 7 complete".into(),
        "[INFO] Boot sequence COMPLETE: 1 stages done, 0 optional skipped".into(),
    ];
    assert_eq!(stable(&text(&output)), expected);
}

#[test]
fn required_failures_stop_the_boot_and_optional_ones_warn() {
    let forever = module("x: JMP x");
    let deep = module("x: CALL x");
    let mut damaged = module("RET");
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0x55;
    let bad_entry = {
        use pxfs::pxi::{Pixel, Raster};
        let header = [*b"PXIM", [1, 0, 0, 0], [99, 0, 0, 0], [0; 4]].map(Pixel::from);
        Raster::new(4, 1, header.to_vec()).unwrap().to_png().unwrap()
    };
    let cases: [(&[u8], &str, &str); 5] = [
        (&forever, "--fuel=1000", "out of fuel: not done after 1000 steps (--fuel allows more)"),
        (&deep, "--fuel=99999999999", "trap: stack is full"),
        (b"no picture", "--fuel=9", "not a readable PNG picture"),
        (&damaged, "--fuel=9", "not a readable PNG picture"),
        (&bad_entry, "--fuel=9", "module entry 99 is outside its code"),
    ];
    for (bytes, fuel, reason) in cases {
        let required = pxboot(&root_of(bytes, true), &[fuel]);
        assert_eq!(status(&required), 1, "{reason}");
        let log = text(&required);
        assert!(log.contains("[ERROR] Stage 7 (required) failed: /boot/m: "), "{log}");
        assert!(log.contains(reason) && log.contains("; boot stops here"), "{log}");
        assert!(log.ends_with(
            "[ERROR] Boot sequence FAILED: 0 stages done, 0 optional skipped, 1 required failed\n"
        ));
        let optional = pxboot(&root_of(bytes, false), &[fuel]);
        assert_eq!(status(&optional), 0, "{reason}");
        let log = text(&optional);
        assert!(log.contains("[WARN] Stage 7 (optional) failed: /boot/m: "), "{log}");
        assert!(log.contains(reason) && log.contains("; skipped"), "{log}");
    }
}

#[test]
fn a_missing_required_stage_stops_the_boot_before_later_stages() {
    let root = root();
    std::fs::remove_file(root.path().join("boot/02_policy")).unwrap();
    let output = pxboot(&root, &[]);
    assert_eq!(status(&output), 1);
    let log = text(&output);
    assert!(log.contains("cannot read the module: not found; boot stops here"), "{log}");
    assert!(log.contains("Stage 1 complete") && !log.contains("Stage 3:"), "{log}");
}

#[test]
fn a_dry_run_checks_all_stages_and_runs_none() {
    let root = root();
    std::fs::remove_file(root.path().join("boot/02_policy")).unwrap();
    std::fs::remove_file(root.path().join("boot/12_pixel_repl")).unwrap();
    let output = pxboot(&root, &["--dry-run"]);
    assert_eq!(status(&output), 1);
    let log = text(&output);
    assert!(log.contains("[ERROR] Stage 2 (required) failed") && log.contains("would stop here"));
    assert!(log.contains("[WARN] Stage 12 (optional) failed") && log.contains("would be skipped"));
    assert!(log.contains("Checked: PXIM 1.x module, 32x32 pixels, entry 4"), "{log}");
    assert!(log.contains("Stage 20: Guardian") && !log.contains("| ") && !log.contains("Ran:"));
    std::fs::remove_file(root.path().join("boot/11_human_shell")).unwrap();
    put(&root, "boot/02_policy", &module("RET"));
    assert_eq!(status(&pxboot(&root, &["--dry-run"])), 0);
}

#[test]
fn a_content_that_is_not_what_the_file_system_declares_does_not_run() {
    let module = module(".say R0, \"ran\\n\"\nRET");
    let root = root_of(&module, true);
    let path = root.path().join("boot/m");
    let digest: String = Sha256::digest(&module).iter().map(|b| format!("{b:02x}")).collect();
    let declare = |value: &str| {
        let flags = rustix::fs::XattrFlags::empty();
        rustix::fs::setxattr(&path, "user.pxfs.sha256", value.as_bytes(), flags)
    };
    // A temporary directory on a file system without user attributes has nothing to declare.
    if declare(&digest) == Err(rustix::io::Errno::OPNOTSUPP) {
        return;
    }
    let good = pxboot(&root, &[]);
    assert_eq!(status(&good), 0);
    assert!(text(&good).contains("SHA-256 as declared"));
    declare(&digest.replace(&digest[..1], "x")).unwrap();
    for args in [&[][..], &["--dry-run"]] {
        let bad = pxboot(&root, args);
        assert_eq!(status(&bad), 1);
        assert!(text(&bad).contains("but the file system declares x"), "{}", text(&bad));
        assert!(!text(&bad).contains("| ran"));
    }
}

#[test]
fn sequences_that_cannot_be_meant_are_errors() {
    let root = root();
    let file = root.path().join("seq.json");
    let file = file.to_str().unwrap();
    for (json, reason) in [
        ("{", "not JSON"),
        ("[]", "the file holds a list"),
        ("{\"sequence\": []}", "nothing to boot"),
        ("{\"sequence\": [{\"name\": \"x\"}]}", "\"path\" is missing"),
    ] {
        put(&root, "seq.json", json.as_bytes());
        let output = pxboot(&root, &["--sequence", file]);
        assert_eq!(status(&output), 1);
        assert!(errors(&output).starts_with(&format!("pxfs boot: boot sequence {file}: ")));
        assert!(errors(&output).contains(reason), "{}", errors(&output));
    }
    let missing = pxboot(&root, &["--sequence", "/nowhere.json"]);
    assert_eq!(status(&missing), 1);
    put(&root, "boot/boot_sequence.json", b"[]");
    let own = pxboot(&root, &[]);
    assert!(errors(&own).contains("boot sequence /boot/boot_sequence.json of the root: "));
}

#[test]
fn the_json_log_has_a_line_for_each_event_and_goes_into_the_file_as_well() {
    let root = root_of(&module(".say R0, \"hi\\n\"\nLOAD R0, 3\nSYS_BLOB\nRET"), true);
    let log = root.path().join("boot.jsonl");
    let output = pxboot(&root, &["--log-format", "json", "--log", log.to_str().unwrap()]);
    assert_eq!(text(&output), std::fs::read_to_string(&log).unwrap());
    let lines: Vec<Value> =
        text(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let events: Vec<&str> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(
        events,
        [
            "start",
            "sequence",
            "stage",
            "resolved",
            "checked",
            "print",
            "blob-failed",
            "ran",
            "stage-complete",
            "complete"
        ]
    );
    let ran = &lines[7];
    assert_eq!(
        (&ran["stage"], &ran["name"], &ran["path"]),
        (&7.into(), &"M".into(), &"/boot/m".into())
    );
    assert_eq!(ran["steps"], 8);
    assert!(ran["ms"].is_number() && ran["id"].as_str().unwrap().starts_with("0x"));
    assert!(ran["time"].as_str().unwrap().ends_with('Z'));
}

#[test]
fn a_module_that_floods_its_screen_or_calls_is_held() {
    let flood = pxboot(&root_of(&module("LOAD R0, 'x'\ny: PRINT R0\nJMP y"), true), &[]);
    assert_eq!(status(&flood), 1);
    assert!(text(&flood).contains("trap: screen is full: 1048576 bytes"));
    let calls = pxboot(&root_of(&module("y: SYS_BLOB\nJMP y"), false), &["--fuel=2000"]);
    let warnings = text(&calls).matches("SYS_BLOB 0x00000000").count();
    assert_eq!(warnings, 99);
    assert!(text(&calls).contains("further system calls of this stage are not logged"));
}

#[test]
fn wrong_usage_has_status_2() {
    let root = root();
    for args in [&["--fuel", "x"][..], &["--log-format", "xml"], &["--no-such-flag"]] {
        assert_eq!(status(&pxboot(&root, args)), 2);
    }
    let none = Command::new(env!("CARGO_BIN_EXE_pxfs")).args(["boot", "/nowhere"]).output();
    let none = none.unwrap();
    assert_eq!(status(&none), 1);
    assert!(errors(&none).contains("cannot boot /nowhere"));
    let help = Command::new(env!("CARGO_BIN_EXE_pxfs")).args(["boot", "--help"]).output().unwrap();
    assert_eq!(status(&help), 0);
    assert!(text(&help).contains("Exit status"));
}

#[test]
fn a_file_is_taken_for_a_picture() {
    let root = root();
    let file = root.path().join("boot/00_bios");
    let output = Command::new(env!("CARGO_BIN_EXE_pxfs")).arg("boot").arg(file).output().unwrap();
    assert_eq!(status(&output), 1);
}

/// The same check stands in tests/pxi_cli.rs for the other document.
#[test]
fn the_document_knows_every_option_of_the_help() {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/boot.md");
    let document = std::fs::read_to_string(document).unwrap();
    let help = Command::new(env!("CARGO_BIN_EXE_pxfs")).args(["boot", "--help"]).output().unwrap();
    let help = text(&help);
    let options = help.split_whitespace().filter(|word| word.starts_with("--"));
    let ends = |c: char| !c.is_alphabetic() && c != '-';
    for option in options.filter_map(|word| word.split(ends).next()) {
        let known = document.contains(option) || ["--help", "--version"].contains(&option);
        assert!(known, "{option} is not in docs/boot.md");
    }
}
