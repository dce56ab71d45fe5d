//! The client of model servers: against a server that misbehaves in every way we
//! could think of, and against a real llama.cpp server with a real model.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../support/mod.rs"]
mod support;

mod command;
mod failing;
mod finding;
mod real;
mod server;
mod streams;
mod waiting;

use std::time::Duration;

use pxfs::llm::{
    Answer, Cancel, ChatError, ChatModel, ChatRequest, Endpoint, Limits, Message, Role, ServerModel,
};

/// Limits with which no test takes long; a wait that does not end in time is seen.
fn limits() -> Limits {
    Limits {
        connect: Duration::from_secs(2),
        first_byte: Duration::from_secs(5),
        idle: Duration::from_secs(5),
        total: Duration::from_secs(20),
        backoff: Duration::from_millis(10),
        ..Limits::default()
    }
}

fn model(base: &str, limits: Limits) -> ServerModel {
    ServerModel::new("Test", Endpoint::parse(base).unwrap(), "test-model", limits)
}

fn request(text: &str) -> ChatRequest {
    ChatRequest {
        messages: vec![Message::new(Role::User, text)],
        max_tokens: 100,
        temperature: 0.0,
        seed: None,
    }
}

/// Asks, and gives back the pieces of the answer, too.
fn ask(base: &str, limits: Limits) -> (Result<Answer, ChatError>, Vec<String>) {
    ask_for(base, limits, &request("hello"), &Cancel::default())
}

fn ask_for(
    base: &str,
    limits: Limits,
    request: &ChatRequest,
    cancel: &Cancel,
) -> (Result<Answer, ChatError>, Vec<String>) {
    let mut heard = Vec::new();
    let answer = model(base, limits).chat(request, cancel, &mut |text| heard.push(text.to_owned()));
    if let Ok(answer) = &answer {
        assert_eq!(answer.text, heard.concat(), "the pieces are the answer");
    }
    (answer, heard)
}
