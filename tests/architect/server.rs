//! A server of the chat completions API that plays models: a real one as far as the
//! wire goes, with answers from a script.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

/// What the model does when it is asked.
#[derive(Debug, Clone)]
pub(crate) enum Play {
    /// It says this.
    Say(String),
    /// It says this again and again, so many times.
    Repeat(&'static str, usize),
    /// It says this, after a while.
    Slow(String),
    /// It says something for ever, slowly.
    Forever,
    /// It begins, and the connection ends.
    BreakOff,
    /// The server refuses.
    Status(u16, &'static str),
}

/// The name of the model.
pub(crate) const MODEL: &str = "scripted-1b";

/// A server that runs until the test ends.
pub(crate) struct Server {
    pub(crate) endpoint: String,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    script: Mutex<Vec<Play>>,
    /// Bodies of the requests.
    asked: Mutex<Vec<Value>>,
    /// Longest conversation that is taken, in bytes.
    limit: Mutex<Option<usize>>,
}

impl Server {
    /// A model that answers by a script, and is done when that is over.
    pub(crate) fn start(script: Vec<Play>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}/v1", listener.local_addr().unwrap());
        let state = Arc::new(State::default());
        let server = Self { endpoint, state: Arc::clone(&state) };
        server.play(script);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let state = Arc::clone(&state);
                // A client that goes away ends its thread with an error, which is fine.
                thread::spawn(move || serve(stream, &state));
            }
        });
        server
    }

    /// Sets the script anew.
    pub(crate) fn play(&self, mut script: Vec<Play>) {
        script.reverse();
        *self.state.script.lock().unwrap() = script;
    }

    /// Refuses conversations of more bytes.
    pub(crate) fn limit(&self, bytes: usize) {
        *self.state.limit.lock().unwrap() = Some(bytes);
    }

    /// All that was asked so far.
    pub(crate) fn asked(&self) -> Vec<Value> {
        self.state.asked.lock().unwrap().clone()
    }

    /// Answers of the script that nobody asked for.
    pub(crate) fn left(&self) -> usize {
        self.state.script.lock().unwrap().len()
    }
}

/// An action as a model says it.
pub(crate) fn say(action: &Value) -> Play {
    Play::Say(action.to_string())
}

fn serve(stream: TcpStream, state: &State) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let is_list = line.starts_with("GET /v1/models ");
        let mut length = 0;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            let header = header.trim().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        if is_list {
            let list = json!({"object": "list", "data": [{"id": MODEL, "object": "model"}]});
            send(&stream, 200, &list)?;
        } else {
            let body: Value = serde_json::from_slice(&body).unwrap();
            answer(&stream, state, &body)?;
        }
    }
}

fn send(mut stream: &TcpStream, status: u16, body: &Value) -> std::io::Result<()> {
    let body = body.to_string();
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all((head + &body).as_bytes())
}

fn answer(stream: &TcpStream, state: &State, body: &Value) -> std::io::Result<()> {
    state.asked.lock().unwrap().push(body.clone());
    let size: usize = body["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["content"].as_str().unwrap().len())
        .sum();
    if state.limit.lock().unwrap().is_some_and(|limit| size > limit) {
        let error = json!({"error": {"code": "context_length_exceeded", "type": "invalid_request_error",
            "message": "the request exceeds the available context size"}});
        return send(stream, 400, &error);
    }
    let play = state.script.lock().unwrap().pop();
    let play = play.unwrap_or_else(|| Play::Say(json!({"action": "done"}).to_string()));
    if let Play::Status(status, message) = play {
        return send(stream, status, &json!({"error": {"message": message}}));
    }
    if body["stream"] == true { stream_out(stream, play) } else { whole(stream, play) }
}

fn whole(stream: &TcpStream, play: Play) -> std::io::Result<()> {
    let text = match play {
        Play::Say(text) | Play::Slow(text) => text,
        Play::Repeat(text, times) => text.repeat(times),
        _ => return stream.shutdown(std::net::Shutdown::Both),
    };
    let choice = json!({"index": 0, "finish_reason": "stop",
        "message": {"role": "assistant", "content": text}});
    let usage = json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15});
    send(
        stream,
        200,
        &json!({"id": "1", "object": "chat.completion", "created": 1,
        "model": MODEL, "choices": [choice], "usage": usage}),
    )
}

fn stream_out(mut stream: &TcpStream, play: Play) -> std::io::Result<()> {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
                transfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes())?;
    let mut event = |text: &str| {
        let event = format!("data: {text}\n\n");
        stream.write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes())
    };
    let mut piece = |text: &str, finish: Value| {
        event(
            &json!({"id": "1", "object": "chat.completion.chunk", "created": 1, "model": MODEL,
            "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]})
            .to_string(),
        )
    };
    if matches!(play, Play::Slow(_)) {
        thread::sleep(Duration::from_secs(5));
    }
    match play {
        Play::Say(text) | Play::Slow(text) => {
            for chunk in text.as_bytes().chunks(4000) {
                // The texts of the scripts are ASCII.
                piece(std::str::from_utf8(chunk).unwrap(), Value::Null)?;
            }
        }
        Play::Repeat(text, times) => {
            for _ in 0..times {
                piece(text, Value::Null)?;
            }
        }
        Play::Forever => loop {
            piece("and ", Value::Null)?;
            thread::sleep(Duration::from_millis(20));
        },
        Play::BreakOff | Play::Status(..) => {
            piece("{\"action\":", Value::Null)?;
            return stream.shutdown(std::net::Shutdown::Both);
        }
    }
    piece("", json!("stop"))?;
    event("[DONE]")?;
    stream.write_all(b"0\r\n\r\n")
}
