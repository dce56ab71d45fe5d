//! Paths that lead out, names that lie, arguments that are none, trees without end.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::client::{Client, places};

#[test]
fn nothing_outside_is_read_or_changed() {
    let places = places();
    let outside = |dir: &Path| -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        for name in ["secret", "neighbour/file"] {
            let bytes = std::fs::read(dir.join(name)).unwrap();
            found.insert(name.to_owned(), format!("{:x?}", Sha256::digest(bytes)));
        }
        let names = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = names.collect();
        names.sort();
        found.insert(String::new(), format!("{names:?}"));
        found
    };
    std::fs::create_dir(places.dir.path().join("neighbour")).unwrap();
    std::fs::write(places.dir.path().join("neighbour/file"), "file").unwrap();
    std::os::unix::fs::symlink("../neighbour", places.plain.join("next")).unwrap();
    std::os::unix::fs::symlink("/etc", places.plain.join("abs")).unwrap();
    let before = outside(places.dir.path());
    for place in [&places.plain, &places.picture] {
        let mut client = Client::new(place, &["--write"]);
        let climbing = ["../secret", "/../secret", "docs/../../secret", "/.."];
        let links = ["/out", "/next/file", "/abs/passwd", "/link/../../secret"];
        for path in climbing.into_iter().chain(links) {
            for tool in ["read_text_file", "read_media_file", "run_module", "get_file_info"] {
                let said = client.failure(tool, json!({ "path": path }));
                let is_told = said.contains("leads out") || said.contains("no such file");
                assert!(is_told && !said.contains("SECRET"), "{tool} {path}: {said}");
            }
            let read = client.call("read_multiple_files", json!({ "paths": [path] }));
            assert!(read.contains(": Error - "), "{read}");
        }
        for path in ["../new", "/../neighbour/new", "/.pxfs/x", "/a\u{0}b", "/"] {
            client.failure("write_file", json!({ "path": path, "content": "x" }));
            client.failure("move_file", json!({ "source": "/hello.txt", "destination": path }));
            client.failure("move_file", json!({ "source": path, "destination": "/y" }));
            let module = json!({ "path": path, "source": "print(1)\n", "language": "python" });
            client.failure("add_module", module);
        }
        if place.is_dir() {
            for path in ["/next/new", "/out", "/abs/new"] {
                let said = client.failure("write_file", json!({ "path": path, "content": "x" }));
                assert!(said.contains("is a link"), "{path}: {said}");
                client.failure("create_directory", json!({ "path": path }));
            }
        }
        let tree = client.call("directory_tree", json!({ "path": "/" }));
        assert!(!tree.contains("passwd") && !tree.contains("neighbour"), "{tree}");
        drop(client);
    }
    let mut after = outside(places.dir.path());
    after.insert(String::new(), before[""].clone());
    assert_eq!(after, before);
    assert_eq!(std::fs::read(places.dir.path().join("secret")).unwrap(), b"SECRET");
}

#[test]
fn names_cannot_forge_lines_and_can_be_given_back() {
    let places = places();
    let names: [&[u8]; 4] =
        [b"a\n[DIR] forged", b"esc\x1b[2Jape", "rtl\u{202e}gnp.exe".as_bytes(), b"bytes\xff\xfe"];
    let evil = places.plain.join("evil");
    std::fs::create_dir(&evil).unwrap();
    for name in names {
        std::fs::write(evil.join(std::ffi::OsStr::from_bytes(name)), name).unwrap();
    }
    let mut client = Client::new(&places.plain, &[]);
    let list = client.call("list_directory", json!({ "path": "/evil" }));
    let expected = "[FILE] a\\n[DIR] forged\n[FILE] bytes\\xff\\xfe\n[FILE] esc\\u{1b}[2Jape\n\
                    [FILE] rtl\\u{202e}gnp.exe";
    assert_eq!(list, expected);
    for line in list.lines() {
        let path = format!("/evil/{}", line.trim_start_matches("[FILE] "));
        let info = client.object("stat", json!({ "path": path }));
        assert_eq!(info["path"], path);
        client.result("read_media_file", json!({ "path": path }));
    }
    let found = client.call("search_files", json!({ "path": "/evil", "pattern": "*" }));
    assert_eq!(found.lines().count(), 4, "{found}");
    let tree = client.call("directory_tree", json!({ "path": "/evil" }));
    assert!(tree.is_ascii() && !tree.contains('\u{1b}'), "{tree}");
    let list = client.request("resources/list", json!({}));
    for resource in list["resources"].as_array().unwrap() {
        let uri = resource["uri"].as_str().unwrap();
        assert!(uri.bytes().all(|byte| byte.is_ascii_graphic()), "{uri}");
        client.request("resources/read", json!({ "uri": uri }));
    }
}

#[test]
fn wrong_arguments_are_answered_with_a_sentence() {
    let places = places();
    let mut client = Client::new(&places.plain, &["--write"]);
    for tool in client.tools() {
        if tool.starts_with("boot") || tool == "list_allowed_directories" {
            let said = client.failure(&tool, json!({ "no": "such" }));
            assert!(said.contains("unknown field `no`"), "{tool}: {said}");
            continue;
        }
        for arguments in [
            json!({ "path": 7 }),
            json!({ "path": null }),
            json!({ "path": ["/"] }),
            json!({ "paths": "/" }),
            json!({ "path": "/", "no_such": 1 }),
            json!({ "pixel": {} }),
        ] {
            let said = client.failure(&tool, arguments.clone());
            assert!(said.starts_with("wrong arguments: "), "{tool} {arguments}: {said}");
            assert!(said.len() < 400 && !said.contains('\n'), "{tool}: {said}");
        }
    }
    for (name, value) in [("head", json!(0)), ("head", json!(1.5)), ("tail", json!(-1))] {
        let mut arguments = json!({ "path": "/hello.txt" });
        arguments[name] = value;
        let said = client.failure("read_text_file", arguments);
        assert!(said.contains("number of lines"), "{said}");
    }
    let long = "x/".repeat(5000);
    assert!(client.failure("stat", json!({ "path": long })).contains("4096"));
}

#[test]
fn what_is_very_large_has_an_end() {
    let places = places();
    let many = places.plain.join("many");
    std::fs::create_dir(&many).unwrap();
    for number in 0..10_050 {
        std::fs::write(many.join(format!("{number:05}")), "").unwrap();
    }
    let mut deep = places.plain.join("down");
    for _ in 0..150 {
        deep.push("d");
    }
    std::fs::create_dir_all(&deep).unwrap();
    let sparse = std::fs::File::create(places.plain.join("sparse")).unwrap();
    sparse.set_len(1 << 42).unwrap();
    let mut client = Client::new(&places.plain, &[]);
    let list = client.call("list_directory", json!({ "path": "/many" }));
    assert_eq!(list.lines().count(), 10_001);
    assert!(list.ends_with("(50 more names are not shown; search_files finds some of many)"));
    let found = client.call("search_files", json!({ "path": "/many", "pattern": "*" }));
    assert_eq!(found.lines().count(), 1001);
    assert!(found.ends_with("(more than 1000 matches; narrow the pattern)"), "{found}");
    let said = client.failure("directory_tree", json!({ "path": "/down" }));
    assert!(said.contains("too deep"), "{said}");
    let said = client.failure("directory_tree", json!({ "path": "/many" }));
    assert!(said.contains("too many names"), "{said}");
    for tool in ["read_text_file", "read_media_file"] {
        let said = client.failure(tool, json!({ "path": "/sparse" }));
        assert!(said.contains("more than the"), "{said}");
    }
    let head = client.failure("read_text_file", json!({ "path": "/sparse", "head": 1 }));
    assert!(head.contains("ask for less"), "{head}");
    let found = client.object("search", json!({ "path": "/", "pattern": "zzz" }));
    assert_eq!(found["matches"], json!([]));
    // Contents that would take too long to hash are not hashed to find one by its id.
    let said = client.failure("resolve_pixel", json!({ "pixel": "0x12345678" }));
    assert!(said.contains("ask by path"), "{said}");
}
