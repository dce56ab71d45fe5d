//! A client that says what it likes, and places to serve.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{PXFS, run, temp_dir};

/// No answer takes longer unless the server hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// A server and both ends of what is said.
pub(crate) struct Client {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    errors: Receiver<String>,
    next: u64,
}

impl Client {
    /// Starts a server without a word.
    pub(crate) fn start(place: &Path, options: &[&str]) -> Self {
        let mut child = Command::new(PXFS)
            .arg("mcp")
            .arg(place)
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take(), child.stdout.take().unwrap());
        let (lines, errors) = (reader(output), reader(child.stderr.take().unwrap()));
        Self { child, input, lines, errors, next: 1 }
    }

    /// Starts a server and shakes hands.
    pub(crate) fn new(place: &Path, options: &[&str]) -> Self {
        let mut client = Self::start(place, options);
        let result = client.request(
            "initialize",
            json!({
                "protocolVersion": "2025-06-18", "capabilities": {},
                "clientInfo": { "name": "test", "version": "1" },
            }),
        );
        assert_eq!(result["serverInfo"]["name"], "pxfs");
        client.notify("notifications/initialized", json!({}));
        client
    }

    /// Writes a line, whatever it is.
    pub(crate) fn write(&mut self, line: &[u8]) {
        let input = self.input.as_mut().unwrap();
        input.write_all(line).unwrap();
        input.write_all(b"\n").unwrap();
        input.flush().unwrap();
    }

    pub(crate) fn notify(&mut self, method: &str, params: Value) {
        let message = json!({ "jsonrpc": "2.0", "method": method, "params": params });
        self.write(message.to_string().as_bytes());
    }

    /// Sends a request; gives its id.
    pub(crate) fn send(&mut self, method: &str, params: Value) -> u64 {
        let id = self.next;
        self.next += 1;
        let message = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        self.write(message.to_string().as_bytes());
        id
    }

    /// The next message of the server. Whatever it writes is one line of JSON.
    pub(crate) fn receive(&mut self) -> Value {
        let line = self.lines.recv_timeout(LIMIT).expect("the server says nothing");
        let message: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));
        assert_eq!(message["jsonrpc"], "2.0");
        message
    }

    /// The answer to a request; what comes before it is passed over.
    pub(crate) fn answer(&mut self, id: u64) -> Value {
        loop {
            let message = self.receive();
            if message["id"] == id {
                return message;
            }
        }
    }

    #[track_caller]
    pub(crate) fn request(&mut self, method: &str, params: Value) -> Value {
        let id = self.send(method, params);
        let answer = self.answer(id);
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }

    /// The error of a request that must fail.
    #[track_caller]
    pub(crate) fn refused(&mut self, method: &str, params: Value) -> Value {
        let id = self.send(method, params);
        let answer = self.answer(id);
        assert!(answer.get("error").is_some(), "{method}: {answer}");
        answer["error"].clone()
    }

    /// The whole result of a tool.
    #[track_caller]
    pub(crate) fn result(&mut self, tool: &str, arguments: Value) -> Value {
        let result = self.request("tools/call", json!({ "name": tool, "arguments": arguments }));
        assert_ne!(result["isError"], true, "{tool}: {result}");
        result
    }

    /// The text of a tool that must do its work; it is also what the structured
    /// answer holds, or an object beside it.
    #[track_caller]
    pub(crate) fn call(&mut self, tool: &str, arguments: Value) -> String {
        let result = self.result(tool, arguments);
        let text = result["content"][0]["text"].as_str().unwrap().to_owned();
        let structured = &result["structuredContent"];
        assert!(structured.is_object(), "{tool}: {result}");
        if let Some(content) = structured.get("content") {
            assert_eq!(content, &json!(text), "{tool}");
        }
        text
    }

    /// The structured answer of a tool.
    #[track_caller]
    pub(crate) fn object(&mut self, tool: &str, arguments: Value) -> Value {
        self.result(tool, arguments)["structuredContent"].clone()
    }

    /// The sentence of a tool that must fail.
    #[track_caller]
    pub(crate) fn failure(&mut self, tool: &str, arguments: Value) -> String {
        let result = self.request("tools/call", json!({ "name": tool, "arguments": arguments }));
        assert_eq!(result["isError"], true, "{tool}: {result}");
        assert!(result.get("structuredContent").is_none());
        result["content"][0]["text"].as_str().unwrap().to_owned()
    }

    /// The names of all tools.
    pub(crate) fn tools(&mut self) -> Vec<String> {
        let list = self.request("tools/list", json!({}));
        let tools = list["tools"].as_array().unwrap();
        tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
    }

    /// Ends the input; the exit status and what was said on standard error.
    pub(crate) fn end(mut self) -> (i32, Vec<String>) {
        drop(self.input.take());
        let mut status = None;
        for _ in 0..LIMIT.as_millis() / 10 {
            status = self.child.try_wait().unwrap();
            if status.is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let status = status.expect("the server does not end").code().unwrap();
        (status, self.errors.iter().collect())
    }

    /// The same, with what the server said last.
    pub(crate) fn end_with_rest(mut self) -> (i32, Vec<String>) {
        drop(self.input.take());
        let rest = self.lines.iter().collect();
        (self.child.wait().unwrap().code().unwrap(), rest)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn reader(from: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines() {
            let Ok(line) = line else { return };
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// A directory and a picture of it.
pub(crate) struct Places {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) plain: PathBuf,
    pub(crate) picture: PathBuf,
}

/// Files of all kinds, below a directory that has a secret beside them.
pub(crate) fn places() -> Places {
    let dir = temp_dir();
    let plain = dir.path().join("plain");
    std::fs::create_dir_all(plain.join("docs/deep/er")).unwrap();
    std::fs::create_dir(plain.join("empty")).unwrap();
    std::fs::write(dir.path().join("secret"), "SECRET").unwrap();
    std::fs::write(plain.join("hello.txt"), "hello\nworld").unwrap();
    std::fs::write(plain.join("docs/lines.md"), lines(1..=1000)).unwrap();
    std::fs::write(plain.join("docs/deep/er/needle.py"), "x = 1\n# The Needle\n").unwrap();
    std::fs::write(plain.join("binary.bin"), b"\0\xff\xfe\x80binary").unwrap();
    std::fs::write(plain.join("latin.txt"), b"gr\xfc\xdfe").unwrap();
    std::fs::write(plain.join("empty.txt"), "").unwrap();
    let pixel = b"\x89PNG\r\n\x1a\nnot much more";
    std::fs::write(plain.join("pixel.png"), pixel).unwrap();
    std::os::unix::fs::symlink("../secret", plain.join("out")).unwrap();
    std::os::unix::fs::symlink("docs", plain.join("link")).unwrap();
    let picture = dir.path().join("picture.png");
    run(Command::new(PXFS).arg("mkfs").arg(&picture).arg(&plain)).expect(0);
    Places { dir, plain, picture }
}

pub(crate) fn lines(range: std::ops::RangeInclusive<u32>) -> String {
    range.map(|number| format!("line {number}\n")).collect()
}

/// A pxOS root to change, from the samples.
pub(crate) fn sample_root(to: &Path) -> PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/pxos_root");
    let root = to.join("root");
    copy(&from, &root);
    root
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}
