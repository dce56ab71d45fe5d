//! Against a real llama.cpp server with a real model, SmolLM2-135M-Instruct.
//! `scripts/llm-server install` puts both in place; without them these tests are
//! skipped with a line that says so, but in CI they fail.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pxfs::llm::{Cancel, ChatError, Endpoint, Finish, Limits, Message, Role, list_models};

use super::support::{PXFS, run, temp_dir};
use super::{ask_for, limits, request};

/// Tokens of the server's context.
const CONTEXT: usize = 512;

/// The server as a process of its own; killed with the test.
struct Llama {
    child: Child,
    base: String,
}

impl Llama {
    /// Starts one; `None`, with a line that says why, if it is not installed.
    fn start(more: &[&str]) -> Option<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/llm-server");
        let installed = Command::new(&script).arg("where").output().unwrap();
        if !installed.status.success() {
            let why = String::from_utf8_lossy(&installed.stderr).into_owned();
            assert!(std::env::var_os("CI").is_none(), "no model server in CI: {why}");
            eprintln!("skipped: {why}");
            return None;
        }
        let mut child = Command::new(&script)
            .args(["serve", "--context", &CONTEXT.to_string()])
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let base = line.strip_prefix("ready ").unwrap_or_else(|| panic!("{line:?}")).trim();
        Some(Self { child, base: format!("{base}/v1") })
    }
}

impl Drop for Llama {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A loaded machine takes its time to read a conversation.
fn patient() -> Limits {
    let minute = Duration::from_secs(60);
    Limits { first_byte: minute, idle: minute, total: 2 * minute, ..limits() }
}

#[test]
fn it_lists_its_model_and_answers_in_a_stream() {
    let Some(llama) = Llama::start(&[]) else { return };
    let endpoint = Endpoint::parse(&llama.base).unwrap();
    assert_eq!(list_models(&endpoint, &limits(), &Cancel::default()).unwrap(), ["smollm2"]);
    let mut question = request("What is the capital of France? Answer in one sentence.");
    question.seed = Some(1);
    let (answer, heard) = ask_for(&llama.base, patient(), &question, &Cancel::default());
    let answer = answer.unwrap();
    assert!(answer.text.contains("Paris"), "{}", answer.text);
    assert!(heard.len() > 3, "it comes in pieces: {heard:?}");
    assert_eq!((answer.model.as_str(), answer.finish), ("smollm2", Finish::Stop));
    let tokens = answer.answer_tokens.unwrap();
    assert!(tokens as usize >= heard.len() && answer.prompt_tokens.unwrap() > 10, "{answer:?}");
    // Without chance and with the same seed it is the same answer.
    let again = ask_for(&llama.base, patient(), &question, &Cancel::default()).0.unwrap();
    assert_eq!(again.text, answer.text);
    question.max_tokens = 4;
    let cut = ask_for(&llama.base, patient(), &question, &Cancel::default()).0.unwrap();
    assert_eq!((cut.finish, cut.answer_tokens), (Finish::Length, Some(4)));
    assert!(answer.text.starts_with(&cut.text), "{:?}", cut.text);
    // A conversation goes on where it was.
    let mut talk = request("My name is Ada.");
    talk.messages.push(Message::new(Role::Assistant, "Hello Ada!"));
    talk.messages.push(Message::new(Role::User, "What is my name? Answer with the name only."));
    let answer = ask_for(&llama.base, patient(), &talk, &Cancel::default()).0.unwrap();
    assert!(answer.text.contains("Ada"), "{}", answer.text);
}

/// Whether the server works on an answer, as it says itself.
fn is_busy(base: &str) -> bool {
    let authority = base.strip_prefix("http://").unwrap().strip_suffix("/v1").unwrap();
    let mut stream = TcpStream::connect(authority).unwrap();
    write!(stream, "GET /slots HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    assert!(said.contains("is_processing"), "{said}");
    said.contains("\"is_processing\":true")
}

#[test]
fn a_stop_ends_its_answer_also_at_the_server() {
    let Some(llama) = Llama::start(&[]) else { return };
    let cancel = Cancel::default();
    let mut times = Vec::new();
    let mut long = request("Write a very long story about a lighthouse keeper.");
    long.max_tokens = 400;
    let model = super::model(&llama.base, patient());
    let answer = pxfs::llm::ChatModel::chat(&model, &long, &cancel, &mut |_| {
        times.push(Instant::now());
        if times.len() == 9 {
            assert!(is_busy(&llama.base));
            cancel.cancel();
            times.push(Instant::now());
        }
    });
    assert!(matches!(answer, Err(ChatError::Cancelled)), "{answer:?}");
    let stopped = times[9];
    assert!(stopped.elapsed() < Duration::from_millis(500), "{:?}", stopped.elapsed());
    // The whole story would take fifty times as long as its beginning did.
    let begun = times[8] - times[0];
    let limit = (begun * 6).max(Duration::from_millis(1500));
    while is_busy(&llama.base) {
        assert!(
            stopped.elapsed() < limit,
            "{begun:?} for the beginning: it goes on with the story"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    let answer = ask_for(&llama.base, patient(), &request("Say hi."), &Cancel::default()).0;
    assert!(!answer.unwrap().text.is_empty());
}

#[test]
fn what_does_not_fit_its_context_is_told() {
    let Some(llama) = Llama::start(&[]) else { return };
    let long = request(&"word ".repeat(CONTEXT * 2));
    let (answer, heard) = ask_for(&llama.base, patient(), &long, &Cancel::default());
    let error = answer.unwrap_err();
    assert!(matches!(error, ChatError::TooLong(_)), "{error:?}");
    assert!(error.to_string().contains(&CONTEXT.to_string()) && heard.is_empty(), "{error}");
}

#[test]
fn a_server_that_is_killed_in_mid_stream_leaves_no_answer() {
    let Some(mut llama) = Llama::start(&[]) else { return };
    let base = llama.base.clone();
    let mut long = request("Write a very long story about a lighthouse keeper.");
    long.max_tokens = 400;
    let mut text = String::new();
    let model = super::model(&base, patient());
    let answer = pxfs::llm::ChatModel::chat(&model, &long, &Cancel::default(), &mut |piece| {
        if text.is_empty() {
            llama.child.kill().unwrap();
        }
        text.push_str(piece);
    });
    let error = answer.unwrap_err();
    assert!(matches!(error, ChatError::BrokenOff(_)), "{error:?}");
    assert!(!text.is_empty());
    let error = ask_for(&base, limits(), &request("Are you there?"), &Cancel::default()).0;
    assert!(matches!(error, Err(ChatError::Unreachable { .. })), "{error:?}");
}

#[test]
fn its_key_is_asked_for() {
    let Some(llama) = Llama::start(&["--api-key", "key-of-this-test"]) else { return };
    let error = ask_for(&llama.base, patient(), &request("hi"), &Cancel::default()).0.unwrap_err();
    assert!(matches!(error, ChatError::Status { status: 401, .. }), "{error:?}");
    let dir = temp_dir();
    let place: PathBuf = dir.path().to_owned();
    let mut create = Command::new(PXFS);
    create.args(["llm", "create"]).arg(&place).args(["Smol", "--backend", "custom"]);
    create.args(["--endpoint", &llama.base, "--api-key-env", "PXFS_TEST_LLAMA_KEY"]);
    // The likeliest answer each time: with chance in it, it is sometimes another.
    create.args(["--temperature", "0"]);
    run(&mut create).expect(0);
    let mut test = Command::new(PXFS);
    test.args(["llm", "test"]).arg(&place).args(["--json", "--max-tokens", "30"]);
    test.args(["--prompt", "What is the capital of France? Answer in one sentence."]);
    let said = run(test.env("PXFS_TEST_LLAMA_KEY", "key-of-this-test")).expect(0);
    let value: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    assert!(value["answer"].as_str().unwrap().contains("Paris"), "{value}");
    assert!(value["tokens_per_second"].as_f64().unwrap() > 0.0, "{value}");
}
