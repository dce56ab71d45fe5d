//! The infinite map through `pxfs chat`: the Python tools' states, broken ones, several
//! writers, processes that are killed.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "support/model_server.rs"]
mod model_server;
mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use model_server::ModelServer;
use serde_json::Value;
use support::{PXFS, mkfs, pxfs, temp_dir};

const PYTHON: &str = include_str!("data/map/infinite_map_state.json");
const STATE: &str = "worlds/map/infinite_map_state.json";

/// A directory with cartridges, and a state if one is given.
fn directory(server: &ModelServer, state: Option<&[u8]>) -> tempfile::TempDir {
    let dir = temp_dir();
    server.enter(dir.path());
    if let Some(state) = state {
        fs::create_dir_all(dir.path().join("worlds/map")).unwrap();
        fs::write(dir.path().join(STATE), state).unwrap();
    }
    dir
}

/// A picture of such a directory, in one of its own.
fn picture(server: &ModelServer, state: Option<&[u8]>) -> (tempfile::TempDir, PathBuf) {
    let source = directory(server, state);
    let dir = temp_dir();
    let image = dir.path().join("world.png");
    mkfs(&image, source.path());
    (dir, image)
}

fn chat(target: &Path, tile: &str, text: &str) -> support::Outcome {
    pxfs(["chat".as_ref(), target.as_os_str(), tile.as_ref(), text.as_ref()])
}

fn state_of(dir: &Path) -> Value {
    serde_json::from_slice(&fs::read(dir.join(STATE)).unwrap()).unwrap()
}

fn state_in(image: &Path) -> Value {
    let printed = pxfs(["cat".as_ref(), image.as_os_str(), STATE.as_ref()]).expect(0).stdout;
    serde_json::from_str(&printed).unwrap()
}

fn messages(state: &Value, tile: &str) -> Vec<String> {
    let history = state["tiles"][tile]["history"].as_array();
    let history = history.unwrap_or_else(|| panic!("no tile {tile}: {state:#}"));
    history.iter().map(|message| message["content"].as_str().unwrap().to_owned()).collect()
}

fn journal(image: &Path) -> PathBuf {
    PathBuf::from(format!("{}.map-journal", image.display()))
}

#[test]
fn a_state_of_the_python_tools_is_gone_on_with() {
    let server = ModelServer::start();
    let dir = directory(&server, Some(PYTHON.as_bytes()));
    let said = chat(dir.path(), "15,10", "hello").expect(0).stdout;
    assert_eq!(said, "I heard hello and know 3 messages.\n");
    let asked = server.asked.lock().unwrap()[0].clone();
    assert_eq!(asked["model"], "echo");
    assert_eq!(asked["messages"][0]["content"], "gr\u{fc}\u{df} dich \u{1f600}");
    let state = state_of(dir.path());
    let expected =
        ["gr\u{fc}\u{df} dich \u{1f600}", "[LLM error: no server]", "hello", said.trim_end()];
    assert_eq!(messages(&state, "15,10"), expected);
    // What the old tools wrote is still there, in their form.
    let text = fs::read_to_string(dir.path().join(STATE)).unwrap();
    assert!(
        text.is_ascii() && text.contains("\"content\": \"gr\\u00fc\\u00df dich \\ud83d\\ude00\"")
    );
    assert_eq!(messages(&state, "-3,4"), ["never answered"]);
    assert!(state["tiles"]["-2147483648,2147483647"]["model_id"].is_null());
    // And Python reads it as it reads its own.
    let script = format!(
        "python3 - <<'E'\nimport json\nstate = json.load(open('{}'))\nfor key, tile in state['tiles'].items():\n    \
         x, y = map(int, key.split(','))\n    print(x, y, tile.get('model_id'), len(tile.get('history', [])))\nE",
        dir.path().join(STATE).display()
    );
    let seen = support::sh(&script);
    assert!(seen.contains("15 10 1105367962 4\n") && seen.contains("-3 4 None 1\n"), "{seen}");
}

#[test]
fn a_root_has_its_state_where_the_python_tools_have_it() {
    let server = ModelServer::start();
    let dir = temp_dir();
    pxfs(["init".as_ref(), "--root".as_ref(), dir.path().as_os_str()]).expect(0);
    fs::write(dir.path().join("llm_pixel_registry.json"), server.registry()).unwrap();
    fs::write(dir.path().join("infinite_map_state.json"), PYTHON).unwrap();
    chat(dir.path(), "-3,4", "again").expect(0);
    let state = fs::read(dir.path().join("infinite_map_state.json")).unwrap();
    let state: Value = serde_json::from_slice(&state).unwrap();
    let said = "I heard never answered\n\nagain and know 1 messages.";
    assert_eq!(messages(&state, "-3,4"), ["never answered", "again", said]);
}

#[test]
fn broken_tiles_are_named_and_kept_aside() {
    let server = ModelServer::start();
    let state =
        br#"{"theme": {"a": 1}, "tiles": {"1,1": {"history": 5}, "x": {}, "9999999999,0": {},
        "0,0": {"history": [{"role": "user", "content": "kept"}, "odd"], "mood": "good"}}}"#;
    let dir = directory(&server, Some(state));
    let outcome = chat(dir.path(), "0,0", "hi").expect(0);
    let outcome =
        outcome.says("tile \"1,1\" of the map is set aside: it has a history that is no list");
    outcome.says("tile \"x\"").says("tile \"9999999999,0\"");
    let state = state_of(dir.path());
    assert_eq!(state["theme"]["a"], 1);
    assert_eq!(state["set_aside"]["1,1"]["history"], 5);
    assert!(state["set_aside"]["x"].is_object() && state["set_aside"]["9999999999,0"].is_object());
    assert_eq!(state["tiles"]["0,0"]["mood"], "good");
    assert_eq!(state["tiles"]["0,0"]["history"][1], "odd");
    assert!(chat(dir.path(), "0,0", "hi").expect(0).stderr.is_empty(), "they are named once");
}

#[test]
fn a_state_that_is_no_json_is_kept_beside_the_new_one() {
    let server = ModelServer::start();
    let torn = &PYTHON.as_bytes()[..200];
    let dir = directory(&server, Some(torn));
    chat(dir.path(), "0,0", "hi").expect(0).says("the map's state cannot be read");
    assert_eq!(messages(&state_of(dir.path()), "0,0").len(), 2);
    let beside = fs::read_dir(dir.path().join("worlds/map")).unwrap().flatten();
    let kept: Vec<_> =
        beside.filter(|entry| entry.file_name().to_string_lossy().contains("broken-")).collect();
    assert_eq!(kept.len(), 1);
    assert_eq!(fs::read(kept[0].path()).unwrap(), torn);
    // The same in a picture.
    let (_keep, image) = picture(&server, Some(torn));
    chat(&image, "0,0", "hi").expect(0);
    assert_eq!(messages(&state_in(&image), "0,0").len(), 2);
    let found = pxfs(["find".as_ref(), image.as_os_str(), "--name".as_ref(), "*broken-*".as_ref()]);
    let found = found.expect(0).stdout;
    assert!(found.contains("infinite_map_state.broken-"), "{found}");
}

/// `pxfs chat` that reads lines.
struct Terminal {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Terminal {
    fn start(target: &Path, tile: &str) -> Self {
        let mut command = Command::new(PXFS);
        command.arg("chat").arg(target).arg(tile);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    fn say(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// The next line that holds `text`.
    fn hear(&mut self, text: &str) -> String {
        loop {
            let mut line = String::new();
            assert!(self.lines.read_line(&mut line).unwrap() > 0, "it ended without {text:?}");
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Waits for a part of a line that does not end.
    fn hear_part(&mut self, text: &str) {
        let mut heard = Vec::new();
        while !String::from_utf8_lossy(&heard).contains(text) {
            let mut byte = [0];
            self.lines.read_exact(&mut byte).unwrap();
            heard.push(byte[0]);
        }
    }

    fn end(mut self) -> i32 {
        drop(self.child.stdin.take());
        self.child.wait().unwrap().code().unwrap()
    }
}

#[test]
fn what_was_answered_is_there_after_kill_9() {
    let server = ModelServer::start();
    let (_keep, image) = picture(&server, Some(PYTHON.as_bytes()));
    let before = fs::read(&image).unwrap();
    let mut terminal = Terminal::start(&image, "7,7");
    terminal.say("one");
    terminal.hear("I heard one and know 1 messages.");
    terminal.say("two");
    terminal.hear("I heard two and know 3 messages.");
    // The line is printed before the answer is written down: the next word is after it.
    terminal.say("/history");
    terminal.hear("assistant: I heard two");
    terminal.say("never");
    terminal.hear_part("on on on");
    terminal.child.kill().unwrap();
    terminal.child.wait().unwrap();
    assert_eq!(fs::read(&image).unwrap(), before, "the picture is not touched for a message");
    assert!(journal(&image).exists());
    // A line that was torn off was never confirmed.
    let mut torn = fs::OpenOptions::new().append(true).open(journal(&image)).unwrap();
    torn.write_all(b"deadbeef {\"x\": 7, \"y\"").unwrap();
    let mut terminal = Terminal::start(&image, "7,7");
    terminal.say("/history");
    terminal.hear("assistant: I heard two and know 3 messages.");
    terminal.hear("user: never");
    assert_eq!(terminal.end(), 0);
    assert!(!journal(&image).exists(), "at its end the picture has it all");
    let expected = [
        "one",
        "I heard one and know 1 messages.",
        "two",
        "I heard two and know 3 messages.",
        "never",
    ];
    assert_eq!(messages(&state_in(&image), "7,7"), expected);
    assert_eq!(messages(&state_in(&image), "-3,4"), ["never answered"]);
    pxfs(["verify".as_ref(), image.as_os_str()]).expect(0);
}

#[test]
fn a_damaged_journal_is_used_as_far_as_it_can_be_and_kept() {
    let server = ModelServer::start();
    let (keep, image) = picture(&server, None);
    let record = |text: &str, sum: u32| {
        let json =
            format!(r#"{{"x":1,"y":2,"revision":1,"change":{{"ask":{{"text":"{text}"}}}}}}"#);
        format!("{:08x} {json}\n", crc32fast::hash(json.as_bytes()) ^ sum)
    };
    let text = format!("{}rubbish\n{}", record("damaged", 1), record("good", 0));
    fs::write(journal(&image), text).unwrap();
    chat(&image, "0,0", "hi").expect(0).says("could not be used; it is kept as");
    assert_eq!(messages(&state_in(&image), "1,2"), ["good"]);
    let kept = fs::read_dir(keep.path()).unwrap().flatten();
    assert!(
        kept.into_iter()
            .any(|entry| entry.file_name().to_string_lossy().contains(".map-journal.kept-"))
    );
}

/// Many processes ask on one tile at once: each question has its answer behind it.
fn assert_nothing_is_lost(target: &Path, state: impl Fn() -> Value) {
    const WRITERS: usize = 6;
    let ask = |number| {
        let mut command = Command::new(PXFS);
        command.arg("chat").arg(target).args(["0,0", &format!("slow question {number}")]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let writers: Vec<Child> = (0..WRITERS).map(ask).collect();
    for writer in writers {
        let output = writer.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let said = messages(&state(), "0,0");
    assert_eq!(said.len(), 2 * WRITERS, "{said:#?}");
    for pair in said.chunks(2) {
        let heard = pair[1].strip_prefix("I heard ").unwrap_or_else(|| panic!("{said:#?}"));
        let (heard, _) = heard.rsplit_once(" and know").unwrap();
        assert!(heard.ends_with(&pair[0]), "{said:#?}");
    }
    let revision = state()["tiles"]["0,0"]["revision"].as_u64();
    assert_eq!(revision, Some(2 * WRITERS as u64));
}

#[test]
fn several_processes_write_one_tile_of_a_directory() {
    let server = ModelServer::start();
    let dir = directory(&server, None);
    assert_nothing_is_lost(dir.path(), || state_of(dir.path()));
}

#[test]
fn several_processes_write_one_tile_of_a_picture() {
    let server = ModelServer::start();
    let (_keep, image) = picture(&server, None);
    assert_nothing_is_lost(&image, || state_in(&image));
    assert!(!journal(&image).exists());
}

#[test]
fn a_question_without_an_answer_stays_and_is_asked_again() {
    let server = ModelServer::start();
    let dir = directory(&server, None);
    chat(dir.path(), "0,0", "fail").expect(1).says("this server is broken on purpose");
    assert_eq!(messages(&state_of(dir.path()), "0,0"), ["fail"], "an error is never an answer");
    // The server is mended: the registry leads to another question of the same tile.
    let mut terminal = Terminal::start(dir.path(), "0,0");
    terminal.say("/retry");
    terminal.say("well?");
    terminal.hear("I heard fail\n".trim_end());
    assert_eq!(terminal.end(), 0);
}

#[test]
fn answers_cannot_steer_the_terminal() {
    let server = ModelServer::start();
    let dir = directory(&server, None);
    let said = chat(dir.path(), "0,0", "hostile").expect(0).stdout;
    assert_eq!(said, "<img src=x onerror=alert(1)> \\u{1b}[2J\\u{1b}]0;owned\\u{7} \\u{202e}txt\n");
    assert!(messages(&state_of(dir.path()), "0,0")[1].contains('\u{1b}'), "it is kept as it came");
}

#[test]
fn json_is_for_programs() {
    let server = ModelServer::start();
    let dir = directory(&server, None);
    let target = dir.path().as_os_str();
    let args = [
        "chat".as_ref(),
        target,
        "-1,-2".as_ref(),
        "hi".as_ref(),
        "--json".as_ref(),
        "--model=Second".as_ref(),
    ];
    let value: Value = serde_json::from_str(&pxfs(args).expect(0).stdout).unwrap();
    assert_eq!(value["tile"], "-1,-2");
    assert_eq!(value["answer"], "I heard hi and know 1 messages.");
    assert_eq!((value["model_id"].as_u64(), value["revision"].as_u64()), (Some(7), Some(3)));
    assert_eq!(server.asked.lock().unwrap()[0]["model"], "second");
}

#[test]
fn what_cannot_be_is_said_in_one_line() {
    let server = ModelServer::start();
    let dir = directory(&server, None);
    chat(dir.path(), "1;2", "hi").expect(2).says("is not a tile");
    chat(dir.path(), "2147483648,0", "hi").expect(2).says("is not a tile");
    chat(dir.path(), "0,0", " ").expect(1).says("there is nothing to ask");
    let large = "x".repeat(100_000);
    let file = dir.path().join("question");
    fs::write(&file, large.repeat(11)).unwrap();
    let script = format!("{PXFS} chat {} 0,0 - < {}", dir.path().display(), file.display());
    let outcome = support::run(Command::new("bash").args(["-c", &script])).expect(1);
    outcome.says("a message has at most 1048576 bytes");
    let nobody = temp_dir();
    chat(nobody.path(), "0,0", "hi").expect(1).says("pxfs llm create");
    chat(Path::new("/does/not/exist"), "0,0", "hi").expect(1);
    assert_eq!(server.count(), 0, "none of these reached a model");
}

#[test]
fn a_picture_that_is_no_png_can_only_be_read() {
    let server = ModelServer::start();
    let (keep, image) = picture(&server, Some(PYTHON.as_bytes()));
    let webp = keep.path().join("world.webp");
    // Lossless, as this crate writes it.
    image::open(&image).unwrap().to_rgba8().save(&webp).unwrap();
    chat(&webp, "0,0", "hi").expect(1);
    let mut terminal = Terminal::start(&webp, "15,10");
    terminal.hear("[LLM error: no server]");
    assert_eq!(terminal.end(), 0);
}
