//! A server that does what a test tells it to: what it reads is HTTP, what it
//! writes may be anything.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A request that came.
#[derive(Debug, Clone)]
pub(crate) struct Came {
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Came {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// A server on a port of its own; it ends with the test.
pub(crate) struct Server {
    pub(crate) base: String,
    requests: Arc<Mutex<Vec<Came>>>,
    stop: Arc<AtomicBool>,
    address: std::net::SocketAddr,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Answers each request with `answer`, which gets its number, the request, and
    /// the connection.
    pub(crate) fn start(
        answer: impl Fn(usize, &Came, &mut TcpStream) + Send + Sync + 'static,
    ) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap(), answer)
    }

    /// The same at a port that is bound already.
    pub(crate) fn on(
        listener: TcpListener,
        answer: impl Fn(usize, &Came, &mut TcpStream) + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let (requests, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (list, is_over, answer) = (Arc::clone(&requests), Arc::clone(&stop), Arc::new(answer));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if is_over.load(Ordering::SeqCst) {
                    break;
                }
                let (mut stream, list, answer) = (stream.unwrap(), list.clone(), answer.clone());
                std::thread::spawn(move || {
                    let Some(came) = read_request(&stream) else { return };
                    let number = {
                        let mut list = list.lock().unwrap();
                        list.push(came.clone());
                        list.len() - 1
                    };
                    answer(number, &came, &mut stream);
                });
            }
        });
        let base = format!("http://127.0.0.1:{}/v1", address.port());
        Self { base, requests, stop, address, thread: Some(thread) }
    }

    /// A server that answers everything with these bytes, and closes.
    pub(crate) fn saying(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::start(move |_, _, stream| {
            let _ = stream.write_all(&bytes);
        })
    }

    pub(crate) fn requests(&self) -> Vec<Came> {
        self.requests.lock().unwrap().clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    /// Host and port.
    pub(crate) fn authority(&self) -> String {
        self.address.to_string()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn read_request(stream: &TcpStream) -> Option<Came> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        match header.trim_end().split_once(':') {
            Some((name, value)) => headers.push((name.to_owned(), value.trim().to_owned())),
            None => break,
        }
    }
    let mut came = Came { line: line.trim_end().to_owned(), headers, body: String::new() };
    let length = came.header("content-length").and_then(|length| length.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    came.body = String::from_utf8(body).ok()?;
    Some(came)
}

/// A response with a body of known length.
pub(crate) fn response(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n{body}").into_bytes()
}

/// The head of a stream of events that ends when the connection does.
pub(crate) const EVENTS: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";

/// The same in chunks.
pub(crate) const CHUNKED: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

/// An event with a piece of text.
pub(crate) fn piece(text: &str) -> String {
    let json = serde_json::json!({"choices": [{"index": 0, "delta": {"content": text}}]});
    format!("data: {json}\n\n")
}

/// The events at the end of an answer.
pub(crate) fn end() -> String {
    let last = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"model":"test-model",
        "usage":{"prompt_tokens":3,"completion_tokens":2}}"#;
    format!("data: {}\n\ndata: [DONE]\n\n", last.replace('\n', " "))
}

/// A whole good answer.
pub(crate) fn good(text: &str) -> Vec<u8> {
    [EVENTS, &piece(text), &end()].concat().into_bytes()
}

/// Whether the other side closes the connection within `limit`.
pub(crate) fn is_closed_within(stream: &mut TcpStream, limit: Duration) -> bool {
    let start = Instant::now();
    stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    while start.elapsed() < limit {
        match stream.read(&mut [0; 64]) {
            Ok(0) => return true,
            Err(error)
                if !matches!(
                    error.kind(),
                    std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                ) =>
            {
                return true;
            }
            _ => {}
        }
    }
    false
}
