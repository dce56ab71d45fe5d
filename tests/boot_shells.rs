//! The shells, the pixel REPL and the guardian of `boot/`: compiled, booted, given
//! lines; what they answer is compared exactly.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, UNIX_EPOCH};

use pxfs::boot::{DirRoot, Format, Log, NoModel, Options, Setup, boot_with, sequence};
use pxfs::pxc::compile;
use pxfs::pxi::CallError;
use pxfs::pxi::isa::{self, Isa, Kind, calls};
use serde_json::{Value, json};
use tempfile::TempDir;

fn source(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("boot").join(name);
    std::fs::read_to_string(path).unwrap()
}

/// A module compiled from the subset of Python.
fn module(source: &str) -> Vec<u8> {
    let compiled = compile("module.py", source).unwrap_or_else(|errors| {
        let rendered: String = errors.iter().map(|e| e.render()).collect();
        panic!("{rendered}")
    });
    compiled.parts.build(None).unwrap().to_png().unwrap()
}

/// A root with these optional stages: name, source, fuel.
fn root(stages: &[(&str, &str, u64)]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("boot")).unwrap();
    let mut list = Vec::new();
    for (number, (name, source, fuel)) in stages.iter().enumerate() {
        let path = format!("/boot/{name}");
        std::fs::write(root.path().join(&path[1..]), module(source)).unwrap();
        list.push(json!({"stage": number, "name": name, "path": path, "fuel": fuel}));
    }
    let text = json!({ "sequence": list }).to_string();
    std::fs::write(root.path().join("boot_sequence.json"), text).unwrap();
    root
}

fn add(root: &TempDir, path: &str, content: &[u8]) {
    let path = root.path().join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, content).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(UNIX_EPOCH + Duration::from_secs(1_700_000_000)).unwrap();
}

/// A root with one shell and a few files.
fn with_shell(name: &str) -> TempDir {
    let root = root(&[(name, &source(&format!("{name}.py")), 10_000_000)]);
    add(&root, "docs/hello.txt", b"hello\n");
    add(&root, "docs/mixed", b"\"q\" \\ \t\x01\xc3\xa9\xc2\x85\xff end");
    add(&root, "docs/deep/a b", b"deep\n");
    let child = module("print('child')\nexit(3)");
    add(&root, "mod/child", &child);
    add(&root, "mod/trap", &module("print(peek(0xFFFFFFF))"));
    root
}

/// What the shell prints when it is given these lines.
fn shell(root: &TempDir, which: &str, input: &[u8]) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_pxfs"))
        .arg("boot")
        .arg(root.path())
        .arg(format!("--shell={which}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || {
        // It may end without having read all.
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The answers of a shell to lines, each line with its answer.
fn transcript(root: &TempDir, which: &str, cases: &[(&str, &str)]) {
    let mut input = String::new();
    let mut expected = String::new();
    for (line, answer) in cases {
        writeln!(input, "{line}").unwrap();
        expected.push_str(answer);
    }
    assert_eq!(shell(root, which, input.as_bytes()), expected);
}

/// Lines that nobody should type: of any bytes, too long, with bad numbers.
fn bad_lines(words: &[&str]) -> Vec<u8> {
    let mut state = 7u32;
    let mut next = move |n: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % n
    };
    let mut input = Vec::new();
    for round in 0..400 {
        match round % 20 {
            0 => input.extend((0..next(80)).map(|_| next(256) as u8).filter(|b| *b != b'\n')),
            1 => input.extend(vec![b"x/\" {"[next(5)]; next(9000)]),
            2 => {
                input.extend(words[next(words.len())].bytes());
                input.push(b' ');
                input.extend(b"/a/..".repeat(next(2000)));
            }
            _ => {
                for _ in 0..next(6) {
                    input.extend(words[next(words.len())].bytes());
                    input.push(b' ');
                }
            }
        }
        input.push(b'\n');
    }
    input
}

const ODD: &[&str] = &[
    "/",
    "..",
    ".",
    "\"",
    "\"a b\"",
    "-l",
    "/docs",
    "docs",
    "/docs/hello.txt",
    "/docs/mixed",
    "/mod/child",
    "0",
    "-1",
    "7",
    "2147483648",
    "99999999999",
    "0x",
    "{",
    "}",
    "\u{e9}",
    "/nope",
];

fn odd_and(words: &[&'static str]) -> Vec<&'static str> {
    [ODD, words].concat()
}

#[test]
fn a_model_gets_a_json_object_a_line() {
    let root = with_shell("10_llm_shell");
    transcript(
        &root,
        "llm",
        &[
            (
                "ls /docs/deep",
                "{\"ok\":true,\"entries\":[{\"name\":\"a b\",\"kind\":\"file\",\"size\":5}],\"next\":1,\"end\":true}\n",
            ),
            (
                "ls /docs",
                "{\"ok\":true,\"entries\":[{\"name\":\"deep\",\"kind\":\"directory\"},{\"name\":\"hello.txt\",\"kind\":\"file\",\"size\":6},{\"name\":\"mixed\",\"kind\":\"file\",\"size\":17}],\"next\":3,\"end\":true}\n",
            ),
            ("ls", "{\"ok\":false,\"error\":\"a path is needed\",\"code\":6}\n"),
            ("ls /nope", "{\"ok\":false,\"error\":\"not found\",\"code\":2}\n"),
            (
                "stat /docs/hello.txt",
                "{\"ok\":true,\"kind\":\"file\",\"size\":6,\"id\":\"0x5891B5B5\",\"mode\":33184,\"modified\":1700000000,\"links\":1,\"type\":0}\n",
            ),
            (
                "cat /docs/hello.txt",
                "{\"ok\":true,\"text\":\"hello\\n\",\"bytes\":6,\"end\":true}\n",
            ),
            (
                "cat /docs/hello.txt 1 3",
                "{\"ok\":true,\"text\":\"ell\",\"bytes\":3,\"end\":false}\n",
            ),
            // The second byte of a character does not fit: it is left for the next.
            (
                "cat /docs/mixed 6 3",
                "{\"ok\":true,\"text\":\"\\u0009\\u0001\",\"bytes\":2,\"end\":false}\n",
            ),
            (
                "cat /docs/mixed",
                "{\"ok\":true,\"text\":\"\\\"q\\\" \\\\ \\u0009\\u0001\u{e9}\\u0085\u{fffd} end\",\"bytes\":17,\"end\":true}\n",
            ),
            (
                "cat \"/docs/deep/a b\"",
                "{\"ok\":true,\"text\":\"deep\\n\",\"bytes\":5,\"end\":true}\n",
            ),
            (
                "cat /docs/hello.txt x",
                "{\"ok\":false,\"error\":\"OFFSET and LENGTH are numbers, LENGTH is not 0\",\"code\":6}\n",
            ),
            ("resolve /docs/hello.txt", "{\"ok\":true,\"id\":\"0x5891B5B5\"}\n"),
            ("resolve /docs", "{\"ok\":false,\"error\":\"wrong kind of file\",\"code\":10}\n"),
            (
                "run /docs/hello.txt",
                "{\"ok\":false,\"error\":\"not a picture of a program\",\"code\":17}\n",
            ),
            (
                "run /mod/child 0",
                "{\"ok\":false,\"error\":\"FUEL is a number, 1 to 8000000\",\"code\":6}\n",
            ),
            (
                "run /mod/child 1",
                "\n{\"ok\":true,\"state\":\"out-of-fuel\",\"detail\":0,\"steps\":1,\"reason\":\"out of fuel\"}\n",
            ),
            ("ask what?", "{\"ok\":false,\"error\":\"no model to ask\",\"code\":11}\n"),
            ("policy {", "{\"ok\":false,\"error\":\"bad argument\",\"code\":6}\n"),
            ("policy {\"deny\": [\"LLM\"]}", "{\"ok\":true}\n"),
            ("ask what?", "{\"ok\":false,\"error\":\"the policy forbids it\",\"code\":3}\n"),
            ("", "{\"ok\":false,\"error\":\"no command; help lists them\",\"code\":6}\n"),
            ("exit", "{\"ok\":true}\n"),
        ],
    );
}

#[test]
fn a_model_runs_modules_and_reads_the_log() {
    let root = with_shell("10_llm_shell");
    let out = shell(&root, "llm", b"run /mod/child\nrun /mod/trap\nlog 2\nhelp\n");
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[..2], ["child", ""]);
    let ended: Value = serde_json::from_str(lines[2]).unwrap();
    assert_eq!((&ended["state"], &ended["detail"]), (&json!("ended"), &json!(3)));
    assert_eq!(ended["reason"], "EXIT with status 3");
    let trap: Value = serde_json::from_str(lines[4]).unwrap();
    assert_eq!((&trap["state"], &trap["detail"]), (&json!("trap"), &json!(5)));
    assert!(trap["steps"].as_u64().unwrap() > 0);
    let log: Value = serde_json::from_str(lines[5]).unwrap();
    let events: Vec<_> = log["lines"].as_array().unwrap().iter().map(|l| &l["event"]).collect();
    assert_eq!(events, ["complete", "shell"]);
    let help: Value = serde_json::from_str(lines[6]).unwrap();
    assert_eq!(help["commands"].as_array().unwrap().len(), 10);
    assert_eq!(lines.len(), 7);
}

#[test]
fn no_line_stops_the_shell_for_a_model() {
    let root = with_shell("10_llm_shell");
    let words = odd_and(&["ls", "stat", "cat", "resolve", "log", "ask", "policy", "help"]);
    let mut input = bad_lines(&words);
    let count = input.iter().filter(|b| **b == b'\n').count();
    input.extend(b"exit\n");
    let out = shell(&root, "llm", &input);
    for line in out.lines() {
        let answer: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert_eq!(answer["ok"] == false, answer["error"].is_string(), "{line}");
    }
    assert_eq!(out.lines().count(), count + 1);
}

#[test]
fn a_person_walks_about() {
    let root = with_shell("11_human_shell");
    transcript(
        &root,
        "human",
        &[
            ("pwd", "pxos:/$ /\n"),
            ("ls", "pxos:/$ boot/\nboot_sequence.json\ndocs/\nmod/\n"),
            ("cd docs", "pxos:/$ "),
            (
                "ls -l",
                "pxos:/docs$ dir                           deep/\nfile           6  0x5891B5B5  hello.txt\nfile          17  0x9B65523D  mixed\n",
            ),
            ("cat hello.txt", "pxos:/docs$ hello\n"),
            ("cat mixed", "pxos:/docs$ \"q\" \\ \t\\u{1}\u{e9}\\u{85}\u{fffd} end\n"),
            ("cd deep/../deep/.", "pxos:/docs$ "),
            ("cat \"a b\" 2", "pxos:/docs/deep$ ep\n"),
            ("cat ../hello.txt", "pxos:/docs/deep$ hello\n"),
            ("cd ../../..", "pxos:/docs/deep$ "),
            ("find docs/deep", "pxos:/$ /docs/deep/a b\n"),
            ("cd nowhere", "pxos:/$ cd: /nowhere: not found\n"),
            ("cd docs/hello.txt", "pxos:/$ cd: /docs/hello.txt: not a directory\n"),
            (
                "stat docs/hello.txt",
                "pxos:/$ /docs/hello.txt: file, 6 bytes, id 0x5891B5B5, mode 0640, modified 1700000000\n",
            ),
            ("resolve docs", "pxos:/$ resolve: /docs: wrong kind of file\n"),
            ("resolve docs/hello.txt", "pxos:/$ 0x5891B5B5\n"),
            ("run mod/child 1", "pxos:/$ run failed: out of fuel after 1 steps\n"),
            ("run docs/mixed", "pxos:/$ run: /docs/mixed: not a picture of a program\n"),
            (
                "log 2",
                "pxos:/$ info  Boot sequence COMPLETE: 1 stages done, 0 optional skipped\ninfo  Shell: 11_human_shell (/boot/11_human_shell)\n",
            ),
            ("log -1", "pxos:/$ log: N is a number, not 0\n"),
            ("echo  a  b", "pxos:/$ a  b\n"),
            ("jump", "pxos:/$ jump: no such command; help lists them\n"),
            ("cat", "pxos:/$ cat: a path is needed\n"),
            ("", "pxos:/$ "),
            ("cd", "pxos:/$ "),
            ("exit", "pxos:/$ "),
        ],
    );
    assert_eq!(shell(&root, "human", b"pwd"), "pxos:/$ /\npxos:/$ \n");
}

#[test]
fn no_line_stops_the_shell_for_a_person() {
    let root = with_shell("11_human_shell");
    let words = odd_and(&["ls", "cd", "cat", "stat", "resolve", "find", "log", "pwd", "run"]);
    let mut input = bad_lines(&words);
    input.extend(b"cd /docs\npwd\nexit\n");
    assert!(shell(&root, "human", &input).ends_with("pxos:/docs$ /docs\npxos:/docs$ "));
}

fn with_repl() -> TempDir {
    // In the place of a shell: that is where input is.
    root(&[("11_human_shell", &source("12_pixel_repl.py"), 10_000_000)])
}

#[test]
fn pixels_are_run_as_they_are_typed() {
    transcript(
        &with_repl(),
        "human",
        &[
            ("SET R1, 100000", "pxi> R1 = 100000 (0x000186A0)\n"),
            ("set r2 -1", "pxi> R2 = 4294967295 (0xFFFFFFFF)\n"),
            ("ADDW R3, R1, R2", "pxi> R3 = 99999 (0x0001869F)\n"),
            (
                "SUBU R4, R1, R2",
                "pxi> stopped: the result does not fit 32 bits (pixel 33 of the module)\n",
            ),
            ("10 05 2a 00", "pxi> R5 = 42 (0x0000002A)\n"),
            ("10052b00 10062a00", "pxi> R5 = 43 (0x0000002B)\nR6 = 42 (0x0000002A)\n"),
            ("10 05 2a", "pxi> error: a pixel has four channels, eight digits\n"),
            ("41050000", "pxi> +"),
            ("LI R0, 1024", "pxi> R0 = 1024 (0x00000400)\n"),
            ("ST R1, R0, -1", "pxi> "),
            ("mem 1023 2", "pxi> 1023: 00 01 86 A0 = 100000\n1024: 00 00 00 00 = 0\n"),
            ("PUSHM {R1, R3-R5}", "pxi> "),
            ("PUSHM {R1,}", "pxi> error: {R1,}: not a set of registers, as {R1, R3-R5}\n"),
            ("BRA 0", "pxi> stopped: out of fuel\n"),
            ("HALT", "pxi> ended, status 0; the registers are as before\n"),
            ("99000000", "pxi> stopped: (153,0,0,0) is no instruction (pixel 33 of the module)\n"),
            ("ADDI R1, R1, 128", "pxi> error: 128: the number does not fit\n"),
            ("ADDW R1 R2 R16", "pxi> error: R16: not a register, R0 to R15\n"),
            ("ADDW R1 R2", "pxi> error: an operand is missing\n"),
            ("NOP 1", "pxi> error: 1: this is one operand too many\n"),
            ("JMP 4", "pxi> error: JMP: no such instruction; help says what there is\n"),
            ("SYS 200", "pxi> R0 = 0 (0x00000000)\nR1 = 1 (0x00000001)\n"),
            ("SYS NOTHING", "pxi> error: NOTHING: not a call or a number\n"),
            ("SYS EXIT", "pxi> ended, status 0; the registers are as before\n"),
            ("mem 4096", "pxi> error: 4096: not an address of the window, 0 to 4095\n"),
            ("reset", "pxi> "),
            ("mem 1023 1", "pxi> 1023: 00 00 00 00 = 0\n"),
            ("LI R15, -524288", "pxi> R15 = 4294443008 (0xFFF80000)\n"),
            ("exit", "pxi> "),
        ],
    );
}

#[test]
fn no_line_stops_the_repl() {
    let words =
        odd_and(&["SET", "LI", "PUSHM", "BRA", "SYS", "WRITE", "R1", "R16", "{R1-R3}", "mem"]);
    let mut input = bad_lines(&words);
    input.extend(b"reset\nLI R1, 7\nexit\n");
    let out = shell(&with_repl(), "human", &input);
    assert!(out.ends_with("pxi> pxi> R1 = 7 (0x00000007)\npxi> "), "{out}");
}

/// The literals of a Python source between two marks, put together.
fn literals(source: &str, from: &str, to: &str) -> String {
    let start = source.find(from).unwrap() + from.len();
    let end = start + source[start..].find(to).unwrap();
    let lines = source[start..end].lines().filter_map(|line| line.trim().strip_prefix("b\""));
    lines.map(|line| line.strip_suffix('"').unwrap()).collect()
}

#[test]
fn the_table_of_the_repl_is_that_of_the_machine() {
    let mut table = String::new();
    for instruction in isa::TABLE.iter().filter(|i| i.is_in(Isa::Pxi2)) {
        write!(table, "{} {:02X}", instruction.mnemonic, instruction.opcode).unwrap();
        for operand in instruction.operands {
            let kind = match operand.kind {
                Kind::Register => 'r',
                Kind::Unsigned | Kind::Absolute => 'u',
                Kind::Signed => 's',
                Kind::Relative => 'p',
                Kind::Registers => 'm',
                Kind::Call => 'c',
            };
            write!(table, " {kind}{}.{}", operand.shift, operand.width).unwrap();
        }
        table.push(';');
    }
    let source = source("12_pixel_repl.py");
    assert_eq!(literals(&source, "# table: begin", "CALLS ="), table);
    let calls: String = calls::CALLS.iter().map(|c| format!("{} {};", c.name, c.number)).collect();
    assert_eq!(literals(&source, "CALLS =", "# table: end"), calls);
}

#[test]
fn the_shells_know_the_errors_of_the_machine() {
    let reasons: String = CallError::ALL.iter().map(|error| format!("{error};")).collect();
    for name in ["10_llm_shell.py", "11_human_shell.py"] {
        assert_eq!(literals(&source(name), "REASONS = (", "\n)"), reasons);
    }
}

/// A boot's log, as JSON.
fn boot(root: &TempDir) -> Vec<Value> {
    let text = std::fs::read_to_string(root.path().join("boot_sequence.json")).unwrap();
    let sequence = sequence::parse(&text).unwrap();
    let mut bytes = Vec::new();
    let mut log = Log::new(Format::Json, vec![Box::new(&mut bytes)]);
    let source = DirRoot::open(root.path()).unwrap();
    let mut model = NoModel;
    let setup = Setup::new(Options::default(), &mut model);
    boot_with(&source, &sequence, setup, &mut log).unwrap();
    drop(log);
    String::from_utf8(bytes).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

fn messages<'l>(log: &'l [Value], event: &str, path: &str) -> Vec<&'l str> {
    let lines = log.iter().filter(|line| line["event"] == event && line["path"] == path);
    lines.map(|line| line["message"].as_str().unwrap()).collect()
}

#[test]
fn without_input_they_say_that_they_are_there() {
    let names = ["10_llm_shell", "11_human_shell", "12_pixel_repl"];
    let sources = names.map(|name| source(&format!("{name}.py")));
    let stages: Vec<_> =
        names.iter().zip(&sources).map(|(n, s)| (*n, s.as_str(), 100_000)).collect();
    let log = boot(&root(&stages));
    let words = ["llm shell", "human shell", "pixel repl"];
    for (name, word) in names.iter().zip(words) {
        let printed = messages(&log, "print", &format!("/boot/{name}"));
        assert_eq!(printed, [format!("| {word}: ready; there is no input now")]);
    }
    assert_eq!(log.iter().filter(|line| line["event"] == "stage-complete").count(), 3);
}

#[test]
fn the_guardian_tells_what_went_wrong() {
    let spin = "for i in range(400):\n    poke(addr_of(x), i)\n";
    let guardian = source("20_guardian.py");
    let root = root(&[
        ("quiet", "print('all is well')", 1000),
        ("busy", &format!("x = [0]\n{spin}"), 3000),
        ("policy", "policy('{\"deny\": [\"RANDOM\"]}')", 1000),
        ("refused", "print(random())", 1000),
        ("trap", "print(peek(0xFFFFFFF))", 1000),
        ("starved", "while True:\n    pass", 100),
        ("exit", "exit(7)", 100),
        ("20_guardian", &guardian, 10_000_000),
    ]);
    std::fs::remove_file(root.path().join("boot/exit")).unwrap();
    let log = boot(&root);
    let busy = log.iter().find(|l| l["path"] == "/boot/busy" && l["event"] == "ran").unwrap();
    let steps = busy["steps"].as_u64().unwrap();
    assert!((1501..3000).contains(&steps), "{steps}");
    let path = "/boot/20_guardian";
    assert_eq!(
        messages(&log, "guardian", path),
        [
            &*format!("/boot/busy took {steps} of 3000 steps"),
            "/boot/refused was refused calls: 1",
            "/boot/trap failed: trap",
            "/boot/starved failed: out-of-fuel",
            "/boot/starved took 100 of 100 steps",
            "/boot/exit failed: missing",
        ]
    );
    let counts = "4 stages done, 3 failed, 1 traps, 1 out of fuel, 1 calls refused";
    let summary = format!("| guardian: {counts}; most steps: /boot/busy {steps}");
    assert_eq!(messages(&log, "print", path), [summary]);
    let levels: Vec<_> = log.iter().filter(|l| l["event"] == "guardian").collect();
    assert!(levels.iter().all(|line| line["level"] == "warn"));
    assert_eq!(messages(&log, "stage-complete", path).len(), 1);
}

#[test]
fn the_guardian_says_when_there_is_nothing_to_report() {
    let guardian = source("20_guardian.py");
    let log = boot(&root(&[("a", "print(1)", 1000), ("20_guardian", &guardian, 10_000_000)]));
    let printed = messages(&log, "print", "/boot/20_guardian");
    assert_eq!(printed.len(), 2);
    assert!(printed[0].starts_with("| guardian: 1 stages done, 0 failed, 0 traps, 0 out of fuel, 0 calls refused; most steps: /boot/a "));
    assert_eq!(printed[1], "| guardian: nothing to report");
    assert!(messages(&log, "guardian", "/boot/20_guardian").is_empty());
}
