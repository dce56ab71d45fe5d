//! The tools that make changes, and the audit log.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use serde_json::{Value, json};

use crate::client::{Client, places, sample_root};
use crate::support::{PXFS, run, temp_dir};

#[test]
fn files_are_written_moved_and_edited() {
    let places = places();
    let dir = temp_dir();
    for place in [places.picture.clone(), places.plain.clone(), sample_root(dir.path())] {
        let mut client = Client::new(&place, &["--write"]);
        let write = json!({ "path": "/new/dir/file.txt", "content": "one\ntwo\nthree\n" });
        let said = client.call("write_file", write);
        assert_eq!(said, "Successfully wrote to /new/dir/file.txt");
        let read = json!({ "path": "/new/dir/file.txt" });
        assert_eq!(client.call("read_text_file", read.clone()), "one\ntwo\nthree\n");
        let edits = json!([{ "oldText": "two\n", "newText": "2\n" }]);
        let edit =
            |dry: bool| json!({ "path": "/new/dir/file.txt", "edits": edits, "dryRun": dry });
        let diff = client.call("edit_file", edit(true));
        assert!(diff.starts_with("```diff\nIndex: /new/dir/file.txt\n"), "{diff}");
        assert!(diff.contains("\n--- /new/dir/file.txt\toriginal\n"), "{diff}");
        assert!(diff.contains("\n-two\n+2\n"), "{diff}");
        assert_eq!(client.call("read_text_file", read.clone()), "one\ntwo\nthree\n");
        assert_eq!(client.call("edit_file", edit(false)), diff);
        assert_eq!(client.call("read_text_file", read.clone()), "one\n2\nthree\n");
        assert!(client.failure("edit_file", edit(false)).contains("is not in the file"));
        let moved = client.call("move_file", json!({ "source": "/new", "destination": "/old" }));
        assert_eq!(moved, "Successfully moved /new to /old");
        assert!(client.failure("read_text_file", read.clone()).contains("no such file"));
        // The destination is never written over.
        client.call("write_file", json!({ "path": "/x", "content": "x" }));
        let over = json!({ "source": "/x", "destination": "/old/dir/file.txt" });
        assert!(client.failure("move_file", over).contains("is there already"));
        if client.tools().contains(&"create_directory".to_owned()) {
            let said = client.call("create_directory", json!({ "path": "/a/b/c" }));
            assert_eq!(said, "Successfully created directory /a/b/c");
            assert_eq!(client.call("list_directory", json!({ "path": "/a/b" })), "[DIR] c");
            client.call("create_directory", json!({ "path": "/a" }));
            assert!(client.failure("create_directory", json!({ "path": "/x" })).contains("/x"));
        }
        // It is on the disk: another server, and the tools, have it.
        let mut other = Client::new(&place, &[]);
        let read = json!({ "path": "/old/dir/file.txt" });
        assert_eq!(other.call("read_text_file", read), "one\n2\nthree\n");
        if place.is_file() {
            let cat = run(Command::new(PXFS).arg("cat").arg(&place).arg("/old/dir/file.txt"));
            assert_eq!(cat.expect(0).stdout, "one\n2\nthree\n");
            run(Command::new(PXFS).arg("verify").arg(&place)).expect(0);
        }
    }
}

#[test]
fn answers_name_the_path_that_there_is() {
    let places = places();
    let mut client = Client::new(&places.plain, &["--write"]);
    let said = client.call("write_file", json!({ "path": "a/../b//c/", "content": "" }));
    assert_eq!(said, "Successfully wrote to /b/c");
    let said = client.call("move_file", json!({ "source": "b/c", "destination": "/bin/" }));
    assert_eq!(said, "Successfully moved /b/c to /bin");
    let said = client.call("create_directory", json!({ "path": "new/" }));
    assert_eq!(said, "Successfully created directory /new");
}

#[test]
fn a_directory_cannot_be_made_a_root() {
    let places = places();
    let mut client = Client::new(&places.plain, &["--write"]);
    client.call("write_file", json!({ "path": "/docs/pixelfs.json", "content": "{}" }));
    for path in ["/pixelfs.json", "docs/../pixelfs.json", "/pixelfs.json/x"] {
        let move_here = json!({ "source": "/docs/pixelfs.json", "destination": path });
        for said in [
            client.failure("write_file", json!({ "path": path, "content": "{}" })),
            client.failure("move_file", move_here),
            client.failure("create_directory", json!({ "path": path })),
        ] {
            assert!(said.contains("would make a pxOS root"), "{path}: {said}");
        }
    }
    assert!(!places.plain.join("pixelfs.json").exists());
    // A picture has no such name.
    let mut client = Client::new(&places.picture, &["--write"]);
    client.call("write_file", json!({ "path": "/pixelfs.json", "content": "{}" }));
}

#[test]
fn two_servers_of_one_place_lose_nothing() {
    let places = places();
    let dir = temp_dir();
    for place in [places.picture.clone(), places.plain.clone(), sample_root(dir.path())] {
        let mut clients = [Client::new(&place, &["--write"]), Client::new(&place, &["--write"])];
        let mut ids = [Vec::new(), Vec::new()];
        for number in 0..10 {
            for (which, client) in clients.iter_mut().enumerate() {
                let path = format!("/both/{which}-{number}");
                let arguments = json!({ "path": path, "content": path });
                let call = json!({ "name": "write_file", "arguments": arguments });
                ids[which].push(client.send("tools/call", call));
            }
        }
        for (client, ids) in clients.iter_mut().zip(ids) {
            for _ in ids {
                // They may come in any order.
                let answer = client.receive();
                assert_ne!(answer["result"]["isError"], true, "{answer}");
            }
        }
        for client in &mut clients {
            let list = client.call("list_directory", json!({ "path": "/both" }));
            assert_eq!(list.lines().count(), 20, "{list}");
        }
    }
}

#[test]
fn every_call_is_in_the_audit_log() {
    let places = places();
    let audit = places.dir.path().join("audit.jsonl");
    let options = ["--write", "--audit", audit.to_str().unwrap()];
    let mut client = Client::new(&places.plain, &options);
    client.call("read_text_file", json!({ "path": "/hello.txt" }));
    client.call("write_file", json!({ "path": "/a\nb", "content": "TOP SECRET" }));
    client.failure("move_file", json!({ "source": "/none\u{1b}[2J", "destination": "/x" }));
    client.refused("tools/call", json!({ "name": "rm", "arguments": { "path": "/" } }));
    client.request("resources/read", json!({ "uri": "pxfs:///hello.txt" }));
    client.refused("resources/read", json!({ "uri": "pxfs:///none" }));
    client.failure("stat", json!({ "path": 7 }));
    assert_eq!(std::fs::metadata(&audit).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&audit).unwrap();
    assert!(!text.contains("TOP SECRET") && !text.contains('\u{1b}'), "{text}");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let field = |name: &str| -> Vec<String> {
        lines.iter().map(|line| line[name].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(field("result"), ["ok", "ok", "failed", "refused", "ok", "failed", "failed"]);
    assert_eq!(field("name")[..4], ["read_text_file", "write_file", "move_file", "rm"]);
    assert_eq!(field("method")[4..6], ["resources/read", "resources/read"]);
    assert!(field("client").iter().all(|client| client == "test 1"));
    assert!(field("arguments_sha256").iter().all(|digest| digest.len() == 64));
    assert!(field("time").iter().all(|time| time.ends_with('Z')));
    assert_eq!(lines[0]["paths"], json!(["/hello.txt"]));
    assert_eq!(
        lines[2]["paths"],
        json!(["/x", "/none\\u{1b}[2J"].iter().rev().collect::<Vec<_>>())
    );
    assert_eq!(lines[0]["bytes"], 11);
    assert!(lines.iter().all(|line| line["duration_ms"].is_u64()));
    assert!(lines[2]["error"].as_str().unwrap().contains("no such file"));
    drop(client);
    // The next server goes on with it.
    let mut client = Client::new(&places.plain, &options);
    client.call("list_allowed_directories", json!({}));
    assert_eq!(std::fs::read_to_string(&audit).unwrap().lines().count(), 8);
}

#[test]
fn lists_completions_and_sizes_are_in_the_audit_log() {
    let places = places();
    std::fs::write(places.plain.join("a.wav"), "RIFF").unwrap();
    let audit = places.dir.path().join("audit.jsonl");
    let mut client = Client::new(&places.plain, &["--audit", audit.to_str().unwrap()]);
    client.request("resources/list", json!({}));
    client.refused("resources/list", json!({ "cursor": "made up" }));
    let file = json!({ "type": "ref/resource", "uri": "pxfs:///{+path}" });
    let typed = json!({ "name": "path", "value": "docs/l" });
    client.request("completion/complete", json!({ "ref": file, "argument": typed }));
    client.request("resources/read", json!({ "uri": "pxfs:///hello.txt" }));
    client.result("read_media_file", json!({ "path": "/a.wav" }));
    client.result("read_media_file", json!({ "path": "/binary.bin" }));
    let text = std::fs::read_to_string(&audit).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let seen: Vec<_> = lines
        .iter()
        .map(|line| (line["method"].as_str().unwrap(), line["result"].as_str().unwrap()))
        .collect();
    assert_eq!(
        seen,
        [
            ("resources/list", "ok"),
            ("resources/list", "failed"),
            ("completion/complete", "ok"),
            ("resources/read", "ok"),
            ("tools/call", "ok"),
            ("tools/call", "ok"),
        ]
    );
    assert_eq!(lines[2]["paths"], json!(["docs/l"]));
    assert!(lines[0]["bytes"].as_u64().unwrap() > 0);
    let bytes: Vec<_> = lines[2..].iter().map(|line| line["bytes"].as_u64().unwrap()).collect();
    // The name, the text, and four and ten bytes in base64.
    assert_eq!(bytes, [13, 11, 8, 16]);
}
