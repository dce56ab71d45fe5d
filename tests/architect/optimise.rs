//! `optimise`: what is proposed is measured, and applied only when it is better.

use serde_json::Value;

use crate::server::{Play, Server};
use crate::support::pxfs;
use crate::world::{KINDS, Kind, World};

/// Everything that can be better: an optional stage before a required one, one that
/// fails every time, one that leaves no trace, and one that stands there twice.
const SEQUENCE: &str = r#"{
  "sequence": [
    {"stage": 0, "name": "BIOS", "path": "/boot/00_bios", "required": true},
    {"stage": 10, "name": "Shell", "path": "/boot/10_shell"},
    {"stage": 2, "name": "Policy", "path": "/boot/02_policy", "required": true},
    {"stage": 3, "name": "Hangs", "path": "/boot/hangs"},
    {"stage": 4, "name": "Silent", "path": "/boot/silent"},
    {"stage": 5, "name": "Needed", "path": "/boot/needed"},
    {"stage": 6, "name": "Needs", "path": "/boot/needs"},
    {"stage": 20, "name": "Guardian", "path": "/boot/20_guardian"},
    {"stage": 21, "name": "Guardian again", "path": "/boot/20_guardian"}
  ]
}
"#;

const MODULES: [(&str, &str); 4] = [
    ("/boot/hangs", "while True:\n    pass\n"),
    ("/boot/silent", "x = 0\nfor i in range(100):\n    x = x + i\n"),
    ("/boot/needed", "y = 1\n"),
    ("/boot/needs", "REQUIRES = [\"/boot/needed\"]\nprint(\"needs\")\n"),
];

fn found(world: &World, args: &[&str]) -> Value {
    let outcome = world.architect(&[&["optimise", "--json"], args].concat()).expect(0);
    serde_json::from_str(&outcome.stdout).unwrap()
}

fn proposal<'f>(found: &'f Value, part: &str) -> Option<&'f Value> {
    let list = found["proposals"].as_array().unwrap();
    list.iter().find(|proposal| proposal["sentence"].as_str().unwrap().contains(part))
}

#[test]
fn what_is_better_is_proposed_measured_and_applied_on_yes() {
    for kind in KINDS {
        let world = World::with(kind, SEQUENCE, &MODULES);
        let (outside, inside) = (world.outside(), world.inside());
        let before = found(&world, &[]);
        assert_eq!(before["proposals"].as_array().unwrap().len(), 4, "{kind:?}: {before:#}");
        for part in [
            "/boot/hangs fails every time (out-of-fuel)",
            "/boot/10_shell runs before required ones",
            "/boot/silent leaves no trace",
            "/boot/20_guardian stands in the boot sequence twice",
        ] {
            assert!(proposal(&before, part).is_some(), "{part}: {before:#}");
        }
        // The dearest comes first, and its gain is what it burns: all its fuel.
        let first = &before["proposals"][0];
        assert_eq!(first["expected_steps"], 10_000_000);
        let steps = |cost: &Value| cost["steps"].as_u64().unwrap();
        assert_eq!(steps(&first["before"]) - steps(&first["after"]), 10_000_000);
        assert_eq!(before["applied"].as_array().unwrap().len(), 0);
        // Nobody said yes.
        assert_eq!(world.inside(), inside);
        world.architect(&["optimise", "--dry-run"]).expect(0);
        assert_eq!(world.inside(), inside);

        let after = found(&world, &["--yes"]);
        assert_eq!(after["applied"].as_array().unwrap().len(), 4, "{after:#}");
        let last = after["applied"][3]["after"]["steps"].as_u64().unwrap();
        assert!(last < 10_000, "{last}");
        let log = world.boots();
        assert!(!log.contains("hangs") && !log.contains("silent"), "{log}");
        assert!(log.contains("| needs") && log.contains("/boot/needed"), "{log}");
        let text = String::from_utf8(world.read("/boot_sequence.json").unwrap()).unwrap();
        assert!(text.find("02_policy").unwrap() < text.find("10_shell").unwrap(), "{text}");
        assert_eq!(found(&world, &[])["proposals"].as_array().unwrap().len(), 0);
        assert_eq!(world.outside(), outside);
    }
}

#[test]
fn logs_of_boots_that_happened_decide_what_always_fails() {
    let world = World::with(Kind::Directory, SEQUENCE, &MODULES);
    let log = world.yard.join("boot.jsonl");
    let (target, log_name) = (world.target.to_str().unwrap(), log.to_str().unwrap());
    pxfs(["boot", target, "--log", log_name, "--log-format", "json"]).expect(0);
    let text = std::fs::read_to_string(&log).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut ran = lines.filter(|line| line["event"] == "ran" && line["path"] == "/boot/hangs");
    let logged = ran.next().unwrap()["ms"].clone();
    let with_log = found(&world, &["--log", log_name]);
    assert_eq!(proposal(&with_log, "hangs").unwrap()["expected_ms"], logged);
    // A boot in which it did not fail: then it may be of use.
    let good = text.replace("\"event\":\"out-of-fuel\"", "\"event\":\"odd\"");
    std::fs::write(&log, good).unwrap();
    assert!(proposal(&found(&world, &["--log", log_name]), "hangs").is_none());
    std::fs::write(&log, "no log\n").unwrap();
    world.architect(&["optimise", "--log", log_name]).expect(1).says("no stage in it");
    world.architect(&["optimise", "--log", "/dev/zero"]).expect(1).says("no regular file");
}

#[test]
fn a_module_that_its_source_makes_cheaper_is_compiled_anew() {
    let slow = "x = 0\nfor i in range(20000):\n    x = x + 1\nprint(\"counts\", x)\n";
    let sequence = crate::world::SEQUENCE.replace("/boot/10_shell", "/boot/counts");
    let world = World::with(Kind::Directory, &sequence, &[("/boot/counts", slow)]);
    let source = world.target.join("src/boot/counts.py");
    std::fs::create_dir_all(source.parent().unwrap()).unwrap();
    std::fs::write(&source, "print(\"counts\", 20000)\n").unwrap();
    let said = |args: &[&str]| world.architect(args).expect(0).stdout;
    let text = said(&["optimise", "--yes"]);
    assert!(text.contains("applied: the source of /boot/counts compiles to"), "{text}");
    assert!(world.boots().contains("| counts 20000"));
    // One that is dearer, or does not compile, is not.
    std::fs::write(&source, slow).unwrap();
    let text = said(&["optimise", "--yes"]);
    let expected = "no use: the source of /boot/counts";
    assert!(text.contains(expected) && text.contains("no gain"), "{text}");
    std::fs::write(&source, "class A: pass\n").unwrap();
    assert!(said(&["optimise", "--yes"]).contains("does not compile"));
    world.boots();
}

#[test]
fn the_model_may_put_it_in_words_and_what_does_not_boot_is_not_optimised() {
    let server = Server::start(vec![]);
    let world = World::with(Kind::Directory, SEQUENCE, &MODULES);
    world.set_up(&server);
    server.play(vec![Play::Say("Your boot gets shorter.\u{1b}]0;x\u{7}".into())]);
    let text = world.architect(&["optimise", "--explain"]).expect(0).stdout;
    let expected = "scripted-1b says: Your boot gets shorter.\\u{1b}]0;x\\u{7}";
    assert!(text.contains(expected), "{text}");
    std::fs::remove_file(world.target.join("boot/00_bios")).unwrap();
    world.architect(&["optimise"]).expect(1).says("it does not boot");
}
