//! Models run in process (cargo feature `embedded`): small ones made here, damaged
//! in each way there is, and SmolLM2 against what llama.cpp made of the same texts.
//!
//! SmolLM2 is at $PXFS_TEST_MODEL, which scripts/test sets; without it those tests
//! say so and pass, but not in CI.
#![cfg(feature = "embedded")]
#![allow(clippy::unwrap_used, missing_docs)]

mod hostile;
mod smollm;
mod tiny;
mod tree;

use pxfs::llm::embedded::{DEFAULT_BUDGET, Embedded};
use pxfs::llm::{Answer, Cancel, ChatError, ChatModel, ChatRequest, Finish, Message, Role};

use tiny::Tiny;
use tree::OneFile;

/// The one place where the models of these tests lie.
const PATH: &str = "/models/m.gguf";

fn load(bytes: Vec<u8>) -> Result<Embedded, ChatError> {
    Embedded::load(&OneFile(bytes), PATH, "m", DEFAULT_BUDGET)
}

fn request(text: &str, max_tokens: u32) -> ChatRequest {
    let messages = vec![Message::new(Role::User, text)];
    ChatRequest { messages, max_tokens, temperature: 0.0, seed: Some(1) }
}

/// The answer, and its pieces as they came.
fn chat(model: &Embedded, request: &ChatRequest) -> Result<(Answer, Vec<String>), ChatError> {
    let mut pieces = Vec::new();
    let answer =
        model.chat(request, &Cancel::default(), &mut |piece| pieces.push(piece.to_owned()))?;
    Ok((answer, pieces))
}

#[test]
fn a_small_model_answers_and_its_pieces_are_its_answer() {
    let model = load(Tiny::default().bytes()).unwrap();
    let (answer, pieces) = chat(&model, &request("hello", 20)).unwrap();
    assert_eq!(pieces.concat(), answer.text);
    assert_eq!(answer.model, "m");
    assert!(answer.answer_tokens.unwrap() <= 20 && answer.prompt_tokens.unwrap() > 5);
    // The same again: of the prompt nothing need be read but its last token.
    assert_eq!(chat(&model, &request("hello", 20)).unwrap().0.text, answer.text);
    // And by a model that knows nothing yet.
    let fresh = load(Tiny::default().bytes()).unwrap();
    assert_eq!(chat(&fresh, &request("hello", 20)).unwrap().0.text, answer.text);
}

#[test]
fn all_kinds_of_weights_give_nearly_the_same_numbers() {
    let answer = |kind| {
        let model = load(Tiny { kind, ..Tiny::default() }.bytes()).unwrap();
        chat(&model, &request("hello", 4)).unwrap().0.text
    };
    // Weights are whole multiples of a step, so each kind keeps them exactly.
    let (f32, q4_1, q8_0) = (answer(tiny::F32), answer(tiny::Q4_1), answer(tiny::Q8_0));
    assert_eq!(f32, q4_1);
    assert_eq!(f32, q8_0);
}

#[test]
fn what_was_read_before_changes_no_answer() {
    let model = load(Tiny::default().bytes()).unwrap();
    let mut long = request("one", 8);
    long.messages.push(Message::new(Role::Assistant, "two"));
    long.messages.push(Message::new(Role::User, "three"));
    let texts = ["hello", "other", "hello there"];
    let alone: Vec<String> = texts
        .iter()
        .map(|text| {
            let fresh = load(Tiny::default().bytes()).unwrap();
            chat(&fresh, &request(text, 8)).unwrap().0.text
        })
        .collect();
    for _ in 0..2 {
        for (text, alone) in texts.iter().zip(&alone) {
            assert_eq!(chat(&model, &request(text, 8)).unwrap().0.text, *alone);
            chat(&model, &long).unwrap();
        }
    }
}

#[test]
fn an_answer_ends_where_it_must() {
    let model = load(Tiny::default().bytes()).unwrap();
    let (answer, _) = chat(&model, &request("hello", 3)).unwrap();
    assert_eq!((answer.finish, answer.answer_tokens), (Finish::Length, Some(3)));
    // To the end of the context and no further.
    let (answer, _) = chat(&model, &request("hello", u32::MAX)).unwrap();
    let tokens = answer.prompt_tokens.unwrap() + answer.answer_tokens.unwrap();
    assert!(answer.finish == Finish::Stop || tokens == tiny::CONTEXT, "{answer:?}");
    // A model whose every token is the last.
    let ending = load(Tiny { all_end: true, ..Tiny::default() }.bytes()).unwrap();
    let (answer, _) = chat(&ending, &request("hello", 9)).unwrap();
    assert_eq!((answer.finish, answer.text.as_str()), (Finish::Stop, ""));
}

#[test]
fn a_conversation_that_does_not_fit_is_refused_before_it_is_read() {
    let model = load(Tiny::default().bytes()).unwrap();
    for text in ["word ".repeat(300), "x".repeat(10 << 20)] {
        let error = chat(&model, &request(&text, 3)).unwrap_err();
        assert!(matches!(error, ChatError::TooLong(_)), "{error}");
    }
    chat(&model, &request("short", 3)).unwrap();
}

#[test]
fn an_answer_can_be_stopped_at_any_piece() {
    let model = load(Tiny::default().bytes()).unwrap();
    let cancel = Cancel::default();
    let mut pieces = 0;
    let error = model.chat(&request("hello", 200), &cancel, &mut |_| {
        pieces += 1;
        cancel.cancel();
    });
    assert!(matches!(error, Err(ChatError::Cancelled)), "{error:?}");
    assert_eq!(pieces, 1);
    assert!(matches!(
        model.chat(&request("hello", 200), &cancel, &mut |_| {}),
        Err(ChatError::Cancelled)
    ));
    chat(&model, &request("hello", 2)).unwrap();
}

#[test]
fn chance_follows_the_seed() {
    let model = load(Tiny::default().bytes()).unwrap();
    let text = |seed| {
        let request = ChatRequest { temperature: 1.5, seed, ..request("hello", 40) };
        chat(&model, &request).unwrap().0.text
    };
    assert_eq!(text(Some(3)), text(Some(3)));
    assert_ne!(text(Some(3)), text(Some(4)));
    assert_ne!(text(None), text(None));
}

#[test]
fn two_that_talk_at_once_wait_for_each_other() {
    let model = load(Tiny::default().bytes()).unwrap();
    let alone = chat(&model, &request("hello", 30)).unwrap().0.text;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                assert_eq!(chat(&model, &request("hello", 30)).unwrap().0.text, alone);
            });
        }
    });
}

#[test]
fn weights_that_no_cartridge_stands_for_answer_a_tile() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("models")).unwrap();
    std::fs::write(dir.path().join("models/m.gguf"), Tiny::default().bytes()).unwrap();
    let chat = || {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_pxfs"));
        let output = command.arg("chat").arg(dir.path()).args(["0,0", "hello", "--json"]).output();
        let output = output.unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned(), output.stdout)
    };
    let (status, said, answer) = chat();
    assert_eq!(status, Some(0), "{said}");
    let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!(answer["model"], PATH);
    // The tile goes on with whatever is the default then.
    assert_eq!(answer["model_id"], serde_json::Value::Null);
    // A registry that names somebody counts.
    let registry =
        r#"{"7": {"name": "gone", "backend": "custom", "endpoint": "http://127.0.0.1:1/v1"}}"#;
    std::fs::write(dir.path().join("models/llm_pixel_registry.json"), registry).unwrap();
    let (status, said, _) = chat();
    assert_eq!(status, Some(1));
    assert!(said.contains("127.0.0.1:1"), "{said}");
}
