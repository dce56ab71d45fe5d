//! The same server over HTTP: only on loopback, only with the token, and not for
//! pages of other origins.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Places, places};
use crate::support::PXFS;

struct Served {
    child: Child,
    port: u16,
    token: String,
    _places: Places,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn serve() -> Served {
    let places = places();
    let mut child = Command::new(PXFS)
        .arg("mcp")
        .arg(&places.plain)
        .arg("--http")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let rest = line.trim_end().strip_prefix("http://127.0.0.1:").unwrap();
    let (port, token) = rest.split_once("/mcp?token=").unwrap();
    let (port, token) = (port.parse().unwrap(), token.to_owned());
    assert_eq!(token.len(), 32);
    Served { child, port, token, _places: places }
}

/// The status and the body of an answer.
fn post(served: &Served, target: &str, headers: &[&str], body: &Value) -> (u16, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", served.port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let body = body.to_string();
    let mut request = format!("POST {target} HTTP/1.1\r\n");
    if !headers.iter().any(|header| header.starts_with("Host:")) {
        request.push_str(&format!("Host: 127.0.0.1:{}\r\n", served.port));
    }
    for header in headers {
        request.push_str(&format!("{header}\r\n"));
    }
    request.push_str(&format!(
        "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
         Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer)
}

fn initialize() -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {},
        "clientInfo": { "name": "test", "version": "1" },
    } })
}

#[test]
fn who_has_the_token_is_served() {
    let served = serve();
    let with_token = format!("/mcp?token={}", served.token);
    let (status, answer) = post(&served, &with_token, &[], &initialize());
    assert_eq!(status, 200, "{answer}");
    assert!(answer.contains("\"name\":\"pxfs\""), "{answer}");
    let session = answer.lines().find_map(|line| line.strip_prefix("mcp-session-id: ")).unwrap();
    let session = format!("Mcp-Session-Id: {}", session.trim());
    let bearer = format!("Authorization: Bearer {}", served.token);
    let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    assert_eq!(post(&served, "/mcp", &[&session, &bearer], &initialized).0, 202);
    let call = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {
        "name": "list_directory", "arguments": { "path": "/docs" } } });
    let (status, answer) = post(&served, "/mcp", &[&session, &bearer], &call);
    assert_eq!(status, 200);
    assert!(answer.contains("[DIR] deep\\n[FILE] lines.md"), "{answer}");
}

#[test]
fn others_are_not() {
    let served = serve();
    let with_token = format!("/mcp?token={}", served.token);
    let wrong = format!("/mcp?token={}", "0".repeat(32));
    for target in ["/mcp", "/", "/mcp?token=", &wrong] {
        let (status, answer) = post(&served, target, &[], &initialize());
        assert_eq!(status, 401, "{target}: {answer}");
    }
    let (status, _) = post(&served, "/mcp", &["Authorization: Bearer x"], &initialize());
    assert_eq!(status, 401);
    // A page of another origin, and one whose name was made to lead here.
    for header in ["Origin: http://evil.example", "Origin: null", "Host: evil.example"] {
        let (status, answer) = post(&served, &with_token, &[header], &initialize());
        assert_eq!(status, 403, "{header}: {answer}");
    }
    let own = format!("Origin: http://127.0.0.1:{}", served.port);
    assert_eq!(post(&served, &with_token, &[&own], &initialize()).0, 200);
    let elsewhere = (std::net::Ipv4Addr::new(127, 0, 0, 2), served.port);
    assert!(TcpStream::connect(elsewhere).is_err(), "it listens on more than 127.0.0.1");
}
