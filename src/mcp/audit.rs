//! The audit log: a line of JSON for each call, whatever became of it.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use rmcp::model::JsonObject;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::work::Failure;
use crate::boot::log::rfc3339;
use crate::llm::{Audit as Log, harmless};

/// Arguments that are paths.
const PATHS: [&str; 5] = ["path", "paths", "source", "destination", "uri"];
/// Paths that a line names, and characters of each.
const MAX_PATHS: usize = 20;
const MAX_PATH: usize = 400;

/// Where calls are recorded.
#[derive(Debug)]
pub(super) struct Audit {
    log: Log,
}

/// The line.
#[derive(Serialize)]
struct Line<'a> {
    time: String,
    /// What was asked for: `tools/call`, `resources/read`, `resources/list`,
    /// `completion/complete`.
    method: &'a str,
    /// The client, as it names itself.
    client: &'a str,
    /// The tool or resource.
    name: String,
    paths: Vec<String>,
    arguments_sha256: String,
    duration_ms: u64,
    /// `ok`, `failed`, `refused` (no such tool, wrong arguments) or `cancelled`.
    result: &'a str,
    /// Bytes of the answer.
    bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// A call and its end: `refused` until [`Call::end`] says another.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) method: &'a str,
    pub(super) client: &'a str,
    pub(super) name: &'a str,
    pub(super) arguments: &'a JsonObject,
    pub(super) duration: Duration,
    pub(super) result: &'a str,
    pub(super) bytes: usize,
    pub(super) error: Option<&'a str>,
}

impl<'a> Call<'a> {
    pub(super) fn new(
        method: &'a str,
        client: &'a str,
        name: &'a str,
        arguments: &'a JsonObject,
    ) -> Self {
        let duration = Duration::ZERO;
        Self { method, client, name, arguments, duration, result: "refused", bytes: 0, error: None }
    }

    /// Notes what became of it: so many bytes, or a failure.
    pub(super) fn end(&mut self, start: Instant, done: Result<usize, &'a Failure>) {
        self.duration = start.elapsed();
        match done {
            Ok(bytes) => (self.result, self.bytes) = ("ok", bytes),
            Err(Failure::Cancelled) => self.result = "cancelled",
            Err(Failure::Said(sentence)) => {
                (self.result, self.error) = ("failed", Some(sentence.as_str()))
            }
        }
    }
}

impl Audit {
    /// Opens the log, which is made if it is missing.
    pub(super) fn open(path: &Path) -> std::io::Result<Self> {
        Ok(Self { log: Log::open(path)? })
    }

    /// Whether calls can be recorded.
    pub(super) fn is_working(&self) -> bool {
        self.log.is_working()
    }

    /// Records a call.
    pub(super) fn record(&self, call: &Call<'_>) -> std::io::Result<()> {
        let text = serde_json::to_string(call.arguments)?;
        let line = Line {
            time: rfc3339(SystemTime::now()),
            method: call.method,
            client: call.client,
            name: harmless(call.name, MAX_PATH),
            paths: paths(call.arguments),
            arguments_sha256: crate::store::hex(&Sha256::digest(text)),
            duration_ms: u64::try_from(call.duration.as_millis()).unwrap_or(u64::MAX),
            result: call.result,
            bytes: call.bytes,
            error: call.error.map(|error| harmless(error, MAX_PATH)),
        };
        self.log.append(&line)
    }
}

/// The paths among a call's arguments.
fn paths(arguments: &JsonObject) -> Vec<String> {
    let values = PATHS.iter().filter_map(|name| arguments.get(*name));
    let texts = values.flat_map(|value| match value {
        Value::Array(values) => values.iter().filter_map(Value::as_str).collect(),
        value => value.as_str().into_iter().collect::<Vec<_>>(),
    });
    texts.take(MAX_PATHS).map(|text| harmless(text, MAX_PATH)).collect()
}
