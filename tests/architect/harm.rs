//! Servers that fail and runs that are killed: what was kept stays, and boots.

use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::good::{add_hello, hello};
use crate::server::{Play, Server, say};
use crate::support::wait_for;
use crate::world::{KINDS, Kind, World};

#[test]
fn a_server_that_fails_ends_the_run_and_not_the_system() {
    for (play, expected) in [
        (Play::Status(401, "who are you?"), "401"),
        (Play::Status(500, "on fire"), "500"),
        (Play::BreakOff, "broke off"),
    ] {
        let server = Server::start(vec![]);
        let world = World::new(Kind::Directory);
        world.set_up(&server);
        let mut script = vec![say(&hello())];
        script.extend(vec![play; 10]);
        server.play(script);
        let outcome = world.run(&[]).expect(1);
        assert!(outcome.stderr.contains(expected), "{}", outcome.stderr);
        assert!(world.read("/apps/hello").is_some());
        let state = world.state();
        assert_eq!(state["history"][1]["result"], "error");
        assert!(world.record("architect_loop.log").unwrap().contains("[WARN]"));
        world.boots();
    }
}

fn start(world: &World) -> Child {
    let mut command = world.command(&["run", "--yes", "--max-iterations", "1000"]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn ctrl_c_ends_an_answer_and_keeps_what_was_kept() {
    for kind in KINDS {
        let server = Server::start(vec![]);
        let world = World::new(kind);
        world.set_up(&server);
        let asked = server.asked().len();
        server.play(vec![say(&hello()), Play::Forever]);
        let mut child = start(&world);
        wait_for("the second question", || server.asked().len() == asked + 2);
        std::thread::sleep(Duration::from_millis(200));
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130));
        assert!(world.read("/apps/hello").is_some());
        assert_eq!(world.state()["history"][1]["result"], "stopped");
        world.boots();
    }
}

#[test]
fn kill_9_at_any_moment_leaves_a_system_that_boots() {
    for kind in KINDS {
        let server = Server::start(vec![]);
        let world = World::new(kind);
        world.set_up(&server);
        let outside = world.outside();
        // A module that boots, its source and the sequence are replaced all the time.
        let mut script = vec![say(&hello()), say(&add_hello())];
        for round in 0..2000 {
            script.push(say(&json!({"action": "write_module", "path": "/apps/hello",
                "language": "python", "replace": true, "source": format!("print({round})\n")})));
            let after = if round % 2 == 0 { "/boot/20_guardian" } else { "/boot/02_policy" };
            script.push(say(&json!({"action": "edit_sequence",
                "edits": [{"op": "move", "path": "/apps/hello", "after": after}]})));
        }
        server.play(script);
        for round in 0..6_u64 {
            let mut child = start(&world);
            std::thread::sleep(Duration::from_millis(400 + round * 173));
            child.kill().unwrap();
            child.wait().unwrap();
            world.boots();
            let state = world.record("architect_state.json");
            assert!(state.is_none_or(|text| serde_json::from_str::<Value>(&text).is_ok()));
        }
        assert!(world.read("/apps/hello").is_some(), "nothing was done before it was killed");
        // A whole run goes on from there, and leaves nothing beside the system.
        server.play(vec![say(
            &json!({"action": "add_to_pixelfs", "path": "/data/after", "text": "x"}),
        )]);
        world.run(&[]).expect(0);
        world.boots();
        assert_eq!(world.outside(), outside, "{kind:?}");
    }
}
