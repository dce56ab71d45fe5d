//! Answers in all forms in which they may come.

use std::io::Write as _;
use std::time::Duration;

use pxfs::llm::Finish;

use super::server::{CHUNKED, EVENTS, Server, end, good, piece, response};
use super::{ask, limits};

#[test]
fn an_answer_comes_piece_by_piece() {
    let server = Server::saying([EVENTS, &piece("four "), &piece("eyes"), &end()].concat());
    let (answer, heard) = ask(&server.base, limits());
    let answer = answer.unwrap();
    assert_eq!((answer.text.as_str(), heard.len()), ("four eyes", 2));
    assert_eq!((answer.model.as_str(), answer.finish), ("test-model", Finish::Stop));
    assert_eq!((answer.prompt_tokens, answer.answer_tokens), (Some(3), Some(2)));
    let came = &server.requests()[0];
    assert_eq!(came.line, "POST /v1/chat/completions HTTP/1.1");
    assert_eq!(came.header("content-type"), Some("application/json"));
    assert_eq!(came.header("authorization"), None);
    let body: serde_json::Value = serde_json::from_str(&came.body).unwrap();
    assert_eq!(body["messages"][0], serde_json::json!({"role": "user", "content": "hello"}));
    assert_eq!((&body["stream"], &body["max_tokens"]), (&true.into(), &100.into()));
    assert_eq!(body["model"], "test-model");
}

#[test]
fn pieces_are_given_out_when_they_come_and_not_at_the_end() {
    let server = Server::start(|_, _, stream| {
        stream.write_all([EVENTS, &piece("first")].concat().as_bytes()).unwrap();
        std::thread::sleep(Duration::from_millis(600));
        stream.write_all([piece("last"), end()].concat().as_bytes()).unwrap();
    });
    let start = std::time::Instant::now();
    let mut times = Vec::new();
    let answer = pxfs::llm::ChatModel::chat(
        &super::model(&server.base, limits()),
        &super::request("hello"),
        &pxfs::llm::Cancel::default(),
        &mut |_| times.push(start.elapsed()),
    );
    assert_eq!(answer.unwrap().text, "firstlast");
    assert!(times[0] < Duration::from_millis(500), "{times:?}");
    assert!(times[1] >= Duration::from_millis(600), "{times:?}");
}

#[test]
fn characters_that_are_cut_between_chunks_are_whole_again() {
    let text = "gr\u{f6}\u{df}e \u{1f600} \u{4e2d}\u{6587}";
    let events = [piece(text), end()].concat();
    // One byte a chunk, with extensions, in upper case, and a trailer.
    let mut bytes = CHUNKED.as_bytes().to_vec();
    for byte in events.bytes() {
        bytes.extend_from_slice(b"0001;name=\"value\"\r\n");
        bytes.push(byte);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\nx-trailer: 1\r\n\r\n");
    let (answer, _) = ask(&Server::saying(bytes).base, limits());
    assert_eq!(answer.unwrap().text, text);

    // The same with a pause in the middle of each character.
    let server = Server::start(move |_, _, stream| {
        stream.write_all(EVENTS.as_bytes()).unwrap();
        for part in events.as_bytes().chunks(7) {
            stream.write_all(part).unwrap();
            stream.flush().unwrap();
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    assert_eq!(ask(&server.base, limits()).0.unwrap().text, text);
}

#[test]
fn bytes_that_are_no_text_are_shown_as_such() {
    let bytes =
        [EVENTS.as_bytes(), b"data: {\"choices\":[{\"delta\":{\"content\":\"a\xff\xc3(b\"}}]}\n\n"]
            .concat();
    let server = Server::saying([bytes, end().into_bytes()].concat());
    assert_eq!(ask(&server.base, limits()).0.unwrap().text, "a\u{fffd}\u{fffd}(b");
}

#[test]
fn comments_other_line_ends_and_unknown_fields_do_not_matter() {
    let events = [": OPENROUTER PROCESSING\n\n", "event: message\nid: 7\n", &piece("a"), &end()];
    let text = events.concat();
    for text in [text.clone(), text.replace('\n', "\r\n"), text.replace('\n', "\r")] {
        let server = Server::saying([EVENTS, &text].concat());
        assert_eq!(ask(&server.base, limits()).0.unwrap().text, "a", "{text:?}");
    }
}

#[test]
fn a_server_that_does_not_stream_is_understood() {
    let object = r#"{"choices":[{"message":{"role":"assistant","content":"all at once"},
        "finish_reason":"length"}],"usage":{"prompt_tokens":1,"completion_tokens":3}}"#;
    let server = Server::saying(response("200 OK", "content-type: application/json\r\n", object));
    let (answer, heard) = ask(&server.base, limits());
    let answer = answer.unwrap();
    assert_eq!((answer.text.as_str(), heard.len()), ("all at once", 1));
    assert_eq!(answer.answer_tokens, Some(3));
}

#[test]
fn an_answer_that_never_ends_is_cut() {
    let server = Server::start(|_, _, stream| {
        let _ = stream.write_all(EVENTS.as_bytes());
        while stream.write_all(piece("for ever and ever ").as_bytes()).is_ok() {}
    });
    let start = std::time::Instant::now();
    let (answer, _) = ask(&server.base, limits());
    let answer = answer.unwrap();
    // 100 tokens were asked for.
    assert_eq!((answer.finish, answer.text.len()), (Finish::Length, 6400));
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn several_ask_at_the_same_time() {
    let server = Server::start(|number, _, stream| {
        std::thread::sleep(Duration::from_millis(50));
        let _ = stream.write_all(&good(&format!("answer {number}")));
    });
    let texts: Vec<String> = std::thread::scope(|scope| {
        let asked: Vec<_> =
            (0..8).map(|_| scope.spawn(|| ask(&server.base, limits()).0.unwrap().text)).collect();
        asked.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let different: std::collections::BTreeSet<_> = texts.iter().collect();
    assert_eq!(different.len(), 8, "{texts:?}");
}
