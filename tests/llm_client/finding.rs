//! Servers at their usual places are found, and what is missing at the others is
//! said. The places are ports that everybody knows: a test that needs one which
//! something else has says so and does nothing.

use std::io::Write as _;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use pxfs::llm::{Cancel, Limits, discover};

use super::server::{Server, response};
use super::support::pxfs;

/// A server with these models at a usual port.
fn at(port: u16, list: &'static str) -> Option<Server> {
    match TcpListener::bind(("127.0.0.1", port)) {
        Ok(listener) => Some(Server::on(listener, move |_, came, stream| {
            assert_eq!(came.line, "GET /v1/models HTTP/1.1");
            assert_eq!(came.header("authorization"), None);
            let _ = stream.write_all(&response("200 OK", "", list));
        })),
        Err(error) => {
            eprintln!("skipped: port {port}: {error}");
            None
        }
    }
}

#[test]
fn servers_are_found_at_their_usual_places() {
    let studio = at(1234, r#"{"data":[{"id":"qwen\u001b[2J"},{"id":"llama"}]}"#);
    let ollama = at(11434, r#"{"object":"list","data":null}"#);
    let (Some(_studio), Some(_ollama)) = (studio, ollama) else { return };
    let found = discover(&Limits::brief(), &Cancel::default());
    let by = |product: &str| found.iter().find(|server| server.product == product).unwrap();
    assert!(by("LM Studio").is_usable() && by("LM Studio").missing.is_none());
    assert_eq!(by("LM Studio").models.as_deref().unwrap(), ["qwen\\u{1b}[2J", "llama"]);
    assert!(!by("Ollama").is_usable());
    assert!(by("Ollama").missing.as_deref().unwrap().contains("'ollama pull NAME'"));
    let said = pxfs(["llm", "discover"]).expect(0).stdout;
    let line = "LM Studio at http://localhost:1234/v1: qwen\\u{1b}[2J, llama\n";
    assert!(said.starts_with(line), "{said}");
    let said = pxfs(["llm", "discover", "--json"]).expect(0).stdout;
    let value: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(value["servers"][0]["models"][1], "llama");
    assert_eq!(value["servers"][0]["backend"], "lmstudio");
}

#[test]
fn a_place_that_is_silent_holds_nobody_up() {
    // A port that is bound and never accepts: the connection stands, no answer comes.
    let Ok(_silent) = TcpListener::bind("127.0.0.1:8080") else {
        return eprintln!("skipped: port 8080 is taken");
    };
    let start = Instant::now();
    let found = discover(&Limits::brief(), &Cancel::default());
    assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
    let silent = found.iter().find(|server| server.endpoint.contains("8080")).unwrap();
    let missing = silent.missing.as_deref().unwrap();
    assert!(missing.contains("no answer within"), "{missing}");
    assert!(missing.contains("llama-server -m MODEL.gguf"), "{missing}");
}
