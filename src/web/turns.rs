//! Answers that are being given: each goes on when its window closes, and may be
//! watched from several.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::body::read_json;
use super::desk::Shared;
use super::reply::{Fault, Reply, blocking, json_response, stream};
use super::tiles::{coord, whole, with_tile};
use crate::llm::{Cancel, ChatError};
use crate::map::{Coord, TalkError, answer, ask};

/// Answers at the same time.
const MOST_TURNS: usize = 8;
/// How long an answer may take.
const MOST_TIME: Duration = Duration::from_secs(15 * 60);

/// The answers that are being given.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<HashMap<Coord, Arc<Turn>>>);

#[derive(Debug)]
struct Turn {
    cancel: Cancel,
    said: Mutex<SoFar>,
    /// Counts changes of `said`.
    news: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct SoFar {
    text: String,
    end: Option<Value>,
}

impl Turn {
    fn say(&self, text: &str) {
        self.said.lock().text.push_str(text);
        self.news.send_modify(|count| *count += 1);
    }

    fn end(&self, end: Value) {
        self.said.lock().end = Some(end);
        self.news.send_modify(|count| *count += 1);
    }

    /// What was said after the first `from` bytes, and the end if it has come.
    fn after(&self, from: usize) -> (String, Option<Value>) {
        let said = self.said.lock();
        (said.text[from..].to_owned(), said.end.clone())
    }
}

impl Turns {
    pub(super) fn is_answering(&self, coord: Coord) -> bool {
        self.0.lock().contains_key(&coord)
    }

    fn get(&self, coord: Coord) -> Option<Arc<Turn>> {
        self.0.lock().get(&coord).cloned()
    }

    /// Begins one.
    fn begin(&self, coord: Coord) -> Result<Arc<Turn>, Fault> {
        let mut turns = self.0.lock();
        if turns.contains_key(&coord) {
            let sentence = "this tile is being answered; wait, or stop the answer";
            return Err(Fault::new(StatusCode::CONFLICT, sentence).with(json!({"busy": true})));
        }
        if turns.len() >= MOST_TURNS {
            let sentence = format!("{MOST_TURNS} tiles are being answered; wait for one of them");
            return Err(Fault::new(StatusCode::TOO_MANY_REQUESTS, sentence));
        }
        let turn =
            Turn { cancel: Cancel::default(), said: Mutex::default(), news: watch::channel(0).0 };
        let turn = Arc::new(turn);
        turns.insert(coord, Arc::clone(&turn));
        Ok(turn)
    }

    fn remove(&self, coord: Coord) {
        self.0.lock().remove(&coord);
    }

    /// Stops all; tells how many there are still.
    pub(super) fn cancel_all(&self) -> usize {
        let turns = self.0.lock();
        turns.values().for_each(|turn| turn.cancel.cancel());
        turns.len()
    }
}

#[derive(Debug, Deserialize)]
struct Asked {
    /// The question; without one the last that was not answered is tried again.
    text: Option<String>,
    /// The revision of the tile that the window shows.
    revision: u64,
}

/// `POST /api/tiles/X,Y/messages`: a stream of the answer.
pub(super) async fn post(
    State(shared): State<Arc<Shared>>,
    Path(at): Path<String>,
    request: Request,
) -> Reply {
    let coord = coord(&at)?;
    let asked: Asked = read_json(request).await?;
    let turn = shared.turns.begin(coord).map_err(|fault| with_tile(&shared, coord, fault))?;
    let begun = {
        let shared = Arc::clone(&shared);
        blocking(move || begin(&shared, coord, &asked)).await
    };
    let (question, first) = begun.map_err(|fault| {
        // The tile that the refusal brings is not being answered.
        shared.turns.remove(coord);
        with_tile(&shared, coord, fault)
    })?;
    shared.tile_changed(coord);
    std::thread::spawn({
        let turn = Arc::clone(&turn);
        move || run(&shared, coord, question, &turn)
    });
    tokio::spawn({
        let cancel = turn.cancel.clone();
        let mut news = turn.news.subscribe();
        async move {
            // Ends with the turn.
            let ended = async { while news.changed().await.is_ok() {} };
            if tokio::time::timeout(MOST_TIME, ended).await.is_err() {
                cancel.cancel();
            }
        }
    });
    Ok(watch_turn(turn, Some(first)))
}

/// Writes the question down; gives back its number.
fn begin(shared: &Shared, coord: Coord, asked: &Asked) -> Result<(usize, Value), Fault> {
    let map = &shared.desk.map;
    let question = match &asked.text {
        Some(text) => ask(map, coord, text, Some(asked.revision))?.question,
        None => {
            let tile = map.tile(coord);
            if tile.revision != asked.revision {
                let sentence = "this tile was changed by somebody else";
                return Err(Fault::new(StatusCode::CONFLICT, sentence));
            }
            tile.open_question()
        }
    };
    let nothing = || Fault::bad("no question of this tile waits for an answer");
    let question = question.ok_or_else(nothing)?;
    let mut first = json!({"type": "asked"});
    first["tile"] = whole(shared, coord, &map.tile(coord));
    Ok((question, first))
}

fn run(shared: &Shared, coord: Coord, question: usize, turn: &Turn) {
    let map = &shared.desk.map;
    let model = map.tile(coord).model_id;
    let said = shared.desk.models.partner(model).map_err(TalkError::from).and_then(|partner| {
        answer(map, coord, question, &partner, &turn.cancel, &mut |text| turn.say(text))
    });
    shared.turns.remove(coord);
    let end = match said {
        Ok(said) => json!({
            "type": "done",
            "model": said.answer.model,
            "prompt_tokens": said.answer.prompt_tokens,
            "answer_tokens": said.answer.answer_tokens,
            "seconds": said.answer.duration.as_secs_f64(),
            "finish": said.answer.finish,
            "tile": whole(shared, coord, &said.written.tile),
        }),
        Err(error) => json!({
            "type": "error",
            "error": error.to_string(),
            "cancelled": matches!(error, TalkError::Chat(ChatError::Cancelled)),
            "tile": whole(shared, coord, &map.tile(coord)),
        }),
    };
    turn.end(end);
    shared.tile_changed(coord);
}

/// `GET /api/tiles/X,Y/answer`: a stream of the answer that is being given.
pub(super) async fn attach(State(shared): State<Arc<Shared>>, Path(at): Path<String>) -> Reply {
    let coord = coord(&at)?;
    let none = || Fault::new(StatusCode::NOT_FOUND, "this tile is not being answered");
    Ok(watch_turn(shared.turns.get(coord).ok_or_else(none)?, None))
}

/// `POST /api/tiles/X,Y/cancel`
pub(super) async fn cancel(State(shared): State<Arc<Shared>>, Path(at): Path<String>) -> Reply {
    let turn = shared.turns.get(coord(&at)?);
    if let Some(turn) = &turn {
        turn.cancel.cancel();
    }
    Ok(json_response(&json!({"cancelled": turn.is_some()})))
}

/// The stream of a turn. Whoever watches may leave; the turn goes on.
fn watch_turn(turn: Arc<Turn>, first: Option<Value>) -> Response {
    let (lines, response) = stream();
    let mut news = turn.news.subscribe();
    tokio::spawn(async move {
        if let Some(first) = first
            && !lines.send(&first).await
        {
            return;
        }
        let mut sent = 0;
        loop {
            news.mark_unchanged();
            let (text, end) = turn.after(sent);
            sent += text.len();
            if !text.is_empty() && !lines.send(&json!({"type": "text", "text": text})).await {
                return;
            }
            if let Some(end) = end {
                lines.send(&end).await;
                return;
            }
            tokio::select! {
                changed = news.changed() => if changed.is_err() { return },
                () = lines.closed() => return,
            }
        }
    });
    response.into_response()
}
