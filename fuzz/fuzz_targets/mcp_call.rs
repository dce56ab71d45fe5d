//! Any arguments for any tool of the server for models: an answer of bounded size, or
//! one line that says why not.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use pxfs::builder::{EditOptions, Editor};
use pxfs::mcp::{Place, Server, ServerOptions};
use serde_json::{Map, Value, json};

/// A small directory, served with all tools. It stays where it is made: what is
/// written there by one call is read by the next.
fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        let dir = std::env::temp_dir().join(format!("pxfs-fuzz-mcp-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("a/b")).unwrap();
        std::fs::write(dir.join("a/text.py"), "one\ntwo\nthree\n").unwrap();
        std::fs::write(dir.join("a/b/binary\u{202e}"), [0, 255, 1]).unwrap();
        std::os::unix::fs::symlink("../..", dir.join("a/up")).unwrap();
        let editor = Editor::open(&dir, &EditOptions::default()).unwrap();
        let options = ServerOptions { write: true, ..ServerOptions::default() };
        Server::new(Place::editor("fuzz", editor), options).unwrap()
    })
}

fuzz_target!(|input: (u8, &str)| {
    let (which, text) = input;
    let mut names = server().tool_names();
    names.extend(["resources/read", "resources/list", "completion/complete"]);
    let name = names[usize::from(which) % names.len()];
    // Text that is no JSON is all that a tool takes as text.
    let arguments: Map<String, Value> = serde_json::from_str(text).unwrap_or_else(|_| {
        let mut arguments = Map::new();
        let field = match name {
            "resolve_pixel" => "pixel",
            "resources/read" => "uri",
            "resources/list" => "cursor",
            "completion/complete" => "value",
            _ => "path",
        };
        arguments.insert(field.to_owned(), text.into());
        for (field, of) in
            [("pattern", "search"), ("pattern", "search_files"), ("source", "add_module")]
        {
            if name == of {
                arguments.insert("path".to_owned(), "/a".into());
                arguments.insert(field.to_owned(), text.into());
            }
        }
        match name {
            "read_multiple_files" => return Map::from_iter([("paths".to_owned(), json!([text]))]),
            "add_module" => drop(arguments.insert("language".to_owned(), "python".into())),
            "write_file" => drop(arguments.insert("content".to_owned(), text.into())),
            _ => {}
        }
        arguments
    });
    match server().ask(name, arguments) {
        Ok(answer) => assert!(answer.to_string().len() < 64 << 20),
        Err(sentence) => assert!(!sentence.is_empty()),
    }
});
