//! What is sent here: JSON of a bounded size.

use std::pin::Pin;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use serde::de::DeserializeOwned;

use super::reply::Fault;

/// Bytes that a request may have: a message of the map, escaped, with room around.
const MAX_BODY: usize = 2 << 20;
/// Bytes that are still read and thrown away, so that whoever sends too much can
/// read the answer.
const MAX_DRAINED: usize = 64 << 20;
/// How long a body may take.
const MAX_TIME: Duration = Duration::from_secs(30);

/// Reads a request's JSON.
pub(super) async fn read_json<T: DeserializeOwned>(request: Request) -> Result<T, Fault> {
    let kind = request.headers().get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    // A form of another site can send none of this type.
    if kind.split(';').next().map(str::trim) != Some("application/json") {
        let sentence = "what is sent here is application/json";
        return Err(Fault::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, sentence));
    }
    let slow = |_| Fault::new(StatusCode::REQUEST_TIMEOUT, "the request took too long to arrive");
    let bytes = tokio::time::timeout(MAX_TIME, read(request.into_body())).await.map_err(slow)??;
    serde_json::from_slice(&bytes).map_err(|error| Fault::bad(format!("the request: {error}")))
}

async fn read(mut body: Body) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    let mut dropped = 0;
    while let Some(frame) = next_frame(&mut body).await {
        let frame = frame.map_err(|error| Fault::bad(error.to_string()))?;
        let Ok(data) = frame.into_data() else { continue };
        if dropped == 0 && bytes.len() + data.len() <= MAX_BODY {
            bytes.extend_from_slice(&data);
            continue;
        }
        dropped += data.len();
        if dropped > MAX_DRAINED {
            break;
        }
    }
    if dropped > 0 {
        let sentence = format!("too large: a request may have {MAX_BODY} bytes");
        return Err(Fault::new(StatusCode::PAYLOAD_TOO_LARGE, sentence));
    }
    Ok(bytes)
}

type Frame = Result<hyper::body::Frame<axum::body::Bytes>, axum::Error>;

async fn next_frame(body: &mut Body) -> Option<Frame> {
    use hyper::body::Body as _;
    std::future::poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await
}
