//! Models that do well.

use serde_json::{Value, json};

use crate::server::{MODEL, Play, Server, say};
use crate::support::run;
use crate::world::{KINDS, Kind, World};

pub(crate) fn hello() -> Value {
    json!({"action": "write_module", "path": "/apps/hello", "language": "python",
        "source": "print(\"hello from the architect\")\n", "note": "greets"})
}

pub(crate) fn add_hello() -> Value {
    json!({"action": "edit_sequence", "note": "runs it",
        "edits": [{"op": "add", "path": "/apps/hello", "name": "Hello", "after": "/boot/02_policy"}]})
}

#[test]
fn a_model_builds_a_module_and_boots_it() {
    for kind in KINDS {
        let server = Server::start(vec![]);
        let world = World::new(kind);
        world.set_up(&server);
        let outside = world.outside();
        let text = json!({"action": "add_to_pixelfs", "path": "/data/notes/one.txt", "text": "a note",
            "type": "data"});
        let asm = json!({"action": "write_module", "path": "/lib/add", "language": "asm",
            "source": ".module 2\nLI R0, 0\nSYS EXIT\n"});
        server.play(vec![
            say(&json!({"action": "plan_only", "note": "greet, then boot the greeting"})),
            Play::Say(format!("Here you are:\n```json\n{:#}\n```\nEnjoy!", hello())),
            say(&json!({"action": "boot_dry_run"})),
            say(&add_hello()),
            say(&text),
            say(&asm),
            say(&json!({"action": "read_file", "path": "/src/apps/hello.py"})),
        ]);
        let outcome = world.run(&["--max-iterations", "20"]).expect(0);
        assert!(outcome.stdout.contains("the model has nothing more to do"), "{}", outcome.stdout);
        let log = world.boots();
        assert!(log.contains("| hello from the architect"), "{kind:?}: {log}");
        assert!(log.contains("5 stages done"), "{log}");
        assert_eq!(world.read("/data/notes/one.txt").unwrap(), b"a note");
        let source = world.read("/src/apps/hello.py").unwrap();
        assert_eq!(source, hello()["source"].as_str().unwrap().as_bytes());
        assert!(world.read("/lib/add").unwrap().starts_with(b"\x89PNG"));
        assert_eq!(world.outside(), outside, "{kind:?}");

        // What it asked to see, it saw; and its history.
        let asked = server.asked();
        let last = asked.last().unwrap()["messages"][1]["content"].as_str().unwrap();
        assert!(last.contains("print(\"hello from the architect\")"), "{last}");
        assert!(last.contains("edit_sequence: kept"), "{last}");
        assert!(last.contains("/boot/00_bios (required): done"), "{last}");

        let state = world.state();
        assert_eq!(state["iteration"], 8);
        let results: Vec<&str> = state["history"]
            .as_array()
            .unwrap()
            .iter()
            .map(|step| step["result"].as_str().unwrap())
            .collect();
        let expected =
            ["plan_only", "kept", "boot_dry_run", "kept", "kept", "kept", "shown", "done"];
        assert_eq!(results, expected);
        assert_eq!(state["created_files"][1], "/apps/hello");
        assert_eq!(state["modified_files"], json!(["/boot_sequence.json"]));
        let log = world.record("architect_loop.log").unwrap();
        let line = log.lines().find(|line| line.contains("write_module: kept")).unwrap();
        assert_eq!(&line[..1], "[");
        assert_eq!(&line[20..29], "] [INFO] ", "{line}");
    }
}

#[test]
fn a_second_run_has_all_its_iterations_and_goes_on_counting() {
    let server = Server::start(vec![]);
    let world = World::new(Kind::Root);
    world.set_up(&server);
    let python = json!({"iteration": 41, "history": [], "created_files": ["old.py"],
        "modified_files": [], "errors": [], "unknown": [1, 2]});
    std::fs::write(world.target.join("architect_state.json"), python.to_string()).unwrap();
    for round in [42, 43] {
        server.play(vec![say(&json!({"action": "plan_only", "note": "think"}))]);
        world.run(&["--max-iterations", "1"]).expect(0);
        assert_eq!(server.left(), 0);
        assert_eq!(world.state()["iteration"], round);
    }
    let state = world.state();
    assert_eq!(state["unknown"], json!([1, 2]));
    assert_eq!(state["created_files"][0], "old.py");
    assert_eq!(state["history"][1]["iteration"], 43);
}

#[test]
fn a_dry_run_changes_nothing_at_all() {
    for kind in KINDS {
        let server = Server::start(vec![]);
        let world = World::new(kind);
        world.set_up(&server);
        let (outside, inside) = (world.outside(), world.inside());
        server.play(vec![say(&hello()), say(&json!({"action": "compile", "path": "/apps/none"}))]);
        let outcome = world.architect(&["run", "--dry-run"]).expect(0);
        assert!(
            outcome.stdout.contains("dry_run: would be kept: /apps/hello: new module"),
            "{}",
            outcome.stdout
        );
        assert!(
            outcome.stdout.contains("refused: there is no source for /apps/none"),
            "{}",
            outcome.stdout
        );
        assert_eq!(world.outside(), outside);
        assert_eq!(world.inside(), inside, "{kind:?}");
    }
}

#[test]
fn a_person_decides() {
    let server = Server::start(vec![]);
    let world = World::new(Kind::Directory);
    world.set_up(&server);
    let outcome = world.architect(&["run"]).expect(1);
    let outcome = outcome.says("standard input is no terminal, so nobody can be asked");
    assert!(outcome.stdout.is_empty());
    let other =
        json!({"action": "add_to_pixelfs", "path": "/data/other", "text": "line one\nline two\n"});
    let third = json!({"action": "add_to_pixelfs", "path": "/data/third", "text": ""});
    server.play(vec![say(&hello()), say(&other), say(&third)]);
    // script(1) gives it a terminal: no, what?, yes, quit.
    let command = format!("{:?}", world.command(&["run"]));
    let script = format!(
        "printf 'n\\nwhat\\ny\\nq\\n' | script -qec '{}' /dev/null",
        command.replace('\'', "")
    );
    let outcome = run(std::process::Command::new("bash").args(["-c", &script]));
    let text = outcome.stdout;
    assert!(text.contains("+print(\"hello from the architect\")"), "{text}");
    assert!(text.contains("declined: the person does not want it"), "{text}");
    assert!(text.contains("+line two") && text.contains("kept: /data/other"), "{text}");
    assert!(text.contains("no more was wanted"), "{text}");
    assert!(world.read("/apps/hello").is_none() && world.read("/data/third").is_none());
    assert_eq!(world.read("/data/other").unwrap(), b"line one\nline two\n");
    world.boots();
}

#[test]
fn a_run_tells_programs_what_happens() {
    let server = Server::start(vec![]);
    let world = World::new(Kind::Directory);
    world.set_up(&server);
    server.play(vec![Play::Say("hm".into()), say(&hello())]);
    let audit = world.yard.join("audit.jsonl");
    let outcome = world.run(&["--json", "--audit", audit.to_str().unwrap()]).expect(0);
    let lines = std::fs::read_to_string(&audit).unwrap();
    assert_eq!(lines.matches("\"who\":\"architect\"").count(), 3, "{lines}");
    let events: Vec<Value> =
        outcome.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    let expected = [
        "start",
        "iteration",
        "bad_answer",
        "action",
        "proposal",
        "result",
        "iteration",
        "action",
        "result",
        "end",
    ];
    assert_eq!(names, expected);
    assert_eq!(events[9]["kept"], 1);
    assert_eq!(events[9]["end"], "done");
    assert_eq!(events[4]["proposal"]["files"][1]["path"], "/apps/hello");
}

#[test]
fn a_small_model_gets_a_small_state() {
    let server = Server::start(vec![say(&hello())]);
    let world = World::new(Kind::Directory);
    world.set_up(&server);
    server.play(vec![say(&hello())]);
    world.run(&["--context", "2048", "--max-iterations", "1"]).expect(0);
    let asked = server.asked().pop().unwrap();
    let size = |message: &Value| message["content"].as_str().unwrap().len();
    let all: usize = asked["messages"].as_array().unwrap().iter().map(size).sum();
    assert!(all < 2048 * 3, "{all}");
    assert!(asked["max_tokens"].as_u64().unwrap() <= 2048 / 3);
    // One that says that it takes even less gets less.
    server.limit(2500);
    server.play(vec![say(&json!({"action": "plan_only", "note": "small"}))]);
    let outcome = world.run(&["--max-iterations", "1"]).expect(0);
    assert!(outcome.stdout.contains("plan_only: small"), "{}", outcome.stdout);
    assert_eq!(asked["model"], MODEL);
}
