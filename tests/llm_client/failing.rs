//! Servers that refuse, break off, or send what is no answer: an error each, and
//! never an answer.

use std::io::Write as _;
use std::net::{Shutdown, TcpListener};
use std::time::{Duration, Instant};

use pxfs::llm::{Cancel, ChatError, Endpoint, Limits, list_models};

use super::server::{CHUNKED, EVENTS, Server, good, piece, response};
use super::{ask, ask_for, limits, request};

/// Asks a server that says `bytes`; what comes must be an error.
#[track_caller]
fn error(bytes: impl Into<Vec<u8>>) -> (ChatError, usize) {
    let server = Server::saying(bytes);
    let (answer, _) = ask(&server.base, limits());
    (answer.expect_err("this is no answer"), server.count())
}

#[test]
fn a_refusal_is_told_in_the_servers_words_made_harmless() {
    let body = format!(
        "{{\"error\":{{\"message\":\"bad key\\u001b[31m\\nnext{}\"}}}}",
        "x".repeat(99_999)
    );
    let (error, count) = error(response("401 Unauthorized", "", &body));
    let text = error.to_string();
    assert!(text.contains("status 401: bad key\\u{1b}[31m next"), "{text}");
    assert!(text.contains("names no key") && text.len() < 600, "{text}");
    assert!(!text.contains('\x1b') && !text.contains('\n'), "{text}");
    assert_eq!(count, 1, "a refusal is not asked again");
}

#[test]
fn who_is_asked_to_wait_waits() {
    let server = Server::start(|number, _, stream| {
        let bytes = match number {
            0 => response("429 Too Many Requests", "retry-after: 1\r\n", "slowly"),
            _ => good("now"),
        };
        stream.write_all(&bytes).unwrap();
    });
    let start = Instant::now();
    assert_eq!(ask(&server.base, limits()).0.unwrap().text, "now");
    assert_eq!(server.count(), 2);
    assert!(start.elapsed() >= Duration::from_secs(1), "{:?}", start.elapsed());
}

#[test]
fn nobody_waits_for_an_hour() {
    for after in ["3600", "Fri, 31 Dec 9999 23:59:59 GMT"] {
        let start = Instant::now();
        let headers = format!("retry-after: {after}\r\n");
        let (error, count) = error(response("429 Too Many Requests", &headers, "slowly"));
        assert!(error.to_string().contains("asks to wait"), "{error}");
        assert!(count == 1 && start.elapsed() < Duration::from_secs(1));
    }
}

#[test]
fn a_server_in_trouble_is_asked_again() {
    let server = Server::start(|number, _, stream| {
        let bytes = match number {
            0 => response("500 Internal Server Error", "", "oops"),
            1 => {
                response("503 Service Unavailable", "", r#"{"error":{"message":"Loading model"}}"#)
            }
            _ => good("at last"),
        };
        stream.write_all(&bytes).unwrap();
    });
    assert_eq!(ask(&server.base, limits()).0.unwrap().text, "at last");
    assert_eq!(server.count(), 3);
    let (error, count) = error(response("500 Internal Server Error", "", "oops"));
    assert!(error.to_string().ends_with("answered with status 500: oops"), "{error}");
    assert_eq!(count, 3);
}

#[test]
fn a_connection_that_breaks_before_the_answer_is_tried_again() {
    let server = Server::start(|number, _, stream| match number {
        0 => stream.shutdown(Shutdown::Both).unwrap(),
        _ => stream.write_all(&good("here")).unwrap(),
    });
    assert_eq!(ask(&server.base, limits()).0.unwrap().text, "here");
    assert_eq!(server.count(), 2);
}

#[test]
fn an_answer_that_breaks_off_is_none() {
    let half = piece("half of it");
    let known = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 9999\r\n\r\n{half}"
    );
    let chunk = format!("{CHUNKED}{:x}\r\n{half}\r\n", half.len());
    let cut_chunk = format!("{CHUNKED}fff\r\n{half}");
    for bytes in [[EVENTS, &half].concat(), known, chunk, cut_chunk] {
        let server = Server::saying(bytes.clone());
        let (answer, heard) = ask(&server.base, limits());
        let error = answer.unwrap_err();
        assert!(matches!(error, ChatError::BrokenOff(_)), "{bytes:?}: {error:?}");
        assert_eq!(heard, ["half of it"]);
        assert_eq!(server.count(), 1, "what was begun is not asked again");
    }
}

#[test]
fn an_error_in_mid_stream_is_an_error() {
    let event = "data: {\"error\":{\"message\":\"out of memory\",\"code\":500}}\n\n";
    let (error, _) = error([EVENTS, &piece("half"), event].concat());
    assert_eq!(error.to_string(), "the answer broke off: the server says: out of memory");
}

#[test]
fn what_is_no_answer_is_none() {
    let html = response("200 OK", "content-type: text/html\r\n", "<h1>\x1b[2JIt works!</h1>");
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (html, "\\u{1b}[2JIt works!"),
        (response("200 OK", "", ""), "nothing"),
        (response("200 OK", "content-type: application/json\r\n", "{\"object\":\"x\"}"), "choices"),
        ([EVENTS, "data: {not json}\n\n"].concat().into(), "{not json}"),
        ([EVENTS, "data: [DONE]\n\n"].concat().into(), "DONE"),
        (b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(), ""),
        (b"\x00\x01\x02\x03\xff\xfe\r\n\r\n".to_vec(), ""),
        (format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(200_000)).into(), ""),
        (format!("{CHUNKED}zz\r\nxx\r\n").into(), ""),
    ];
    for (bytes, expected) in cases {
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
        let (error, _) = error(bytes);
        let text = error.to_string();
        assert!(
            matches!(error, ChatError::Garbage(_) | ChatError::BrokenOff(_)),
            "{shown}: {error:?}"
        );
        assert!(text.contains(expected) && text.len() < 600, "{shown}: {text}");
        assert!(!text.contains('\x1b') && !text.contains('\0'), "{shown}: {text}");
    }
}

#[test]
fn bytes_without_an_end_are_refused_within_bounds() {
    for (head, bytes) in [
        (EVENTS, vec![b'x'; 1 << 16]),
        ("HTTP/1.1 200 OK\r\n\r\n{\"choices\":\"", vec![b'y'; 1 << 16]),
        ("HTTP/1.1 500 Oops\r\n\r\n", vec![b'z'; 1 << 16]),
    ] {
        let server = Server::start(move |_, _, stream| {
            let _ = stream.write_all(head.as_bytes());
            while stream.write_all(&bytes).is_ok() {}
        });
        let start = Instant::now();
        let error = ask(&server.base, Limits { retries: 0, ..limits() }).0.unwrap_err();
        assert!(start.elapsed() < Duration::from_secs(10), "{error}");
        assert!(error.to_string().len() < 600, "{error}");
    }
}

#[test]
fn a_redirect_is_not_followed() {
    let other = Server::saying(good("gotcha"));
    for status in ["301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let headers = format!("location: {}/chat/completions\r\n", other.base);
        let (error, _) = error(response(status, &headers, ""));
        let text = error.to_string();
        assert!(text.contains("redirects to") && text.contains(&other.base), "{text}");
    }
    assert_eq!(other.count(), 0, "nothing reaches the other server");
}

#[test]
fn a_model_that_is_not_there_is_told_with_those_that_are() {
    let server = Server::start(|_, came, stream| {
        let bytes = match came.line.starts_with("GET /v1/models ") {
            true => response("200 OK", "", r#"{"data":[{"id":"llama3.2:latest"},{"id":"qwen"}]}"#),
            false => response(
                "404 Not Found",
                "",
                r#"{"error":{"message":"model \"test-model\" not found, try pulling it first"}}"#,
            ),
        };
        stream.write_all(&bytes).unwrap();
    });
    let error = ask(&server.base, limits()).0.unwrap_err().to_string();
    assert_eq!(error, "there is no model \"test-model\"; there are: llama3.2:latest, qwen");
}

#[test]
fn a_conversation_that_does_not_fit_is_told_as_such() {
    let body = r#"{"error":{"code":400,"message":"request (2031 tokens) exceeds the available context size (512 tokens), try increasing it","type":"exceed_context_size_error"}}"#;
    let (error, count) = error(response("400 Bad Request", "", body));
    assert!(matches!(error, ChatError::TooLong(_)), "{error:?}");
    assert_eq!(count, 1);
}

#[test]
fn ten_megabytes_are_refused_before_they_are_sent() {
    let server = Server::saying(good("never"));
    let start = Instant::now();
    let long = request(&"word ".repeat(2 << 20));
    let error = ask_for(&server.base, limits(), &long, &Cancel::default()).0.unwrap_err();
    assert!(matches!(error, ChatError::TooLong(_)), "{error:?}");
    assert!(error.to_string().contains("10485760 bytes"), "{error}");
    assert!(server.count() == 0 && start.elapsed() < Duration::from_secs(1));
}

#[test]
fn where_nobody_listens_is_told_after_a_few_tries() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let start = Instant::now();
    let error = ask(&format!("http://localhost:{port}"), limits()).0.unwrap_err();
    assert!(matches!(error, ChatError::Unreachable { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains(&format!("http://localhost:{port}/v1: ")), "{text}");
    assert!(start.elapsed() < Duration::from_secs(2));
    let error = ask("http://no-such-host.invalid/v1", limits()).0.unwrap_err();
    assert!(matches!(error, ChatError::Unreachable { .. }), "{error:?}");
}

#[test]
fn a_list_of_models_is_one_or_an_error() {
    let list = |bytes: Vec<u8>| {
        let server = Server::saying(bytes);
        let endpoint = Endpoint::parse(&server.base).unwrap();
        list_models(&endpoint, &limits(), &Cancel::default()).map_err(|error| error.to_string())
    };
    let good = r#"{"object":"list","data":[{"id":"a"},{"id":"b\u001b[2J"}]}"#;
    assert_eq!(list(response("200 OK", "", good)).unwrap(), ["a", "b\\u{1b}[2J"]);
    assert!(list(response("200 OK", "", "<html>")).unwrap_err().contains("list of models"));
    assert!(list(response("404 Not Found", "", "")).unwrap_err().contains("status 404"));
}
