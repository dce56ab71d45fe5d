//! Answers: JSON, errors as JSON, streams of lines of JSON.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_core::Stream;
use serde_json::{Value, json};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::fs::FsError;
use crate::map::MapError;

/// Why a request is not answered as asked.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) status: StatusCode,
    message: String,
    /// What else the page is told.
    more: Option<Value>,
}

impl Fault {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), more: None }
    }

    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// A failure of this machine, not of the request.
    pub(super) fn failed(message: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message.to_string())
    }

    pub(super) fn with(mut self, more: Value) -> Self {
        match (&mut self.more, more) {
            (Some(Value::Object(have)), Value::Object(more)) => have.extend(more),
            (_, more) => self.more = Some(more),
        }
        self
    }
}

impl From<MapError> for Fault {
    fn from(error: MapError) -> Self {
        let status = match &error {
            MapError::Conflict { .. } => StatusCode::CONFLICT,
            MapError::Refused(_) => StatusCode::UNPROCESSABLE_ENTITY,
            MapError::ReadOnly(_) => StatusCode::FORBIDDEN,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.to_string())
    }
}

impl From<FsError> for Fault {
    fn from(error: FsError) -> Self {
        let status = match &error {
            FsError::NotFound => StatusCode::NOT_FOUND,
            FsError::NotADirectory(_) | FsError::IsADirectory(_) | FsError::WrongType { .. } => {
                StatusCode::BAD_REQUEST
            }
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.to_string())
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut value = json!({"error": self.message});
        if let (Value::Object(object), Some(Value::Object(more))) = (&mut value, self.more) {
            object.extend(more);
        }
        let mut response = json_response(&value);
        *response.status_mut() = self.status;
        response
    }
}

/// What a request's function gives back.
pub(super) type Reply = Result<Response, Fault>;

/// JSON.
pub(super) fn json_response(value: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

/// Bytes that no browser may take for something else.
pub(super) fn bytes_response(bytes: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response()
}

/// Runs what blocks on a thread for it.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    tokio::task::spawn_blocking(work).await.map_err(Fault::failed)?
}

/// Lines that may wait for a slow reader.
const WAITING: usize = 64;

/// Where the lines of a stream are put.
#[derive(Debug, Clone)]
pub(super) struct Lines(Sender<Bytes>);

impl Lines {
    /// Sends one line; false when nobody reads any more.
    pub(super) async fn send(&self, value: &Value) -> bool {
        self.0.send(line(value)).await.is_ok()
    }

    /// The same from a thread that may wait.
    pub(super) fn blocking_send(&self, value: &Value) -> bool {
        self.0.blocking_send(line(value)).is_ok()
    }

    /// Ends when nobody reads any more.
    pub(super) async fn closed(&self) {
        self.0.closed().await;
    }
}

fn line(value: &Value) -> Bytes {
    Bytes::from(format!("{value}\n"))
}

/// An answer that comes line by line, and where its lines are put.
pub(super) fn stream() -> (Lines, Response) {
    let (sender, receiver) = channel(WAITING);
    let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
    (Lines(sender), (kind, Body::from_stream(Received(receiver))).into_response())
}

struct Received(Receiver<Bytes>);

impl Stream for Received {
    type Item = Result<Bytes, std::convert::Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context).map(|bytes| bytes.map(Ok))
    }
}
