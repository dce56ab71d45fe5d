//! Waits have an end, and [`Cancel`] ends each of them at once.

use std::io::Write as _;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use pxfs::llm::{Cancel, ChatError, Limits};

use super::server::{EVENTS, Server, is_closed_within, piece, response};
use super::{ask, ask_for, limits, request};

/// How long a cancelled wait may go on; the machine of a test may be busy.
const SOON: Duration = Duration::from_millis(500);

const MILLIS: fn(u64) -> Duration = Duration::from_millis;

#[test]
fn a_first_byte_that_does_not_come_is_not_waited_for_for_ever() {
    let server = Server::start(|_, _, stream| {
        is_closed_within(stream, Duration::from_secs(10));
    });
    let start = Instant::now();
    let short = Limits { connect: MILLIS(100), first_byte: MILLIS(200), ..limits() };
    let error = ask(&server.base, short).0.unwrap_err();
    assert!(matches!(error, ChatError::TimedOut(_)), "{error:?}");
    assert!((MILLIS(300)..MILLIS(2000)).contains(&start.elapsed()), "{:?}", start.elapsed());
    assert_eq!(server.count(), 1, "a slow server is not asked once more");
}

#[test]
fn a_head_without_an_answer_is_a_first_byte_that_does_not_come() {
    let server = Server::start(|_, _, stream| {
        stream.write_all(EVENTS.as_bytes()).unwrap();
        is_closed_within(stream, Duration::from_secs(10));
    });
    let short = Limits { first_byte: MILLIS(300), ..limits() };
    let error = ask(&server.base, short).0.unwrap_err();
    assert!(matches!(error, ChatError::TimedOut(_)), "{error:?}");
}

#[test]
fn an_answer_that_stands_still_is_given_up() {
    let server = Server::start(|_, _, stream| {
        stream.write_all([EVENTS, &piece("then")].concat().as_bytes()).unwrap();
        is_closed_within(stream, Duration::from_secs(10));
    });
    let (answer, heard) = ask(&server.base, Limits { idle: MILLIS(300), ..limits() });
    assert!(matches!(answer, Err(ChatError::TimedOut(limit)) if limit == MILLIS(300)));
    assert_eq!(heard, ["then"]);
}

#[test]
fn signs_of_life_without_an_answer_end_with_the_time_for_all_of_it() {
    let server = Server::start(|_, _, stream| {
        let _ = stream.write_all(EVENTS.as_bytes());
        while stream.write_all(b": still thinking\n\n").is_ok() {
            std::thread::sleep(MILLIS(10));
        }
    });
    let start = Instant::now();
    let error = ask(&server.base, Limits { total: MILLIS(600), ..limits() }).0.unwrap_err();
    assert!(matches!(error, ChatError::TimedOut(limit) if limit == MILLIS(600)), "{error:?}");
    assert!(start.elapsed() < Duration::from_secs(3));
}

#[test]
fn a_refusal_that_drips_is_told_by_what_came_of_it() {
    let server = Server::start(|_, _, stream| {
        let head = "HTTP/1.1 400 Bad Request\r\ncontent-length: 100000\r\n\r\n";
        let _ = stream.write_all(head.as_bytes());
        while stream.write_all(b"no ").is_ok() {
            std::thread::sleep(MILLIS(5));
        }
    });
    let start = Instant::now();
    let error = ask(&server.base, limits()).0.unwrap_err().to_string();
    assert!(error.contains("status 400: no no no"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(9), "{:?}", start.elapsed());
}

#[test]
fn a_stop_ends_an_answer_at_once_and_the_server_notices() {
    let (closed, was_closed) = mpsc::channel();
    let closed = std::sync::Mutex::new(closed);
    let server = Server::start(move |_, _, stream| {
        stream.write_all([EVENTS, &piece("begun")].concat().as_bytes()).unwrap();
        let is_closed = is_closed_within(stream, Duration::from_secs(10));
        closed.lock().unwrap().send(is_closed).unwrap();
    });
    let cancel = Cancel::default();
    let stop = cancel.clone();
    let stopper = std::thread::spawn(move || {
        std::thread::sleep(MILLIS(300));
        stop.cancel();
        Instant::now()
    });
    let (answer, heard) = ask_for(&server.base, limits(), &request("hello"), &cancel);
    let late = stopper.join().unwrap().elapsed();
    assert!(matches!(answer, Err(ChatError::Cancelled)), "{answer:?}");
    assert!(late < SOON, "{late:?}");
    assert_eq!(heard, ["begun"]);
    assert!(was_closed.recv_timeout(Duration::from_secs(5)).unwrap(), "the connection is closed");
}

#[test]
fn a_stop_ends_every_kind_of_wait() {
    let silent = Server::start(|_, _, stream| {
        is_closed_within(stream, Duration::from_secs(10));
    });
    let busy = Server::saying(response("429 Too Many Requests", "retry-after: 10\r\n", "slowly"));
    // A host that swallows what is sent to it: documentation only, nobody is there.
    let swallowed = "http://192.0.2.1:9/v1";
    for base in [silent.base.as_str(), busy.base.as_str(), swallowed] {
        let cancel = Cancel::default();
        let stop = cancel.clone();
        let stopper = std::thread::spawn(move || {
            std::thread::sleep(MILLIS(200));
            stop.cancel();
            Instant::now()
        });
        let answer = ask_for(base, limits(), &request("hello"), &cancel).0;
        let late = stopper.join().unwrap().elapsed();
        // A machine without a network says at once that there is no way there.
        let is_expected = matches!(answer, Err(ChatError::Cancelled))
            || base == swallowed && matches!(answer, Err(ChatError::Unreachable { .. }));
        assert!(is_expected, "{base}: {answer:?}");
        assert!(late < SOON, "{base}: {late:?}");
    }
}

#[test]
fn who_was_stopped_before_asks_nobody() {
    let server = Server::saying(super::server::good("never"));
    let cancel = Cancel::default();
    cancel.cancel();
    let answer = ask_for(&server.base, limits(), &request("hello"), &cancel).0;
    assert!(matches!(answer, Err(ChatError::Cancelled)), "{answer:?}");
    assert_eq!(server.count(), 0);
}
