//! A model server as a [`ChatModel`]: chat completions over HTTP, as LM Studio,
//! Ollama, llama.cpp and many others have them.
//!
//! In: a conversation. Out: its answer, piece by piece. Never: an error as answer
//! text, a key to another host, an unbounded wait or buffer.
//!
//! ```text
//! wire      one exchange in a thread      assemble  bytes to an answer
//! failure   what is tried again            +- sse, reply
//! ```

mod assemble;
mod failure;
mod reply;
mod sse;
mod wire;

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::json;

use super::chat::{Answer, Cancel, ChatError, ChatModel, ChatRequest};
use super::endpoint::Endpoint;
use super::harmless::{EXCERPT, harmless};
use super::secret::Key;
use failure::{Again, Failed, of_lost, of_status};
use wire::{Came, Exchange, Head, Request, Watch};

pub use assemble::{Reply, read_reply};

/// Bytes of a response that is no answer that are looked at, and how long they are
/// waited for.
const MAX_ERROR: usize = 256 << 10;
const ERROR_WAIT: Duration = Duration::from_secs(5);

/// Bytes of a list of models, and models of it that are named.
const MAX_LIST: usize = 4 << 20;
const MAX_MODELS: usize = 1000;

/// Bytes that a token of an answer has at most; the longest in use are runs of
/// blanks.
const MOST_PER_TOKEN: usize = 64;

/// How long things may take, and how large they may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Until there is a connection.
    pub connect: Duration,
    /// From the request to the first byte of the answer: large models load, and long
    /// conversations are read, before it.
    pub first_byte: Duration,
    /// Between two pieces of an answer.
    pub idle: Duration,
    /// For all of it, further tries included.
    pub total: Duration,
    /// Further tries after one that failed before anything of the answer came.
    pub retries: u32,
    /// The wait before the first of them; it doubles.
    pub backoff: Duration,
    /// The longest wait that a server may ask for.
    pub longest_wait: Duration,
    /// Bytes of a conversation.
    pub prompt_bytes: usize,
    /// Bytes of an answer.
    pub answer_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            first_byte: Duration::from_secs(120),
            idle: Duration::from_secs(60),
            total: Duration::from_secs(600),
            retries: 2,
            backoff: Duration::from_millis(250),
            longest_wait: Duration::from_secs(30),
            prompt_bytes: 4 << 20,
            answer_bytes: 1 << 20,
        }
    }
}

impl Limits {
    /// Those for finding out whether there is a server: it answers at once or not.
    pub fn brief() -> Self {
        Self {
            connect: Duration::from_millis(500),
            first_byte: Duration::from_secs(2),
            idle: Duration::from_secs(2),
            total: Duration::from_secs(3),
            retries: 0,
            ..Self::default()
        }
    }
}

/// A model at a server.
#[derive(Debug, Clone)]
pub struct ServerModel {
    name: String,
    endpoint: Endpoint,
    model: String,
    key: Option<Key>,
    limits: Limits,
}

impl ServerModel {
    /// The model that the server at `endpoint` knows as `model`.
    pub fn new(name: &str, endpoint: Endpoint, model: &str, limits: Limits) -> Self {
        Self { name: name.into(), endpoint, model: model.into(), key: None, limits }
    }

    /// With a key for the server.
    pub(super) fn with_key(self, key: Option<Key>) -> Self {
        Self { key, ..self }
    }

    fn body(&self, request: &ChatRequest) -> Result<Vec<u8>, ChatError> {
        let size: usize = request.messages.iter().map(|message| message.content.len()).sum();
        let most = self.limits.prompt_bytes;
        if size > most {
            let sentence = format!("it has {size} bytes, and more than {most} are not sent");
            return Err(ChatError::TooLong(sentence));
        }
        let mut body = json!({
            "model": self.model,
            "messages": request.messages,
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
            "stream": true,
            "stream_options": {"include_usage": true},
        });
        if let Some(seed) = request.seed {
            body["seed"] = seed.into();
        }
        Ok(body.to_string().into_bytes())
    }

    /// Asks once.
    fn attempt(
        &self,
        body: &[u8],
        max_tokens: u32,
        watch: &Watch<'_>,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<Reply, Failed> {
        let url = self.endpoint.chat_url();
        let request = Request { url, body: Some(body.to_vec()), key: self.key.clone() };
        let exchange =
            Exchange::start(request, &self.endpoint, &self.limits).map_err(Failed::for_good)?;
        let wait = self.limits.connect + self.limits.first_byte;
        let head = match exchange.next(watch, wait).map_err(Failed::for_good)? {
            Came::Head(head) => head,
            Came::Lost(lost) => return Err(of_lost(lost, &self.endpoint, self.limits.total)),
            Came::Piece(_) | Came::End => return Err(Failed::for_good(no_head())),
        };
        if !(200..300).contains(&head.status) {
            return Err(self.refused(&head, &exchange, watch));
        }
        self.read_answer(&head, &exchange, max_tokens, watch, on_text).map_err(Failed::for_good)
    }

    fn read_answer(
        &self,
        head: &Head,
        exchange: &Exchange,
        max_tokens: u32,
        watch: &Watch<'_>,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<Reply, ChatError> {
        // A server that does not keep to max_tokens is kept to it here.
        let most = (max_tokens as usize).saturating_mul(MOST_PER_TOKEN);
        let mut answer =
            assemble::Assembler::new(&head.content_type, most.min(self.limits.answer_bytes));
        let mut wait = self.limits.first_byte;
        loop {
            match exchange.next(watch, wait)? {
                Came::Piece(bytes) => {
                    wait = self.limits.idle;
                    if answer.feed(&bytes, on_text)? {
                        return answer.finish(on_text);
                    }
                }
                Came::End => return answer.finish(on_text),
                Came::Head(_) => return Err(no_head()),
                Came::Lost(lost) => {
                    let before = if answer.has_text() { "in the middle of it" } else { "" };
                    log::debug!("{}: {lost:?} {before}", self.endpoint.base());
                    return Err(of_lost(lost, &self.endpoint, self.limits.total).error);
                }
            }
        }
    }

    /// The failure that a status is.
    fn refused(&self, head: &Head, exchange: &Exchange, watch: &Watch<'_>) -> Failed {
        let body = read_some(exchange, watch);
        let mut failed = of_status(head, &body, &self.endpoint, &self.model, self.key.is_some());
        if let ChatError::NoSuchModel { available, .. } = &mut failed.error {
            // What there is helps more than what there is not; it may fail.
            let limits = Limits::brief();
            let list = list_with(&self.endpoint, self.key.clone(), &limits, watch.cancel);
            *available = list.unwrap_or_default();
        }
        failed
    }

    /// The wait before another try, if there is to be one.
    fn wait_before(&self, tries: u32, again: Again) -> Option<Duration> {
        if tries >= self.limits.retries {
            return None;
        }
        match again {
            Again::Never => None,
            Again::After(wait) => (wait <= self.limits.longest_wait).then_some(wait),
            Again::Soon => {
                let wait = self.limits.backoff * 2u32.saturating_pow(tries.min(10));
                // Many who were turned away together must not come back together.
                let chance = RandomState::new().hash_one(tries) % 1000;
                Some(wait + wait * (chance as u32) / 2000)
            }
        }
    }
}

impl ChatModel for ServerModel {
    fn chat(
        &self,
        request: &ChatRequest,
        cancel: &Cancel,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<Answer, ChatError> {
        let body = self.body(request)?;
        let start = Instant::now();
        let watch = Watch { cancel, end: start + self.limits.total, total: self.limits.total };
        let mut tries = 0;
        let reply = loop {
            watch.look()?;
            let failed = match self.attempt(&body, request.max_tokens, &watch, on_text) {
                Ok(reply) => break reply,
                Err(failed) => failed,
            };
            match self.wait_before(tries, failed.again) {
                Some(wait) if Instant::now() + wait < watch.end => {
                    log::debug!("{}: another try in {wait:?}", failed.error);
                    watch.sleep(wait)?;
                }
                _ => return Err(failed.error),
            }
            tries += 1;
        };
        Ok(Answer {
            text: reply.text,
            model: reply.model.unwrap_or_else(|| self.model.clone()),
            prompt_tokens: reply.prompt_tokens,
            answer_tokens: reply.answer_tokens,
            finish: reply.finish,
            duration: start.elapsed(),
        })
    }

    fn name(&self) -> &str {
        &self.name
    }
}

fn no_head() -> ChatError {
    ChatError::Garbage("parts of a response in the wrong order".into())
}

/// The beginning of a body that only explains a failure: as much of it as comes
/// soon.
fn read_some(exchange: &Exchange, watch: &Watch<'_>) -> Vec<u8> {
    let (mut body, until) = (Vec::new(), Instant::now() + ERROR_WAIT);
    while body.len() < MAX_ERROR && Instant::now() < until {
        match exchange.next(watch, until.saturating_duration_since(Instant::now())) {
            Ok(Came::Piece(bytes)) => body.extend_from_slice(&bytes),
            _ => break,
        }
    }
    body.truncate(MAX_ERROR);
    body
}

/// The models that a server says it has. No key is sent.
///
/// # Errors
/// When it does not answer, or not as a model server does.
pub fn list_models(
    endpoint: &Endpoint,
    limits: &Limits,
    cancel: &Cancel,
) -> Result<Vec<String>, ChatError> {
    list_with(endpoint, None, limits, cancel)
}

pub(super) fn list_with(
    endpoint: &Endpoint,
    key: Option<Key>,
    limits: &Limits,
    cancel: &Cancel,
) -> Result<Vec<String>, ChatError> {
    let watch = Watch { cancel, end: Instant::now() + limits.total, total: limits.total };
    let has_key = key.is_some();
    let request = Request { url: endpoint.models_url(), body: None, key };
    let exchange = Exchange::start(request, endpoint, limits)?;
    let head = match exchange.next(&watch, limits.connect + limits.first_byte)? {
        Came::Head(head) => head,
        Came::Lost(lost) => return Err(of_lost(lost, endpoint, limits.total).error),
        Came::Piece(_) | Came::End => return Err(no_head()),
    };
    if !(200..300).contains(&head.status) {
        let body = read_some(&exchange, &watch);
        return Err(of_status(&head, &body, endpoint, "", has_key).error);
    }
    let mut body = Vec::new();
    loop {
        match exchange.next(&watch, limits.idle)? {
            Came::Piece(bytes) if body.len() + bytes.len() <= MAX_LIST => {
                body.extend_from_slice(&bytes);
            }
            Came::Piece(_) => return Err(ChatError::Garbage("a list without an end".into())),
            Came::End => break,
            Came::Head(_) => return Err(no_head()),
            Came::Lost(lost) => return Err(of_lost(lost, endpoint, limits.total).error),
        }
    }
    parse_models(&body)
}

/// Reads a list of models.
fn parse_models(body: &[u8]) -> Result<Vec<String>, ChatError> {
    #[derive(Deserialize)]
    struct List {
        data: Option<Vec<Model>>,
    }
    #[derive(Deserialize)]
    struct Model {
        id: String,
    }
    let garbage = |what: &dyn std::fmt::Display| {
        let shown = harmless(&String::from_utf8_lossy(body), 120);
        ChatError::Garbage(harmless(
            &format!("a list of models was expected: {what}: {shown}"),
            EXCERPT,
        ))
    };
    let list: List = serde_json::from_slice(body).map_err(|error| garbage(&error))?;
    // Ollama without a model says null.
    let models = list.data.unwrap_or_default().into_iter();
    Ok(models.take(MAX_MODELS).map(|model| harmless(&model.id, 200)).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn model(limits: Limits) -> ServerModel {
        ServerModel::new("n", Endpoint::parse("http://localhost:1").unwrap(), "m", limits)
    }

    #[test]
    fn waits_double_and_have_an_end() {
        let model = model(Limits { retries: 3, ..Limits::default() });
        for (tries, least) in [(0, 250), (1, 500), (2, 1000)] {
            let wait = model.wait_before(tries, Again::Soon).unwrap().as_millis();
            assert!((least..=least * 3 / 2).contains(&wait), "{tries}: {wait}");
        }
        assert_eq!(model.wait_before(3, Again::Soon), None);
        assert_eq!(model.wait_before(0, Again::Never), None);
        let seconds = Duration::from_secs;
        assert_eq!(model.wait_before(0, Again::After(seconds(7))), Some(seconds(7)));
        assert_eq!(model.wait_before(0, Again::After(seconds(31))), None);
    }

    #[test]
    fn lists_of_models_are_read() {
        let parse = |text: &str| parse_models(text.as_bytes());
        assert_eq!(
            parse(r#"{"data":[{"id":"a","x":1},{"id":"b\u001b"}]}"#).unwrap(),
            ["a", "b\\u{1b}"]
        );
        assert!(parse(r#"{"object":"list","data":null}"#).unwrap().is_empty());
        for text in ["", "[]", "<html>", r#"{"data":[{}]}"#] {
            assert!(parse(text).unwrap_err().to_string().contains("list of models"), "{text}");
        }
    }
}
