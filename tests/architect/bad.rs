//! Models that do badly, or mean harm: whatever they say, the system boots, and
//! nothing outside of it changes.

use serde_json::{Value, json};

use crate::good::{add_hello, hello};
use crate::server::{Play, Server, say};
use crate::support::{pxfs, wait_for};
use crate::world::{KINDS, Kind, SEQUENCE, World};

fn module(path: &str, source: &str) -> Value {
    json!({"action": "write_module", "path": path, "language": "python", "source": source})
}

fn edit(edit: Value) -> Value {
    json!({"action": "edit_sequence", "edits": [edit]})
}

/// Bad actions, and what is said of each.
fn bad_actions() -> Vec<(Value, &'static str)> {
    let big = "x = [1] * 65536\n".to_owned()
        + &(0..40).map(|n| format!("a{n} = [{n}] * 65536\n")).collect::<String>();
    vec![
        // Paths that lead out, or to what is protected.
        (module("../../etc/passwd", "print(1)"), "must begin with /"),
        (module("/apps/../../../etc/passwd", "print(1)"), "can be no file name"),
        (module("/models/evil", "print(1)"), "is protected"),
        (module("/models/llm_pixel_registry.json", "print(1)"), "is protected"),
        (module("/pixelfs.json", "print(1)"), "is protected"),
        (module("/.pxfs/x", "print(1)"), "for itself"),
        (
            json!({"action": "add_to_pixelfs", "path": "/data/architect/architect_state.json", "text": "{}"}),
            "is protected",
        ),
        (
            json!({"action": "add_to_pixelfs", "path": "/boot_sequence.json", "text": "{}"}),
            "is protected",
        ),
        (json!({"action": "read_file", "path": "/../canary.txt"}), "can be no file name"),
        (
            json!({"action": "read_file", "path": "/models/llm_pixel_registry.json"}),
            "not in a place",
        ),
        // Commands, whatever they are called.
        (json!({"action": "run_command", "command": "touch ../pwned"}), "unknown variant"),
        (json!({"action": "done", "note": "x", "command": "touch ../pwned"}), "unknown field"),
        (edit(json!({"op": "run", "path": "$(touch ../pwned)"})), "unknown variant"),
        // Absurd sizes.
        (module("/apps/long", &"#".repeat(70_000)), "bytes, but may have"),
        (module("/apps/big", &big), "pixels, but may have"),
        (
            json!({"action": "write_module", "path": "/apps/wide", "language": "asm",
                "source": ".size 4096, 4096\n.fill 16000000, NOP\n"}),
            "",
        ),
        (
            edit(json!({"op": "fuel", "path": "/boot/00_bios", "fuel": 10_000_000_000_u64})),
            "\"fuel\" must be",
        ),
        // What does not compile, run or end.
        (module("/apps/broken", "def f(:\n"), "does not compile"),
        (module("/apps/classy", "class A:\n    pass\n"), "does not compile"),
        (
            json!({"action": "write_module", "path": "/apps/asm", "language": "asm",
                "source": ".module 2\nFLY R0\n"}),
            "does not compile",
        ),
        (module("/apps/loop", "while True:\n    pass\n"), "out of fuel"),
        (module("/apps/fails", "from pxi import *\nexit(3)\n"), "ended with status 3"),
        (module("/apps/traps", "x = 0\nfor i in range(3):\n    x = 5 // (i - i)\n"), "fails"),
        // A system that would be worse.
        (edit(json!({"op": "remove", "path": "/boot/00_bios"})), "required stage"),
        (edit(json!({"op": "add", "path": "/apps/none", "name": "None"})), "not found"),
        (
            edit(json!({"op": "add", "path": "/data/motd", "name": "Motd", "required": true})),
            "fails",
        ),
        (edit(json!({"op": "fuel", "path": "/boot/10_shell", "fuel": 5})), "out of fuel"),
        (module("/boot/00_bios", "print(\"mine\")\n"), "is there already"),
        (
            json!({"action": "write_module", "path": "/boot/00_bios", "language": "python",
                "source": "from pxi import *\nexit(1)\n", "replace": true}),
            "ended with status 1",
        ),
        (
            json!({"action": "write_module", "path": "/boot/02_policy", "language": "python",
                "source": "print(\"everything is allowed now\")\n", "replace": true}),
            "is made no more",
        ),
        // Before the policy there is none.
        (
            edit(json!({"op": "move", "path": "/boot/02_policy", "after": "/boot/20_guardian"})),
            "before the policy",
        ),
        (
            edit(json!({"op": "add", "path": "/lib/early", "name": "E", "after": "/boot/00_bios"})),
            "before the policy",
        ),
        (module("/data", "print(1)"), "is protected"),
        (module("/boot/00_bios/inside", "print(1)"), "no directory"),
    ]
}

#[test]
fn bad_actions_are_refused_and_the_system_boots() {
    for kind in KINDS {
        let server = Server::start(vec![]);
        let early = ("/lib/early", "print(\"early\")\n");
        let world = World::with(kind, SEQUENCE, &[early]);
        world.set_up(&server);
        let outside = world.outside();
        let before = world.boots();
        let sequence = world.read("/boot_sequence.json");
        // Broken ones are said three times each, as they are asked for again.
        for few in bad_actions().chunks(2) {
            let said = few.iter().flat_map(|(action, _)| vec![say(action); 3]).collect();
            server.play(said);
            let outcome = world.run(&["--max-iterations", "6"]);
            for (action, expected) in few {
                assert!(
                    outcome.stdout.contains(expected),
                    "{kind:?}: {action:.200}: no {expected:?} in\n{}{}",
                    outcome.stdout,
                    outcome.stderr
                );
            }
            assert!(!outcome.stdout.contains("kept:"), "{few:?}: {}", outcome.stdout);
        }
        let stages = |log: &str| -> Vec<String> {
            log.lines().filter(|line| line.contains("Stage ")).map(str::to_owned).collect()
        };
        assert_eq!(stages(&world.boots()), stages(&before), "{kind:?}");
        assert_eq!(world.read("/boot_sequence.json"), sequence);
        assert_eq!(world.outside(), outside, "{kind:?}");
        assert!(!world.state()["errors"].as_array().unwrap().is_empty());
    }
}

#[test]
fn broken_json_is_answered_with_what_was_wrong() {
    let server = Server::start(vec![]);
    let world = World::new(Kind::Directory);
    world.set_up(&server);
    server.play(vec![
        Play::Say("Let me think about that for a while.".into()),
        Play::Say("{\"action\": \"write_module\", \"path\": /apps/hello}".into()),
        say(&hello()),
    ]);
    let outcome = world.run(&["--max-iterations", "1"]).expect(0);
    assert!(outcome.stdout.contains("kept: /apps/hello"), "{}", outcome.stdout);
    let asked = server.asked();
    let last = asked.last().unwrap()["messages"].as_array().unwrap();
    assert_eq!(last.len(), 4, "corrections do not pile up");
    assert_eq!(last[2]["role"], "assistant");
    let told = last[3]["content"].as_str().unwrap();
    assert!(told.contains("just behind: {\"action\": \"write_module\", \"path\": /"), "{told}");
    world.boots();
}

#[test]
fn a_model_without_valid_actions_is_given_up() {
    let server = Server::start(vec![]);
    let world = World::new(Kind::Directory);
    world.set_up(&server);
    let asked = server.asked().len();
    server.play(vec![Play::Say("As a language model, I like \u{7}bells.".into()); 100]);
    let outcome = world.run(&["--max-iterations", "50"]).expect(1);
    assert!(outcome.stderr.contains("the model gave no valid actions"), "{}", outcome.stderr);
    assert_eq!(server.asked().len() - asked, 9, "three answers in three iterations");
    world.boots();
}

#[test]
fn endless_plans_come_to_an_end() {
    let server = Server::start(vec![]);
    let world = World::new(Kind::Directory);
    world.set_up(&server);
    let plan = say(&json!({"action": "plan_only", "note": "First, a plan for the plan."}));
    server.play(vec![plan; 1000]);
    let outcome = world.run(&["--max-iterations", "1000"]).expect(0);
    assert!(
        outcome.stdout.contains("3 iterations, 0 kept, 0 refused: the model only plans"),
        "{}",
        outcome.stdout
    );
    // Reading for ever is no better.
    server.play(vec![say(&json!({"action": "read_file", "path": "/data/motd"})); 1000]);
    let outcome = world.run(&["--max-iterations", "1000"]).expect(0);
    assert!(outcome.stdout.contains("nothing was kept for a long time"), "{}", outcome.stdout);
    world.boots();
}

#[test]
fn huge_answers_are_stopped() {
    let server = Server::start(vec![]);
    let world = World::new(Kind::Directory);
    world.set_up(&server);
    server.play(vec![
        Play::Repeat("words and words and words and words and words and words and words, ", 20_000),
        Play::Repeat("{\"action\":\"done\",\"note\":\"\n", 20_000),
        say(&hello()),
    ]);
    let outcome = world.run(&["--max-iterations", "1"]).expect(0);
    assert!(outcome.stdout.contains("kept: /apps/hello"), "{}{}", outcome.stdout, outcome.stderr);
    world.boots();
}

#[test]
fn answers_that_never_end_use_up_the_tokens_and_the_time() {
    let server = Server::start(vec![]);
    let world = World::new(Kind::Directory);
    world.set_up(&server);
    server.play(vec![Play::Repeat("words ", 3000); 50]);
    let outcome = world.run(&["--max-iterations", "50", "--max-tokens", "2000"]).expect(0);
    assert!(outcome.stdout.contains("the time or the tokens are used up"), "{}", outcome.stdout);
    world.boots();
}

#[test]
fn links_lead_nowhere() {
    let server = Server::start(vec![]);
    let world = World::new(Kind::Directory);
    world.set_up(&server);
    std::os::unix::fs::symlink("../outside", world.target.join("apps")).unwrap();
    std::os::unix::fs::symlink("../canary.txt", world.target.join("data/link")).unwrap();
    let outside = world.outside();
    let link =
        json!({"action": "add_to_pixelfs", "path": "/data/link", "text": "x", "replace": true});
    server.play(vec![
        say(&hello()),
        say(&link),
        say(&json!({"action": "read_file", "path": "/data/link"})),
    ]);
    let outcome = world.run(&["--max-iterations", "3"]).expect(0);
    assert!(!outcome.stdout.contains("kept:"), "{}", outcome.stdout);
    assert_eq!(world.outside(), outside);
    let asked = server.asked().iter().map(Value::to_string).collect::<String>();
    assert!(!asked.contains("sings: canary.txt"));
    world.boots();
}

#[test]
fn nothing_of_a_directory_but_the_system_is_shown_to_the_model() {
    let server = Server::start(vec![]);
    let world = World::new(Kind::Directory);
    world.set_up(&server);
    for (name, text) in [("secret.txt", "s3cret"), (".env", "KEY=1"), ("home/diary", "dear")] {
        let path = world.target.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    server.play(vec![say(&json!({"action": "read_file", "path": "/secret.txt"})); 3]);
    world.run(&["--max-iterations", "1"]);
    let asked = server.asked();
    let state = asked.last().unwrap()["messages"][1]["content"].as_str().unwrap();
    assert!(state.contains("/data/motd 13"), "{state}");
    for name in ["secret", ".env", "diary"] {
        assert!(!state.contains(name), "{name}: {state}");
    }
}

#[test]
fn what_somebody_else_changed_meanwhile_is_not_overwritten() {
    let server = Server::start(vec![]);
    let world = World::new(Kind::Picture);
    world.set_up(&server);
    let asked = server.asked().len();
    server.play(vec![say(&hello()), Play::Slow(add_hello().to_string())]);
    let mut command = world.command(&["run", "--yes", "--max-iterations", "3"]);
    let child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    wait_for("the second question", || server.asked().len() >= asked + 2);
    let mine = world.yard.with_file_name("mine.json");
    std::fs::write(&mine, SEQUENCE.replace("Guardian", "My guardian")).unwrap();
    let (image, mine) = (world.target.to_str().unwrap(), mine.to_str().unwrap());
    pxfs(["add", "--image", image, "/boot_sequence.json", mine, "--force"]).expect(0);
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains("was changed by somebody else"), "{text}");
    let kept = String::from_utf8(world.read("/boot_sequence.json").unwrap()).unwrap();
    assert!(kept.contains("My guardian") && !kept.contains("/apps/hello"), "{kept}");
    world.boots();
}
