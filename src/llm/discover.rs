//! Model servers on this machine, found by asking.

use std::thread;

use serde::Serialize;

use super::cartridge::Backend;
use super::chat::Cancel;
use super::client::{Limits, list_models};
use super::endpoint::Endpoint;

/// What a well-known place answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    /// What kind of server listens there by custom.
    pub backend: Backend,
    /// What people call it.
    pub product: &'static str,
    /// Where it was asked.
    pub endpoint: String,
    /// The models it has; none when it does not answer.
    pub models: Option<Vec<String>>,
    /// Why there is no answer, or nothing to talk to; and what to do about it.
    pub missing: Option<String>,
}

impl Found {
    /// Whether there is a model to talk to.
    pub fn is_usable(&self) -> bool {
        self.models.as_ref().is_some_and(|models| !models.is_empty())
    }
}

/// The places that are asked: what listens there, where, and how to get it going.
const WELL_KNOWN: &[(Backend, &str, &str, &str, &str)] = &[
    (
        Backend::LmStudio,
        "LM Studio",
        "http://localhost:1234/v1",
        "start its local server (Developer tab, or 'lms server start')",
        "load a model in it",
    ),
    (
        Backend::Ollama,
        "Ollama",
        "http://localhost:11434/v1",
        "start it with 'ollama serve'",
        "get a model with 'ollama pull NAME'",
    ),
    (
        Backend::Custom,
        "llama.cpp server",
        "http://localhost:8080/v1",
        "start it with 'llama-server -m MODEL.gguf'",
        "start it with a model",
    ),
];

/// The well-known places: the backend, what people call it, and its endpoint.
pub fn well_known() -> impl Iterator<Item = (Backend, &'static str, &'static str)> {
    WELL_KNOWN.iter().map(|(backend, product, endpoint, ..)| (*backend, *product, *endpoint))
}

/// Asks all well-known places at once for their models. Takes as long as the
/// slowest of them, bounded by `limits`.
pub fn discover(limits: &Limits, cancel: &Cancel) -> Vec<Found> {
    thread::scope(|scope| {
        let asked: Vec<_> = WELL_KNOWN
            .iter()
            .map(|place| {
                let ask = move || ask(place, limits, cancel);
                (place, thread::Builder::new().spawn_scoped(scope, ask))
            })
            .collect();
        let answer =
            |(place, thread): (_, std::io::Result<thread::ScopedJoinHandle<'_, Found>>)| {
                match thread {
                    Ok(thread) => {
                        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                    }
                    Err(_) => ask(place, limits, cancel),
                }
            };
        asked.into_iter().map(answer).collect()
    })
}

fn ask(
    (backend, product, endpoint, start, load): &(Backend, &'static str, &str, &str, &str),
    limits: &Limits,
    cancel: &Cancel,
) -> Found {
    let answer = match Endpoint::parse(endpoint) {
        Ok(endpoint) => list_models(&endpoint, limits, cancel).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    let missing = match &answer {
        Err(error) => Some(format!("{error}; {start}")),
        Ok(models) if models.is_empty() => Some(format!("it has no model; {load}")),
        Ok(_) => None,
    };
    let (backend, product, endpoint) = (*backend, *product, (*endpoint).to_owned());
    Found { backend, product, endpoint, models: answer.ok(), missing }
}
