//! The tools that read files, on a picture and on the directory it was made of.

use serde_json::{Value, json};

use crate::client::{Client, Places, lines, places, sample_root};
use crate::support::temp_dir;

fn both(check: impl Fn(&mut Client, bool)) {
    let places: Places = places();
    check(&mut Client::new(&places.picture, &[]), true);
    check(&mut Client::new(&places.plain, &[]), false);
}

#[test]
fn directories_are_listed() {
    both(|client, _| {
        let expected = "[FILE] binary.bin\n[DIR] docs\n[DIR] empty\n[FILE] empty.txt\n\
                        [FILE] hello.txt\n[FILE] latin.txt\n[FILE] link\n[FILE] out\n\
                        [FILE] pixel.png";
        for path in ["/", "", ".", "docs/..", "/docs/deep/../../"] {
            assert_eq!(client.call("list_directory", json!({ "path": path })), expected, "{path}");
        }
        assert_eq!(client.call("list_directory", json!({ "path": "/empty" })), "");
        // Links within the place are followed.
        let docs = "[DIR] deep\n[FILE] lines.md";
        assert_eq!(client.call("list_directory", json!({ "path": "/link" })), docs);
        let said = client.failure("list_directory", json!({ "path": "/hello.txt" }));
        assert_eq!(said, "/hello.txt: is not a directory");
        let said = client.failure("list_directory", json!({ "path": "/none" }));
        assert_eq!(said, "/none: no such file or directory");
        let sizes = client.call("list_directory_with_sizes", json!({ "path": "/docs" }));
        let rest = "\n\nTotal: 1 files, 1 directories\nCombined size: 8.68 KB";
        let expected =
            format!("[DIR] {:<30} \n[FILE] {:<30} {:>10}{rest}", "deep", "lines.md", "8.68 KB");
        assert_eq!(sizes, expected);
        let by_size = json!({ "path": "/", "sortBy": "size" });
        let sizes = client.call("list_directory_with_sizes", by_size);
        let hello = sizes.find("hello.txt").unwrap();
        assert!(sizes.find("pixel.png").unwrap() < hello, "{sizes}");
        assert!(hello < sizes.find("empty.txt").unwrap(), "{sizes}");
    });
}

#[test]
fn trees_are_json() {
    both(|client, _| {
        let text = client.call("directory_tree", json!({ "path": "/docs" }));
        let tree: Value = serde_json::from_str(&text).unwrap();
        let er = json!({ "name": "er", "type": "directory", "children": [
            { "name": "needle.py", "type": "file" }
        ] });
        let deep = json!({ "name": "deep", "type": "directory", "children": [er] });
        assert_eq!(tree, json!([deep, { "name": "lines.md", "type": "file" }]));
        assert!(text.starts_with("[\n  {\n    \"name\": \"deep\""), "{text}");
        for exclude in ["deep", "*e*"] {
            let arguments = json!({ "path": "/docs", "excludePatterns": [exclude] });
            let text = client.call("directory_tree", arguments);
            assert!(!text.contains("needle"), "{exclude}: {text}");
        }
    });
}

#[test]
fn texts_are_read_whole_and_in_part() {
    both(|client, _| {
        for tool in ["read_text_file", "read_file"] {
            assert_eq!(client.call(tool, json!({ "path": "/hello.txt" })), "hello\nworld");
            assert_eq!(client.call(tool, json!({ "path": "/empty.txt" })), "");
            let path = "/docs/lines.md";
            assert_eq!(client.call(tool, json!({ "path": path })), lines(1..=1000));
            let head = client.call(tool, json!({ "path": path, "head": 3 }));
            assert_eq!(head, "line 1\nline 2\nline 3");
            let tail = client.call(tool, json!({ "path": path, "tail": 2.0 }));
            assert_eq!(tail, "line 999\nline 1000");
            let all = client.call(tool, json!({ "path": path, "head": 5000 }));
            assert_eq!(all, lines(1..=1000));
            let all = client.call(tool, json!({ "path": path, "tail": 5000 }));
            assert_eq!(all, lines(1..=1000).trim_end());
            assert_eq!(client.call(tool, json!({ "path": "/hello.txt", "tail": 1 })), "world");
            assert_eq!(client.call(tool, json!({ "path": "/empty.txt", "tail": 1 })), "");
            let said = client.failure(tool, json!({ "path": path, "head": 1, "tail": 1 }));
            assert!(said.contains("both"), "{said}");
            let said = client.failure(tool, json!({ "path": "/binary.bin" }));
            assert!(said.contains("is no text") && said.contains("read_media_file"), "{said}");
            assert!(client.failure(tool, json!({ "path": "/latin.txt" })).contains("is no text"));
            assert!(client.failure(tool, json!({ "path": "/docs" })).contains("is a directory"));
        }
    });
}

#[test]
fn long_lines_and_many_lines_come_from_either_end() {
    let places = places();
    let text = format!("{}\n{}\nlast\n", "a".repeat(200_000), "b".repeat(300_000));
    std::fs::write(places.plain.join("long.txt"), &text).unwrap();
    std::fs::write(places.plain.join("huge.txt"), "z".repeat(6 << 20)).unwrap();
    let mut client = Client::new(&places.plain, &[]);
    let mut read = |arguments| client.call("read_text_file", arguments);
    assert_eq!(read(json!({ "path": "/long.txt", "head": 1 })), "a".repeat(200_000));
    assert_eq!(read(json!({ "path": "/long.txt", "head": 2 })), text[..500_001]);
    assert_eq!(read(json!({ "path": "/long.txt", "tail": 1 })), "last");
    assert_eq!(read(json!({ "path": "/long.txt", "tail": 2 })), text[200_001..].trim_end());
    for part in ["head", "tail"] {
        let mut arguments = json!({ "path": "/huge.txt" });
        arguments[part] = 1.into();
        let said = client.failure("read_text_file", arguments);
        assert!(said.contains("ask for less"), "{said}");
    }
    let said = client.failure("read_text_file", json!({ "path": "/huge.txt" }));
    assert!(said.contains("use head"), "{said}");
}

#[test]
fn other_files_come_in_base64() {
    both(|client, _| {
        let png = client.result("read_media_file", json!({ "path": "/pixel.png" }));
        let data = "iVBORw0KGgpub3QgbXVjaCBtb3Jl";
        let image = json!({ "type": "image", "data": data, "mimeType": "image/png" });
        assert_eq!(png["content"], json!([image]));
        assert_eq!(png["structuredContent"]["content"], json!([image]));
        let binary = client.result("read_media_file", json!({ "path": "/binary.bin" }));
        let resource = json!({ "uri": "pxfs:///binary.bin", "mimeType": "application/octet-stream",
            "blob": "AP/+gGJpbmFyeQ==" });
        assert_eq!(binary["content"], json!([{ "type": "resource", "resource": resource }]));
    });
}

#[test]
fn several_files_are_read_at_once() {
    both(|client, _| {
        let paths = json!(["/hello.txt", "/none", "/docs/deep/er/needle.py"]);
        let text = client.call("read_multiple_files", json!({ "paths": paths }));
        let expected = "/hello.txt:\nhello\nworld\n\n---\n/none: Error - /none: no such file or \
                        directory\n---\n/docs/deep/er/needle.py:\nx = 1\n# The Needle\n\n";
        assert_eq!(text, expected);
        assert!(client.failure("read_multiple_files", json!({ "paths": [] })).contains("1 to 100"));
    });
}

#[test]
fn files_are_found_by_name_and_content() {
    both(|client, _| {
        let mut find = |arguments| client.call("search_files", arguments);
        assert_eq!(find(json!({ "path": "/", "pattern": "**/*.py" })), "/docs/deep/er/needle.py");
        assert_eq!(find(json!({ "path": "/docs", "pattern": "*.md" })), "/docs/lines.md");
        assert_eq!(find(json!({ "path": "/", "pattern": "*.md" })), "No matches found");
        assert_eq!(find(json!({ "path": "/", "pattern": "d*" })), "/docs");
        let excluded = json!({ "path": "/", "pattern": "**", "excludePatterns": ["docs", "*.*"] });
        assert_eq!(find(excluded), "/empty\n/link\n/out");
        let found = client.object(
            "search",
            json!({ "path": "/", "pattern": "n[e]{2}dle",
            "ignoreCase": true }),
        );
        let expected = json!([{ "path": "/docs/deep/er/needle.py", "line": 2,
            "text": "# The Needle" }]);
        assert_eq!(found["matches"], expected);
        assert_eq!((&found["complete"], &found["skipped"]), (&json!(true), &json!(1)));
        let found = client.object("search", json!({ "pattern": "^line", "maxResults": 7 }));
        assert_eq!(found["matches"].as_array().unwrap().len(), 7);
        assert_eq!(found["complete"], false);
        let found = client.object("search", json!({ "glob": "*.py" }));
        assert_eq!(found["matches"], json!([{ "path": "/docs/deep/er/needle.py" }]));
        let found = client.object("search", json!({ "path": "/docs", "glob": "deep/**" }));
        assert_eq!(found["matches"], json!([{ "path": "/docs/deep/er/needle.py" }]));
        for (tool, arguments) in [
            ("search", json!({ "pattern": "(" })),
            ("search", json!({ "pattern": "a{1000}{1000}" })),
            ("search_files", json!({ "path": "/", "pattern": "[" })),
        ] {
            let said = client.failure(tool, arguments);
            assert!(said.starts_with("wrong pattern: ") && !said.contains('\n'), "{said}");
        }
    });
}

#[test]
fn what_is_known_of_a_file_is_told() {
    both(|client, is_picture| {
        let info = client.call("get_file_info", json!({ "path": "/hello.txt" }));
        let keys: Vec<&str> =
            info.lines().filter_map(|line| Some(line.split_once(": ")?.0)).collect();
        let expected =
            ["size", "created", "modified", "accessed", "isDirectory", "isFile", "permissions"];
        assert_eq!(keys, expected);
        assert!(info.starts_with("size: 11\n") && info.ends_with("permissions: 644"), "{info}");
        let stat = client.object("stat", json!({ "path": "/hello.txt" }));
        assert_eq!((&stat["kind"], &stat["size"]), (&json!("file"), &json!(11)));
        let sha256 = "26c60a61d01db5836ca70fefd44a6a016620413c8ef5f259a6c5612d4f79d3b8";
        assert_eq!(stat["pixel"]["sha256"], sha256);
        assert_eq!(stat["pixel"]["id"], "0x26C60A61");
        assert_eq!(stat["pixel"]["rgba"], json!([38, 198, 10, 97]));
        assert_eq!(stat["type"], "data");
        let link = client.object("stat", json!({ "path": "/out" }));
        assert_eq!((&link["kind"], &link["target"]), (&json!("symlink"), &json!("../secret")));
        let colours = ["38,198,10,97", "(38, 198, 10, 97)", "RGBA (38, 198, 10, 97)"];
        let names = ["0x26C60A61", "#26C60A61", sha256, "/hello.txt", "hello.txt"];
        for pixel in names.into_iter().chain(colours) {
            let found = client.object("resolve_pixel", json!({ "pixel": pixel }));
            assert_eq!(found["paths"], json!(["/hello.txt"]), "{pixel}");
            assert_eq!((&found["size"], &found["complete"]), (&json!(11), &json!(true)));
        }
        let said = client.failure("resolve_pixel", json!({ "pixel": "0x00000001" }));
        assert!(said.contains("no such pixel"), "{said}");
        assert!(client.failure("resolve_pixel", json!({ "pixel": "blue" })).contains("no path"));
        let allowed = client.call("list_allowed_directories", json!({}));
        assert_eq!(allowed, "Allowed directories:\n/");
        if is_picture {
            let text = client.call("read_text_file", json!({ "path": "/.pxfs/pixelfs.json" }));
            assert!(text.contains("/hello.txt"), "{text}");
        }
    });
}

#[test]
fn a_root_is_served_by_its_paths() {
    let dir = temp_dir();
    let root = sample_root(dir.path());
    let mut client = Client::new(&root, &[]);
    let list = client.call("list_directory", json!({ "path": "/" }));
    assert!(list.contains("[DIR] boot"), "{list}");
    let stat = client.object("stat", json!({ "path": "/boot/00_bios" }));
    assert_eq!(stat["pixel"]["id"], "0x8DF1B86C");
    assert_eq!(stat["type"], "pxi_module");
    assert!(client.failure("stat", json!({ "path": "/pixelfs.json" })).contains("no such file"));
}
