//! The protocol itself: hands shaken, tools and resources listed, lines that are none.

use serde_json::{Value, json};

use crate::client::{Client, lines, places, sample_root};
use crate::support::temp_dir;

const READING: [&str; 16] = [
    "list_directory",
    "list_directory_with_sizes",
    "directory_tree",
    "read_text_file",
    "read_file",
    "read_media_file",
    "read_multiple_files",
    "search_files",
    "search",
    "get_file_info",
    "stat",
    "resolve_pixel",
    "list_allowed_directories",
    "boot_dry_run",
    "boot_log",
    "run_module",
];
const WRITING: [&str; 5] =
    ["write_file", "create_directory", "move_file", "edit_file", "add_module"];

#[test]
fn hands_are_shaken_and_the_end_of_input_ends_it() {
    let places = places();
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let mut client = Client::start(&places.picture, &[]);
        let result = client.request(
            "initialize",
            json!({
                "protocolVersion": version, "capabilities": {},
                "clientInfo": { "name": "test", "version": "1" },
            }),
        );
        assert_eq!(result["protocolVersion"], version);
        assert!(result["capabilities"]["tools"].is_object());
        assert!(result["capabilities"]["resources"].is_object());
        let instructions = result["instructions"].as_str().unwrap();
        assert!(instructions.contains("Nothing can be changed"), "{instructions}");
        client.notify("notifications/initialized", json!({}));
        assert_eq!(client.request("ping", json!({})), json!({}));
        assert_eq!(client.end(), (0, vec![]));
    }
    // Nobody came, or somebody left at once.
    assert_eq!(Client::start(&places.picture, &[]).end(), (0, vec![]));
}

#[test]
fn what_was_asked_before_the_end_of_input_is_answered() {
    let places = places();
    let mut client = Client::new(&places.picture, &[]);
    let call = json!({ "name": "list_directory", "arguments": { "path": "/" } });
    let ids: Vec<u64> = (0..20).map(|_| client.send("tools/call", call.clone())).collect();
    let (status, rest) = client.end_with_rest();
    assert_eq!(status, 0);
    let answers: Vec<Value> = rest.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    for id in ids {
        let answer = answers.iter().find(|answer| answer["id"] == id).unwrap();
        assert!(answer["result"]["content"][0]["text"].as_str().unwrap().contains("[DIR] docs"));
    }
}

#[test]
fn tools_that_change_things_are_there_only_if_they_may() {
    let places = places();
    let dir = temp_dir();
    let root = sample_root(dir.path());
    for place in [&places.picture, &places.plain, &root] {
        assert_eq!(Client::new(place, &[]).tools(), READING);
        let mut client = Client::new(place, &[]);
        for tool in WRITING {
            let error = client.refused("tools/call", json!({ "name": tool, "arguments": {} }));
            assert_eq!(error["code"], -32602, "{error}");
        }
        let mut all: Vec<&str> = READING.into_iter().chain(WRITING).collect();
        // A directory of a root is there when a file is in it.
        all.retain(|tool| *tool != "create_directory" || *place != root);
        assert_eq!(Client::new(place, &["--write"]).tools(), all);
    }
}

#[test]
fn tools_say_what_they_take_and_do() {
    let places = places();
    let mut client = Client::new(&places.picture, &["--write"]);
    let list = client.request("tools/list", json!({}));
    for tool in list["tools"].as_array().unwrap() {
        let name = tool["name"].as_str().unwrap();
        assert!(tool["description"].as_str().unwrap().len() > 20, "{name}");
        assert!(!tool["title"].as_str().unwrap().is_empty(), "{name}");
        assert_eq!(tool["inputSchema"]["type"], "object", "{name}");
        assert_eq!(tool["inputSchema"]["additionalProperties"], false, "{name}");
        assert_eq!(tool["outputSchema"]["type"], "object", "{name}");
        if let Some(properties) = tool["inputSchema"].get("properties") {
            for (property, schema) in properties.as_object().unwrap() {
                assert!(schema["description"].is_string(), "{name}: {property}: {schema}");
            }
        }
        let hints = &tool["annotations"];
        assert_eq!(hints["readOnlyHint"], READING.contains(&name), "{name}");
        assert_eq!(hints["openWorldHint"], false, "{name}");
        let expected = match name {
            "create_directory" => Some((false, true)),
            "write_file" | "add_module" => Some((true, true)),
            "move_file" | "edit_file" => Some((true, false)),
            _ => None,
        };
        if let Some((destructive, idempotent)) = expected {
            assert_eq!(hints["destructiveHint"], destructive, "{name}");
            assert_eq!(hints["idempotentHint"], idempotent, "{name}");
        }
    }
}

#[test]
fn resources_are_listed_page_by_page_and_read() {
    let places = places();
    for number in 0..450 {
        let file = places.plain.join(format!("docs/deep/{number:03} a#?.txt"));
        std::fs::write(file, number.to_string()).unwrap();
    }
    let mut client = Client::new(&places.plain, &[]);
    let (mut uris, mut cursor, mut pages) = (Vec::new(), Value::Null, 0);
    loop {
        let params = if cursor.is_null() { json!({}) } else { json!({ "cursor": cursor }) };
        let page = client.request("resources/list", params);
        for resource in page["resources"].as_array().unwrap() {
            assert!(resource["size"].is_u64() && resource["name"].is_string(), "{resource}");
            uris.push(resource["uri"].as_str().unwrap().to_owned());
        }
        pages += 1;
        let Some(next) = page.get("nextCursor") else { break };
        cursor = next.clone();
    }
    // Links are no resources: what they lead to is one, or nothing.
    assert_eq!((uris.len(), pages), (457, 3));
    let mut unique = uris.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), 457);
    assert!(uris.contains(&"pxfs:///docs/deep/007%20a%23%3F.txt".to_owned()), "{uris:?}");
    for (index, uri) in uris.iter().enumerate().step_by(50) {
        let read = client.request("resources/read", json!({ "uri": uri }));
        assert_eq!(read["contents"][0]["uri"], *uri, "{index}");
    }
    let read = client.request("resources/read", json!({ "uri": "pxfs:///docs/lines.md" }));
    assert_eq!(read["contents"][0]["text"], lines(1..=1000));
    assert_eq!(read["contents"][0]["mimeType"], "text/markdown");
    let read = client.request("resources/read", json!({ "uri": "pxfs:///binary.bin" }));
    assert_eq!(read["contents"][0]["blob"], "AP/+gGJpbmFyeQ==");
    for uri in ["pxfs:///none", "file:///etc/passwd", "pxfs://host/x", "", "pxfs:///a%00b"] {
        let error = client.refused("resources/read", json!({ "uri": uri }));
        assert_eq!(error["code"], -32002, "{uri}: {error}");
    }
    for uri in ["pxfs:///docs", "pxfs:///../secret", "pxfs:///%2e%2e/secret"] {
        let error = client.refused("resources/read", json!({ "uri": uri }));
        assert_eq!(error["code"], -32602, "{uri}: {error}");
    }
    let error = client.refused("resources/list", json!({ "cursor": "x" }));
    assert_eq!(error["code"], -32602);
    let templates = client.request("resources/templates/list", json!({}));
    assert_eq!(templates["resourceTemplates"].as_array().unwrap().len(), 1);
}

#[test]
fn paths_are_completed() {
    let places = places();
    let mut client = Client::new(&places.picture, &[]);
    let mut complete = |value: &str| {
        let reference = json!({ "type": "ref/resource", "uri": "pxfs:///{+path}" });
        let argument = json!({ "name": "path", "value": value });
        let params = json!({ "ref": reference, "argument": argument });
        client.request("completion/complete", params)["completion"]["values"].clone()
    };
    assert_eq!(complete("d"), json!(["docs/"]));
    assert_eq!(complete("docs/"), json!(["docs/deep/", "docs/lines.md"]));
    assert_eq!(complete("docs/l"), json!(["docs/lines.md"]));
    for none in ["x", "../", "none/", "hello.txt/"] {
        assert_eq!(complete(none), json!([]), "{none}");
    }
}

#[test]
fn a_content_is_a_resource_by_its_pixel() {
    let places = places();
    let mut client = Client::new(&places.picture, &[]);
    let pixel = client.object("resolve_pixel", json!({ "pixel": "/hello.txt" }));
    let id = pixel["id"].as_str().unwrap().trim_start_matches("0x").to_owned();
    let uri = format!("pxfs:///.pxfs/pixels/{id}");
    let read = client.request("resources/read", json!({ "uri": uri }));
    assert_eq!(read["contents"][0]["text"], "hello\nworld");
    // A plain directory has no such files, and does not say that it had.
    let templates = |client: &mut Client| {
        let list = client.request("resources/templates/list", json!({}));
        list["resourceTemplates"].as_array().unwrap().len()
    };
    assert_eq!(templates(&mut client), 2);
    let mut client = Client::new(&places.plain, &[]);
    assert_eq!(templates(&mut client), 1);
    client.refused("resources/read", json!({ "uri": uri }));
}

#[test]
fn what_is_no_message_stops_nothing() {
    let places = places();
    let mut client = Client::new(&places.picture, &[]);
    for garbage in [&b"not JSON"[..], b"{\"jsonrpc\":", b"\xff\xfe\0", b"", b"[]", b"null", b"\r"] {
        client.write(garbage);
    }
    client.write(br#"{"jsonrpc":"2.0","id":900,"method":"no/such/method","params":{}}"#);
    assert_eq!(client.answer(900)["error"]["code"], -32601);
    client.write(br#"{"jsonrpc":"2.0","id":901,"method":"tools/call","params":{"name":7}}"#);
    let refused = client.receive();
    assert!(refused.get("error").is_some(), "{refused}");
    let error = client.refused("tools/call", json!({ "name": "no_such_tool" }));
    assert_eq!(error["code"], -32602, "{error}");
    assert_eq!(client.request("ping", json!({})), json!({}));
    assert_eq!(client.end().0, 0);
}

#[test]
fn a_huge_line_is_thrown_away_and_said_so() {
    let places = places();
    let mut client = Client::new(&places.picture, &[]);
    client.write(&vec![b'x'; 40 << 20]);
    let text = "y".repeat(20 << 20);
    client.send("tools/call", json!({ "name": "stat", "arguments": { "path": text } }));
    assert_eq!(client.request("ping", json!({})), json!({}));
    let (status, errors) = client.end();
    assert_eq!(status, 0);
    assert!(errors.iter().any(|line| line.contains("maximum line length")), "{errors:?}");
}

#[test]
fn deep_json_does_not_bring_it_down() {
    let places = places();
    let mut client = Client::new(&places.picture, &[]);
    client.write("[".repeat(100_000).as_bytes());
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let call =
        r#"{"jsonrpc":"2.0","id":900,"method":"tools/call","params":{"name":"stat","arguments":"#;
    client.write(format!("{call}{deep}}}}}").as_bytes());
    assert_eq!(client.request("ping", json!({})), json!({}));
}
