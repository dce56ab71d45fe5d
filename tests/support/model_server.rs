//! A server of chat completions on this machine: it streams what it makes of the last
//! question, so that a test can tell that it was asked, and what.

#![allow(dead_code, unreachable_pub, missing_debug_implementations)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

/// A server that ends with the test's process.
pub struct ModelServer {
    pub endpoint: String,
    /// The conversations it was asked to go on with.
    pub asked: Arc<Mutex<Vec<Value>>>,
}

impl ModelServer {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}/v1/chat/completions", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                // Whoever leaves in mid-answer is no failure of the server.
                thread::spawn(move || drop(serve(stream, &shared)));
            }
        });
        Self { endpoint, asked }
    }

    /// A registry with this server as a cartridge, and a second one of another name.
    pub fn registry(&self) -> String {
        let entry = |id: u32, name: &str| {
            json!({
                "name": name, "description": format!("LLM cartridge: {name}"), "backend": "custom",
                "endpoint": self.endpoint, "model_name": name.to_lowercase(), "max_tokens": 512,
                "temperature": 0.7, "system_prompt": null, "pixel": id.to_be_bytes(),
                "id": format!("0x{id:08X}"), "file": format!("llm_{}.pxdigest.png", name.to_lowercase()),
            })
        };
        let registry = json!({"1105367962": entry(1_105_367_962, "Echo"), "7": entry(7, "Second")});
        format!("{registry:#}")
    }

    /// Makes a directory's cartridges lead here.
    pub fn enter(&self, dir: &Path) {
        std::fs::create_dir_all(dir.join("models")).unwrap();
        std::fs::write(dir.join("models/llm_pixel_registry.json"), self.registry()).unwrap();
    }

    /// The number of questions so far.
    pub fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

fn serve(stream: TcpStream, asked: &Mutex<Vec<Value>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut line, mut length) = (String::new(), 0);
    reader.read_line(&mut line)?;
    let is_chat = line.starts_with("POST");
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        if header.trim().is_empty() {
            break;
        }
        let (name, value) = header.split_once(':').unwrap();
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let mut out = stream;
    if !is_chat {
        let models =
            json!({"object": "list", "data": [{"id": "echo"}, {"id": "second"}]}).to_string();
        let length = models.len();
        return write!(
            out,
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{models}"
        );
    }
    let request: Value = serde_json::from_slice(&body).unwrap();
    asked.lock().unwrap().push(request.clone());
    answer(&mut out, &request)
}

/// The words of an answer, with a pause after each.
fn words(request: &Value) -> (Vec<String>, Duration) {
    let messages = request["messages"].as_array().unwrap();
    let last = messages.last().unwrap()["content"].as_str().unwrap();
    let text = match last {
        "hostile" => {
            "<img src=x onerror=alert(1)> \u{1b}[2J\u{1b}]0;owned\u{7} \u{202e}txt".to_owned()
        }
        _ => format!("I heard {last} and know {} messages.", messages.len()),
    };
    let pause = if last.starts_with("slow") { 60 } else { 1 };
    let words = text.split_inclusive(' ').map(str::to_owned).collect();
    (words, Duration::from_millis(pause))
}

fn answer(out: &mut TcpStream, request: &Value) -> std::io::Result<()> {
    let last = request["messages"].as_array().unwrap().last().unwrap()["content"].as_str().unwrap();
    if last == "fail" {
        let body = r#"{"error": {"message": "this server is broken on purpose"}}"#;
        return write!(
            out,
            "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
    }
    out.write_all(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n",
    )?;
    let event = |delta: Value, finish: Value| {
        let choice = json!({"index": 0, "delta": delta, "finish_reason": finish});
        let chunk = json!({"id": "1", "object": "chat.completion.chunk", "model": "echo-1", "choices": [choice]});
        format!("data: {chunk}\n\n")
    };
    out.write_all(event(json!({"role": "assistant"}), Value::Null).as_bytes())?;
    let (mut words, pause) = words(request);
    if last == "never" {
        // An answer that does not end.
        loop {
            out.write_all(event(json!({"content": "on "}), Value::Null).as_bytes())?;
            thread::sleep(Duration::from_millis(10));
        }
    }
    for word in words.drain(..) {
        out.write_all(event(json!({"content": word}), Value::Null).as_bytes())?;
        out.flush()?;
        thread::sleep(pause);
    }
    out.write_all(event(json!({}), "stop".into()).as_bytes())?;
    out.write_all(b"data: [DONE]\n\n")
}
