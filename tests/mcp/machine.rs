//! The tools of the machine: boots and programs.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{Client, places, sample_root};
use crate::support::{PXFS, run, temp_dir};

const FOREVER: &str = "n = 0\nwhile True:\n    n = (n + 1) % 1000\n";

fn source(lines: &str) -> String {
    format!("from pxi import *\n{lines}")
}

/// Adds a program; gives its structured answer.
fn add(client: &mut Client, path: &str, text: &str, language: &str) -> Value {
    let arguments = json!({ "path": path, "source": text, "language": language,
        "description": "a test" });
    client.object("add_module", arguments)
}

#[test]
fn a_program_is_added_run_and_known_by_its_pixel() {
    let places = places();
    let dir = temp_dir();
    for place in [places.picture.clone(), places.plain.clone(), sample_root(dir.path())] {
        let mut client = Client::new(&place, &["--write"]);
        let added = add(&mut client, "/apps/hello", &source("print('hello')\n"), "python");
        assert_eq!(added["replaced"], false);
        assert!(added["instructions"].as_u64().unwrap() > 0, "{added}");
        let ran = client.object("run_module", json!({ "path": "/apps/hello" }));
        assert_eq!((&ran["screen"], &ran["halted"]), (&json!("hello\n"), &json!(true)), "{ran}");
        assert_eq!(ran["registers"].as_array().unwrap().len(), 16);
        let stat = client.object("stat", json!({ "path": "/apps/hello" }));
        assert_eq!((&stat["type"], &stat["pixel"]["id"]), (&json!("pxi_module"), &added["id"]));
        assert_eq!(stat["description"], "a test");
        // Another server has it, too.
        let ran = Client::new(&place, &[]).object("run_module", json!({ "path": "/apps/hello" }));
        assert_eq!(ran["screen"], "hello\n");
    }
}

#[test]
fn programs_read_what_they_are_given_and_draw() {
    let places = places();
    let mut client = Client::new(&places.plain, &["--write"]);
    let assembly = ".module 2\n    SYS 2\n    HALT\n";
    let said = client.failure(
        "add_module",
        json!({ "path": "/apps/bad", "language": "assembly",
        "source": format!("{assembly}    NO_SUCH_THING R0\n") }),
    );
    assert!(said.contains("error") && said.contains("bad:4"), "{said}");
    assert!(client.failure("stat", json!({ "path": "/apps/bad" })).contains("no such file"));
    let halt = add(&mut client, "/apps/halt", ".module 2\n    HALT\n", "assembly");
    assert_eq!(halt["path"], "/apps/halt");
    let ran = client.result(
        "run_module",
        json!({ "path": "/apps/halt", "registers": [7, -1],
        "frame": true }),
    );
    let end = &ran["structuredContent"];
    assert_eq!((&end["registers"][0], &end["registers"][1]), (&json!(7), &json!(4294967295_u32)));
    assert_eq!(ran["content"][1]["mimeType"], "image/png");
    assert!(end["frame"]["width"].as_u64().unwrap() > 0, "{end}");
}

#[test]
fn sources_that_do_not_compile_are_answered_with_what_is_wrong() {
    let places = places();
    let mut client = Client::new(&places.plain, &["--write"]);
    let add = |source: &str| json!({ "path": "/apps/x", "source": source, "language": "python" });
    let said = client.failure("add_module", add("x = 1.5\n"));
    assert!(said.contains("nothing was stored") && said.contains("x:1"), "{said}");
    let said = client.failure("add_module", add("def f(:\n"));
    assert!(said.contains("nothing was stored"), "{said}");
    let said =
        client.failure("add_module", json!({ "path": "/apps/x", "source": "", "language": "c" }));
    assert!(said.contains("wrong arguments"), "{said}");
    let said =
        client.failure("add_module", json!({ "path": "/", "source": "", "language": "python" }));
    assert!(said.contains("can be no path"), "{said}");
    assert!(client.failure("stat", json!({ "path": "/apps" })).contains("no such file"));
}

#[test]
fn what_is_no_program_is_refused() {
    let places = places();
    let mut client = Client::new(&places.picture, &[]);
    for (path, said) in [
        ("/hello.txt", "/hello.txt: "),
        ("/pixel.png", "/pixel.png: "),
        ("/docs", "is a directory"),
        ("/out", "no such file"),
        ("/none", "no such file"),
    ] {
        let sentence = client.failure("run_module", json!({ "path": path }));
        assert!(sentence.contains(said) && !sentence.contains('\n'), "{sentence}");
    }
    let said = client.failure("run_module", json!({ "path": "/hello.txt", "fuel": 0 }));
    assert!(said.contains("fuel is 1 to"), "{said}");
}

#[test]
fn a_program_without_end_ends_with_its_fuel_or_its_time() {
    let places = places();
    let mut client = Client::new(&places.plain, &["--write"]);
    add(&mut client, "/apps/forever", &source(FOREVER), "python");
    let ran = client.object("run_module", json!({ "path": "/apps/forever", "fuel": 123_456 }));
    assert_eq!((&ran["steps"], &ran["halted"]), (&json!(123_456), &json!(false)), "{ran}");
    assert_eq!(ran["stop"], "out-of-fuel");
}

#[test]
fn a_call_is_cancelled_and_tells_how_far_it_is() {
    let places = places();
    let audit = places.dir.path().join("audit.jsonl");
    let options = ["--write", "--audit", audit.to_str().unwrap()];
    let mut client = Client::new(&places.plain, &options);
    add(&mut client, "/apps/forever", &source(FOREVER), "python");
    let long = |token: &str| {
        json!({ "name": "run_module", "_meta": { "progressToken": token },
        "arguments": { "path": "/apps/forever", "fuel": 4_000_000_000_u64 } })
    };
    let id = client.send("tools/call", long("far"));
    let progress = client.receive();
    assert_eq!(progress["method"], "notifications/progress", "{progress}");
    assert_eq!(progress["params"]["progressToken"], "far");
    assert!(progress["params"]["progress"].as_f64().unwrap() > 0.0);
    let start = Instant::now();
    client.notify("notifications/cancelled", json!({ "requestId": id }));
    // Four at a time may be at work: were it still, these would wait.
    let ids: Vec<u64> = (0..4).map(|_| client.send("tools/call", long("x"))).collect();
    for id in ids {
        client.notify("notifications/cancelled", json!({ "requestId": id }));
    }
    let list = client.call("list_directory", json!({ "path": "/apps" }));
    assert_eq!(list, "[FILE] forever");
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    assert_eq!(client.end().0, 0);
    let lines = std::fs::read_to_string(audit).unwrap();
    let cancelled = lines.lines().filter(|line| line.contains("\"result\":\"cancelled\""));
    assert_eq!(cancelled.count(), 5, "{lines}");
}

#[test]
fn boots_are_checked_and_logged() {
    let dir = temp_dir();
    let root = sample_root(dir.path());
    let mut client = Client::new(&root, &[]);
    let dry = client.object("boot_dry_run", json!({}));
    assert_eq!((&dry["source"], &dry["sequence"]), (&json!("dry run"), &json!("built-in")));
    assert_eq!(dry["complete"], true, "{dry}");
    let log = client.result("boot_log", json!({ "seed": 7 }));
    let boot = &log["structuredContent"];
    assert_eq!((&boot["source"], &boot["complete"]), (&json!("boot"), &json!(true)), "{boot}");
    let text = log["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("Boot sequence COMPLETE"), "{text}");
    let entries = boot["entries"].as_array().unwrap();
    assert!(entries.iter().any(|entry| entry["event"] == "stage-complete"), "{entries:?}");
    // The log of a boot elsewhere.
    let file = dir.path().join("boot.log");
    let boot = std::process::Command::new(PXFS)
        .arg("boot")
        .arg(&root)
        .args(["--log-format", "json", "--log"])
        .arg(&file)
        .output()
        .unwrap();
    assert!(boot.status.success());
    let mut client = Client::new(&root, &["--log", file.to_str().unwrap()]);
    let log = client.object("boot_log", json!({}));
    assert_eq!(log["source"], "file");
    assert!(log["entries"].as_array().unwrap().iter().any(|entry| entry["event"] == "start"));
    assert_eq!(client.object("boot_log", json!({ "boot": true }))["source"], "boot");
    std::fs::remove_file(&file).unwrap();
    assert!(client.failure("boot_log", json!({})).contains("the boot log: "));
}

#[test]
fn a_boot_that_cannot_be_is_told() {
    let places = places();
    let mut client = Client::new(&places.picture, &[]);
    let dry = client.object("boot_dry_run", json!({}));
    assert_eq!(dry["complete"], false);
    let missing =
        dry["entries"].as_array().unwrap().iter().any(|entry| entry["event"] == "missing");
    assert!(missing, "{dry}");
    drop(client);
    std::fs::write(places.plain.join("boot_sequence.json"), "{").unwrap();
    let mut client = Client::new(&places.plain, &["--write"]);
    let said = client.failure("boot_dry_run", json!({}));
    assert!(said.starts_with("boot sequence /boot_sequence.json of the root: not JSON"), "{said}");
    // Stages that never end, with all the fuel that a sequence may give.
    add(&mut client, "/boot/forever", &source(FOREVER), "python");
    let stage = json!({ "path": "/boot/forever", "required": false, "fuel": 10_000_000_000_u64 });
    let sequence = json!({ "sequence": vec![stage; 40] }).to_string();
    client.call("write_file", json!({ "path": "/boot_sequence.json", "content": sequence }));
    let start = Instant::now();
    let log = client.object("boot_log", json!({}));
    assert!(log["entries"].as_array().unwrap().iter().any(|entry| entry["event"] == "out-of-fuel"));
    assert!(start.elapsed() < Duration::from_secs(50), "{:?}", start.elapsed());
}

#[test]
fn usage_is_checked() {
    let dir = temp_dir();
    let mcp = |args: &[&str]| {
        let mut command = std::process::Command::new(PXFS);
        run(command.arg("mcp").args(args).current_dir(dir.path()))
    };
    mcp(&[]).expect(2);
    mcp(&["--port", "1", "."]).expect(2);
    mcp(&["none"]).expect(1).says("pxfs mcp: none: ");
    std::fs::write(dir.path().join("text"), "no picture").unwrap();
    mcp(&["text"]).expect(1).says("text: ");
    mcp(&["/dev/null", "--write"]).expect(1).says("/dev/null");
    mcp(&[".", "--audit", "/dev/full"]).expect(1).says("is no regular file");
    mcp(&[".", "--audit", "none/audit"]).expect(1).says("the audit log none/audit");
}
