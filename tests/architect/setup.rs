//! Setting up, testing, and command lines that mean nothing.

use serde_json::Value;

use crate::server::{MODEL, Play, Server};
use crate::support::{PXFS, pxfs, run};
use crate::world::{KINDS, Kind, World};

/// The registry of a system, and the pixel of the architect.
fn cartridges(world: &World) -> (Value, Vec<u8>) {
    let read = |name: &str| match world.kind {
        Kind::Root => std::fs::read(world.target.join(name)).unwrap(),
        _ => world.read(&format!("/models/{name}")).unwrap(),
    };
    let registry = serde_json::from_slice(&read("llm_pixel_registry.json")).unwrap();
    (registry, read("llm_pxos_architect.pxdigest.png"))
}

#[test]
fn a_setup_asks_the_model_and_makes_the_cartridge() {
    for kind in KINDS {
        let world = World::new(kind);
        let outside = world.outside();
        let server = Server::start(vec![Play::Say("It is a list of stages.\u{1b}[2J".into())]);
        let outcome = world.set_up(&server);
        let expected = format!("model: {MODEL} at {}", server.endpoint);
        assert!(outcome.stdout.contains(&expected), "{}", outcome.stdout);
        let expected = "It is a list of stages.\\u{1b}[2J";
        assert!(outcome.stdout.contains(expected), "{}", outcome.stdout);
        let (registry, pixel) = cartridges(&world);
        let (key, entry) = registry.as_object().unwrap().iter().next().unwrap();
        assert_eq!(entry["name"], "pxOS_Architect");
        assert_eq!(entry["backend"], "custom");
        assert_eq!(entry["model_name"], MODEL);
        assert!(entry["system_prompt"].as_str().unwrap().contains("architect of pxOS"));
        assert!(pixel.starts_with(b"\x89PNG"));
        assert_eq!(world.outside(), outside);

        server.play(vec![Play::Say("A second answer.".into())]);
        let outcome = world.architect(&["--test"]).expect(0);
        assert!(outcome.stdout.contains("A second answer."), "{}", outcome.stdout);

        // Once more: the same number, one cartridge.
        world.set_up(&server);
        let (again, _) = cartridges(&world);
        assert_eq!(again.as_object().unwrap().keys().collect::<Vec<_>>(), [key]);
        world.boots();
    }
}

#[test]
fn nothing_is_written_for_a_model_that_is_not_there() {
    let world = World::new(Kind::Directory);
    let inside = world.inside();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let dead = format!("http://{closed}/v1");
    let server = Server::start(vec![Play::Status(500, "no"); 20]);
    let there = server.endpoint.as_str();
    let cases: [(&[&str], &str); 8] = [
        (&["--setup", "custom", "--endpoint", &dead], "no model server answers at"),
        (&["--setup", "custom"], "needs --endpoint"),
        (&["--setup", "custom", "--endpoint", "ftp://x"], "ftp"),
        (
            &["--setup", "custom", "--endpoint", there, "--model", "other"],
            "there is no model \"other\"; there are: scripted-1b",
        ),
        (&["--setup", "custom", "--endpoint", there], "gives no answer"),
        (&["--setup", "embedded"], "no model in /models"),
        (&["--setup", "embedded", "--model", "/models/x.gguf"], "there are no weights"),
        (&["--test"], "there is no cartridge \"pxOS_Architect\" here"),
    ];
    for (args, expected) in cases {
        world.architect(args).expect(1).says(expected);
    }
    world.architect(&["--launch-chat"]).expect(1).says("there is no cartridge");
    world.run(&[]).expect(1).says("--quickstart' makes it");
    assert_eq!(world.inside(), inside);
}

#[test]
fn command_lines_that_mean_nothing_are_wrong_usage() {
    let world = World::new(Kind::Directory);
    let cases: [(&[&str], &str); 7] = [
        (&[], "say what to do"),
        (&["--model", "x"], "--setup"),
        (&["--setup", "gpt"], "possible values: lmstudio, ollama, embedded, custom"),
        (&["--test", "--quickstart"], "cannot be used with"),
        (&["--test", "run"], "go without run"),
        (&["run", "--max-iterations", "0"], "0 is not in 1..=1000"),
        (&["run", "--context", "5"], "5 is not in"),
    ];
    for (args, expected) in cases {
        world.architect(args).expect(2).says(expected);
    }
}

#[test]
fn the_target_may_stand_at_either_side_or_be_where_one_is() {
    let world = World::new(Kind::Directory);
    let mut command = std::process::Command::new(PXFS);
    command.args(["architect", "--test"]).current_dir(&world.target);
    run(&mut command).expect(1).says(".: there is no cartridge");
    let none = world.yard.join("none");
    pxfs(["architect", "run", "--yes", none.to_str().unwrap()]).expect(1).says("none");
    let mut command = std::process::Command::new(PXFS);
    command.args(["architect", "optimise"]).current_dir(&world.target);
    assert!(run(&mut command).expect(0).stdout.contains("proposal: "));
    // Where nothing boots there is nothing to build on.
    let server = Server::start(vec![]);
    let empty = world.yard.join("outside");
    let empty = empty.to_str().unwrap();
    let args = ["architect", empty, "--setup", "custom", "--endpoint", &server.endpoint];
    pxfs(args).expect(0);
    pxfs(["architect", "run", empty, "--yes"]).expect(1).says("nothing boots here");
}

#[test]
fn a_quickstart_says_what_is_missing() {
    let world = World::new(Kind::Directory);
    let inside = world.inside();
    let outcome = world.architect(&["--quickstart"]);
    for part in ["LM Studio at http://localhost:1234", "Ollama at", "llama.cpp server at"] {
        assert!(outcome.stdout.contains(part), "{}", outcome.stdout);
    }
    assert!(outcome.stdout.contains("none in /models"), "{}", outcome.stdout);
    // Unless this machine has a server, which is nothing a test can rely on.
    if outcome.status == Some(1) {
        outcome.says("no model was found; start one of the servers above");
        assert_eq!(world.inside(), inside);
    }
}

#[test]
fn the_schema_of_the_document_is_that_of_the_program() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/architect.md");
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains(pxfs::architect::action::SCHEMA), "docs/architect.md is behind");
}
